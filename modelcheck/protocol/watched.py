"""Which properties a protocol is held to: every one that applies, but those that it waives.

So "safe" is as large as the list of properties, and not as what an author thought of. Knows
protocols.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelcheck.protocol.actions import Act, Action, Find, Follow, Leave, Put
from modelcheck.protocol.checking import ReasonText, SpecValue, checked
from modelcheck.protocol.program import Element, flatten
from modelcheck.protocol.properties import (
    COMPLETES,
    EFFECT,
    PROPERTIES,
    SEQUENCE,
    STALE,
    UNEXPECTED,
    UNHANDLED,
    UNPERMITTED,
    Property,
)

if TYPE_CHECKING:
    from modelcheck.protocol.definition import Protocol


@dataclass(frozen=True)
class Waiver(SpecValue):
    """A property that a protocol is not held to, and why not, for those who read its verdicts."""

    name: Property
    because: ReasonText


@checked
def without_property(name: Property, *, because: ReasonText) -> Waiver:
    """Do not hold a protocol to a property that applies, for this reason."""
    return Waiver(name, because)


def inapplicable(protocol: "Protocol") -> dict[str, str]:
    """The properties that say nothing of a protocol, whatever it does, each with the reason.

    What only a fetch model asks for is told apart by the machine: see UNPERMITTED.
    """
    found: dict[str, str] = {UNPERMITTED: "only fetch model strict asks for it"}
    routine = [*_actions(protocol.routines)]
    patching = _actions(protocol.programs.values())
    if not any(site.is_region for site in protocol.sites):
        found[SEQUENCE] = "no site is a region of several instructions"
    if not any(isinstance(action, Find) or _gives_up(action) for action in routine):
        found[UNHANDLED] = "no trap handler or callee looks anything up"
    if not any(isinstance(action, Follow) for action in routine):
        found[STALE] = "no trap handler or callee goes by what it looked up"
    if not any(isinstance(action, Act) and action.instruction == "no-op" for action in routine):
        found[EFFECT] = "no trap handler steps over an instruction"
    if protocol.nmi:
        found[COMPLETES] = "NMIs may come again and again, and then nobody else does anything"
    if not any(isinstance(action, Put) and action.expects for action in patching):
        found[UNEXPECTED] = "no write says what it expects to find"
    return found


def waived(protocol: "Protocol") -> dict[str, str]:
    """The properties that a protocol waives, each with the reason."""
    return {waiver.name: f"waived: {waiver.because}" for waiver in protocol.waived}


def unwatched(protocol: "Protocol") -> dict[str, str]:
    """The properties that a protocol is not held to, each with the reason."""
    return inapplicable(protocol) | waived(protocol)


def applicable(protocol: "Protocol") -> tuple[str, ...]:
    """The properties that a protocol is held to: all that apply and are not waived, in order."""
    left_out = unwatched(protocol)
    return tuple(name for name in PROPERTIES if name not in left_out)


def _gives_up(action: Action) -> bool:
    return isinstance(action, Leave) and not action.handled


def _actions(programs: Iterable[tuple[Element, ...]]) -> Iterator[Action]:
    """What the steps of programs are made of."""
    for program in programs:
        for step in flatten(program):
            yield from step.actions()
