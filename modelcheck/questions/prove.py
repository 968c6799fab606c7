"""Proving: one variant for every number of CPUs at once, or the fewest that show the bug.

Knows protocols, machine, system, engines, traces and certificates; knows nothing of views.
"""

import time
from dataclasses import dataclass, replace
from typing import assert_never

from modelcheck.certificate.certify import solve
from modelcheck.certificate.invariant import invariant_of
from modelcheck.certificate.smtlib import to_smtlib
from modelcheck.explore.any_number import Suspect, abstract
from modelcheck.explore.pulse import LimitError, in_time, why
from modelcheck.explore.system import System
from modelcheck.explore.verdict import (
    INTERRUPTED,
    NO_LIMITS,
    Limits,
    Request,
    Verdict,
    Watcher,
)
from modelcheck.machine.actors import Machine
from modelcheck.protocol.properties import LIVENESS
from modelcheck.questions.answer import Ground, Grounds, Means
from modelcheck.questions.check import Job, Result, check
from modelcheck.questions.subject import Subject
from modelcheck.questions.vacuity import NOT_VACUOUS, Vacuity, vacuity

MOST_LIVE = 2
"""How many CPUs to check for deadlocks and starvation with, which no invariant excludes."""

MOST_CPUS = 4
"""How many CPUs to look for a counterexample with, before giving up."""


@dataclass(frozen=True)
class Proof:
    """The verdict on a job for every number of CPUs.

    Safe: `pairs` may occur, none of which violates anything; `certificate` says so in SMT-LIB,
    and Z3 has found its `obligations` to hold. Violated: `violation` is the result for the fewest
    CPUs that show it. Inconclusive: `reason` is what could neither be excluded nor shown, or what
    cut the search for it short. `unproved` has the properties watched that no invariant proves;
    they were checked with up to MOST_LIVE CPUs. `vacuity` says what the proof does not rest on.
    """

    job: Job
    verdict: Verdict
    seconds: float
    pairs: int
    certificate: str | None = None
    obligations: int = 0
    violation: Result | None = None
    reason: str | None = None
    unproved: tuple[str, ...] = ()
    vacuity: Vacuity = NOT_VACUOUS

    @property
    def grounds(self) -> Grounds:
        """The invariant and what confirms it, or what the violation rests on."""
        if self.violation is not None:
            return self.violation.grounds
        if self.verdict is Verdict.INCONCLUSIVE:
            return ()
        # No invariant excludes what may go on for ever.
        alive = [Ground(Means.GRAPH, f"up to {MOST_LIVE} CPUs")] if self.unproved else []
        return (Ground(Means.ABSTRACTION), Ground(Means.SOLVER), *alive)

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the spec states."""
        if self.violation is not None:
            return self.violation.as_expected
        foreseen = not self.is_vacuous or bool(self.job.variant.vacuous)
        return self.verdict is Verdict.SAFE and not self.job.expected and foreseen

    @property
    def is_vacuous(self) -> bool:
        """Whether it is safe, but that rests on nothing: nobody ran what the verdict is about."""
        return self.verdict is Verdict.SAFE and bool(self.vacuity.nothing)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search."""
        return self.reason is not None and self.reason.endswith(INTERRUPTED)

    @property
    def cpus(self) -> int | None:
        """The fewest CPUs that show the violation, besides the patcher's own."""
        return self.violation.job.configuration.cpus if self.violation else None


def safe_for_any_number(
    subject: Subject, limits: Limits = NO_LIMITS, watcher: Watcher | None = None
) -> bool:
    """Whether the abstraction proves, for every number of CPUs, all that must never happen.

    That programs finish is not among it. False says only that it does not; see `prove` for what
    that can mean. Raises KeyboardInterrupt if Ctrl-C ended the search for a proof.
    """
    of_any = _of_any_number(subject)
    if set(of_any.machine.properties) <= set(LIVENESS):
        return False
    found = abstract(of_any.system, limits, watcher, to_first_suspect=True)
    if found.reason == INTERRUPTED:
        raise KeyboardInterrupt
    return found.proves_safe


def not_excluded(subject: Subject, limits: Limits = NO_LIMITS) -> frozenset[str]:
    """The watched properties that the abstraction does not prove, each watched alone.

    All others hold for every number of CPUs. Raises KeyboardInterrupt if Ctrl-C ended the search.
    """
    of_any = _of_any_number(subject)
    found = abstract(of_any.system, limits, beyond_violations=True)
    if found.reason == INTERRUPTED:
        raise KeyboardInterrupt
    if found.reason is not None:
        return frozenset(of_any.setup.watched)
    suspect = (name for suspect in found.suspects for name in suspect.row.violations)
    return frozenset((*_unproved(of_any.machine), *suspect))


