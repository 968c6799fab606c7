"""parisc: ftrace's trampoline before the function, and the entry word that branches back into it.

Source: Linux arch/parisc/kernel/ftrace.c; 740f05f30a8c (2019), "parisc: fix race condition in
patching code". Four words before the entry save the return pointer and call the tracer; the first
word of the function branches back to them, or is a NOP. The words are modelled as what they do, not
as parisc encodes them. Left out: the remapping of the page by which the words are written.

What the verdicts mean: with one CPU, an interrupt may come between any two stores and run the
function, so whoever finds the branch must find the whole trampoline: the branch goes first when
tracing ends, and comes last when it begins. With more CPUs that is not enough. One that was
interrupted within the trampoline returns into NOPs, and stop_machine(), which the kernel has
around all this, stops it just there; only a grace period between the branch and the words helps.
"""

from modelcheck import (
    Bug,
    Element,
    Protocol,
    Runs,
    Site,
    Suite,
    Variant,
    on_each_cpu,
    pause,
    sync_core,
    synchronize_rcu_tasks,
    violates,
    write,
)

WORDS = bytes.fromhex("6b c2 3f d9  0c 00 10 81  08 3e 02 41  e8 20 00 00")
BRANCH_BACK = bytes.fromhex("e8 1f 1f d7")
NOPS = bytes.fromhex("08 00 02 40") * 4
NOP = NOPS[:4]
ENTRY = 16

CALLS: Runs = ((ENTRY, 4), (0, 4), (4, 4), (8, 4), (12, 4))
PASSES: Runs = ((ENTRY, 4),)


def site(old: bytes, new: bytes, old_runs: Runs, new_runs: Runs) -> Site:
    return Site(
        "func", old, new, address=0x10000000, old_runs=old_runs, new_runs=new_runs, entries=(ENTRY,)
    )


def patch(where: Site, at: int) -> tuple[Element, ...]:
    """A word is stored and flushed, on this CPU."""
    name = "entry" if at == ENTRY else f"word {at // 4}"
    return (
        write(name, where, where.new[at : at + 4], at=at, order="single"),
        sync_core(f"flush {name}"),
    )


def one_cpu(name: str, where: Site, *offsets: int) -> Protocol:
    """One CPU patches, and runs the function in its interrupts; the others are idle."""
    return Protocol(
        name,
        sites=(where,),
        program=tuple(step for at in offsets for step in patch(where, at)),
        cpu_program=(pause("idle"),),
        arch="parisc",
        # The CPUs that exist store in order, and FDC, SYNC, FIC, SYNC are the flush above.
        stores="in-order",
        coherent_icache=True,
    )


traced = site(WORDS + BRANCH_BACK, NOPS + NOP, CALLS, PASSES)
untraced = site(NOPS + NOP, WORDS + BRANCH_BACK, PASSES, CALLS)
ADDRESS_ORDER = (0, 4, 8, 12, ENTRY)
ENTRY_FIRST = (ENTRY, 0, 4, 8, 12)

disable = one_cpu("disable", traced, *ENTRY_FIRST)
enable = one_cpu("enable", untraced, *ADDRESS_ORDER)

on_all_cpus = Protocol(
    "disable-with-more-cpus",
    sites=(traced,),
    program=(
        write("entry", traced, NOP, at=ENTRY, order="single"),
        on_each_cpu("flush entry"),
        synchronize_rcu_tasks("grace"),
        write("words", traced, NOPS),
        on_each_cpu("flush words"),
    ),
    arch="parisc",
    stores="in-order",
    coherent_icache=True,
)

TORN = violates("no-torn-instruction", "no-torn-sequence")
FETCH = ("coherent", "per-chunk", "incoherent")

SUITES = (
    Suite(
        disable,
        (
            Variant(
                "address-order",
                one_cpu("disable", traced, *ADDRESS_ORDER),
                TORN,
                bug=Bug(
                    "2019-06",
                    "Linux parisc",
                    "parisc: fix race condition in patching code",
                    "740f05f30a8c",
                    "The trampoline was cleared in address order, the entry last. An interrupt "
                    "between two stores ran the function: it branched back into a trampoline that "
                    "was half there.",
                ),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        enable,
        (Variant("entry-first", one_cpu("enable", untraced, *ENTRY_FIRST), TORN),),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        on_all_cpus,
        (Variant("no-grace", on_all_cpus.without("grace"), TORN),),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
)
