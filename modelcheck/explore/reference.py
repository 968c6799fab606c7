"""The reference engine: a breadth-first search that anyone can read and believe.

It is exact, and its counterexamples are shortest. All other engines must agree with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from modelcheck.explore.pulse import CUT_SHORT, Pulse, why
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import Exploration, Extra, Request, Verdict

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
    except CUT_SHORT as stop:
        reason = why(stop)
    path: tuple[Transition, ...] = ()
    if violating:
        # Shortest also if a limit cut the level short: nothing violates on the levels above it.
        depth = depth_of[violating[0][0]] + 1
        try:
            path = _best(system, depth_of, violating, depth)
        except CUT_SHORT as stop:
            reason = why(stop)
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


class _Cost(NamedTuple):
    """The fewest switches on the rest of the way to a violation, and the contexts in which a way
    with so few can begin."""

    switches: int
    contexts: frozenset[Context]


_Costs = list[dict[State, _Cost]]
"""By level, the states that have a way to a violation."""


def _best(
    system: System,
    depth_of: dict[State, int],
    violating: list[tuple[State, Transition]],
    depth: int,
) -> tuple[Transition, ...]:
    """Of all paths of `depth` transitions to a violation, the first one in the published order.

    That is the order of all engines, so that a trace does not tell which of them found it: the
    fewest switches of context; the property that the model names first; a violation outside
    interrupts; and then, step by step from the start, the least actor and the first of its steps
    (the one that needs no switch, where there is such a one).
    """
    levels: list[list[State]] = [[] for _ in range(depth)]
    for state, level in depth_of.items():
        if level < depth:
            levels[level].append(state)
    order = {name: number for number, name in enumerate(system.model.properties)}
    ends: dict[tuple[int, bool], list[tuple[State, Transition]]] = {}
    for state, transition in violating:
        row = transition.row
        ends.setdefault((order[row.violations[0]], row.interrupt), []).append((state, transition))
    first = system.initial()
    least = _costs(system, depth_of, levels, violating)[0][first].switches
    for _, wanted in sorted(ends.items()):
        costs = _costs(system, depth_of, levels, wanted)
        if first in costs[0] and costs[0][first].switches == least:
            return tuple(_follow(system, costs, wanted))
    raise AssertionError("a violation has no way to it")


def _costs(
    system: System,
    depth_of: dict[State, int],
    levels: list[list[State]],
    wanted: list[tuple[State, Transition]],
) -> _Costs:
    """The costs of all states on a shortest path to a wanted violation, from the last level on."""
    last: dict[State, set[Context]] = {}
    for state, transition in wanted:
        last.setdefault(state, set()).add(_context(transition))
    found = [{state: _Cost(0, frozenset(contexts)) for state, contexts in last.items()}]
    for level in range(len(levels) - 2, -1, -1):
        ahead, here = found[-1], dict[State, _Cost]()
        for state in levels[level]:
            ways: dict[int, set[Context]] = {}
            for transition in system.successors(state):
                further = ahead.get(transition.target)
                if further is None or transition.row.violations:
                    continue
                if depth_of[transition.target] == level + 1:
                    ways.setdefault(_after(transition, further), set()).add(_context(transition))
            if ways:
                switches = min(ways)
                here[state] = _Cost(switches, frozenset(ways[switches]))
        found.append(here)
    return found[::-1]


def _after(transition: Transition, further: _Cost) -> int:
    """The switches of a way that begins with a transition."""
    return further.switches + (_context(transition) not in further.contexts)


def _follow(
    system: System, costs: _Costs, wanted: list[tuple[State, Transition]]
) -> Iterator[Transition]:
    """The first path that switches no more often than must be."""
    state, before = system.initial(), NOBODY
    for level, here in enumerate(costs):
        cost = here[state]
        allowed = {before} if before in cost.contexts else cost.contexts
        for transition in system.successors(state):
            if _context(transition) not in allowed:
                continue
            if level + 1 == len(costs):
                if (state, transition) in wanted:
                    break
            elif not transition.row.violations:
                further = costs[level + 1].get(transition.target)
                if further is not None and _after(transition, further) == cost.switches:
                    break
        else:
            raise AssertionError("a way to a violation ends before it")
        yield transition
        state, before = transition.target, _context(transition)


def _context(transition: Transition) -> Context:
    return transition.actor, transition.row.interrupt
