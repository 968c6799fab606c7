"""Findings: what is not as expected, each bug once, with the fetch models that it shows under.

Knows results; knows nothing of how they are shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modelcheck.explore.verdict import Verdict
from modelcheck.questions.check import DEFAULT_FETCH, VACUOUS, Result

UNEXPECTEDLY_SAFE = "unexpectedly-safe"
UNEXPECTEDLY_VACUOUS = "unexpectedly-vacuous"
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Finding:
    """The results of one variant that are not as expected in one way."""

    results: tuple[Result, ...]

    @property
    def result(self) -> Result:
        """The one to show: under the default fetch model, if that is among them."""
        return min(self.results, key=lambda one: one.job.configuration.fetch != DEFAULT_FETCH)

    @property
    def kind(self) -> str:
        """The property that is violated, or what else is not as expected, by name."""
        return kind(self.result)

    @property
    def where(self) -> str:
        """The protocol, the variant, and the fetch models."""
        job = self.result.job
        models = ", ".join(result.job.configuration.fetch for result in self.results)
        return f"{job.suite.protocol.name}, {job.variant.name} ({models})"

    @property
    def said(self) -> str:
        """What was expected and what was found."""
        if self.kind == INCONCLUSIVE:
            return f"inconclusive: {self.result.reason}"
        wanted = " or ".join(dict.fromkeys(expected(result) for result in self.results))
        violated = self.result.violated
        found = f"{violated} violated" if violated else self.result.word
        nothing = "; ".join(rests_on_nothing(self.results))
        why = f" ({nothing})" if nothing else ""
        return f"expected {wanted}, found {found}{why}"

    @property
    def surprising(self) -> bool:
        """Whether there is a verdict, and it is not the one that the spec states."""
        return self.result.surprising


def kind(result: Result) -> str:
    """How a result is not as expected."""
    if result.verdict is Verdict.INCONCLUSIVE:
        return INCONCLUSIVE
    return result.violated or (UNEXPECTEDLY_VACUOUS if result.is_vacuous else UNEXPECTEDLY_SAFE)


def expected(result: Result) -> str:
    """The verdict that the spec states, in words."""
    if result.expected:
        return " or ".join(result.expected) + " violated"
    return VACUOUS if result.job.variant.vacuous else str(Verdict.SAFE)


def rests_on_nothing(results: Iterable[Result]) -> tuple[str, ...]:
    """Why those verdicts that are vacuous are so, each reason once."""
    vacuous = (result for result in results if result.is_vacuous)
    return tuple(dict.fromkeys(why for result in vacuous for why in result.vacuity.nothing))


def findings(results: Iterable[Result]) -> tuple[Finding, ...]:
    """All that is not as expected, in the order in which it was found."""
    found: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if not result.as_expected:
            job = result.job
            # A search that was cut short by something else is to be told by itself.
            key = (job.suite.protocol.name, job.variant.name, kind(result), result.reason or "")
            found.setdefault(key, []).append(result)
    return tuple(Finding(tuple(some)) for some in found.values())
