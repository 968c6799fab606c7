"""Sites as CPUs walk through them: which instructions are right where, and where they lead.

Knows sites; knows nothing of memory or CPUs.

A pass through a region is right if one form of the site has all the instructions that it executed,
each at its offset. What a CPU remembers of its pass is therefore a set of forms, those that it
agrees with so far, in one small number: it can only shrink, and the pass is torn when none is left.
The list of what was executed would say no more, and would make states of passes that nobody can
tell apart. A bit for "old or new so far" would not do: forms may share instructions, there may be
forms between old and new, and where an instruction ends depends on the form.
"""

from functools import cache

from modelcheck.arch.architecture import Architecture
from modelcheck.machine.state import FetchedAs, Place
from modelcheck.protocol.actions import Instruction
from modelcheck.protocol.code import Site

OLD, NEW = 1, 2
"""The bits of the first two forms of a site."""


class Region:
    """The forms of a site, by offset. A site of one instruction is a region that has no inside.

    `traps` are the trap instructions, which may be longer than all that a form has at an offset.
    """

    def __init__(self, number: int, site: Site, traps: tuple[bytes, ...] = ()) -> None:
        self._number = number
        self._traps = traps
        self._site = site
        self._forms = site.forms
        self._every = (1 << len(self._forms)) - 1
        self._next: dict[tuple[int, int], int | None] = {}
        self._length: dict[tuple[int, int], int] = {}
        for form, runs in enumerate(form.runs for form in self._forms):
            for i, (offset, length) in enumerate(runs):
                self._length[form, offset] = length
                self._next[form, offset] = runs[i + 1][0] if i + 1 < len(runs) else None
        self.known = cache(self._known)
        self.extent = cache(self._extent)

    def entries(self) -> tuple[Place, ...]:
        """Where a CPU may enter."""
        return tuple(Place(self._number, offset, self._every) for offset in self._site.entries)

    def _known(self, offset: int) -> tuple[bytes, ...]:
        """The instructions that are right at an offset, each once."""
        found = (self._instruction(form, offset) for form in range(len(self._forms)))
        return tuple(dict.fromkeys(data for data in found if data))

    def _extent(self, offset: int) -> int:
        """Up to which byte a CPU may read to fetch the instruction at an offset."""
        known = self.known(offset)
        if not known:
            return len(self._site)
        return min(offset + max(map(len, (*self._traps, *known))), len(self._site))

    def _instruction(self, form: int, offset: int) -> bytes:
        length = self._length.get((form, offset), 0)
        return self._forms[form].data[offset : offset + length]

    def agreeing(self, offset: int, data: bytes) -> int:
        """A bit for each form that has exactly this instruction at an offset."""
        return sum(
            1 << form for form in range(len(self._forms)) if self._instruction(form, offset) == data
        )

    def emulated(self, offset: int, which: Instruction) -> tuple[bytes, int]:
        """The old or the new instruction at an offset, and the forms that have it there."""
        data = self._instruction(("old", "new").index(which), offset)
        return data, self.agreeing(offset, data) if data else 0

    def skipped(self, offset: int, arch: Architecture) -> int:
        """The forms that have a no-op at an offset."""
        return sum(self.agreeing(offset, data) for data in self.known(offset) if arch.is_nop(data))

    def onward(self, place: Place, agreeing: int) -> Place | None:
        """Where a CPU is after an instruction that these forms agree with; None if outside."""
        if not agreeing:
            return None
        form = (agreeing & -agreeing).bit_length() - 1
        offset = self._next[form, place.offset]
        if offset is None:
            return None
        return Place(self._number, offset, place.forms & agreeing)


def kind_of(agreeing: int) -> FetchedAs:
    """What an instruction is that these forms agree with."""
    if not agreeing:
        return "torn"
    kinds: tuple[FetchedAs, ...] = ("between", "old", "new", "both")
    return kinds[agreeing & (OLD | NEW)]
