"""x86: text_poke_early(), one CPU that patches code which only its own interrupts can run.

Source: Linux arch/x86/kernel/alternative.c; 3ea1704a9296 (2023), "x86/alternatives: Sync core
before enabling interrupts"; 2dc419613805 (2023), "x86/alternatives: Disable interrupts and sync
when optimizing NOPs in place". At boot there is one CPU, or the code is not run by others yet.
Interrupts are disabled, the bytes copied, the CPU serialised, and interrupts enabled again. Left
out: NMIs and machine checks, which must not run the code.

What the verdicts mean: with interrupts off nobody comes between the stores, and the sync makes the
CPU forget what it fetched ahead. In the other order a pending interrupt gets between them, and may
run a mix of what it had fetched and what is there.
"""

from modelcheck import (
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

NOP3 = bytes.fromhex("0f 1f 00")
MOV = bytes.fromhex("48 89 c3")

site = Site("alternative", MOV, NOP3, address=0xFFFFFFFF81001000)

text_poke_early = Protocol(
    "text_poke_early",
    sites=(site,),
    program=(
        irq_off("local_irq_save"),
        write("memcpy", site, NOP3, order="any"),
        sync_core("sync_core"),
        irq_on("local_irq_restore"),
    ),
    cpu_program=(pause("idle"),),
    properties=("no-torn-instruction",),
)

TORN = "no-torn-instruction"
AHEAD = ("store-order", "per-chunk", "incoherent")

SUITES = (
    Suite(
        text_poke_early,
        (
            Variant(
                "sync-late",
                text_poke_early.swapped("sync_core", "local_irq_restore"),
                violates(TORN, under=AHEAD),
                bug=Bug(
                    "2023-10",
                    "Linux x86",
                    "x86/alternatives: Sync core before enabling interrupts",
                    "3ea1704a9296",
                    "Interrupts were enabled first, and the CPU serialised then. An interrupt that "
                    "was pending ran the code with half of it fetched before the change.",
                ),
            ),
            Variant(
                "irqs-on",
                text_poke_early.without("local_irq_save", "local_irq_restore"),
                violates(TORN),
                bug=Bug(
                    "2023-10",
                    "Linux x86",
                    "x86/alternatives: Disable interrupts and sync when optimizing NOPs in place",
                    "2dc419613805",
                    "NOPs were rewritten in place, byte by byte, with interrupts enabled: an "
                    "interrupt in between ran what was half an instruction.",
                ),
            ),
        ),
        cpus=1,
        fetch=("coherent", *AHEAD),
    ),
)
