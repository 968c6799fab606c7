"""What an engine is asked, and what it answers. Pure data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, get_args

from modelcheck.explore.system import Transition

INTERRUPTED = "interrupted"
"""The reason of what Ctrl-C cut short."""


class Verdict(StrEnum):
    """The answer. A search that was cut short is inconclusive, never safe."""

    SAFE = "safe"
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


Watcher = Callable[[Progress], None]
"""Told now and then how far a run has come."""


@dataclass(frozen=True)
class Saving:
    """Where and how often a search is saved.

    `subject` says what is searched, in words; a checkpoint of another subject is refused. With
    `resume`, the search goes on from the checkpoint in the folder, which must be there. It is
    saved every `seconds` or at the first level after a tenth of that.
    """

    folder: Path
    subject: dict[str, str] = field(default_factory=dict)
    resume: bool = False
    seconds: float = 10


class UnsupportedError(Exception):
    """An engine was asked for something that it cannot do. The message says what, and who can."""


Extra = Literal["saving", "spill", "beyond_violations"]
"""The fields of a request that not every engine can honour; see Engine.takes."""

IN_WORDS: dict[Extra, str] = {
    "saving": "save",
    "spill": "spill",
    "beyond_violations": "go on beyond violations",
}


@dataclass(frozen=True)
class Request:
    """One search, as an engine is asked for it.

    `threads` is the most to use at a time (None: as many as there are cores). `saving` says where
    checkpoints are kept, `spill` is a folder for nameless files that hold the states in place of
    memory. With `beyond_violations`, violating steps are steps like any other and the whole state
    space is searched; otherwise the search ends with the first level that has a violation.
    """

    limits: Limits = NO_LIMITS
    watcher: Watcher | None = None
    threads: int | None = None
    saving: Saving | None = None
    spill: Path | None = None
    beyond_violations: bool = False

    @property
    def extras(self) -> frozenset[Extra]:
        """What it asks for that not every engine can do."""
        return frozenset(name for name in get_args(Extra) if getattr(self, name))

    def only(self, takes: frozenset[Extra], engine: str) -> None:
        """Raises UnsupportedError if it asks for more than the engine of this name takes."""
        for name in sorted(self.extras - takes):
            raise UnsupportedError(f"the {engine} engine cannot {IN_WORDS[name]}; choose another")


@dataclass(frozen=True)
class Exploration:
    """The answer of an engine to a request.

    `states` and `transitions` count what was reached (up to a permutation of replicas, if
    `symmetric`), `depth` the levels below the initial state. If violated, `path` is a shortest one
    to a violation, whose last transition violates `property`; a violation has no path only if the
    search for it was interrupted, or went on beyond violations. `reason` says what cut the search
    short, if anything did.
    """

    engine: str
    """Who answered."""
    verdict: Verdict
    states: int
    transitions: int
    depth: int
    seconds: float
    """Wall seconds, from the first state on."""
    property: str | None = None
    path: tuple[Transition, ...] = ()
    reason: str | None = None
    loop: int | None = None
    """Where `path` is a lasso, how many of its steps come before the loop."""
    found: frozenset[str] = frozenset()
    """The properties violated on the last level, or anywhere if it went on beyond violations."""
    symmetric: bool = False
    confirmed_by: str | None = None
    """The second engine, which gave the same answer on its own."""
