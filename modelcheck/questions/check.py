"""Checking: one variant in one configuration, from protocol to verdict and trace.

Knows protocols, machine, system, engines and traces; knows nothing of how results are shown.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import assert_never

from modelcheck.explore import liveness
from modelcheck.explore.choose import AUTO
from modelcheck.explore.compiled.saving import has_checkpoint
from modelcheck.explore.engine import Engine
from modelcheck.explore.pulse import LimitError, in_time
from modelcheck.explore.verdict import INTERRUPTED, Exploration, Request, Saving, Verdict
from modelcheck.machine.fetch import MODELS
from modelcheck.machine.memory import LINE
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.properties import COMPLETES, FINISHES, LIVENESS, UNPERMITTED
from modelcheck.protocol.suite import Semantics, Suite, Variant
from modelcheck.questions.answer import Ground, Grounds, Means, surprising
from modelcheck.questions.subject import Subject
from modelcheck.questions.vacuity import NOT_VACUOUS, Vacuity, vacuity
from modelcheck.questions.witness import Witnessed
from modelcheck.trace.document import Trace
from modelcheck.trace.record import SpecFile, record
from modelcheck.version import MODEL_CODE, __version__, code_digest

MOST_FOR_LIVENESS = 200_000
"""The most states whose graph is kept in memory to see whether programs can finish."""

VACUOUS = "vacuous"
"""What a safe verdict is called that rests on nothing."""

DEFAULT_FETCH = "per-chunk"
"""The fetch model whose counterexample is kept when several have one."""


@dataclass(frozen=True)
class Overrides:
    """What to check instead of a suite's own defaults; None or empty leaves the default."""

    variants: tuple[str, ...] = ()
    cpus: int | None = None
    fetch: tuple[str, ...] = ()
    chunk: int | None = None
    offset: int | None = None
    semantics: Semantics | None = None
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A variant to check in one configuration, and the name to keep its counterexample under."""

    suite: Suite
    variant: Variant
    configuration: Configuration
    name: str

    @cached_property
    def subject(self) -> Subject:
        """The variant's protocol in the job's configuration."""
        return Subject(self.variant.protocol, self.configuration)

    @property
    def setup(self) -> Setup:
        """That of the subject."""
        return self.subject.setup

    @property
    def expected(self) -> tuple[str, ...]:
        """The watched properties any of which is expected to be violated; none: safe."""
        setup = self.setup
        expected = self.variant.expect.violated(setup.fetch.name, setup.splits)
        return tuple(name for name in expected if name in setup.watched)


@dataclass(frozen=True)
class Result:
    """The verdict on a job, for what, and how it was reached.

    `engine` is the one that searched, `confirmed_by` a second one that gave the same answer.
    `expected` has the properties, any of which was expected to be violated; none if the variant
    was expected to be safe. `vacuity` says what a safe verdict does not rest on, `witness` what it
    rests on, if that was asked for. `any_number` tells whether a proof for every number of CPUs is
    known.
    """

    job: Job
    engine: str
    verdict: Verdict
    violated: str | None
    expected: tuple[str, ...]
    states: int
    transitions: int
    depth: int
    seconds: float
    reason: str | None
    trace: Trace | None
    vacuity: Vacuity = NOT_VACUOUS
    witness: Witnessed | None = None
    any_number: bool = False
    confirmed_by: str | None = None

    @property
    def grounds(self) -> Grounds:
        """Who searched; the machine alone, for a counterexample; and what a proof rests on."""
        if self.verdict is Verdict.INCONCLUSIVE:
            return ()
        found = [Ground(Means.SEARCH, by) for by in (self.engine, self.confirmed_by) if by]
        if self.violated in LIVENESS:
            found = [Ground(Means.GRAPH)]
        elif self.verdict is not Verdict.VIOLATED and set(LIVENESS) & set(self.job.setup.watched):
            found.append(Ground(Means.GRAPH))
        if self.trace is not None:
            found.append(Ground(Means.REPLAY))
        if self.any_number:
            found.append(Ground(Means.ABSTRACTION))
        return tuple(found)

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one the spec states; an inconclusive one never is."""
        if self.verdict is Verdict.VIOLATED:
            return self.violated in self.expected
        foreseen = not self.is_vacuous or bool(self.job.variant.vacuous)
        return self.verdict is Verdict.SAFE and not self.expected and foreseen

    @property
    def is_vacuous(self) -> bool:
        """Whether it is safe, but that rests on nothing: nobody ran what the verdict is about."""
        return self.verdict is Verdict.SAFE and bool(self.vacuity.nothing)

    @property
    def word(self) -> str:
        """The verdict in a word; a safe one that rests on nothing has a word of its own."""
        return VACUOUS if self.is_vacuous else str(self.verdict)

    @property
    def surprising(self) -> bool:
        """Whether there is a verdict, and it is not the one the spec states."""
        return surprising(self)


