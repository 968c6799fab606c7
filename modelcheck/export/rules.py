"""From tables to rules: few guarded assignments that say exactly what many table rows say.

Knows parts and their values; knows nothing of where they come from, nor of any language that the
rules are printed in. A guard is exact on the rows it was made from: true on each that it is for,
false on each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from modelcheck.export.parts import CONTROL, Constant, Part, Parts

Assignments = tuple[tuple[Part, Constant | Part], ...]
"""What a rule makes of parts: a constant, or a copy of a shared part as it is afterwards."""


class Atom(NamedTuple):
    """A comparison of a part with a value or with another part."""

    part: Part
    operator: Literal["==", "!=", "<=", ">="]
    value: Constant | Part


class Condition(NamedTuple):
    """All tests of `common` and, if there are `cases`, all of one case; or of none if negated."""

    common: tuple[Atom, ...]
    cases: tuple[tuple[Atom, ...], ...] = ()
    negated: bool = False


class _Atom(NamedTuple):
    test: Atom
    rows: int
    """A bit for each row that passes the test."""
    place: int
    """Where the part stands among the parts."""


class Guards:
    """Makes guards that tell some rows of a table from the others."""

    def __init__(self, rows: Sequence[Parts]) -> None:
        self._every = (1 << len(rows)) - 1
        self._atoms = [*_atoms(rows)]

    def telling(self, wanted: Iterable[int]) -> Condition:
        """A guard that holds of the wanted rows and of no other."""
        positive = sum(1 << row for row in set(wanted))
        common, negative = self._common(positive)
        if not negative:
            return Condition(common)
        cases = self._cases(positive, negative)
        others = self._cases(negative, positive)
        if sum(map(len, others)) < sum(map(len, cases)):
            return Condition(common, others, negated=True)
        return Condition(common, cases)

    def _common(self, positive: int) -> tuple[tuple[Atom, ...], int]:
        """Tests that all wanted rows pass, and the other rows that pass them all too."""
        able = [atom for atom in self._atoms if not positive & ~atom.rows]
        where = [
            atom for atom in able if atom.test.part.domain in CONTROL and atom.test.operator == "=="
        ]
        chosen: list[_Atom] = []
        negative = left = _passing(self._every & ~positive, where)
        while left:
            best = min(able, key=lambda atom: (left & atom.rows).bit_count(), default=None)
            if best is None or not left & ~best.rows:
                break
            chosen.append(best)
            left &= best.rows
        return (*(atom.test for atom in where), *_needed(chosen, negative, left)), left

    def _cases(self, positive: int, negative: int) -> tuple[tuple[Atom, ...], ...]:
        """Cases such that all of `positive` are in some, and none of `negative` in any."""
        cases: list[tuple[Atom, ...]] = []
        left = positive
        while left:
            case, covered = self._case(left, negative)
            cases.append(case)
            left &= ~covered
        return tuple(cases)

    def _case(self, positive: int, negative: int) -> tuple[tuple[Atom, ...], int]:
        """Tests that some wanted rows pass and no other row, and the rows that pass them."""
        chosen: list[_Atom] = []
        kept, left = positive, negative
        while left:
            best = max(
                (atom for atom in self._atoms if left & ~atom.rows and kept & atom.rows),
                key=lambda atom: (
                    (kept & atom.rows).bit_count() / kept.bit_count()
                    - (left & atom.rows).bit_count() / left.bit_count()
                ),
            )
            chosen.append(best)
            kept &= best.rows
            left &= best.rows
        case = _needed(chosen, negative, 0)
        return case, _passing(positive, [atom for atom in chosen if atom.test in case])


def _passing(rows: int, atoms: Iterable[_Atom]) -> int:
    """Those of the rows that pass all tests."""
    for atom in atoms:
        rows &= atom.rows
    return rows


def _needed(chosen: list[_Atom], negative: int, left: int) -> tuple[Atom, ...]:
    """The chosen tests without those that the others make redundant."""
    needed = list(chosen)
    for atom in chosen:
        if _passing(negative, [other for other in needed if other is not atom]) == left:
            needed.remove(atom)
    return tuple(atom.test for atom in sorted(needed, key=lambda atom: atom.place))


def _atoms(rows: Sequence[Parts]) -> Iterator[_Atom]:
    """All tests that some rows pass and some do not, those that read most simply first."""
    where: dict[Part, dict[Constant, int]] = defaultdict(lambda: defaultdict(int))
    for number, row in enumerate(rows):
        for part, value in row.items():
            where[part][value] |= 1 << number
    every = (1 << len(rows)) - 1
    later: list[_Atom] = []
    place = {part: number for number, part in enumerate(where)}
    for part, by_value in where.items():
        if len(by_value) == 1:
            continue
        for value, here in by_value.items():
            yield _Atom(Atom(part, "==", value), here, place[part])
            if len(by_value) > 2:
                later.append(_Atom(Atom(part, "!=", value), every & ~here, place[part]))
        if len(by_value) > 2 and all(isinstance(value, int) for value in by_value):
            below = 0
            ordered = sorted(by_value, key=int)
            for value, above in pairwise(ordered):
                below |= by_value[value]
                later.append(_Atom(Atom(part, "<=", value), below, place[part]))
                later.append(_Atom(Atom(part, ">=", above), every & ~below, place[part]))
    for one, other in _comparable(where):
        same = 0
        for value, here in where[one].items():
            same |= here & where[other][value]
        if same and same != every:
            later.append(_Atom(Atom(one, "==", other), same, place[one]))
            later.append(_Atom(Atom(one, "!=", other), every & ~same, place[one]))
    yield from later


def _comparable(parts: Iterable[Part]) -> Iterator[tuple[Part, Part]]:
    """A local and a shared part of one domain."""
    known = list(parts)
    for one in known:
        for other in known:
            if not one.of_shared and other.of_shared and one.domain == other.domain:
                yield one, other


def assignments(steps: Sequence[tuple[Parts, Parts]]) -> list[Assignments]:
    """For each (before, after), what to assign, with as few different answers as can be had.

    Each part gets, of "nothing", "a copy" and "a constant", what serves most of the steps, and
    then most of those that are left.
    """
    found: list[dict[Part, Constant | Part]] = [{} for _ in steps]
    for part in steps[0][0] if steps else ():
        left = list(range(len(steps)))
        while left:
            serves: dict[Constant | Part, list[int]] = {part: []}
            sources = [one for one in steps[0][0] if _can_copy(one, part)]
            serves.update((source, []) for source in sources)
            for number in left:
                before, after = steps[number]
                if before[part] == after[part]:
                    serves[part].append(number)
                for source in sources:
                    if after[source] == after[part]:
                        serves[source].append(number)
                serves.setdefault(after[part], []).append(number)
            best = max(serves, key=lambda choice: len(serves[choice]))
            for number in serves[best]:
                if best != part:
                    found[number][part] = best
            served = set(serves[best])
            left = [number for number in left if number not in served]
    answers = [tuple(one.items()) for one in found]
    # Where the part stays as it is in every step that got the answer, the answer need not say so.
    changed = {
        (answer, part)
        for answer, (before, after) in zip(answers, steps, strict=True)
        for part, _ in answer
        if before[part] != after[part]
    }
    return [tuple(one for one in answer if (answer, one[0]) in changed) for answer in answers]


def _can_copy(source: Part, target: Part) -> bool:
    return source.of_shared and not target.of_shared and source.domain == target.domain
