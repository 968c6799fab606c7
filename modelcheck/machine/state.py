"""What a state is made of: one shared part, and a local part for each CPU. Pure data."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

from modelcheck.machine.memory import Memory, View
from modelcheck.protocol.code import Value
from modelcheck.protocol.program import Step


class Shared(NamedTuple):
    """What every actor acts on: code memory, data cells, and which programs are over.

    `returned` has a bit for each patcher whose program has returned, and `ended` for each whose
    stores are in memory then, too.
    `cleaned` and `dropped` are of instruction caches that are not coherent: the versions that were
    last made visible to them, and those before which they have dropped all. `completed` has, of
    each barrier that completed an invalidation, the newest versions then, and what was dropped.
    """

    memory: Memory
    cells: tuple[Value, ...]
    returned: int
    ended: int
    cleaned: View = ()
    dropped: View = ()
    completed: tuple[tuple[View, View], ...] = ()


class PartialFetch(NamedTuple):
    """A fetch under way (byte-wise): the site, what was read of each chunk, or None, where the
    instruction begins, and what later fetches may not be older than."""

    site: int
    chunks: tuple[bytes | None, ...]
    offset: int = 0
    floor: View = ()


class Place(NamedTuple):
    """A CPU inside a region: the site, the offset of the next instruction, and a bit for each form
    of the site that the pass so far agrees with."""

    site: int
    offset: int
    forms: int


class Trap(NamedTuple):
    """A CPU in the trap handler: the site, the next step, and what it found in which cell.

    With `in_callee` it is not a trap: the CPU is in the function that the new instruction calls.
    """

    site: int
    pc: int
    found: tuple[tuple[int, Value], ...] = ()
    in_callee: bool = False


class StopStage(IntEnum):
    """How far a CPU is in a stop_machine() of another."""

    RUNNING = 0
    ASKED = 1
    STOPPED = 2
    SERIALISING = 3
    """Released, and still to serialise."""
    LEAVING = 4
    """Released without that."""


class Buffered(NamedTuple):
    """A store on its way to memory: code bytes of a site from an offset on, or a cell's value."""

    site: int
    at: int
    data: bytes
    cell: int = -1
    value: Value = None


class Maintenance(NamedTuple):
    """A line that is to be cleaned, or with `drops` to be dropped by instruction caches."""

    drops: bool
    line: int


class BarrierMark(NamedTuple):
    """Stores and cleans before come before those behind; with `synchronises`, before later fetches
    of this CPU as well."""

    synchronises: bool


UnderWay = Buffered | Maintenance | BarrierMark


def heeds_barriers(one: UnderWay) -> bool:
    """Whether barriers order it: a store, or a clean."""
    return isinstance(one, Buffered) or (isinstance(one, Maintenance) and not one.drops)


class Local(NamedTuple):
    """What one CPU alone has.

    `pc` and `written` (a bit for each byte of the write under way) are of the program that runs
    on it; `pending` has a bit for each sender whose IPI it has not taken, and `serialise` tells
    whether one of them makes it serialise; `view` is what it may still fetch; `acted_new` has a bit
    for each site it has seen as new. `place` is where it is inside a region. `own` has its own copy
    of each per-CPU cell, and `buffer` what it has set going that is not done yet, oldest first.
    `grace` has a bit for each grace period that waits for it. `dropped` is what instruction caches
    have dropped for it since its last barrier that completes that.
    """

    pc: int = 0
    written: int = 0
    pending: int = 0
    view: View = ()
    fetch: PartialFetch | None = None
    trap: Trap | None = None
    acted_new: int = 0
    serialise: bool = False
    place: Place | None = None
    irqs_off: bool = False
    stop: StopStage = StopStage.RUNNING
    in_user: bool = False
    deferred: bool = False
    grace: int = 0
    own: tuple[Value, ...] = ()
    buffer: tuple[UnderWay, ...] = ()
    dropped: View = ()

    @property
    def in_program(self) -> bool:
        """Whether the CPU runs its own program now, neither a fetch of a site nor a handler."""
        return self.fetch is None and self.trap is None and self.place is None

    @property
    def reads_wait(self) -> bool:
        """Whether a barrier puts what the CPU reads now behind something under way."""
        return any(isinstance(one, BarrierMark) for one in self.buffer)

    @property
    def fetches_wait(self) -> bool:
        """Whether a barrier puts its fetches behind something under way."""
        return any(isinstance(one, BarrierMark) and one.synchronises for one in self.buffer)

    def behind_barrier(self, *, synchronises: bool) -> "Local":
        """With a barrier behind what is under way; none where it would order nothing."""
        if not any(map(heeds_barriers, self.buffer)):
            return self
        return self._replace(buffer=(*self.buffer, BarrierMark(synchronises)))


# What one actor tells all others, and what it asks of them. `sender` is an actor's role.


@dataclass(frozen=True)
class IpiToAll:
    """A broadcast to all other CPUs: an IPI of this sender is pending."""

    sender: int
    synchronises: bool = True
    deferred: bool = False


@dataclass(frozen=True)
class StopAll:
    """A broadcast: all other CPUs are to stop."""


@dataclass(frozen=True)
class ReleaseAll:
    """A broadcast: the stopped CPUs go on."""

    synchronises: bool


@dataclass(frozen=True)
class GraceBegins:
    """A broadcast: a grace period of this sender begins."""

    sender: int
    regions: bool


@dataclass(frozen=True)
class SetOwn:
    """A broadcast: each CPU's copy of a per-CPU cell is changed, by `add` if that is not 0."""

    cell: int
    value: Value
    add: int = 0


@dataclass(frozen=True)
class Acknowledged:
    """A guard on all other CPUs: none still has an IPI of this sender pending."""

    sender: int


@dataclass(frozen=True)
class NoneStopped:
    """A guard: no other CPU is in a stop, from when it is asked until it has left."""


@dataclass(frozen=True)
class AllStopped:
    """A guard: all other CPUs have stopped."""


@dataclass(frozen=True)
class GraceOver:
    """A guard: no other CPU holds up this sender's grace period."""

    sender: int


@dataclass(frozen=True)
class EachOwns:
    """A guard: each other CPU's copy of a per-CPU cell has this value."""

    cell: int
    value: Value


Broadcast = IpiToAll | StopAll | ReleaseAll | GraceBegins | SetOwn
Guard = Acknowledged | NoneStopped | AllStopped | GraceOver | EachOwns


FetchedAs = Literal["old", "new", "both", "between", "trap", "torn"]
"""What fetched bytes are: of which form of the site they are an instruction, at that offset."""


class Execution(NamedTuple):
    """An instruction executed, or acted out by a handler: its site, bytes, kind and offset."""

    site: int
    data: bytes
    kind: FetchedAs | Literal["emulated", "skipped"]
    offset: int = 0


class Move(NamedTuple):
    """One step that an actor can take from (shared, local): its name, effect and violations.

    `choice` tells apart the moves of one label. `broadcast` goes to all other CPUs; the move is
    possible only when `guard` holds of all of them. `interrupt` marks what a patcher's CPU does in
    its interrupts, while the patcher's program stands still. `step` is the protocol's, if the
    move carries out one; `holds` tells how a test has turned out.
    """

    label: str
    choice: tuple[int, ...]
    shared: Shared
    local: Local
    broadcast: Broadcast | None = None
    guard: Guard | None = None
    execution: Execution | None = None
    violations: tuple[str, ...] = ()
    interrupt: bool = False
    step: Step | None = None
    holds: bool = True
