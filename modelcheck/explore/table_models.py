"""Small models written down as tables: for trying engines, without any machine.

Knows what a model must answer, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

PROPERTIES = ("first", "second")
"""What the steps of a table may violate, the most telling first."""


@dataclass(frozen=True)
class TableRole:
    """A number of identical actors."""

    name: str
    count: int
    replicated: bool


class TableMove(NamedTuple):
    """One entry: what an actor may do, all of it in numbers."""

    shared: int
    local: int
    broadcast: int | None = None
    guard: int | None = None
    violations: tuple[str, ...] = ()
    interrupt: bool = False


Table = Mapping[tuple[str, int, int], tuple[TableMove, ...]]
"""For a role's name, a shared and a local value: the moves. What is not there has none."""


@dataclass(frozen=True)
class TableModel:
    """A model that answers from tables; all values begin at 0.

    `received` has what a broadcast makes of a local value (others: no effect), `refused` the
    pairs of guard and local value for which the guard does not hold.
    """

    roles: tuple[TableRole, ...]
    table: Table
    received: Mapping[tuple[int, int], int] = field(default_factory=dict)
    refused: frozenset[tuple[int, int]] = frozenset()
    properties: tuple[str, ...] = PROPERTIES

    def initial(self) -> tuple[int, tuple[int, ...]]:
        """All values are 0."""
        return 0, tuple(0 for _ in self.roles)

    def moves(self, role: TableRole, shared: int, local: int) -> Iterable[TableMove]:
        """The entry."""
        return self.table.get((role.name, shared, local), ())

    def receive(self, broadcast: int, local: int) -> int:
        """The entry, or the same value."""
        return self.received.get((broadcast, local), local)

    def holds(self, guard: int, local: int) -> bool:
        """Unless it is refused."""
        return (guard, local) not in self.refused

    def finished(self, role: TableRole, local: int) -> bool:
        """Tables say nothing of liveness: everybody has finished."""
        return True

    def turn(self, role: TableRole, move: TableMove) -> tuple[str, bool]:
        """One turn an actor, weakly fair."""
        return "program", False

    def paused(self, role: TableRole, local: int) -> bool:
        """Nobody is kept from anything."""
        return False


def counters(actors: int, values: int) -> TableModel:
    """Actors that each count up by themselves: values ** actors states."""
    role = TableRole("counter", actors, replicated=True)
    return TableModel(
        (role,),
        {("counter", 0, value): (TableMove(0, value + 1),) for value in range(values - 1)},
    )


ONE = TableRole("one", 1, replicated=False)
FIRST, SECOND = ("first",), ("second",)


def _cpus(count: int) -> TableRole:
    return TableRole("cpu", count, replicated=True)


def _by_hand() -> Iterator[tuple[str, TableModel]]:
    yield "nothing moves", TableModel((ONE, _cpus(2)), {})
    yield "a loop", TableModel((_cpus(3),), {("cpu", 0, 0): (TableMove(0, 0),)})
    yield "counters", counters(3, 4)
    yield "more values than fit a byte", counters(2, 70)
    yield (
        "more actors than a word has bits",
        TableModel(
            (_cpus(70),),
            {
                ("cpu", 0, 0): (TableMove(1, 1),),
                ("cpu", 1, 0): (TableMove(2, 0, violations=FIRST),),
                ("cpu", 1, 1): (TableMove(3, 1),),
            },
        ),
    )
    yield (
        "a violation at once",
        TableModel((_cpus(2),), {("cpu", 0, 0): (TableMove(0, 1, violations=FIRST),)}),
    )
    yield (
        "a lock that holds",
        TableModel(
            (_cpus(3),),
            {
                ("cpu", 0, 0): (TableMove(1, 1),),
                ("cpu", 1, 1): (TableMove(0, 0),),
                ("cpu", 2, 1): (TableMove(2, 1, violations=FIRST),),
            },
        ),
    )
    yield (
        "a lock that two can take",
        TableModel(
            (_cpus(3),),
            {
                ("cpu", 0, 0): (TableMove(0, 1),),
                ("cpu", 0, 1): (TableMove(1, 2),),
                ("cpu", 1, 1): (TableMove(1, 2, violations=SECOND),),
                ("cpu", 1, 2): (TableMove(0, 0),),
            },
        ),
    )
    told = {
        ("one", 0, 0): (TableMove(1, 1, broadcast=0),),
        ("one", 1, 1): (TableMove(2, 2, guard=0),),
        ("cpu", 1, 1): (TableMove(1, 2),),
        ("cpu", 2, 2): (TableMove(2, 2, violations=FIRST),),
    }
    yield (
        "told, and all waited for",
        TableModel((ONE, _cpus(3)), told, {(0, 0): 1}, frozenset({(0, 1)})),
    )
    yield "told, and nobody waited for", TableModel((ONE, _cpus(3)), told, {(0, 0): 1})
    yield (
        "a guard that never holds",
        TableModel((ONE, _cpus(2)), told, {(0, 0): 1}, frozenset({(0, 1), (0, 2)})),
    )
    yield (
        "many end on one level",
        TableModel(
            (ONE, _cpus(2)),
            {
                ("one", 0, 0): (TableMove(0, 1), TableMove(1, 1, violations=SECOND)),
                ("cpu", 0, 0): (TableMove(0, 1, violations=FIRST, interrupt=True),),
                ("cpu", 0, 1): (TableMove(0, 2),),
            },
        ),
    )
    ways = {
        ("cpu", 0, 0): (TableMove(1, 1),),
        ("cpu", 1, 1): (TableMove(2, 2),),
        ("cpu", 1, 0): (TableMove(2, 2),),
        ("cpu", 2, 2): (TableMove(3, 3),),
        ("cpu", 3, 1): (TableMove(4, 4, violations=SECOND),),
        ("cpu", 3, 3): (TableMove(4, 4, violations=SECOND),),
    }
    yield "one alone, or by turns", TableModel((_cpus(2),), ways)
    both = tuple(
        TableMove(0, 1, violations=violated, interrupt=interrupt)
        for violated in (SECOND, ("second", "first"), FIRST)
        for interrupt in (True, False)
    )
    yield "which of several to tell", TableModel((_cpus(2),), {("cpu", 0, 0): both})
    yield (
        "which of several to tell, the other way round",
        TableModel((_cpus(2),), {("cpu", 0, 0): both}, properties=("second", "first")),
    )
    others = TableRole("other", 2, replicated=True)
    yield (
        "two roles of many",
        TableModel(
            (_cpus(2), others),
            {
                ("cpu", 0, 0): (TableMove(0, 1, broadcast=1), TableMove(1, 2)),
                ("other", 0, 1): (TableMove(0, 2, guard=1),),
                ("other", 1, 2): (TableMove(1, 0, violations=FIRST),),
            },
            {(1, 0): 1},
            frozenset({(1, 0)}),
        ),
    )


SMALL_MODELS: Mapping[str, TableModel] = MappingProxyType(dict(_by_hand()))
"""By what is special about each; the biggest has 4,900 states."""
