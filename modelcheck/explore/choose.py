"""Engines made of others: by size, and two of them for the paranoid. Knows the engines."""

from dataclasses import dataclass, replace

from modelcheck.explore.compiled import COMPILED, SYMMETRIC
from modelcheck.explore.engine import Engine, differences
from modelcheck.explore.pulse import too_many
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Exploration, Extra, Request, Verdict

SMALL = 30_000
"""States up to which the reference is faster than loading compiled code."""

MANY, SMALL_OF_MANY = 4, 3_000
"""Replicas of a role from which on symmetry is worth more than plain counts: 4! = 24 times; and
the states up to which the reference searches then, since there are likely to be many more."""


class DisagreementError(Exception):
    """Two engines gave different answers: at least one of them is wrong."""


@dataclass(frozen=True)
class BySize:
    """The reference, and beyond SMALL states a compiled engine, which is the symmetric one if some
    role has MANY replicas. The exploration says who answered."""

    name: str = "auto"
    takes: frozenset[Extra] = COMPILED.takes

    def explore(self, system: System, request: Request = Request()) -> Exploration:
        """Search as an engine does. Raises CheckpointError for what cannot be resumed."""
        request.only(self.takes, self.name)
        limits = request.limits
        many = any(role.replicated and role.count >= MANY for role in system.model.roles)
        small = SMALL_OF_MANY if many else SMALL
        spent = 0.0
        if request.saving is None or not request.saving.resume:
            may_end_early = limits.states is None or limits.states > small
            first = replace(limits, states=small) if may_end_early else limits
            found = REFERENCE.explore(
                system, replace(request, limits=first, saving=None, spill=None)
            )
            if not (may_end_early and found.reason == too_many(small)):
                return found
            spent = found.seconds
        if limits.seconds is not None:
            limits = replace(limits, seconds=max(limits.seconds - spent, 0))
        engine = SYMMETRIC if many else COMPILED
        found = engine.explore(system, replace(request, limits=limits))
        return replace(found, seconds=found.seconds + spent)


AUTO = BySize()


@dataclass(frozen=True)
class Paranoid:
    """An engine whose every answer is asked of a second one, which is unlike it."""

    engine: Engine

    @property
    def name(self) -> str:
        """Whose answers they are."""
        return self.engine.name

    @property
    def takes(self) -> frozenset[Extra]:
        """What the first engine takes, as far as the second can follow."""
        return self.engine.takes & COMPILED.takes

    def explore(self, system: System, request: Request = Request()) -> Exploration:
        """Search twice. Raises DisagreementError if paranoia proves right."""
        request.only(self.takes, self.name)
        found = self.engine.explore(system, request)
        if found.verdict is Verdict.INCONCLUSIVE:
            return found
        unlike: Engine = REFERENCE if found.engine == COMPILED.name else COMPILED
        again = replace(
            request, saving=None, spill=request.spill if "spill" in unlike.takes else None
        )
        other = unlike.explore(System(system.model), again)
        seconds = found.seconds + other.seconds
        if other.verdict is Verdict.INCONCLUSIVE:
            reason = f"the second engine: {other.reason}"
            unsettled = replace(found, verdict=Verdict.INCONCLUSIVE, property=None, path=())
            return replace(unsettled, reason=reason, seconds=seconds)
        differing = differences(found, other)
        if differing:
            raise DisagreementError("; ".join(differing))
        return replace(found, seconds=seconds, confirmed_by=other.engine)
