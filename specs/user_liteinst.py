"""User space: LiteInst, a call that straddles two cache lines, patched with timed waits.

Source: Chamith, Svensson, Dalessandro and Newton, "Instruction Punning: Lightweight Instrumentation
for x86-64" (PLDI 2017), and the libpointpatch and LiteInst repositories. The first byte becomes
int3, the patcher waits some time, stores the half in the second line, waits again, and stores the
half in the first line. The handler of SIGTRAP just goes back to try again. Left out: punning, and
sites that do not straddle, which are one store.

What the verdicts mean: each store lies in one line and is seen whole. But nothing says how long a
CPU may keep what it has fetched, and a wait promises nothing to a model without time. With a sync
of all CPUs in place of each wait it is the int3 protocol.
"""

from modelcheck import (
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    iret,
    on_each_cpu,
    pause,
    violates,
    without_property,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")
INT3 = b"\xcc"
HERE = 2  # bytes in the first line

site = Site("probe", NOP, CALL, address=0x401040 - HERE)

timed = Protocol(
    "straddler",
    sites=(site,),
    program=(
        write("int3", site, INT3),
        pause("wait-1"),
        write("second line", site, CALL[HERE:], at=HERE, order="single"),
        pause("wait-2"),
        write("first line", site, CALL[:HERE], order="single"),
    ),
    handler=Handler(INT3, (iret("sigreturn"),), interrupts=True),
    waived=(
        without_property(
            "visible-after-return",
            because="nothing is waited for behind the last store: a probe may become active late",
        ),
    ),
    patcher_executes=False,
)

synced = timed.replaced("wait-1", on_each_cpu("sync-1")).replaced("wait-2", on_each_cpu("sync-2"))

TORN = violates("no-torn-instruction")

SUITES = (
    Suite(
        timed,
        (
            Variant("syncs-for-waits", synced),
            Variant(
                "sync-for-the-second-wait",
                timed.replaced("wait-2", on_each_cpu("sync-2")),
                TORN,
            ),
            Variant(
                "sync-for-the-first-wait",
                timed.replaced("wait-1", on_each_cpu("sync-1")),
                violates("no-torn-instruction", under=("per-chunk", "incoherent")),
            ),
        ),
        expect=TORN,
        chunk=64,
        cpus=1,
        fetch=("coherent", "store-order", "per-chunk", "incoherent"),
    ),
)
