"""Why a protocol does not tear, mix by mix, and in which order of events it does.

Knows the axioms. A mix is two bytes of a site with values that no instruction has together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import z3

from modelcheck.axiomatic.axioms import Axiom, Axioms, Happening
from modelcheck.axiomatic.events import Unit
from modelcheck.axiomatic.verdict import possible
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Site
from modelcheck.protocol.protocol import Protocol

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
    """A mix that no CPU can execute. Where there are several reasons, each of them would do."""

    site: str
    mix: Mix
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Possible:
    """A mix that a CPU can execute: its bytes, and the fewest happenings after which it does.

    Each byte was fetched as it was after the first `fetched` of the happenings.
    """

    site: str
    mix: Mix
    data: bytes
    happenings: tuple[Happening, ...]
    fetched: tuple[int, ...]


Mixed = Excluded | Possible


def explain(protocol: Protocol, configuration: Configuration) -> tuple[Mixed, ...]:
    """What is to be said of as many mixes as account for every torn fetch.

    Raises NotCoveredError for a protocol that the axioms do not cover.
    """
    found: list[Mixed] = []
    for site in protocol.sites:
        question = _Question(Axioms(protocol, configuration, site))
        answers = [answer for mix in question.mixes() for answer in question.answers(mix)]
        found += question.needed(answers)
    return tuple(found)


def can_mix(
    protocol: Protocol, configuration: Configuration, site: Site, pairs: Iterable[Pair]
) -> bool:
    """Whether a CPU can execute torn bytes with one of these pairs among them."""
    question = _Question(Axioms(protocol, configuration, site))
    return question.possible(Mix("", "", tuple(pairs)))


class _Question:
    """The mixes of one site, and what Z3 says of them."""

    def __init__(self, axioms: Axioms) -> None:
        self._axioms = axioms
        self._site = axioms.site
        self._solver = z3.Solver()
        self._solver.add(*axioms.named.values(), axioms.is_torn())
        self._present = list(axioms.has.values())
        self._values = [self._values_of(byte) for byte in range(len(self._site))]
        self._exposing = [
            (one, other)
            for i, j in combinations(range(len(self._site)), 2)
            for one in self._values[i]
            for other in self._values[j]
            if self._exposes(one, other)
        ]

    def _values_of(self, byte: int) -> list[Item]:
        stores = self._axioms.written(byte)
        values = [self._site.old[byte], *(store.value.as_long() for store in stores)]
        return [Item(byte, value) for value in dict.fromkeys(values)]

    def _known(self) -> list[bytes]:
        return [form.data for form in self._site.forms]

    def _exposes(self, *items: Item) -> bool:
        """Whether no instruction has these bytes together; nor a trap, if some are where it is."""
        trap = self._axioms.trap
        in_trap = any(item.byte < len(trap) for item in items)
        forms = [*self._known(), *([trap] if in_trap else [])]
        return not any(
            all(i.byte >= len(form) or form[i.byte] == i.value for i in items) for form in forms
        )

    def _is(self, item: Item) -> str:
        """What a byte is with this value."""
        byte, value = item
        old, new = self._site.old[byte] == value, self._site.new[byte] == value
        if old or new:
            return EITHER if old and new else OLD if old else NEW
        if self._axioms.trap[byte : byte + 1] == bytes([value]):
            return TRAP
        return next(
            store.event.step.label
            for store in self._axioms.written(byte)
            if store.value.as_long() == value
        )

    def _written_by(self, byte: int) -> tuple[str, ...]:
        stores = self._axioms.written(byte)
        return tuple(store.event.step.label for store in stores)

    # The mixes.

    def mixes(self) -> Iterator[Mix]:
        """All pairs that expose a tear, those alike together, and then whatever else is torn."""
        chunk_of = {byte: chunk.start for chunk in self._axioms.chunks for byte in chunk}
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
        fetched = [z3.BitVec(f"byte {byte}", 8) for byte in range(len(self._site))]
        for items, value in zip(self._values, fetched, strict=True):
            solver.add(z3.Or(*(value == item.value for item in items)))
        for one, other in pairs:
            solver.add(z3.Or(fetched[one.byte] != one.value, fetched[other.byte] != other.value))
        trap = [self._axioms.trap] if self._axioms.trap else []
        for form in [*self._known(), *trap]:
            same = zip(fetched, form, strict=False)
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
        if not mix.pairs:
            return z3.Not(z3.Or(*map(self._fetched, self._exposing)))
        return z3.Or(*map(self._fetched, mix.pairs))

    def _fetched(self, pair: Pair) -> z3.BoolRef:
        return z3.And(*(self._axioms.is_fetched(i.byte, z3.BitVecVal(i.value, 8)) for i in pair))

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
        unit_of = {literal.decl().name(): unit for unit, literal in self._axioms.has.items()}
        reasons = [
            tuple(unit_of[literal.decl().name()] for literal in core)
            for core in _minimal_cores(solver, self._present)
        ]
        order = list(self._axioms.has)
        reasons = [tuple(sorted(steps, key=order.index)) for steps in reasons]
        reasons.sort(key=lambda steps: (len(steps), [order.index(unit) for unit in steps]))
        return Excluded(
            self._site.name,
            mix,
            tuple(Reason(steps, self._by_which(mix, steps)) for steps in reasons),
        )

    def _by_which(self, mix: Mix, steps: tuple[Unit, ...]) -> tuple[Axiom, ...]:
        """The axioms by which these steps exclude the mix, whether the others are there or not.

        As far as possible, they are about these steps and those that write the mix.
        """
        there = set(steps) | self._writers(mix)
        absent = {event.step.label for event in self._axioms.events if event.unit not in there}
        solver = z3.Solver()
        solver.add(self._axioms.is_torn(), self._asked(mix))
        solver.add(*(self._axioms.has[unit] for unit in steps))
        named = {
            z3.Bool(str(number)): axiom
            for number, axiom in enumerate(
                sorted(
                    self._axioms.named, key=lambda a: -((a.first in absent) + (a.second in absent))
                )
            )
        }
        for literal, axiom in named.items():
            solver.add(z3.Implies(literal, self._axioms.named[axiom]))
        core = {named[literal] for literal in _shrunk(solver, list(named))}
        return tuple(axiom for axiom in self._axioms.named if axiom in core)

    def _writers(self, mix: Mix) -> set[Unit]:
        pairs = mix.pairs or self._exposing
        items = {item for pair in pairs for item in pair}
        return {
            store.event.unit
            for item in items
            for store in self._axioms.written(item.byte)
            if store.value.as_long() == item.value != self._site.old[item.byte]
        }

    def _happens(self, mix: Mix) -> Possible:
        """The mix in an order of events with as few as possible before it is executed."""
        axioms, solver = self._axioms, z3.Solver()
        solver.add(*self._solver.assertions(), *self._present, self._asked(mix))
        moments = list(axioms.happenings())
        for _, time in reversed(moments):
            _prefer(solver, time > axioms.end)
        for read in axioms.read.values():
            _prefer(solver, read == axioms.end)
        assert possible(solver)
        model = solver.model()

        def when(time: z3.ArithRef) -> int:
            return int(model.eval(time, model_completion=True).as_long())

        end = when(axioms.end)
        past = sorted((w, n) for n, (_, time) in enumerate(moments) if (w := when(time)) <= end)
        happenings = [moments[number][0] for _, number in past]
        reads = [when(read) for read in axioms.read.values()]
        fetched = tuple(sum(time <= read for time, _ in past) for read in reads)
        data = [
            next(value.as_long() for seen, value in axioms.fetched(byte) if model.eval(seen))
            for byte in range(len(self._site))
        ]
        return Possible(self._site.name, mix, bytes(data), tuple(happenings), fetched)


def _rank(answer: Mixed) -> tuple[int, ...]:
    if isinstance(answer, Possible):
        return (0,)
    named = sum(len(reason.steps) for reason in answer.reasons)
    first = min((pair[0].byte for pair in answer.mix.pairs), default=-1)
    return (1, len(answer.reasons), first, named)


def _prefer(solver: z3.Solver, wish: z3.BoolRef) -> None:
    if possible(solver, wish):
        solver.add(wish)


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
