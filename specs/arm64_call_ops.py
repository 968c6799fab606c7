"""arm64: CALL_OPS, an 8-byte literal before the function that names its ftrace_ops.

Source: Linux arch/arm64/kernel/ftrace.c since baaf553d3bc3 (6.3), ftrace_rec_set_ops() and
ftrace_make_call(). The common trampoline loads the literal before the function that called it, as
data, and calls what it names. So the literal is written first, and then NOP becomes BL. Nobody is
told of the BL, as in arm64_ftrace.py. Left out: direct calls, and that the literal must be 8-byte
aligned to be read in one go.

What the verdicts mean: whoever runs the BL finds the literal. Written the other way round, or
without a barrier between, a CPU can come to the trampoline and load what was there before. To
change the literal while the BL is there is no matter: either ops is right at that time.
"""

from modelcheck import (
    STRICT_TOO,
    Cell,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    dsb,
    lookup,
    ret,
    store,
    violates,
    without_property,
    write,
)

NOP = bytes.fromhex("1f 20 03 d5")
BL = bytes.fromhex("00 04 00 94")

site = Site("func", NOP, BL, address=0xFFFF800080010004)
literal = Cell("ops")

make_call = Protocol(
    "ftrace_make_call",
    sites=(site,),
    cells=(literal,),
    program=(
        store("literal", literal, "tracer"),
        dsb("dsb"),
        write("bl", site, BL, order="single"),
        caches_clean_inval_pou("caches_clean_inval_pou"),
    ),
    # The trampoline: no ops at the literal is a call into nowhere.
    callee=(lookup("ldr ops", literal), ret("ret")),
    waived=(
        without_property(
            "visible-after-return",
            because="aarch64_insn_patch_text_nosync() tells nobody: ftrace accepts that others run "
            "the NOP for as long as they like",
        ),
    ),
    arch="arm64",
)

SUITES = (
    Suite(
        make_call,
        (
            Variant(
                "literal-after-bl",
                make_call.moved("literal", after="caches_clean_inval_pou"),
                violates("no-unhandled-trap"),
            ),
            Variant("no-dsb", make_call.without("dsb"), violates("no-unhandled-trap")),
            Variant(
                "retarget",
                make_call.inserted(
                    store("other literal", literal, "other tracer"),
                    after="caches_clean_inval_pou",
                ),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
