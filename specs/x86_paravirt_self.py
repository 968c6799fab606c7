"""x86: a patcher that calls what it is patching: paravirt sites on i386 in 2007.

Source: ab144f5ec64c (2007), "i386: Make patching more robust, fix paravirt issue"; Linux
arch/i386/kernel/alternative.c, apply_paravirt(). A call through a pointer becomes the function
itself, and the rest no-ops: two writes. The second one went through text_poke(), which looks the
page up by lookup_address(), which calls pgd_val(): one of the sites. It is at boot, on one CPU,
with interrupts off. The commit makes one write of the two, from a buffer. Left out: other CPUs.

What the verdicts mean: neither other CPUs nor interrupts are needed to run code that is half
written. After one write that is serialised the patcher may call what it likes.
"""

from modelcheck import (
    Bug,
    Protocol,
    Site,
    Suite,
    Variant,
    execute,
    irq_off,
    irq_on,
    pause,
    runs,
    sync_core,
    violates,
    write,
)

CALL = bytes.fromhex("ff 15 00 10 00 00")  # call *pv_mmu_ops.pgd_val
NATIVE = bytes.fromhex("89 c0")  # mov %eax, %eax
NOP4 = bytes.fromhex("0f 1f 40 00")

pgd_val = Site(
    "pgd_val",
    CALL,
    NATIVE + NOP4,
    0xC1001000,
    old_runs=runs(6),
    new_runs=runs(2, 4),
)

one_write = Protocol(
    "apply_paravirt",
    sites=(pgd_val,),
    program=(
        irq_off("local_irq_save"),
        execute("lookup_address", pgd_val),
        write("text_poke", pgd_val, NATIVE + NOP4),
        sync_core("sync_core"),
        irq_on("local_irq_restore"),
        execute("next lookup_address", pgd_val),
    ),
    # The other CPUs are not up yet.
    cpu_program=(pause("elsewhere"),),
)

two_writes = one_write.replaced(
    "text_poke",
    write("native", pgd_val, NATIVE),
    execute("lookup_address again", pgd_val),
    write("nop_out", pgd_val, NOP4, at=2),
)

APART = "the patcher runs the site before the one write and behind it"

SUITES = (
    Suite(
        one_write,
        (
            Variant(
                "two-writes",
                two_writes,
                violates("no-torn-instruction", "no-torn-sequence"),
                bug=Bug(
                    "2007-08",
                    "Linux i386",
                    "i386: Make patching more robust, fix paravirt issue",
                    "ab144f5ec64c",
                    "Patching used code that was being patched: between the two writes of a site "
                    "the patcher called the function whose call the site was.",
                ),
            ),
            Variant(
                "no-sync",
                one_write.without("sync_core"),
                violates(
                    "no-torn-instruction",
                    "visible-after-return",
                    under=("store-order", "per-chunk", "incoherent"),
                ),
                vacuous=APART,
            ),
        ),
        cpus=1,
        vacuous=APART,
    ),
)
