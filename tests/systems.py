"""Random small systems of several roles, with broadcasts, guards and violations, as plain data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

PROPERTIES = ("first", "second")


@dataclass(frozen=True)
class TableRole:
    name: str
    count: int
    replicated: bool


class TableMove(NamedTuple):
    shared: int
    local: int
    broadcast: int | None = None
    guard: int | None = None
    violations: tuple[str, ...] = ()
    interrupt: bool = False


@dataclass(frozen=True)
class TableModel:
    """A model that answers from tables; what they lack has no moves, no effect, or holds."""

    roles: tuple[TableRole, ...]
    table: dict[tuple[str, int, int], tuple[TableMove, ...]]
    received: dict[tuple[int, int], int] = field(default_factory=dict)
    refused: frozenset[tuple[int, int]] = frozenset()
    properties: tuple[str, ...] = PROPERTIES

    def initial(self) -> tuple[int, tuple[int, ...]]:
        return 0, tuple(0 for _ in self.roles)

    def moves(self, role: TableRole, shared: int, local: int) -> Iterable[TableMove]:
        return self.table.get((role.name, shared, local), ())

    def receive(self, broadcast: int, local: int) -> int:
        return self.received.get((broadcast, local), local)

    def holds(self, guard: int, local: int) -> bool:
        return (guard, local) not in self.refused


SHARED, LOCALS, SIGNALS = 4, 4, 2


@st.composite
def table_models(draw: st.DrawFn) -> TableModel:
    """Models of a few roles whose rows mean nothing."""
    roles = [TableRole("one", 1, replicated=False)]
    roles += [
        TableRole(f"many{number}", draw(st.integers(1, 3)), replicated=True)
        for number in range(draw(st.integers(1, 2)))
    ]
    locals_ = st.integers(0, LOCALS - 1)
    rarely = st.sampled_from((None, None, None, *range(SIGNALS)))
    move = st.builds(
        TableMove,
        st.integers(0, SHARED - 1),
        locals_,
        rarely,
        rarely,
        st.sampled_from(((),) * 15 + (("first",), ("second",), ("second", "first"))),
        st.booleans(),
    )
    moves = st.lists(move, max_size=2).map(tuple)
    table = {
        (role.name, shared, local): draw(moves)
        for role in roles
        for shared in range(SHARED)
        for local in range(LOCALS)
    }
    signals = st.tuples(st.integers(0, SIGNALS - 1), locals_)
    return TableModel(
        tuple(roles),
        table,
        draw(st.dictionaries(signals, locals_)),
        frozenset(draw(st.sets(signals))),
    )


def counters(actors: int, values: int) -> TableModel:
    """Actors that each count up by themselves, as often as the last to move may: a big system."""
    role = TableRole("counter", actors, replicated=True)
    return TableModel(
        (role,),
        {("counter", 0, value): (TableMove(0, value + 1),) for value in range(values - 1)},
    )


def every_role(model: TableModel) -> Iterator[TableRole]:
    """The role of each actor, in turn."""
    for role in model.roles:
        yield from [role] * role.count
