"""Judging many edits of a protocol, each for any number of CPUs; equal ones are judged once.

Knows jobs, the machine and engines; knows nothing of what the edits are for.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from modelcheck.explore.pulse import time_left
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import State, System
from modelcheck.explore.verdict import INTERRUPTED, NO_LIMITS, Limits, Request, Verdict
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.machine.state import Shared
from modelcheck.protocol.actions import Change, Set
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Line, flatten, flow
from modelcheck.protocol.properties import LIVENESS
from modelcheck.questions.answer import Ground, Grounds, Means, grounds_of
from modelcheck.questions.check import Job
from modelcheck.questions.prove import not_excluded, safe_for_any_number
from modelcheck.questions.subject import Subject

JUDGED_CPUS = 3
"""How many CPUs to look for a counterexample with, unless told."""


class Judgement(NamedTuple):
    """A verdict for any number of CPUs; if violated, the fewest `cpus` that show it.

    Inconclusive: the abstraction does not prove it, and no counterexample was found.
    """

    verdict: Verdict
    cpus: int | None = None

    @property
    def grounds(self) -> Grounds:
        """The abstraction if safe, the reference's search if violated."""
        return grounds_of(
            self.verdict,
            safe=(Ground(Means.ABSTRACTION),),
            violated=(Ground(Means.SEARCH, REFERENCE.name),),
        )


Listener = Callable[[str], None]
"""Told what is being judged now."""

PROVED = Judgement(Verdict.SAFE)
UNDECIDED = Judgement(Verdict.INCONCLUSIVE)


class EndState(NamedTuple):
    """What a patch leaves behind: the bytes of each site, and the value of each cell."""

    code: tuple[bytes, ...]
    data: tuple[Value, ...]


class Judge:
    """Gives verdicts, and remembers them by what a program means.

    Safe rests on the abstraction, violated on a counterexample with at most `most_cpus` CPUs: two
    grounds that know nothing of one another.
    """

    def __init__(self, most_cpus: int = JUDGED_CPUS, limits: Limits = NO_LIMITS) -> None:
        self._most_cpus = most_cpus
        self._limits = replace(limits, seconds=None)
        self.seconds = limits.seconds
        """How long all judgements on one variant may take together."""
        self._together: dict[_Key, Judgement] = {}
        self._each: dict[_Key, dict[str, Judgement]] = {}

    def judge(self, subject: Subject) -> Judgement:
        """The verdict on all watched properties at once.

        Raises KeyboardInterrupt on Ctrl-C, and LimitError when time is over.
        """
        key = _key(subject)
        if key not in self._together:
            self._together[key] = self._decide(subject)
        return self._together[key]

    def judge_each(self, subject: Subject) -> dict[str, Judgement]:
        """The verdict on each watched property, as if it alone were watched."""
        key = _key(subject)
        if key not in self._each:
            self._each[key] = self._decide_each(subject)
        return self._each[key]

    def _decide(self, subject: Subject) -> Judgement:
        time_left()
        if safe_for_any_number(subject, self._limits):
            return PROVED
        time_left()
        for cpus in range(1, self._most_cpus + 1):
            if self._violated(subject.configured(cpus=cpus)):
                return Judgement(Verdict.VIOLATED, cpus)
        return UNDECIDED

    def _decide_each(self, subject: Subject) -> dict[str, Judgement]:
        watched = subject.setup.watched
        together = self.judge(subject.configured(properties=watched))
        if together.verdict is Verdict.SAFE:
            return dict.fromkeys(watched, PROVED)
        judged: dict[str, Judgement] = {}
        left = frozenset(watched)
        cpus = together.cpus or self._most_cpus
        while left and cpus <= self._most_cpus:
            rest = subject.configured(cpus=cpus, properties=tuple(sorted(left)))
            # What the shortest counterexamples violate need not be looked for any further.
            found = self._violated(rest)
            judged |= dict.fromkeys(found, Judgement(Verdict.VIOLATED, cpus))
            left -= found
            if left:
                rest = rest.configured(properties=tuple(sorted(left)))
                left &= not_excluded(rest, self._limits)
            cpus += not found
        return {name: judged.get(name, UNDECIDED if name in left else PROVED) for name in watched}

    def _violated(self, subject: Subject) -> frozenset[str]:
        """The properties that the shortest counterexamples violate."""
        found = REFERENCE.explore(subject.system, Request(self._limits))
        if found.reason == INTERRUPTED:
            raise KeyboardInterrupt
        time_left()
        return found.found


Meaning = tuple[tuple[Any, ...], tuple[Line, ...]]
_Key = tuple[Meaning, Configuration]


