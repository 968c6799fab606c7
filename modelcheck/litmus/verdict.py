"""From a test and an order to its final states and the verdict. Knows the explorers."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, assert_never

from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import NO_LIMITS, Exploration, Limits, Request
from modelcheck.litmus.condition import Equals, Faulted, Quantifier, evaluate
from modelcheck.litmus.foresight import foresee
from modelcheck.litmus.happenings import UnforeseenError
from modelcheck.litmus.machine import Litmus
from modelcheck.litmus.order import MemoryOrder
from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.run import LitmusStep, LitmusWalk
from modelcheck.litmus.state import Final


class LitmusVerdict(StrEnum):
    """What an order says of a test's outcome."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    REQUIRED = "required"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class LitmusJudgement:
    """The final states of a test, as text, and what they say.

    `run` is a shortest run to the outcome asked for, where one was wanted and there is one; of a
    required outcome, one to the contrary; `final` is where it ends. `reason` says what made it
    inconclusive.
    """

    test: LitmusTest
    order: MemoryOrder
    verdict: LitmusVerdict
    states: tuple[str, ...]
    matching: int
    reached: int
    seconds: float
    run: tuple[LitmusStep, ...] = field(default=())
    final: Final | None = None
    reason: str | None = None

    @property
    def observation(self) -> str:
        """How often the condition holds, in herd's words."""
        if not self.matching:
            return "Never"
        return "Always" if self.matching == len(self.states) else "Sometimes"


def judge(
    test: LitmusTest, order: MemoryOrder, limits: Limits = NO_LIMITS, *, with_run: bool = False
) -> LitmusJudgement:
    """Explore all runs of a test. Raises LitmusError where one leaves what is covered."""
    started = time.monotonic()
    contrary = test.quantifier is Quantifier.FORALL
    model, system, found = explored(test, order, limits)
    finals = {
        model.final(shared) for shared in system.shareds.values if None not in shared.outcomes
    }
    states: dict[str, bool] = {}
    for final in finals:
        states[told(test, final)] = holds(test, final)
    run: tuple[LitmusStep, ...] = ()
    end: Final | None = None
    if with_run and found.found:
        path = REFERENCE.explore(system, Request(limits)).path
        walk = LitmusWalk(model)
        run = tuple(
            walk.take(transition.actor, transition.row.number)  # a role has one actor
            for transition in path
        )
        end = walk.final
    matching = sum(states.values())
    reason = found.reason
    if reason is None and not states:
        reason = "no run comes to an end"
    verdict = _verdict(test.quantifier, matching, len(states))
    if reason is None and model.cut and verdict is not LitmusVerdict.ALLOWED:
        reason = "a loop was not followed to its end"
    if reason is not None and not (verdict is LitmusVerdict.ALLOWED and not contrary):
        verdict = LitmusVerdict.INCONCLUSIVE
    return LitmusJudgement(
        test,
        order,
        verdict,
        tuple(sorted(states)),
        matching,
        found.states,
        time.monotonic() - started,
        run,
        end,
        reason,
    )


def _verdict(quantifier: Quantifier, matching: int, states: int) -> LitmusVerdict:
    if quantifier is Quantifier.FORALL and matching == states:
        return LitmusVerdict.REQUIRED
    return LitmusVerdict.ALLOWED if matching else LitmusVerdict.FORBIDDEN


class Explored(NamedTuple):
    """The model that has all stores of a test, its states, and what was found in them."""

    model: Litmus
    system: System
    found: Exploration


def explored(test: LitmusTest, order: MemoryOrder, limits: Limits = NO_LIMITS) -> Explored:
    """All runs of a test. A violation is an outcome asked for; of forall, one to the contrary."""
    stores = foresee(test, order)
    while True:
        model = Litmus(test, order, stores, lambda final: is_shown(test, final))
        system = System(model)
        try:
            request = Request(limits, beyond_violations=True)
            return Explored(model, system, REFERENCE.explore(system, request))
        except UnforeseenError as more:
            stores |= {(more.place, more.value)}


def is_shown(test: LitmusTest, final: Final) -> bool:
    """Whether a final state is one that a run is shown to: as asked; of forall, to the contrary."""
    return holds(test, final) != (test.quantifier is Quantifier.FORALL)


def holds(test: LitmusTest, final: Final) -> bool:
    """Whether the condition of a test holds of a final state."""
    values = {
        (location.thread, test.canonical(location)): value
        for location, value in zip(test.observed, final.values, strict=True)
    }

    def atom(part: Equals | Faulted) -> bool:
        match part:
            case Equals(location, written):
                value = values[location.thread, test.canonical(location)]
                return test.equal(value, test.value(written))
            case Faulted(thread, label, _):
                faults = final.faults[thread]
                if label is None:
                    return bool(faults)
                return test.labels[f"P{thread}"][label] in faults
            case _:
                assert_never(part)

    return evaluate(test.condition, atom)


def told(test: LitmusTest, final: Final) -> str:
    """A final state as text: 0:X1=1 1:X9=0 [x]=2."""
    parts = []
    for location, value in zip(test.observed, final.values, strict=True):
        where = (
            f"[{location.name}]"
            if location.thread is None
            else f"{location.thread}:{location.name}"
        )
        parts.append(f"{where}={test.told(value)}")
    for faults in final.faults:
        parts += [f"fault({test.where(at)})" for at in faults]
    return " ".join(parts)
