"""All reachable states of a system and the steps between them, as arrays, and closures over them.

States are numbered breadth-first, and steps lie together by the state that they leave. Knows
systems; knows nothing of what a step means beyond the number of its class.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from modelcheck.explore.pulse import Pulse
from modelcheck.explore.system import Row, State, System, Transition

BEAT = 2048
"""States expanded between two looks at the limits."""

IntArray = NDArray[np.int32]
Marks = NDArray[np.bool_]
"""One for each state or step, by its number."""


@dataclass(frozen=True, eq=False)
class StateGraph:
    """The reachable states; step `i` goes from state `source[i]` to state `target[i]`."""

    system: System
    states: IntArray
    """A row for each state: the number of its shared value, and of the local one of each actor."""
    expanded: int
    """Of so many states, the first ones, the steps are here; of all, unless some were too deep."""
    parent: IntArray
    """From which state each is first come to; -1 for the first."""
    source: IntArray
    target: IntArray
    kind: IntArray
    """The class of each step."""

    def __len__(self) -> int:
        return len(self.states)

    def state(self, number: int) -> State:
        """A state, as its system has it."""
        return tuple(self.states[number].tolist())

    def steps(self, number: int) -> range:
        """The steps that leave a state, in the order of `System.successors`."""
        return range(int(self._first[number]), int(self._first[number + 1]))

    @cached_property
    def _first(self) -> NDArray[np.intp]:
        return np.searchsorted(self.source, np.arange(len(self) + 1))

    def transition(self, step: int) -> Transition:
        """A step, as its system has it."""
        source = int(self.source[step])
        successors = tuple(self.system.successors(self.state(source)))
        return successors[step - self.steps(source).start]

    def path(self, number: int) -> tuple[Transition, ...]:
        """A shortest path to a state."""
        found: list[Transition] = []
        while (before := int(self.parent[number])) >= 0:
            leading = (step for step in self.steps(before) if self.target[step] == number)
            found.append(self.transition(next(leading)))
            number = before
        return tuple(reversed(found))

    def leading_to(self, wanted: Marks) -> Marks:
        """The states from which one of those marked can be reached, which they are themselves."""
        # One more state, which all that are marked lead to, is where to go back from.
        last, marked = len(self), np.flatnonzero(wanted)
        backwards = (
            np.concatenate((self.target, np.full(len(marked), last))),
            np.concatenate((self.source, marked)),
        )
        able = np.zeros(last + 1, dtype=bool)
        able[breadth_first_order(_adjacency(backwards, last + 1), last)[0]] = True
        return able[:last]

    def components(self, inside: Marks) -> IntArray:
        """The number of the strongly connected component of each state, along steps that are inside
        only; each state outside is a component of its own."""
        within = inside[self.source] & inside[self.target]
        edges = (self.source[within], self.target[within])
        _, labels = connected_components(_adjacency(edges, len(self)), connection="strong")
        return np.asarray(labels, dtype=np.int32)


def _adjacency(edges: tuple[NDArray[Any], NDArray[Any]], size: int) -> csr_array:
    return csr_array((np.ones(len(edges[0]), dtype=np.int32), edges), shape=(size, size))


def reach(
    system: System,
    kind: Callable[[int, State, Row], int],
    pulse: Pulse,
    steps: int | None = None,
) -> StateGraph:
    """All states, or those that are so many steps away at most.

    Each step has the class that `kind(actor, state, row)` gives; that may depend on the actor, the
    shared and the actor's local value alone. The steps of the states farthest away are left out.
    Raises LimitError.
    """
    first = system.initial()
    numbers, states = {first: 0}, [first]
    parent, source, target, kinds = array("i", [-1]), array("i"), array("i"), array("i")
    known: dict[tuple[int, int, int], tuple[tuple[Row, int], ...]] = {}
    depth, level_ends = 0, 1
    for number, state in enumerate(states):
        if number == level_ends:
            depth, level_ends = depth + 1, len(states)
        if depth == steps:
            break
        if number % BEAT == 0:
            pulse.beat(len(states), len(source), len(states) - number, 0)
        shared = state[0]
        for actor, role in enumerate(system.actors):
            key = (actor, shared, state[actor + 1])
            if (rows := known.get(key)) is None:
                rows = known[key] = tuple(
                    (row, kind(actor, state, row)) for row in system.rows(role, *key[1:])
                )
            for row, of_row in rows:
                after = system.after(state, actor, row)
                if after is None:
                    continue
                if (reached := numbers.get(after)) is None:
                    reached = numbers[after] = len(states)
                    states.append(after)
                    parent.append(number)
                source.append(number)
                target.append(reached)
                kinds.append(of_row)
    expanded = len(states) if depth != steps else number
    by_state, *by_step = (
        np.array(each, dtype=np.int32) for each in (parent, source, target, kinds)
    )
    return StateGraph(system, np.array(states, dtype=np.int32), expanded, by_state, *by_step)
