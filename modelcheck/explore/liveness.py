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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import networkx as nx

from modelcheck.explore.pulse import CUT_SHORT, Pulse, time_left, why
from modelcheck.explore.system import State, System, Transition
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
        self._turns: dict[tuple[int, int, int, int], tuple[str, bool]] = {}

    def finished(self, state: State) -> bool:
        """Whether all programs have finished."""
        model, values = self._system.model, self._system.locals.values
        return all(
            model.finished(model.roles[role], values[local])
            for role, local in zip(self._system.actors, state[1:], strict=True)
        )

    def paused(self, state: State, turn: Turn) -> bool:
        """Whether an interrupt keeps the turn's actor from its program."""
        model = self._system.model
        role = model.roles[self._system.actors[turn.actor]]
        local = self._system.locals.values[state[turn.actor + 1]]
        return turn.kind == PROGRAM and model.paused(role, local)

    def turn(self, state: State, transition: Transition) -> Turn:
        """Whose turn a step is."""
        role, shared, local = (
            self._system.actors[transition.actor],
            state[0],
            state[transition.actor + 1],
        )
        key = (role, shared, local, transition.row.number)
        if key not in self._turns:
            model, system = self._system.model, self._system
            moves = model.moves(
                model.roles[role], system.shareds.values[shared], system.locals.values[local]
            )
            for number, move in enumerate(moves):
                self._turns[role, shared, local, number] = model.turn(model.roles[role], move)
        return Turn(transition.actor, *self._turns[key])


@dataclass
class StateGraph:
    """All reachable states and the steps between them; `parent` is a shortest way back."""

    transitions: dict[State, tuple[Transition, ...]] = field(default_factory=dict)
    parent: dict[State, tuple[State, Transition] | None] = field(default_factory=dict)

    def path(self, state: State) -> tuple[Transition, ...]:
        """A shortest path to a state."""
        found: list[Transition] = []
        while (before := self.parent[state]) is not None:
            state, transition = before
            found.append(transition)
        return tuple(reversed(found))


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
    fairness = Fairness(system)
    pulse = Pulse(limits, watcher)
    graph = StateGraph()

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
            len(graph.transitions),
            sum(len(transitions) for transitions in graph.transitions.values()),
            len(path),
            pulse.seconds(),
            name,
            path,
            reason,
            loop=loop,
        )

    try:
        _reach(system, graph, pulse)
        if deadlock in properties:
            stuck = _stuck(graph, fairness)
            if stuck is not None:
                return answer(Verdict.VIOLATED, deadlock, graph.path(stuck))
        if completes in properties:
            lasso = _starving(graph, fairness)
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
    fairness, pulse = Fairness(system), Pulse(limits, None)
    first = system.initial()
    graph = StateGraph(parent={first: None})
    level, moving = [first], set[State]()
    for depth in range(steps):
        further = []
        for number, state in enumerate(level):
            if number % 2048 == 0:
                pulse.beat(len(graph.parent), 0, len(level), depth)
            if not _moves_on(system, fairness, state, moving):
                return graph.path(state)
            for transition in system.successors(state):
                if transition.target not in graph.parent:
                    graph.parent[transition.target] = (state, transition)
                    further.append(transition.target)
        level = further
    return None


def _moves_on(system: System, fairness: Fairness, start: State, moving: set[State]) -> bool:
    """Whether some run from a state comes to a step of a program, or all have finished there.

    `moving` are states known to, and is added to.
    """
    seen, todo = {start}, [start]
    while todo:
        state = todo.pop()
        transitions = tuple(system.successors(state))
        programs = any(fairness.turn(state, one).kind == PROGRAM for one in transitions)
        if programs or state in moving or fairness.finished(state):
            moving.update((start, state))
            return True
        fresh = {one.target for one in transitions} - seen
        seen |= fresh
        todo += fresh
    return False


def _reach(system: System, graph: StateGraph, pulse: Pulse) -> None:
    first = system.initial()
    graph.parent[first] = None
    todo = deque([first])
    while todo:
        if len(graph.transitions) % 2048 == 0:
            pulse.beat(len(graph.parent), 0, len(todo), 0)
        state = todo.popleft()
        graph.transitions[state] = tuple(system.successors(state))
        for transition in graph.transitions[state]:
            if transition.target not in graph.parent:
                graph.parent[transition.target] = (state, transition)
                todo.append(transition.target)


def _stuck(graph: StateGraph, fairness: Fairness) -> State | None:
    """The first state met from which no finished one can be reached, and no program moves again."""
    before: dict[State, list[State]] = {state: [] for state in graph.transitions}
    for state, transitions in graph.transitions.items():
        for transition in transitions:
            before[transition.target].append(state)
    able = _leading_to(before, (state for state in graph.transitions if fairness.finished(state)))
    stuck = [state for state in graph.transitions if state not in able]
    moving = _leading_to(
        before,
        (
            state
            for state in stuck
            if any(
                fairness.turn(state, transition).kind == PROGRAM
                for transition in graph.transitions[state]
            )
        ),
    )
    return next((state for state in stuck if state not in moving), None)


