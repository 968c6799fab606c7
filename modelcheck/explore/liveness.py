"""Liveness: can every program still finish, and does it, if everybody gets their turn?

Explores the whole graph with the reference's transitions, one actor told from another: symmetry
would mix up who starves. Knows systems, and from the model which steps are fair and what it is to
be finished.

Fairness is weak, and of threads. A single step is too little to be fair to: a fetch has many
outcomes, and no CPU must come to each of them. An actor is too much: a CPU that runs its site for
ever would count as moving while its program or its pending interrupt starves. So each thing that an
actor does side by side has turns of its own (`turn`). Strong fairness for all would hide real
livelocks; it is granted where hardware or source grant it, and the model names which.

A deadlock is told apart from not completing, since a search for states without a successor would
find neither: CPUs can always fetch. It is a state from which no finished one can be reached and
no program moves again.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from modelcheck.explore.graph import IntArray, Marks, StateGraph, reach
from modelcheck.explore.pulse import CUT_SHORT, Pulse, time_left, why
from modelcheck.explore.system import Row, State, System, Transition
from modelcheck.explore.verdict import NO_LIMITS, Exploration, Limits, Verdict, Watcher

NAME = "liveness"
"""Whose explorations these are; no engine, for it does not stop at the first violation."""

PROGRAM = "program"
"""The kind of the turns that interrupts keep from coming."""


class Turn(NamedTuple):
    """Steps of one actor that get their turn together.

    Weakly fair: if one of them is possible from some point on without a break, one is taken; that
    an interrupt came between is no break. `strong`: if one of them is possible again and again,
    one is taken.
    """

    actor: int
    kind: str
    strong: bool


class Fairness:
    """What a model says of turns and of programs that have finished, by the numbers of states."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._known: dict[tuple[int, int, int], tuple[tuple[str, bool], ...]] = {}
        self._numbers: dict[Turn, int] = {}

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns met so far, by their numbers."""
        return tuple(self._numbers)

    def number(self, actor: int, state: State, row: Row) -> int:
        """The number of the turn that a step is."""
        return self._numbers.setdefault(self.turn(actor, state, row), len(self._numbers))

    def turn(self, actor: int, state: State, row: Row) -> Turn:
        """Whose turn a step is."""
        turns = self._turns(self._system.actors[actor], state[0], state[actor + 1])
        return Turn(actor, *turns[row.number])

    def moves_on(self, state: State) -> bool:
        """Whether some program has a step."""
        return any(
            kind == PROGRAM and self._system.after(state, actor, row) is not None
            for actor, role in enumerate(self._system.actors)
            for row, (kind, _) in zip(
                self._system.rows(role, state[0], state[actor + 1]),
                self._turns(role, state[0], state[actor + 1]),
                strict=True,
            )
        )

    def _turns(self, role: int, shared: int, local: int) -> tuple[tuple[str, bool], ...]:
        key = (role, shared, local)
        if key not in self._known:
            model = self._system.model
            moves = self._system.moves(*key)
            self._known[key] = tuple(model.turn(model.roles[role], move) for move in moves)
        return self._known[key]

    def ended(self, actor: int, local: int) -> bool:
        """Whether an actor has nothing left that it must finish."""
        role = self._system.model.roles[self._system.actors[actor]]
        return self._system.model.finished(role, self._system.locals.values[local])

    def finished(self, state: State) -> bool:
        """Whether all programs have finished."""
        return all(self.ended(actor, local) for actor, local in enumerate(state[1:]))

    def interrupted(self, actor: int, local: int) -> bool:
        """Whether an interrupt keeps an actor from its program."""
        role = self._system.model.roles[self._system.actors[actor]]
        return self._system.model.paused(role, self._system.locals.values[local])


class _Graph(NamedTuple):
    """All states, with what fairness says of each: a row for a state, a column for a turn."""

    graph: StateGraph
    turns: tuple[Turn, ...]
    finished: Marks
    possible: NDArray[np.bool_]
    paused: NDArray[np.bool_]
    """Whether an interrupt keeps the turn's actor from its program."""


