"""What the axioms talk about: names of constraints, stores of bytes, fetches, moments.

Knows events.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import z3

from modelcheck.axiomatic.events import Event

Kind = Literal[
    "before",  # the patcher does `first` before `second`
    "reaches memory",  # weak stores: `first` is in memory before the fence `second` is passed
    "same place",  # ... and stores to one address stay in order
    "same line",  # stores to a cache line and its cleaning stay in order
    "completed",  # the maintenance of `first` is done before the barrier `second` is passed
    "ordered",  # the barrier `first` lets `second` not pass it
    "behind",  # who fetches what came after `second` fetches nothing that `first` has dropped
    "ascending write",  # the bytes of `first` reach memory from the lowest address up
    "one store",  # the bytes of `first` reach memory at once
    "taken",  # a CPU takes an IPI, stops, or goes on after `first`, which asks for it
    "waited for",  # ... and before the patcher gets past `second`, which waits for it
    "discards",  # to take the IPI of `first` discards what was fetched
    "halted",  # a CPU that `first` has stopped does nothing until it is let go
    "restarts",  # a CPU that `first` lets go discards what was fetched
    "one read",  # bytes `first` to `second` are one chunk, read at once
    "ascending fetch",  # no chunk comes from before the chunk to its left
    "one by one",  # an instruction is fetched after the one before it
    "grace",  # while a CPU is between instructions, no grace period ends that began then
    "no foresight",  # nothing is fetched from the future
    "data",  # what `first` finds in a cell is what was put there last
    "answers",  # what a trap handler finds in the cell `first`
    "handled",  # a trap handler goes on after what it finds
    "uninterrupted",  # ... and takes no interrupt until it returns
    "passes",  # an instruction passed discards what was fetched
    "returns",  # to return from a trap handler discards what was fetched
    "deferred",  # a CPU in user mode does not take the IPI of `first`
    "flushes",  # ... but discards what was fetched when it is in the kernel again
    "stands still",  # the patcher's own CPU fetches in an interrupt, while its program does not run
    "masked",  # ... and not while interrupts are off, from `first` on
    "serialises",  # ... and `first` discards what it had fetched
]


class Axiom(NamedTuple):
    """The name of a constraint: its kind, and the labels of the steps (or bytes) it is about."""

    kind: Kind
    first: str = ""
    second: str = ""


class ByteStore(NamedTuple):
    """One byte on its way to memory: which step writes it where, when it gets there, what it is;
    and whether it goes to this site, or through a mapping to another."""

    event: Event
    byte: int
    time: z3.ArithRef
    value: z3.BitVecRef
    here: z3.BoolRef


class Fetch(NamedTuple):
    """A fetch of one instruction: the time that each of its bytes was read from, by the byte's
    place in the site; the bytes of each chunk; when the CPU executed it; and when it went on, which
    is later if that was a trap."""

    read: dict[int, z3.ArithRef]
    chunks: list[range]
    end: z3.ArithRef
    gone: z3.ArithRef


class SeenSince(NamedTuple):
    """The time before which memory is not seen any more, of some bytes of the site, or of all."""

    time: z3.ArithRef
    bytes: frozenset[int] | None = None

    def of(self, byte: int) -> bool:
        """Whether that is so of a byte."""
        return self.bytes is None or byte in self.bytes

    def by(self, fetch: Fetch) -> z3.BoolRef:
        """That it is so of a fetch."""
        return z3.And(*(self.time <= read for byte, read in fetch.read.items() if self.of(byte)))


class Moment(NamedTuple):
    """A moment at which the CPU may serialise, and what it then sees of memory.

    That is all from the moment itself on, or where caches are not coherent, from when they were
    last cleaned before they had to drop what is older.
    """

    name: Axiom
    happens: z3.BoolRef
    sees: SeenSince


class Happening(NamedTuple):
    """A step of the patcher; of a write, the bytes that reach memory at once, from `byte` on. Or a
    CPU has `taken` what the step asks of it: an IPI, to stop, to go on."""

    label: str
    byte: int = -1
    data: bytes = b""
    taken: bool = False


@dataclass(frozen=True)
class Bytes:
    """The bytes of a site before and after, and the data of each write, as Z3 sees them."""

    old: tuple[z3.BitVecRef, ...]
    new: tuple[z3.BitVecRef, ...]
    data: Mapping[str, tuple[z3.BitVecRef, ...]]


def constants(data: bytes) -> tuple[z3.BitVecRef, ...]:
    """Bytes that are known."""
    return tuple(z3.BitVecVal(byte, 8) for byte in data)


Choice = list[tuple[z3.BoolRef, z3.BitVecRef]]
"""The values that a byte may have, and when it has them; just one is true."""


def holds(values: Choice, wanted: z3.BitVecRef) -> z3.BoolRef:
    """Whether the value that is true is the one wanted."""
    return z3.Or(*(z3.And(seen, value == wanted) for seen, value in values))
