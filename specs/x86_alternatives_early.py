"""x86: patching at boot, before other CPUs run the code: text_poke_early() and nops in place.

Source: Linux arch/x86/kernel/alternative.c: text_poke_early() as of 3ea1704a9296 (2023), and
optimize_nops() as of 2dc419613805 (2023), both by Thomas Gleixner. One CPU changes code that it
may run itself, in an interrupt: so interrupts are off while the bytes change, and the CPU
serialises before they are on again. The other CPUs are not up, or do not run this code. Left out:
NMIs and machine checks, whose handlers must not run code that is patched so.

What the verdicts mean: with interrupts on, the handler of one can run half of the bytes. With
interrupts off but the sync behind them, the interrupt that was pending all the while runs what was
fetched before; under fetch model coherent nothing ever is, so it shows no error there. With both
as they are, nobody runs the code while it is half written: the verdict is vacuous, and says no more
than that the CPU is alone with the bytes.
"""

from modelcheck import (
    STRICT_TOO,
    Bug,
    Protocol,
    Site,
    Suite,
    Variant,
    irq_off,
    irq_on,
    pause,
    sync_core,
    violates,
    write,
)

CALL = bytes.fromhex("e8 e7 57 07 00")
NOP = bytes.fromhex("0f 1f 44 00 00")

site = Site("alternative", CALL, NOP, address=0xFFFFFFFF81001000)

text_poke_early = Protocol(
    "text_poke_early",
    sites=(site,),
    program=(
        irq_off("local_irq_save"),
        write("memcpy", site, NOP, order="any"),
        sync_core("sync_core"),
        irq_on("local_irq_restore"),
    ),
    # The other CPUs do something else.
    cpu_program=(pause("elsewhere"),),
)

ALONE = "only the boot CPU runs the code, and its interrupts are off while the bytes change"
TORN = "no-torn-instruction"
STALE = ("store-order", "per-chunk", "incoherent")
UNPERMITTED = "no-unpermitted-modification"

SUITE = Suite(
    text_poke_early,
    (
        Variant(
            "sync-late",
            text_poke_early.moved("sync_core", after="local_irq_restore"),
            violates(TORN, under=STALE) | violates(TORN, UNPERMITTED, under=("strict",)),
            bug=Bug(
                "2023-12",
                "Linux x86",
                "x86/alternatives: Sync core before enabling interrupts",
                "3ea1704a9296",
                "text_poke_early() enabled interrupts first and serialised then. An interrupt that "
                "was pending ran the new code, of which parts could still be the old.",
            ),
            vacuous=ALONE,
        ),
        Variant(
            "no-sync",
            text_poke_early.without("sync_core"),
            violates(TORN, "visible-after-return", under=STALE)
            | violates(TORN, UNPERMITTED, "visible-after-return", under=("strict",)),
            vacuous=ALONE,
        ),
        Variant(
            "irqs-on",
            text_poke_early.without("local_irq_save", "local_irq_restore"),
            violates(TORN, under=("coherent", "coherent-any-order", *STALE))
            | violates(TORN, UNPERMITTED, under=("strict",)),
            bug=Bug(
                "2023-12",
                "Linux x86",
                "x86/alternatives: Disable interrupts and sync when optimizing NOPs in place",
                "2dc419613805",
                "Rows of nops were turned into longer ones in place, byte by byte, with interrupts "
                "on and nothing that serialised. An interrupt could run half of it.",
            ),
        ),
    ),
    vacuous=ALONE,
    cpus=1,
    fetch=STRICT_TOO,
)