def _asked(graph: StateGraph, actor: int, of: Callable[[int, int], bool]) -> Marks:
    """What holds of an actor's local value, in each state."""
    values, which = np.unique(graph.states[:, actor + 1], return_inverse=True)
    return np.array([of(actor, local) for local in values.tolist()], dtype=bool)[which]


def _whole(system: System, pulse: Pulse, steps: int | None = None) -> _Graph:
    fairness = Fairness(system)
    graph = reach(system, fairness.number, pulse, steps)
    turns, finished = fairness.turns, np.ones(len(graph), dtype=bool)
    for actor in range(len(system.actors)):
        finished &= _asked(graph, actor, fairness.ended)
    possible, paused = (np.zeros((len(graph), len(turns)), dtype=bool) for _ in range(2))
    possible[graph.source, graph.kind] = True
    for number, turn in enumerate(turns):
        if turn.kind == PROGRAM:
            paused[:, number] = _asked(graph, turn.actor, fairness.interrupted)
    return _Graph(graph, turns, finished, possible, paused)


def decide(
    system: System,
    properties: tuple[str, ...],
    *,
    deadlock: str,
    completes: str,
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
) -> Exploration:
    """Check those of the properties `deadlock` and `completes` that are asked for.

    A path to where some program can never finish and none moves again, or a lasso on which one
    never does: `loop` is then how many steps of the path come before the loop.
    """
    pulse = Pulse(limits, watcher)
    whole: _Graph | None = None

    def answer(
        verdict: Verdict,
        name: str | None = None,
        path: tuple[Transition, ...] = (),
        loop: int | None = None,
        reason: str | None = None,
    ) -> Exploration:
        return Exploration(
            NAME,
            verdict,
            len(whole.graph) if whole else 0,
            len(whole.graph.source) if whole else 0,
            len(path),
            pulse.seconds(),
            name,
            path,
            reason,
            loop=loop,
        )

    try:
        whole = _whole(system, pulse)
        if deadlock in properties:
            stuck = _stuck(whole)
            if stuck is not None:
                return answer(Verdict.VIOLATED, deadlock, whole.graph.path(stuck))
        if completes in properties:
            lasso = _starving(whole)
            if lasso is not None:
                stem, loop = lasso
                return answer(Verdict.VIOLATED, completes, (*stem, *loop), len(stem))
    except CUT_SHORT as stop:
        return answer(Verdict.INCONCLUSIVE, reason=why(stop))
    return answer(Verdict.SAFE)


def shorter_deadlock(
    system: System, steps: int, limits: Limits = NO_LIMITS
) -> tuple[Transition, ...] | None:
    """A shortest path of fewer than so many steps to where a program can never finish; or None.

    For a system whose shortest violation takes `steps`: before that, nothing is violated. A state
    is stuck if no run from it comes to a step of a program, though some program has not finished.
    Raises LimitError.
    """
    pulse = Pulse(limits, None)
    whole = _whole(system, pulse, steps)
    graph, fairness = whole.graph, Fairness(system)
    known = graph.leading_to(whole.finished | (whole.possible & _programs(whole)).any(axis=1))
    moving = set[State]()
    for number in np.flatnonzero(~known[: graph.expanded]).tolist():
        pulse.beat(len(graph), 0, 0, 0)
        # What saves it, if anything does, lies farther away than that.
        if not _moves_on(system, fairness, graph.state(number), moving):
            return graph.path(number)
    return None


def _moves_on(system: System, fairness: Fairness, start: State, moving: set[State]) -> bool:
    """Whether some run from a state comes to a step of a program, or all have finished there.

    `moving` are states known to, and is added to.
    """
    before: dict[State, State | None] = {start: None}
    todo = [start]
    while todo:
        state = todo.pop()
        if state in moving or fairness.moves_on(state) or fairness.finished(state):
            back: State | None = state
            while back is not None:
                moving.add(back)
                back = before[back]
            return True
        for one in system.successors(state):
            if one.target not in before:
                before[one.target] = state
                todo.append(one.target)
    return False


def _programs(whole: _Graph) -> NDArray[np.bool_]:
    """Which turns are those of programs."""
    return np.array([turn.kind == PROGRAM for turn in whole.turns], dtype=bool)


