"""arm64: FEX, whose threads patch a load when it faults: the handler of SIGBUS rewrites the code.

Source: FEX-Emu/FEX pull requests 3899 (2024), "Arm64: Handle backpatching in a thread-safe manner",
and 4314 (2025). An x86 load is translated to LDAR and a NOP. If its address is not aligned, LDAR
raises SIGBUS, and the handler makes it a plain load with a barrier behind. Code is shared between
threads: one that comes to the handler later finds no LDAR. Left out: addresses (here every LDAR
faults), and stores, for which the handler must step back to a barrier before them.

What the verdicts mean: the old instruction is the trap. A handler that takes only LDAR for its own
gives the signal away that another thread has made good already. It has to look for what the patch
leaves as well. The barrier goes before the load, and they come one behind the other in memory: or
else a thread runs the plain load, and no barrier. Even so it may, if it has fetched the NOP long
before: between two instructions nothing orders what is fetched, and nobody tells that thread.
"""

from modelcheck import (
    Bug,
    Element,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    fence,
    iret,
    is_code,
    not_ours,
    runs,
    violates,
    when,
    without_property,
    write,
)

LDAR, NOP = bytes.fromhex("20 fc df 88"), bytes.fromhex("1f 20 03 d5")
LDR, DMB = bytes.fromhex("20 00 40 b9"), bytes.fromhex("bf 39 03 d5")

site = Site(
    "load",
    LDAR + NOP,
    LDR + DMB,
    0x7F0000001000,
    old_runs=runs(4, 4),
    new_runs=runs(4, 4),
)

BARRIER = write("dmb", site, DMB, at=4, order="single")
ORDERED = fence("dmb ish")
LOAD = write("ldr", site, LDR, order="single")
DONE = when(is_code("is it patched", site, LDR), iret("again"), otherwise=(not_ours("SIGBUS"),))


def backpatching(name: str, *patch: Element, otherwise: Element = DONE) -> Protocol:
    return Protocol(
        name,
        sites=(site,),
        program=(),
        handler=Handler(
            LDAR,
            (
                when(
                    is_code("is it ldar", site, LDAR),
                    *patch,
                    caches_clean_inval_pou("clear cache"),
                    iret("sigreturn"),
                    otherwise=(otherwise,),
                ),
            ),
            interrupts=True,
        ),
        arch="arm64",
        patcher_executes=False,
        waived=(
            without_property(
                "visible-after-return",
                because="who runs the code patches it, and no program ever returns",
            ),
        ),
    )


AHEAD = ("per-chunk", "incoherent")
"""Where a thread may have fetched the NOP before, and fetches the plain load after."""

mended = backpatching("backpatch", BARRIER, ORDERED, LOAD)

SUITES = (
    Suite(
        mended,
        (
            Variant(
                "ldar-alone",
                backpatching("ldar-alone", BARRIER, ORDERED, LOAD, otherwise=not_ours("SIGBUS")),
                violates("no-unhandled-trap", "no-torn-sequence"),
                bug=Bug(
                    "2024-07",
                    "FEX",
                    "Arm64: Handle backpatching in a thread-safe manner",
                    "FEX-Emu/FEX pull request 3899",
                    "Two threads faulted at one load. The first one patched it; the handler of "
                    "the second found no instruction to patch, and the signal killed the program.",
                ),
            ),
            Variant(
                "load-first",
                backpatching("load-first", LOAD, ORDERED, BARRIER),
                violates("no-torn-sequence"),
            ),
            Variant(
                "unordered",
                backpatching("unordered", BARRIER, LOAD),
                violates("no-torn-sequence"),
            ),
        ),
        expect=violates("no-torn-sequence", under=AHEAD),
        chunk=4,
        cpus=2,
        fetch=("coherent", *AHEAD),
    ),
)
