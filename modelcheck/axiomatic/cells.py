"""What is in the cells of data at a time, as constraints. Knows events."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import z3

from modelcheck.axiomatic.events import CELL_STEPS, Event, Unit
from modelcheck.protocol.code import Value
from modelcheck.protocol.steps import (
    Add,
    IncrementUnlessZero,
    Lock,
    Store,
    Test,
    Unlock,
    WaitUntil,
)


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
        self._events = [event for event in events if isinstance(event.step, CELL_STEPS)]
        self._changes: dict[str, list[_Change]] = {}
        for event in self._events:
            value = self._after(event)
            if value is not None:
                change = _Change(event, when[event.name], value)
                self._changes.setdefault(_cell(event), []).append(change)

    def holds(self, cell: str, among: Iterable[Value], time: z3.ArithRef) -> z3.BoolRef:
        """Whether a cell has one of these values just before a time."""
        wanted = [self._number(value) for value in among]
        return z3.Or(*(self._is(cell, number, time) for number in wanted))

    def constraints(self, end: z3.ArithRef) -> Iterator[tuple[Event, z3.BoolRef]]:
        """What must hold of each event: of its answers, only if it comes before `end`."""
        for event in self._events:
            cell, time, step = _cell(event), self._when[event.name], event.step
            asked = z3.And(self._has[event.unit], time <= end)
            match step:
                case Test() | WaitUntil():
                    found = self._is(cell, self._number(step.value), time)
                    yield event, z3.Implies(asked, found == event.holds)
                case Lock():
                    yield event, z3.Implies(asked, self._is(cell, self._number(0), time))
                case IncrementUnlessZero():
                    zero = self._is(cell, self._number(0), time)
                    yield event, z3.Implies(asked, z3.Not(zero) == event.holds)
            if isinstance(step, Add | IncrementUnlessZero) and event.holds:
                amount = step.amount if isinstance(step, Add) else 1
                total = next(c.value for c in self._changes[cell] if c.event is event)
                for there, value in self._at(cell, time):
                    yield event, z3.Implies(there, total == value + amount)
        for one, other in combinations(self._events, 2):
            if one.program != other.program and _cell(one) == _cell(other):
                yield other, self._when[one.name] != self._when[other.name]

    def _after(self, event: Event) -> z3.ArithRef | None:
        """What a cell is after an event; None if that does not change it."""
        match event.step:
            case Store(value=value):
                return z3.IntVal(self._number(value))
            case Lock():
                return z3.IntVal(self._number(1))
            case Unlock():
                return z3.IntVal(self._number(0))
            case Add() | IncrementUnlessZero() if event.holds:
                return z3.Int(f"{event.name} total")
        return None

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


def _cell(event: Event) -> str:
    assert isinstance(event.step, CELL_STEPS)
    return event.step.cell
