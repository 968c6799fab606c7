"""powerpc: -mprofile-kernel, two instructions that are patched in two phases.

Source: Naveen N. Rao's series "powerpc/ftrace: Patch out -mprofile-kernel instructions" (2019) and
Michael Ellerman's review of it. The site is MFLR r0; BL _mcount. To take it out is easy: BL becomes
NOP first, then MFLR. To put it in, MFLR must be there for everybody who comes to the BL. Each store
is followed by DCBST, SYNC, ICBI, SYNC here, and an ISYNC on every CPU. Left out: the branch over
the TOC restore that older sites need.

What the verdicts mean: a thread that was interrupted after the NOP in MFLR's place would go on with
BL, and r0 would not have the return address. An ISYNC everywhere does not help, for the thread is
where it is; synchronize_rcu_tasks() waits until no thread is there. Taking the site out needs no
grace period, since MFLR alone does no harm.
"""

from modelcheck import (
    Bug,
    Element,
    Form,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    on_each_cpu,
    runs,
    synchronize_rcu_tasks,
    violates,
    without_property,
    write,
)

NOP = bytes.fromhex("00 00 00 60")
MFLR = bytes.fromhex("a6 02 08 7c")
BL = bytes.fromhex("01 10 00 48")


def protocol(name: str, old: bytes, new: bytes, *phases: tuple[str, bytes, int]) -> Protocol:
    """Each phase writes one word at an offset, and makes every CPU see it."""
    site = Site(
        "func",
        old,
        new,
        address=0xC000000000010000,
        old_runs=runs(4, 4),
        new_runs=runs(4, 4),
        between=(Form("MFLR alone", MFLR + NOP, runs(4, 4)),),
    )

    def phase(label: str, word: bytes, at: int) -> tuple[Element, ...]:
        return (
            write(label, site, word, at=at, order="single"),
            caches_clean_inval_pou(f"dcbst, icbi {label}"),
            on_each_cpu(f"isync {label}"),
        )

    first, second = (phase(*one) for one in phases)
    return Protocol(
        name,
        sites=(site,),
        program=(*first, synchronize_rcu_tasks("grace"), *second),
        waived=(
            without_property(
                "per-cpu-monotone",
                because="between the phases, a pass runs MFLR and the NOP in place of BL: one of "
                "them is new and the other old, and that is right",
            ),
        ),
        arch="ppc64",
    )


enable = protocol("enable", NOP + NOP, MFLR + BL, ("mflr", MFLR, 0), ("bl", BL, 4))
disable = protocol("disable", MFLR + BL, NOP + NOP, ("no bl", NOP, 4), ("no mflr", NOP, 0))
FETCH = ("coherent", "per-chunk", "incoherent")

SUITES = (
    Suite(
        enable,
        (
            Variant(
                "one-phase",
                enable.without("grace"),
                violates("no-torn-sequence"),
                bug=Bug(
                    "2019-06",
                    "Linux powerpc",
                    "powerpc/ftrace: Patch out -mprofile-kernel instructions (review)",
                    "Naveen N. Rao's series, 2019",
                    "A thread was interrupted after it had run the NOP in MFLR's place. Both words "
                    "were patched, and it went on into the new BL without the return address.",
                ),
            ),
            Variant(
                "grace-before-isync",
                enable.moved("grace", before="isync mflr"),
                violates("no-torn-sequence"),
            ),
            Variant(
                "no-isync-after-mflr",
                enable.without("isync mflr"),
                violates("no-torn-sequence"),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(disable, (Variant("no-grace", disable.without("grace")),), chunk=4, cpus=1, fetch=FETCH),
)
