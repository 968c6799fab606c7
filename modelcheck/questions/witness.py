"""Witnesses: a shortest run in which a CPU does all that a safe verdict is about.

A CPU runs the old instruction, traps, is emulated, and runs the new one: whichever of these the
protocol lets one CPU do in one run. Knows subjects, searches of states and traces.
"""

from collections.abc import Iterator
from typing import NamedTuple

from modelcheck.explore.pulse import LimitError, Pulse, too_many
from modelcheck.explore.system import State, Transition
from modelcheck.explore.verdict import NO_LIMITS, Limits, Watcher
from modelcheck.protocol.suite import Variant
from modelcheck.questions.subject import Subject
from modelcheck.trace.document import Trace
from modelcheck.trace.record import SpecFile, record_witness
from modelcheck.trace.words import SHOWN

GOALS = ("old", "trap", "emulated", "skipped", "new")
"""The kinds of execution to show; where there is neither old nor new, what they share, too."""

MOST = 500_000
"""The most pairs of a state and what has been shown by then that are kept in memory."""

PULSE = 1024
"""States expanded between two looks at the limits."""

Node = tuple[State, frozenset[str]]
"""A state, and the kinds of execution that the CPU looked at has come to."""


class Witnessed(NamedTuple):
    """A witness, or why there is none."""

    trace: Trace | None
    why_not: str = ""


def witness(
    subject: Subject,
    variant: Variant,
    spec_file: SpecFile,
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
) -> Witnessed:
    """A shortest run that shows as much as any does, of a protocol that violates nothing.

    All states of the subject's system have been searched before, and it is still there: what CPUs
    come to do at all is known from that. Of CPUs alike, the first is looked at. Raises
    KeyboardInterrupt on Ctrl-C.
    """
    assert subject.system.asked(), "nothing was searched, or it was forgotten"
    search = _Search(subject)
    try:
        path = search.run(Pulse(limits, watcher))
    except LimitError as limit:
        return Witnessed(None, str(limit))
    if not path:
        return Witnessed(None, "no CPU comes to run the code")
    steps = ((transition.actor, transition.row.number) for transition in path)
    machine = subject.machine
    return Witnessed(record_witness(machine, steps, spec_file=spec_file, variant=variant))


class _Search:
    """Breadth-first over states and what has been shown."""

    def __init__(self, subject: Subject) -> None:
        self._machine, self._system = subject.machine, subject.system
        self._sites = subject.protocol.sites
        self._cpu = self._system.actors.index(len(self._machine.roles) - 1)
        self._kinds: dict[tuple[int, int], tuple[str, ...]] = {}

    def run(self, pulse: Pulse) -> tuple[Transition, ...]:
        """A shortest path to as many goals as one CPU can come to; empty if to none."""
        goals = self._reachable()
        first: Node = (self._system.initial(), frozenset())
        parent: dict[Node, tuple[Node, Transition] | None] = {first: None}
        shown: dict[State, list[frozenset[str]]] = {first[0]: [first[1]]}
        best, level = first, [first]
        expanded = 0
        while level and best[1] != goals:
            further: list[Node] = []
            for node in level:
                if expanded % PULSE == 0:
                    pulse.beat(len(parent), 0, len(level), 0)
                expanded += 1
                for after, transition in self._after(node, goals):
                    before = shown.setdefault(after[0], [])
                    # Who came there earlier and had shown as much can do all that is left.
                    if any(after[1] <= kinds for kinds in before):
                        continue
                    before.append(after[1])
                    parent[after] = (node, transition)
                    further.append(after)
                    best = after if len(after[1]) > len(best[1]) else best
                if len(parent) > MOST:
                    raise LimitError(too_many(MOST))
            level = further
        path: list[Transition] = []
        while (step := parent[best]) is not None:
            best, transition = step
            path.append(transition)
        return tuple(reversed(path))

    def _reachable(self) -> frozenset[str]:
        """The goals that CPUs come to at all, after a search of all states."""
        role = self._system.actors[self._cpu]
        found = {
            kind
            for (number, shared, local), rows in list(self._system.asked())
            if number == role
            for row in rows
            if (kind := self._kind(shared, local, row.number))
        }
        goals = found & set(GOALS)
        return frozenset(goals if goals & {"old", "new"} else found & set(SHOWN))

    def _after(self, node: Node, goals: frozenset[str]) -> Iterator[tuple[Node, Transition]]:
        state, kinds = node
        for transition in self._system.successors(state):
            kind = ""
            if transition.actor == self._cpu:
                kind = self._kind(state[0], state[self._cpu + 1], transition.row.number)
            added = kinds | {kind} if kind in goals else kinds
            yield (transition.target, added), transition

    def _kind(self, shared: int, local: int, number: int) -> str:
        """What a step of the CPU executes, of a site that is the patch's; nothing if not."""
        if (shared, local) not in self._kinds:
            role = self._system.actors[self._cpu]
            self._kinds[shared, local] = tuple(
                move.execution.kind
                if move.execution and not self._sites[move.execution.site].foreign
                else ""
                for move in self._system.moves(role, shared, local)
            )
        return self._kinds[shared, local][number]
