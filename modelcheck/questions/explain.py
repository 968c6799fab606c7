"""Explaining: why no CPU can execute torn bytes, mix by mix, or how one can.

Knows the axioms, and no search; knows nothing of views.
"""

from dataclasses import dataclass
from typing import assert_never

from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.reasons import Mixed, Possible, explained_mixes
from modelcheck.explore.pulse import LimitError, in_time, why
from modelcheck.explore.verdict import NO_LIMITS, Limits, Verdict
from modelcheck.protocol.properties import TORN
from modelcheck.questions.answer import Ground, Grounds, Means
from modelcheck.questions.check import Job


@dataclass(frozen=True)
class Explanation:
    """What is to be said of as many mixes as account for every torn fetch.

    If `reason` is set, nothing is: it says what the axioms do not cover, or what cut it short.
    """

    job: Job
    mixes: tuple[Mixed, ...]
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether no mix is possible."""
        if self.reason is not None:
            return Verdict.INCONCLUSIVE
        tears = any(isinstance(mix, Possible) for mix in self.mixes)
        return Verdict.VIOLATED if tears else Verdict.SAFE

    @property
    def grounds(self) -> Grounds:
        """The axioms."""
        return (Ground(Means.AXIOMS),) if self.reason is None else ()

    @property
    def as_expected(self) -> bool:
        """Whether that is what the spec states of torn instructions."""
        return tears_as_expected(self.job, self.verdict)


@in_time
def explain(job: Job, limits: Limits = NO_LIMITS) -> Explanation:
    """Put the mixes to Z3 as constraints over an order of events, for so many seconds at most."""
    try:
        return Explanation(job, explained_mixes(job.variant.protocol, job.configuration))
    except NotCoveredError as error:
        return Explanation(job, (), f"Not covered by the axioms: {error}")
    except (LimitError, MemoryError) as stop:
        return Explanation(job, (), f"Cut short: {why(stop)}")


def tears_as_expected(job: Job, verdict: Verdict) -> bool:
    """Whether a verdict on torn instructions alone is the one that the spec states.

    Where it expects any of several violations, a tear may be among them or not.
    """
    match verdict:
        case Verdict.SAFE:
            return job.expected != (TORN,)
        case Verdict.VIOLATED:
            return TORN in job.expected
        case Verdict.INCONCLUSIVE:
            return False
        case never:
            assert_never(never)
