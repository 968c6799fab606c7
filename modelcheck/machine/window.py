"""Windows: all that one instruction fetch may read at once, as constraints for Z3.

Knows bytes, and how Z3 is asked. A window is what the rules of a fetch model leave of the versions
in memory.

Why times: all that fetch models say is about when a byte was read. It is bounded (by what the CPU
has seen), equal (within a chunk) or ordered (across chunks), so one question serves all models, and
no model has a way of fetching of its own. A variable for each byte's value alone could not say
that two chunks come from one moment.

Why the earliest positions: two reads of the same bytes differ in nothing but what they leave for
later fetches, and the earlier one leaves all that the later one does. To keep every position would
give the same behaviours from more states; the latest ones would lose some.

To enumerate the versions would do as well, but their number is a product over chunks. That is the
oracle of the tests (tests/test_window.py). See docs/decisions/0003-z3-once-per-window.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import z3

from modelcheck.solver import possible


@dataclass(frozen=True)
class Window:
    """The versions of each chunk of an instruction that a CPU may fetch now, oldest first.

    `known` are the instructions that are right there, old and new first. With `ordered`, the
    chunks share one history, so that positions in their lists are comparable, and no chunk is read
    at an earlier position than the chunk to its left. With `newest_trap`, a trap is fetched from
    the newest version only: a CPU enters it in the very step that reads it. `traps` are the
    trap instructions, of which none is how another begins.
    """

    chunks: tuple[tuple[bytes, ...], ...]
    known: tuple[bytes, ...]
    traps: tuple[bytes, ...]
    ordered: bool
    newest_trap: bool


class Fetched(NamedTuple):
    """One possible fetch: its bytes, and the position that each chunk came from.

    The chunks behind a trap or a known instruction are not read, and `positions` is the shorter
    for it. The positions are the earliest that give these bytes, which restricts later fetches the
    least.
    """

    data: bytes
    positions: tuple[int, ...]


class TornRead:
    """The torn-read question in Z3: a time for each byte, and the byte's value at that time.

    Times lie within the window; the bytes of one chunk are read at one time; with `ordered`,
    times do not decrease from chunk to chunk. A read is torn if the values begin with no known
    instruction, nor with a trap.
    """

    def __init__(self, window: Window) -> None:
        self.solver = z3.Solver()
        self.values: list[z3.BitVecRef] = []
        times: list[z3.BitVecRef] = []
        bits = max(len(versions) for versions in window.chunks).bit_length() + 1
        firsts: list[z3.BitVecRef] = []
        for number, versions in enumerate(window.chunks):
            firsts.append(z3.BitVec(f"time[{number}][0]", bits))
            self.solver.add(z3.ULT(firsts[-1], len(versions)))
            for byte in range(len(versions[0])):
                time = z3.BitVec(f"time[{number}][{byte}]", bits)
                self.solver.add(time == firsts[-1])
                value = z3.BitVecVal(versions[-1][byte], 8)
                for at in range(len(versions) - 2, -1, -1):
                    value = z3.If(time == at, z3.BitVecVal(versions[at][byte], 8), value)
                times.append(time)
                self.values.append(value)
        if window.ordered:
            for left, right in pairwise(firsts):
                self.solver.add(z3.ULE(left, right))

        self.is_known = {data: self._spells(data) for data in window.known}
        fits = [trap for trap in window.traps if len(trap) <= len(self.values)]
        self.is_trap = {trap: self._spells(trap) for trap in fits}
        self.enters_trap = dict(self.is_trap)
        if window.newest_trap:
            newest = [len(versions) - 1 for versions in window.chunks for _ in versions[0]]
            for trap, spelt in self.is_trap.items():
                in_trap = list(zip(times, newest, strict=True))[: len(trap)]
                is_newest = z3.Or([time == last for time, last in in_trap])
                self.enters_trap[trap] = z3.And(spelt, is_newest)
        self.is_torn = z3.Not(z3.Or(*self.is_known.values(), *self.is_trap.values()))

    def _spells(self, data: bytes) -> z3.BoolRef:
        return z3.And([v == byte for v, byte in zip(self.values, data, strict=False)])

    def possible(self, question: z3.BoolRef) -> bool:
        """Whether some fetch answers the question with yes."""
        return possible(self.solver, question)

    def torn(self) -> Iterator[bytes]:
        """The bytes of every torn read, each once."""
        self.solver.push()
        self.solver.add(self.is_torn)
        while possible(self.solver):
            model = self.solver.model()
            found = [model.eval(value, model_completion=True).as_long() for value in self.values]
            yield bytes(found)
            self.solver.add(z3.Not(self._spells(bytes(found))))
        self.solver.pop()


@cache
def fetchable(window: Window) -> tuple[Fetched, ...]:
    """All that can be fetched through a window, in a fixed order. Asked of Z3 once per window."""
    if all(len(versions) == 1 for versions in window.chunks):
        return (_only(window),)
    read = TornRead(window)
    found = [data for data, question in read.is_known.items() if read.possible(question)]
    found += [trap for trap, entered in read.enters_trap.items() if read.possible(entered)]
    found += sorted(read.torn())
    return tuple(Fetched(data, _earliest(window, data)) for data in found)


def _only(window: Window) -> Fetched:
    """The one fetch that a window of one version allows; nothing is left to solve."""
    data = b"".join(versions[0] for versions in window.chunks)
    whole = (*window.traps, *window.known)
    data = next((one for one in whole if data.startswith(one)), data)
    return Fetched(data, _earliest(window, data))


def _earliest(window: Window, data: bytes) -> tuple[int, ...]:
    """Where these bytes can have come from at the earliest."""
    if data in window.traps and window.newest_trap:
        tries = (_earliest_with(window, data, last) for last in reversed(range(len(window.chunks))))
        return next(positions for positions in tries if positions)
    return _earliest_with(window, data, None)


def _earliest_with(window: Window, data: bytes, newest: int | None) -> tuple[int, ...]:
    """The earliest positions, with chunk `newest` read at its newest; none if there are none."""
    positions: list[int] = []
    at = 0
    for number, versions in enumerate(window.chunks):
        wanted = data[at : at + len(versions[0])]
        if not wanted:
            break
        start = positions[-1] if window.ordered and positions else 0
        if number == newest:
            start = len(versions) - 1
        found = [p for p in range(start, len(versions)) if versions[p].startswith(wanted)]
        if not found:
            return ()
        positions.append(found[0])
        at += len(wanted)
    return tuple(positions) if newest is None or newest < len(positions) else ()
