"""A counterexample as a row of frames: all that there is to see after each step, as plain data.

Every view of a trace that can be stepped through walks these. Knows runs, traces and the machine.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, assert_never

from modelcheck.arch.architecture import Architecture
from modelcheck.machine import cpu
from modelcheck.machine.actors import Machine
from modelcheck.machine.memory import Chunk
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import (
    Acknowledged,
    AllStopped,
    BarrierMark,
    Buffered,
    GraceBegins,
    GraceOver,
    Guard,
    IpiToAll,
    Local,
    Maintenance,
    Move,
    ReleaseAll,
    SetOwn,
    Shared,
    StopAll,
    StopStage,
    UnderWay,
)
from modelcheck.protocol.code import Site, Value
from modelcheck.trace.document import Executed, Trace, TraceStep, Violation
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.run import Run
from modelcheck.trace.words import line_text


class Version(NamedTuple):
    """A value that a byte has had in memory, and the step that wrote it (0: before the patch)."""

    value: int
    step: int


@dataclass(frozen=True)
class DecodedAt:
    """What a CPU would run that fetched memory from byte `offset` of a site on."""

    offset: int
    data: bytes
    text: str


@dataclass(frozen=True)
class SiteBytes:
    """A site in memory: its newest bytes, those that the step changed, and how each came about.

    `versions` has all that each byte has been, oldest first. `listing` decodes the bytes wherever
    an instruction of some form of the site begins.
    """

    name: str
    data: bytes
    changed: tuple[int, ...]
    versions: tuple[tuple[Version, ...], ...]
    listing: tuple[DecodedAt, ...]


@dataclass(frozen=True)
class CellValue:
    """A cell of data; of a per-CPU cell, the values of all CPUs in their order."""

    name: str
    value: Value | tuple[Value, ...]
    changed: bool


Readable = tuple[tuple[int, ...], ...]
"""For each byte of a site, the values that a CPU may fetch, oldest first, each once."""


@dataclass(frozen=True)
class Cpu:
    """What one CPU has to itself: what it may see of each site, and what it is about.

    `program` is the patcher that runs on it, if one does, and `executes` whether it runs the sites
    too. `windows` is None if it does not, and while what it could fetch matters not, because it
    serialises before it fetches again.
    """

    name: str
    program: str | None
    executes: bool
    windows: tuple[Readable, ...] | None
    status: tuple[str, ...]


SignalKind = Literal["IPI", "acknowledged", "stop", "stopped", "go on", "quiescent"]


class Arrival(NamedTuple):
    """A message that takes effect in a step: what it is, who sent it, and in which step."""

    kind: SignalKind
    sender: str
    step: int


@dataclass(frozen=True)
class Frame:
    """All that there is to see after a step; frame 0 is the state before the first.

    `sends` names the CPUs that the step tells something, `arrivals` what it takes note of.
    `violation` is in the last frame; `in_loop` marks the steps that can repeat for ever.
    """

    number: int
    actor: str
    label: str
    does: str
    source: str | None
    sites: tuple[SiteBytes, ...]
    cells: tuple[CellValue, ...]
    cpus: tuple[Cpu, ...]
    sends: tuple[str, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    executed: Executed | None = None
    violation: Violation | None = None
    in_loop: bool = False


def frames(trace: Trace) -> tuple[Frame, ...]:
    """The frames of a trace: the state before it, and the one after each step.

    Raises ReplayError for a step that the machine does not allow.
    """
    return tuple(_walk(trace))


def lanes(trace: Trace, row: tuple[Frame, ...]) -> tuple[str, ...]:
    """The actors that take part, in the order of their numbers: a column for each."""
    taking_part = {frame.actor for frame in row} | {name for frame in row for name in frame.sends}
    names = _actors(Machine(trace.protocol, trace.configuration))
    return tuple(name for name in names if name in taking_part)


def _actors(machine: Machine) -> dict[str, int]:
    """All names that actors go by, each with the actor's number, in their order."""
    count = sum(role.count for role in machine.roles)
    return {
        machine.actor_name(actor, interrupt=interrupt): actor
        for actor in range(count)
        for interrupt in (False, True)
    }


def _walk(trace: Trace) -> Iterator[Frame]:
    run = Run(Machine(trace.protocol, trace.configuration))
    actors = _actors(run.machine)
    memory = _Memory(run.machine.setup, run.shared)
    post = _Post(run.machine)
    last = len(trace.steps)
    yield Frame(
        number=0,
        actor="",
        label="",
        does="before the patch",
        source=None,
        sites=memory.sites(()),
        cells=_cells(run, None),
        cpus=_cpus(run),
        violation=None if last else trace.violation,
    )
    for number, step in enumerate(trace.steps, start=1):
        actor, move = _find(run, actors, number, step)
        before, shared = tuple(run.locals), run.shared
        done = run.take(actor, move)
        if done != step:
            raise ReplayError(f"step {number}: the machine does {done.does!r}, not {step.does!r}")
        changed = memory.take(number, run.shared)
        yield Frame(
            number=number,
            actor=step.actor,
            label=step.label,
            does=step.does,
            source=step.source,
            sites=memory.sites(changed),
            cells=_cells(run, (shared, before)),
            cpus=_cpus(run),
            sends=post.send(number, actor, move, before, tuple(run.locals)),
            arrivals=post.deliver(number, actor, move, before[actor]),
            executed=step.executed,
            violation=trace.violation if number == last else None,
            in_loop=trace.loop is not None and number > trace.loop,
        )


