"""x86: a static key with several sites, jumps of two and of five bytes.

Source: Linux arch/x86/kernel/jump_label.c, arch_jump_label_transform_queue() and _apply(): all
sites of a key are queued, and go through the text poke steps together, three syncs for all. A NOP
of two bytes becomes JMP8, one of five JMP32. The sites of one key change one after the other, so
while that goes on some are old and some are new; nobody is promised more. Left out: the batch's
table and its references, which x86_text_poke_batch.py has, and early boot.

What the verdicts mean: a jump of two bytes is no safer than one of five when it is simply stored:
that depends on whether both bytes lie in one fetch chunk.
"""

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    store,
    violates,
    write,
)

INT3 = b"\xcc"
NOP2, JMP8 = bytes.fromhex("66 90"), bytes.fromhex("eb 10")
NOP5, JMP32 = bytes.fromhex("0f 1f 44 00 00"), bytes.fromhex("e9 e7 57 07 00")

short = Site("short", NOP2, JMP8, address=0xFFFFFFFF81001000)
long = Site("long", NOP5, JMP32, address=0xFFFFFFFF81001040)
queue = Cell("queue", ())


def apply(name: str, *sites: Site) -> Protocol:
    return Protocol(
        name,
        sites=sites,
        cells=(queue,),
        program=(
            store("publish", queue, tuple(site.name for site in sites)),
            *(write(f"int3 {site.name}", site, INT3) for site in sites),
            on_each_cpu("sync-1"),
            *(write(f"tail {site.name}", site, site.new[1:], at=1) for site in sites),
            on_each_cpu("sync-2"),
            *(write(f"head {site.name}", site, site.new[:1]) for site in sites),
            on_each_cpu("sync-3"),
            store("retire", queue, ()),
        ),
        handler=Handler(
            INT3, (lookup("find", queue, search=True), emulate("emulate", queue), iret("iret"))
        ),
        properties=(
            "no-torn-instruction",
            "no-unhandled-trap",
            "no-stale-handler-data",
        ),
    )


both = apply("both-sites", short, long)
alone = apply("short-site", short)

TORN = "no-torn-instruction"
HANDLER_DATA = ("no-unhandled-trap", "no-stale-handler-data")
FETCH = ("coherent", "store-order", "per-chunk", "incoherent")

SUITES = (
    Suite(
        both,
        (
            Variant("no-sync-1", both.without("sync-1"), violates(TORN)),
            Variant("no-sync-3", both.without("sync-3"), violates(*HANDLER_DATA)),
        ),
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        alone,
        (
            Variant(
                "one-store",
                alone.without("publish", "int3 short", "sync-1", "tail short", "sync-2").replaced(
                    "head short", write("jmp8", short, JMP8, order="single")
                ),
                violates(TORN, split=True),
            ),
        ),
        cpus=1,
        fetch=FETCH,
    ),
)
