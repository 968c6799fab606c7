"""Code memory as versions: histories of contents, and how sites divide into fetch chunks.

Knows sites; knows nothing of CPUs or steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from modelcheck.protocol.code import Site

History = tuple[bytes, ...]
"""The contents of some code bytes after each store that changed them, oldest first."""

Memory = tuple[History, ...]

View = tuple[int, ...]
"""For each history, an index into it: the oldest version that a CPU may still fetch."""

LINE = 64
"""Bytes in a cache line: a site's offset is counted from the last multiple of this."""


@dataclass(frozen=True)
class Chunk:
    """The part of a site that is fetched in one atomic read: a slice of one history's contents."""

    history: int
    start: int
    stop: int


class ByteChange(NamedTuple):
    """A change of byte `byte`, and the chunk around it, whose first byte is `first`."""

    first: int
    byte: int
    before: bytes
    after: bytes


class Layout:
    """Where the bytes of the sites lie: in which chunk, and in which history.

    `chunk` is a power of two; `offset` is where the first site begins within a cache line, and
    the others keep their distance to it. With `ordered` there is one history of all code bytes,
    otherwise one for each chunk. Without `history`, only the newest contents are kept.
    """

    def __init__(
        self, sites: tuple[Site, ...], *, chunk: int, offset: int, ordered: bool, history: bool
    ) -> None:
        shift = offset - sites[0].address % LINE
        self._keep_history = history
        self.initial: Memory
        self.chunks: list[tuple[Chunk, ...]] = []
        """For each site, its chunks in ascending order."""
        self._place: dict[tuple[int, int], tuple[int, int]] = {}
        """(site, byte) to (history, index in its contents)."""

        contents: list[bytearray] = []
        history_of: dict[int, int] = {}
        for number, site in enumerate(sites):
            spans: dict[int, tuple[int, int, int]] = {}
            for byte in range(len(site)):
                line = (site.address + shift + byte) // chunk
                at = history_of.setdefault(0 if ordered else line, len(contents))
                if at == len(contents):
                    contents.append(bytearray())
                index = len(contents[at])
                contents[at].append(site.old[byte])
                self._place[number, byte] = (at, index)
                start = spans[line][1] if line in spans else index
                spans[line] = (at, start, index + 1)
            self.chunks.append(tuple(Chunk(*spans[line]) for line in sorted(spans)))
        self.initial = tuple((bytes(data),) for data in contents)

    def write(self, memory: Memory, site: int, at: int, data: bytes) -> Memory:
        """Memory after one atomic store; a store that changes nothing makes no new version."""
        changed: dict[int, bytearray] = {}
        for i, byte in enumerate(data):
            history, index = self._place[site, at + i]
            changed.setdefault(history, bytearray(memory[history][-1]))[index] = byte
        result = list(memory)
        for history, contents in changed.items():
            new = bytes(contents)
            if new != memory[history][-1]:
                result[history] = (*memory[history], new) if self._keep_history else (new,)
        return tuple(result)

    def span(self, site: int, start: int, stop: int) -> tuple[Chunk, ...]:
        """The chunks of bytes `start` to `stop` of a site, cut to these bytes."""
        found: list[Chunk] = []
        first = 0
        for chunk in self.chunks[site]:
            end = first + chunk.stop - chunk.start
            if first < stop and start < end:
                low, high = max(start, first), min(stop, end)
                found.append(
                    Chunk(chunk.history, chunk.start + low - first, chunk.start + high - first)
                )
            first = end
        return tuple(found)

    def newest(self, memory: Memory) -> View:
        """The view that sees nothing but the newest version of everything."""
        return tuple(len(history) - 1 for history in memory)

    def contents(self, memory: Memory, site: int) -> bytes:
        """The newest bytes of a site."""
        return b"".join(memory[c.history][-1][c.start : c.stop] for c in self.chunks[site])

    def versions(self, memory: Memory, chunk: Chunk, since: int) -> tuple[bytes, ...]:
        """What a chunk held at each version of its history from index `since` on."""
        return tuple(v[chunk.start : chunk.stop] for v in memory[chunk.history][since:])

    def changes(
        self, memory: Memory, site: int, start: int, stop: int, view: View
    ) -> Iterator[ByteChange]:
        """Each change of bytes `start` to `stop` of a site that came after `view`.

        Bytes are counted from `start`.
        """
        first = 0
        for chunk in self.span(site, start, stop):
            seen = self.versions(memory, chunk, view[chunk.history])
            for before, after in pairwise(seen):
                for i, (old, new) in enumerate(zip(before, after, strict=True)):
                    if old != new:
                        yield ByteChange(first, first + i, before, after)
            first += chunk.stop - chunk.start
