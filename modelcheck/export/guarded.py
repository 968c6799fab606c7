"""A machine as guarded commands over named variables, which most modelling languages can say.

What a printer of a language prints: variables and their values, the commands of each role, what a
command asks of all other actors and what it tells them. Knows the machine; knows no language.

The machine is asked for all its rows, and the commands are those rows, put shortly: a guard that is
true of the rows it is for and of no other (see rules.py). So an export is the machine, and another
checker that counts other states has found a fault in one of the two. To translate programs step by
step would read better still, but be a second semantics for each language, to be believed anew. The
rows as they are, one command each, would be as exact, and nobody could read them; here a command
has its step's label and the spec's line. Two rows with the same effect stay two commands, because
the others count transitions as we do.
"""

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple

from modelcheck.export.closure import MOST_PAIRS, Closure, EndlessError
from modelcheck.export.parts import Anatomy, Constant, Part, Parts
from modelcheck.export.rules import Assignments, Atom, Condition, Guards, assignments
from modelcheck.machine.actors import Machine, Role
from modelcheck.machine.cpu import FETCH, READ
from modelcheck.machine.state import Move
from modelcheck.protocol.errors import SpecError


class NotExportableError(SpecError):
    """There is no model of a protocol in other languages. The message says why."""


class Signature(NamedTuple):
    """What table rows have in common if they are one command of a role."""

    label: str
    what: str
    violations: tuple[str, ...]
    broadcast: Hashable
    guard: Hashable


class Command(NamedTuple):
    """A step that an actor of a role can take wherever `guard` holds, and what it assigns.

    What is copied of a shared part is what that part is after the step.
    """

    kind: Signature
    guard: Condition
    effects: Assignments


class Demand(NamedTuple):
    """What a step asks of every other actor of a role; None: what none of them can answer."""

    role: int
    guard: Condition | None


class Reception(NamedTuple):
    """What a broadcast makes of every other actor of a role, in cases that exclude each other."""

    role: int
    cases: tuple[tuple[Condition, Assignments], ...]


