"""x86: ftrace's breakpoint protocol of 2012 to 2019, per record, with a handler that skips.

Source: Linux arch/x86/kernel/ftrace.c between 08d636b6d4fb (2012) and its move to text_poke() in
November 2019: ftrace_replace_code() adds a breakpoint to every record, changes every tail, changes
every first byte, with run_sync() after each pass; ftrace_int3_handler() steps over the five bytes.
While the counter modifying_ftrace_code is up, any breakpoint at a record is taken for ours. Left
out: the error path, ftrace_update_func, and that run_sync() enables interrupts at boot.

What the verdicts mean: for nop and call, to step over is to act as the nop, so the handler needs
no data but the counter, and run_sync 3 is what makes it safe to drop it. From one call to another,
to step over is neither: live-patched functions ran their old body while their call was updated
(fixed by 9e298e860408, 2019, which emulates the call).
"""

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    iret,
    lookup,
    on_each_cpu,
    skip,
    store,
    violates,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")
OTHER_CALL = bytes.fromhex("e8 1b 2c 0a 00")

modifying_ftrace_code = Cell("modifying_ftrace_code", 0)


def ftrace_replace_code(name: str, old: bytes, new: bytes, functions: tuple[str, ...]) -> Protocol:
    records = tuple(
        Site(function, old, new, address=0xFFFFFFFF81001000 + 0x40 * number)
        for number, function in enumerate(functions)
    )
    return Protocol(
        name,
        sites=records,
        cells=(modifying_ftrace_code,),
        program=(
            store("prepare", modifying_ftrace_code, 1),
            *(write(f"add_breakpoint {rec.name}", rec, INT3) for rec in records),
            on_each_cpu("run_sync-1"),
            *(write(f"add_update {rec.name}", rec, new[1:], at=1) for rec in records),
            on_each_cpu("run_sync-2"),
            *(write(f"finish_update {rec.name}", rec, new[:1]) for rec in records),
            on_each_cpu("run_sync-3"),
            store("post_process", modifying_ftrace_code, 0),
        ),
        handler=Handler(
            INT3,
            (
                lookup("modifying?", modifying_ftrace_code),
                skip("skip"),
                iret("iret"),
            ),
        ),
        properties=("no-torn-instruction", "no-unhandled-trap", "effect-is-old-or-new"),
    )


TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
UNHANDLED = violates("no-unhandled-trap")
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")

enable = ftrace_replace_code("enable", NOP, CALL, ("foo", "bar"))
disable = ftrace_replace_code("disable", CALL, NOP, ("foo",))
update = ftrace_replace_code("update", CALL, OTHER_CALL, ("foo",))

SUITES = (
    Suite(
        enable,
        (
            Variant(
                "no-run_sync-1",
                enable.without("run_sync-1"),
                violates(TORN, under=RELAXED, split=True)
                | violates(TORN, UNPERMITTED, under=("strict",)),
            ),
            Variant(
                "no-run_sync-2",
                enable.without("run_sync-2"),
                violates(TORN, under=("coherent-any-order", "per-chunk", "incoherent"), split=True)
                | violates(TORN, UNPERMITTED, under=("strict",)),
            ),
            Variant("no-run_sync-3", enable.without("run_sync-3"), UNHANDLED),
            Variant("prepare-late", enable.moved("prepare", before="run_sync-1"), UNHANDLED),
        ),
        cpus=1,
    ),
    Suite(disable),
    Suite(update, expect=violates("effect-is-old-or-new")),
)
