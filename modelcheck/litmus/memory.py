"""What threads share: places with all versions they had, and what caches have of code.

Knows vectors and nothing of threads.
"""

from typing import Any, NamedTuple

from modelcheck.litmus.instruction import Address, Datum, LitmusInstruction
from modelcheck.litmus.vector import Vector, join, only


class StoredVersion(NamedTuple):
    """A value that a place had, and the thread that stored it (-1: it was there).

    `carry` is what a fetch that must come after the fetch of this version may read at the oldest.
    """

    value: Datum
    writer: int
    carry: Vector = ()


PlaceHistory = tuple[StoredVersion, ...]
"""The versions of a place, oldest first; the last is what memory holds."""


class SharedMemory(NamedTuple):
    """The state that all threads share.

    `memory` has a history for each place that may be stored to. The vectors are about the code
    words among them: `clean` the version that invalidations see, `dropped` the oldest that a fetch
    may still read, `sealed` the same of invalidations after which something has happened that they
    are ordered before. `signals` has, for each thread, what has become of an interrupt to it.
    `outcomes` has, for each thread that has ended, what is to be told of it.
    """

    memory: tuple[PlaceHistory, ...]
    clean: Vector
    dropped: Vector
    sealed: Vector
    signals: tuple[int, ...]
    outcomes: tuple[Any, ...]


QUIET, SENT, ARRIVED, TAKEN = range(4)
"""An interrupt to a thread: there is none, it is on its way, it is there, it has been taken."""


class Places:
    """Which places may be stored to, and where they are in the shared state."""

    def __init__(self, written: tuple[Address, ...], code: tuple[Address, ...]) -> None:
        self.index = {place: number for number, place in enumerate(written)}
        self.words = {place: number for number, place in enumerate(code)}
        self._places = tuple(self.index[place] for place in code)

    def newest(self, memory: tuple[PlaceHistory, ...]) -> Vector:
        """The newest version of each code word."""
        return tuple(len(memory[place]) - 1 for place in self._places)

    def stored(self, shared: SharedMemory, place: Address, version: StoredVersion) -> SharedMemory:
        """After a store."""
        number = self.index[place]
        memory = shared.memory
        history = (*memory[number], version)
        return shared._replace(memory=(*memory[:number], history, *memory[number + 1 :]))

    def cleaned(self, shared: SharedMemory, place: Address) -> SharedMemory:
        """After the cleaning of a place."""
        number = self.words[place]
        newest = self.newest(shared.memory)[number]
        return shared._replace(clean=_with(shared.clean, number, newest))

    def invalidated(
        self, shared: SharedMemory, place: Address | None, *, cleans: bool
    ) -> tuple[SharedMemory, Vector]:
        """After the invalidation of a place, or of all; and what it left, with zeros elsewhere."""
        seen = shared.clean if cleans else self.newest(shared.memory)
        if place is not None:
            number = self.words[place]
            seen = only(len(seen), number, seen[number])
        return shared._replace(dropped=join(shared.dropped, seen)), seen


def _with(vector: tuple[int, ...], number: int, value: int) -> tuple[int, ...]:
    return (*vector[:number], value, *vector[number + 1 :])


def merged(old: Datum, new: Datum, size: int) -> Datum:
    """What a place holds after a store of some bytes: a number keeps its other bytes."""
    if not isinstance(old, int) or not isinstance(new, int) or isinstance(old, LitmusInstruction):
        return new
    low = (1 << 8 * size) - 1
    return old & ~low | new & low
