"""What a step does and why it is a violation, in words. Knows the machine's vocabulary."""

from modelcheck.machine import cpu
from modelcheck.machine.machine import Machine
from modelcheck.machine.state import Local, Move
from modelcheck.protocol.properties import (
    EFFECT,
    MONOTONE,
    STALE,
    TORN,
    UNHANDLED,
    UNPERMITTED,
    VISIBLE,
)
from modelcheck.protocol.steps import (
    Element,
    Emulate,
    Lookup,
    Return,
    SendIpi,
    Skip,
    Store,
    WaitAcks,
    Write,
)
from modelcheck.trace.trace import Executed, TraceStep


def describe(
    machine: Machine, was: Local, move: Move, step: Element | None, executed: Executed | None
) -> str:
    """What an actor does in a move, in a few words."""
    sites = machine.setup.protocol.sites
    match step:
        case Write():
            (at,) = move.choice
            data = step.data if step.order == "single" else step.data[at : at + 1]
            return f"{step.site}+{step.at + at} := {data.hex(' ')}"
        case Store():
            return f"{step.cell} := {_value(step.value)}"
        case SendIpi():
            return "IPI to all"
        case WaitAcks():
            return "all acknowledged"
        case Lookup():
            assert was.trap is not None
            found = machine.setup.cells[step.cell]
            value = dict(move.local.trap.found).get(found) if move.local.trap else None
            return f"{step.cell} is {_value(value)}"
        case Emulate():
            return f"acts as {step.instruction}"
        case Skip():
            return "steps over it"
        case Return():
            return "returns" if step.synchronises else "returns, does not serialise"
    if move.label == cpu.TAKE_IPI:
        return "takes the IPI"
    if executed is not None:
        if executed.kind == "trap":
            return f"fetches {executed.data.hex(' ')}: traps"
        return f"runs {executed.data.hex(' ')}: {executed.kind}"
    site, number, _ = move.choice
    assert move.local.fetch is not None
    chunk = machine.setup.layout.chunks[site][number]
    first = sum(c.stop - c.start for c in machine.setup.layout.chunks[site][:number])
    data = move.local.fetch.chunks[number] or bytes(chunk.stop - chunk.start)
    return f"reads {sites[site].name}+{first}: {data.hex(' ')}"


def _value(value: int | str | None) -> str:
    return "empty" if value is None else str(value)


def explain(name: str, step: TraceStep) -> str:
    """In one sentence, why a step violates a property."""
    actor = step.actor
    ran = step.executed.data.hex(" ") if step.executed else ""
    site = step.executed.site if step.executed else "the site"
    match name:
        case _ if name == TORN:
            return (
                f"{actor} executes {ran} at {site}, which is neither the old instruction nor "
                "the new one."
            )
        case _ if name == UNHANDLED:
            return f"{actor} has trapped, and its handler finds no entry: {step.does}."
        case _ if name == STALE:
            return f"The handler on {actor} acts on data that was changed since it looked it up."
        case _ if name == EFFECT:
            return (
                f"{actor} steps over {site} as if it were a no-op, which neither the old "
                "instruction nor the new one is."
            )
        case _ if name == VISIBLE:
            return f"{actor} executes {ran} at {site} although the patcher has returned."
        case _ if name == MONOTONE:
            return f"{actor} acts as the old instruction at {site} after it acted as the new one."
        case _ if name == UNPERMITTED:
            return (
                f"{actor} executes {ran} at {site}, bytes of which were modified since it last "
                "serialised."
            )
    raise ValueError(name)
