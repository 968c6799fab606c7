"""What an exploration is limited by, and what it answers. Pure data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from modelcheck.explore.system import Transition


class Verdict(StrEnum):
    """The answer. A search that was cut short is inconclusive, never safe.

    Vacuous is a safe verdict that rests on nothing, since nobody ran what it is about; no engine
    says so, but who looks at what a search came to.
    """

    SAFE = "safe"
    VACUOUS = "vacuous"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Limits:
    """Where to give up: states kept, wall seconds, and MiB of this process's memory."""

    states: int | None = None
    seconds: float | None = None
    memory: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Progress:
    """How far a run has come. `depth` is the level being expanded, `seconds` since the start."""

    states: int
    transitions: int
    frontier: int
    depth: int
    seconds: float


@dataclass(frozen=True)
class Exploration:
    """The answer of an explorer.

    `states` and `transitions` count what was reached, `depth` the levels below the initial state.
    If violated, `path` is a shortest one to a violation, whose last transition violates
    `property`; a violation has no path only if the search for it was interrupted, or went on
    beyond violations. `reason` says what cut the search short, if anything did.
    """

    verdict: Verdict
    states: int
    transitions: int
    depth: int
    seconds: float
    property: str | None = None
    path: tuple[Transition, ...] = ()
    reason: str | None = None
    loop: int | None = None
    """Where `path` is a lasso, how many of its steps come before the loop."""
    found: frozenset[str] = field(default_factory=frozenset)
    """The properties violated somewhere, where the search went on beyond the first."""


Watcher = Callable[[Progress], None]
"""Told now and then how far a run has come."""
