"""What a state is made of: one shared part, and a local part for each CPU. Pure data."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from modelcheck.machine.memory import Memory, View
from modelcheck.machine.window import Kind
from modelcheck.protocol.code import Value


class Shared(NamedTuple):
    """What every actor acts on: code memory, data cells, and whether the patcher has returned."""

    memory: Memory
    cells: tuple[Value, ...]
    returned: bool


class PartialFetch(NamedTuple):
    """A fetch under way (byte-wise): the site, and what was read of each chunk, or None."""

    site: int
    chunks: tuple[bytes | None, ...]


class Trap(NamedTuple):
    """A CPU in the trap handler: the site, the next step, and what it found in which cell."""

    site: int
    pc: int
    found: tuple[tuple[int, Value], ...] = ()


class Local(NamedTuple):
    """What one CPU alone has.

    `pc` and `written` (a bit for each byte of the write under way) are of the program that runs
    on it; `pending` has a bit for each sender whose IPI it has not taken; `view` is what it may
    still fetch; `acted_new` has a bit for each site it has seen as new.
    """

    pc: int = 0
    written: int = 0
    pending: int = 0
    view: View = ()
    fetch: PartialFetch | None = None
    trap: Trap | None = None
    acted_new: int = 0

    @property
    def in_program(self) -> bool:
        """Whether the CPU runs its own program now, neither a fetch of a site nor a handler."""
        return self.fetch is None and self.trap is None


@dataclass(frozen=True)
class Ipi:
    """A broadcast to all other CPUs: an IPI of this sender is pending."""

    sender: int


@dataclass(frozen=True)
class Acknowledged:
    """A guard on all other CPUs: none still has an IPI of this sender pending."""

    sender: int


class Execution(NamedTuple):
    """An instruction executed, or acted out by a handler: its site, bytes and kind."""

    site: int
    data: bytes
    kind: Kind | Literal["emulated", "skipped"]


class Move(NamedTuple):
    """One step that an actor can take from (shared, local): its name, effect and violations.

    `choice` tells apart the moves of one label. `broadcast` goes to all other CPUs; the move is
    possible only when `guard` holds of all of them. `interrupt` marks what a patcher's CPU does in
    its interrupts, while the patcher's program stands still.
    """

    label: str
    choice: tuple[int, ...]
    shared: Shared
    local: Local
    broadcast: Ipi | None = None
    guard: Acknowledged | None = None
    execution: Execution | None = None
    violations: tuple[str, ...] = ()
    interrupt: bool = False
