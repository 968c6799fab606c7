"""A system's answers as arrays for the kernels, asked when first needed. Knows systems."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from modelcheck.explore.compiled import kernels
from modelcheck.explore.pulse import LimitError
from modelcheck.explore.system import NONE, Row, State, System

LARGEST = 1 << 31
"""Bytes that the index may take."""


class Query(NamedTuple):
    """What a kernel wants to know of the model, in the numbers of the tables.

    For ROWS, `first` is the role and `second` the shared part; otherwise `first` is the broadcast
    or the guard, and `second` the role.
    """

    about: int
    first: int
    second: int
    local: int


class ViolationKind(NamedTuple):
    """What a violating step violates, and whether it is taken in an interrupt."""

    violations: tuple[str, ...]
    interrupt: bool


class Tables:
    """The numbers that the kernels use for shared parts, locals of each role, and violations.

    They are in the order in which they were met, so that asking the same questions in the same
    order (`asked`) gives the same numbers.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        roles = len(system.model.roles)
        self.shared = _Renumbering()
        self.locals = [_Renumbering() for _ in range(roles)]
        self.broadcasts = _Renumbering()
        self.guards = _Renumbering()
        self.kinds: list[ViolationKind] = []
        self.asked: dict[Query, None] = {}
        shared, *locals_ = system.initial()
        self.shared.number(shared)
        for role, local in zip(system.actors, locals_, strict=True):
            self.locals[role].number(local)
        self._next_row = 0
        self._most = 1
        self._index = np.full((roles, 4, 4), -1, np.int64)
        self._rows = np.full((16, kernels.COLUMNS), -1, np.int32)
        self._received = np.full((1, roles, 4), -1, np.int32)
        self._held = np.full((1, roles, 4), -1, np.int8)

    @property
    def rules(self) -> kernels.Rules:
        """What is known so far, as the kernels take it."""
        return kernels.Rules(self._index, self._rows, self._received, self._held, self._most)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many values the shared part has, and then the locals of each role."""
        return (len(self.shared.values), *(len(role.values) for role in self.locals))

    def scratch(self, words: tuple[int, ...]) -> kernels.Scratch:
        """Memory for a kernel to work in, as long as no question is answered."""
        return kernels.scratch(words, 1 + len(self.system.actors), len(self.kinds), self.rules.most)

    def fields(self, state: State) -> list[int] | None:
        """A state of the system in the numbers of the tables; None if a part was never met."""
        shared, *locals_ = state
        fields = [
            self.shared.find(shared),
            *(
                self.locals[role].find(local)
                for role, local in zip(self.system.actors, locals_, strict=True)
            ),
        ]
        return None if None in fields else [field for field in fields if field is not None]

    def kind(self, row: Row) -> int:
        """The number of the kind of violation that a row is; NONE if of none that was met."""
        kind = ViolationKind(row.violations, row.interrupt)
        return self.kinds.index(kind) if kind in self.kinds else NONE

    def answer(self, question: Query) -> None:
        """Ask the system, and enter what it says. Raises LimitError if the index grows too big."""
        assert question not in self.asked, "a kernel asks what it was told"
        self.asked[question] = None
        about, first, second, local = question
        if about == kernels.ROWS:
            self._enter_rows(first, second, local)
        elif about == kernels.RECEIVE:
            told = self.system.receive(
                self.broadcasts.values[first], self.locals[second].values[local]
            )
            number = self.locals[second].number(told)
            self._received = _grown(self._received, first, second, max(local, number))
            self._received[first, second, local] = number
        else:
            self._held = _grown(self._held, first, second, local)
            self._held[first, second, local] = self.system.holds(
                self.guards.values[first], self.locals[second].values[local]
            )
        shape = (len(self.locals), len(self.shared.values), max(self.counts[1:]))
        self._index = _grown(self._index, *(n - 1 for n in shape))
        self._received = _grown(self._received, 0, 0, shape[2] - 1)
        self._held = _grown(self._held, 0, 0, shape[2] - 1)

    def _enter_rows(self, role: int, shared: int, local: int) -> None:
        known = self.locals[role]
        rows = self.system.rows(role, self.shared.values[shared], known.values[local])
        if len(rows) >= 1 << kernels.COUNT_BITS:
            raise LimitError(f"more than {1 << kernels.COUNT_BITS} steps of one actor")
        first = self._next_row
        self._next_row += len(rows)
        self._most = max(self._most, len(rows))
        self._rows = _grown(self._rows, self._next_row, 0)
        for number, row in enumerate(rows, first):
            guard = self.guards.number(row.guard) if row.guard != NONE else NONE
            to_shared = to_local = 0
            broadcast = kind = NONE
            if row.violations:
                # Nothing lies behind a violation, so its target needs no numbers.
                kind = self._kind(ViolationKind(row.violations, row.interrupt))
            else:
                to_shared, to_local = self.shared.number(row.shared), known.number(row.local)
                if row.broadcast != NONE:
                    broadcast = self.broadcasts.number(row.broadcast)
            special = (broadcast, guard, kind) != (NONE, NONE, NONE)
            columns = (to_shared, to_local, special, broadcast, guard, kind, row.interrupt)
            self._rows[number] = columns
        self._received = _grown(self._received, len(self.broadcasts.values) - 1, 0, 0)
        self._held = _grown(self._held, len(self.guards.values) - 1, 0, 0)
        self._index = _grown(self._index, role, shared, local)
        self._index[role, shared, local] = first << kernels.COUNT_BITS | len(rows)

    def _kind(self, kind: ViolationKind) -> int:
        if kind not in self.kinds:
            self.kinds.append(kind)
        return self.kinds.index(kind)


class _Renumbering:
    """Some of the system's numbers, numbered anew in the order in which they were met."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self._numbers: dict[int, int] = {}

    def number(self, value: int) -> int:
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number

    def find(self, value: int) -> int | None:
        return self._numbers.get(value)


def _grown(array: npt.NDArray[Any], *place: int) -> npt.NDArray[Any]:
    """The array, or a larger copy if it does not have the place yet."""
    if all(at < size for at, size in zip(place, array.shape, strict=True)):
        return array
    shape: Sequence[int] = [
        size if at < size else max(at + 1, 2 * size)
        for at, size in zip(place, array.shape, strict=True)
    ]
    if int(np.prod(shape)) * array.itemsize > LARGEST:
        raise LimitError(f"more table entries than fit into {LARGEST >> 20} MiB")
    larger = np.full(shape, -1, array.dtype)
    larger[tuple(slice(size) for size in array.shape)] = array
    return larger
