"""A shortest path to a violation with the fewest switches of thread, found backwards.

From the level with the violation to the first, each state on a shortest path learns how many
switches the rest of its way takes; then one path is followed from the start, by the system itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelcheck.explore.compiled import kernels
from modelcheck.explore.compiled.crew import Crew
from modelcheck.explore.compiled.store import Segment, Sizes, StateStore, Words, slices
from modelcheck.explore.compiled.tables import Tables
from modelcheck.explore.system import State, Transition

Counts = npt.NDArray[np.uint64]


class Cost(NamedTuple):
    """The fewest switches on the rest of the way, and the contexts that can begin such a way.

    Contexts are bits; among actors that may trade places, the first stands for those with equal
    locals.
    """

    switches: int
    contexts: int


class Ways(NamedTuple):
    """The states of one level that have a way to a violation, as a table; costs are by slot."""

    table: Words
    slots: int
    costs: Counts


class Paths:
    """The shortest paths of a search that met a violation.

    `levels` are the states by depth; from some of the last of them, violations were met, of the
    kinds `seen`.
    """

    def __init__(
        self,
        tables: Tables,
        store: StateStore,
        levels: Sequence[Sequence[Segment]],
        seen: set[int],
        *,
        crew: Crew,
        sizes: Sizes,
    ) -> None:
        self._tables = tables
        self._store = store
        self._levels = levels
        self._crew = crew
        self._sizes = sizes
        self._seen = seen

    def best(self) -> tuple[Transition, ...]:
        """Of the shortest paths, the first with the fewest switches.

        Among those, the property that the model names first, and then a violation outside
        interrupts; among those, the least actor and then the first step, from the start on.
        """
        order = self._tables.system.model.properties
        ends: dict[tuple[int, bool], set[int]] = {}
        for number in self._seen:
            kind = self._tables.kinds[number]
            end = (order.index(kind.violations[0]), kind.interrupt)
            ends.setdefault(end, set()).add(number)
        wanted = self._seen
        ways = self._ways(wanted)
        if len(ends) > 1:
            least = self._cost(ways[0], self._tables.system.initial())
            for _, wanted in sorted(ends.items()):
                ways = self._ways(wanted)
                cost = self._cost(ways[0], self._tables.system.initial())
                if cost and least and cost.switches == least.switches:
                    break
        return tuple(self._follow(ways, wanted))

    def _ways(self, wanted: set[int]) -> list[Ways]:
        """The ways to a violation of the kinds wanted, by level."""
        is_wanted = np.array([kind in wanted for kind in range(len(self._tables.kinds))], np.uint8)
        ways: list[Ways] = [self._collect(np.zeros(0, np.uint64), self._no_costs(0))]
        for number, level in enumerate(reversed(self._levels)):
            ways.append(self._level(level, ways[-1], is_wanted, ends=number == 0))
        return ways[:0:-1]

    def _level(
        self,
        level: Sequence[Segment],
        ahead: Ways,
        wanted: npt.NDArray[np.uint8],
        *,
        ends: bool,
    ) -> Ways:
        size = len(self._store.packing.words)
        found: list[tuple[Words, Counts]] = []

        def look(segment: Segment) -> None:
            count = segment.high - segment.low
            out, costs = np.empty(count * size, np.uint64), self._no_costs(count)
            report = np.zeros(kernels.REPORT, np.int64)
            kernels.costs(
                self._store.packing.words,
                self._store.words(segment.chunk),
                segment.low,
                segment.high,
                ends,
                wanted,
                *ahead,
                self._store.packing.layout,
                self._store.packing.trades,
                self._tables.rules,
                self._tables.scratch(self._store.packing.words),
                out,
                costs,
                report,
            )
            assert report[kernels.STATUS] == kernels.DONE
            new = int(report[kernels.NEW])
            if new:
                found.append((out[: new * size].copy(), costs[:new].copy()))

        together = sum(high - low for _, low, high in level) > self._sizes.crowd
        self._crew.each(slices(level, self._sizes.slice_), look, together=together)
        return self._collect(
            np.concatenate([states for states, _ in found]),
            np.concatenate([costs for _, costs in found]),
        )

    def _collect(self, states: Words, costs: Counts) -> Ways:
        count = len(costs)
        slots = (2 * count // kernels.BUCKET + 1) * kernels.BUCKET
        words = self._store.packing.words
        table = np.zeros(slots * len(words), np.uint64)
        places = np.empty(count, np.int64)
        by_slot = self._no_costs(slots)
        if count:
            scratch = self._tables.scratch(words)
            kernels.insert(words, states, 0, count, table, slots, scratch, places)
            by_slot[places] = costs
        return Ways(table, slots, by_slot)

    def _no_costs(self, count: int) -> Counts:
        contexts = 2 * len(self._tables.system.actors)
        return np.zeros((count, 1 + -(-contexts // 64)), np.uint64)

    def _cost(self, ways: Ways, state: State) -> Cost | None:
        """The cost of a state's way; None if it has none."""
        fields = self._tables.fields(state)
        if fields is None:
            return None
        words = np.array(self._store.packing.pack(fields), np.uint64)
        slot = kernels.find(self._store.packing.words, words, 0, ways.table, ways.slots)
        if slot < 0:
            return None
        switches, *contexts = ways.costs[slot].tolist()
        return Cost(switches, sum(word << 64 * n for n, word in enumerate(contexts)))

    def _context(self, state: State, transition: Transition) -> int:
        """The bit, in the costs of a state, of the context that a transition belongs to."""
        fields = self._tables.fields(state)
        assert fields is not None
        field = self._store.packing.place(fields, transition.actor + 1)
        return 1 << 2 * (field - 1) + transition.row.interrupt

    def _follow(self, ways: list[Ways], wanted: set[int]) -> list[Transition]:
        """The first path that switches no more often than must be."""
        path: list[Transition] = []
        state = self._tables.system.initial()
        for level, here in enumerate(ways):
            cost = self._cost(here, state)
            assert cost is not None
            stays = bool(path) and bool(cost.contexts & self._context(state, path[-1]))
            for transition in self._tables.system.successors(state):
                if stays and not _same_context(transition, path[-1]):
                    continue
                if not cost.contexts & self._context(state, transition):
                    continue
                if level + 1 == len(ways):
                    if self._tables.kind(transition.row) in wanted:
                        break
                elif not transition.row.violations:
                    further = self._cost(ways[level + 1], transition.target)
                    if further and cost.switches == further.switches + (
                        not further.contexts & self._context(transition.target, transition)
                    ):
                        break
            else:
                raise AssertionError("a way to a violation ends before it")
            path.append(transition)
            state = transition.target
        return path


def _same_context(transition: Transition, other: Transition) -> bool:
    return (transition.actor, transition.row.interrupt) == (other.actor, other.row.interrupt)