def _stuck(whole: _Graph) -> int | None:
    """The first state met from which no finished one can be reached, and no program moves again."""
    able = whole.graph.leading_to(whole.finished)
    moving = whole.graph.leading_to(~able & (whole.possible & _programs(whole)).any(axis=1))
    stuck = np.flatnonzero(~able & ~moving)
    return int(stuck[0]) if len(stuck) else None


Lasso = tuple[tuple[Transition, ...], tuple[Transition, ...]]


def _starving(whole: _Graph) -> Lasso | None:
    """A fair run on which some program never finishes."""
    component = _fair_component(whole)
    if component is None:
        return None
    start = int(np.flatnonzero(component)[0])
    loop = tuple(whole.graph.transition(step) for step in _loop(whole, component, start))
    return whole.graph.path(start), loop


def _fair_component(whole: _Graph) -> Marks | None:
    """States in which a fair run can stay for ever: of all such sets the one met first; if any."""
    graph, strong = whole.graph, np.array([turn.strong for turn in whole.turns], dtype=bool)
    leaving = np.bincount(graph.source, minlength=len(graph))
    found: list[tuple[int, Marks]] = []
    inside = ~whole.finished
    while inside.any():
        time_left()
        label = graph.components(inside)
        within = inside[graph.source] & (label[graph.source] == label[graph.target])
        stays = np.zeros(int(label.max()) + 1, dtype=bool)
        stays[label[graph.source[within]]] = True
        # A state that nothing leaves is stayed in.
        stays[label[leaving == 0]] = True
        inside &= stays[label]
        possible = _in_components(whole.possible & inside[:, None], label)
        broken = _in_components(~whole.possible & ~whole.paused & inside[:, None], label)
        taken = np.zeros_like(possible)
        taken[label[graph.source[within]], graph.kind[within]] = True
        starved = (possible & ~taken & (strong | ~broken))[label]
        fair = np.flatnonzero(inside & ~starved.any(axis=1))
        if len(fair):
            found.append((int(fair[0]), inside & (label == label[fair[0]])))
        # Of a component where turns are starved, the states are left in which they cannot come.
        inside &= starved.any(axis=1) & ~(whole.possible & starved).any(axis=1)
    return min(found, key=lambda each: each[0])[1] if found else None


def _in_components(marks: NDArray[np.bool_], label: IntArray) -> NDArray[np.bool_]:
    """A row for each component, with what is marked of some state of it."""
    found = np.zeros((int(label.max()) + 1, marks.shape[1]), dtype=bool)
    state, turn = np.nonzero(marks)
    found[label[state], turn] = True
    return found


def _loop(whole: _Graph, component: Marks, start: int) -> list[int]:
    """A loop from `start` within a fair component, on which each turn comes or once cannot."""
    graph = whole.graph
    if not graph.steps(start):
        return []
    taken = set(graph.kind[component[graph.source] & component[graph.target]].tolist())
    possible = np.flatnonzero(whole.possible[component].any(axis=0)).tolist()
    loop: list[int] = []
    here = start
    for turn in sorted(possible, key=whole.turns.__getitem__):
        if any(graph.kind[step] == turn for step in loop):
            continue
        if turn in taken:
            wanted = graph.kind == turn
        else:
            idle = component & ~whole.possible[:, turn] & ~whole.paused[:, turn]
            if idle[here]:
                continue
            wanted = idle[graph.target]
        loop += _way(graph, component, here, wanted)
        here = int(graph.target[loop[-1]])
    if here != start or not loop:
        loop += _way(graph, component, here, graph.target == start)
    return loop


def _way(graph: StateGraph, component: Marks, start: int, wanted: Marks) -> list[int]:
    """A shortest walk within a component whose last step is a wanted one."""
    before: dict[int, int | None] = {start: None}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        for step in graph.steps(state):
            after = int(graph.target[step])
            if not component[after]:
                continue
            if wanted[step]:
                way = [step]
                while (earlier := before[int(graph.source[way[-1]])]) is not None:
                    way.append(earlier)
                return way[::-1]
            if after not in before:
                before[after] = step
                todo.append(after)
    raise AssertionError("a component is connected")
