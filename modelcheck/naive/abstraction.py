"""What an invariant for any number of CPUs is of: states that tell less apart.

A fetch may be one step, and a counter may hold "many"; docs/semantics.md says why nothing is lost
by that. The naive machine itself fetches in steps, and counts. Knows stepping.
"""

from collections.abc import Iterator
from typing import Any

from modelcheck.naive.memory import later_of
from modelcheck.naive.reading import Json, one_of, places, take
from modelcheck.naive.state import Cpu, Move, Places, Shared, Spot
from modelcheck.naive.stepping import Naive

PROPERTIES = (
    "no-torn-instruction",
    "no-torn-sequence",
    "no-unhandled-trap",
    "no-stale-handler-data",
    "effect-is-old-or-new",
    "visible-after-return",
    "per-cpu-monotone",
    "no-unpermitted-modification",
    "no-unexpected-bytes",
    "ends-as-new",
    "finishes",
    "patch-completes",
)


class Abstract(Naive):
    """The naive machine, with fetches in one step or not, and counters of any number of CPUs or
    not, as a configuration says."""

    def __init__(self, protocol: Json, configuration: Json) -> None:
        super().__init__(protocol, configuration)
        how = one_of("semantics", self.run["semantics"], ("windowed", "bytewise"))
        self.in_one_step = how == "windowed"
        self.watched = frozenset(self.run["properties"] or self._held_to())
        self.many: dict[int, int] = {}
        """For each counter, from where on it is many, if the number of CPUs is left open."""
        if self.run["any_number"]:
            for number, initial in enumerate(self.initial):
                named = {1, abs(initial)} if isinstance(initial, int) else {1}
                self.many[number] = 1 + max(named | set(self._numbers_for(number)))

    def _held_to(self) -> set[str]:
        """What can be violated, and is not waived."""
        waived = {take(one, "a waiver", "name because", {})["name"] for one in self.data["waived"]}
        free = {"per-cpu-monotone"} if self.fetch in ("incoherent", "strict") else set()
        other = set() if self.fetch == "strict" else {"no-unpermitted-modification"}
        return set(PROPERTIES) - waived - free - other

    # A fetch in one step.

    def moves(self, role: int, shared: Shared, cpu: Cpu) -> Iterator[Move]:
        """The steps of a CPU. Under the two coherent models its places say from where on a fetch
        may have begun: all but two kinds of steps are before any that is under way."""
        for move in super().moves(role, shared, cpu):
            leaves = move.label == "drain" or (move.label == "ipi" and not cpu.serialise)
            if self._keeps_places and not leaves and self.runs_sites(role):
                move = move.me(since=self.newest(move.shared))
            yield move

    @property
    def _keeps_places(self) -> bool:
        return self.newest_only and self.in_one_step

    def oldest(self, here: Move, history: int) -> int:
        """The place in a history from which on a CPU may read."""
        return here.cpu.since[history] if self._keeps_places else super().oldest(here, history)

    def begun(self, here: Move, spot: Spot) -> Iterator[Move]:
        """A fetch and its execution; of several ways to read the same bytes, the one that moves the
        CPU's places least."""
        if not self.in_one_step:
            yield from super().begun(here, spot)
            return
        parts, newest = self.parts(spot), self.newest(here.shared)
        ways: dict[tuple[bytes, bool], Places] = {(b"", False): ()}
        for part in parts:
            before, ways = ways, {}
            for (data, fresh), order in before.items():
                if self.complete(spot, data):
                    ways[data, fresh] = order
                    continue
                for place, read in self.readable(here, part):
                    if self.ordered and place < max(order, default=0):
                        continue
                    whole = self.complete(spot, data + read) or data + read
                    is_newest = self.newest_only and place == newest[self.line_of[part[0]]]
                    now = (*order, place)
                    least = ways.get((whole, fresh or is_newest), now)
                    ways[whole, fresh or is_newest] = tuple(map(min, least, now))
        for (data, fresh), order in ways.items():
            if self.newest_only and not fresh and self.trap and data == self.trap:
                continue
            since, least = here.cpu.since, self.nowhere
            for part, place in zip(parts, order, strict=False):
                since = self.moved(since, part, place)
                least = later_of(least, self.floor(here.shared, part, place))
            after = here._replace(label="fetch").me(since=later_of(since, least))
            yield self.executed(after, spot, data, here.cpu.since)

    # Counters of any number of CPUs.

    def _numbers_for(self, cell: int) -> Iterator[int]:
        """The numbers that some step names for a cell."""
        for steps in (*self.programs.values(), self.handler, self.callee):
            for head, *_ in places(steps):
                fields = (head.test or head).fields
                if isinstance(fields.get("value"), int) and self.cells[fields["cell"]] == cell:
                    yield abs(fields["value"])

    def sums(self, cell: int, value: int, amount: int) -> set[int]:
        """What a cell may hold after an addition to a value, which may stand for many."""
        if cell not in self.many:
            return super().sums(cell, value, amount)
        many, beyond = self.many[cell], self.many[cell] + abs(amount) + 1
        stands_for = {value}
        if abs(value) == many:
            stands_for = {n for n in range(-beyond, beyond) if n * value > 0 and abs(n) >= many}
        return {max(-many, min(many, number + amount)) for number in stands_for}

    def same(self, cell: int, one: Any, other: Any) -> set[bool]:
        """Whether what a cell held is what it holds; of two that are many, either may be so."""
        if one == other and isinstance(one, int) and abs(one) == self.many.get(cell):
            return {True, False}
        return super().same(cell, one, other)
