"""Random protocols over the whole vocabulary: any step, role and setting, small enough to walk.

What Hypothesis shrinks them to is meant to be read: few steps, short names, no part that nobody
uses. `protocols` leaves nothing out but what a spec may not say; its flags leave parts out for
those who do not know them.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache, partial
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, reject, settings
from hypothesis import strategies as st

from modelcheck import (
    Cell,
    Form,
    Handler,
    Patcher,
    Protocol,
    Site,
    SpecError,
    add,
    dc_cvau,
    dmb,
    dsb,
    emulate,
    enter_user,
    execute,
    fence,
    flush,
    ic_ivau,
    increment_unless_zero,
    iret,
    irq_off,
    irq_on,
    is_equal,
    leave_user,
    lock,
    lookup,
    not_ours,
    on_each_cpu,
    pause,
    runs,
    send_ipi,
    skip,
    stop_machine,
    store,
    sync_core,
    synchronize_rcu,
    synchronize_rcu_tasks,
    unlock,
    use,
    wait_acks,
    wait_until,
    when,
    write,
)
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import Instruction, Order, Owner
from modelcheck.protocol.definition import Stores
from modelcheck.protocol.program import Element, Step, flatten
from modelcheck.protocol.suite import Semantics
from modelcheck.protocol.vocabulary.patcher import Write
from tests.found import FOUND
from tests.protocols import EVERY_PROPERTY, FETCH

NIGHTLY = 20_000
nightly = False
"""Whether a run is to draw that many; see conftest.py."""


def random_runs(
    examples: int, nightly_examples: int = NIGHTLY, phases: Collection[Phase] = tuple(Phase)
) -> settings:
    """So many random examples, the same ones each time; or very many new ones, in a nightly run."""
    return settings(
        phases=phases,
        deadline=None,
        database=None,
        derandomize=not nightly,
        max_examples=nightly_examples if nightly else examples,
        suppress_health_check=[*HealthCheck],
    )


BOOL = st.booleans()
ORDERS: tuple[Order, ...] = ("ascending", "any", "single")
STORES: tuple[Stores, ...] = ("in-order", "weak")
WHICH: tuple[Instruction, ...] = ("new", "old")

DATA = Cell("data")
COUNT = Cell("count", 0)
LOCK = Cell("lock", 0)
EACH = Cell("each", 0, per_cpu=True)
LIST = Cell("list", ())
CELLS = (DATA, COUNT, LOCK, EACH, LIST)

INT3, LONG_TRAP = b"\xcc", b"\xcd\x03"
ARM_BRK = bytes.fromhex("00 00 20 d4")
ARM = tuple(map(bytes.fromhex, ("1f 20 03 d5", "01 00 00 14", "00 04 00 91", "e0 03 01 aa")))
"""NOP and B, which may be modified concurrently, ADD and MOV, which may not."""
ISB = bytes.fromhex("df 3f 03 d5")


@st.composite
def _sites(draw: st.DrawFn, trap: bytes, arch: str) -> tuple[Site, ...]:
    """One site or two, which may share a chunk; an instruction, or a region of several."""
    found: list[Site] = []
    address = draw(st.sampled_from((0, 1, 2, 3, 15 if arch == "arm64" else 62)))
    for name in "ab"[: draw(st.sampled_from((1, 1, 1, 2)))]:
        found.append(draw(_arm_site(name, address) if arch == "arm64" else _site(name, address)))
        address += len(found[-1]) + draw(st.integers(0, 1))
    if draw(st.integers(0, 9)) == 9:
        found[-1] = replace(found[-1], old=trap + found[-1].old[len(trap) :], foreign=True)
    return tuple(found) if draw(BOOL) else tuple(reversed(found))


@st.composite
def _site(draw: st.DrawFn, name: str, address: int) -> Site:
    size = draw(st.integers(2, 3))
    old = bytes(draw(st.sampled_from((0x10 + i, 0x90))) for i in range(size))
    new = bytes(draw(st.sampled_from((0x20 + i, old[i]))) for i in range(size))
    site = Site(name, old, new, address)
    if draw(st.integers(0, 2)) < 2:
        return site
    lengths = ((1, 2), (2, 1), (1, 1, 1), (3,)) if size == 3 else ((1, 1), (2,))
    between = ()
    if draw(st.integers(0, 3)) == 3:
        data = bytes(draw(st.sampled_from((0x30 + i, new[i]))) for i in range(size))
        between = (Form("mid", data, runs(*draw(st.sampled_from(lengths)))),)
    return replace(
        site,
        old_runs=runs(*draw(st.sampled_from(lengths))),
        new_runs=runs(*draw(st.sampled_from(lengths))),
        between=between,
        entries=draw(st.sampled_from(((0,), (0,), (0, 1)))),
    )


@st.composite
def _arm_site(draw: st.DrawFn, name: str, address: int) -> Site:
    if draw(st.integers(0, 3)) < 3:
        return Site(name, draw(st.sampled_from(ARM)), draw(st.sampled_from(ARM)), 4 * address)
    words = [draw(st.sampled_from(ARM)) for _ in range(3)]
    between = (ISB,) if draw(BOOL) else ()
    old, new = (b"".join((words[0], *between, word)) for word in words[1:])
    each = runs(*[4] * (2 + len(between)))
    return Site(name, old, new, 4 * address, old_runs=each, new_runs=each)


PATCHER = (*["sync"] * 6, "store", "count", "stop", "quiet", "wait", "test", "lock")
SYNC = (
    *(*["on_each_cpu"] * 8, "odd on_each_cpu", "odd send_ipi", "wait_acks", "sync_core"),
    *("fence", "dmb", "dsb", "maintain", "maintain", "rcu_tasks", "rcu", "rcu with regions"),
)


class _Steps:
    """Draws steps; each gets a label of its own.

    A protocol has a few kinds of them only, which differ from one to the next: what has something
    of everything is nearly always violated by the same few things (Groce et al., Swarm Testing).
    """

    def __init__(self, draw: st.DrawFn, sites: tuple[Site, ...], trap: bytes) -> None:
        self.draw, self.sites, self.trap, self.labels = draw, sites, trap, 0
        self.kinds = draw(st.lists(st.sampled_from(PATCHER), min_size=1, max_size=3))
        self.syncs = draw(st.lists(st.sampled_from(SYNC), min_size=1, max_size=2))

    def label(self) -> str:
        self.labels += 1
        return f"s{self.labels}"

    def some(
        self, kinds: tuple[Callable[[], tuple[Element, ...]], ...], least: int, most: int
    ) -> tuple[Element, ...]:
        number = self.draw(st.integers(least, most))
        return tuple(e for _ in range(number) for e in self.draw(st.sampled_from(kinds))())

    def flag(self) -> bool:
        return self.draw(BOOL)

    # Code.

    def write(self) -> tuple[Element, ...]:
        site = self.draw(st.sampled_from(self.sites))
        at = self.draw(st.sampled_from((0, 0, *range(len(site)))))
        stop = self.draw(st.integers(at + 1, len(site)))
        form = self.draw(st.sampled_from((*site.forms[1:], site.forms[1], site.forms[0])))
        data = form.data[at:stop]
        if self.draw(st.integers(0, 2)) == 2 and len(data) >= len(self.trap):
            data = self.trap + data[len(self.trap) :]
        through = self.draw(st.sampled_from((None, None, None, DATA)))
        room = all(stop <= len(site) for site in self.sites)
        expects = self.draw(st.sampled_from((b"", b"", b"", site.old[at:stop], data)))
        order = self.draw(st.sampled_from(ORDERS))
        label = self.label()
        return (
            write(
                label,
                site,
                data,
                at=at,
                order=order,
                expects=expects,
                through=through if room else None,
            ),
        )

    # Data.

    def store(self) -> tuple[Element, ...]:
        values = [(DATA, name) for name in (None, "a", "b")] + [(COUNT, n) for n in (0, 1, 3)]
        values += [(EACH, 0), (EACH, 1), (LOCK, 0)]
        names = tuple(site.name for site in self.sites)
        values += [(LIST, names), (LIST, ()), (LIST, names[::-1])]
        return (store(self.label(), *self.draw(st.sampled_from(values))),)

    def count(self) -> tuple[Element, ...]:
        cell = self.draw(st.sampled_from((COUNT, COUNT, EACH)))
        return (add(self.label(), cell, self.draw(st.sampled_from((1, -1, 3)))),)

    def up_and_down(self) -> tuple[Element, ...]:
        cell = self.draw(st.sampled_from((COUNT, COUNT, EACH)))
        return (add(self.label(), cell), add(self.label(), cell, -1))

    def wait(self) -> tuple[Element, ...]:
        asked = self.draw(
            st.sampled_from(((COUNT, 0), (COUNT, 1), (COUNT, 2), (EACH, 0), (EACH, 1)))
        )
        return (wait_until(self.label(), *asked),)

    def test(self) -> Step:
        label = self.label()
        asked = ((COUNT, 0), (COUNT, 2), (COUNT, 3), (EACH, 1), (DATA, "a"))
        if self.draw(st.integers(0, 3)) == 3:
            return increment_unless_zero(label, self.draw(st.sampled_from((COUNT, EACH))))
        return is_equal(label, *self.draw(st.sampled_from(asked)))

    def when(self, kinds: tuple[Callable[[], tuple[Element, ...]], ...]) -> tuple[Element, ...]:
        test = self.test()
        down = ()
        if not isinstance(test, Step) or type(test).__name__ == "IncrementUnlessZero":
            down = (add(self.label(), Cell(test.cell, 0), -1),)
        return (when(test, *self.some(kinds, 0, 1), *down, otherwise=self.some(kinds, 0, 1)),)

    def locked(self, kinds: tuple[Callable[[], tuple[Element, ...]], ...]) -> tuple[Element, ...]:
        inside = self.some(kinds, 0, 2)
        return (lock(self.label(), LOCK), *inside, unlock(self.label(), LOCK))

    # Synchronisation.

    def sync(self) -> tuple[Element, ...]:
        kind, label = self.draw(st.sampled_from(self.syncs)), self.label()
        if kind == "maintain":
            return self.maintain()
        if kind.startswith("odd"):
            odd = on_each_cpu if kind == "odd on_each_cpu" else send_ipi
            return (odd(label, synchronises=self.flag(), deferred=self.flag()),)
        plain: dict[str, Callable[[str], Element]] = {
            "on_each_cpu": on_each_cpu,
            "wait_acks": wait_acks,
            "sync_core": sync_core,
            "fence": fence,
            "dmb": dmb,
            "dsb": dsb,
            "rcu_tasks": synchronize_rcu_tasks,
            "rcu": synchronize_rcu,
            "rcu with regions": partial(synchronize_rcu, regions=True),
        }
        return (plain[kind](label),)

    def cpu_sync(self) -> tuple[Element, ...]:
        """What may be drawn of these for CPUs: they wait for no acknowledgement."""
        found = self.sync()
        return found if all(Owner.CPU in step.owners for step in flatten(found)) else self.quiet()

    def maintain(self) -> tuple[Element, ...]:
        """The manual's sequence, or one like it."""
        found: list[Element] = []
        for maker in self.draw(st.sampled_from(((dc_cvau, ic_ivau), (ic_ivau,), (dc_cvau,)))):
            of = self.draw(st.sampled_from((None, None, *self.sites)))
            found.append(maker(self.label(), of))
            barriers = self.draw(st.sampled_from(((dsb,), (dsb,), (dsb,), (dmb,), (fence,), ())))
            found += [barrier(self.label()) for barrier in barriers]
        return tuple(found)

    def stop(self) -> tuple[Element, ...]:
        inside = self.some((self.write, self.store, self.sync), 0, 2)
        return (stop_machine(self.label(), *inside, synchronises=self.flag()),)

    def quiet(self) -> tuple[Element, ...]:
        return (self.draw(st.sampled_from((pause, irq_off, irq_on)))(self.label()),)

    # Programs.

    def patcher(self, most: int) -> tuple[Element, ...]:
        plain = (self.write, self.write, self.store, self.count, self.sync)
        kinds: dict[str, Callable[[], tuple[Element, ...]]] = {
            "sync": self.sync,
            "store": self.store,
            "count": self.count,
            "stop": self.stop,
            "quiet": self.quiet,
            "wait": self.wait,
            "test": partial(self.when, plain),
            "lock": partial(self.locked, plain),
        }
        chosen = [kinds[kind] for kind in self.kinds]
        return self.some((*[self.write] * len(chosen), *chosen), 1, most)

    def cpu(self) -> tuple[Element, ...]:
        plain = (self.store, self.up_and_down, self.cpu_sync, self.user, self.quiet)
        kinds = (
            *plain,
            self.run,
            partial(self.when, plain),
            partial(self.locked, plain),
            self.wait,
        )
        return (*self.run(), *self.some(kinds, 0, 2))

    def run(self) -> tuple[Element, ...]:
        sites = self.draw(st.sampled_from((self.sites, self.sites[:1])))
        return (execute(self.label(), *sites),)

    def user(self) -> tuple[Element, ...]:
        inside = self.run() if self.flag() else ()
        return (
            enter_user(self.label()),
            *inside,
            leave_user(self.label()),
            *((flush(self.label()),) if self.flag() else ()),
        )

    def acting(self) -> tuple[Element, ...]:
        """What a handler or a callee does before it returns."""

        def look_up() -> tuple[Element, ...]:
            cell = self.draw(st.sampled_from((DATA, COUNT, EACH, LIST)))
            find = lookup(self.label(), cell, search=cell is LIST)
            then: tuple[Element, ...] = self.draw(
                st.sampled_from(((), (emulate(self.label(), cell),), (use(self.label(), cell),)))
            )
            if self.draw(st.integers(0, 2)) == 2:
                return (when(find, *then),)
            return (find, *then)

        def act() -> tuple[Element, ...]:
            if self.draw(st.integers(0, 2)) == 2:
                return (skip(self.label()),)
            return (emulate(self.label(), instruction=self.draw(st.sampled_from(WHICH))),)

        def asked() -> tuple[Element, ...]:
            return self.when((act, self.store))

        def other() -> tuple[Element, ...]:
            return (self.draw(st.sampled_from((pause, fence, dmb, dsb, sync_core)))(self.label()),)

        return self.some(
            (look_up, look_up, act, act, asked, self.up_and_down, self.store, other), 0, 3
        )

    def handler(self) -> tuple[Element, ...]:
        end: Element = iret(self.label(), synchronises=self.draw(st.sampled_from((True, False))))
        if self.draw(st.integers(0, 5)) == 5:
            end = not_ours(self.label(), synchronises=self.flag())
        return (*self.acting(), end)

    def callee(self) -> tuple[Element, ...]:
        return (*self.acting(), iret(self.label(), synchronises=False))


