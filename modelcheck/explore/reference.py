"""The reference engine: a breadth-first search that anyone can read and believe.

It is exact, and its counterexamples are shortest. All other engines must agree with it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from modelcheck.explore.pulse import LimitError, Pulse
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import INTERRUPTED, Exploration, Extra, Request, Verdict

Context = tuple[int, bool]
"""An actor, and whether it is in an interrupt: what a reader of a trace follows."""

NOBODY: Context = (-1, False)

PULSE = 2048
"""States expanded between two looks at the limits."""


@dataclass(frozen=True)
class Reference:
    """The engine in plain Python, and the only one that goes on beyond violations."""

    name: str = "reference"
    takes: frozenset[Extra] = frozenset({"beyond_violations"})

    def explore(self, system: System, request: Request = Request()) -> Exploration:
        """Search all reachable states, level by level, up to the first level with a violation.

        Ctrl-C ends in an inconclusive answer that reports what was reached. Raises
        UnsupportedError for a request to save or to spill.
        """
        request.only(self.takes, self.name)
        return _search(self.name, system, request)


REFERENCE = Reference()


def _search(name: str, system: System, request: Request) -> Exploration:
    pulse = Pulse(request.limits, request.watcher)
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
                        if not request.beyond_violations:
                            violating.append((state, transition))
                            continue
                    if transition.target not in depth_of:
                        depth_of[transition.target] = depth + 1
                        fresh.append(transition.target)
            frontier = fresh
            if frontier or violating:
                depth += 1
    except LimitError as limit:
        reason = str(limit)
    except KeyboardInterrupt:
        reason = INTERRUPTED
    path: tuple[Transition, ...] = ()
    if violating:
        # Shortest also if a limit cut the level short: nothing violates on the levels above it.
        depth = depth_of[violating[0][0]] + 1
        try:
            path = _fewest_switches(system, depth_of, violating, depth)
        except KeyboardInterrupt:
            reason = INTERRUPTED
    verdict = Verdict.INCONCLUSIVE if reason else Verdict.SAFE
    if found:
        verdict = Verdict.VIOLATED
    return Exploration(
        name,
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
    """Of all paths of `depth` transitions to a violation, one that changes context least often.

    A walk over the shortest paths only, level by level; for each state and last context it
    keeps the best way there. Among equals, the property that the model names first wins, and
    then a violation outside interrupts.
    """
    if not violating:
        return ()
    rank = {name: number for number, name in enumerate(system.model.properties)}
    ways: dict[tuple[State, Context], _Way] = {(system.initial(), NOBODY): _Way(0, None, None)}
    for level in range(1, depth):
        further: dict[tuple[State, Context], _Way] = {}
        for (state, context), way in ways.items():
            for transition in system.successors(state):
                if depth_of.get(transition.target) == level and not transition.row.violations:
                    _keep_best(further, transition, context, way)
        ways = further
    last: dict[State, list[Transition]] = {}
    for source, transition in violating:
        last.setdefault(source, []).append(transition)
    ends = [
        (_switches(way, context, transition), transition, way)
        for (state, context), way in ways.items()
        for transition in last.get(state, ())
    ]
    _, transition, way = min(
        ends, key=lambda end: (end[0], rank[end[1].row.violations[0]], end[1].row.interrupt)
    )
    return (*_transitions(way), transition)


class _Way(NamedTuple):
    """A path to a state: its number of switches, its last transition, and the path before that."""

    switches: int
    transition: Transition | None
    before: "_Way | None"


def _context(transition: Transition) -> Context:
    return transition.actor, transition.row.interrupt


def _switches(way: _Way, context: Context, transition: Transition) -> int:
    return way.switches + (context not in (NOBODY, _context(transition)))


def _keep_best(
    ways: dict[tuple[State, Context], _Way], transition: Transition, context: Context, way: _Way
) -> None:
    switches = _switches(way, context, transition)
    key = (transition.target, _context(transition))
    if key not in ways or switches < ways[key].switches:
        ways[key] = _Way(switches, transition, way)


def _transitions(way: _Way | None) -> list[Transition]:
    found: list[Transition] = []
    while way is not None and way.transition is not None:
        found.append(way.transition)
        way = way.before
    return found[::-1]
