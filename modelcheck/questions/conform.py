"""Conforming: is a log of a kernel that patched its own text a run of a protocol?

The protocol is made anew with the log's bytes. The thread that patches is one actor, on whatever
CPU it is, and each CPU of the log is another; what is known of them is the set of all states that
the log so far allows. Knows logs, protocols, systems and traces; knows nothing of views.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from modelcheck.explore.pulse import LimitError, Pulse, in_time
from modelcheck.explore.system import State
from modelcheck.explore.verdict import NO_LIMITS, Limits, Verdict
from modelcheck.frontends.logs import LogEvent, TextLog
from modelcheck.machine.setup import Configuration
from modelcheck.machine.state import Local, Move
from modelcheck.protocol.definition import CPU_PREFIX, HANDLER_PREFIX
from modelcheck.protocol.program import flatten
from modelcheck.questions.answer import Ground, Grounds, Means, grounds_of
from modelcheck.questions.check import Job
from modelcheck.questions.recorded.accept import PATCHER, Acceptance, LoggedStep
from modelcheck.questions.recorded.instantiate import Instance, instance
from modelcheck.questions.recorded.match import PATCHERS_OWN, Deed, Eyes, is_same
from modelcheck.questions.subject import Subject
from modelcheck.trace.document import Trace
from modelcheck.trace.record import SpecFile, record, record_witness

SCOPE = "A log that conforms shows nothing about other runs of the same kernel."
"""What is said with every answer."""

NO_FILE = SpecFile("spec")

ENOUGH = 2
"""The steps of the patching thread after which a log is taken to begin inside the patch, though it
is no run from there either; one alone may be the one that is forbidden."""

KEPT = 2
"""Of an execution that a CPU repeats, the fewest that a log keeps."""


class StepName(NamedTuple):
    """A step of a protocol by the name that edits give it, and its line, if that is known."""

    label: str
    source: str


class Alternative(NamedTuple):
    """Something that the protocol allowed in the place of a forbidden event: who, what, and by
    which step of the spec, if it is one's."""

    who: str
    what: str
    step: StepName | None


@dataclass(frozen=True)
class Refusal:
    """The first event that is forbidden, and what was possible instead.

    `stands` has the steps, any of which the patching thread may have been before; `strange` says of
    a store which of its bytes the patch knows nothing of, if any.
    """

    event: LogEvent
    possible: tuple[Alternative, ...]
    stands: tuple[StepName, ...]
    strange: str = ""


@dataclass(frozen=True)
class Conformance:
    """Whether a log is a run of a job's variant.

    `refusal` says which event is forbidden, if one is; `reason` what cut the answer short. Where it
    is a run, `trace` is one, which ends with the first step that violates something, if any has to:
    `violated` are the properties that no run does without which fits the log and then goes on
    until CPUs have left their handlers. `covered` and `never` are the steps that this run takes,
    and all others. `extra` are events that are no steps of the protocol, and only restrict what
    can happen. `begins` is the step before which the log begins, if it begins inside the patch.
    """

    job: Job
    log: TextLog
    instance: Instance
    actors: Mapping[int, str]
    """What each CPU of the log is called in the trace."""
    exact: bool
    refusal: Refusal | None = None
    reason: str | None = None
    trace: Trace | None = None
    violated: tuple[str, ...] = ()
    covered: tuple[StepName, ...] = ()
    never: tuple[StepName, ...] = ()
    extra: tuple[LogEvent, ...] = ()
    begins: StepName | None = None
    events: tuple[int, ...] = ()
    """For each step of the run, the number of the event that it is; 0 if it is not in the log."""
    most: int = 0
    """The most states that the log allowed at a time."""

    @property
    def verdict(self) -> Verdict:
        """Safe if it is a run, and violated if it is none."""
        if self.reason is not None:
            return Verdict.INCONCLUSIVE
        return Verdict.SAFE if self.refusal is None else Verdict.VIOLATED

    @property
    def grounds(self) -> Grounds:
        """The simulation; of a run, the machine alone too."""
        search = Ground(Means.SEARCH, "sets of states")
        replayed = (Ground(Means.REPLAY),) if self.trace is not None else ()
        return grounds_of(self.verdict, safe=(search, *replayed), violated=(search,))

    @property
    def as_expected(self) -> bool:
        """Whether it is a run."""
        return self.verdict is Verdict.SAFE


@in_time
def conform(
    job: Job,
    log: TextLog,
    *,
    renamed: Mapping[str, str] = MappingProxyType({}),
    exact: bool = False,
    spec_file: SpecFile = NO_FILE,
    limits: Limits = NO_LIMITS,
) -> Conformance:
    """Whether a log is a run of the job's variant, about the log's sites and CPUs.

    `renamed` has the spec's name for sites of the log that have another, or an empty one for those
    that are not looked at. Stores, executions and counts are those of the protocol, no more and no
    less; of syncs, fences and maintenance there may be more unless it is to be `exact`. Raises
    UnfitError where the protocol cannot be about what is in the log.
    """
    made = instance(job.suite, job.variant.name, log, renamed)
    return _Question(job, log, made, exact, spec_file).answer(limits)


