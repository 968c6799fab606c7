"""What every question answers with: a verdict, and what it rests on. Knows verdicts only."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol, assert_never, runtime_checkable

from modelcheck.explore.verdict import Verdict


class Means(StrEnum):
    """By what something is known. Any two of them share no code but the meaning of a step."""

    SEARCH = "a search of states"
    REPLAY = "a run of the machine alone"
    GRAPH = "the graph of all states and turns"
    AUTOMATA = "a comparison of automata"
    ABSTRACTION = "pairs of shared and local states, for any number of CPUs"
    SOLVER = "an inductive invariant that Z3 confirms"
    AXIOMS = "axioms of an order of events, decided by Z3"


class Ground(NamedTuple):
    """One thing that a verdict rests on; `by` says whose it is, where there are several."""

    means: Means
    by: str = ""

    def __str__(self) -> str:
        return f"{self.means} ({self.by})" if self.by else str(self.means)


Grounds = tuple[Ground, ...]


@runtime_checkable
class Answer(Protocol):
    """What a question answers with.

    Each question has a class of its own that is one, with all else that there is to tell.
    """

    @property
    def verdict(self) -> Verdict:
        """Whether what was asked holds: safe if it does, violated if not, or inconclusive."""

    @property
    def grounds(self) -> Grounds:
        """What the verdict rests on; nothing if it is inconclusive."""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one hoped for, or stated by the spec; never if
        inconclusive."""


def surprising(answer: Answer) -> bool:
    """Whether there is a verdict, and it is not the one expected."""
    return not answer.as_expected and answer.verdict is not Verdict.INCONCLUSIVE


def grounds_of(verdict: Verdict, *, safe: Iterable[Ground], violated: Iterable[Ground]) -> Grounds:
    """What a verdict rests on, by what it is: an inconclusive one on nothing."""
    match verdict:
        case Verdict.SAFE:
            return tuple(safe)
        case Verdict.VIOLATED:
            return tuple(violated)
        case Verdict.INCONCLUSIVE:
            return ()
        case never:
            assert_never(never)


def together(grounds: Iterable[Ground]) -> Grounds:
    """Grounds of several answers, each named once."""
    return tuple(dict.fromkeys(grounds))