def _leading_to(before: dict[State, list[State]], states: Iterable[State]) -> set[State]:
    """The states from which one of the given ones can be reached."""
    found = set(states)
    todo = list(found)
    time_left()
    while todo:
        for state in before[todo.pop()]:
            if state not in found:
                found.add(state)
                todo.append(state)
    return found


Lasso = tuple[tuple[Transition, ...], tuple[Transition, ...]]


def _starving(graph: StateGraph, fairness: Fairness) -> Lasso | None:
    """A fair run on which some program never finishes."""
    unfinished = [state for state in graph.transitions if not fairness.finished(state)]
    order = {state: number for number, state in enumerate(graph.transitions)}
    found = [*_fair_components(graph, fairness, unfinished)]
    if not found:
        return None
    component = min(found, key=lambda states: min(order[state] for state in states))
    start = min(component, key=order.__getitem__)
    return graph.path(start), _loop(graph, fairness, component, start)


def _fair_components(
    graph: StateGraph, fairness: Fairness, states: Iterable[State]
) -> Iterable[frozenset[State]]:
    """Sets of states in which a fair run can stay for ever."""
    inside = set(states)
    part: nx.DiGraph[State] = nx.DiGraph()
    part.add_nodes_from(inside)
    part.add_edges_from(
        (state, transition.target)
        for state in inside
        for transition in graph.transitions[state]
        if transition.target in inside
    )
    for component in nx.strongly_connected_components(part):
        time_left()
        closed = len(component) > 1 or any(
            transition.target in component
            for state in component
            for transition in graph.transitions[state]
        )
        if not closed:
            # A state that nothing leaves is stayed in.
            if any(not graph.transitions[state] for state in component):
                yield frozenset(component)
            continue
        taken, possible = _turns_in(graph, fairness, component)
        starved = [
            turn
            for turn in possible
            if turn not in taken
            and (turn.strong or not _breaks(fairness, component, possible[turn], turn))
        ]
        if starved:
            left = component - set().union(*(possible[turn] for turn in starved))
            yield from _fair_components(graph, fairness, left)
        else:
            yield frozenset(component)


def _runs(fairness: Fairness, turn: Turn, state: State, transition: Transition) -> bool:
    return fairness.turn(state, transition) == turn


def _leads_into(states: set[State], _: State, transition: Transition) -> bool:
    return transition.target in states


def _breaks(
    fairness: Fairness, component: Iterable[State], possible: set[State], turn: Turn
) -> set[State]:
    """Where a turn cannot come, although no interrupt keeps it from that."""
    return {
        state for state in component if state not in possible and not fairness.paused(state, turn)
    }


def _turns_in(
    graph: StateGraph, fairness: Fairness, component: set[State]
) -> tuple[set[Turn], dict[Turn, set[State]]]:
    """The turns that come within a component, and where each can."""
    taken: set[Turn] = set()
    possible: dict[Turn, set[State]] = {}
    for state in component:
        for transition in graph.transitions[state]:
            turn = fairness.turn(state, transition)
            possible.setdefault(turn, set()).add(state)
            if transition.target in component:
                taken.add(turn)
    return taken, possible


def _loop(
    graph: StateGraph, fairness: Fairness, component: frozenset[State], start: State
) -> tuple[Transition, ...]:
    """A loop from `start` within a fair component, on which each turn comes or once cannot."""
    if not graph.transitions[start]:
        return ()
    taken, possible = _turns_in(graph, fairness, set(component))
    loop: list[Transition] = []
    here = start
    for turn in sorted(possible):
        if _served(graph, fairness, start, loop, turn):
            continue
        if turn in taken:
            way = _way(graph, component, here, partial(_runs, fairness, turn))
        else:
            idle = _breaks(fairness, component, possible[turn], turn)
            if here in idle:
                continue
            way = _way(graph, component, here, partial(_leads_into, idle))
        loop += way
        here = loop[-1].target
    if here != start or not loop:
        loop += _way(graph, component, here, lambda _, transition: transition.target == start)
    return tuple(loop)


def _served(
    graph: StateGraph, fairness: Fairness, start: State, loop: list[Transition], turn: Turn
) -> bool:
    """Whether a turn comes on a walk already."""
    states = [start, *(transition.target for transition in loop)]
    return any(
        fairness.turn(state, transition) == turn
        for state, transition in zip(states, loop, strict=False)
    )


def _way(
    graph: StateGraph,
    component: frozenset[State],
    start: State,
    wanted: Callable[[State, Transition], bool],
) -> list[Transition]:
    """A shortest walk within a component whose last step is a wanted one."""
    parent: dict[State, tuple[State, Transition] | None] = {start: None}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        for transition in graph.transitions[state]:
            if transition.target not in component:
                continue
            if wanted(state, transition):
                way = [transition]
                while (before := parent[state]) is not None:
                    state, earlier = before
                    way.append(earlier)
                return way[::-1]
            if transition.target not in parent:
                parent[transition.target] = (state, transition)
                todo.append(transition.target)
    raise AssertionError("a component is connected")
