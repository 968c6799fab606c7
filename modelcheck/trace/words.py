"""What a step does and why it is a violation, in words. Knows the machine and its actions."""

from collections.abc import Sequence
from typing import assert_never

from modelcheck.machine import cpu, program
from modelcheck.machine.actors import Machine
from modelcheck.machine.effects import parts
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import (
    BarrierMark,
    Buffered,
    Local,
    Maintenance,
    Move,
    Place,
    Shared,
    StopStage,
    UnderWay,
)
from modelcheck.machine.stores import read
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import Action
from modelcheck.protocol.code import Site, Value
from modelcheck.protocol.program import Step
from modelcheck.protocol.properties import (
    EFFECT,
    ENDS,
    FINISHES,
    MONOTONE,
    SEQUENCE,
    STALE,
    TORN,
    UNEXPECTED,
    UNHANDLED,
    UNPERMITTED,
    VISIBLE,
)
from modelcheck.trace.document import Executed, TraceStep


def describe(
    machine: Machine, was: Local, move: Move, step: Step | None, executed: Executed | None
) -> str:
    """What an actor does in a move, in a few words."""
    if step is not None:
        return _done(machine, was, move, step)
    match move.label:
        case cpu.TAKE_IPI:
            return "takes the IPI" if was.serialise else "takes the IPI, does not serialise"
        case cpu.STOP:
            return "stops"
        case cpu.LEAVE_STOP:
            serialised = was.stop is StopStage.SERIALISING
            return "goes on, serialised" if serialised else "goes on, not serialised"
        case program.DRAIN:
            return _drained(machine, was.buffer[move.choice[0]])
        case cpu.FETCH | cpu.READ | cpu.EXECUTE:
            return _fetched(machine, move, executed)
        case unknown:
            raise AssertionError(unknown)


def _fetched(machine: Machine, move: Move, executed: Executed | None) -> str:
    sites = machine.setup.protocol.sites
    if executed is not None:
        at = f" at +{executed.offset}" if executed.offset else ""
        if executed.kind == "trap":
            return f"fetches {executed.data.hex(' ')}{at}: traps"
        kind = "same in old and new" if executed.kind == "both" else executed.kind
        return f"runs {executed.data.hex(' ')}{at}: {kind}"
    fetch = move.local.fetch
    assert fetch is not None
    number, _ = cpu.versions(machine.setup, move.choice)
    chunks = cpu.chunks(machine.setup, Place(fetch.site, fetch.offset, 0))
    first = fetch.offset + sum(c.stop - c.start for c in chunks[:number])
    data = fetch.chunks[number] or bytes(chunks[number].stop - chunks[number].start)
    return f"reads {sites[fetch.site].name}+{first}: {data.hex(' ')}"


def _drained(machine: Machine, one: UnderWay) -> str:
    match one:
        case Buffered():
            if one.cell >= 0:
                name = machine.setup.protocol.cells[one.cell].name
                return f"{name} := {value_text(one.value)} reaches memory"
            site = machine.setup.protocol.sites[one.site].name
            return f"{site}+{one.at} := {one.data.hex(' ')} reaches memory"
        case Maintenance():
            line = line_text(machine.setup, one)
            return f"caches drop {line}" if one.drops else f"{line} is cleaned"
        case BarrierMark():
            raise AssertionError("a barrier is nothing to be done")
        case _:
            assert_never(one)


def line_text(setup: Setup, one: Maintenance) -> str:
    """A cache line, by the first bytes of sites in it."""
    there = []
    for number, site in enumerate(setup.protocol.sites):
        if one.line in setup.layout.lines(number, 0, len(site)):
            of_byte = (setup.layout.lines(number, byte, 1) for byte in range(len(site)))
            first = next(byte for byte, lines in enumerate(of_byte) if one.line in lines)
            there.append(f"{site.name}+{first}" if first else site.name)
    return f"the line of {' and '.join(there)}"


