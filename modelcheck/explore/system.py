"""Shared parts and locals as small integers, and the model's answers as table rows.

The model is asked once for each (role, shared, local). Knows the model's interface; knows nothing
of search.
"""

from collections.abc import Hashable, ItemsView, Iterator
from typing import Any, NamedTuple

from modelcheck.explore.model import Model

State = tuple[int, ...]
"""The number of the shared part, and then that of each actor's local part."""

NONE = -1

KEPT = 100_000
"""How many answers of the model are kept as it gave them; for others, it is asked again."""


class Row(NamedTuple):
    """A table entry: where one step leads from a (shared, local), in numbers.

    `number` is the step's place among the model's moves there. `broadcast` and `guard` are NONE
    where the step has none.
    """

    number: int
    shared: int
    local: int
    broadcast: int
    guard: int
    violations: tuple[str, ...]
    interrupt: bool


class Transition(NamedTuple):
    """A step of the whole system."""

    actor: int
    row: Row
    target: State


class Numbering:
    """Values and their numbers, in the order in which they were first met."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Hashable) -> int:
        """The number of a value: the next free one if the value is new."""
        number = self._numbers.get(value)
        if number is None:
            # In this order: Ctrl-C may come between, and who asks next goes on with what is here.
            number = len(self.values)
            self.values.append(value)
            self._numbers[value] = number
        return number


class System:
    """A model as a transition system over tuples of integers."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.shareds = Numbering()
        self.locals = Numbering()
        self.broadcasts = Numbering()
        self.guards = Numbering()
        self.actors: tuple[int, ...] = tuple(
            number for number, role in enumerate(model.roles) for _ in range(role.count)
        )
        """The role of each actor."""
        self._rows: dict[tuple[int, int, int], tuple[Row, ...]] = {}
        self._moves: dict[tuple[int, int, int], tuple[Any, ...]] = {}
        self._received: dict[tuple[int, int], int] = {}
        self._held: dict[tuple[int, int], bool] = {}

    def initial(self) -> State:
        """The initial state."""
        shared, by_role = self.model.initial()
        return (
            self.shareds.number(shared),
            *(self.locals.number(by_role[role]) for role in self.actors),
        )

    def successors(self, state: State) -> Iterator[Transition]:
        """All steps from a state, by actor and then in the model's order."""
        shared = state[0]
        for actor, role in enumerate(self.actors):
            for row in self.rows(role, shared, state[actor + 1]):
                target = self.after(state, actor, row)
                if target is not None:
                    yield Transition(actor, row, target)

    def after(self, state: State, actor: int, row: Row) -> State | None:
        """Where a row of an actor's table leads to; None if its guard does not hold."""
        if row.guard != NONE and not all(
            self.holds(row.guard, local) for other, local in enumerate(state[1:]) if other != actor
        ):
            return None
        if row.broadcast == NONE:
            return (row.shared, *state[1 : actor + 1], row.local, *state[actor + 2 :])
        told = [self.receive(row.broadcast, local) for local in state[1:]]
        told[actor] = row.local
        return (row.shared, *told)

    def rows(self, role: int, shared: int, local: int) -> tuple[Row, ...]:
        """The table rows of one actor, asked of the model when first needed."""
        key = (role, shared, local)
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = tuple(self._ask(role, shared, local))
        return rows

    def moves(self, role: int, shared: int, local: int) -> tuple[Any, ...]:
        """The model's own answer that the rows are made of; their numbers are the places in it."""
        key = (role, shared, local)
        moves = self._moves.get(key)
        if moves is None:
            model = self.model
            moves = tuple(
                model.moves(
                    model.roles[role], self.shareds.values[shared], self.locals.values[local]
                )
            )
            if len(self._moves) < KEPT:
                self._moves[key] = moves
        return moves

    def asked(self) -> ItemsView[tuple[int, int, int], tuple[Row, ...]]:
        """All (role, shared, local) asked for so far, with their rows."""
        return self._rows.items()

    def was_asked(self, role: int, shared: int, local: int) -> bool:
        """Whether the rows of this (role, shared, local) have been asked for."""
        return (role, shared, local) in self._rows

    def receive(self, broadcast: int, local: int) -> int:
        """What a broadcast makes of an actor's local part."""
        key = (broadcast, local)
        if key not in self._received:
            told = self.model.receive(self.broadcasts.values[broadcast], self.locals.values[local])
            self._received[key] = self.locals.number(told)
        return self._received[key]

    def holds(self, guard: int, local: int) -> bool:
        """Whether a guard holds of an actor's local part."""
        key = (guard, local)
        if key not in self._held:
            self._held[key] = self.model.holds(self.guards.values[guard], self.locals.values[local])
        return self._held[key]

    def _ask(self, role: int, shared: int, local: int) -> Iterator[Row]:
        for number, move in enumerate(self.moves(role, shared, local)):
            yield Row(
                number,
                self.shareds.number(move.shared),
                self.locals.number(move.local),
                NONE if move.broadcast is None else self.broadcasts.number(move.broadcast),
                NONE if move.guard is None else self.guards.number(move.guard),
                move.violations,
                move.interrupt,
            )