@st.composite
def protocols(
    draw: st.DrawFn, *, most: int = 5, only_in_order: bool = False, one_patcher: bool = False
) -> Protocol:
    """A random protocol, whose programs have up to about `most` steps."""
    arch = draw(st.sampled_from(("x86-64", "x86-64", "x86-64", "arm64", "arm64", "riscv64")))
    trap = ARM_BRK if arch == "arm64" else draw(st.sampled_from((INT3, INT3, LONG_TRAP)))
    try:
        sites = draw(_sites(trap, arch))
        steps = _Steps(draw, sites, trap)
        program = steps.patcher(most)
        patchers: tuple[Patcher, ...] = ()
        if not one_patcher and draw(st.integers(0, 3)) == 3:
            patchers = (Patcher("other", steps.patcher(2)),)
        handler = None
        if draw(st.integers(0, 3)):
            handler = Handler(trap, steps.handler(), interrupts=draw(BOOL))
        protocol = Protocol(
            "random",
            sites,
            program,
            handler=handler,
            cells=CELLS,
            patcher_executes=draw(st.sampled_from((False, False, True))),
            arch=arch,
            patchers=patchers,
            cpu_program=steps.cpu() if draw(st.integers(0, 2)) == 2 else (),
            callee=steps.callee() if draw(st.integers(0, 5)) == 5 else (),
            stores="in-order" if only_in_order else draw(st.sampled_from(STORES)),
            coherent_icache=draw(st.sampled_from((True, False))),
            coherent_dcache=draw(st.sampled_from((False, False, True))),
        )
    except SpecError:
        # Instructions one of which begins with another, or with the trap.
        reject()
    return _without_unused_cells(protocol)


