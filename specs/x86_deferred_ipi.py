"""x86: no IPI to a CPU in user mode, which serialises when it next enters the kernel (nohz_full).

Source: Valentin Schneider, "context_tracking,x86: Defer kernel text patching IPIs" (v5 April 2025
and later): ct_set_cpu_work() sets a bit for a CPU that is in user mode, and fails for one in the
kernel, which is interrupted then; kernel entry serialises if the bit is set. Where a batch has a
site in .noinstr.text, all of its syncs are real IPIs. Left out: the counts of text_poke (see
x86_text_poke_batch), NMIs, and how context tracking tells the two modes apart.

What the verdicts mean: what a CPU has fetched of the kernel before it went to user mode can be as
old as that, so nothing that is patched may run between entry and flush: one static key there, and
the CPU runs half of it. Real IPIs make that safe, at the price of the interruption.
"""

from modelcheck import (
    STRICT_TOO,
    Block,
    Cell,
    Element,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    enter_user,
    execute,
    flush,
    iret,
    leave_user,
    lookup,
    on_each_cpu,
    store,
    violates,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
JMP = bytes.fromhex("e9 e7 57 07 00")
INT3 = b"\xcc"

site = Site("key", NOP, JMP, address=0xFFFFFFFF81001000)
vec = Cell("vec")


def text_poke(name: str, *cpu_program: Element, deferred: bool) -> Protocol:
    def sync(label: str) -> Block:
        return on_each_cpu(label, deferred=deferred)

    return Protocol(
        name,
        sites=(site,),
        cells=(vec,),
        program=(
            store("publish", vec, "key"),
            write("int3", site, INT3),
            sync("sync-1"),
            write("tail", site, JMP[1:], at=1),
            sync("sync-2"),
            write("head", site, JMP[:1]),
            sync("sync-3"),
            store("retire", vec, None),
        ),
        handler=Handler(INT3, (lookup("find", vec), emulate("emulate", vec), iret("iret"))),
        cpu_program=cpu_program,
    )


IN_KERNEL = execute("kernel", site)
TO_USER, ENTRY, FLUSH = enter_user("exit"), leave_user("entry"), flush("ct_work_flush")
ON_ENTRY_PATH = execute("entry path", site)

late = text_poke("late-site", IN_KERNEL, TO_USER, ENTRY, FLUSH, deferred=True)
early = text_poke("entry-site", IN_KERNEL, TO_USER, ENTRY, ON_ENTRY_PATH, FLUSH, deferred=False)

TORN = "no-torn-instruction"
STALE = ("store-order", "per-chunk", "incoherent")
ANY = violates(TORN, "no-unhandled-trap", "visible-after-return", under=STALE)
ANY_STRICT = violates(
    TORN,
    "no-unhandled-trap",
    "visible-after-return",
    "no-unpermitted-modification",
    under=("strict",),
)

SUITES = (
    Suite(
        late,
        (Variant("no-flush", late.without("cpu/ct_work_flush"), ANY | ANY_STRICT),),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        early,
        (
            Variant(
                "deferred",
                text_poke(
                    "entry-site", IN_KERNEL, TO_USER, ENTRY, ON_ENTRY_PATH, FLUSH, deferred=True
                ),
                ANY | ANY_STRICT,
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
