"""What a step does and why it is a violation, in words. Knows the machine's vocabulary."""

from modelcheck.machine import cpu, program
from modelcheck.machine.actors import Machine
from modelcheck.machine.effects import read
from modelcheck.machine.state import Buffered, Local, Move, Place, Stop
from modelcheck.protocol.code import Value
from modelcheck.protocol.properties import (
    DEADLOCK,
    EFFECT,
    MONOTONE,
    SEQUENCE,
    STALE,
    TORN,
    UNEXPECTED,
    UNHANDLED,
    UNPERMITTED,
    VISIBLE,
)
from modelcheck.protocol.steps import (
    Add,
    CleanDcache,
    Emulate,
    EnterUser,
    Execute,
    Fence,
    Flush,
    IncrementUnlessZero,
    InvalidateIcache,
    IrqOff,
    IrqOn,
    LeaveUser,
    Lock,
    Lookup,
    NotOurs,
    Pause,
    ReleaseCpus,
    Return,
    SendIpi,
    Serialise,
    Skip,
    StartGrace,
    Step,
    StopCpus,
    Store,
    Test,
    Unlock,
    Use,
    WaitAcks,
    WaitGrace,
    WaitStopped,
    WaitUntil,
    Write,
)
from modelcheck.trace.document import Executed, TraceStep


def describe(
    machine: Machine, was: Local, move: Move, step: Step | None, executed: Executed | None
) -> str:
    """What an actor does in a move, in a few words."""
    sites = machine.setup.protocol.sites
    if step is not None:
        return _done(machine, was, move, step)
    match move.label:
        case cpu.TAKE_IPI:
            return "takes the IPI" if was.serialise else "takes the IPI, does not serialise"
        case cpu.STOP:
            return "stops"
        case cpu.LEAVE_STOP:
            serialised = was.stop is Stop.SERIALISING
            return "goes on, serialised" if serialised else "goes on, not serialised"
        case program.DRAIN:
            return _drained(machine, was.buffer[move.choice[0]])
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


def _drained(machine: Machine, store: Buffered) -> str:
    if store.cell >= 0:
        name = machine.setup.protocol.cells[store.cell].name
        return f"{name} := {value_text(store.value)} reaches memory"
    site = machine.setup.protocol.sites[store.site].name
    return f"{site}+{store.at} := {store.data.hex(' ')} reaches memory"


def _done(machine: Machine, was: Local, move: Move, step: Step) -> str:
    """What a step of the protocol does, or has found out."""
    setup = machine.setup
    match step:
        case Write():
            (at,) = move.choice
            data = step.data if step.order == "single" else step.data[at : at + 1]
            return f"{step.site}+{step.at + at} := {data.hex(' ')}"
        case Store():
            return f"{step.cell} := {value_text(step.value)}"
        case Add():
            return f"{step.cell} {'+' if step.amount > 0 else '-'}= {abs(step.amount)}"
        case Test():
            value = value_text(read(setup, move.shared, was, setup.cells[step.cell]))
            return f"{step.cell} is {value}"
        case IncrementUnlessZero():
            before = read(setup, move.shared, was, setup.cells[step.cell])
            after = read(setup, move.shared, move.local, setup.cells[step.cell])
            return f"{step.cell} is 0" if before == after == 0 else f"{step.cell} += 1"
        case WaitUntil():
            return f"{step.cell} is {value_text(step.value)}"
        case Lock():
            return f"takes {step.cell}"
        case Unlock():
            return f"releases {step.cell}"
        case SendIpi():
            return "deferred IPI to all" if step.deferred else "IPI to all"
        case Emulate():
            return f"acts as {step.instruction}"
        case Lookup():
            return _looked_up(machine, was, move, step)
        case Use():
            return f"follows {step.cell}"
        case Return():
            return "returns" if step.synchronises else "returns, does not serialise"
        case ReleaseCpus():
            return "all go on" if step.synchronises else "all go on, not serialised"
        case Flush():
            return "serialises, as deferred" if was.deferred else "nothing was deferred"
    return WORDS[type(step)]


WORDS: dict[type[Step], str] = {
    WaitAcks: "all acknowledged",
    Skip: "steps over it",
    NotOurs: "leaves the trap to others",
    Fence: "its stores are in memory",
    Pause: "waits some time",
    IrqOff: "disables interrupts",
    IrqOn: "enables interrupts",
    Serialise: "serialises itself",
    CleanDcache: "code reaches unification",
    InvalidateIcache: "caches drop old code",
    StopCpus: "asks all to stop",
    WaitStopped: "all have stopped",
    StartGrace: "a grace period begins",
    WaitGrace: "the grace period is over",
    Execute: "goes on",
    EnterUser: "enters user mode",
    LeaveUser: "enters the kernel",
}
"""What steps do that have nothing more to say."""


def _looked_up(machine: Machine, was: Local, move: Move, step: Lookup) -> str:
    cell = machine.setup.cells[step.cell]
    value = read(machine.setup, move.shared, was, cell)
    found = dict(move.local.trap.found).get(cell) if move.local.trap else None
    if step.search and not found:
        assert was.trap is not None
        site = machine.setup.protocol.sites[was.trap.site].name
        return f"{site} is not found among {value_text(value)}"
    return f"{step.cell} is {value_text(value)}"


def value_text(value: Value | tuple[Value, ...]) -> str:
    """What a cell holds, or the cells of all CPUs."""
    match value:
        case None | ():
            return "empty"
        case tuple():
            return ", ".join(map(str, value))
    return str(value)


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
            return f"The handler on {actor} acts on data that is gone or changed since it looked."
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
        case _ if name == SEQUENCE:
            if step.executed and step.executed.kind in ("emulated", "skipped"):
                return (
                    f"The handler on {actor} goes on behind an instruction of {site} that is none "
                    "of the form it began with."
                )
            offset = step.executed.offset if step.executed else 0
            return (
                f"{actor} is inside {site}, and at byte {offset} it executes {ran}, which does not "
                "belong to the form of the code that it began with."
            )
        case _ if name == UNEXPECTED:
            return f"{actor} replaces other bytes than those it expects to find: {step.does}."
    raise ValueError(name)


def explain_unfinished(name: str, stuck: str) -> str:
    """In one sentence, that programs never finish which are stuck where `stuck` says."""
    if name == DEADLOCK:
        return f"From here on this can never finish, whatever anybody does: {stuck}."
    return f"The loop can go on for ever, and this never finishes: {stuck}."
