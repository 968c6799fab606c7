"""Repair: the fewest edits of the patcher's program that make a variant safe.

An edit inserts a step that synchronises, or moves a step; what the patch leaves behind stays.
Knows jobs, judgements and proofs; knows nothing of how results are shown.
"""

import re
from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple, assert_never

from modelcheck.explore.pulse import CUT_SHORT, LimitError, time_limit, why
from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import Element, Line, flatten, flow, is_sync, units
from modelcheck.protocol.suite import Variant
from modelcheck.protocol.vocabulary.program import on_each_cpu
from modelcheck.questions.answer import Grounds, grounds_of, together
from modelcheck.questions.check import Job
from modelcheck.questions.judge import (
    PROVED,
    EndState,
    Judge,
    Judgement,
    Listener,
    completes,
    end_state,
    goes_on,
    meaning,
    safety_only,
)
from modelcheck.questions.prove import Proof, prove
from modelcheck.questions.subject import Subject

Numbers = tuple[int, ...]
"""A program as the numbers of its units; units that do the same have the same number."""


class Edit(NamedTuple):
    """Put a unit at place `to`: a new one of this number, or the one that stands at `moved`."""

    number: int
    to: int
    moved: int | None = None

    def apply(self, program: Numbers) -> Numbers:
        """The edited program."""
        left = program
        if self.moved is not None:
            left = (*program[: self.moved], *program[self.moved + 1 :])
        return (*left[: self.to], self.number, *left[self.to :])

    @property
    def distance(self) -> int:
        """How far a step moves."""
        return 0 if self.moved is None else abs(self.to - self.moved)


@dataclass(frozen=True)
class Repair:
    """A repaired protocol: the labels of what was inserted and moved, and a proof for each model.

    `syncs` counts the steps of its program that synchronise, `distance` how far steps moved.
    `is_base` says that it does the same as the protocol that the variant was made from.
    """

    protocol: Protocol
    inserted: tuple[str, ...]
    moved: tuple[str, ...]
    syncs: int
    distance: int
    is_base: bool
    proofs: tuple[Proof, ...] = ()

    @property
    def rank(self) -> tuple[int, ...]:
        """By what to sort repairs: by what they cost to run, and then by how little they change."""
        return self.syncs, len(self.inserted), self.distance


class Rejected(StrEnum):
    """Why a program is no repair."""

    OTHER_END = "other code or data left behind"
    NEVER_ENDS = "an end that is never reached"
    HOPELESS = "a counterexample whatever syncs are put in"
    REFUTED = "a counterexample"
    STUCK = "somebody left stuck"
    UNKNOWN = "neither a proof nor a counterexample"


