"""A machine as a Murphi model, for Rumur and CMurphi, which also know symmetry.

One rule for each guarded command; the CPUs of a role are a scalarset, so that a checker may take
states that differ in their order for one. A rule that violates a property is an error and leads
nowhere. Knows guarded commands; knows nothing of search.
"""

from collections.abc import Hashable, Iterator

from modelcheck.export.guarded import (
    Command,
    GuardedCommands,
    Names,
    Syntax,
    conditions,
    shared_first,
    wrapped,
)
from modelcheck.export.parts import Constant, Part, Parts
from modelcheck.export.rules import Assignments, Condition
from modelcheck.machine.actors import Machine

HEAD = """\
{title}

{about}

    rumur --deadlock-detection off --symmetry-reduction exhaustive MODEL -o m.c
    cc -O3 -mcx16 -o m m.c -lpthread && ./m

An error is a violated property, and such a step is not followed. With --symmetry-reduction off,
the states are those that no violating step leads to, one to one.
Guards say no more than they must: what they leave out, no actor can meet.
"""

RESERVED = frozenset(
    """
    alias array assert assume begin boolean by case clear const cover do else elsif end endalias
    endexists endfor endforall endfunction endif endprocedure endrecord endrule endruleset
    endstartstate endswitch endwhile enum error exists externproc externfun false for forall
    function if in interleaved invariant isundefined ismember liveness map multiset multisetadd
    multisetcount multisetremove multisetremovepred of procedure process program property put real
    record return rule ruleset scalarset startstate switch symmetry then to traceuntil true type
    undefine union var while
    self other
    """.split()  # noqa: SIM905 - a list of words is read more easily so
)
"""Words that name nothing of ours, and the names of the actor that steps and of any other."""

SYNTAX = Syntax(" & ", " | ", "!", {"==": " = ", "!=": " != ", "<=": " <= ", ">=": " >= "})


def to_murphi(machine: Machine, *, title: str) -> str:
    """The Murphi text of a machine, which begins with `title`."""
    return "\n".join(_Printer(machine, title).lines()) + "\n"


