"""A machine as a Promela model, in which SPIN counts the states that our explorers count.

One process for each actor, each with a single location; one d_step for each transition; no
variable that is not part of our state. So SPIN's states are ours, one to one, and its transitions
are ours and one more, for the initial state (with partial-order reduction off: -DNOREDUCE).

Knows guarded commands; knows nothing of search.
"""

from collections.abc import Hashable, Iterator

from modelcheck.export.guarded import (
    GLUE,
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

    spin -a -o2 MODEL && cc -O3 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m1000000

A failing assertion is a violated property; ./pan -c0 goes on beyond it. Every process has a
single location, so the variables are the state. SPIN counts one transition more than there are.
Without -o2, SPIN takes states for one that differ only in a variable that is never read.
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
    return "\n".join(_Printer(machine, title).lines()).replace(GLUE, " ") + "\n"


# SPIN takes a line's end for a semicolon if it can.
SYNTAX = Syntax(
    f"{GLUE}&& ",
    f"{GLUE}|| ",
    "!",
    {operator: f"{GLUE}{operator}{GLUE}" for operator in ("==", "!=", "<=", ">=")},
)


class _Printer:
    def __init__(self, machine: Machine, title: str) -> None:
        self._model = GuardedCommands(machine)
        self._title = title
        self._name = Names(RESERVED)
        for domain, constants in self._model.constants.items():
            for constant in constants:
                self._name((domain, constant), constant)

    def lines(self) -> Iterator[str]:
        """The text, from top to bottom."""
        yield from self._head()
        yield from self._declarations()
        first = 0
        for number, role in enumerate(self._model.roles):
            commands = self._model.commands(number)
            if commands:
                yield from self._process(number, first, commands)
                first += role.count

    def _head(self) -> Iterator[str]:
        text = HEAD.format(title=self._title, about="\n".join(self._model.about()))
        begin = "/* "
        for line in text.replace("*/", "* /").splitlines():
            yield (begin + line).rstrip()
            begin = " * "
        yield " */"

    # Values and variables.

    def _declarations(self) -> Iterator[str]:
        for domain, constants in self._model.constants.items():
            yield ""
            yield _comment(domain)
            for constant, number in constants.items():
                note = self._model.notes.get(constant)
                yield f"#define {self._name((domain, constant), constant)} {number}" + _note(note)
        yield ""
        yield from self._variables(self._model.shared, None)
        for number, role in enumerate(self._model.roles):
            if not self._model.local[number]:
                continue
            kind = self._name(("type", number), role.name.capitalize())
            count = f"[{role.count}]" if role.count > 1 else ""
            yield ""
            yield f"typedef {kind} {{"
            for line in self._variables(self._model.local[number], number):
                yield "    " + line
            yield "}"
            yield f"{kind} {self._name(number, role.name)}{count};"
        if self._model.broadcasts:
            yield ""
            yield "hidden byte i;  /* for loops only, and no part of the state */"

    def _variables(self, initial: Parts, role: int | None) -> Iterator[str]:
        for part, value in initial.items():
            least, greatest = self._model.numbers(part, role)
            bits = greatest.bit_length()
            name = self._name(part, part.name)
            start = f" = {self._value(part, value)}" if self._model.number(part, value) else ""
            note = _note(self._model.notes.get(part.name))
            if least < 0 or bits > 16:
                yield f"int {name}{start};{note}"
            else:
                kind = f"unsigned {name} : {bits}" if bits > 1 else f"bit {name}"
                yield f"{kind}{start};{note}"

    def _value(self, part: Part, value: Constant) -> str:
        return str(value) if isinstance(value, int) else self._name((part.domain, value), value)

    # Processes.

    def _process(self, number: int, first: int, commands: list[Command]) -> Iterator[str]:
        role = self._model.roles[number]
        actor, index = self._name(number, role.name), f"_pid - {first}"
        yield ""
        if role.count > 1:
            me = self._name(("me", number), "me")
            yield f"#define {me} {actor}[{index}]"
            actor = me
        for guard in dict.fromkeys(command.kind.guard for command in commands):
            if guard is not None:
                yield from self._macro(number, index, guard)
        for broadcast in dict.fromkeys(command.kind.broadcast for command in commands):
            if broadcast is not None:
                yield from self._inline(number, index, broadcast)
        count = f" [{role.count}]" if role.count > 1 else ""
        yield f"active{count} proctype {self._name(('process', number), f'run_{role.name}')}()"
        yield "{"
        yield "end:"
        yield "    do"
        label = ""
        for command in commands:
            if command.kind.label != label:
                label = command.kind.label
                source = self._model.source(label)
                yield "    " + _comment(label + (f" ({source})" if source else ""))
            yield from self._option(number, actor, command)
        yield "    od"
        yield "}"

    def _option(self, number: int, actor: str, command: Command) -> Iterator[str]:
        kind = command.kind
        tests = self._conditions(command.guard, actor)
        if kind.guard is not None:
            tests.append(self._other(number, kind.guard))
        effects = self._effects(command.effects, actor)
        if kind.violations:
            effects.append("assert(false)")
        if not effects:
            effects = ["skip"]
        if kind.broadcast is not None:
            # Not last: SPIN lets no loop end a d_step.
            effects.insert(0, f"{self._other(number, kind.broadcast)}()")
        notes = [*([kind.what] if kind.what else []), *kind.violations]
        yield "    :: d_step {" + _note(", ".join(notes))
        yield from wrapped(SYNTAX.both.join(tests or ["true"]) + f"{GLUE}->")
        yield from wrapped("; ".join(effects))
        yield "    }"

    def _conditions(self, guard: Condition, actor: str) -> list[str]:
        return conditions(guard, SYNTAX, lambda part, what: self._operand(part, what, actor))

    def _effects(self, effects: Assignments, actor: str) -> list[str]:
        return [
            f"{self._place(part, actor)}{GLUE}={GLUE}{self._operand(part, to, actor)}"
            for part, to in shared_first(effects)
        ]

    def _operand(self, part: Part, what: Constant | Part, actor: str) -> str:
        return self._place(what, actor) if isinstance(what, Part) else self._value(part, what)

    def _place(self, part: Part, actor: str) -> str:
        name = self._name(part, part.name)
        return name if part.of_shared else f"{actor}.{name}"

    # What a step asks of all other actors, and what it tells them.

    def _other(self, number: int, thing: Hashable) -> str:
        return self._name((number, thing), type(thing).__name__.lower())

    def _macro(self, number: int, index: str, guard: Hashable) -> Iterator[str]:
        tests: list[str] = []
        for other, asked in self._model.questions(number, guard):
            count = self._model.roles[other].count
            name = self._name(other, self._model.roles[other].name)
            for actor in range(count):
                place = f"{name}[{actor}]" if count > 1 else name
                test = SYNTAX.both.join(self._conditions(asked, place)) if asked else "false"
                tests.append(f"({index} == {actor} || ({test}))" if other == number else test)
        body = " && \\\n    ".join(tests or ["true"])
        yield f"#define {self._other(number, guard)} ( \\\n    {body})"
        yield ""

    def _inline(self, number: int, index: str, broadcast: Hashable) -> Iterator[str]:
        yield f"inline {self._other(number, broadcast)}() {{"
        for other, cases in self._model.messages(number, broadcast):
            role = self._model.roles[other]
            actor = self._name(other, role.name) + ("[i]" if role.count > 1 else "")
            options = [f"i == {index} -> skip"] if other == number else []
            for guard, effects in cases:
                tests = self._conditions(guard, actor)
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


def _comment(text: str) -> str:
    return "/* " + text.replace("*/", "* /") + " */"


def _note(text: str | None) -> str:
    return f"  {_comment(text)}" if text else ""
