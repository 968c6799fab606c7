"""What CPUs tell each other and wait for: IPIs, stops, grace periods, per-CPU data.

Knows states.
"""

from typing import assert_never

from modelcheck.machine.state import (
    Acknowledged,
    AllStopped,
    Broadcast,
    EachOwns,
    GraceBegins,
    GraceOver,
    Guard,
    IpiToAll,
    Local,
    NoneStopped,
    ReleaseAll,
    SetOwn,
    StopAll,
    StopStage,
)
from modelcheck.machine.stores import receive_own


def receive(told: Broadcast, local: Local) -> Local:
    """What a broadcast makes of another CPU's local part."""
    match told:
        case IpiToAll(sender, synchronises, deferred):
            if deferred and local.in_user:
                return local._replace(deferred=True)
            serialise = local.serialise or synchronises
            return local._replace(pending=local.pending | 1 << sender, serialise=serialise)
        case StopAll():
            return local._replace(stop=StopStage.ASKED)
        case ReleaseAll(synchronises):
            released = StopStage.SERIALISING if synchronises else StopStage.LEAVING
            stopped = local.stop is StopStage.STOPPED
            return local._replace(stop=released if stopped else StopStage.RUNNING)
        case GraceBegins(sender, regions):
            return local._replace(grace=local.grace | _held_up(local, sender, regions=regions))
        case SetOwn():
            return receive_own(local, told)
        case _:
            assert_never(told)


def holds(guard: Guard, local: Local) -> bool:
    """Whether a guard holds of another CPU."""
    match guard:
        case Acknowledged(sender):
            return not local.pending >> sender & 1
        case NoneStopped():
            return local.stop is StopStage.RUNNING
        case AllStopped():
            return local.stop is StopStage.STOPPED
        case GraceOver(sender):
            return not local.grace & _bits(sender)
        case EachOwns(cell, value):
            return local.own[cell] == value
        case _:
            assert_never(guard)


# Of the two bits of a grace period, one waits for handlers, the other for regions.


def _bits(sender: int) -> int:
    return 3 << 2 * sender


def _held_up(local: Local, sender: int, *, regions: bool) -> int:
    handler, region = _inside(local)
    return (handler | (2 if regions and region else 0)) << 2 * sender


def _inside(local: Local) -> tuple[bool, bool]:
    """Whether a CPU is in a trap handler, and whether it is in that or in a region."""
    handler = local.trap is not None and not local.trap.in_callee
    return handler, local.trap is not None or local.place is not None


def quiescent(local: Local) -> Local:
    """The CPU with no grace period waiting for it longer than it has to."""
    if not local.grace:
        return local
    handler, region = _inside(local)
    kept = local.grace
    if not handler:
        kept &= ~sum(1 << bit for bit in range(0, kept.bit_length(), 2))
    if not region:
        kept = 0
    return local._replace(grace=kept) if kept != local.grace else local
