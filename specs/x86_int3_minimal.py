"""x86: the int3 protocol at its barest, whose state counts are known from other checkers.

Five bytes that all change; a trap that only leaves the fetch; no handler data, and a patcher whose
own CPU does not run the site. Twelve steps: int3, send, wait, four tail bytes, send, wait, first
byte, send, wait. With fetch model coherent, byte-wise, and `--property no-torn-instruction`, so
that nothing else is remembered, N = 1, 2, 3, 4 CPUs reach 64, 460, 4156 and 42868 states. SPIN,
LTSmin, Rumur, CMurphi, Stateright and TLC count the same.

What the verdicts mean: with bytes fetched in ascending order from the newest memory, sync 2 is not
needed; as soon as they may be fetched in any order, it is. With every fetch from the newest memory,
sync 3 is not needed either; where a CPU may hold what it has fetched, the trap is seen late.
"""

from modelcheck import (
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    iret,
    on_each_cpu,
    violates,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 01")

site = Site("foo", NOP, CALL, address=0xFFFFFFFF81001000)

minimal = Protocol(
    "minimal",
    sites=(site,),
    program=(
        write("int3", site, INT3),
        on_each_cpu("sync-1"),
        write("tail", site, CALL[1:], at=1),
        on_each_cpu("sync-2"),
        write("head", site, CALL[:1]),
        on_each_cpu("sync-3"),
    ),
    handler=Handler(INT3, (iret("leave"),)),
    patcher_executes=False,
)

TORN = violates("no-torn-instruction", split=True)
OUT_OF_ORDER = ("coherent-any-order", "per-chunk", "incoherent")

SUITE = Suite(
    minimal,
    (
        Variant("no-sync-1", minimal.without("sync-1"), TORN),
        Variant(
            "no-sync-2",
            minimal.without("sync-2"),
            violates("no-torn-instruction", under=OUT_OF_ORDER, split=True),
        ),
        Variant("no-sync-3", minimal.without("sync-3")),
    ),
    fetch=("coherent", "coherent-any-order"),
    semantics="bytewise",
)
