"""A machine as a Promela model, in which SPIN counts the states that our explorers count.

One process for each actor, each with a single location; one d_step for each transition; no
variable that is not part of our state. So SPIN's states are ours, one to one, and its transitions
are ours and one more, for the initial state (with partial-order reduction off: -DNOREDUCE).

Knows the machine, and its moves as rules over named parts; knows nothing of search.
"""

import re
import textwrap
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from modelcheck.export.closure import Closure
from modelcheck.export.parts import Anatomy, Part, Parts, Value
from modelcheck.export.rules import Assignments, Comparison, Guard, Guards, assignments
from modelcheck.machine.cpu import FETCH, READ
from modelcheck.machine.machine import Machine
from modelcheck.machine.state import Move

HEAD = """\
{title}

{sites}
{cpus} besides the patcher's; fetch model {fetch}, chunks of {chunk}; {semantics}.

    spin -a MODEL && cc -O3 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000

A failing assertion is a violated property; ./pan -c0 goes on beyond it. Every process has a
single location, so the variables are the state. SPIN counts one transition more than there are.
Guards say no more than they must: what they leave out, no actor can meet.
"""

RESERVED = frozenset(
    """
    active assert assign atomic bit bool break byte c_code c_decl c_expr c_state c_track chan
    d_step do else empty enabled end eval false fi for full get_priority goto hidden i if in init
    inline int len local ltl mtype nempty never nfull notrace np_ od of pc_value pid printf printm
    priority proctype provided return run select set_priority short show skip timeout trace true
    typedef unless unsigned xr xs
    """.split()  # noqa: SIM905 - a list of words is read more easily so
)
"""Words that name nothing of ours, and the loop variable `i`."""


def to_promela(machine: Machine, *, title: str) -> str:
    """The Promela text of a machine, which begins with `title`."""
    return "\n".join(_Model(machine, title).lines()).replace(GLUE, " ") + "\n"


GLUE = "\N{NO-BREAK SPACE}"
"""A space at which no line is broken: SPIN takes a line's end for a semicolon if it can."""


class _Names:
    """Identifiers of one name space: what was asked for, or, if that is taken, a variation."""

    def __init__(self) -> None:
        self._given: dict[Hashable, str] = {}
        self._taken = set(RESERVED)

    def __call__(self, thing: Hashable, wanted: str) -> str:
        """The identifier of a thing, which never changes."""
        if thing not in self._given:
            name = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_")
            while name in self._taken or not name[:1].isalpha():
                name = f"{name}_" if name[:1].isalpha() else f"x{name}"
            self._taken.add(name)
            self._given[thing] = name
        return self._given[thing]


class _Kind(NamedTuple):
    """What table rows have in common if they are one option of a process."""

    label: str
    what: str
    violations: tuple[str, ...]
    broadcast: Hashable
    guard: Hashable


class _Rule(NamedTuple):
    """One option of a process."""

    kind: _Kind
    guard: Guard
    effects: Assignments


