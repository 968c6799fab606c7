"""Where the fields of a state lie in its words. Knows the kernels' arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

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
    def layout(self) -> npt.NDArray[np.uint64]:
        """The packing as the kernels take it."""
        first = list(range(len(self.places)))
        for f in first[2:]:
            if self.roles[f - 1] == self.roles[f - 2] and self.trading[self.roles[f - 1]]:
                first[f] = first[f - 1]
        layout = np.empty((len(first), kernels.ASPECTS), np.uint64)
        for f, (word, shift, width) in enumerate(self.places):
            role = self.roles[f - 1] if f else 0
            last = len(first) - 1 - first[::-1].index(first[f])
            layout[f] = (word, shift, (1 << width) - 1, role, first[f], last)
        return layout

    @property
    def trades(self) -> bool:
        """Whether any actors may trade places."""
        return any(self.trading)

    def pack(self, fields: Sequence[int]) -> list[int]:
        """The words of a state whose fields are given in order; those that trade, sorted."""
        fields = list(fields)
        for first, last in self.layout[:, (kernels.FIRST, kernels.LAST)].tolist():
            fields[first : last + 1] = sorted(fields[first : last + 1])
        words = [int(kernels.MARK) for _ in self.words]
        for (word, shift, _), field in zip(self.places, fields, strict=True):
            words[word] |= field << shift
        return words

    def place(self, fields: Sequence[int], f: int) -> int:
        """Where in a packed state the local of field `f` stands first."""
        first, last = (int(self.layout[f, end]) for end in (kernels.FIRST, kernels.LAST))
        return first + sum(local < fields[f] for local in fields[first : last + 1])


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
