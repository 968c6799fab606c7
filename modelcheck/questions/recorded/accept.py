"""All runs of a system that a log allows, as the set of states that they can be in, event by event.

Between two events the set is closed under moves that the log does not record. Knows systems, and
what a log sees of a move (Eyes); knows no step of any protocol.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from modelcheck.explore.pulse import Pulse
from modelcheck.explore.system import Row, State, System
from modelcheck.frontends.logs import LogEvent
from modelcheck.questions.recorded.match import AT_LEAST, Deed, Eyes, begins, is_same

PATCHER = 0
"""The actor that is the patching thread; the log's CPUs are all others."""

PULSE = 4096
"""States between two looks at the limits."""


class SeenRow(NamedTuple):
    """A row of an actor's table, and what a log sees of it."""

    row: Row
    deed: Deed | None


class Predecessor(NamedTuple):
    """How a state is come to: from a state of a layer, by a row of an actor's table."""

    layer: int
    state: State
    actor: int
    row: Row


class Reached(NamedTuple):
    """A state of a layer: how few steps of a run to it violate something, and such a run's last."""

    violations: int
    origin: Predecessor | None


Layer = dict[State, Reached]
"""The states that the log allows between two events."""


class LoggedStep(NamedTuple):
    """A step of a run: an actor's move, and the event that it is, by its number (0: of none)."""

    actor: int
    row: Row
    before: State
    event: int


Free = Callable[[int, Deed | None], bool]
"""Whether an actor may take a step between two events, by what would be seen of it."""


class Acceptance:
    """The simulation of a log on a system: layer 0 is before the first event."""

    def __init__(self, system: System, eyes: Eyes, pulse: Pulse) -> None:
        self.system = system
        self.actors = range(len(system.actors))
        """The patcher, and the CPUs."""
        self._eyes = eyes
        self._pulse = pulse
        self._seen: dict[tuple[int, int, int], tuple[SeenRow, ...]] = {}
        self._steps = 0
        self.layers: list[Layer] = []
        self._events: list[int] = []
        """The event that leads to each layer, by its number."""
        self.patched = 0
        """The events that were the patching thread's to do, of those that are exactly so many."""
        self.extra: list[LogEvent] = []
        """Events that are no steps of the protocol, and only restrict what can happen."""

    # The system, with what is seen.

    def rows(self, state: State, actor: int) -> tuple[SeenRow, ...]:
        """All that an actor could do in a state if every guard held."""
        key = (self.system.actors[actor], state[0], state[actor + 1])
        found = self._seen.get(key)
        if found is None:
            was = self.system.locals.values[key[2]]
            moves = self.system.moves(*key)
            found = tuple(
                SeenRow(row, self._eyes.deed(was, move))
                for row, move in zip(self.system.rows(*key), moves, strict=True)
            )
            self._seen[key] = found
        return found

    # Layers.

    def begin(self, free: Free) -> None:
        """Let the log begin wherever free steps lead to from before the patch."""
        self._pulse.beat(0, 0, 0, 0)
        self.layers = [self._closed(0, {self.system.initial(): Reached(0, None)}, free)]
        self._events = [0]
        self.extra = []

    def take(self, event: LogEvent, actors: Iterable[int], free: Free, *, exact: bool) -> bool:
        """Go on behind an event, which one of these actors did, and then by what is free; False if
        the event is forbidden."""
        after = self._after(event, tuple(actors))
        if after:
            if event.do not in AT_LEAST:
                self.patched += any(o.actor == PATCHER for _, o in after.values() if o is not None)
            self._events.append(event.number)
            self.layers.append(self._closed(len(self.layers), after, free))
        elif event.do in AT_LEAST and (not exact or event.do == "migrate"):
            self.extra.append(event)
        else:
            return False
        return True

    def _after(self, event: LogEvent, actors: tuple[int, ...]) -> Layer:
        """The states behind an event, before anything else happens."""
        found: Layer = {}
        layer = len(self.layers) - 1
        for state, reached in self.layers[layer].items():
            for actor in actors:
                for row, deed in self.rows(state, actor):
                    if deed is not None and is_same(event, deed):
                        self._reach(found, layer, state, actor, row, reached.violations)
        if not found and event.do == "store" and len(event.data) > 1:
            return self._in_parts(event)
        return found

    def _in_parts(self, event: LogEvent) -> Layer:
        """One store of the log as several stores of the protocol, with nobody in between."""
        found: Layer = {}
        layer = first = len(self.layers) - 1
        every = (1 << len(event.data)) - 1
        done = dict.fromkeys(self.layers[layer], 0)
        while done:
            further: Layer = {}
            more: dict[State, int] = {}
            for state, before in done.items():
                violations = self.layers[layer][state].violations
                for row, deed in self.rows(state, PATCHER):
                    bits = begins(event, deed, before) if deed is not None else 0
                    if bits:
                        whole = before | bits == every
                        into = found if whole else further
                        target = self._reach(into, layer, state, PATCHER, row, violations)
                        if target is not None and not whole:
                            more[target] = before | bits
            if further:
                self.layers.append(further)
                self._events.append(event.number)
                layer = len(self.layers) - 1
            done = more
        if not found:
            del self.layers[first + 1 :], self._events[first + 1 :]
        return found

    def _closed(self, layer: int, begun: Layer, free: Free) -> Layer:
        """The states, and all that free steps lead to."""
        closed = dict(begun)
        rows_of: dict[tuple[int, int, int], tuple[Row, ...]] = {}
        # Runs with fewer violations first: what is behind a violation waits for its turn.
        turns: list[deque[State]] = []
        for state, reached in begun.items():
            _turn(turns, reached.violations).append(state)
        violations = 0
        while violations < len(turns):
            todo = turns[violations]
            while todo:
                state = todo.popleft()
                if closed[state].violations != violations:
                    continue
                self._beat(len(closed))
                for actor in self.actors:
                    key = (actor, state[0], state[actor + 1])
                    rows = rows_of.get(key)
                    if rows is None:
                        seen = self.rows(state, actor)
                        rows = tuple(row for row, deed in seen if free(actor, deed))
                        rows_of[key] = rows
                    for row in rows:
                        target = self._reach(closed, layer, state, actor, row, violations)
                        if target is not None:
                            _turn(turns, closed[target].violations).append(target)
            violations += 1
        return closed

    # Runs.

    def run(self, last: State) -> tuple[LoggedStep, ...]:
        """A run to a state of the last layer, of those that violate least."""
        found: list[LoggedStep] = []
        layer, state = len(self.layers) - 1, last
        while (origin := self.layers[layer][state].origin) is not None:
            event = self._events[layer] if origin.layer != layer else 0
            found.append(LoggedStep(origin.actor, origin.row, origin.state, event))
            layer, state = origin.layer, origin.state
        return tuple(reversed(found))

    def _reach(
        self, found: Layer, layer: int, state: State, actor: int, row: Row, violations: int
    ) -> State | None:
        """Note the state that a row leads to, if its guard holds and no better way was known."""
        target = self.system.after(state, actor, row)
        if target is None:
            return None
        if row.violations:
            violations += 1
        known = found.get(target)
        if known is not None and known.violations <= violations:
            return None
        found[target] = Reached(violations, Predecessor(layer, state, actor, row))
        return target

    def _beat(self, states: int) -> None:
        self._steps += 1
        if self._steps % PULSE == 0:
            self._pulse.beat(states, self._steps, 0, len(self.layers))


def _turn(turns: list[deque[State]], number: int) -> deque[State]:
    while len(turns) <= number:
        turns.append(deque())
    return turns[number]
