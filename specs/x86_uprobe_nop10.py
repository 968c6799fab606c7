"""x86: the optimised uprobe of ten bytes, and why its call stays for ever.

Source: Linux arch/x86/kernel/uprobes.c, int3_update_optimize() and int3_update_unoptimize(), the
successor of the five-byte form: a call pushes its return address onto the red zone, so the stack is
moved first: LEA -0x80(%rsp),%rsp; CALL. A NOP of ten bytes becomes two instructions, and a thread
may be preempted between them. When the probe is taken out, only the first five bytes are restored:
with them, the bytes of the call are the SIB byte and the displacement of a NOP of ten bytes. Left
out: how the trampoline moves the stack back.

What the verdicts mean: at byte five there is always the same call, whatever comes before it, so a
thread that sits there goes on rightly. To restore all ten bytes puts it in the middle of a NOP.
"""

from modelcheck import (
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    on_each_cpu,
    runs,
    synchronize_rcu_tasks,
    violates,
    write,
)

INT3 = b"\xcc"
LEA = bytes.fromhex("48 8d 64 24 80")
CALL = bytes.fromhex("e8 e7 57 07 00")
NOP10 = bytes.fromhex("66 2e 0f 1f 84 00 00 02 00 00")
KEEPS_CALL = NOP10[:5] + CALL
ONE, TWO = runs(10), runs(5, 5)
PROPERTIES = ("no-torn-instruction", "no-torn-sequence")
TEXT = 0x401000


def protocol(name: str, site: Site, changed: int, *, nop: str) -> Protocol:
    """int3, the bytes behind it that change, and the first byte; a trap acts as the NOP."""
    act = emulate("skip nop", instruction="old" if nop == "old" else "new")
    return Protocol(
        name,
        sites=(site,),
        program=(
            write("int3", site, INT3),
            on_each_cpu("sync-1"),
            write("rest", site, site.new[1:changed], at=1),
            on_each_cpu("sync-2"),
            write("first", site, site.new[:1]),
            on_each_cpu("sync-3"),
        ),
        handler=Handler(INT3, (act, iret("return"))),
        properties=PROPERTIES,
        patcher_executes=False,
    )


optimise = protocol(
    "optimise", Site("probed", NOP10, LEA + CALL, TEXT, ONE, TWO), changed=10, nop="old"
)
unoptimise = protocol(
    "unoptimise", Site("probed", LEA + CALL, KEEPS_CALL, TEXT, TWO, ONE), changed=5, nop="new"
)
restore_all = protocol(
    "unoptimise", Site("probed", LEA + CALL, NOP10, TEXT, TWO, ONE), changed=10, nop="new"
)

TORN = violates(*PROPERTIES)
FETCH = ("coherent", "store-order", "per-chunk", "incoherent")

SUITES = (
    Suite(
        unoptimise,
        (
            Variant("restore-everything", restore_all, TORN),
            Variant(
                "restore-everything-after-a-grace-period",
                restore_all.inserted(synchronize_rcu_tasks("grace"), after="sync-1"),
            ),
        ),
        cpus=1,
        fetch=FETCH,
    ),
    Suite(optimise, cpus=1, fetch=FETCH),
)
