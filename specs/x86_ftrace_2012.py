"""x86: ftrace's breakpoint protocol of 2012 to 2019, with a handler that skips, then emulates.

Source: Linux arch/x86/kernel/ftrace.c between 08d636b6d4fb (2012) and its move to text_poke() in
November 2019: ftrace_replace_code() adds a breakpoint to every record, changes every tail, changes
every first byte, with run_sync() after each pass, and update_ftrace_func() does so for one call in
a trampoline. While the counter modifying_ftrace_code is up, a breakpoint at a record, or at
ftrace_update_func, is taken for ours; ftrace_int3_handler() steps over the five bytes. If one
record is not as expected, the breakpoints are removed again. Left out: that run_sync() enables
interrupts at boot. The two commits of 2014 are cited as recalled, not read again.

What the verdicts mean: for nop and call, to step over is to act as the nop, so the handler needs
no data but the counter, and the last run_sync is what makes it safe to drop it, and lets nobody run
the nop, or trap, when all is done: on the error path as well, where it was forgotten twice. From
one call to another, to step over is neither old nor new: live-patched functions ran their old body
meanwhile. In May 2019 Linus Torvalds found two races in "modifying_ftrace_code": (a) the counter
has gone down before a slow handler reads it; (b) it is up, but for the next update, and
ftrace_update_func is that one's. Both are here, and both need the last run_sync to be missing,
which is what made him take them back: a handler runs with interrupts off, so the sync waits for it.
"""

from dataclasses import replace