def _done(machine: Machine, was: Local, move: Move, step: Step) -> str:
    """What a step of the protocol does, or has found out."""
    if step.words:
        return step.words
    actions = step.actions()
    asks = next((n for n, action in enumerate(actions) if isinstance(action, do.Ask | do.Find)), 0)
    # A test that holds is told by what comes of it; where it does not, nothing does.
    actions = actions[asks:] if move.holds else actions[asks : asks + 1]
    if len(actions) > 1 and isinstance(actions[0], do.Ask):
        actions = actions[1:]
    return ", ".join(_done_by(machine, was, move, action) for action in actions)


def _done_by(machine: Machine, was: Local, move: Move, action: Action) -> str:
    """What an action does, or has found out, where its step has no words of its own."""
    match action:
        case do.Put():
            (at,) = move.choice
            each = parts(machine.setup, action, machine.setup.sites[action.site])
            (data,) = (action.data[one.start : one.stop] for one in each if one.start == at)
            return f"{action.site}+{action.at + at} := {data.hex(' ')}"
        case do.Set():
            return f"{action.cell} := {value_text(action.value)}"
        case do.Change():
            return f"{action.cell} {'+' if action.amount > 0 else '-'}= {abs(action.amount)}"
        case do.Ask():
            setup = machine.setup
            value = read(setup, move.shared, was, setup.cells[action.cell])
            return f"{action.cell} is {value_text(value)}"
        case do.Need():
            return f"{action.cell} is {value_text(action.value)}"
        case do.Drained(maintenance=True):
            return "its stores and maintenance are done"
        case do.Drained():
            return "its stores are in memory"
        case do.Ordered():
            return "what is behind comes later"
        case do.Refresh(if_deferred=True):
            return "serialises, as deferred" if was.deferred else "nothing was deferred"
        case do.Refresh():
            return "serialises itself"
        case do.Clean():
            return "code is to reach unification"
        case do.Drop():
            return "caches are to drop old code"
        case do.Tell():
            return _told(action.message)
        case do.Await():
            return ANSWERS[action.answer]
        case do.Mask():
            return "disables interrupts" if action.on else "enables interrupts"
        case do.Mode():
            return "enters user mode" if action.user else "enters the kernel"
        case do.Run():
            return "goes on"
        case do.Find():
            return _looked_up(machine, was, move, action)
        case do.Follow():
            return f"follows {action.cell}"
        case do.Act():
            known = action.instruction != "no-op"
            return f"acts as {action.instruction}" if known else "steps over it"
        case do.Leave():
            if not action.handled:
                return "leaves the trap to others"
            return "returns" if action.synchronises else "returns, does not serialise"
        case _:
            assert_never(action)


def _told(message: do.Message) -> str:
    match message:
        case do.Ipi():
            return "deferred IPI to all" if message.deferred else "IPI to all"
        case do.Stop():
            return "asks all to stop"
        case do.Release():
            return "all go on" if message.synchronises else "all go on, not serialised"
        case do.Grace():
            return "a grace period begins"
        case _:
            assert_never(message)


ANSWERS: dict[do.Awaited, str] = {
    "acknowledged": "all acknowledged",
    "unstopped": "no stop is under way",
    "stopped": "all have stopped",
    "quiescent": "the grace period is over",
}


def _looked_up(machine: Machine, was: Local, move: Move, action: do.Find) -> str:
    cell = machine.setup.cells[action.cell]
    value = read(machine.setup, move.shared, was, cell)
    found = dict(move.local.trap.found).get(cell) if move.local.trap else None
    if action.search and not found:
        assert was.trap is not None
        site = machine.setup.protocol.sites[was.trap.site].name
        return f"{site} is not found among {value_text(value)}"
    return f"{action.cell} is {value_text(value)}"