def _find(run: Run, actors: dict[str, int], number: int, step: TraceStep) -> tuple[int, Move]:
    """The move that a step of the trace is."""
    wanted = (step.actor, step.label, step.choice)
    actor = actors.get(step.actor, -1)
    for move in run.moves(actor) if actor >= 0 else ():
        name = run.machine.actor_name(actor, interrupt=move.interrupt)
        if (name, move.label, move.choice) == wanted and not run.held_up_by(actor, move):
            return actor, move
    raise ReplayError(f"step {number} ({step.actor}: {step.label}) is not possible there")


# Memory.


class _Memory:
    """The bytes of all sites, with every version that each has had."""

    def __init__(self, setup: Setup, shared: Shared) -> None:
        self._setup = setup
        self._versions = [
            [[Version(value, 0)] for value in setup.layout.contents(shared.memory, number)]
            for number in range(len(setup.protocol.sites))
        ]

    def take(self, step: int, shared: Shared) -> tuple[tuple[int, int], ...]:
        """Note what a step made of memory; each (site, byte) that is different now."""
        changed = []
        for number, versions in enumerate(self._versions):
            for at, value in enumerate(self._setup.layout.contents(shared.memory, number)):
                if value != versions[at][-1].value:
                    versions[at].append(Version(value, step))
                    changed.append((number, at))
        return tuple(changed)

    def sites(self, changed: tuple[tuple[int, int], ...]) -> tuple[SiteBytes, ...]:
        found = []
        for number, site in enumerate(self._setup.protocol.sites):
            versions = self._versions[number]
            data = bytes(of_byte[-1].value for of_byte in versions)
            found.append(
                SiteBytes(
                    name=site.name,
                    data=data,
                    changed=tuple(at for where, at in changed if where == number),
                    versions=tuple(map(tuple, versions)),
                    listing=listing(self._setup.protocol.architecture, site, data),
                )
            )
        return tuple(found)


def listing(arch: Architecture, site: Site, data: bytes) -> tuple[DecodedAt, ...]:
    """The instructions of `data`, decoded wherever one of some form of the site begins."""
    found = []
    for offset in sorted({at for form in site.forms for at, _ in form.runs} | {*site.entries}):
        decoded = arch.decode(data[offset:], site.address + offset)
        found.append(DecodedAt(offset, data[offset : offset + decoded.length], decoded.text))
    return tuple(found)


# Cells.


def _cells(run: Run, before: tuple[Shared, tuple[Local, ...]] | None) -> tuple[CellValue, ...]:
    now = _values(run, run.shared, tuple(run.locals))
    was = _values(run, *before) if before else now
    names = [cell.name for cell in run.machine.setup.protocol.cells]
    return tuple(
        CellValue(name, value, value != old)
        for name, value, old in zip(names, now, was, strict=True)
    )


def _values(
    run: Run, shared: Shared, locals_: tuple[Local, ...]
) -> list[Value | tuple[Value, ...]]:
    return [
        tuple(local.own[number] for local in locals_) if cell.per_cpu else shared.cells[number]
        for number, cell in enumerate(run.machine.setup.protocol.cells)
    ]


# CPUs.


def _cpus(run: Run) -> tuple[Cpu, ...]:
    name = run.machine.actor_name
    return tuple(
        Cpu(
            name=name(actor, interrupt=True),
            program=name(actor) if role.patches else None,
            executes=role.executes,
            windows=_windows(run, local) if role.executes else None,
            status=tuple(_status(run.machine.setup, local)),
        )
        for actor, (role, local) in enumerate(zip(run.roles, run.locals, strict=True))
    )


def _windows(run: Run, local: Local) -> tuple[Readable, ...] | None:
    setup = run.machine.setup
    if setup.tracks_views and not local.view:
        return None
    return tuple(
        tuple(values for chunk in chunks for values in _fetchable(run, local, chunk))
        for chunks in setup.layout.chunks
    )


def _fetchable(run: Run, local: Local, chunk: Chunk) -> Iterator[tuple[int, ...]]:
    """For each byte of a chunk, the values in the versions that a CPU may still fetch."""
    setup = run.machine.setup
    since = local.view[chunk.history] if setup.tracks_views else 0
    versions = setup.layout.versions(run.shared.memory, chunk, since)
    return (tuple(dict.fromkeys(of_byte)) for of_byte in zip(*versions, strict=True))