class _Printer:
    def __init__(self, machine: Machine, title: str) -> None:
        self._model = GuardedCommands(machine)
        self._title = title
        self._name = Names(RESERVED)

    def lines(self) -> Iterator[str]:
        """The text, from top to bottom."""
        head = HEAD.format(title=self._title, about="\n".join(self._model.about()))
        yield from (f"-- {line}".rstrip() for line in head.splitlines())
        yield ""
        yield from self._types()
        yield ""
        yield from self._variables()
        yield ""
        yield from self._start()
        for number in range(len(self._model.roles)):
            yield from self._rules(number)

    # Types and variables.

    def _types(self) -> Iterator[str]:
        yield "type"
        for domain, constants in self._model.constants.items():
            yield f"  {self._domain(domain)}: enum {{"
            last = list(constants)[-1]
            for constant in constants:
                note = self._model.notes.get(constant)
                comma = "" if constant == last else ","
                yield f"    {self._constant(domain, constant)}{comma}" + _note(note)
            yield "  };"
        for number, role in enumerate(self._model.roles):
            if role.count > 1:
                yield f"  {self._id(number)}: scalarset({role.count});"
            if self._model.local[number]:
                yield f"  {self._record(number)}: record"
                for line in self._declarations(self._model.local[number], number):
                    yield f"    {line}"
                yield "  end;"

    def _variables(self) -> Iterator[str]:
        yield "var"
        for line in self._declarations(self._model.shared, None):
            yield f"  {line}"
        for number, role in enumerate(self._model.roles):
            if self._model.local[number]:
                of = f"array [{self._id(number)}] of " if role.count > 1 else ""
                yield f"  {self._actor(number)}: {of}{self._record(number)};"

    def _declarations(self, parts: Parts, role: int | None) -> Iterator[str]:
        for part in parts:
            if part.domain in self._model.constants:
                kind = self._domain(part.domain)
            else:
                least, greatest = self._model.numbers(part, role)
                kind = f"{least}..{greatest}"
            note = _note(self._model.notes.get(part.name))
            yield f"{self._name(part, part.name)}: {kind};{note}"

    def _start(self) -> Iterator[str]:
        yield 'startstate "before the patch"'
        yield "begin"
        for part, value in self._model.shared.items():
            yield f"  {self._name(part, part.name)} := {self._value(part, value)};"
        for number, role in enumerate(self._model.roles):
            many = role.count > 1
            assignments = [
                f"{self._name(part, part.name)} := {self._value(part, value)};"
                for part, value in self._model.local[number].items()
            ]
            if assignments and many:
                yield f"  for self: {self._id(number)} do"
            place = self._actor(number) + ("[self]" if many else "")
            for assignment in assignments:
                yield ("    " if many else "  ") + f"{place}.{assignment}"
            if assignments and many:
                yield "  end;"
        yield "end;"

    def _domain(self, domain: str) -> str:
        return self._name(("domain", domain), f"{domain}_t")

    def _constant(self, domain: str, constant: str) -> str:
        return self._name((domain, constant), constant)

    def _id(self, role: int) -> str:
        return self._name(("id", role), f"{self._model.roles[role].name}_id")

    def _record(self, role: int) -> str:
        return self._name(("type", role), f"{self._model.roles[role].name}_t")

    def _actor(self, role: int) -> str:
        return self._name(role, self._model.roles[role].name)

    def _value(self, part: Part, value: Constant) -> str:
        return str(value) if isinstance(value, int) else self._constant(part.domain, value)

    # Rules.

    def _rules(self, number: int) -> Iterator[str]:
        commands = self._model.commands(number)
        if not commands:
            return
        many = self._model.roles[number].count > 1
        yield ""
        if many:
            yield f"ruleset self: {self._id(number)} do"
        for command in commands:
            yield from self._rule(number, command)
        if many:
            yield "end;"

    def _rule(self, number: int, command: Command) -> Iterator[str]:
        kind = command.kind
        actor = self._at(number, "self")
        source = self._model.source(kind.label)
        title = f"{self._model.roles[number].name}: {kind.label}"
        title += f", {kind.what}" if kind.what else ""
        yield f'  rule "{_quoted(title)}"' + _note(source)
        tests = [*self._conditions(command.guard, actor), *self._asked(number, kind.guard)]
        yield from wrapped(SYNTAX.both.join(tests or ["true"]), 4)
        yield "  ==> begin"
        if kind.violations:
            yield f'    error "{_quoted(", ".join(kind.violations))}";'
        else:
            effects = [*self._told(number, kind.broadcast), *self._effects(command.effects, actor)]
            for statement in effects:
                yield from wrapped(statement, 4)
        yield "  end;"

    def _asked(self, number: int, guard: Hashable) -> Iterator[str]:
        """What a step asks of all other actors, as conditions."""
        for role, asked in self._model.questions(number, guard) if guard is not None else ():
            place = self._at(role, "other")
            test = SYNTAX.both.join(self._conditions(asked, place)) if asked else "false"
            if self._model.roles[role].count == 1:
                yield f"({test})"
            else:
                but = "other = self | " if role == number else ""
                yield f"(forall other: {self._id(role)} do {but}({test}) end)"

    def _told(self, number: int, broadcast: Hashable) -> Iterator[str]:
        """What a step makes of all other actors, as statements."""
        for role, cases in self._model.messages(number, broadcast) if broadcast is not None else ():
            place = self._at(role, "other")
            but = ["other != self"] if role == number else []
            options = [
                (SYNTAX.both.join(but + self._conditions(guard, place)), effects)
                for guard, effects in cases
                if effects
            ]
            if not options:
                continue
            body = "els".join(
                f"if {tests or 'true'} then {' '.join(self._effects(effects, place))} "
                for tests, effects in options
            )
            if len(options) == 1 and not options[0][0]:
                body = " ".join(self._effects(options[0][1], place))
            else:
                body += "end;"
            many = self._model.roles[role].count > 1
            yield f"for other: {self._id(role)} do {body} end;" if many else body

    def _conditions(self, guard: Condition, actor: str) -> list[str]:
        return conditions(guard, SYNTAX, lambda part, what: self._operand(part, what, actor))

    def _effects(self, effects: Assignments, actor: str) -> list[str]:
        return [
            f"{self._place(part, actor)} := {self._operand(part, to, actor)};"
            for part, to in shared_first(effects)
        ]

    def _operand(self, part: Part, what: Constant | Part, actor: str) -> str:
        return self._place(what, actor) if isinstance(what, Part) else self._value(part, what)

    def _at(self, role: int, index: str) -> str:
        return self._actor(role) + (f"[{index}]" if self._model.roles[role].count > 1 else "")

    def _place(self, part: Part, actor: str) -> str:
        name = self._name(part, part.name)
        return name if part.of_shared else f"{actor}.{name}"


def _quoted(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'").replace("\n", " ")


def _note(text: str | None) -> str:
    return f"  -- {text}" if text else ""