class _Question:
    """A log and a protocol that is about its sites."""

    def __init__(
        self, job: Job, log: TextLog, made: Instance, exact: bool, spec_file: SpecFile
    ) -> None:
        self._job, self._log, self._made, self._exact = job, log, made, exact
        self._spec_file = spec_file
        asked = job.configuration
        configuration = Configuration(
            cpus=len(log.cpus),
            fetch=asked.fetch,
            chunk=asked.chunk,
            offset=asked.offset,
            properties=asked.properties,
        )
        self._subject = Subject(made.variant.protocol, configuration)
        self._machine = self._subject.machine
        self._system = self._subject.system
        self._actor = _actors(log.cpus)
        self._names = {cpu: self._machine.actor_name(n) for cpu, n in self._actor.items()}

    def answer(self, limits: Limits) -> Conformance:
        """Simulate the log, and read back a run, or say what is forbidden."""
        found = Conformance(self._job, self._log, self._made, self._names, self._exact)
        eyes = Eyes(self._subject.setup, self._log, self._made.sites, self._made.cells)
        acceptance = Acceptance(self._system, eyes, Pulse(limits, None))
        inside = False
        try:
            acceptance.begin(_before_the_patch)
            refused = self._take_all(acceptance)
            if refused is not None and not acceptance.patched:
                # Of the patching thread nothing was seen yet: perhaps it was on its way before.
                anywhere = Acceptance(self._system, eyes, Pulse(limits, None))
                anywhere.begin(self._before_the_log)
                later = self._take_all(anywhere)
                inside = later is None or anywhere.patched >= ENOUGH
                if inside:
                    acceptance, refused = anywhere, later
        except (LimitError, MemoryError) as stop:
            return replace(found, reason=str(stop) or "out of memory")
        found = replace(found, extra=tuple(acceptance.extra), most=max(map(len, acceptance.layers)))
        if refused is not None:
            return replace(found, refusal=self._refusal(acceptance, refused))
        return self._run(found, acceptance, inside=inside)

    # The simulation.

    def _take_all(self, acceptance: Acceptance) -> LogEvent | None:
        """The first event that is forbidden, if one is."""
        repeated = _Repeated()
        where, looked_at = self._log.patcher, {*self._made.sites, *self._made.cells}
        for event in self._log.events:
            if event.site and event.site not in looked_at:
                continue
            own = event.do in PATCHERS_OWN
            if own or event.do == "migrate":
                where = event.cpu
            here = (PATCHER,) if event.cpu == where else ()
            actors = here if own else (self._actor[event.cpu], *here)
            repeated.note(self._actor[event.cpu], event)
            if not acceptance.take(event, actors, repeated.free, exact=self._exact):
                return event
        return None

    def _before_the_log(self, actor: int, deed: Deed | None) -> bool:
        """What may have happened before a log that begins inside the patch.

        A CPU may have run a site only if what the log has of it first lies behind that.
        """
        if deed is None or actor == PATCHER or not {"run", "count"} & {*deed.kinds}:
            return True
        first = next((e for e in self._log.events if self._actor[e.cpu] == actor), None)
        return first is not None and (first.do == "count" or first.at > 0)

    # What is forbidden.

    def _refusal(self, acceptance: Acceptance, event: LogEvent) -> Refusal:
        possible: dict[Alternative, None] = {}
        stands: dict[StepName, None] = {}
        cpus = {actor: cpu for cpu, actor in self._actor.items()}
        met: set[tuple[int, ...]] = set()
        for state in acceptance.layers[-1]:
            for actor in acceptance.actors:
                for row, deed in acceptance.rows(state, actor):
                    key = (actor, state[0], state[actor + 1], row.number)
                    if deed is None or key in met:
                        continue
                    if acceptance.system.after(state, actor, row) is not None:
                        met.add(key)
                        was, move = self._move(LoggedStep(actor, row, state, 0))
                        who = "patcher" if actor == PATCHER else f"cpu {cpus[actor]}"
                        step = self._named(actor, was, move)
                        possible[Alternative(who, str(deed), step)] = None
            stands[self._stand(state)] = None
        return Refusal(
            event, tuple(sorted(possible, key=_in_order)), tuple(stands), self._strange(event)
        )

    def _strange(self, event: LogEvent) -> str:
        """The first byte of a store that is neither old, new nor trap, in words."""
        protocol = self._made.variant.protocol
        trap = protocol.handler.trap if protocol.handler else b""
        for site in self._log.sites if event.do == "store" else ():
            if site.name == event.site:
                for at, byte in enumerate(event.data, event.at):
                    if byte not in (site.old[at], site.new[at], *trap):
                        old, new = f"{site.old[at]:02x}", f"{site.new[at]:02x}"
                        return (
                            f"{byte:02x} at {site.name}+{at} is neither the old byte, {old}, nor "
                            f"the new one, {new}, nor the trap's"
                        )
        return ""

    def _stand(self, state: State) -> StepName:
        """The step before which the patching thread is."""
        program = self._subject.setup.programs[PATCHER]
        pc = self._system.locals.values[state[1 + PATCHER]].pc
        if pc == len(program):
            return StepName("the end", "")
        step = program[pc].step
        return StepName(step.label, str(step.source or ""))

    # The run.

    def _run(self, found: Conformance, acceptance: Acceptance, *, inside: bool) -> Conformance:
        last = min(acceptance.layers[-1], key=lambda state: self._left(acceptance, state))
        steps = acceptance.run(last)
        taken = [(step, *self._move(step)) for step in steps]
        violated = dict.fromkeys(name for _, _, move in taken for name in move.violations)
        end = next((n for n, (_, _, move) in enumerate(taken, 1) if move.violations), len(taken))
        covered = dict.fromkeys(
            named
            for step, was, move in taken
            if (named := self._named(step.actor, was, move)) is not None
        )
        begins = next((step.before for step in steps if step.event), last)
        return replace(
            found,
            trace=self._trace(steps[:end], violates=bool(violated)),
            violated=tuple(violated),
            covered=tuple(covered),
            never=tuple(named for named in self._steps() if named not in covered),
            begins=self._stand(begins) if inside else None,
            events=tuple(step.event for step in steps[:end]),
        )

    def _left(self, acceptance: Acceptance, state: State) -> tuple[int, int]:
        """How many CPUs have not left their handlers in a state, and what a run to it violates."""
        values = self._system.locals.values
        inside = sum(values[local].trap is not None for local in state[1:])
        return inside, acceptance.layers[-1][state].violations

    def _trace(self, steps: Iterable[LoggedStep], *, violates: bool) -> Trace | None:
        choices = [(step.actor, step.row.number) for step in steps]
        if not choices:
            return None
        variant = self._made.variant
        if violates:
            return record(
                self._machine, choices, spec_file=self._spec_file, variant=variant, violated=""
            )
        return record_witness(self._machine, choices, spec_file=self._spec_file, variant=variant)

    def _move(self, step: LoggedStep) -> tuple[Local, Move]:
        """The machine's move that a step is, and the actor's part of the state before it."""
        shared, local = step.before[0], step.before[step.actor + 1]
        moves = self._system.moves(self._system.actors[step.actor], shared, local)
        return self._system.locals.values[local], moves[step.row.number]

    # Steps by name.

    def _named(self, actor: int, was: Local, move: Move) -> StepName | None:
        """The step of the protocol that a move is, if it is one."""
        if move.step is None:
            return None
        prefix = "" if actor == PATCHER else CPU_PREFIX
        if was.trap is not None:
            callees = tuple(self._made.variant.protocol.every_callee)
            prefix = callees[was.trap.routine - 1] if was.trap.in_callee else HANDLER_PREFIX
        return StepName(prefix + move.label, str(move.step.source or ""))

    def _steps(self) -> Iterator[StepName]:
        """All steps of the protocol."""
        for prefix, program in self._made.variant.protocol.programs.items():
            for step in flatten(program, prefix):
                yield StepName(step.label, str(step.source or ""))