def _status(setup: Setup, local: Local) -> Iterator[str]:
    """What there is to know of a CPU besides what it may see, a few words each."""
    sites = setup.protocol.sites
    if local.trap is not None:
        where = sites[local.trap.site].name
        yield f"in the function that {where} calls" if local.trap.in_callee else "in the handler"
    if local.place is not None:
        yield f"inside {sites[local.place.site].name}, at +{local.place.offset}"
    if local.fetch is not None:
        read = ["??" if data is None else data.hex(" ") for data in local.fetch.chunks]
        yield f"fetching {sites[local.fetch.site].name}: {' '.join(read)}"
    if local.pending:
        yield "IPI pending"
    if local.deferred:
        yield "serialising deferred"
    if local.irqs_off:
        yield "interrupts off"
    if local.stop is not StopStage.RUNNING:
        yield _STOPS[local.stop]
    if local.in_user:
        yield "in user mode"
    if local.grace:
        yield "a grace period waits for it"
    for one in local.buffer:
        yield from _under_way(setup, one)


_STOPS = {
    StopStage.ASKED: "asked to stop",
    StopStage.STOPPED: "stopped",
    StopStage.SERIALISING: "released, will serialise",
    StopStage.LEAVING: "released",
}


def _under_way(setup: Setup, one: UnderWay) -> Iterator[str]:
    match one:
        case Buffered() if one.cell >= 0:
            yield f"not in memory yet: {setup.protocol.cells[one.cell].name} := {one.value}"
        case Buffered():
            name = setup.protocol.sites[one.site].name
            yield f"not in memory yet: {name}+{one.at} := {one.data.hex(' ')}"
        case Maintenance():
            yield f"not {'dropped' if one.drops else 'cleaned'} yet: {line_text(setup, one)}"
        case BarrierMark():
            pass
        case _:
            assert_never(one)


# Messages.


@dataclass
class _Post:
    """What actors have told each other, and who has not taken note of it yet."""

    machine: Machine
    on_the_way: dict[tuple[int, SignalKind, int], Arrival] = field(default_factory=dict)
    """By receiver, kind and sender."""
    answers: defaultdict[Guard, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    """What has been answered, by the guard that asks for it."""

    def send(
        self,
        number: int,
        actor: int,
        move: Move,
        before: tuple[Local, ...],
        after: tuple[Local, ...],
    ) -> tuple[str, ...]:
        """The CPUs that a step tells something."""
        match move.broadcast:
            case IpiToAll():
                kind: SignalKind = "IPI"
            case StopAll():
                kind = "stop"
            case ReleaseAll():
                kind = "go on"
            case None | GraceBegins() | SetOwn():
                return ()
            case _:
                assert_never(move.broadcast)
        told = [
            other
            for other, (was, now) in enumerate(zip(before, after, strict=True))
            if other != actor
            and was != now
            # A CPU that has not stopped yet is not told to go on: it just need not stop any more.
            and not (kind == "go on" and was.stop is not StopStage.STOPPED)
        ]
        for other in told:
            sent = Arrival(kind, self.machine.actor_name(actor), number)
            self.on_the_way[other, kind, actor if kind == "IPI" else 0] = sent
        return tuple(self.machine.actor_name(other, interrupt=True) for other in told)

    def deliver(self, number: int, actor: int, move: Move, was: Local) -> tuple[Arrival, ...]:
        """What a step takes note of: a message, or the answers that it waits for."""
        taken = tuple(self._taken(number, actor, move, was))
        return (*taken, *(self.answers.pop(move.guard, ()) if move.guard else ()))

    def _taken(self, number: int, actor: int, move: Move, was: Local) -> Iterator[Arrival]:
        name = self.machine.actor_name(actor, interrupt=move.interrupt)
        now = move.local
        for sender in _bits(was.pending & ~now.pending):
            yield from self._received(actor, "IPI", sender)
            self.answers[Acknowledged(sender)].append(Arrival("acknowledged", name, number))
        if was.deferred and not now.deferred:
            for sender in range(len(self.machine.roles)):
                yield from self._received(actor, "IPI", sender)
        if move.label == cpu.STOP and now.stop is StopStage.STOPPED:
            yield from self._received(actor, "stop", 0)
            self.answers[AllStopped()].append(Arrival("stopped", name, number))
        if move.label == cpu.LEAVE_STOP and now.stop is StopStage.RUNNING:
            yield from self._received(actor, "go on", 0)
        for sender in {bit // 2 for bit in _bits(was.grace)} - {
            bit // 2 for bit in _bits(now.grace)
        }:
            self.answers[GraceOver(sender)].append(Arrival("quiescent", name, number))

    def _received(self, actor: int, kind: SignalKind, sender: int) -> Iterator[Arrival]:
        sent = self.on_the_way.pop((actor, kind, sender), None)
        if sent is not None:
            yield sent


def _bits(mask: int) -> list[int]:
    """The numbers of the bits that are set."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
