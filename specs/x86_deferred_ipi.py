"""x86: syncs that wait until a nohz_full CPU comes back from user mode.

Source: Valentin Schneider's series "context_tracking,x86: Defer kernel text patching IPIs" (v5,
April 2025). A CPU in user mode runs no kernel code, so it need not be interrupted to serialise: a
bit is set for it instead, and it serialises when it next enters the kernel, before it runs what may
be patched. A CPU in the kernel gets the IPI. If a site lies on the entry path, before the point
where the bit is looked at, the patcher falls back to IPIs for everybody. Left out: how the bit and
the mode are changed in one step (context tracking does that).

What the verdicts mean: to defer is as good as to interrupt, as long as nothing patchable runs
between kernel entry and the flush. A static key there, patched with deferred syncs, tears.
"""

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    enter_user,
    execute,
    flush,
    iret,
    irq_off,
    irq_on,
    leave_user,
    lookup,
    on_each_cpu,
    store,
    violates,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
JMP = bytes.fromhex("e9 e7 57 07 00")
INT3 = b"\xcc"

poke = Cell("poke")


def text_poke(name: str, *, on_entry_path: bool, deferred: bool) -> Protocol:
    site = Site("static key", NOP, JMP, address=0xFFFFFFFF81001000)
    early, late = ((site,), ()) if on_entry_path else ((), (site,))
    return Protocol(
        name,
        sites=(site,),
        cells=(poke,),
        program=(
            store("publish", poke, "static key"),
            write("int3", site, INT3),
            on_each_cpu("sync-1", deferred=deferred),
            write("tail", site, JMP[1:], at=1, order="single"),
            on_each_cpu("sync-2", deferred=deferred),
            write("head", site, JMP[:1]),
            on_each_cpu("sync-3", deferred=deferred),
            store("retire", poke, None),
        ),
        handler=Handler(INT3, (lookup("find", poke), emulate("emulate", poke), iret("iret"))),
        # User mode, and back through the entry path, where interrupts are off.
        cpu_program=(
            enter_user("user"),
            irq_off("entry"),
            leave_user("kernel"),
            execute("entry path", *early),
            flush("flush"),
            irq_on("irqs on"),
            execute("rest of the kernel", *late),
        ),
        properties=("no-torn-instruction", "no-unhandled-trap", "no-stale-handler-data"),
        patcher_executes=False,
    )


base = text_poke("deferred", on_entry_path=False, deferred=True)
entry = text_poke("deferred", on_entry_path=True, deferred=True)
STALE = ("store-order", "per-chunk", "incoherent")
HARMED = violates("no-torn-instruction", "no-unhandled-trap", under=STALE)

SUITES = (
    Suite(
        base,
        (
            Variant(
                "on-entry-path",
                entry,
                HARMED,
            ),
            Variant(
                "on-entry-path-with-ipis",
                text_poke("deferred", on_entry_path=True, deferred=False),
            ),
            Variant("no-flush", base.without("cpu/flush"), HARMED),
        ),
        cpus=1,
        fetch=("coherent", *STALE),
    ),
)
