"""What an engine is, and the engines there are, by name.

Knows the engines; they know what they are asked and what they answer (verdict.py). A new engine is
a class with these members, one line in ENGINES, and what conformance.py asks of each.
"""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol

from modelcheck.explore.compiled import COMPILED, SYMMETRIC
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Exploration, Extra, Request


class Engine(Protocol):
    """What searches a system and answers. All engines give the same answers.

    Those are the reference's: the same verdict, property, depth and shortest length, with as few
    switches between actors; the same states and transitions, or those up to a permutation of
    replicas if the answer says `symmetric`. An engine keeps nothing from one search to the next.
    """

    @property
    def name(self) -> str:
        """What to call it; its explorations have it as `engine`."""

    @property
    def takes(self) -> frozenset[Extra]:
        """What of a request it can do besides limits, watcher and threads, which every one can."""

    def explore(self, system: System, request: Request = ...) -> Exploration:
        """Search all reachable states, level by level, up to the first level with a violation.

        A search that was cut short, by a limit or by Ctrl-C, is inconclusive or has found a
        violation, never safe. Raises UnsupportedError for what the engine does not take.
        """


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {engine.name: engine for engine in (REFERENCE, COMPILED, SYMMETRIC)}
)
"""All engines. `reference` searches in plain Python, `compiled` in machine code, and `symmetric`
so too, with states counted up to a permutation of replicas."""


def differences(one: Exploration, other: Exploration) -> list[str]:
    """How two explorations of a system differ in what both engines should know, in words."""
    mine, theirs = _comparable(one), _comparable(other)
    if one.symmetric != other.symmetric:
        for counts in (mine, theirs):
            del counts["states"], counts["transitions"]
    return [
        f"{what} {value} by {one.engine} but {theirs[what]} by {other.engine}"
        for what, value in mine.items()
        if value != theirs[what]
    ]


def _comparable(found: Exploration) -> dict[str, object]:
    contexts = [(transition.actor, transition.row.interrupt) for transition in found.path]
    return {
        "verdict": found.verdict,
        "violated": sorted(found.found),
        "property": found.property,
        "depth": found.depth,
        "length": len(found.path),
        "switches": sum(before != after for before, after in pairwise(contexts)),
        "path": [(transition.actor, transition.row.number) for transition in found.path],
        "states": found.states,
        "transitions": found.transitions,
    }
