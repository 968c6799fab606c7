"""arm64: aarch64_insn_patch_text(), several words under stop_machine().

Source: Linux arch/arm64/kernel/patching.c, aarch64_insn_patch_text_cb(); 31a099dbd91e (2022) makes
the last CPU that arrives the one that patches. All CPUs come to a callback with interrupts off;
the master writes, the others spin and then execute ISB. csky, riscv and xtensa had the same code
and the same bug. Left out: the counter by which CPUs find out who is the last.

What the verdicts mean: when all others are stopped, words of any kind can be replaced, and an ISB
on the way out makes sure that each CPU fetches the new ones. When the first to arrive patches,
others still run the code; and who spins without ISB goes on with what it had fetched. The two words
lie in two cache lines, each of which has its own DC and IC.
"""

from modelcheck import (
    STRICT_TOO,
    Bug,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    runs,
    stop_machine,
    violates,
    write,
)

OLD = bytes.fromhex("00 04 00 91 21 04 00 91")  # add x0, x0, #1; add x1, x1, #1
NEW = bytes.fromhex("00 08 00 91 21 08 00 91")  # add x0, x0, #2; add x1, x1, #2

# Each word is patched for itself: a pass may run the old first word and the new second one.
first = Site("first", OLD[:4], NEW[:4], address=0xFFFF800080010000)
second = Site("second", OLD[4:], NEW[4:], address=0xFFFF800080010040)


def patch_text(*, isb: bool) -> Protocol:
    return Protocol(
        "aarch64_insn_patch_text",
        sites=(first, second),
        program=(
            stop_machine(
                "stop_machine",
                write("first", first, NEW[:4], order="single"),
                caches_clean_inval_pou("clean first", first),
                write("second", second, NEW[4:], order="single"),
                caches_clean_inval_pou("clean second", second),
                synchronises=isb,
            ),
        ),
        patcher_executes=False,
        arch="arm64",
    )


base = patch_text(isb=True)
STALE = ("per-chunk", "incoherent", "strict")
VISIBLE = "visible-after-return"
UNPERMITTED = "no-unpermitted-modification"

# As the words of a region, a task stopped between them shows: stop_machine() does not help there.
# Nothing is cleaned here, so memory is stronger than arm64's: the question is where the task
# stands, not how old the words are that it fetches.
region = Site(
    "both", OLD, NEW, address=0xFFFF800080010000, old_runs=runs(4, 4), new_runs=runs(4, 4)
)
as_region = Protocol(
    "as-one-region",
    sites=(region,),
    program=(stop_machine("stop_machine", write("both", region, NEW, order="single")),),
    patcher_executes=False,
    arch="arm64",
    stores="in-order",
    coherent_icache=True,
)

SUITES = (
    Suite(
        base,
        (
            Variant(
                "first-is-master",
                base.without("stop_machine/stopped"),
                violates(VISIBLE, UNPERMITTED),
                bug=Bug(
                    "2022-04",
                    "Linux arm64, csky, riscv, xtensa",
                    "arm64: patch_text: Fixup last cpu should be master",
                    "31a099dbd91e",
                    "The first CPU to arrive in the callback patched at once, while others were "
                    "still on their way to it, through code that may be what is being patched.",
                ),
            ),
            Variant(
                "first-line-not-cleaned",
                base.without("stop_machine/clean first"),
                violates(VISIBLE, UNPERMITTED, under=STALE),
            ),
            Variant(
                "no-isb",
                patch_text(isb=False),
                violates(VISIBLE, UNPERMITTED, under=("store-order", *STALE)),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(as_region, expect=violates("no-torn-sequence"), chunk=4, cpus=1, fetch=STRICT_TOO),
)