def jobs(suites: tuple[Suite, ...], overrides: Overrides) -> Iterator[Job]:
    """All that there is to check, in the order of the spec.

    Raises SpecError for a variant that no suite has, and for values out of range.
    """
    if UNPERMITTED in overrides.properties:
        for fetch in overrides.fetch or [fetch for suite in suites for fetch in suite.fetch]:
            if fetch in MODELS and not MODELS[fetch].strict:
                raise SpecError(
                    f"property {UNPERMITTED} means something under fetch model strict only, not "
                    f"under {fetch}; add --fetch strict"
                )
    known = {variant.name for suite in suites for variant in suite}
    for name in overrides.variants:
        if name not in known:
            raise SpecError(f"no variant named {name!r}; the spec has: {', '.join(sorted(known))}")
    for number, suite in enumerate(suites):
        for variant in suite:
            if overrides.variants and variant.name not in overrides.variants:
                continue
            for fetch in dict.fromkeys(overrides.fetch or suite.fetch):
                configuration = Configuration(
                    cpus=suite.cpus if overrides.cpus is None else overrides.cpus,
                    fetch=fetch,
                    chunk=suite.chunk if overrides.chunk is None else overrides.chunk,
                    offset=overrides.offset,
                    semantics=overrides.semantics or suite.semantics,
                    properties=overrides.properties,
                )
                name = _name(suite, variant, overrides, main=number == 0)
                yield Job(suite, variant, configuration, name)


@in_time
def check(
    job: Job,
    *,
    spec: str,
    spec_digest: str = "",
    engine: Engine = AUTO,
    request: Request = Request(),
) -> Result:
    """Explore a job's state space and judge it by what the spec expects.

    `spec` names what the job is of, in traces, and `spec_digest` is that of its file. Where the
    request says to save, each job has a folder of its own in the one that it names. Raises
    DisagreementError, CheckpointError and UnsupportedError as the engines do.
    """
    machine, setup, system = job.subject.machine, job.subject.setup, job.subject.system
    if request.saving is not None:
        request = replace(request, saving=_saving(job, spec, request.saving))
    found = engine.explore(system, request)
    searched = found
    found, unlooked = _with_liveness(job.subject, found, request)
    # A program that is stuck from the beginning has a counterexample of no steps.
    stuck = found.property in LIVENESS
    # A violation without its trace, because Ctrl-C ended the search for it, settles nothing.
    settled = found.verdict is not Verdict.VIOLATED or bool(found.path) or stuck
    trace = None
    if found.verdict is Verdict.VIOLATED and settled:
        steps = [(transition.actor, transition.row.number) for transition in found.path]
        trace = record(
            machine,
            steps,
            spec_file=SpecFile(spec, spec_digest),
            variant=job.variant,
            violated=found.property or "",
            loop=found.loop,
        )
    verdict = found.verdict if settled else Verdict.INCONCLUSIVE
    return Result(
        job=replace(job, configuration=replace(job.configuration, offset=setup.offset)),
        engine=searched.engine,
        verdict=verdict,
        violated=found.property if settled else None,
        expected=job.expected,
        states=found.states,
        transitions=found.transitions,
        depth=found.depth,
        seconds=found.seconds,
        reason=found.reason,
        trace=trace,
        vacuity=vacuity(system, machine, unlooked) if verdict is Verdict.SAFE else NOT_VACUOUS,
        confirmed_by=searched.confirmed_by,
    )


