"""Where the fields of a state lie in its words. Knows the kernels' arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modelcheck.explore.compiled import kernels

WORD_BITS = 63
"""Bits for fields in a word; the highest bit of each is always set."""

ROOMY = 2
"""Bits to spare in each field for values yet to be met, if that takes no more words."""


@dataclass(frozen=True)
class Packing:
    """How states are packed.

    `capacity` has the number of values that the shared part can have, and then that of the locals
    of each role. `roles` has the role of each actor, `trading` whether a role's actors may trade
    places.
    """

    capacity: tuple[int, ...]
    roles: tuple[int, ...]
    trading: tuple[bool, ...]

    @cached_property
    def places(self) -> tuple[tuple[int, int, int], ...]:
        """The word, the lowest bit and the width of each field."""
        found = []
        word = bit = 0
        for width in (_bits(self.capacity[part]) for part in (0, *(1 + r for r in self.roles))):
            if bit + width > WORD_BITS:
                word, bit = word + 1, 0
            found.append((word, bit, width))
            bit += width
        return tuple(found)

    @property
    def words(self) -> tuple[int, ...]:
        """A zero for each word of a state."""
        return (0,) * (self.places[-1][0] + 1)

    @cached_property
    def layout(self) -> kernels.Layout:
        """The packing as the kernels take it."""
        word, shift, width = (np.array(part, np.int64) for part in zip(*self.places, strict=True))
        fields = range(len(self.places))
        first, last = list(fields), list(fields)
        for f in fields[2:]:
            if self.roles[f - 1] == self.roles[f - 2] and self.trading[self.roles[f - 1]]:
                first[f] = first[f - 1]
        for f in reversed(fields[1:-1]):
            if first[f + 1] == first[f]:
                last[f] = last[f + 1]
        return kernels.Layout(
            word,
            shift.astype(np.uint64),
            ((1 << width) - 1).astype(np.uint64),
            np.array((0, *self.roles), np.int64),
            np.array(first, np.int64),
            np.array(last, np.int64),
            first != list(fields),
        )

    def pack(self, fields: Sequence[int]) -> list[int]:
        """The words of a state whose fields are given in order; those that trade, sorted."""
        layout = self.layout
        fields = list(fields)
        for f, (first, last) in enumerate(zip(layout.first, layout.last, strict=True)):
            if f == first:
                fields[first : last + 1] = sorted(fields[first : last + 1])
        words = [1 << WORD_BITS for _ in self.words]
        for (word, shift, _), field in zip(self.places, fields, strict=True):
            words[word] |= field << shift
        return words

    def place(self, fields: Sequence[int], f: int) -> int:
        """Where in a packed state the local of field `f` stands first."""
        first, last = self.layout.first[f], self.layout.last[f]
        return int(first + sum(local < fields[f] for local in fields[first : last + 1]))


def fitting(counts: Sequence[int], roles: tuple[int, ...], trading: tuple[bool, ...]) -> Packing:
    """A packing for so many values of each part, with room for more where it takes no word."""
    tight = Packing(tuple(counts), roles, trading)
    for spare in range(ROOMY, 0, -1):
        packing = Packing(tuple(1 << (_bits(n) + spare) for n in counts), roles, trading)
        if len(packing.words) == len(tight.words):
            return packing
    return Packing(tuple(1 << _bits(n) for n in counts), roles, trading)


def _bits(count: int) -> int:
    """How many bits tell so many values apart."""
    return max(count - 1, 1).bit_length()
