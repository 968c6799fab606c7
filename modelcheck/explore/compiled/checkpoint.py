"""A search to and from its checkpoint. Knows searches; saving knows the files."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from modelcheck.explore.compiled.layout import Packing
from modelcheck.explore.compiled.saving import CheckpointError, Files, Log
from modelcheck.explore.compiled.store import Segment, Words
from modelcheck.explore.compiled.tables import Query
from modelcheck.explore.pulse import LimitError
from modelcheck.explore.verdict import Saving

if TYPE_CHECKING:
    from modelcheck.explore.compiled.search import Search

AT_A_TIME = 1 << 20
"""States read at a time."""


class Checkpoint:
    """Keeps a search on disk, until it is closed. Resumes the search first if told so.

    Raises CheckpointError if it cannot be resumed, or another run has it.
    """

    def __init__(self, saving: Saving, search: "Search", *, symmetric: bool) -> None:
        self._search = search
        self._seconds = saving.seconds
        counted = "up to permutation" if symmetric else "one by one"
        self._files = Files(saving.folder, saving.subject | {"way of counting": counted})
        self._packing = search.store.packing
        self._log: Log | None = None
        self._states = 0
        """How many states are in the log on disk."""
        try:
            if saving.resume:
                self._resume()
        except BaseException:
            self._files.close()
            raise
        self._saved = time.monotonic()

    def close(self) -> None:
        """Let another run have it."""
        self._files.close()

    def save_if_due(self, *, border: bool) -> None:
        """Save now and then, sooner at the border of two levels."""
        since = time.monotonic() - self._saved
        if since > self._seconds or (border and since > self._seconds / 10):
            self.save()

    def save(self) -> None:
        """Save the search as it stands. Raises LimitError if there is no room."""
        try:
            self._save()
        except OSError as error:
            folder = self._files.folder
            raise LimitError(f"cannot save to {folder}: {error.strerror}") from None

    def _save(self) -> None:
        search = self._search
        if self._log is None or search.store.packing != self._packing:
            self._log, self._states = self._files.new_log(), 0
            self._packing = search.store.packing
        every = [segment for level in search.levels for segment in level]
        fresh = list(_numbered(every, self._states, search.store.states))
        self._log.append(search.store.part(*segment) for segment in fresh)
        self._states = search.store.states
        self._files.write(
            self._log,
            {
                "capacity": self._packing.capacity,
                "transitions": search.transitions,
                "asked": list(search.tables.asked),
                "counts": search.tables.counts,
                "seen": sorted(search.seen),
                "levels": [sum(high - low for _, low, high in level) for level in search.levels],
                "todo": list(_numbers(every, search.todo)),
            },
        )
        self._saved = time.monotonic()

    def _resume(self) -> None:
        search = self._search
        self._log, digest, data = self._files.read()
        search.start_anew(Packing(tuple(data["capacity"]), self._packing.roles, search.trading))
        try:
            for question in data["asked"]:
                search.tables.answer(Query(*question))
            same = list(search.tables.counts) == data["counts"]
        except IndexError:  # It asks for what is not there.
            same = False
        if not same:
            raise CheckpointError(
                f"{self._files.folder}: the model answers differently now; begin anew"
            )
        self._packing = search.store.packing
        size = 8 * len(self._packing.words)
        every: list[Segment] = []
        for block in self._log.read(AT_A_TIME * size, digest):
            words: Words = np.frombuffer(block, np.uint64)
            every += search.store.add(words)
        self._states = search.store.states
        start = 0
        search.levels = []
        for level in data["levels"]:
            search.levels.append(list(_numbered(every, start, start + level)))
            start += level
        search.todo.extend(s for low, high in data["todo"] for s in _numbered(every, low, high))
        search.transitions = data["transitions"]
        search.seen.update(data["seen"])


def _numbered(segments: Iterable[Segment], low: int, high: int) -> Iterator[Segment]:
    """The states numbered from low up to high, counted through all segments in order."""
    start = 0
    for chunk, first, last in segments:
        stop = start + last - first
        if start < high and low < stop:
            yield Segment(chunk, first + max(low - start, 0), last - max(stop - high, 0))
        start = stop


def _numbers(segments: Iterable[Segment], parts: Iterable[Segment]) -> Iterator[tuple[int, int]]:
    """The numbers, counted through all segments, of parts of them."""
    starts = {}
    start = 0
    for chunk, first, last in segments:
        starts[chunk, first, last] = start
        start += last - first
    for chunk, low, high in parts:
        for (other, first, last), start in starts.items():
            if other == chunk and first <= low < last:
                yield start + low - first, start + high - first
