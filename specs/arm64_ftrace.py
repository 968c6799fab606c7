"""arm64: ftrace, jump labels: one aligned word, B, BL or NOP, written without stopping anybody.

Source: Linux arch/arm64/kernel/ftrace.c and patching.c, aarch64_insn_patch_text_nosync(); Arm ARM,
Concurrent modification and execution of instructions. The site is MOV X9, LR and a NOP that
becomes BL; only the second word ever changes. Instruction caches are not coherent (CTR_EL0.IDC and
DIC 0): the word is cleaned and invalidated, and every CPU must synchronise its context (ISB, or
any exception) before it surely fetches the new one. Left out: how the first word came to be.

What the verdicts mean: an aligned word is fetched in one read, and both words are of the few kinds
that may be exchanged while they run, so nothing tears and `strict` has nothing to object. Without
an IPI the others may run the old word for as long as they like; ftrace and queued jump labels
accept that, and apply() ends it by kick_all_cpus_sync(). So where nobody is told, the maintenance
only makes the change come sooner: without it nothing is violated that was promised.

Where the others are told, it takes all of DC CVAU, DSB, IC IVAU, DSB, the sequence of Linux and of
the manual. No DSB stands before DC, which is ordered with the store to its line
(SM.B+cachesync-isb is forbidden). Each DSB is needed: DC and IC are complete at one, and at nothing
else. Without the first, IC may come before DC; without the second, the IPI before IC; and a DMB in
the place of either does not help, since it orders no IC. All of that is of cores that need
maintenance. With CTR_EL0.DIC and IDC 1, as under `coherent` and `store-order`, one DSB of the two
is enough; without both, the store itself may come after the IPI.
"""

from modelcheck import (
    STRICT_TOO,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    dmb,
    on_each_cpu,
    runs,
    violates,
    without_property,
    write,
)

MOV_X9_LR = bytes.fromhex("e9 03 1e aa")
NOP = bytes.fromhex("1f 20 03 d5")
BL = bytes.fromhex("00 04 00 94")
ADD_1 = bytes.fromhex("00 04 00 91")  # add x0, x0, #1
ADD_2 = bytes.fromhex("00 08 00 91")  # add x0, x0, #2

VISIBLE = "visible-after-return"
MAINTAINED = violates(VISIBLE, under=("per-chunk", "incoherent", "strict"))
TELLS_NOBODY = without_property(
    VISIBLE,
    because="aarch64_insn_patch_text_nosync() tells nobody: ftrace accepts that others run the old "
    "word for as long as they like",
)


def patch_nosync(name: str, old: bytes, new: bytes, *, kick: bool = False) -> Protocol:
    site = Site(
        "func",
        MOV_X9_LR + old,
        MOV_X9_LR + new,
        address=0xFFFF800080010000,
        old_runs=runs(4, 4),
        new_runs=runs(4, 4),
    )
    return Protocol(
        name,
        sites=(site,),
        program=(
            write("word", site, new, at=4, order="single"),
            caches_clean_inval_pou("caches_clean_inval_pou"),
            *((on_each_cpu("kick_all_cpus_sync"),) if kick else ()),
        ),
        waived=() if kick else (TELLS_NOBODY,),
        arch="arm64",
    )


make_call = patch_nosync("ftrace_make_call", NOP, BL)
label = patch_nosync("jump_label_apply", NOP, BL, kick=True)
other_class = patch_nosync("not-permitted", ADD_1, ADD_2)

SUITES = (
    Suite(make_call, chunk=4, cpus=1, fetch=STRICT_TOO),
    Suite(
        label,
        (
            Variant("no-kick", label.without("kick_all_cpus_sync"), violates(VISIBLE)),
            Variant(
                "no-ic_ivau",
                label.without("caches_clean_inval_pou/ic_ivau"),
                MAINTAINED,
            ),
            Variant("no-dc_cvau", label.without("caches_clean_inval_pou/dc_cvau"), MAINTAINED),
            Variant("no-dsb-1", label.without("caches_clean_inval_pou/dsb-1"), MAINTAINED),
            Variant("no-dsb-2", label.without("caches_clean_inval_pou/dsb-2"), MAINTAINED),
            Variant(
                "dmb-for-dsb-1",
                label.replaced("caches_clean_inval_pou/dsb-1", dmb("dmb")),
                MAINTAINED,
            ),
            Variant(
                "dmb-for-dsb-2",
                label.replaced("caches_clean_inval_pou/dsb-2", dmb("dmb")),
                MAINTAINED,
            ),
            Variant(
                "no-dsb",
                label.without("caches_clean_inval_pou/dsb-1", "caches_clean_inval_pou/dsb-2"),
                violates(VISIBLE),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        other_class,
        expect=violates("no-unpermitted-modification", under=("strict",)),
        chunk=4,
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