def _of_any_number(subject: Subject) -> Subject:
    """The subject with its number of CPUs left open."""
    return subject.configured(cpus=1, any_number=True)


@in_time
def prove(
    job: Job, *, spec: str, limits: Limits = NO_LIMITS, watcher: Watcher | None = None
) -> Proof:
    """Decide a job for every number of CPUs.

    The abstraction first; where it finds a suspect, counterexamples with 1, 2, ... MOST_CPUS CPUs.
    """
    started = time.monotonic()
    of_any = _of_any_number(job.subject)
    machine, system = of_any.machine, of_any.system
    found = abstract(system, limits, watcher)
    if found.proves_safe:
        invariant = invariant_of(
            system,
            found,
            protocol=of_any.protocol,
            configuration=of_any.configuration,
            spec=spec,
            variant=job.variant.name,
        )
        try:
            text = to_smtlib(invariant)
            obligations = solve(text)
        except (LimitError, MemoryError) as stop:
            seconds = time.monotonic() - started
            short = f"the proof's check was cut short: {why(stop)}"
            return Proof(job, Verdict.INCONCLUSIVE, seconds, found.pairs, reason=short)
        proof = Proof(
            job,
            Verdict.SAFE,
            time.monotonic() - started,
            found.pairs,
            text,
            obligations,
            unproved=_unproved(machine),
            vacuity=vacuity(system, machine),
        )
        return _checked_alive(proof, spec=spec, limits=limits, watcher=watcher)
    reason = found.reason
    if reason is None:
        last = _fewest_cpus(job, MOST_CPUS, spec=spec, limits=limits, watcher=watcher)
        if last.verdict is Verdict.VIOLATED:
            seconds = time.monotonic() - started
            return Proof(job, Verdict.VIOLATED, seconds, found.pairs, violation=last)
        reason = f"{_describe(machine, system, found.suspects[0])}; {_tried(last)}"
    seconds = time.monotonic() - started
    return Proof(job, Verdict.INCONCLUSIVE, seconds, found.pairs, reason=reason)


def _checked_alive(proof: Proof, *, spec: str, limits: Limits, watcher: Watcher | None) -> Proof:
    """The proof, or the violation of what it leaves open that the fewest CPUs show."""
    if not proof.unproved:
        return proof
    job = proof.job
    last = _fewest_cpus(job, MOST_LIVE, spec=spec, limits=limits, watcher=watcher)
    match last.verdict:
        case Verdict.SAFE:
            return proof
        case Verdict.VIOLATED:
            return Proof(job, last.verdict, proof.seconds, proof.pairs, violation=last)
        case Verdict.INCONCLUSIVE:
            # What no invariant shows has not been checked either.
            reason = f"{', '.join(proof.unproved)}: {_tried(last)}"
            return Proof(job, last.verdict, proof.seconds, proof.pairs, reason=reason)
        case never:
            assert_never(never)


def _unproved(machine: Machine) -> tuple[str, ...]:
    """The properties watched that no invariant can prove: they are of all that may follow."""
    return tuple(name for name in machine.properties if name in LIVENESS)


def _fewest_cpus(
    job: Job, most: int, *, spec: str, limits: Limits, watcher: Watcher | None
) -> Result:
    """The violation with the fewest CPUs, if one shows; otherwise the last result."""
    for cpus in range(1, most + 1):
        one = replace(job, configuration=replace(job.configuration, cpus=cpus))
        result = check(one, spec=spec, request=Request(limits, watcher))
        if result.verdict is not Verdict.SAFE:
            break
    return result


def _tried(last: Result) -> str:
    """How far was looked for a violation that did not show."""
    cpus = last.job.configuration.cpus
    if last.verdict is Verdict.INCONCLUSIVE:
        return f"the search for it with N = {cpus} was cut short: {last.reason}"
    return f"it does not with N up to {cpus}"


def _describe(machine: Machine, system: System, suspect: Suspect) -> str:
    """The abstract pair that could not be excluded, in words."""
    role = machine.roles[suspect.role]
    shared = system.shareds.values[suspect.core[0]]
    local = system.locals.values[suspect.local]
    memory = ", ".join(
        f"{site.name} {machine.setup.layout.contents(shared.memory, number).hex(' ')}"
        for number, site in enumerate(machine.setup.protocol.sites)
    )
    return (
        f"with {memory} in memory, a {role.name} with {local} "
        f"might violate {suspect.row.violations[0]}"
    )
