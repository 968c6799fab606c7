"""What is in the cells of data at a time, as constraints. Knows events."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple, assert_never

import z3

from modelcheck.axiomatic.events import Event, Unit, of_cells
from modelcheck.protocol import actions as do
from modelcheck.protocol.code import Value


class _Change(NamedTuple):
    """A cell is set, at a time, to a value."""

    event: Event
    time: z3.ArithRef
    value: z3.ArithRef


class Cells:
    """The cells that the events tell of.

    `when` has the time of each event by its name, and `has` whether its unit is there.
    """

    def __init__(
        self,
        initial: Mapping[str, Value],
        events: Iterable[Event],
        when: Mapping[str, z3.ArithRef],
        has: Mapping[Unit, z3.BoolRef],
    ) -> None:
        self._initial = initial
        self._when = when
        self._has = has
        self._numbers: dict[Value, int] = {}
        self._events = [event for event in events if any(of_cells(event.actions))]
        self._changes: dict[str, list[_Change]] = {}
        for event in self._events:
            for cell, value in self._after(event).items():
                change = _Change(event, when[event.name], value)
                self._changes.setdefault(cell, []).append(change)

    def holds(self, cell: str, among: Iterable[Value], time: z3.ArithRef) -> z3.BoolRef:
        """Whether a cell has one of these values just before a time."""
        wanted = [self._number(value) for value in among]
        return z3.Or(*(self._is(cell, number, time) for number in wanted))

    def constraints(self, end: z3.ArithRef) -> Iterator[tuple[Event, z3.BoolRef]]:
        """What must hold of each event: of its answers, only if it comes before `end`."""
        for event in self._events:
            time = self._when[event.name]
            asked = z3.And(self._has[event.unit], time <= end)
            for action in of_cells(event.actions):
                match action:
                    case do.Ask():
                        found = self._is(action.cell, self._number(action.value), time)
                        answer = found if action.equal else z3.Not(found)
                        yield event, z3.Implies(asked, answer == event.holds)
                    case do.Need():
                        found = self._is(action.cell, self._number(action.value), time)
                        yield event, z3.Implies(asked, found)
                    case do.Change() if event.holds:
                        changes = self._changes[action.cell]
                        total = next(c.value for c in changes if c.event is event)
                        for there, value in self._at(action.cell, time):
                            yield event, z3.Implies(there, total == value + action.amount)
                    case do.Set() | do.Change():
                        pass
                    case _:
                        assert_never(action)
        for one, other in combinations(self._events, 2):
            if one.program != other.program and _cells(one) & _cells(other):
                yield other, self._when[one.name] != self._when[other.name]

    def _after(self, event: Event) -> dict[str, z3.ArithRef]:
        """What cells are after an event that changes them."""
        found: dict[str, z3.ArithRef] = {}
        for action in of_cells(event.actions):
            match action:
                case do.Set() if event.holds:
                    found[action.cell] = z3.IntVal(self._number(action.value))
                case do.Change() if event.holds:
                    found[action.cell] = z3.Int(f"{event.name} total")
                case do.Set() | do.Change() | do.Ask() | do.Need():
                    pass
                case _:
                    assert_never(action)
        return found

    def _at(self, cell: str, time: z3.ArithRef) -> Iterator[tuple[z3.BoolRef, z3.ArithRef]]:
        """The values that a cell may have just before a time, and when; just one is true."""
        changes = [
            (change, z3.And(self._has[change.event.unit], change.time < time))
            for change in self._changes.get(cell, [])
        ]
        first = z3.Not(z3.Or(*(done for _, done in changes)))
        yield first, z3.IntVal(self._number(self._initial[cell]))
        for change, done in changes:
            later = [
                z3.And(other_done, change.time <= other.time)
                for other, other_done in changes
                if other is not change
            ]
            yield z3.And(done, *map(z3.Not, later)), change.value

    def _is(self, cell: str, number: int, time: z3.ArithRef) -> z3.BoolRef:
        return z3.Or(*(z3.And(there, value == number) for there, value in self._at(cell, time)))

    def _number(self, value: Value) -> int:
        """The number that stands for a value: numbers for themselves."""
        if isinstance(value, int):
            return value
        return self._numbers.setdefault(value, FIRST_NAME + len(self._numbers))


FIRST_NAME = 1 << 32
"""What is no number is numbered from here on."""


def _cells(event: Event) -> set[str]:
    return {action.cell for action in of_cells(event.actions)}