class Standing(NamedTuple):
    """How a protocol stands under the fetch models asked about: those that show a counterexample,
    and those under which it is neither refuted nor proved."""

    violated: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Whether it is proved safe under all of them."""
        return not (self.violated or self.unproved)


PROVED_SAFE = Standing()


@dataclass
class Repairs:
    """What was found for a variant, filled in as the search goes on.

    `stands` says how the variant stands, `base` how the protocol that it was made from. Every
    program with up to `edits` edits was judged; `rejected` counts those that are no repairs.
    `found` has all repairs of the smallest size, the cheapest first. With `complete`, nothing was
    cut short; otherwise `reason` says by what.
    """

    jobs: tuple[Job, ...]
    stands: Standing = PROVED_SAFE
    base: Standing = PROVED_SAFE
    edits: int = 0
    rejected: Counter[Rejected] = field(default_factory=Counter)
    found: list[Repair] = field(default_factory=list)
    complete: bool = False
    reason: str | None = None

    @property
    def protocol(self) -> Protocol:
        """The variant to repair."""
        return self.jobs[0].variant.protocol

    @property
    def tried(self) -> int:
        """How many programs were judged."""
        return self.rejected.total() + len(self.found)

    @property
    def undecided(self) -> int:
        """How many of them could be neither proved nor refuted."""
        return self.rejected[Rejected.UNKNOWN]

    @property
    def repaired(self) -> bool:
        """Whether there is nothing left to repair."""
        return bool(self.found) or (self.complete and self.stands.proved)

    @property
    def verdict(self) -> Verdict:
        """Safe if there is nothing left to repair, violated if no edits of that size do it."""
        if not self.complete:
            return Verdict.INCONCLUSIVE
        if self.repaired:
            return Verdict.SAFE
        refuted = self.stands.violated and not self.undecided
        return Verdict.VIOLATED if refuted else Verdict.INCONCLUSIVE

    @property
    def grounds(self) -> Grounds:
        """The proofs of the repairs; of what needs none the abstraction; or the counterexamples."""
        proofs = [proof for found in self.found for proof in found.proofs]
        return grounds_of(
            self.verdict,
            safe=together(g for proof in proofs for g in proof.grounds) or PROVED.grounds,
            violated=Judgement(Verdict.VIOLATED).grounds,
        )

    @property
    def as_expected(self) -> bool:
        """Whether the variant is safe, or can be made so."""
        return self.verdict is Verdict.SAFE


def repair(
    jobs: tuple[Job, ...], most_edits: int, judge: Judge, *, spec: str, tell: Listener
) -> Repairs:
    """Look for the smallest repairs of the variant of `jobs`, safe under each job's fetch model.

    The jobs differ in the fetch model alone. Ctrl-C and the judge's limits end it with what is
    known by then.
    """
    jobs = tuple(safety_only(job) for job in jobs)
    result = Repairs(jobs)
    try:
        with time_limit(judge.seconds):
            result.stands = _standing(jobs, jobs[0].variant.protocol, judge)
            result.base = _standing(jobs, jobs[0].suite.protocol, judge)
            if not result.stands.proved:
                _search(result, most_edits, judge, tell)
                for number, found in enumerate(result.found):
                    tell(f"proving repair {number + 1} of {len(result.found)}")
                    result.found[number] = _proved(found, jobs, spec)
            result.complete = True
    except CUT_SHORT as stop:
        result.reason = why(stop)
    return result


def _standing(jobs: tuple[Job, ...], protocol: Protocol, judge: Judge) -> Standing:
    by_verdict: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for job in jobs:
        verdict = judge.judge(Subject(protocol, job.configuration)).verdict
        by_verdict[verdict].append(job.configuration.fetch)
    return Standing(tuple(by_verdict[Verdict.VIOLATED]), tuple(by_verdict[Verdict.INCONCLUSIVE]))


def _search(result: Repairs, most_edits: int, judge: Judge, tell: Listener) -> None:
    candidates = _Candidates(result.jobs, judge)
    level = [candidates.start]
    for size in range(1, most_edits + 1):
        fresh = candidates.further(level)
        for number, program in enumerate(fresh):
            tell(f"{size} edits, program {number + 1:,} of {len(fresh):,}")
            rejected = candidates.rejected(program)
            if rejected is None:
                insort(result.found, candidates.repair(program), key=lambda found: found.rank)
            else:
                result.rejected[rejected] += 1
        result.edits, level = size, fresh
        if result.found:
            break


def _proved(found: Repair, jobs: tuple[Job, ...], spec: str) -> Repair:
    variant = Variant("repaired", found.protocol)
    proofs = tuple(prove(replace(job, variant=variant), spec=spec) for job in jobs)
    for proof in proofs:
        if proof.interrupted:
            raise KeyboardInterrupt
        if proof.reason is not None:
            raise LimitError(proof.reason)
    assert all(proof.verdict is Verdict.SAFE for proof in proofs)
    return replace(found, proofs=proofs)


class _Candidates:
    """The programs that edits lead to, and the verdicts on them."""

    def __init__(self, jobs: tuple[Job, ...], judge: Judge) -> None:
        self._jobs = list(jobs)
        self._configuration = jobs[0].configuration
        self._judge = judge
        self._variant, self._base = jobs[0].variant.protocol, jobs[0].suite.protocol
        ends = end_state(self._variant), end_state(self._base)
        self._ends_known = None not in ends
        """Otherwise a program that is not seen to end may be as right as they are."""
        # What the base leaves behind is right, and what the variant does if that is the patch.
        self._right = {end for end in ends if end == ends[1] or completes(self._variant, end)}
        self._elements: list[Element] = []
        self._numbers: dict[tuple[Line, ...], int] = {}
        self.units = tuple(units(self._variant.program))
        self.start = tuple(self._number(unit) for unit in self.units)
        based = tuple(units(self._base.program))
        own = [unit for unit in (*self.units, *based) if is_sync(unit)] or [on_each_cpu("sync")]
        self._whole = tuple(dict.fromkeys(self._number(unit) for unit in own))
        """The syncs that the protocol has; besides them, each of their steps can be inserted."""
        parts = (step for unit in own for step in flatten((unit,)))
        self._kinds = tuple(dict.fromkeys((*self._whole, *(self._number(step) for step in parts))))
        mine = {unit.label for unit in self.units}
        self._spare = [unit for unit in based if unit.label not in mine]
        """What the base has and the variant lacks: it names what is inserted."""
        self._ways: dict[Numbers, tuple[Edit, ...]] = {self.start: ()}
        self._left: dict[Numbers, EndState | None] = {}
        self._hopeless: dict[Numbers, bool] = {}

    def _number(self, unit: Element) -> int:
        lines = (line._replace(step=replace(line.step, label="")) for line in flow((unit,)))
        number = self._numbers.setdefault(tuple(lines), len(self._elements))
        if number == len(self._elements):
            self._elements.append(unit)
        return number

    def further(self, level: list[Numbers]) -> list[Numbers]:
        """The programs one edit further, none met before. Of several ways to one, that counts
        which moves steps least far."""
        fresh: dict[Numbers, tuple[Edit, ...]] = {}
        for program in level:
            for edit in self._edits(program):
                edited, way = edit.apply(program), (*self._ways[program], edit)
                if edited not in self._ways and (
                    edited not in fresh or _distance(way) < _distance(fresh[edited])
                ):
                    fresh[edited] = way
        self._ways |= fresh
        return list(fresh)

    def _edits(self, program: Numbers) -> Iterator[Edit]:
        """All single edits."""
        for number in self._kinds:
            for to in range(len(program) + 1):
                yield Edit(number, to)
        for at, number in enumerate(program):
            for to in range(len(program)):
                yield Edit(number, to, moved=at)

    def rejected(self, program: Numbers) -> Rejected | None:
        """Why a program is no repair: one does the patch, is safe under all models, and leaves
        nobody stuck. None if it is one."""
        rest = self._without_syncs(program)
        if rest not in self._left:
            self._left[rest] = end_state(self._protocol(rest))
        left = self._left[rest]
        if left is None:
            return Rejected.NEVER_ENDS if self._ends_known else Rejected.UNKNOWN
        if left not in self._right:
            return Rejected.OTHER_END if self._ends_known else Rejected.UNKNOWN
        if self._is_hopeless(program):
            return Rejected.HOPELESS
        match self._judged(program):
            case Verdict.SAFE:
                edited = Subject(self._protocol(program), self._configuration)
                return None if goes_on(edited) else Rejected.STUCK
            case Verdict.VIOLATED:
                return Rejected.REFUTED
            case Verdict.INCONCLUSIVE:
                return Rejected.UNKNOWN
            case unknown:
                assert_never(unknown)

    def _without_syncs(self, program: Numbers) -> Numbers:
        return tuple(number for number in program if number not in self._kinds)

    def _is_hopeless(self, program: Numbers) -> bool:
        """Whether it is not safe even with every sync in every place.

        A step that synchronises only restricts what others may do. So a counterexample of the
        program filled up with syncs, those of its own among them, is one of the program too.
        """
        gaps = (len(list(g)) for is_gap, g in groupby(program, self._kinds.__contains__) if is_gap)
        sync = self._whole * max(gaps, default=1)
        full = (*sync, *(n for unit in self._without_syncs(program) for n in (unit, *sync)))
        if full not in self._hopeless:
            self._hopeless[full] = self._judged(full) is Verdict.VIOLATED
        return self._hopeless[full]

    def _judged(self, program: Numbers) -> Verdict:
        protocol = self._protocol(program)
        answer = Verdict.SAFE
        for job in tuple(self._jobs):
            verdict = self._judge.judge(Subject(protocol, job.configuration)).verdict
            if verdict is Verdict.VIOLATED:
                # What has refuted one program is the first to be asked about the next.
                self._jobs.remove(job)
                self._jobs.insert(0, job)
                return verdict
            if verdict is Verdict.INCONCLUSIVE:
                answer = verdict
        return answer

    def _protocol(self, program: Numbers) -> Protocol:
        elements = (self._elements[number] for number in program)
        named = tuple(replace(unit, label=str(place)) for place, unit in enumerate(elements))
        return replace(self._variant, program=named)

    def repair(self, program: Numbers) -> Repair:
        """The program as a repair, in the labels of the variant and the base."""
        edits = self._ways[program]
        elements = list(self.units)
        inserted: list[str] = []
        moved: list[str] = []
        for edit in edits:
            if edit.moved is None:
                unit = self._named(edit.number, {element.label for element in elements})
                inserted.append(unit.label)
            else:
                unit = elements.pop(edit.moved)
                moved.append(unit.label)
            elements.insert(edit.to, unit)
        protocol = replace(self._variant, program=tuple(elements))
        return Repair(
            protocol,
            tuple(inserted),
            tuple(moved),
            syncs=sum(is_sync(step) for step in flatten(protocol.program)),
            distance=_distance(edits),
            is_base=meaning(protocol) == meaning(self._base),
        )

    def _named(self, number: int, taken: set[str]) -> Element:
        """A unit to insert: the one that the variant lacks, or a new one."""
        for unit in self._spare:
            if unit.label not in taken and self._number(unit) == number:
                return unit
        element = self._elements[number]
        name = "new-" + re.sub(r"-?\d+$", "", element.label.split("/")[-1])
        count = sum(label.startswith(name) for label in taken)
        return replace(element, label=f"{name}-{count + 1}" if count else name, source=None)


def _distance(edits: tuple[Edit, ...]) -> int:
    return sum(edit.distance for edit in edits)
