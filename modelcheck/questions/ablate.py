"""Ablation: what each step of a protocol is for, found by taking it away.

Knows jobs and judgements; knows nothing of how results are shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, pairwise
from typing import assert_never

from modelcheck.explore.pulse import CUT_SHORT, time_limit, why
from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.callee import CALLEE_PREFIX
from modelcheck.protocol.definition import CPU_PREFIX, HANDLER_PREFIX, NMI_PREFIX, Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Block, Element, If, Step, is_sync
from modelcheck.protocol.wellformed import labels as every_label
from modelcheck.questions.answer import Grounds, together
from modelcheck.questions.check import Job
from modelcheck.questions.judge import (
    UNDECIDED,
    EndState,
    Judge,
    Judgement,
    Listener,
    end_state,
    meaning,
    safety_only,
)
from modelcheck.questions.subject import Subject

Watch = tuple[str, str]
"""A fetch model, and the one property that is watched under it."""

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Edited:
    """A protocol after an edit of the steps `labels`: what it leaves behind, and its verdicts.

    Without an end state, its programs can never all end.
    """

    labels: Labels
    end_state: EndState | None
    verdicts: dict[Watch, Judgement]


@dataclass
class Ablation:
    """What is known of a protocol's steps, filled in as it is found.

    `base` is the protocol itself; `steps` has each step and block taken away, `pairs` each two
    syncs, `swaps` each two neighbouring steps exchanged. For each fetch model, `minimal` has the
    sets of syncs that keep all properties while no proper subset does, and `undecided` the sets
    that could be neither proved nor refuted. Without any of the steps `joined`, the others do not
    fit together. With `complete`, nothing was cut short; otherwise `reason` says by what.
    """

    jobs: tuple[Job, ...]
    base: Edited
    steps: list[Edited] = field(default_factory=list)
    pairs: list[Edited] = field(default_factory=list)
    minimal: dict[str, list[Labels]] = field(default_factory=dict)
    undecided: dict[str, list[Labels]] = field(default_factory=dict)
    swaps: list[Edited] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    complete: bool = False
    reason: str | None = None

    @property
    def protocol(self) -> Protocol:
        """The protocol whose steps these are."""
        return self.jobs[0].variant.protocol

    @property
    def syncs(self) -> Labels:
        """The steps and blocks that only synchronise."""
        return tuple(syncs(self.protocol))

    def effect(self, edited: Edited, watch: Watch) -> Judgement | None:
        """What the edit does to a property; None if the protocol itself does not have it.

        Unknown where it is not known of the protocol itself.
        """
        match self.base.verdicts[watch].verdict:
            case Verdict.SAFE:
                return edited.verdicts[watch]
            case Verdict.VIOLATED:
                return None
            case Verdict.INCONCLUSIVE:
                return UNDECIDED
            case never:
                assert_never(never)

    def broken(self, edited: Edited, fetch: str = "") -> tuple[str, ...]:
        """The properties that the edit violates (under one fetch model, or any)."""
        effects = ((q, self.effect(edited, q)) for q in edited.verdicts if fetch in ("", q[0]))
        found = (q[1] for q, effect in effects if effect and effect.verdict is Verdict.VIOLATED)
        return tuple(dict.fromkeys(found))

    def harmless(self, edited: Edited) -> bool:
        """Whether the edit is proved to keep every property that the protocol has."""
        effects = (self.effect(edited, watch) for watch in edited.verdicts)
        return all(effect is None or effect.verdict is Verdict.SAFE for effect in effects)

    @property
    def settled(self) -> bool:
        """Whether every question has an answer."""
        undecided = UNDECIDED in self._judgements() or any(self.undecided.values())
        return self.complete and not undecided

    @property
    def verdict(self) -> Verdict:
        """That of the protocol itself, once all is settled."""
        if not self.settled:
            return Verdict.INCONCLUSIVE
        verdicts = {judgement.verdict for judgement in self.base.verdicts.values()}
        return Verdict.VIOLATED if Verdict.VIOLATED in verdicts else Verdict.SAFE

    @property
    def grounds(self) -> Grounds:
        """What the judgements rest on; nothing unless all is settled."""
        every = chain.from_iterable(judgement.grounds for judgement in self._judgements())
        return together(every) if self.settled else ()

    @property
    def as_expected(self) -> bool:
        """Whether all is settled; what each step is for is nowhere stated."""
        return self.settled

    def _judgements(self) -> list[Judgement]:
        edits = chain((self.base,), self.steps, self.pairs, self.swaps)
        return [judgement for edited in edits for judgement in edited.verdicts.values()]


def ablate(jobs: tuple[Job, ...], judge: Judge, tell: Listener) -> Ablation:
    """Take the protocol of `jobs` apart; they differ in the fetch model alone.

    The steps are those of the patchers. Ctrl-C and the judge's limits end it with what is known by
    then.
    """
    jobs = tuple(safety_only(job) for job in jobs)
    protocol = jobs[0].variant.protocol

    def edited(labels: Labels, edit: Protocol) -> Edited:
        verdicts: dict[Watch, Judgement] = {}
        for job in jobs:
            fetch = job.configuration.fetch
            tell(f"{', '.join(labels)} under {fetch}")
            for name, judgement in judge.judge_each(Subject(edit, job.configuration)).items():
                verdicts[fetch, name] = judgement
        return Edited(labels, end_state(edit), verdicts)

    ablation = Ablation(jobs, Edited((), end_state(protocol), {}))
    try:
        with time_limit(judge.seconds):
            ablation.base = edited((), protocol)
            for path in _paths(protocol):
                try:
                    ablation.steps.append(edited((path,), protocol.without(path)))
                except SpecError:
                    ablation.joined.append(path)
            for pair in combinations(ablation.syncs, 2):
                ablation.pairs.append(edited(pair, protocol.without(*pair)))
            for job in jobs:
                _subsets(ablation, job, judge, tell)
            for pair in neighbours(protocol):
                swapped = protocol.swapped(*pair)
                if meaning(swapped) != meaning(protocol):
                    ablation.swaps.append(edited(pair, swapped))
            ablation.complete = True
    except CUT_SHORT as stop:
        ablation.reason = why(stop)
    return ablation


def _subsets(ablation: Ablation, job: Job, judge: Judge, tell: Listener) -> None:
    """Find the smallest sets of syncs.

    A sync only restricts what may happen: one that cannot be missed when all others are there is
    in every set that suffices.
    """
    fetch, every = job.configuration.fetch, ablation.syncs
    minimal, undecided = (
        by_fetch.setdefault(fetch, []) for by_fetch in (ablation.minimal, ablation.undecided)
    )

    def verdict(kept: Labels) -> Verdict:
        tell(f"only {', '.join(kept) or 'no sync'} under {fetch}")
        left = ablation.protocol.without(*(label for label in every if label not in kept))
        return judge.judge(Subject(left, job.configuration)).verdict

    if verdict(every) is Verdict.VIOLATED:
        return
    free = [
        label
        for label in every
        if verdict(tuple(other for other in every if other != label)) is not Verdict.VIOLATED
    ]
    for size in range(len(free) + 1):
        for extra in combinations(free, size):
            kept = tuple(label for label in every if label in extra or label not in free)
            if any(set(smaller) <= set(kept) for smaller in minimal):
                continue
            match verdict(kept):
                case Verdict.SAFE:
                    minimal.append(kept)
                case Verdict.INCONCLUSIVE:
                    undecided.append(kept)
                case Verdict.VIOLATED:
                    pass
                case unknown:
                    assert_never(unknown)


OTHERS = (HANDLER_PREFIX, CPU_PREFIX, CALLEE_PREFIX, NMI_PREFIX)
"""What begins the paths of steps that are no patcher's."""


