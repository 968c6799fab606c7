"""Explaining: why no CPU can execute torn bytes, mix by mix, or how one can; and torn sequences.

Knows the axioms, and no search; knows nothing of views.
"""

from dataclasses import dataclass
from typing import assert_never

from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.reasons import Mixed, Possible, explained_mixes
from modelcheck.axiomatic.sequences import mixed_sequences
from modelcheck.axiomatic.stories import Story
from modelcheck.explore.pulse import LimitError, in_time, why
from modelcheck.explore.verdict import NO_LIMITS, Limits, Verdict
from modelcheck.protocol.properties import SEQUENCE, TORN
from modelcheck.questions.answer import Ground, Grounds, Means
from modelcheck.questions.check import Job


@dataclass(frozen=True)
class Explanation:
    """What is to be said of as many mixes as account for every torn fetch.

    `sequences` has the passes through regions that mix whole instructions of several forms, where
    that is watched. If `reason` is set, nothing is said: it says what the axioms do not cover, or
    what cut it short.
    """

    job: Job
    mixes: tuple[Mixed, ...] = ()
    sequences: tuple[Story, ...] = ()
    reason: str | None = None

    @property
    def violated(self) -> tuple[str, ...]:
        """The properties that the axioms show to be violated."""
        tears = any(isinstance(mix, Possible) for mix in self.mixes)
        return (*((TORN,) if tears else ()), *((SEQUENCE,) if self.sequences else ()))

    @property
    def verdict(self) -> Verdict:
        """Whether no mix is possible."""
        if self.reason is not None:
            return Verdict.INCONCLUSIVE
        return Verdict.VIOLATED if self.violated else Verdict.SAFE

    @property
    def grounds(self) -> Grounds:
        """The axioms."""
        return (Ground(Means.AXIOMS),) if self.reason is None else ()

    @property
    def as_expected(self) -> bool:
        """Whether that is what the spec states of torn instructions and sequences."""
        return _as_expected(self.job, (TORN, SEQUENCE), self.violated, self.verdict)


@in_time
def explain(job: Job, limits: Limits = NO_LIMITS) -> Explanation:
    """Put the mixes to Z3 as constraints over an order of events, for so many seconds at most."""
    protocol, configuration = job.variant.protocol, job.configuration
    try:
        mixes = explained_mixes(protocol, configuration)
        watched = SEQUENCE in job.setup.watched
        sequences = mixed_sequences(protocol, configuration) if watched else ()
        return Explanation(job, mixes, sequences)
    except NotCoveredError as error:
        return Explanation(job, reason=f"Not covered by the axioms: {error}")
    except (LimitError, MemoryError) as stop:
        return Explanation(job, reason=f"Cut short: {why(stop)}")


def tears_as_expected(job: Job, verdict: Verdict) -> bool:
    """Whether a verdict on torn instructions alone is the one that the spec states.

    Where it expects any of several violations, a tear may be among them or not.
    """
    return _as_expected(job, (TORN,), (TORN,) if verdict is Verdict.VIOLATED else (), verdict)


def _as_expected(
    job: Job, asked: tuple[str, ...], violated: tuple[str, ...], verdict: Verdict
) -> bool:
    """Whether the spec states of the properties asked about that these are violated."""
    match verdict:
        case Verdict.SAFE:
            return not job.expected or not set(job.expected) <= set(asked)
        case Verdict.VIOLATED:
            return bool(set(job.expected) & set(violated))
        case Verdict.INCONCLUSIVE:
            return False
        case never:
            assert_never(never)
