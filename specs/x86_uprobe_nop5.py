"""x86: an optimised uprobe, a user NOP of five bytes that becomes a call.

Source: Linux arch/x86/kernel/uprobes.c, int3_update(), since ba2bfc97b462 (6.18): "uprobes/x86: Add
support to optimize uprobes". The probe is installed as an int3 over the first byte as ever. When it
is first hit, the site is optimised: sync, write the four bytes behind, sync, write the first byte
of the call, sync. To take the call out again, int3 comes first. Each sync is an IPI to all CPUs.
Left out: pages that share the code, and sites that cross pages, which are refused.

What the verdicts mean: it is the int3 protocol once more, in two halves that may be far apart. The
handler acts as the NOP while the probe is there, and tries again when it is not.
"""

from modelcheck import (
    Cell,
    Element,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    store,
    violates,
    when,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")
INT3 = b"\xcc"

# The probe in the tree of uprobes: its handler runs, and then the NOP is skipped.
uprobe = Cell("uprobe")


def handler(nop: str) -> Handler:
    act = emulate("skip nop", uprobe, instruction="old" if nop == "old" else "new")
    return Handler(INT3, (when(lookup("find_uprobe", uprobe), act), iret("return")))


def int3_update(site: Site, first: bytes, rest: bytes) -> tuple[Element, ...]:
    """What optimising and its opposite have in common, once int3 is there."""
    return (
        on_each_cpu("sync-1"),
        write("rest", site, rest, at=1),
        on_each_cpu("sync-2"),
        write("first", site, first),
        on_each_cpu("sync-3"),
    )


PROPERTIES = ("no-torn-instruction", "no-stale-handler-data")

plain = Site("probed", NOP, CALL, address=0x401000)
optimise = Protocol(
    "optimise",
    sites=(plain,),
    cells=(uprobe,),
    program=(
        store("register", uprobe, "probed"),
        write("int3", plain, INT3),
        *int3_update(plain, CALL[:1], CALL[1:]),
    ),
    handler=handler("old"),
    properties=PROPERTIES,
    patcher_executes=False,
)

called = Site("probed", CALL, NOP, address=0x401000)
unoptimise = Protocol(
    "unoptimise",
    sites=(called,),
    cells=(Cell("uprobe", "probed"),),
    program=(
        write("int3", called, INT3),
        *int3_update(called, NOP[:1], NOP[1:]),
        store("unregister", uprobe, None),
    ),
    handler=handler("new"),
    properties=PROPERTIES,
    patcher_executes=False,
)

TORN = "no-torn-instruction"
STALE = violates("no-stale-handler-data")
FETCH = ("coherent", "store-order", "per-chunk", "incoherent")


def without_syncs(protocol: Protocol) -> tuple[Variant, ...]:
    return (
        Variant("no-sync-1", protocol.without("sync-1"), violates(TORN)),
        Variant(
            "no-sync-2",
            protocol.without("sync-2"),
            violates(TORN, under=("per-chunk", "incoherent")),
        ),
    )


SUITES = (
    Suite(
        optimise,
        (*without_syncs(optimise), Variant("no-sync-3", optimise.without("sync-3"))),
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        unoptimise,
        (*without_syncs(unoptimise), Variant("no-sync-3", unoptimise.without("sync-3"), STALE)),
        cpus=1,
        fetch=FETCH,
    ),
)