def _paths(protocol: Protocol) -> Iterator[str]:
    """The paths of the patchers' steps and blocks, blocks before what they hold."""
    return (path for path in every_label(protocol) if not path.startswith(OTHERS))


def syncs(protocol: Protocol) -> Iterator[str]:
    """The paths of the elements that only synchronise; of a block that does, only its own."""
    within = ""
    for path in _paths(protocol):
        if is_sync(protocol.element(path)) and not (within and path.startswith(within)):
            within = path + "/"
            yield path


def neighbours(protocol: Protocol) -> Iterator[tuple[str, str]]:
    """The paths of each two elements of a patcher that follow one another in the same block.

    What follows what within a sync is nobody's choice.
    """
    for prefix, program in protocol.programs.items():
        if not prefix.startswith(OTHERS):
            yield from _neighbours(program, prefix)


def _neighbours(program: tuple[Element, ...], prefix: str) -> Iterator[tuple[str, str]]:
    for one, other in pairwise(program):
        yield prefix + one.label, prefix + other.label
    for element in program:
        within = prefix + element.label + "/"
        match element:
            case Block() if not is_sync(element):
                yield from _neighbours(element.steps, within)
            case If():
                yield from _neighbours(element.then, within)
                yield from _neighbours(element.otherwise, within)
            case Block() | Step():
                pass
            case _:
                raise AssertionError(element)
