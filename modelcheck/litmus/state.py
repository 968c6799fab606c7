"""What the litmus machine has and makes: threads, steps and final states. Pure data.

Knows windows and memory.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from modelcheck.litmus.instruction import Address, Datum, LitmusInstruction
from modelcheck.litmus.memory import SharedMemory
from modelcheck.litmus.window import ThreadWindow


@dataclass(frozen=True)
class Role:
    """A thread as a role of the model."""

    number: int
    name: str
    count: int = 1
    replicated: bool = False


class ThreadState(NamedTuple):
    """A thread: its window, or that it has ended."""

    window: ThreadWindow = ()
    ended: bool = False


class ThreadOutcome(NamedTuple):
    """What is told of a thread that has ended: its registers that are asked for, its faults."""

    registers: tuple[tuple[str, Datum], ...]
    faults: tuple[Address, ...]


class Final(NamedTuple):
    """A final state: the value of each location that is asked for, in their order, and where each
    thread has faulted."""

    values: tuple[Datum, ...]
    faults: tuple[tuple[Address, ...], ...]


class Move(NamedTuple):
    """A step: the event, and what it leaves."""

    shared: SharedMemory
    local: ThreadState
    at: Address
    instruction: LitmusInstruction
    does: tuple[Any, ...]
    broadcast: None = None
    guard: None = None
    violations: tuple[str, ...] = ()
    interrupt: bool = False
