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


def parts(begin: int, size: int, within: int) -> Iterator[range]:
    """The events of one store at an address, as offsets into it: one if it lies within so many
    bytes, naturally aligned (a power of two); otherwise one for each naturally aligned part."""
    if begin // within == (begin + size - 1) // within:
        yield range(size)
        return
    at = 0
    while at < size:
        length = 1
        while (begin + at) % (2 * length) == 0 and at + 2 * length <= size:
            length *= 2
        yield range(at, at + length)
        at += length


def join(one: View, other: View) -> View:
    """The newer of two places in each history; one of them may be nowhere."""
    return tuple(map(max, one, other)) if one and other else one or other


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
        self._begin = [site.address + shift for site in sites]
        ends = [
            range(begin, begin + len(one)) for begin, one in zip(self._begin, sites, strict=True)
        ]
        every = sorted({address // LINE for end in ends for address in end})
        self._line = {name: number for number, name in enumerate(every)}
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
        self._in_line: dict[int, set[int]] = {}
        for (number, byte), (there, _) in self._place.items():
            (touched,) = self.lines(number, byte, 1)
            self._in_line.setdefault(touched, set()).add(there)

    @property
    def every_line(self) -> range:
        """The numbers of all cache lines that have bytes of sites."""
        return range(len(self._line))

    def lines(self, site: int, at: int, size: int) -> range:
        """The numbers of the lines that hold these bytes of a site."""
        first = self._begin[site] + at
        return range(self._line[first // LINE], self._line[(first + size - 1) // LINE] + 1)

    def parts(self, site: int, at: int, size: int, within: int) -> tuple[range, ...]:
        """The events of one store of so many bytes; see `parts`."""
        return tuple(parts(self._begin[site] + at, size, within))

    def of_line(self, line: int, view: View, other: View) -> View:
        """`view`, but of the histories of one line as `other` has it, where that is newer."""
        there = self._in_line[line]
        return tuple(
            max(a, b) if history in there else a
            for history, (a, b) in enumerate(zip(view, other, strict=True))
        )

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