class _Repeated:
    """What CPUs may do more often than a log has it: executions that they repeat.

    Of those a log keeps two or more. They are repeated until the CPU does something else, or finds
    other bytes in that place.
    """

    def __init__(self) -> None:
        self._met: dict[int, list[LogEvent]] = {}

    def note(self, actor: int, event: LogEvent) -> None:
        """An event by the CPU that this actor is."""
        if event.do != "run":
            self._met.pop(actor, None)
            return
        place = (event.site, event.at)
        before = self._met.get(actor, [])
        kept = [e for e in before if (e.site, e.at) != place or e.data == event.data]
        self._met[actor] = [*kept, event]

    def free(self, actor: int, deed: Deed | None) -> bool:
        """Whether an actor may take a step that the log does not have, by what is seen of it."""
        if deed is None:
            return True
        met = self._met.get(actor)
        return met is not None and sum(is_same(event, deed) for event in met) >= KEPT


def _actors(cpus: tuple[int, ...]) -> dict[int, int]:
    """The actor that each CPU of a log is: the one of the same number, if it can be.

    Actor 0 is the patching thread, so that a CPU 0 has to be another.
    """
    actors = range(1, len(cpus) + 1)
    same = {cpu: cpu for cpu in cpus if cpu in actors}
    left = iter([actor for actor in actors if actor not in same])
    return {cpu: same[cpu] if cpu in same else next(left) for cpu in cpus}


def _before_the_patch(actor: int, deed: Deed | None) -> bool:
    """What may have happened before a log that has all of the patch: CPUs may be anywhere, in a
    handler or between the instructions of a region."""
    return deed is None or actor != PATCHER


def _in_order(possible: Alternative) -> tuple[str, str]:
    return possible.who, possible.what
