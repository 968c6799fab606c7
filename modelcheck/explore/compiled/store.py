"""The states found: a log of them all, and a hash table that tells which are known.

Knows packings and kernels; knows nothing of systems.
"""

import mmap
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelcheck.explore.compiled import kernels
from modelcheck.explore.compiled.crew import Crew
from modelcheck.explore.compiled.layout import Packing
from modelcheck.explore.pulse import LimitError

Words = npt.NDArray[np.uint64]

FULLEST = 0.75
"""The fraction of the table's slots that may be taken."""

GROWTH, EARLY_GROWTH = 1.5, 3
"""How much larger the table gets, so that it is at least half full in the end. While levels still
get larger, at least as many states again are to come."""


@dataclass(frozen=True)
class Sizes:
    """How much is set aside at first and at a time. Tests make it little.

    `slots` of the table, a multiple of 8, at first; `chunk` states of the log at a time; `slice_`
    states expanded by one call of a kernel; `crowd` states in a level that are worth more than
    one thread.
    """

    slots: int = 1 << 18
    chunk: int = 1 << 20
    slice_: int = 1 << 13
    crowd: int = 1 << 15


class Segment(NamedTuple):
    """Some states of the log: those numbered from `low` up to `high` in a chunk."""

    chunk: int
    low: int
    high: int


class Room(NamedTuple):
    """Room in the log for one thread to write to, of so many states."""

    chunk: int
    low: int
    room: int


class StateStore:
    """All states found so far. `folder`: keep them in files there, mapped into memory."""

    def __init__(self, packing: Packing, sizes: Sizes, crew: Crew, folder: Path | None) -> None:
        self.packing = packing
        self.states = 0
        self._sizes = sizes
        self._crew = crew
        self._folder = folder
        self._chunks: list[Words] = []
        self._finders: list[npt.NDArray[np.uint8]] = []
        self._used: list[int] = []
        self._open: dict[int, int] = {}
        self._reserved = 0
        self._lock = threading.Lock()
        self.slots = sizes.slots
        self.table = self._words(self.slots * len(packing.words))

    def words(self, chunk: int) -> Words:
        """The words of a chunk's states."""
        return self._chunks[chunk]

    def finders(self, chunk: int) -> npt.NDArray[np.uint8]:
        """For each of a chunk's states, the finder that the kernel which found it noted; else 0."""
        return self._finders[chunk]

    def window(self, thread: int, least: int) -> Room | None:
        """Room for `least` states or more; None if the table must grow first."""
        with self._lock:
            left = int(self.slots * FULLEST) - self.states - self._reserved
            if left < least:
                return None
            chunk = self._open.get(thread)
            if chunk is None or self._sizes.chunk - self._used[chunk] < least:
                chunk = self._open[thread] = len(self._chunks)
                size = max(self._sizes.chunk, least)
                self._chunks.append(self._words(size * len(self.packing.words)))
                self._finders.append(self._words(-(-size // 8)).view(np.uint8))
                self._used.append(0)
            low = self._used[chunk]
            size = len(self._chunks[chunk]) // len(self.packing.words)
            room = min(size - low, max(least, left // (2 * self._crew.size)))
            self._reserved += room
            return Room(chunk, low, room)

    def keep(self, window: Room, new: int) -> Segment:
        """Enter the first states of a window; the rest of it is free again."""
        with self._lock:
            self._reserved -= window.room
            self.states += new
            self._used[window.chunk] = window.low + new
            return Segment(window.chunk, window.low, window.low + new)

    def add(self, words: Words) -> list[Segment]:
        """Enter states that are not in the store yet, and only those."""
        size = len(self.packing.words)
        count = len(words) // size
        while self.states + count > self.slots * FULLEST:
            self.grow(GROWTH)
        segments = []
        for first in range(0, count, self._sizes.chunk):
            part = words[first * size : (first + self._sizes.chunk) * size]
            window = self.window(0, len(part) // size)
            assert window is not None
            self.part(window.chunk, window.low, window.low + len(part) // size)[:] = part
            segment = self.keep(window, len(part) // size)
            self._insert(segment)
            segments.append(segment)
        return segments

    def part(self, chunk: int, low: int, high: int) -> Words:
        """The words of some states of a chunk."""
        size = len(self.packing.words)
        return self._chunks[chunk][low * size : high * size]

    def grow(self, factor: float) -> None:
        """Make the table larger."""
        self.slots = int(self.slots * factor) // kernels.BUCKET * kernels.BUCKET
        self._fill()

    def repack(self, packing: Packing) -> None:
        """Pack all states differently."""
        old, self.packing = self.packing, packing
        for chunk, used in enumerate(self._used):
            words = self._chunks[chunk]
            size = len(words) // len(old.words)
            fresh = self._words(size * len(packing.words))
            kernels.repack(
                old.words,
                words[: used * len(old.words)],
                old.layout,
                packing.words,
                packing.layout,
                np.zeros(len(packing.places), np.uint64),
                fresh,
            )
            self._chunks[chunk] = fresh
        self._fill()

    def drop_table(self) -> None:
        """Give the table's memory back; no state can be looked up or entered from now on."""
        self.table = self._words(0)

    def _fill(self) -> None:
        self.drop_table()  # before the new one takes memory
        self.table = self._words(self.slots * len(self.packing.words))
        segments = (Segment(chunk, 0, used) for chunk, used in enumerate(self._used))
        together = self.states > self._sizes.crowd
        self._crew.each(slices(segments, self._sizes.crowd), self._insert, together=together)

    def _insert(self, segment: Segment) -> None:
        kernels.insert(
            self.packing.words,
            self._chunks[segment.chunk],
            segment.low,
            segment.high,
            self.table,
            self.slots,
            kernels.scratch(self.packing.words, 0, 0, 0),
            NOWHERE,
        )

    def _words(self, count: int) -> Words:
        """Words that are 0, aligned to lines of the cache."""
        if count == 0:
            return np.zeros(0, np.uint64)
        if self._folder is None:
            memory = mmap.mmap(-1, count * 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                # Random access to small pages spends its time on finding the pages.
                memory.madvise(mmap.MADV_HUGEPAGE)
        else:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                # The file has no name any more, and goes when the array does. It takes its room
                # now: a mapped file that finds the disk full later kills the process.
                try:
                    os.posix_fallocate(file.fileno(), 0, count * 8)
                except OSError as error:
                    text = f"cannot spill to {self._folder}: {error.strerror}"
                    raise LimitError(text) from None
                memory = mmap.mmap(file.fileno(), count * 8)
        return np.frombuffer(memory, np.uint64)


NOWHERE = np.empty(0, np.int64)


def slices(segments: Iterable[Segment], size: int) -> Iterator[Segment]:
    """The same states in segments of at most so many."""
    for chunk, low, high in segments:
        for first in range(low, high, size):
            yield Segment(chunk, first, min(first + size, high))
