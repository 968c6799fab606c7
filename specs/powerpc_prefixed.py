"""powerpc: a prefixed instruction of 8 bytes, written by one store or by two.

Source: the review of Jordan Niethe's series "Initial Prefixed Instruction support" (2020). Its
first draft wrote prefix and suffix by two stores of 4 bytes; what was merged is one store of 8,
patch_u64(). Power ISA Book I: a prefixed instruction does not cross a 64-byte boundary.

What the verdicts mean: between two stores, everybody can fetch a new prefix with an old suffix. One
store is enough if the eight bytes are fetched in one read, and the site must lie so. With
`--chunk 4` the one store tears as well: what is promised of words is not promised of two.
"""

from modelcheck import (
    Bug,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    on_each_cpu,
    violates,
    write,
)

PLI_1 = bytes.fromhex("00 00 00 06 01 00 60 38")  # pli r3, 1
PLI_BIG = bytes.fromhex("01 00 00 06 02 00 60 38")  # pli r3, 0x10002

site = Site("func", PLI_1, PLI_BIG, 0xC000000000010000, undecoded="capstone knows no prefixes")

one_store = Protocol(
    "patch_u64",
    sites=(site,),
    program=(
        write("std", site, PLI_BIG, order="single"),
        caches_clean_inval_pou("dcbst, icbi"),
        on_each_cpu("isync"),
    ),
    arch="ppc64",
)

# Power ISA promises words. That eight bytes are fetched in one read is asked of the machine; with
# `--chunk 4`, it is not.
torn_if_split = violates("no-torn-instruction", split=True)

SUITES = (
    Suite(
        one_store,
        (
            Variant(
                "two-stores",
                one_store.replaced(
                    "std",
                    write("stw prefix", site, PLI_BIG[:4], order="single"),
                    caches_clean_inval_pou("dcbst, icbi prefix"),
                    write("stw suffix", site, PLI_BIG[4:], at=4, order="single"),
                ),
                violates("no-torn-instruction"),
                bug=Bug(
                    "2020-05",
                    "Linux powerpc",
                    "powerpc: Support prefixed instructions in patch_instruction (review)",
                    "Jordan Niethe's series, 2020",
                    "Prefix and suffix were written by two stores with a flush after each. In "
                    "between, the new prefix met the old suffix, an instruction nobody wrote.",
                ),
            ),
        ),
        expect=torn_if_split,
        chunk=8,
        cpus=1,
        fetch=("coherent", "per-chunk", "incoherent"),
    ),
)
