"""x86: an optimised uprobe, a 5-byte nop of user space that becomes a call (Linux 6.18).

Source: Linux arch/x86/kernel/uprobes.c, ba2bfc97b462 (2025), "uprobes/x86: Add support to optimize
uprobes", int3_update(). The uprobe's int3 is there already; after its first hit the tail of a call
is written behind it, then the first byte. Each write looks first whether the bytes are what the
last one left there. The sync is the kernel's, an IPI to all CPUs. A trap that finds no probe any
more is run again. Left out: the page tables, and mmap_write_lock, which lets one in at a time.

What the verdicts mean: the bytes are safe, with the three syncs of text_poke(). No data is
withdrawn that a handler cannot do without, so the last sync only makes the change visible to all
when the system call returns; were a trap without a probe fatal, it would be needed for more (the
trap itself, after the return, is what the trace shows first where a fetch may be old). What no
verdict here shows is that the call pushes its return address over the red zone of the function
that is probed: the instruction runs whole, and is the wrong one. The successor is x86_uprobe_nop10.
"""

from modelcheck import (
    STRICT_TOO,
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
    when,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 d0 d1 d2 d3")

probe = Site("nop5", NOP, CALL, address=0x401000)
probed = Site("nop5", CALL, NOP, address=0x401000)
uprobe = Cell("uprobe", 0, stays="the probe is registered, and remains so")

handler = Handler(INT3, (when(lookup("probed?", uprobe), skip("step over")), iret("iret")))

optimise = Protocol(
    "optimise",
    sites=(probe,),
    cells=(uprobe,),
    program=(
        store("register", uprobe, 1),
        write("set_swbp", probe, INT3, expects=NOP[:1]),
        on_each_cpu("sync-1"),
        write("tail", probe, CALL[1:], at=1, expects=NOP[1:]),
        on_each_cpu("sync-2"),
        write("head", probe, CALL[:1], expects=INT3),
        on_each_cpu("sync-3"),
    ),
    handler=handler,
    patcher_executes=False,
)

unoptimise = Protocol(
    "unoptimise",
    sites=(probed,),
    cells=(Cell("uprobe", 1),),
    program=(
        write("int3", probed, INT3, expects=CALL[:1]),
        on_each_cpu("sync-1"),
        write("tail", probed, NOP[1:], at=1, expects=CALL[1:]),
        on_each_cpu("sync-2"),
        write("head", probed, NOP[:1], expects=INT3),
        on_each_cpu("sync-3"),
        store("unregister", uprobe, 0),
    ),
    handler=handler,
    patcher_executes=False,
)

TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")


def variants(base: Protocol) -> tuple[Variant, ...]:
    return (
        Variant(
            "no-sync-1",
            base.without("sync-1"),
            violates(TORN, under=RELAXED, split=True)
            | violates(TORN, UNPERMITTED, under=("strict",)),
        ),
        Variant(
            "no-sync-2",
            base.without("sync-2"),
            violates(TORN, under=("coherent-any-order", "per-chunk", "incoherent"), split=True)
            | violates(TORN, UNPERMITTED, under=("strict",)),
        ),
        Variant(
            "no-sync-3",
            base.without("sync-3"),
            violates(
                "visible-after-return", under=("store-order", "per-chunk", "incoherent", "strict")
            ),
        ),
    )


# As the first kprobes did: a trap that nobody owns is fatal.
dying = Handler(INT3, (lookup("probed?", uprobe), skip("step over"), iret("iret")))

SUITES = (
    Suite(optimise, variants(optimise), cpus=1, fetch=STRICT_TOO),
    Suite(
        unoptimise,
        (
            *variants(unoptimise),
            Variant("die-if-unprobed", unoptimise.with_handler(dying)),
            Variant(
                "die-if-unprobed-no-sync-3",
                unoptimise.without("sync-3").with_handler(dying),
                violates("no-unhandled-trap", "visible-after-return"),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
