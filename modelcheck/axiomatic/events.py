"""The patcher's program as events in program order: all of it that a fetch can tell.

Knows protocols.
"""

from dataclasses import dataclass
from typing import NamedTuple

from modelcheck.protocol.code import Site, Value
from modelcheck.protocol.protocol import Protocol
from modelcheck.protocol.steps import (
    Add,
    CleanDcache,
    Fence,
    IncrementUnlessZero,
    InvalidateIcache,
    Lock,
    ReleaseCpus,
    SendIpi,
    StartGrace,
    Step,
    StopCpus,
    Store,
    Test,
    Unlock,
    WaitAcks,
    WaitGrace,
    WaitStopped,
    WaitUntil,
    Write,
    flatten,
    flow,
)


class NotCoveredError(Exception):
    """The axioms do not say what a protocol like this does; the message tells what is missing."""


class Unit(NamedTuple):
    """What a reader takes for one step: a step, or the steps that one block is made of.

    `labels` are those that an edit takes out to be rid of it.
    """

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """A step of the patcher that a fetch can tell, and the unit that it belongs to."""

    unit: Unit
    step: Step


ORDERING = (
    SendIpi,
    WaitAcks,
    StopCpus,
    WaitStopped,
    ReleaseCpus,
    StartGrace,
    WaitGrace,
    Fence,
    CleanDcache,
    InvalidateIcache,
)
"""Steps that order what a CPU fetches, besides the writes."""


def events(protocol: Protocol) -> tuple[Event, ...]:
    """The events of the patcher, up to where its program ends or waits for ever.

    A CPU that runs the sites at any time and is in no handler holds nobody up, and nothing that
    it does changes what another CPU fetches. So the program is run here as if alone. Raises
    NotCoveredError where that is not the whole story.
    """
    _check_covered(protocol)
    lines = flow(protocol.program)
    units = _units(protocol)
    cells: dict[str, Value] = {cell.name: cell.initial for cell in protocol.cells}
    told = _told_by_cpus(protocol)
    found: list[Event] = []
    asked = False
    at = 0
    while at < len(lines):
        step, then, otherwise = lines[at]
        match step:
            case Write() | SendIpi() | WaitAcks() | Fence() | CleanDcache() | InvalidateIcache():
                found.append(Event(units[step.label], step))
            case StartGrace() | WaitGrace():
                if any(site.is_region for site in protocol.sites):
                    found.append(Event(units[step.label], step))
            case StopCpus() | ReleaseCpus():
                asked = isinstance(step, StopCpus)
                found.append(Event(units[step.label], step))
            case WaitStopped():
                if not asked:
                    break
                found.append(Event(units[step.label], step))
            case Test() | IncrementUnlessZero() if step.cell in told:
                raise NotCoveredError(
                    f"step {step.label!r} asks for {step.cell!r}, which trap handlers change"
                )
            case Test():
                then = then if cells[step.cell] == step.value else otherwise
            case IncrementUnlessZero():
                then = then if cells[step.cell] else otherwise
                cells[step.cell] = _plus(cells[step.cell], bool(cells[step.cell]))
            case Store():
                cells[step.cell] = step.value
            case Add():
                cells[step.cell] = _plus(cells[step.cell], step.amount)
            case WaitUntil() | Lock():
                wanted = step.value if isinstance(step, WaitUntil) else 0
                if cells[step.cell] != wanted:
                    if step.cell in told:
                        raise NotCoveredError(
                            f"step {step.label!r} waits for {step.cell!r}, which trap handlers "
                            "change"
                        )
                    break
                cells[step.cell] = 1 if isinstance(step, Lock) else wanted
            case Unlock():
                cells[step.cell] = 0
                found.append(Event(units[step.label], Fence(step.label, source=step.source)))
        at = then
    return tuple(found)


def require_one_instruction(site: Site) -> None:
    """Raise NotCoveredError for a region of several instructions."""
    if site.is_region:
        raise NotCoveredError(f"{site.name} is a region of several instructions")


def _plus(value: Value, amount: int) -> int:
    assert isinstance(value, int)
    return value + amount


def _check_covered(protocol: Protocol) -> None:
    for missing, present in (
        ("several patchers", bool(protocol.patchers)),
        ("a program that CPUs run", bool(protocol.cpu_program)),
        (
            "a trap in a region of several instructions",
            protocol.handler is not None and any(site.is_region for site in protocol.sites),
        ),
        (
            "a write through a shared mapping",
            any(isinstance(s, Write) and s.through for s in flatten(protocol.program)),
        ),
    ):
        if present:
            raise NotCoveredError(f"{protocol.name} has {missing}")


def _told_by_cpus(protocol: Protocol) -> set[str]:
    """The cells that CPUs may change."""
    handler = protocol.handler.program if protocol.handler else ()
    return {
        step.cell
        for step in flatten((*handler, *protocol.callee))
        if isinstance(step, Store | Add | IncrementUnlessZero)
    }


def unit_names(protocol: Protocol) -> dict[str, str]:
    """What a reader takes each step of the patcher for, by its label."""
    return {label: unit.name for label, unit in _units(protocol).items()}


def _units(protocol: Protocol) -> dict[str, Unit]:
    """The unit of each step: a write by itself, and all else together with its block."""
    blocks: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for step in flatten(protocol.program):
        block = step.label.rpartition("/")[0] if isinstance(step, ORDERING) else ""
        names[step.label] = block or step.label
        blocks.setdefault(names[step.label], []).append(step.label)
    return {label: Unit(name, tuple(blocks[name])) for label, name in names.items()}
