"""s390: ftrace switches a call on and off by one byte, the mask of a BRCL.

Source: Linux arch/s390/kernel/ftrace.c; e5873d6f7a7a (2022) adds the serialisation that the graph
caller lacked; e16d02ee3f34 is text_poke_sync(). BRCL mask, target: mask 0 never branches, mask 15
always does. The displacement is written once, before anybody runs it. Instruction fetch is
coherent but runs ahead, until the CPU serialises (BCR 15,0 in an IPI).

What the verdicts mean: to change one byte cannot tear, in any fetch model and at any alignment. To
write all six bytes can. Without the sync the others may go on with what they had prefetched; that
is a matter of when, not of what, they execute.
"""

from modelcheck import Bug, Protocol, Site, Suite, Variant, on_each_cpu, violates, write

NEVER = bytes.fromhex("c0 04 00 00 08 00")  # brcl 0, .+0x1000
ALWAYS = bytes.fromhex("c0 f4 00 00 08 00")  # brcl 15, .+0x1000
OTHER = bytes.fromhex("c0 f4 00 01 10 00")

site = Site("func", NEVER, ALWAYS, address=0x10000A)
retargeted = Site("func", NEVER, OTHER, address=0x10000A)

enable = Protocol(
    "enable",
    sites=(site,),
    program=(write("mask", site, ALWAYS[1:2], at=1), on_each_cpu("text_poke_sync")),
    arch="s390x",
)

SUITES = (
    Suite(
        enable,
        (
            Variant(
                "no-sync",
                enable.without("text_poke_sync"),
                violates("visible-after-return"),
                bug=Bug(
                    "2022-12",
                    "Linux s390",
                    "s390/ftrace: add missing serialization for graph caller patching",
                    "e5873d6f7a7a",
                    "The branch to the graph caller was switched by one byte, and nobody was told: "
                    "a CPU that had prefetched it went on with the old one.",
                ),
            ),
        ),
        cpus=1,
        fetch=("coherent", "store-order", "per-chunk"),
    ),
    Suite(
        Protocol(
            "all-bytes",
            sites=(retargeted,),
            program=(write("brcl", retargeted, OTHER), on_each_cpu("text_poke_sync")),
            arch="s390x",
        ),
        expect=violates("no-torn-instruction"),
        cpus=1,
        fetch=("coherent", "store-order", "per-chunk"),
    ),
)
