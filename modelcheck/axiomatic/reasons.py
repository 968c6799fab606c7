"""Why a protocol does not tear, mix by mix, and in which order of events it does.

Knows the axioms. A mix is two bytes of a site with values that no instruction has together.

A reason is a minimal core over steps: each step has a literal "is there", and those of the core
exclude the mix whatever else there is. It must be minimal, for it is read as "needed": what a
solver gives as a core is some contradiction, with steps in it that could go. And it must be all of
them, for two steps that do the same are two reasons, and one alone would call needed what is not.
Tests take the named steps away and look for the tear. Only then axioms are asked for, those of
each core of steps: a core over both at once would name many axioms for the same steps.

Mixes are of two bytes, not of whole instructions, because a sentence can be about two bytes; pairs
that are alike are one mix, and as few mixes are told as account for every torn fetch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import z3

from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.cases import Case, cases
from modelcheck.axiomatic.events import Unit
from modelcheck.axiomatic.stories import Story, shortest
from modelcheck.axiomatic.terms import Axiom, ByteStore
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol
from modelcheck.solver import possible

OLD, NEW, EITHER, TRAP = "old", "new", "either", "trap"


class Item(NamedTuple):
    """A byte of a site with one of the values that it can have."""

    byte: int
    value: int


Pair = tuple[Item, Item]


@dataclass(frozen=True)
class Mix:
    """Pairs that are alike: what their bytes are (old, new, or as some step writes them).

    Without pairs, it is whatever else is torn.
    """

    left: str
    right: str
    pairs: tuple[Pair, ...]


class Reason(NamedTuple):
    """Steps that exclude a mix, whatever else the protocol does, and the axioms by which."""

    steps: tuple[Unit, ...]
    axioms: tuple[Axiom, ...]


@dataclass(frozen=True)
class Excluded:
    """A mix that no CPU can execute as the instruction at `offset` of a site.

    Where there are several reasons, each of them would do.
    """

    site: str
    offset: int
    mix: Mix
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Possible(Story):
    """A mix that a CPU can execute, and how."""

    mix: Mix


Mixed = Excluded | Possible


def explained_mixes(protocol: Protocol, configuration: Configuration) -> tuple[Mixed, ...]:
    """What is to be said of as many mixes as account for every torn fetch.

    Raises NotCoveredError for a protocol that the axioms do not cover.
    """
    found: list[Mixed] = []
    for site in protocol.sites:
        by_offset: dict[int, list[Case]] = {}
        for case in cases(protocol, site):
            by_offset.setdefault(case.offset, []).append(case)
        for _, some in sorted(by_offset.items()):
            question = _Question(protocol, configuration, site, some)
            answers = [answer for mix in question.mixes() for answer in question.answers(mix)]
            found += question.needed(answers)
    return tuple(found)


def can_mix(
    protocol: Protocol,
    configuration: Configuration,
    site: Site,
    pairs: Iterable[Pair],
    offset: int = 0,
) -> bool:
    """Whether a CPU can execute torn bytes at `offset`, with one of these pairs among them."""
    some = [case for case in cases(protocol, site) if case.offset == offset]
    question = _Question(protocol, configuration, site, some)
    return question.possible(Mix("", "", tuple(pairs)))


class _Question:
    """The mixes at one place of a site, and what Z3 says of them.

    `cases` are all ways to fetch there. Whatever holds of one of them holds of the question.
    """

    def __init__(
        self, protocol: Protocol, configuration: Configuration, site: Site, cases: list[Case]
    ) -> None:
        self._site = site
        self._ways = [Axioms(protocol, configuration, site, case=case) for case in cases]
        self._any = self._ways[0]
        region = self._any.region
        self._begin, self._known = cases[0].offset, region.known(cases[0].offset)
        self._end = region.extent(self._begin)
        self._has = {unit: has for way in self._ways for unit, has in way.has.items()}
        self._present = list(self._has.values())
        bytes_ = range(self._begin, self._end)
        self._values = {byte: self._values_of(byte) for byte in bytes_}
        self._exposing = [
            (one, other)
            for i, j in combinations(bytes_, 2)
            for one in self._values[i]
            for other in self._values[j]
            if self._exposes(one, other)
        ]
        self._solver = z3.Solver()
        self._chosen = [z3.Bool(f"way {number}") for number in range(len(self._ways))]
        for chosen, way in zip(self._chosen, self._ways, strict=True):
            self._solver.add(z3.Implies(chosen, z3.And(*way.named.values(), way.is_torn())))

    def _values_of(self, byte: int) -> list[Item]:
        stores = self._written(byte)
        values = [self._site.old[byte], *(store.value.as_long() for store in stores)]
        return [Item(byte, value) for value in dict.fromkeys(values)]

    def _written(self, byte: int) -> list[ByteStore]:
        """The stores to a byte, in all ways through the programs."""
        return [store for way in self._ways for store in way.written(byte)]

    def _exposes(self, *items: Item) -> bool:
        """Whether no instruction has these bytes together; nor a trap, if some are where it is."""
        trap = self._any.trap
        in_trap = any(item.byte < self._begin + len(trap) for item in items)
        forms = [*self._known, *([trap] if in_trap else [])]
        places = [(item.byte - self._begin, item.value) for item in items]
        return not any(
            all(at >= len(form) or form[at] == value for at, value in places) for form in forms
        )

    def _is(self, item: Item) -> str:
        """What a byte is with this value."""
        byte, value = item
        old, new = self._site.old[byte] == value, self._site.new[byte] == value
        if old or new:
            return EITHER if old and new else OLD if old else NEW
        in_trap = byte - self._begin
        if self._any.trap[in_trap : in_trap + 1] == bytes([value]):
            return TRAP
        return next(
            store.event.name for store in self._written(byte) if store.value.as_long() == value
        )

    def _written_by(self, byte: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys(store.event.name for store in self._written(byte)))

    # The mixes.

    def mixes(self) -> Iterator[Mix]:
        """All pairs that expose a tear, those alike together, and then whatever else is torn."""
        chunk_of = {byte: chunk.start for chunk in self._any.chunks for byte in chunk}
        alike: dict[tuple[object, ...], list[Pair]] = {}
        for pair in self._exposing:
            kind = [(self._is(item), self._written_by(item.byte)) for item in pair]
            together = chunk_of[pair[0].byte] == chunk_of[pair[1].byte]
            alike.setdefault((*kind, together), []).append(pair)
        for pairs in alike.values():
            left, right = pairs[0]
            yield Mix(self._is(left), self._is(right), tuple(pairs))
        if not self._accounts_for_all(self._exposing):
            yield Mix("", "", ())

    def _accounts_for_all(self, pairs: Iterable[Pair]) -> bool:
        """Whether each choice of a value for each byte has one of the pairs or is not torn."""
        solver = z3.Solver()
        fetched = {byte: z3.BitVec(f"byte {byte}", 8) for byte in self._values}
        for byte, items in self._values.items():
            solver.add(z3.Or(*(fetched[byte] == item.value for item in items)))
        for one, other in pairs:
            solver.add(z3.Or(fetched[one.byte] != one.value, fetched[other.byte] != other.value))
        trap = [self._any.trap] if self._any.trap else []
        for form in [*self._known, *trap]:
            same = zip(fetched.values(), form, strict=False)
            solver.add(z3.Or(*(value != byte for value, byte in same)))
        return not possible(solver)

    def needed(self, answers: list[Mixed]) -> list[Mixed]:
        """The answers without those that say nothing new: all torn fetches are in the others.

        Those of fewer reasons and earlier bytes stay, and of equal tears the first.
        """
        kept = sorted(answers, key=_rank)
        for answer in reversed(tuple(kept)):
            others = [other for other in kept if other is not answer]
            pairs = [pair for other in others for pair in other.mix.pairs]
            if answer.mix.pairs and self._accounts_for_all(pairs):
                kept = others
        tears = {answer.data: answer for answer in reversed(kept) if isinstance(answer, Possible)}
        return [a for a in kept if isinstance(a, Excluded) or tears[a.data] is a]

    # What is said of a mix.

    def _asked(self, mix: Mix) -> z3.BoolRef:
        """Whether it is fetched in one of the ways."""
        asked = (self._asked_of(way, mix) for way in self._ways)
        return z3.Or(*map(z3.And, self._chosen, asked))

    def _asked_of(self, way: Axioms, mix: Mix) -> z3.BoolRef:
        pairs = mix.pairs or self._exposing
        any_of = z3.Or(
            *(
                z3.And(*(way.is_fetched(i.byte, z3.BitVecVal(i.value, 8)) for i in pair))
                for pair in pairs
            )
        )
        return any_of if mix.pairs else z3.Not(any_of)

    def possible(self, mix: Mix) -> bool:
        """Whether a CPU can execute it."""
        return possible(self._solver, self._asked(mix), *self._present)

    def answers(self, mix: Mix) -> Iterator[Mixed]:
        """Why the mix is excluded, or how it happens; both, where some of its pairs can."""
        if not self.possible(mix):
            yield self._excluded(mix)
            return
        can = [pair for pair in mix.pairs if self.possible(Mix("", "", (pair,)))]
        yield self._happens(Mix(mix.left, mix.right, tuple(can)))
        cannot = tuple(pair for pair in mix.pairs if pair not in can)
        if cannot:
            yield self._excluded(Mix(mix.left, mix.right, cannot))

    def _excluded(self, mix: Mix) -> Excluded:
        solver = z3.Solver()
        solver.add(*self._solver.assertions(), self._asked(mix))
        unit_of = {literal.decl().name(): unit for unit, literal in self._has.items()}
        reasons = [
            tuple(unit_of[literal.decl().name()] for literal in core)
            for core in _minimal_cores(solver, self._present)
        ]
        order = list(self._has)
        reasons = [tuple(sorted(steps, key=order.index)) for steps in reasons]
        reasons.sort(key=lambda steps: (len(steps), [order.index(unit) for unit in steps]))
        return Excluded(
            self._site.name,
            self._begin,
            mix,
            tuple(Reason(steps, self._by_which(mix, steps)) for steps in reasons),
        )

    def _by_which(self, mix: Mix, steps: tuple[Unit, ...]) -> tuple[Axiom, ...]:
        """The axioms by which these steps exclude the mix, whether the others are there or not."""
        cores = [set(self._by_which_of(way, mix, steps)) for way in self._ways]
        names = dict.fromkeys(name for way in self._ways for name in way.named)
        return tuple(name for name in names if any(name in core for core in cores))

    def _by_which_of(self, way: Axioms, mix: Mix, steps: tuple[Unit, ...]) -> Iterator[Axiom]:
        """The axioms by which they exclude one of the ways.

        As far as possible, they are about these steps and those that write the mix.
        """
        there = set(steps) | self._writers(mix)
        absent = {event.name for event in way.events if event.unit not in there}
        solver = z3.Solver()
        solver.add(way.is_torn(), self._asked_of(way, mix))
        solver.add(*(self._has[unit] for unit in steps))
        named = {
            z3.Bool(str(number)): axiom
            for number, axiom in enumerate(
                sorted(way.named, key=lambda a: -((a.first in absent) + (a.second in absent)))
            )
        }
        for literal, axiom in named.items():
            solver.add(z3.Implies(literal, way.named[axiom]))
        return (named[literal] for literal in _shrunk(solver, list(named)))

    def _writers(self, mix: Mix) -> set[Unit]:
        pairs = mix.pairs or self._exposing
        items = {item for pair in pairs for item in pair}
        return {
            store.event.unit
            for item in items
            for store in self._written(item.byte)
            if store.value.as_long() == item.value != self._site.old[item.byte]
        }

    def _happens(self, mix: Mix) -> Possible:
        """The mix in an order of events with as few as possible before it is executed."""
        for way, chosen in zip(self._ways, self._chosen, strict=True):
            asked = self._asked_of(way, mix)
            if possible(self._solver, chosen, asked, *self._present):
                return self._happens_by(way, mix, chosen, asked)
        raise AssertionError(mix)

    def _happens_by(self, way: Axioms, mix: Mix, *asked: z3.BoolRef) -> Possible:
        solver = z3.Solver()
        solver.add(*self._solver.assertions(), *self._present, *asked)
        story = shortest(solver, way)
        return Possible(**vars(story), mix=mix)


def _rank(answer: Mixed) -> tuple[int, ...]:
    if isinstance(answer, Possible):
        return (0,)
    named = sum(len(reason.steps) for reason in answer.reasons)
    first = min((pair[0].byte for pair in answer.mix.pairs), default=-1)
    return (1, len(answer.reasons), first, named)


def _shrunk(solver: z3.Solver, literals: list[z3.BoolRef]) -> list[z3.BoolRef]:
    """A minimal part of these literals that contradicts the solver, as all of them do."""
    kept = list(literals)
    for literal in literals:
        fewer = [other for other in kept if other is not literal]
        if not possible(solver, *fewer):
            kept = fewer
    return kept


def _minimal_cores(solver: z3.Solver, literals: list[z3.BoolRef]) -> Iterator[list[z3.BoolRef]]:
    """All minimal parts of these literals that contradict the solver.

    Source: Liffiton et al., "Fast, flexible MUS enumeration", Constraints 21 (2016): MARCO.
    """
    unexplored = z3.Solver()
    while possible(unexplored):
        model = unexplored.model()
        seed = [literal for literal in literals if not z3.is_false(model.eval(literal))]
        if not possible(solver, *seed):
            core = _shrunk(solver, seed)
            yield core
            unexplored.add(z3.Or(*map(z3.Not, core)))
        else:
            for literal in literals:
                if literal not in seed and possible(solver, *seed, literal):
                    seed.append(literal)
            unexplored.add(z3.Or(*(literal for literal in literals if literal not in seed)))
