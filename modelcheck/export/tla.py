"""A machine as a TLA+ module, in which TLC counts the states that our explorers count.

One action for each guarded command; records for the actors; the names of positions, bytes and cell
contents are strings. A property is an invariant: no step that violates it is enabled. Knows guarded
commands; knows nothing of search.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator

from modelcheck.export.guarded import (
    GLUE,
    Command,
    GuardedCommands,
    Names,
    Syntax,
    conditions,
    wrapped,
)
from modelcheck.export.parts import Constant, Part
from modelcheck.export.rules import Assignments, Condition
from modelcheck.machine.actors import Machine

HEAD = """\
{title}

{about}

    java -cp tla2tools.jar tlc2.TLC -continue {module}.tla

with {module}.cfg:

{config}
An invariant is a watched property: it says that no step that violates it is possible. A property
without an invariant is one that no step could violate.
With -continue, distinct states are states and generated states are transitions, and one more.
Guards say no more than they must: what they leave out, no actor can meet.
"""

RESERVED = frozenset(
    """
    ACTION ASSUME ASSUMPTION AXIOM BOOLEAN BY CASE CHOOSE CONSTANT CONSTANTS COROLLARY DEF DEFINE
    DEFS DOMAIN ELSE ENABLED EXCEPT EXTENDS FALSE HAVE HIDE IF IN INSTANCE LAMBDA LEMMA LET LOCAL
    MODULE NEW OBVIOUS OMITTED ONLY OTHER OTHERWISE PICK PROOF PROPOSITION PROVE QED RECURSIVE SF
    SPECIFICATION STATE STEP STRING SUBSET SUFFICES TAKE TEMPORAL THEN THEOREM TRUE UNCHANGED UNION
    USE VARIABLE VARIABLES WF WITH WITNESS
    Init Next Spec Int Nat vars self other
    """.split()  # noqa: SIM905 - a list of words is read more easily so
)
"""Words that name nothing of ours, and the names that every module defines."""

SYNTAX = Syntax(" /\\ ", " \\/ ", "~", {"==": " = ", "!=": " # ", "<=": " <= ", ">=": " >= "})


def to_tla(machine: Machine, *, title: str, module: str = "Model") -> str:
    """The TLA+ text of a machine, under the heading `title`."""
    text = "\n".join(_Printer(machine, title, module).lines()).replace(GLUE, " ") + "\n"
    return text.encode("ascii", "replace").decode()


def to_tla_config(machine: Machine) -> str:
    """The configuration that TLC wants beside the module."""
    return _config(_Printer(machine, "", "").invariants)


def _config(invariants: dict[str, str]) -> str:
    lines = ["SPECIFICATION Spec", "CHECK_DEADLOCK FALSE"]
    return "\n".join([*lines, *(f"INVARIANT {name}" for name in invariants.values())]) + "\n"


class _Printer:
    def __init__(self, machine: Machine, title: str, module: str) -> None:
        self._model = GuardedCommands(machine)
        self._title, self._module = title, module
        self._name = Names(RESERVED)
        self._has_local = [bool(parts) for parts in self._model.local]
        variables = [self._name(part, part.name) for part in self._model.shared]
        actors = [
            self._actor(role) for role in range(len(self._model.roles)) if self._has_local[role]
        ]
        self._variables = variables + actors
        self._violating: dict[str, list[str]] = defaultdict(list)
        self._steps = [
            step for role in range(len(self._model.roles)) for step in self._actions(role)
        ]
        self.invariants = {
            violated: self._name(("invariant", violated), violated) for violated in self._violating
        }
        """For each property that some step violates, the invariant's name."""

    def lines(self) -> Iterator[str]:
        """The text, from top to bottom."""
        yield f"---- MODULE {self._module} ----"
        yield "EXTENDS Integers"
        yield ""
        head = HEAD.format(
            title=self._title,
            about="\n".join(self._model.about()),
            module=self._module,
            config="".join(f"    {line}\n" for line in _config(self.invariants).splitlines()),
        )
        yield from (f"\\* {line}".rstrip() for line in head.splitlines())
        yield ""
        yield "VARIABLES"
        last = self._variables[-1]
        notes = {self._name(part, part.name): part.name for part in self._model.shared}
        for name in self._variables:
            note = self._model.notes.get(notes.get(name, ""))
            yield f"    {name}" + ("" if name == last else ",") + _note(note)
        yield ""
        yield f"vars == <<{', '.join(self._variables)}>>"
        for number, role in enumerate(self._model.roles):
            if role.count > 1:
                yield f"{self._ids(number)} == 1..{role.count}"
        yield ""
        yield from self._init()
        yield from (line for _, lines in self._steps for line in lines)
        yield "Next =="
        yield from (f"    \\/ {call}" for call, _ in self._steps)
        yield ""
        yield "Spec == Init /\\ [][Next]_vars"
        for violated, name in self.invariants.items():
            yield ""
            yield f"{name} =="
            yield from (f"    /\\ {test}" for test in self._violating[violated])
        yield "===="

    def _init(self) -> Iterator[str]:
        yield "Init =="
        for part, value in self._model.shared.items():
            yield f"    /\\ {self._name(part, part.name)} = {self._value(value)}"
        for number, role in enumerate(self._model.roles):
            if self._has_local[number]:
                fields = ", ".join(
                    f"{self._name(part, part.name)}{GLUE}|->{GLUE}{self._value(value)}"
                    for part, value in self._model.local[number].items()
                )
                record = f"[{fields}]"
                if role.count > 1:
                    record = f"[self \\in {self._ids(number)} |-> {record}]"
                yield from wrapped(f"/\\ {self._actor(number)} = {record}", 4, 6)
        yield ""

    # Actions.

    def _actions(self, number: int) -> Iterator[tuple[str, list[str]]]:
        """For each command of a role, how the next-state relation calls it, and its definition."""
        role = self._model.roles[number]
        for place, command in enumerate(self._model.commands(number)):
            title = f"{role.name} {command.kind.label} {command.kind.what}"
            name = self._name(("action", number, place), title)
            yield self._some(number, name), [*self._action(number, name, command), ""]

    def _some(self, number: int, name: str) -> str:
        """That some actor of a role does something."""
        many = self._model.roles[number].count > 1
        return f"\\E self \\in {self._ids(number)} : {name}(self)" if many else name

    def _action(self, number: int, name: str, command: Command) -> Iterator[str]:
        kind = command.kind
        source = self._model.source(kind.label)
        notes = [kind.label, kind.what, *kind.violations, source]
        yield f"\\* {', '.join(note for note in notes if note)}"
        tests = self._conditions(command.guard, self._at(number, "self"))
        tests += self._asked(number, kind.guard)
        me = "(self)" if self._model.roles[number].count > 1 else ""
        if kind.violations:
            can = self._name(("can", name), f"can_{name}")
            yield f"{can}{me} =="
            for test in tests or ["TRUE"]:
                yield from wrapped(f"/\\ {test}", 4, 6)
            for violated in kind.violations:
                self._violating[violated].append(f"~({self._some(number, can)})")
            tests = [f"{can}{me}"]
        yield f"{name}{me} =="
        for conjunct in [*tests, *self._changes(number, command)]:
            yield from wrapped(f"/\\ {conjunct}", 4, 6)

    def _asked(self, number: int, guard: Hashable) -> Iterator[str]:
        """What a step asks of all other actors, as conditions."""
        for role, asked in self._model.questions(number, guard) if guard is not None else ():
            tests = self._conditions(asked, self._at(role, "other")) if asked else ["FALSE"]
            if self._model.roles[role].count == 1:
                yield from tests
                continue
            others = self._ids(role) + (" \\ {self}" if role == number else "")
            yield f"\\A other \\in {others} : {SYNTAX.both.join(tests)}"

    def _changes(self, number: int, command: Command) -> Iterator[str]:
        """What every variable is after a step."""
        effects = dict(command.effects)
        changed: set[str] = set()
        for part, to in effects.items():
            if part.of_shared and not isinstance(to, Part):
                changed.add(self._name(part, part.name))
                yield f"{self._name(part, part.name)}' = {self._value(to)}"
        told = dict(self._messages(number, command.kind.broadcast))
        own = {
            part: effects.get(to, to) if isinstance(to, Part) else to
            for part, to in effects.items()
            if not part.of_shared
        }
        for role in range(len(self._model.roles)):
            after = self._after(number, role, own if role == number else {}, told.get(role))
            if after:
                changed.add(self._actor(role))
                yield f"{self._actor(role)}' = {after}"
        same = [name for name in self._variables if name not in changed]
        if same:
            yield f"UNCHANGED <<{', '.join(same)}>>"

    def _messages(
        self, number: int, broadcast: Hashable
    ) -> Iterator[tuple[int, tuple[tuple[Condition, Assignments], ...]]]:
        yield from self._model.messages(number, broadcast) if broadcast is not None else ()

    def _after(
        self,
        number: int,
        role: int,
        own: dict[Part, Constant | Part],
        told: tuple[tuple[Condition, Assignments], ...] | None,
    ) -> str:
        """What the actors of a role are after a step of `number`; empty if nothing changes."""
        actor, many = self._actor(role), self._model.roles[role].count > 1
        if not told:
            at = "![self]" if many else "!"
            return f"[{actor} EXCEPT {self._except(own, at)}]" if own else ""
        cases = [
            (self._conditions(guard, self._at(role, "other")), effects) for guard, effects in told
        ]
        text = self._at(role, "other")
        for tests, effects in reversed(cases):
            record = self._at(role, "other")
            after = f"[{record} EXCEPT {self._except(dict(effects), '!')}]" if effects else record
            text = f"IF {SYNTAX.both.join(tests)} THEN {after} ELSE {text}" if tests else after
        if role == number and many:
            record = self._at(role, "self")
            me = f"[{record} EXCEPT {self._except(own, '!')}]" if own else record
            text = f"IF other = self THEN {me} ELSE {text}"
        return f"[other \\in {self._ids(role)} |-> {text}]" if many else text

    def _except(self, effects: dict[Part, Constant | Part], at: str) -> str:
        return ", ".join(
            f"{at}.{self._name(part, part.name)}{GLUE}={GLUE}{self._operand(to, '')}"
            for part, to in effects.items()
        )

    # Expressions.

    def _conditions(self, guard: Condition, actor: str) -> list[str]:
        return conditions(guard, SYNTAX, lambda _, what: self._operand(what, actor))

    def _operand(self, what: Constant | Part, actor: str) -> str:
        if not isinstance(what, Part):
            return self._value(what)
        name = self._name(what, what.name)
        return name if what.of_shared else f"{actor}.{name}"

    def _value(self, value: Constant) -> str:
        if isinstance(value, int):
            return str(value)
        escaped = value.encode("unicode_escape").decode().replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'.replace(" ", GLUE)

    def _actor(self, role: int) -> str:
        return self._name(role, self._model.roles[role].name)

    def _at(self, role: int, index: str) -> str:
        return self._actor(role) + (f"[{index}]" if self._model.roles[role].count > 1 else "")

    def _ids(self, role: int) -> str:
        return self._name(("ids", role), f"{self._model.roles[role].name.capitalize()}s")


def _note(text: str | None) -> str:
    return f"  \\* {text}" if text else ""
