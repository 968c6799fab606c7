"""x86: patch an instruction under a breakpoint, as Linux text_poke_bp() does.

    0f 1f 44 00 00   nop          int3 over the first byte, the tail behind it,
    e8 e7 57 07 00   call         the new first byte last; all CPUs serialise in between

Source: Linux arch/x86/kernel/alternative.c, text_poke_bp_batch() and poke_int3_handler(), for one
site; fd4363fff3d9 is the first version. Left out: batches, the handler's reference counts (both
come with Linux 5.0 and later), NMIs, and the temporary mapping that the bytes are written through.

What the verdicts mean: sync 1 keeps an old first byte from meeting a new tail and is needed
under every fetch model. Sync 2 keeps a new first byte from meeting an old tail, which only a CPU
can do that sees stores out of order. Sync 3 never prevents a tear: it drains the handler, so that
its data can be withdrawn.
"""

from modelcheck import (
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
        properties=(
            "no-torn-instruction",
            "no-unhandled-trap",
            "no-stale-handler-data",
            "effect-is-old-or-new",
        ),
    )


SKIP = Handler(INT3, (lookup("find", poke), skip("skip"), iret("iret")))

TORN = "no-torn-instruction"
LATE_HANDLER = ("no-unhandled-trap", "no-stale-handler-data")
UNPERMITTED = "no-unpermitted-modification"

base = text_poke_bp("nop-to-call", NOP, CALL)
(site,) = base.sites
assert base.handler

nop_to_call = Suite(
    base,
    (Variant("no-sync-1", base.without("sync-1"), violates(TORN)),),
)