def _key(subject: Subject) -> _Key:
    return meaning(subject.protocol), replace(subject.configuration, cpus=1)


def meaning(protocol: Protocol) -> Meaning:
    """All that a protocol is but its names: equal where the patcher does the same steps."""
    others = (part.name for part in fields(protocol) if part.name not in ("name", "program"))
    lines = (line._replace(step=replace(line.step, label="")) for line in flow(protocol.program))
    return tuple(getattr(protocol, name) for name in others), tuple(lines)


def safety_only(job: Job) -> Job:
    """The job without the properties of all that may follow: no proof for any number of CPUs has
    them. Raises SpecError if it has no other."""
    watched = tuple(name for name in job.setup.watched if name not in LIVENESS)
    if not watched:
        raise SpecError(
            f"{job.suite.protocol.name}, {job.variant.name}: only {', '.join(job.setup.watched)} "
            "is watched, which cannot be proved for any number of CPUs; name another --property"
        )
    return replace(job, configuration=replace(job.configuration, properties=watched))


def end_state(protocol: Protocol) -> EndState | None:
    """What is left behind when the programs run in turn, and others do only what they wait for.

    None if with one CPU, whatever anybody does, the programs can never all end. The order in which
    bytes arrive makes no difference. What CPUs themselves store is left out: it is none of the
    patch's, and counts as it was at first.
    """
    alone = Subject(protocol, Configuration(cpus=1, fetch="coherent", semantics="bytewise"))
    machine, system = alone.machine, alone.system
    todo = [system.initial()]
    met = {*todo}
    while todo:
        state = todo.pop()
        running = [
            actor
            for actor, (role, local) in enumerate(zip(system.actors, state[1:], strict=True))
            if not machine.finished(machine.roles[role], system.locals.values[local])
        ]
        if not running:
            return _left_behind(machine, system.shareds.values[state[0]])

        # Depth first: the program that runs, CPUs and interrupts, and then the programs that wait.
        turns = {actor: number for number, actor in enumerate(running)} | {running[0]: -1}
        further = sorted(
            system.successors(state),
            key=lambda one: 0 if one.row.interrupt else turns.get(one.actor, 0),
        )
        fresh = [one.target for one in further if one.target not in met]
        met.update(fresh)
        todo += reversed(fresh)
    return None


def _left_behind(machine: Machine, shared: Shared) -> EndState:
    protocol, layout = machine.setup.protocol, machine.setup.layout
    own = _stored_by_cpus(protocol)
    return EndState(
        tuple(layout.contents(shared.memory, number) for number in range(len(protocol.sites))),
        tuple(
            cell.initial if cell.name in own else value
            for cell, value in zip(protocol.cells, shared.cells, strict=True)
        ),
    )


def _stored_by_cpus(protocol: Protocol) -> frozenset[str]:
    """The cells that CPUs store to, in their program, in functions called, or in traps."""
    return frozenset(
        action.cell
        for program in (protocol.cpu_program, protocol.nmi, *protocol.routines)
        for step in flatten(program)
        for action in step.actions()
        if isinstance(action, Set | Change)
    )


def completes(protocol: Protocol, end: EndState | None) -> bool:
    """Whether every site that is the patch's to write ends as its new instruction."""
    return end is not None and all(
        site.foreign or code == site.new
        for site, code in zip(protocol.sites, end.code, strict=True)
    )


def goes_on(subject: Subject) -> bool:
    """Whether, with one CPU, the programs can always still finish and the sites still run then.

    A patcher that stops the CPUs for good is safe, and of no use.
    """
    alone = subject.configured(cpus=1)
    machine, system = alone.machine, alone.system
    before: dict[State, list[State]] = {system.initial(): []}
    todo = list(before)
    while todo:
        time_left()
        state = todo.pop()
        for _, _, target in system.successors(state):
            if target not in before:
                before[target] = []
                todo.append(target)
            before[target].append(state)
    todo = [state for state in before if _runs_on(machine, system, state)]
    good = set(todo)
    while todo:
        fresh = set(before[todo.pop()]) - good
        good |= fresh
        todo += fresh
    return len(good) == len(before)


def _runs_on(machine: Machine, system: System, state: State) -> bool:
    """Whether all programs have finished, and all CPUs that run sites can run one now."""
    shared = system.shareds.values[state[0]]
    for number, local_number in zip(system.actors, state[1:], strict=True):
        role, local = machine.roles[number], system.locals.values[local_number]
        if not machine.finished(role, local):
            return False
        moves = machine.moves(role, shared, local)
        if role.executes and not any(move.execution for move in moves):
            return False
    return True