def _without_unused_cells(protocol: Protocol) -> Protocol:
    used = {
        name
        for program in protocol.programs.values()
        for step in flatten(program)
        for name in (getattr(step, "cell", None), step.through if isinstance(step, Write) else None)
    }
    return replace(protocol, cells=tuple(cell for cell in protocol.cells if cell.name in used))


@st.composite
def configurations(
    draw: st.DrawFn, *, cpus: int = 1, semantics: tuple[Semantics, ...] = ("windowed", "bytewise")
) -> Configuration:
    """Any fetch model, chunk and offset, with all properties watched."""
    return Configuration(
        cpus,
        draw(st.sampled_from(FETCH)),
        draw(st.sampled_from((1, 1, 2, 4))),
        draw(st.sampled_from((None, *range(8)))),
        draw(st.sampled_from(semantics)),
        properties=EVERY_PROPERTY,
    )


def compared(
    examples: int,
    configurations: st.SearchStrategy[Configuration],
    *,
    nightly_examples: int = NIGHTLY,
    phases: Collection[Phase] = tuple(Phase),
) -> Callable[[Callable[..., None]], Any]:
    """A test of all protocols on which one has failed once, and then of so many random ones."""

    def decorate(test: Callable[..., None]) -> Any:
        test = given(protocols(), configurations)(test)
        for protocol in FOUND.values():
            for fetch in ("coherent", "per-chunk"):
                run = Configuration(1, fetch, properties=EVERY_PROPERTY)
                test = example(protocol, run)(test)
        return random_runs(examples, nightly_examples, phases)(test)

    return decorate


@cache
def generated_kinds() -> frozenset[type[Step]]:
    """The kinds of steps that some hundred random protocols have."""
    found: set[type[Step]] = set()

    @random_runs(800)
    @given(protocols())
    def collect(protocol: Protocol) -> None:
        for program in protocol.programs.values():
            found.update(type(step) for step in flatten(program))

    collect()
    return frozenset(found)
