"""The reference explorer: a breadth-first search that anyone can read and believe.

It is exact, and its counterexamples are shortest. All other explorers must agree with it.
"""

from typing import NamedTuple

from modelcheck.explore.pulse import CUT_SHORT, Pulse, why
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import NO_LIMITS, Exploration, Limits, Verdict, Watcher

Thread = tuple[int, bool]
"""An actor, and whether it is in an interrupt: what a reader of a trace follows."""

NOBODY: Thread = (-1, False)

PULSE = 2048
"""States expanded between two looks at the limits."""


def explore(
    system: System,
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
    *,
    beyond_violations: bool = False,
) -> Exploration:
    """Search all reachable states, level by level, up to the first level with a violation.

    With `beyond_violations`, violating steps are steps like any other, the whole state space is
    searched, and `found` has every property violated in it. Ctrl-C ends in an inconclusive
    answer that reports what was reached.
    """
    pulse = Pulse(limits, watcher)
    depth_of: dict[State, int] = {system.initial(): 0}
    frontier = list(depth_of)
    depth = transitions = 0
    violating: list[tuple[State, Transition]] = []
    found: set[str] = set()
    reason = None
    try:
        while frontier and not violating:
            fresh: list[State] = []
            for number, state in enumerate(frontier):
                if number % PULSE == 0:
                    pulse.beat(len(depth_of), transitions, len(frontier) - number, depth)
                for transition in system.successors(state):
                    transitions += 1
                    if transition.row.violations:
                        found.update(transition.row.violations)
                        if not beyond_violations:
                            violating.append((state, transition))
                            continue
                    if transition.target not in depth_of:
                        depth_of[transition.target] = depth + 1
                        fresh.append(transition.target)
            frontier = fresh
            if frontier or violating:
                depth += 1
    except CUT_SHORT as stop:
        reason = why(stop)
    path: tuple[Transition, ...] = ()
    if violating:
        # Shortest also if a limit cut the level short: nothing violates on the levels above it.
        depth = depth_of[violating[0][0]] + 1
        try:
            path = _fewest_switches(system, depth_of, violating, depth)
        except CUT_SHORT as stop:
            reason = why(stop)
    verdict = Verdict.INCONCLUSIVE if reason else Verdict.SAFE
    if found:
        verdict = Verdict.VIOLATED
    return Exploration(
        verdict,
        len(depth_of),
        transitions,
        depth,
        pulse.seconds(),
        property=path[-1].row.violations[0] if path else min(found, default=None),
        path=path,
        reason=reason,
        found=frozenset(found),
    )


def _fewest_switches(
    system: System,
    depth_of: dict[State, int],
    violating: list[tuple[State, Transition]],
    depth: int,
) -> tuple[Transition, ...]:
    """Of all paths of `depth` steps to a violation, one that changes thread least often.

    A walk over the shortest paths only, level by level; for each state and last thread it
    keeps the best way there. Among equals, the property that the model names first wins, and
    then a violation outside interrupts.
    """
    if not violating:
        return ()
    rank = {name: number for number, name in enumerate(system.model.properties)}
    ways: dict[tuple[State, Thread], _Way] = {(system.initial(), NOBODY): _Way(0, None, None)}
    for level in range(1, depth):
        further: dict[tuple[State, Thread], _Way] = {}
        for (state, thread), way in ways.items():
            for step in system.successors(state):
                if depth_of.get(step.target) == level and not step.row.violations:
                    _keep_best(further, step, thread, way)
        ways = further
    last: dict[State, list[Transition]] = {}
    for source, step in violating:
        last.setdefault(source, []).append(step)
    ends = [
        (_switches(way, thread, step), rank[step.row.violations[0]], step.row.interrupt, step, way)
        for (state, thread), way in ways.items()
        for step in last.get(state, ())
    ]
    *_, step, way = min(ends, key=lambda end: end[:3])
    return (*_steps(way), step)


class _Way(NamedTuple):
    """A path to a state: its number of switches, its last step, and the path before that."""

    switches: int
    step: Transition | None
    before: "_Way | None"


def _thread(step: Transition) -> Thread:
    return step.actor, step.row.interrupt


def _switches(way: _Way, thread: Thread, step: Transition) -> int:
    return way.switches + (thread not in (NOBODY, _thread(step)))


def _keep_best(
    ways: dict[tuple[State, Thread], _Way], step: Transition, thread: Thread, way: _Way
) -> None:
    switches = _switches(way, thread, step)
    key = (step.target, _thread(step))
    if key not in ways or switches < ways[key].switches:
        ways[key] = _Way(switches, step, way)


def _steps(way: _Way | None) -> list[Transition]:
    steps: list[Transition] = []
    while way is not None and way.step is not None:
        steps.append(way.step)
        way = way.before
    return steps[::-1]
