"""Comparing two protocols: how their steps differ, and what each can do that the other cannot.

What can be seen of a run is the sequence of the instructions that its CPUs execute, and of what it
violates. Knows protocols, machine, system, engines and traces; knows nothing of views.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff
from typing import NamedTuple

from modelcheck.explore.behaviours import Observer, Word, compare, shortest_run
from modelcheck.explore.pulse import in_time
from modelcheck.explore.system import State, Transition
from modelcheck.explore.verdict import NO_LIMITS, Limits, Verdict, Watcher
from modelcheck.machine.state import Move
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import flatten
from modelcheck.protocol.step_text import phrase
from modelcheck.questions.answer import Ground, Grounds, Means, grounds_of
from modelcheck.questions.check import Job
from modelcheck.trace.document import TraceStep, Violation
from modelcheck.trace.run import Run


class Seen(NamedTuple):
    """What can be seen of a step: what an actor executes, as what, and what that violates."""

    actor: str
    site: str
    offset: int
    kind: str
    data: bytes
    violations: tuple[str, ...]


@dataclass(frozen=True)
class Distinction:
    """A behaviour of one protocol that the other does not have: a shortest, as the run of it.

    The other can do all that is seen but the last.
    """

    seen: tuple[Seen, ...]
    steps: tuple[TraceStep, ...]
    violation: Violation | None


@dataclass(frozen=True)
class Comparison:
    """How two protocols differ. Each `only_...` is None if there is nothing of the kind.

    `alone` names the actors, one of each kind, that by themselves execute what they do not in the
    other protocol; if there are none, the protocols differ in the order between CPUs at most.
    `edits` are lines that begin with "- ", "+ " or two spaces. If `reason` is set, the behaviours
    were not compared to the end, and what is None may only not have been found.
    """

    first: Job
    second: Job
    edits: tuple[str, ...]
    only_first: Distinction | None
    only_second: Distinction | None
    alone: tuple[str, ...]
    states: tuple[int, int]
    pairs: int
    reason: str | None

    @property
    def verdict(self) -> Verdict:
        """Safe if they have the same behaviours, violated if one can do what the other cannot."""
        if self.only_first or self.only_second:
            return Verdict.VIOLATED
        return Verdict.SAFE if self.same_behaviours else Verdict.INCONCLUSIVE

    @property
    def grounds(self) -> Grounds:
        """The comparison of both, and the machine alone for what it found."""
        found = Ground(Means.AUTOMATA)
        return grounds_of(self.verdict, safe=(found,), violated=(found, Ground(Means.REPLAY)))

    @property
    def as_expected(self) -> bool:
        """Whether they have the same behaviours."""
        return self.verdict is Verdict.SAFE

    @property
    def same_behaviours(self) -> bool:
        """Whether each can do what the other can, in this configuration."""
        return self.reason is None and not (self.only_first or self.only_second)


@in_time
def diff(
    first: Job, second: Job, limits: Limits = NO_LIMITS, watcher: Watcher | None = None
) -> Comparison:
    """Compare two jobs, which should have the same configuration."""
    one, other = _Observed(first), _Observed(second)
    found = compare((one.system, one.observe), (other.system, other.observe), limits, watcher)
    reason, alone = found.reason, []
    for actor in one.kinds if found.first or found.second else ():
        by_itself = compare(
            (one.system, one.observe_only(actor)),
            (other.system, other.observe_only(actor)),
            limits,
            watcher,
        )
        reason = reason or by_itself.reason
        alone += [actor] if by_itself.first or by_itself.second else []
    edits = ndiff([*_listing(first.variant.protocol)], [*_listing(second.variant.protocol)])
    return Comparison(
        first,
        second,
        tuple(line for line in edits if not line.startswith("?")),
        one.distinction(found.first),
        other.distinction(found.second),
        tuple(alone),
        found.states,
        found.pairs,
        reason,
    )


class _Observed:
    """A job's system, and what can be seen of its steps."""

    def __init__(self, job: Job) -> None:
        self.machine = job.subject.machine
        self.system = job.subject.system
        self._moves: dict[tuple[int, int, int], tuple[Move, ...]] = {}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of one actor of each role, in its interrupts and otherwise."""
        firsts = (self.system.actors.index(role) for role in range(len(self.machine.roles)))
        return tuple(
            dict.fromkeys(
                self.machine.actor_name(actor, interrupt=interrupt)
                for actor in firsts
                for interrupt in (False, True)
            )
        )

    def observe_only(self, actor: str) -> Observer:
        """What can be seen of one actor alone."""

        def observe(state: State, step: Transition) -> Seen | None:
            seen = self.observe(state, step)
            return seen if seen and seen.actor == actor else None

        return observe

    def observe(self, state: State, step: Transition) -> Seen | None:
        move = self._move(state, step)
        if move.execution is None and not move.violations:
            return None
        actor = self.machine.actor_name(step.actor, interrupt=move.interrupt)
        if move.execution is None:
            return Seen(actor, "", 0, "", b"", move.violations)
        site = self.machine.setup.protocol.sites[move.execution.site].name
        done = move.execution
        return Seen(actor, site, done.offset, done.kind, done.data, move.violations)

    def _move(self, state: State, step: Transition) -> Move:
        """The model's move that a table row stands for."""
        role, local = self.system.actors[step.actor], state[step.actor + 1]
        key = (role, state[0], local)
        if key not in self._moves:
            shareds, locals_ = self.system.shareds.values, self.system.locals.values
            self._moves[key] = tuple(
                self.machine.moves(self.machine.roles[role], shareds[state[0]], locals_[local])
            )
        return self._moves[key][step.row.number]

    def distinction(self, words: tuple[Word, ...]) -> Distinction | None:
        """The shortest run that has one of these behaviours."""
        if not words:
            return None
        run, steps, violation = Run(self.machine), [], None
        state, seen = self.system.initial(), []
        for transition in shortest_run(self.system, self.observe, words):
            event = self.observe(state, transition)
            state = transition.target
            seen += [event] if event else []
            move = run.moves(transition.actor)[transition.row.number]
            steps.append(run.take(transition.actor, move))
            violation = run.violation(move, steps[-1])
        return Distinction(tuple(seen), tuple(steps), violation)


def _listing(protocol: Protocol) -> Iterator[str]:
    """All that a protocol says, a line for each site, cell, step and property."""
    for site in protocol.sites:
        yield f"site {site.name}: {site.old.hex(' ')} -> {site.new.hex(' ')} at {site.address:#x}"
    for cell in protocol.cells:
        yield f"cell {cell.name}: {cell.initial}"
    programs = {"patcher": protocol.program}
    programs |= {patcher.name: patcher.program for patcher in protocol.patchers}
    programs |= {"every CPU": protocol.cpu_program, "callee": protocol.callee}
    for name, program in programs.items():
        if program:
            yield f"{name}:"
            yield from (f"    {step.label}: {phrase(step)}" for step in flatten(program))
    if protocol.handler:
        interrupts = "on" if protocol.handler.interrupts else "off"
        yield f"handler of {protocol.handler.trap.hex(' ')}, interrupts {interrupts}:"
        yield from (
            f"    {step.label}: {phrase(step)}" for step in flatten(protocol.handler.program)
        )
    if not protocol.patcher_executes:
        yield "the patcher's own CPU does not run the sites"
    yield f"stores {protocol.stores}"
    if not protocol.coherent_icache:
        yield "instruction caches are not coherent"
        if protocol.coherent_dcache:
            yield "nothing has to be cleaned for them"
    yield "watches: " + ", ".join(protocol.properties)
