"""Two patchers at once: what the text mutex protects, and the cycle of locks it can be part of.

Source: the thread on the SG2042 regression of v6.16-rc after 5aa4ef955884 removed the hooks that
took text_mutex ("riscv: ftrace: text_mutex not held"); and lockdep's report there: cpu_hotplug_lock
-> jump_label_mutex -> text_mutex against text_mutex -> cpu_hotplug_lock in stop_machine(). A
patcher maps the page that it writes to at a fixed address, the fixmap, of which there is one.

What the verdicts mean: without the mutex, one patcher moves the mapping while the other writes
through it, and the bytes go to the wrong site. With it, both finish, if all take the locks in the
same order; otherwise each can wait for the other for ever.
"""

from modelcheck import (
    Bug,
    Cell,
    Element,
    Patcher,
    Protocol,
    Site,
    Suite,
    Variant,
    lock,
    on_each_cpu,
    store,
    unlock,
    violates,
    write,
)

NOP = bytes.fromhex("13 00 00 00")
JALR = bytes.fromhex("e7 82 02 10")
OTHER_JALR = bytes.fromhex("e7 82 42 10")

foo = Site("foo", NOP, JALR, address=0xFFFFFFFF80001000)
bar = Site("bar", NOP, OTHER_JALR, address=0xFFFFFFFF80002000)

fixmap = Cell("fixmap")
text_mutex = Cell("text_mutex", 0)
hotplug = Cell("cpu_hotplug_lock", 0)


def patch(site: Site) -> tuple[Element, ...]:
    """patch_map(), the store through the mapping, and the sync."""
    return (
        store(f"map {site.name}", fixmap, site.name),
        write(f"write {site.name}", site, site.new, order="single", expects=NOP, through=fixmap),
        on_each_cpu(f"sync {site.name}"),
    )


def holding(cell: Cell, *elements: Element) -> tuple[Element, ...]:
    return (lock(f"lock {cell.name}", cell), *elements, unlock(f"unlock {cell.name}", cell))


def both(name: str, one: tuple[Element, ...], other: tuple[Element, ...]) -> Protocol:
    return Protocol(
        name,
        sites=(foo, bar),
        cells=(fixmap, text_mutex, hotplug),
        program=one,
        patchers=(Patcher("other", other),),
        patcher_executes=False,
        arch="riscv64",
        stores="in-order",  # who writes through which mapping, not in which order
    )


with_mutex = both("with-mutex", holding(text_mutex, *patch(foo)), holding(text_mutex, *patch(bar)))

in_order = both(
    "locks-in-order",
    holding(hotplug, *holding(text_mutex, *patch(foo))),
    holding(hotplug, *holding(text_mutex, *patch(bar))),
)

WRONG_SITE = violates("no-torn-instruction", "no-unexpected-bytes")
FETCH = ("coherent", "per-chunk", "incoherent")

SUITES = (
    Suite(
        with_mutex,
        (
            Variant(
                "no-mutex",
                both("no-mutex", patch(foo), patch(bar)),
                WRONG_SITE,
                bug=Bug(
                    "2025-06",
                    "Linux riscv",
                    "riscv: ftrace: text_mutex not held (SG2042 regression of 6.16-rc)",
                    "5aa4ef955884",
                    "The hooks that took text_mutex were removed. Two patchers shared the fixmap, "
                    "and one wrote its instruction through the mapping of the other.",
                ),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        in_order,
        (
            Variant(
                "lock-cycle",
                both(
                    "lock-cycle",
                    holding(hotplug, *holding(text_mutex, *patch(foo))),
                    holding(text_mutex, *holding(hotplug, *patch(bar))),
                ),
                violates("finishes"),
                bug=Bug(
                    "2025-06",
                    "Linux riscv",
                    "Possible circular locking: cpu_hotplug_lock, jump_label_mutex, text_mutex",
                    "lockdep report, linux-riscv",
                    "Static keys take cpu_hotplug_lock before text_mutex; ftrace took text_mutex, "
                    "and stop_machine() then wanted cpu_hotplug_lock.",
                ),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
)
