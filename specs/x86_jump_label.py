"""x86: a static key, all of whose branches flip in one batch: 2-byte and 5-byte forms.

    66 90            nop   <->   eb 10            jmp
    0f 1f 44 00 00   nop   <->   e9 e7 57 07 00   jmp

Source: Linux arch/x86/kernel/jump_label.c, arch_jump_label_transform_queue() and _apply(), with the
array of arch/x86/kernel/alternative.c (see x86_text_poke_batch for its counts). The handler finds
the site by bisection, and acts as the new instruction. Left out: text_poke_early() while the kernel
boots, when no other CPU runs; and one array for several keys.

What the verdicts mean: each branch is old or new at all times, and once a CPU has acted as new it
never goes back, since to come out of the trap serialises. But the branches of one key do not flip
together: while the first pass is under way, a CPU can take one of them and not the other, and two
CPUs can differ. A key protects code, not an invariant between sites. The short form lies in two
bytes, so one aligned store could replace it without a breakpoint, if a fetch of two bytes were
atomic, which no vendor says (try --chunk 2).
"""

from modelcheck import (
    STRICT_TOO,
    Cell,
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
    write,
)

INT3 = b"\xcc"
NOP2, JMP8 = bytes.fromhex("66 90"), bytes.fromhex("eb 10")
NOP5, JMP32 = bytes.fromhex("0f 1f 44 00 00"), bytes.fromhex("e9 e7 57 07 00")

vec = Cell("vec", ())


def static_key(name: str, *sites: Site) -> Protocol:
    return Protocol(
        name,
        sites=sites,
        cells=(vec,),
        program=(
            store("queue", vec, tuple(site.name for site in sites)),
            *(write(f"int3 {site.name}", site, INT3) for site in sites),
            on_each_cpu("sync-1"),
            *(write(f"tail {site.name}", site, site.new[1:], at=1) for site in sites),
            on_each_cpu("sync-2"),
            *(write(f"head {site.name}", site, site.new[:1]) for site in sites),
            on_each_cpu("sync-3"),
            store("empty", vec, ()),
        ),
        handler=Handler(
            INT3, (lookup("find", vec, search=True), emulate("jump", vec), iret("iret"))
        ),
    )


def short(old: bytes, new: bytes) -> Site:
    return Site("short", old, new, address=0xFFFFFFFF81001000)


def long(old: bytes, new: bytes) -> Site:
    return Site("long", old, new, address=0xFFFFFFFF81001020)


enable = static_key("enable", short(NOP2, JMP8), long(NOP5, JMP32))
disable = static_key("disable", short(JMP8, NOP2), long(JMP32, NOP5))
alone = static_key("short-alone", short(NOP2, JMP8))

TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
DATA = ("no-unhandled-trap", "no-stale-handler-data")
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")
MIXES = violates(TORN, under=RELAXED, split=True) | violates(TORN, UNPERMITTED, under=("strict",))

(site,) = alone.sites
in_place = alone.without("int3 short", "sync-1", "tail short", "sync-2").with_handler(None)
one_store = in_place.replaced("head short", write("jump_label_store", site, JMP8, order="single"))

SUITES = (
    Suite(
        enable,
        (
            Variant("no-sync-1", enable.without("sync-1"), MIXES),
            Variant(
                "no-sync-2",
                enable.without("sync-2"),
                violates(TORN, under=("coherent-any-order", "per-chunk", "incoherent"), split=True)
                | violates(TORN, UNPERMITTED, under=("strict",)),
            ),
            Variant(
                "no-sync-3",
                enable.without("sync-3"),
                violates(*DATA, "visible-after-return", "per-cpu-monotone"),
            ),
            Variant(
                "sync-1-between",
                enable.moved("sync-1", after="int3 short"),
                # It is the long form that tears.
                violates(TORN, under=RELAXED, split=True, of=(0, 2, 3))
                | violates(TORN, UNPERMITTED, under=("strict",)),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(disable, cpus=1, fetch=STRICT_TOO),
    Suite(
        alone,
        (Variant("one-store", one_store, MIXES),),
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