def _with_liveness(
    subject: Subject, found: Exploration, request: Request
) -> tuple[Exploration, tuple[str, ...]]:
    """What was found, if no program is stuck before that; and what was not looked for."""
    watched = [name for name in subject.setup.watched if name in LIVENESS]
    if not watched or found.verdict is Verdict.INCONCLUSIVE:
        return found, ()
    if found.states > MOST_FOR_LIVENESS:
        states = f"{MOST_FOR_LIVENESS:,}"
        return found, (f"{' and '.join(watched)}: not looked at with more than {states} states",)
    if found.verdict is Verdict.VIOLATED:
        return (_shortest(subject, found, request) if FINISHES in watched else found), ()
    live = liveness.decide(
        subject.system,
        subject.setup.watched,
        deadlock=FINISHES,
        completes=COMPLETES,
        limits=request.limits,
        watcher=request.watcher,
    )
    match live.verdict:
        case Verdict.SAFE:
            return found, ()
        case Verdict.VIOLATED:
            return live, ()
        case Verdict.INCONCLUSIVE:
            return replace(found, verdict=live.verdict, reason=live.reason), ()
        case _:
            assert_never(live.verdict)


def _shortest(subject: Subject, found: Exploration, request: Request) -> Exploration:
    """A violation, or a deadlock that takes fewer steps. Where there was no time to look for one,
    the violation stands."""
    try:
        stuck = liveness.shorter_deadlock(subject.system, len(found.path), request.limits)
    except LimitError:
        return found
    except KeyboardInterrupt:
        return replace(found, reason=INTERRUPTED)
    if stuck is None:
        return found
    return replace(found, property=FINISHES, path=stuck, depth=len(stuck))


def checkpoint_name(job: Job, spec: str) -> str:
    """The folder of a job's checkpoint, below that of all."""
    parts = (Path(spec).stem, job.suite.protocol.name, job.variant.name, job.configuration.fetch)
    return ".".join(parts)


def _saving(job: Job, spec: str, saving: Saving) -> Saving:
    """How a job's search is saved, among those of a command."""
    folder = saving.folder / checkpoint_name(job, spec)
    digest = hashlib.sha256(repr(job.variant.protocol).encode()).hexdigest()[:32]
    subject = {
        "version": f"{__version__}, code {code_digest(*MODEL_CODE)}",
        "protocol": f"{job.suite.protocol.name}, variant {job.variant.name}, digest {digest}",
        "configuration": repr(job.configuration),
    }
    # A job that the interrupted command never came to begins anew.
    resume = saving.resume and has_checkpoint(folder)
    return replace(saving, folder=folder, subject=subject, resume=resume)


def kept_traces(results: list[Result]) -> dict[int, Trace]:
    """The counterexamples to keep, by the place of their result: one for each name.

    That of DEFAULT_FETCH, if there is one; otherwise the first.
    """
    kept: dict[str, int] = {}
    for number, result in enumerate(results):
        if result.trace is not None:
            name = result.job.name
            if name not in kept or result.job.configuration.fetch == DEFAULT_FETCH:
                kept[name] = number
    return {n: trace for n in kept.values() if (trace := results[n].trace) is not None}


def _name(suite: Suite, variant: Variant, overrides: Overrides, *, main: bool) -> str:
    """The variant, and whatever differs from the suite's own settings.

    So checking with other settings never replaces the counterexample of the default ones.
    """
    parts = [variant.name] if main else [suite.protocol.name, variant.name]
    parts += overrides.fetch
    if overrides.cpus not in (None, suite.cpus):
        parts.append(f"cpus-{overrides.cpus}")
    if overrides.chunk not in (None, suite.chunk):
        parts.append(f"chunk-{overrides.chunk}")
    if overrides.offset not in (None, suite.protocol.sites[0].address % LINE):
        parts.append(f"offset-{overrides.offset}")
    if overrides.semantics not in (None, suite.semantics):
        parts.append(str(overrides.semantics))
    return ".".join([*parts, *overrides.properties])
