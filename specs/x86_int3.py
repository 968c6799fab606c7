"""x86: patch an instruction under a breakpoint, as Linux text_poke_bp() does.

    0f 1f 44 00 00   nop          int3 over the first byte, the tail behind it,
    e8 e7 57 07 00   call         the new first byte last; all CPUs serialise in between

Source: Linux arch/x86/kernel/alternative.c, text_poke_bp_batch() and poke_int3_handler(), for one
site; fd4363fff3d9 is the first version. Left out: batches, the handler's reference counts (both
come with Linux 5.0 and later), NMIs, and the temporary mapping that the bytes are written through.

What the verdicts mean: sync 1 keeps an old first byte from meeting a new tail and is needed
under every fetch model. Sync 2 keeps a new first byte from meeting an old tail, which only a CPU
can do that sees stores out of order. Sync 3 prevents no tear: it drains the handler for retire, and
lets nobody run the nop, or trap, when the patcher has returned.
"""

from dataclasses import replace

from modelcheck import (
    STRICT_TOO,
    Bug,
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
    skip,
    store,
    violates,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")
OTHER_CALL = bytes.fromhex("e8 1b 2c 0a 00")
INT3 = b"\xcc"

poke = Cell("poke")


def text_poke_bp(name: str, old: bytes, new: bytes) -> Protocol:
    site = Site("foo", old, new, address=0xFFFFFFFF81001000)
    return Protocol(
        name,
        sites=(site,),
        cells=(poke,),
        program=(
            store("publish", poke, "foo"),
            write("int3", site, INT3),
            on_each_cpu("sync-1"),
            write("tail", site, new[1:], at=1),
            on_each_cpu("sync-2"),
            write("head", site, new[:1]),
            on_each_cpu("sync-3"),
            store("retire", poke, None),
        ),
        handler=Handler(
            trap=INT3,
            program=(
                lookup("find", poke),
                emulate("emulate", poke),
                iret("iret"),
            ),
        ),
    )


TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
HANDLER_DATA = ("no-unhandled-trap", "no-stale-handler-data")
VISIBLE = "visible-after-return"
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")
STRICT = ("strict",)

# Fetch model strict objects to bytes that changed under a CPU even where no tear can be seen.
mixes = violates(TORN, under=RELAXED, split=True) | violates(TORN, UNPERMITTED, under=STRICT)


def skipping(protocol: Protocol) -> Protocol:
    handler = Handler(INT3, (lookup("find", poke), skip("skip"), iret("iret")))
    return protocol.with_handler(handler)


def variants(base: Protocol) -> tuple[Variant, ...]:
    (site,) = base.sites
    handler = base.handler
    assert handler
    in_place = base.without("int3", "sync-1", "tail", "sync-2").with_handler(None)
    return (
        Variant("no-sync-1", base.without("sync-1"), mixes),
        Variant(
            "no-sync-2",
            base.without("sync-2"),
            violates(TORN, under=("coherent-any-order", "per-chunk", "incoherent"), split=True)
            | violates(TORN, UNPERMITTED, under=STRICT),
        ),
        Variant("no-sync-3", base.without("sync-3"), violates(*HANDLER_DATA, VISIBLE)),
        Variant(
            "no-syncs",
            base.without("sync-1", "sync-2", "sync-3"),
            mixes | violates(*HANDLER_DATA, VISIBLE, under=RELAXED, split=False),
        ),
        Variant("publish-late", base.moved("publish", after="int3"), violates(*HANDLER_DATA)),
        Variant("retire-early", base.moved("retire", before="sync-3"), violates(*HANDLER_DATA)),
        Variant("head-first", base.swapped("tail", "head"), violates(TORN)),
        Variant(
            "no-breakpoint",
            in_place.replaced("head", write("bytes", site, site.new)),
            violates(TORN, under=RELAXED) | violates(TORN, UNPERMITTED, under=STRICT),
            bug=Bug(
                "2014",
                "Linux x86",
                "ftrace/x86: Use breakpoints for converting function graph caller",
                "87fbb2ac6073 (hash not verified)",
                "The jump at the end of the function tracer's trampoline was overwritten directly "
                "while other CPUs could be running it.",
            ),
        ),
        Variant(
            "single-store",
            in_place.replaced("head", write("store", site, site.new, order="single")),
            mixes,
        ),
        Variant(
            "irqs-on-in-handler",
            base.with_handler(replace(handler, interrupts=True)),
            violates(*HANDLER_DATA),
        ),
        Variant("skip-as-nop", skipping(base)),
        Variant(
            "tail-any-order",
            base.replaced("tail", write("tail", site, site.new[1:], at=1, order="any")),
        ),
    )


nop_to_call = text_poke_bp("nop-to-call", NOP, CALL)
call_to_nop = text_poke_bp("call-to-nop", CALL, NOP)
call_to_call = text_poke_bp("call-to-call", CALL, OTHER_CALL)

SUITES = (
    Suite(nop_to_call, variants(nop_to_call), fetch=STRICT_TOO),
    Suite(call_to_nop, (Variant("skip-as-nop", skipping(call_to_nop)),), fetch=STRICT_TOO),
    Suite(
        call_to_call,
        (
            Variant(
                "skip-as-nop",
                skipping(call_to_call),
                violates("effect-is-old-or-new"),
                bug=Bug(
                    "2019-05",
                    "Linux x86",
                    "ftrace/x86_64: Emulate call function while updating in breakpoint handler",
                    "9e298e860408",
                    "The handler stepped over a call that was to become another call. See "
                    "x86_ftrace_2012.",
                ),
            ),
        ),
        fetch=STRICT_TOO,
    ),
)
