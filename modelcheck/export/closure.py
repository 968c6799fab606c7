"""All that may happen, without a search: every (shared, local) pair that actors can be in.

A pair is kept if its actor may be in it while the others do whatever pairs of theirs allow. That
is at least what a search reaches, and costs next to nothing however many actors there are. It may
be without end where the search is not: each of two programs that count up may then find the other
to have done so any number of times. Knows the model's interface; knows nothing of what is in a
state.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from modelcheck.explore.model import Model

MOST_PAIRS = 10_000
"""Four times those of the largest spec that ends: with more, a person would read no model of them.
"""


class EndlessError(Exception):
    """There are more pairs than MOST_PAIRS; perhaps there is no end to them."""


class RolePair(NamedTuple):
    """An actor's role, as a number, and the shared and local value that it acts on."""

    role: int
    shared: Any
    local: Any


class _Interference(NamedTuple):
    """What a step of one actor is to all others."""

    role: int
    shared: Any
    broadcast: Hashable
    guard: Hashable


class Closure:
    """The pairs of a model, the moves from each, and what others are told and asked.

    Raises EndlessError where there are too many.
    """

    def __init__(self, model: Model) -> None:
        self.moves: dict[RolePair, tuple[Any, ...]] = {}
        """The moves from each pair, in the order in which pairs were met."""
        self.received: dict[tuple[int, Hashable], dict[Any, Any]] = defaultdict(dict)
        """For a role and a broadcast, what becomes of each local value."""
        self.held: dict[tuple[int, Hashable], dict[Any, bool]] = defaultdict(dict)
        """For a role and a guard, whether it holds of each local value."""
        self._model = model
        self._at: dict[Hashable, dict[RolePair, None]] = defaultdict(dict)
        self._interferences: dict[Hashable, dict[_Interference, None]] = defaultdict(dict)
        shared, by_role = model.initial()
        todo = deque(RolePair(role, shared, local) for role, local in enumerate(by_role))
        while todo:
            pair = todo.popleft()
            if pair not in self.moves:
                if len(self.moves) == MOST_PAIRS:
                    raise EndlessError
                todo += self._expand(pair)

    def _expand(self, pair: RolePair) -> Iterator[RolePair]:
        role, shared, local = pair
        moves = tuple(self._model.moves(self._model.roles[role], shared, local))
        self.moves[pair] = moves
        self._at[shared][pair] = None
        for move in moves:
            yield RolePair(role, move.shared, move.local)
            met = _Interference(role, move.shared, move.broadcast, move.guard)
            if met not in self._interferences[shared]:
                self._interferences[shared][met] = None
                for other in self._at[shared]:
                    yield from self._suffer(other, met)
        for met in self._interferences[shared]:
            yield from self._suffer(pair, met)

    def _suffer(self, pair: RolePair, met: _Interference) -> Iterator[RolePair]:
        """Where a step of another actor leads an actor that is in `pair`."""
        role, _, local = pair
        if role == met.role and self._model.roles[role].count == 1:
            return
        if met.guard is not None:
            holds = self._model.holds(met.guard, local)
            self.held[role, met.guard][local] = holds
            if not holds:
                return
        told = local
        if met.broadcast is not None:
            told = self._model.receive(met.broadcast, local)
            self.received[role, met.broadcast][local] = told
        yield RolePair(role, met.shared, told)