from modelcheck import (
    STRICT_TOO,
    Bug,
    Cell,
    Element,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    add,
    emulate,
    fence,
    iret,
    lookup,
    on_each_cpu,
    skip,
    store,
    violates,
    without_property,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")
OTHER_CALL = bytes.fromhex("e8 1b 2c 0a 00")

modifying_ftrace_code = Cell("modifying_ftrace_code", 0)


modifying = lookup("modifying?", modifying_ftrace_code)
skipping = Handler(INT3, (modifying, skip("skip"), iret("iret")))
emulating = Handler(INT3, (modifying, emulate("call"), iret("iret")))


def records(old: bytes, new: bytes, functions: tuple[str, ...]) -> tuple[Site, ...]:
    return tuple(
        Site(function, old, new, address=0xFFFFFFFF81001000 + 0x40 * number)
        for number, function in enumerate(functions)
    )


def ftrace_replace_code(name: str, old: bytes, new: bytes, functions: tuple[str, ...]) -> Protocol:
    sites = records(old, new, functions)
    return Protocol(
        name,
        sites=sites,
        cells=(modifying_ftrace_code,),
        program=(
            add("prepare", modifying_ftrace_code),
            *(write(f"add_breakpoint {rec.name}", rec, INT3) for rec in sites),
            on_each_cpu("run_sync-1"),
            *(write(f"add_update {rec.name}", rec, new[1:], at=1) for rec in sites),
            on_each_cpu("run_sync-2"),
            *(write(f"finish_update {rec.name}", rec, new[:1]) for rec in sites),
            on_each_cpu("run_sync-3"),
            add("post_process", modifying_ftrace_code, -1),
        ),
        handler=skipping,
    )


def failing(name: str, *before: Element) -> Protocol:
    """The error path: what was done `before`, then the breakpoint is removed."""
    return Protocol(
        name,
        sites=(kept,),
        cells=(modifying_ftrace_code,),
        program=(
            add("prepare", modifying_ftrace_code),
            write("add_breakpoint", kept, INT3),
            *before,
            write("remove_breakpoint", kept, NOP[:1]),
            on_each_cpu("run_sync-last"),
            add("post_process", modifying_ftrace_code, -1),
        ),
        handler=skipping,
    )


(kept,) = records(NOP, NOP, ("foo",))  # what it was to become is never written
fails_adding = failing("fails-adding")
fails_updating = failing("fails-updating", on_each_cpu("run_sync-1"))

# ftrace_update_ftrace_func(): two calls in trampolines, one after the other, under one gate.
ftrace_update_func = Cell(
    "update_func", stays="it keeps its last value, which nobody looks at while the counter is down"
)
calls = records(CALL, OTHER_CALL, ("call", "regs_call"))


def update_ftrace_func(call: Site) -> tuple[Element, ...]:
    name = call.name
    return (
        store(f"set {name}", ftrace_update_func, (name,)),
        fence(f"smp_wmb {name}"),
        add(f"inc {name}", modifying_ftrace_code),
        write(f"add_break {name}", call, INT3),
        on_each_cpu(f"run_sync-1 {name}"),
        write(f"tail {name}", call, call.new[1:], at=1, order="single"),
        on_each_cpu(f"run_sync-2 {name}"),
        write(f"head {name}", call, call.new[:1]),
        on_each_cpu(f"run_sync-3 {name}"),
        add(f"dec {name}", modifying_ftrace_code, -1),
    )


trampolines = Protocol(
    "trampolines",
    sites=calls,
    cells=(modifying_ftrace_code, ftrace_update_func),
    program=(*update_ftrace_func(calls[0]), *update_ftrace_func(calls[1])),
    handler=Handler(
        INT3,
        (
            modifying,
            lookup("ours?", ftrace_update_func, search=True),
            emulate("call", ftrace_update_func),
            iret("iret"),
        ),
    ),
)
no_last_sync = trampolines.without("run_sync-3 call")


# A missing last sync may show in several ways; a bug is told by the one that it was found by.
def told_by(name: str, protocol: Protocol, *others: str) -> Protocol:
    reason = f"the bug was found by {name}, which the missing sync violates as well"
    return replace(
        protocol, waived=tuple(without_property(other, because=reason) for other in others)
    )


TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
UNHANDLED = violates("no-unhandled-trap")
LAST_SYNC = violates("no-unhandled-trap", "visible-after-return")
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")

enable = ftrace_replace_code("enable", NOP, CALL, ("foo", "bar"))
disable = ftrace_replace_code("disable", CALL, NOP, ("foo",))
update = ftrace_replace_code("update", CALL, OTHER_CALL, ("foo",)).with_handler(emulating)

# Their own path, 8a4d0a687a59: not a record, so no breakpoint was used at first.
(ftrace_call,) = records(CALL, OTHER_CALL, ("ftrace_call",))
direct = Protocol(
    "direct",
    sites=(ftrace_call,),
    program=(write("ftrace_modify_code", ftrace_call, OTHER_CALL, order="any"),),
)
CROSS_MODIFIED = violates(TORN, under=RELAXED, split=True) | violates(
    TORN, UNPERMITTED, under=("strict",)
)

SUITES = (
    Suite(
        enable,
        (
            Variant("no-run_sync-1", enable.without("run_sync-1"), CROSS_MODIFIED),
            Variant(
                "no-run_sync-2",
                enable.without("run_sync-2"),
                violates(TORN, under=("coherent-any-order", "per-chunk", "incoherent"), split=True)
                | violates(TORN, UNPERMITTED, under=("strict",)),
            ),
            Variant("no-run_sync-3", enable.without("run_sync-3"), LAST_SYNC),
            Variant("prepare-late", enable.moved("prepare", before="run_sync-1"), UNHANDLED),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(disable, fetch=STRICT_TOO),
    Suite(
        update,
        (
            Variant(
                "skip",
                update.with_handler(skipping),
                violates("effect-is-old-or-new"),
                bug=Bug(
                    "2019-05",
                    "Linux x86",
                    "ftrace/x86_64: Emulate call function while updating in breakpoint handler",
                    "9e298e860408",
                    "While the call of one trampoline became the call of another, the handler "
                    "stepped over it as if it were a nop. A live-patched function was called "
                    "meanwhile, and its old body ran.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        fails_adding,
        (
            Variant(
                "no-sync",
                told_by(
                    "no-unhandled-trap",
                    fails_adding.without("run_sync-last"),
                    "visible-after-return",
                ),
                UNHANDLED,
                bug=Bug(
                    "2014-02",
                    "Linux x86",
                    "ftrace/x86: Run a sync after fixup on failure",
                    "c932c6b7c913",
                    "One record was not as expected, so the breakpoints set so far were removed, "
                    "but nobody was made to serialise. A CPU could still hit one after the counter "
                    "had gone down, when nobody takes it for ftrace's.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        fails_updating,
        (
            Variant(
                "no-sync",
                told_by(
                    "no-unhandled-trap",
                    fails_updating.without("run_sync-last"),
                    "visible-after-return",
                ),
                UNHANDLED,
                bug=Bug(
                    "2014-02",
                    "Linux x86",
                    "ftrace/x86: One more missing sync after fixup of function modification "
                    "failure",
                    "12729f14d843",
                    "The same on the other error path: the tail could not be written, so the old "
                    "first byte was put back, without a sync.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        trampolines,
        (
            Variant(
                "race-a",
                told_by("no-unhandled-trap", no_last_sync, "no-stale-handler-data"),
                UNHANDLED,
                bug=Bug(
                    "2019-05",
                    "Linux x86",
                    "modifying_ftrace_code is racy, (a): the counter has gone down",
                    "Linus Torvalds, mail of 6 May 2019 on emulating calls in int3 (withdrawn)",
                    "A CPU takes the breakpoint, but is slow: the other has finished and counted "
                    "down before it reads modifying_ftrace_code, so nobody knows the trap. Real "
                    "only without the last run_sync, as here.",
                ),
            ),
            Variant(
                "race-b",
                told_by("no-stale-handler-data", no_last_sync, "no-unhandled-trap"),
                violates("no-stale-handler-data"),
                bug=Bug(
                    "2019-05",
                    "Linux x86",
                    "modifying_ftrace_code is racy, (b): another update has begun",
                    "Linus Torvalds, mail of 6 May 2019 on emulating calls in int3 (withdrawn)",
                    "The CPU reads the counter in time, but the other goes on to another update "
                    "and changes ftrace_update_func, so the trap is mended with the wrong values. "
                    "Real only without the last run_sync, as here.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        direct,
        expect=violates(TORN, under=RELAXED) | violates(TORN, UNPERMITTED, under=("strict",)),
        cpus=1,
        bug=Bug(
            "2012-05",
            "Linux x86",
            "ftrace: Use breakpoint method to update ftrace caller",
            "8a4d0a687a59",
            "The records were changed under breakpoints, but the call in the trampoline itself was "
            "overwritten directly, while other CPUs ran it: a general protection fault.",
        ),
        fetch=STRICT_TOO,
    ),
)