class _Model:
    """A machine in parts, and its text."""

    def __init__(self, machine: Machine, title: str) -> None:
        self._machine = machine
        self._title = title
        self._closure = Closure(machine)
        shareds = dict.fromkeys(pair.shared for pair in self._closure.moves)
        anatomy = Anatomy(machine, shareds)
        self._notes = anatomy.notes
        self._shareds = _varying({shared: anatomy.shared(shared) for shared in shareds})
        self._locals = [
            _varying(
                {
                    pair.local: anatomy.local(pair.local)
                    for pair in self._closure.moves
                    if pair.role == role
                }
            )
            for role in range(len(machine.roles))
        ]
        self._name = _Names()
        self._constants: dict[str, dict[str, int]] = defaultdict(dict)
        """For each domain, its named values and their numbers."""
        for values in (*self._locals, self._shareds):
            for parts in values.values():
                for part, value in parts.items():
                    if isinstance(value, str):
                        domain = self._constants[part.domain]
                        domain.setdefault(value, len(domain))
                        self._name((part.domain, value), value)

    def lines(self) -> Iterator[str]:
        """The text, from top to bottom."""
        yield from self._head()
        yield from self._declarations()
        first = 0
        for number, role in enumerate(self._machine.roles):
            rules = self._rules(number)
            if rules:
                yield from self._process(number, first, rules)
                first += role.count

    def _head(self) -> Iterator[str]:
        setup = self._machine.setup
        text = HEAD.format(
            title=self._title,
            sites="\n".join(
                f"{site.name}: {site.old.hex(' ')} -> {site.new.hex(' ')}"
                for site in setup.protocol.sites
            ),
            cpus=_plural(setup.configuration.cpus, "CPU"),
            fetch=setup.fetch.name,
            chunk=_plural(setup.configuration.chunk, "byte"),
            semantics=setup.configuration.semantics,
        )
        begin = "/* "
        for line in text.replace("*/", "* /").splitlines():
            yield (begin + line).rstrip()
            begin = " * "
        yield " */"

    # Values and variables.

    def _declarations(self) -> Iterator[str]:
        for domain, constants in self._constants.items():
            yield ""
            yield _comment(domain)
            for constant, number in constants.items():
                note = self._notes.get(constant)
                yield f"#define {self._name((domain, constant), constant)} {number}" + _note(note)
        shared, initial = self._machine.initial()
        yield ""
        for part, value in self._shareds[shared].items():
            yield self._declaration(part, value, self._shareds)
        for number, role in enumerate(self._machine.roles):
            values = self._locals[number]
            if not values[initial[number]]:
                continue
            kind = self._name(("type", number), role.name.capitalize())
            count = f"[{role.count}]" if role.count > 1 else ""
            yield ""
            yield f"typedef {kind} {{"
            for part, value in values[initial[number]].items():
                yield "    " + self._declaration(part, value, values)
            yield "}"
            yield f"{kind} {self._name(number, role.name)}{count};"
        if self._closure.received:
            yield ""
            yield "hidden byte i;  /* for loops only, and no part of the state */"

    def _declaration(self, part: Part, initial: Value, values: dict[Any, Parts]) -> str:
        numbers = {self._number(part, parts[part]) for parts in values.values()}
        bits = max(numbers).bit_length()
        name = self._name(part, part.name)
        start = f" = {self._value(part, initial)}" if self._number(part, initial) else ""
        note = _note(self._notes.get(part.name))
        if min(numbers) < 0 or bits > 16:
            return f"int {name}{start};{note}"
        return (f"unsigned {name} : {bits}" if bits > 1 else f"bit {name}") + f"{start};{note}"

    def _number(self, part: Part, value: Value) -> int:
        return value if isinstance(value, int) else self._constants[part.domain][value]

    def _value(self, part: Part, value: Value) -> str:
        return str(value) if isinstance(value, int) else self._name((part.domain, value), value)

    # Processes.

    def _process(self, number: int, first: int, rules: list[_Rule]) -> Iterator[str]:
        role = self._machine.roles[number]
        actor, index = self._name(number, role.name), f"_pid - {first}"
        yield ""
        if role.count > 1:
            me = self._name(("me", number), "me")
            yield f"#define {me} {actor}[{index}]"
            actor = me
        for guard in dict.fromkeys(rule.kind.guard for rule in rules):
            if guard is not None:
                yield from self._macro(number, index, guard)
        for broadcast in dict.fromkeys(rule.kind.broadcast for rule in rules):
            if broadcast is not None:
                yield from self._inline(number, index, broadcast)
        count = f" [{role.count}]" if role.count > 1 else ""
        yield f"active{count} proctype {self._name(('process', number), f'run_{role.name}')}()"
        yield "{"
        yield "end:"
        yield "    do"
        label = ""
        for rule in rules:
            if rule.kind.label != label:
                label = rule.kind.label
                yield "    " + _comment(label + self._source(label))
            yield from self._option(number, actor, rule)
        yield "    od"
        yield "}"

    def _source(self, label: str) -> str:
        setup = self._machine.setup
        for step in (*setup.program, *(setup.handler.program if setup.handler else ())):
            if step.label == label and step.source:
                return f" ({step.source})"
        return ""

    def _option(self, number: int, actor: str, rule: _Rule) -> Iterator[str]:
        conditions = self._conditions(rule.guard, actor)
        if rule.kind.guard is not None:
            conditions.append(self._other(number, rule.kind.guard))
        effects = self._effects(rule.effects, actor)
        if rule.kind.violations:
            effects.append("assert(false)")
        if not effects:
            effects = ["skip"]
        if rule.kind.broadcast is not None:
            # Not last: SPIN lets no loop end a d_step.
            effects.insert(0, f"{self._other(number, rule.kind.broadcast)}()")
        notes = [*([rule.kind.what] if rule.kind.what else []), *rule.kind.violations]
        yield "    :: d_step {" + _note(", ".join(notes))
        yield from _wrapped(f"{GLUE}&& ".join(conditions or ["true"]) + f"{GLUE}->")
        yield from _wrapped("; ".join(effects))
        yield "    }"

    def _conditions(self, guard: Guard, actor: str) -> list[str]:
        found = [self._test(test, actor) for test in guard.common]
        if guard.cases:
            cases = f"{GLUE}|| ".join(
                self._test(case[0], actor)
                if len(case) == 1
                else "(" + f"{GLUE}&& ".join(self._test(test, actor) for test in case) + ")"
                for case in guard.cases
            )
            found.append(f"!({cases})" if guard.negated else f"({cases})")
        return found

    def _test(self, test: Comparison, actor: str) -> str:
        return f"{self._place(test.part, actor)}{GLUE}{test.operator}{GLUE}" + (
            self._place(test.value, actor)
            if isinstance(test.value, Part)
            else self._value(test.part, test.value)
        )

    def _effects(self, effects: Assignments, actor: str) -> list[str]:
        # Shared parts first: what is copied of them is what they are after the step.
        return [
            f"{self._place(part, actor)}{GLUE}={GLUE}"
            + (self._place(to, actor) if isinstance(to, Part) else self._value(part, to))
            for part, to in sorted(effects, key=lambda effect: not effect[0].of_shared)
        ]

    def _place(self, part: Part, actor: str) -> str:
        name = self._name(part, part.name)
        return name if part.of_shared else f"{actor}.{name}"

    # What a step asks of all other actors, and what it tells them.

    def _other(self, number: int, thing: Hashable) -> str:
        return self._name((number, thing), type(thing).__name__.lower())

    def _macro(self, number: int, index: str, guard: Hashable) -> Iterator[str]:
        conditions: list[str] = []
        for other, role in enumerate(self._machine.roles):
            held = self._closure.held.get((other, guard), {})
            name = self._name(other, role.name)
            for actor in range(role.count):
                if not held or all(held.values()) or (other == number and role.count == 1):
                    continue
                place = f"{name}[{actor}]" if role.count > 1 else name
                rows = [self._locals[other][local] for local in held]
                wanted = [row for row, holds in enumerate(held.values()) if holds]
                telling = self._conditions(Guards(rows).telling(wanted), place)
                condition = f"{GLUE}&& ".join(telling) if wanted else "false"
                if other == number:
                    condition = f"({index} == {actor} || ({condition}))"
                conditions.append(condition)
        body = " && \\\n    ".join(conditions or ["true"])
        yield f"#define {self._other(number, guard)} ( \\\n    {body})"
        yield ""

    def _inline(self, number: int, index: str, broadcast: Hashable) -> Iterator[str]:
        yield f"inline {self._other(number, broadcast)}() {{"
        for other, role in enumerate(self._machine.roles):
            received = self._closure.received.get((other, broadcast), {})
            if not received or (other == number and role.count == 1):
                continue
            values = self._locals[other]
            rows = [values[local] for local in received]
            to = assignments([(values[a], values[b]) for a, b in received.items()])
            guards = Guards(rows)
            actor = self._name(other, role.name) + ("[i]" if role.count > 1 else "")
            options = [f"i == {index} -> skip"] if other == number else []
            for effects in dict.fromkeys(to):
                wanted = [row for row, its in enumerate(to) if its == effects]
                tests = self._conditions(guards.telling(wanted), actor)
                done = "; ".join(self._effects(effects, actor)) or "skip"
                if other == number:
                    tests.append(f"i != {index}")
                options.append(f"{' && '.join(tests)} -> {done}" if tests else done)
            if len(options) > 1:
                body = "if " + " ".join(f":: {option}" for option in options) + " fi"
            else:
                (body,) = options
            loop = role.count > 1
            yield f"    for (i : 0 .. {role.count - 1}) {{ {body} }}" if loop else f"    {body}"
        yield "}"
        yield ""

    # Rules from rows.

    def _rules(self, number: int) -> list[_Rule]:
        """The options of a role: together they say what all its table rows say."""
        pairs = [pair for pair in self._closure.moves if pair.role == number]
        before = [self._locals[number][pair.local] | self._shareds[pair.shared] for pair in pairs]
        rows: dict[_Kind, list[tuple[int, Parts]]] = {}
        for at, pair in enumerate(pairs):
            for move in self._closure.moves[pair]:
                after = self._locals[number][move.local] | self._shareds[move.shared]
                rows.setdefault(self._kind(move), []).append((at, after))
        guards = Guards(before)
        rules: list[_Rule] = []
        for kind, steps in rows.items():
            to = assignments([(before[at], after) for at, after in steps])
            options: dict[tuple[Assignments, int], set[int]] = defaultdict(set)
            for (at, _), effects in zip(steps, to, strict=True):
                # A second row with the same effect is a second transition, so a second option.
                again = 0
                while at in options[effects, again]:
                    again += 1
                options[effects, again].add(at)
            rules += (
                _Rule(kind, guards.telling(wanted), effects)
                for (effects, _), wanted in options.items()
            )
        labels = list(dict.fromkeys(rule.kind.label for rule in rules))
        return sorted(rules, key=lambda rule: labels.index(rule.kind.label))

    def _kind(self, move: Move) -> _Kind:
        what = ""
        sites = self._machine.setup.protocol.sites
        if move.execution is not None:
            what = f"{sites[move.execution.site].name}: {move.execution.kind}"
            if move.label == FETCH and move.execution.kind == "torn":
                what += f" {move.execution.data.hex(' ')}"
        elif move.label == READ:
            site, chunk, *_ = move.choice
            what = f"{sites[site].name}, chunk {chunk}"
        return _Kind(move.label, what, move.violations, move.broadcast, move.guard)


def _varying(values: dict[Any, Parts]) -> dict[Any, Parts]:
    """The parts that are not the same in all values. Raises ValueError if they lose anything."""
    seen: dict[Part, set[Value]] = defaultdict(set)
    for parts in values.values():
        for part, value in parts.items():
            seen[part].add(value)
    everywhere = [part for part in seen if all(part in parts for parts in values.values())]
    chosen = [part for part in everywhere if len(seen[part]) > 1]
    told_apart = {value: {part: parts[part] for part in chosen} for value, parts in values.items()}
    if len({tuple(parts.values()) for parts in told_apart.values()}) < len(values):
        raise ValueError("two values have the same parts: name the part in which they differ")
    return told_apart


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _comment(text: str) -> str:
    return "/* " + text.replace("*/", "* /") + " */"


def _note(text: str | None) -> str:
    return f"  {_comment(text)}" if text else ""


def _wrapped(text: str) -> list[str]:
    """A statement on as many lines as it needs."""
    indent = " " * 8
    return textwrap.wrap(
        text,
        100,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
