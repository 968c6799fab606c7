"""Which explorer answers: by size, or as told; and two of them for the paranoid.

Knows the explorers.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from modelcheck.explore import compiled, reference
from modelcheck.explore.compiled.saving import Saving
from modelcheck.explore.pulse import too_many
from modelcheck.explore.system import System
from modelcheck.explore.verdict import NO_LIMITS, Exploration, Limits, Verdict, Watcher

Explorer = Literal["reference", "compiled", "symmetric"]
"""`reference` searches in plain Python, `compiled` in machine code, and `symmetric` so too, with
states counted up to a permutation of replicas."""

SMALL = 30_000
"""States up to which the reference is faster than loading compiled code."""

MANY, SMALL_OF_MANY = 4, 3_000
"""Replicas of a role from which on symmetry is worth more than plain counts: 4! = 24 times; and
the states up to which the reference searches then, since there are likely to be many more."""


class DisagreementError(Exception):
    """Two explorers gave different answers: at least one of them is wrong."""


@dataclass(frozen=True)
class Choice:
    """How to explore.

    `explorer` None: by size. `threads` None: all cores. `paranoid`: answer twice, by unlike
    explorers. `spill` is a folder for files that hold the states, in place of memory. Checkpoints
    are kept in `checkpoint`, from which the search is taken up again with `resume`.
    """

    explorer: Explorer | None = None
    threads: int | None = None
    paranoid: bool = False
    spill: Path | None = None
    checkpoint: Path | None = None
    resume: bool = False


class Answer(NamedTuple):
    """An exploration, and whose it is."""

    explorer: Explorer
    found: Exploration


def explore(
    system: System,
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
    choice: Choice = Choice(),
    *,
    saving: Saving | None = None,
) -> Answer:
    """Explore by the explorer chosen.

    By size is: the reference, and beyond SMALL states a compiled one, which is the symmetric one if
    some role has MANY replicas. Raises DisagreementError if paranoia proves right, and
    CheckpointError for a checkpoint that cannot be resumed.
    """
    if choice.explorer is None:
        answer = _by_size(system, limits, watcher, choice, saving)
    else:
        answer = _run(choice.explorer, system, limits, watcher, choice, saving)
    if not choice.paranoid or answer.found.verdict is Verdict.INCONCLUSIVE:
        return answer
    unlike: Explorer = "reference" if answer.explorer == "compiled" else "compiled"
    other = _run(unlike, System(system.model), limits, watcher, choice, None)
    seconds = answer.found.seconds + other.found.seconds
    if other.found.verdict is Verdict.INCONCLUSIVE:
        reason = f"the second explorer: {other.found.reason}"
        found = replace(answer.found, verdict=Verdict.INCONCLUSIVE, property=None, path=())
        return Answer(answer.explorer, replace(found, reason=reason, seconds=seconds))
    compare(answer, other)
    return Answer(answer.explorer, replace(answer.found, seconds=seconds))


def compare(one: Answer, other: Answer) -> None:
    """Raises DisagreementError if the answers differ in what both explorers should know."""
    mine, theirs = _comparable(one), _comparable(other)
    if "symmetric" in (one.explorer, other.explorer):
        for counts in (mine, theirs):
            del counts["states"], counts["transitions"]
    differences = [
        f"{what} {value} by {one.explorer} but {theirs[what]} by {other.explorer}"
        for what, value in mine.items()
        if value != theirs[what]
    ]
    if differences:
        raise DisagreementError("; ".join(differences))


def _comparable(answer: Answer) -> dict[str, object]:
    found = answer.found
    threads = [(step.actor, step.row.interrupt) for step in found.path]
    return {
        "verdict": found.verdict,
        "property": found.property,
        "depth": found.depth,
        "length": len(found.path),
        "switches": sum(before != after for before, after in pairwise(threads)),
        "states": found.states,
        "transitions": found.transitions,
    }


def _by_size(
    system: System,
    limits: Limits,
    watcher: Watcher | None,
    choice: Choice,
    saving: Saving | None,
) -> Answer:
    many = any(role.replicated and role.count >= MANY for role in system.model.roles)
    small = SMALL_OF_MANY if many else SMALL
    spent = 0.0
    if saving is None or not saving.resume:
        may_end_early = limits.states is None or limits.states > small
        first = replace(limits, states=small) if may_end_early else limits
        answer = _run("reference", system, first, watcher, choice, None)
        if not (may_end_early and answer.found.reason == too_many(small)):
            return answer
        spent = answer.found.seconds
    if limits.seconds is not None:
        limits = replace(limits, seconds=max(limits.seconds - spent, 0))
    answer = _run("symmetric" if many else "compiled", system, limits, watcher, choice, saving)
    return Answer(answer.explorer, replace(answer.found, seconds=answer.found.seconds + spent))


def _run(
    explorer: Explorer,
    system: System,
    limits: Limits,
    watcher: Watcher | None,
    choice: Choice,
    saving: Saving | None,
) -> Answer:
    if explorer == "reference":
        return Answer(explorer, reference.explore(system, limits, watcher))
    found = compiled.explore(
        system,
        limits,
        watcher,
        threads=choice.threads,
        symmetric=explorer == "symmetric",
        spill=choice.spill,
        saving=saving,
    )
    return Answer(explorer, found)
