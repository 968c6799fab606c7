"""The proof obligations of an invariant as SMT-LIB 2 text, in logic QF_UFLIA.

A state is a number for the shared part, one for the local part of each single role, and a function
from CPU indices to the numbers of local parts, for any number of CPUs. Obligations are about two
arbitrary indices: `m`, which moves, and `k`, of which the invariant must hold afterwards; they may
be equal. Each asks for a counterexample, so each answer must be unsat:

- initiation: the initial state satisfies the invariant;
- consecution, for each kind of step: a step from a state that satisfies it leads to another;
- safety: no state that satisfies it has a step that violates a property.

The relations are what the machine says when asked here; nothing is taken from a search but the
invariant itself. Knows the machine; any solver can read the text.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from modelcheck.certificate.invariant import Invariant, header
from modelcheck.explore.pulse import time_left
from modelcheck.machine.actors import Machine, Role
from modelcheck.machine.state import Broadcast, Guard, Move

UNKNOWN = "(- 1)"
"""Stands for a part that has no number; the invariant never allows it."""

Terms = list[str]


def to_smtlib(invariant: Invariant) -> str:
    """The certificate of an invariant: the invariant in comments, then its obligations."""
    return header(invariant) + "\n" + "\n".join(_Writer(invariant).lines()) + "\n"


class _Kind:
    """The steps of one role that share label, broadcast and guard, as a named relation."""

    def __init__(self, name: str, role: Role, move: Move) -> None:
        self.name = name
        self.role = role
        # In one line: it goes into a comment, and nothing behind it must be read as more.
        self.label = " ".join(move.label.split())
        self.broadcast: Broadcast | None = move.broadcast
        self.guard: Guard | None = move.guard
        self.rows: dict[tuple[str, ...], None] = {}


class _Writer:
    def __init__(self, invariant: Invariant) -> None:
        self.invariant = invariant
        self.machine = Machine(invariant.protocol, invariant.configuration)
        self.shared = {value: number for number, value in enumerate(invariant.shareds)}
        self.local = {value: number for number, value in enumerate(invariant.locals)}
        self.single = [role for role in self.machine.roles if not role.replicated]
        self.many = [role for role in self.machine.roles if role.replicated]
        self.core = ["shared", *map(_symbol, self.single)]
        self.next_core = ["next.shared", *(_symbol(role, "next.") for role in self.single)]
        self.kinds = self._kinds()
        self.told = _named("told", (kind.broadcast for kind in self.kinds))
        self.holding = _named("holds", (kind.guard for kind in self.kinds))

    def lines(self) -> Iterator[str]:
        yield "(set-logic QF_UFLIA)"
        for name, then in zip(self.core, self.next_core, strict=True):
            yield f"(declare-const {name} Int)"
            yield f"(declare-const {then} Int)"
        for role in self.many:
            yield f"(declare-fun {_symbol(role)} (Int) Int)"
            yield f"(declare-fun {_symbol(role, 'next.')} (Int) Int)"
        yield "(declare-const m Int)"
        yield "(declare-const k Int)"
        yield from self._invariant()
        yield from self._messages()
        yield from self._relations()
        yield from self._bad()
        yield from self._initiation()
        for kind in self.kinds:
            time_left()
            yield from self._consecution(kind)
        yield from self._safety()

    # What the machine says.

    def _pairs(self) -> Iterator[tuple[Role, int, int]]:
        """Each role, shared part and local part that may occur together."""
        seen: dict[tuple[Role, int, int], None] = {}
        for pair in self.invariant.pairs:
            shared, *locals_ = pair.core
            for role, local in zip(self.single, locals_, strict=True):
                seen[role, shared, local] = None
            for role in self.many:
                if role.name == pair.role:
                    seen.update(dict.fromkeys((role, shared, local) for local in pair.locals))
        yield from seen

    def _moves(self, role: Role, shared: int, local: int) -> Iterator[Move]:
        yield from self.machine.moves(
            role, self.invariant.shareds[shared], self.invariant.locals[local]
        )

    def _kinds(self) -> list[_Kind]:
        kinds: dict[tuple[Role, str, Broadcast | None, Guard | None], _Kind] = {}
        for role, shared, local in self._pairs():
            for move in self._moves(role, shared, local):
                key = (role, move.label, move.broadcast, move.guard)
                if key not in kinds:
                    kinds[key] = _Kind(_symbol(role, "", f".step.{len(kinds)}"), role, move)
                row = (str(shared), str(local), self._shared(move), self._local(move))
                kinds[key].rows[row] = None
        return list(kinds.values())

    def _shared(self, move: Move) -> str:
        return str(self.shared.get(move.shared, UNKNOWN))

    def _local(self, move: Move) -> str:
        return str(self.local.get(move.local, UNKNOWN))

    # Definitions.

    def _invariant(self) -> Iterator[str]:
        for role in self.many:
            yield f"\n; Which {role.name} locals may occur with which core."
            cases = [
                _and([*map(_is, self.core, pair.core), _one_of("local", pair.locals)])
                for pair in self.invariant.pairs
                if pair.role == role.name
            ]
            yield _define(_symbol(role, "may."), [*self.core, "local"], _or(cases))

    def _messages(self) -> Iterator[str]:
        for broadcast, name in self.told.items():
            yield f"\n; {broadcast}: what it makes of a local part."
            heard = [
                (number, self.local.get(self.machine.receive(broadcast, value), UNKNOWN))
                for number, value in enumerate(self.invariant.locals)
            ]
            cases = [_and([_is("local", old), _is("next", new)]) for old, new in heard]
            yield _define(name, ["local", "next"], _or(cases))
        for guard, name in self.holding.items():
            yield f"\n; {guard}: the local parts of which it holds."
            values = enumerate(self.invariant.locals)
            holding = [number for number, value in values if self.machine.holds(guard, value)]
            yield _define(name, ["local"], _one_of("local", holding))

    def _relations(self) -> Iterator[str]:
        names = ["shared", "local", "next.shared", "next.local"]
        for kind in self.kinds:
            yield f"\n; {kind.role.name}: {kind.label}"
            cases = [_and(map(_is, names, row)) for row in kind.rows]
            yield _define(kind.name, names, _or(cases))

    def _bad(self) -> Iterator[str]:
        """For each role, the pairs from which some step violates something.

        Of all pairs that fit together, not only of those that may occur: of those there is none.
        """
        own_locals: dict[Role, dict[int, None]] = {role: {} for role in self.machine.roles}
        for role, _, local in self._pairs():
            own_locals[role][local] = None
        for role in self.machine.roles:
            yield f"\n; The pairs from which a {role.name} step violates a property."
            cases = [
                _and([_is("shared", shared), _is("local", local)])
                for shared, part in enumerate(self.invariant.shareds)
                for local, own in enumerate(self.invariant.locals)
                if local in own_locals[role]
                and all(seen < len(h) for seen, h in zip(own.view, part.memory, strict=False))
                and any(move.violations for move in self._moves(role, shared, local))
            ]
            yield _define(_symbol(role, "bad."), ["shared", "local"], _or(cases))

    # Obligations.

    def _initiation(self) -> Iterator[str]:
        shared, locals_ = self.machine.initial()
        own = dict(zip(self.machine.roles, locals_, strict=True))
        core = [str(self.shared.get(shared, UNKNOWN))]
        core += [str(self.local.get(own[role], UNKNOWN)) for role in self.single]
        for role in self.many:
            local = str(self.local.get(own[role], UNKNOWN))
            yield from _unsat(
                f"initiation: {role.name}", [_not(_call(_symbol(role, "may."), [*core, local]))]
            )

    def _consecution(self, kind: _Kind) -> Iterator[str]:
        for role in self.many:
            yield from _unsat(
                f"consecution: {kind.role.name} {kind.label}",
                [*self._before(kind), *self._after(kind), _not(self._may_then(role, "k"))],
            )

    def _before(self, kind: _Kind) -> Terms:
        """The invariant at k and m, and the guard on all others."""
        terms = [self._may(role, "k") for role in self.many]
        if kind.role.replicated:
            terms.append(self._may(kind.role, "m"))
        if kind.guard:
            holds = self.holding[kind.guard]
            terms += [_call(holds, [_symbol(r)]) for r in self.single if r is not kind.role]
            terms += [
                self._others(kind, role, _call(holds, [_call(_symbol(role), ["k"])]))
                for role in self.many
            ]
        return terms

    def _after(self, kind: _Kind) -> Terms:
        """The step of the mover, and what becomes of all others."""
        here, there = _symbol(kind.role), _symbol(kind.role, "next.")
        if kind.role.replicated:
            here, there = _call(here, ["m"]), _call(there, ["m"])
        terms = [_call(kind.name, ["shared", here, "next.shared", there])]
        terms += [
            self._becomes(kind, _symbol(role), _symbol(role, "next."))
            for role in self.single
            if role is not kind.role
        ]
        for role in self.many:
            now, then = _call(_symbol(role), ["k"]), _call(_symbol(role, "next."), ["k"])
            terms.append(self._others(kind, role, self._becomes(kind, now, then)))
        return terms

    def _becomes(self, kind: _Kind, now: str, then: str) -> str:
        if kind.broadcast:
            return _call(self.told[kind.broadcast], [now, then])
        return _is(then, now)

    def _others(self, kind: _Kind, role: Role, term: str) -> str:
        """Of index k, unless it is the one that moves."""
        return f"(=> (distinct k m) {term})" if role is kind.role else term

    def _may(self, role: Role, index: str) -> str:
        return _call(_symbol(role, "may."), [*self.core, _call(_symbol(role), [index])])

    def _may_then(self, role: Role, index: str) -> str:
        local = _call(_symbol(role, "next."), [index])
        return _call(_symbol(role, "may."), [*self.next_core, local])

    def _safety(self) -> Iterator[str]:
        allowed = [self._may(role, "k") for role in self.many]
        for role in self.machine.roles:
            local = _call(_symbol(role), ["k"]) if role.replicated else _symbol(role)
            bad = _call(_symbol(role, "bad."), ["shared", local])
            yield from _unsat(f"safety: {role.name}", [*allowed, bad])


OWN_NAMES = ("patcher", "cpu")
"""The roles whose names are symbols; those of other patchers are text that a spec chose."""

ESCAPES = str.maketrans({"|": "!7c", "\\": "!5c", "!": "!21"})
"""What a quoted symbol cannot have, so that different names stay different symbols."""


def _symbol(role: Role, before: str = "", after: str = "") -> str:
    """The symbol of a role, or one made from it (SMT-LIB 2.6, 3.1: symbols)."""
    if role.name in OWN_NAMES:
        return before + role.name + after
    return f"|{before}patcher:{role.name.translate(ESCAPES)}{after}|"


def _named(name: str, messages: Iterable[Broadcast | Guard | None]) -> dict[Any, str]:
    """A name for each of the messages."""
    distinct = dict.fromkeys(message for message in messages if message)
    return {message: f"{name}.{number}" for number, message in enumerate(distinct)}


def _is(name: str, value: object) -> str:
    return f"(= {name} {value})"


def _call(name: str, arguments: Iterable[str]) -> str:
    return f"({name} {' '.join(arguments)})"


def _not(term: str) -> str:
    return f"(not {term})"


def _and(terms: Iterable[str]) -> str:
    return f"(and {' '.join(terms)})"


def _or(terms: Iterable[str]) -> str:
    # "false" twice so that the disjunction stays one with no case, or with one.
    return f"(or false false\n  {chr(10).join(terms).replace(chr(10), chr(10) + '  ')})"


def _one_of(name: str, values: Iterable[int]) -> str:
    return f"(or false false {' '.join(_is(name, value) for value in values)})"


def _define(name: str, parameters: Iterable[str], body: str) -> str:
    declared = " ".join(f"({parameter} Int)" for parameter in parameters)
    return f"(define-fun {name} ({declared}) Bool {body})"


def _unsat(what: str, terms: Iterable[str]) -> Iterator[str]:
    yield f"\n; {what}"
    yield "(push 1)"
    yield from (f"(assert {term})" for term in terms)
    yield "(check-sat) ; unsat"
    yield "(pop 1)"