def value_text(value: Value | tuple[Value, ...]) -> str:
    """What a cell holds, or the cells of all CPUs."""
    if value is None or value == ():
        return "empty"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def explain_violation(name: str, step: TraceStep, site: Site | None, left: str) -> str:
    """In one sentence, why a step violates a property.

    `site` is where something was executed, `left` what is not as it is to end.
    """
    actor = step.actor
    ran = step.executed.data.hex(" ") if step.executed else ""
    where = _place(step.executed) if step.executed else "the site"
    match name:
        case _ if name == TORN:
            assert step.executed is not None
            assert site is not None
            return f"{actor} executes {ran} at {where}{_torn(step.executed, site)}."
        case _ if name == UNHANDLED:
            return f"{actor} has trapped, and its handler finds no entry: {step.does}."
        case _ if name == STALE:
            return f"The handler on {actor} acts on data that is gone or changed since it looked."
        case _ if name == EFFECT:
            return (
                f"{actor} steps over {where} as if it were a no-op, which neither the old "
                "instruction nor the new one is."
            )
        case _ if name == VISIBLE:
            return f"{actor} executes {ran} at {where} although all programs have returned."
        case _ if name == ENDS:
            return f"With this step all programs have ended, and {left}."
        case _ if name == MONOTONE:
            return f"{actor} acts as the old instruction at {where} after it acted as the new one."
        case _ if name == UNPERMITTED:
            return (
                f"{actor} executes {ran} at {where}, bytes of which were modified since it last "
                "serialised."
            )
        case _ if name == SEQUENCE:
            if step.executed and step.executed.kind in ("emulated", "skipped"):
                return (
                    f"The handler on {actor} goes on behind an instruction at {where} that is none "
                    "of the form it began with."
                )
            return (
                f"{actor} executes {ran} at {where}, which does not belong to the form of the code "
                "that it began with."
            )
        case _ if name == UNEXPECTED:
            return f"{actor} replaces other bytes than those it expects to find: {step.does}."
        case _:
            raise ValueError(name)


def _place(executed: Executed) -> str:
    return f"{executed.site}+{executed.offset}" if executed.offset else executed.site


def _torn(executed: Executed, site: Site) -> str:
    """Why executed bytes are no instruction of a site: there is none there, or it is another."""
    begin, end = executed.offset, executed.offset + len(executed.data)
    for form in site.forms:
        begins = any(offset == begin for offset, _ in form.runs)
        if form.data[begin:end] == executed.data and not begins:
            return f", but at {_place(executed)} no instruction of the {form.name} form begins"
    others = " nor any between them" if site.between else ""
    return f", which is neither the old instruction nor the new one{others}"


SHOWN: dict[str, str] = {
    "old": "runs the old instruction",
    "trap": "traps",
    "emulated": "is emulated",
    "skipped": "has the instruction stepped over",
    "new": "runs the new instruction",
    "both": "runs an instruction that old and new share",
}
"""What a CPU does that a witness is to show, by the kind of what is executed."""


def shown(steps: Sequence[TraceStep]) -> str:
    """What the CPU that does most of SHOWN does in these steps, in one sentence."""
    done: dict[str, dict[str, str]] = {}
    for step in steps:
        if step.executed is not None and (said := SHOWN.get(step.executed.kind)):
            done.setdefault(step.actor, {}).setdefault(said, step.executed.site)
    if not done:
        return ""
    actor = max(done, key=lambda name: len(done[name]))
    sites = set(done[actor].values())
    one = f" at {sites.pop()}" if len(sites) == 1 else ""
    parts = [said if one else f"{said} at {site}" for said, site in done[actor].items()]
    told = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{actor} {told}{one}; nothing is violated."


def unended(machine: Machine, shared: Shared, local: Local) -> str:
    """What is not as it is to be when all programs have ended."""
    setup = machine.setup
    found = []
    for number, site in enumerate(setup.protocol.sites):
        there = setup.layout.contents(shared.memory, number)
        if there != site.new and not site.foreign:
            found.append(f"{site.name} is {there.hex(' ')}, not {site.new.hex(' ')}")
    for cell in setup.published:
        value = read(setup, shared, local, cell)
        if value:
            found.append(f"{setup.protocol.cells[cell].name} still says {value_text(value)}")
    return " and ".join(found)


def explain_unfinished(name: str, stuck: str) -> str:
    """In one sentence, that programs never finish which are stuck where `stuck` says."""
    if name == FINISHES:
        return f"From here on this can never finish, whatever anybody does: {stuck}."
    return f"The loop can go on for ever, and this never finishes: {stuck}."