class GuardedCommands:
    """A machine's variables, and the commands that change them.

    Raises NotExportableError for a protocol of which there is no such thing.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.roles: tuple[Role, ...] = machine.roles
        try:
            self._closure = Closure(machine)
        except EndlessError:
            raise NotExportableError(
                f"protocol {machine.setup.protocol.name!r} is not covered by exports: they look at "
                f"each program alone, and find more than {MOST_PAIRS:,} states of what it sees; "
                "several programs that count in one cell, or write one site again, have no end "
                "there. Export a variant in which one program does"
            ) from None
        shareds = dict.fromkeys(pair.shared for pair in self._closure.moves)
        anatomy = Anatomy(machine, shareds)
        self.notes = anatomy.notes
        """What a reader may want to know of a variable or value, by its name."""
        whole = _complete({shared: anatomy.shared(shared) for shared in shareds})
        local = [
            _complete(
                {
                    pair.local: anatomy.local(pair.local, role)
                    for pair in self._closure.moves
                    if pair.role == role
                }
            )
            for role in range(len(machine.roles))
        ]
        mixed = _mixed_domains([whole, *local])
        self._shareds = _varying(whole, mixed)
        self._locals = [_varying(values, mixed) for values in local]
        self.constants: dict[str, dict[str, int]] = defaultdict(dict)
        """For each domain, its named values and their numbers."""
        for values in (*self._locals, self._shareds):
            for parts in values.values():
                for part, value in parts.items():
                    if isinstance(value, str):
                        domain = self.constants[part.domain]
                        domain.setdefault(value, len(domain))
        first, by_role = machine.initial()
        self.shared: Parts = self._shareds[first]
        """The variables that all actors share, and their initial values."""
        self.local: list[Parts] = [
            values[initial] for values, initial in zip(self._locals, by_role, strict=True)
        ]
        """For each role, the variables that each of its actors has, and their initial values."""
        if not any([self.shared, *self.local]):
            raise NotExportableError(
                f"protocol {machine.setup.protocol.name!r}: nothing in it ever changes, so there "
                "is nothing to export; give the patcher a step"
            )

    @property
    def broadcasts(self) -> bool:
        """Whether any step tells all other actors something."""
        return bool(self._closure.received)

    def numbers(self, part: Part, role: int | None) -> tuple[int, int]:
        """The least and the greatest number that a variable has, shared (None) or of a role."""
        values = self._shareds if role is None else self._locals[role]
        numbers = {self.number(part, parts[part]) for parts in values.values()}
        return min(numbers), max(numbers)

    def number(self, part: Part, value: Constant) -> int:
        """A value as a number: its own, or that of a named value."""
        return value if isinstance(value, int) else self.constants[part.domain][value]

    def questions(self, role: int, guard: Hashable) -> Iterator[Demand]:
        """What a guard asks of the actors other than the one of `role` that steps."""
        for other in range(len(self.roles)):
            held = self._closure.held.get((other, guard), {})
            if not held or all(held.values()) or self._alone(role, other):
                continue
            wanted = [row for row, holds in enumerate(held.values()) if holds]
            rows = [self._locals[other][local] for local in held]
            yield Demand(other, Guards(rows).telling(wanted) if wanted else None)

    def messages(self, role: int, broadcast: Hashable) -> Iterator[Reception]:
        """What a broadcast makes of the actors other than the one of `role` that steps."""
        for other in range(len(self.roles)):
            received = self._closure.received.get((other, broadcast), {})
            if not received or self._alone(role, other):
                continue
            values = self._locals[other]
            guards = Guards([values[local] for local in received])
            to = assignments([(values[a], values[b]) for a, b in received.items()])
            yield Reception(
                other,
                tuple(
                    (guards.telling(row for row, its in enumerate(to) if its == effects), effects)
                    for effects in dict.fromkeys(to)
                ),
            )

    def _alone(self, role: int, other: int) -> bool:
        return other == role and self.roles[role].count == 1

    def source(self, label: str) -> str | None:
        """The line of the spec that a label comes from."""
        setup = self.machine.setup
        for program in (*setup.programs, *setup.routines.values()):
            for line in program:
                if line.step.label == label and line.step.source:
                    return str(line.step.source)
        return None

    def commands(self, role: int) -> list[Command]:
        """The commands of a role: together they say what all its table rows say."""
        pairs = [pair for pair in self._closure.moves if pair.role == role]
        before = [self._locals[role][pair.local] | self._shareds[pair.shared] for pair in pairs]
        rows: dict[Signature, list[tuple[int, Parts]]] = {}
        for at, pair in enumerate(pairs):
            for move in self._closure.moves[pair]:
                after = self._locals[role][move.local] | self._shareds[move.shared]
                rows.setdefault(self._kind(move), []).append((at, after))
        guards = Guards(before)
        found: list[Command] = []
        for kind, steps in rows.items():
            to = assignments([(before[at], after) for at, after in steps])
            options: dict[tuple[Assignments, int], set[int]] = defaultdict(set)
            for (at, _), effects in zip(steps, to, strict=True):
                # A second row with the same effect is a second transition: a second command.
                again = 0
                while at in options[effects, again]:
                    again += 1
                options[effects, again].add(at)
            found += (
                Command(kind, guards.telling(wanted), effects)
                for (effects, _), wanted in options.items()
            )
        labels = list(dict.fromkeys(command.kind.label for command in found))
        return sorted(found, key=lambda command: labels.index(command.kind.label))

    def _kind(self, move: Move) -> Signature:
        what = ""
        sites = self.machine.setup.protocol.sites
        if move.execution is not None:
            what = f"{sites[move.execution.site].name}: {move.execution.kind}"
            if move.label == FETCH and move.execution.kind == "torn":
                what += f" {move.execution.data.hex(' ')}"
        elif move.label == READ:
            site, chunk, *_ = move.choice
            what = f"{sites[site].name}, chunk {chunk}"
        return Signature(move.label, what, move.violations, move.broadcast, move.guard)

    def about(self) -> Iterator[str]:
        """What the machine is, in lines: its sites, its CPUs and its configuration."""
        setup = self.machine.setup
        for site in setup.protocol.sites:
            yield f"{site.name}: {site.old.hex(' ')} -> {site.new.hex(' ')}"
        run = setup.configuration
        yield (
            f"{_plural(run.cpus, 'CPU')} besides the patcher's; fetch model {setup.fetch.name}, "
            f"chunks of {_plural(run.chunk, 'byte')}; {run.semantics}."
        )


def _complete(values: dict[Any, Parts]) -> dict[Any, Parts]:
    """All parts in all values; where a value lacks a part, that is said."""
    every = dict.fromkeys(part for parts in values.values() for part in parts)
    return {
        whole: {part: parts.get(part, f"no {part.domain}") for part in every}
        for whole, parts in values.items()
    }


def _mixed_domains(tables: list[dict[Any, Parts]]) -> set[str]:
    """The domains that have numbers as well as named values."""
    kinds: dict[str, set[type]] = defaultdict(set)
    for values in tables:
        for parts in values.values():
            for part, value in parts.items():
                kinds[part.domain].add(type(value))
    return {domain for domain, found in kinds.items() if len(found) > 1}


def _varying(values: dict[Any, Parts], mixed: set[str]) -> dict[Any, Parts]:
    """The parts that are not the same in all values; in mixed domains, numbers have names too.

    Raises ValueError if they lose anything.
    """
    seen: dict[Part, set[Constant]] = defaultdict(set)
    for parts in values.values():
        for part, value in parts.items():
            seen[part].add(value)
    chosen = [part for part in seen if len(seen[part]) > 1]
    told_apart = {
        whole: {part: _named(part, parts[part], mixed) for part in chosen}
        for whole, parts in values.items()
    }
    if len({tuple(parts.values()) for parts in told_apart.values()}) < len(values):
        raise ValueError("two values have the same parts: name the part in which they differ")
    return told_apart


def _named(part: Part, value: Constant, mixed: set[str]) -> Constant:
    return f"{part.domain} {value}" if isinstance(value, int) and part.domain in mixed else value


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Names:
    """Identifiers of one name space: what was asked for, or, if that is taken, a variation."""

    def __init__(self, reserved: frozenset[str]) -> None:
        self._given: dict[Hashable, str] = {}
        self._taken = set(reserved)
        self._reserved = {word.lower() for word in reserved}

    def __call__(self, thing: Hashable, wanted: str) -> str:
        """The identifier of a thing, which never changes."""
        if thing not in self._given:
            name = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_")
            while name in self._taken or name.lower() in self._reserved or not name[:1].isalpha():
                name = f"{name}_" if name[:1].isalpha() else f"x{name}"
            self._taken.add(name)
            self._given[thing] = name
        return self._given[thing]


class Syntax(NamedTuple):
    """How a language writes what guards are made of, with the spaces around."""

    both: str
    either: str
    negation: str
    operators: Mapping[str, str]


def conditions(
    guard: Condition, syntax: Syntax, operand: Callable[[Part, Constant | Part], str]
) -> list[str]:
    """A guard as expressions all of which must hold; `operand` writes a part or a part's value."""

    def test(one: Atom) -> str:
        operator = syntax.operators[one.operator]
        return f"{operand(one.part, one.part)}{operator}{operand(one.part, one.value)}"

    found = [test(one) for one in guard.common]
    if guard.cases:
        cases = syntax.either.join(
            test(case[0])
            if len(case) == 1
            else "(" + syntax.both.join(test(one) for one in case) + ")"
            for case in guard.cases
        )
        found.append(f"{syntax.negation}({cases})" if guard.negated else f"({cases})")
    return found


GLUE = "\N{NO-BREAK SPACE}"
"""A space at which no line is to be broken; a printer makes it a plain one at last."""


def shared_first(effects: Assignments) -> Assignments:
    """Effects in an order in which they can be carried out one by one: copies come last."""
    return tuple(sorted(effects, key=lambda effect: not effect[0].of_shared))


def wrapped(text: str, indent: int = 8, hanging: int = 0) -> list[str]:
    """A statement on as many lines as it needs, those after the first indented by more."""
    return textwrap.wrap(
        text,
        100,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
