"""A protocol with one CPU as a litmus test in herd's format, to be judged by the second machine.

Other exports are the machine itself in another language. This one is a translation, step by step,
and shares nothing with the machine but what steps are made of, so that the two can be compared. One
thread is the patcher. The other is the CPU: it takes what it is told, message by message, as far as
it finds any, and then runs each word of the sites that changes, as a function of its own. An
interrupt is a flag, and its acknowledgement another, without which the patcher does not go on. A
word is an instruction that sets a register: to 1 if it is the old one, 2 the new, or more.

Knows protocols and the machine's settings; knows no state.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from modelcheck.export.assembler import ASSEMBLERS, Assembler
from modelcheck.export.litmus_parts import (
    check,
    looked_up,
    numbered,
    refused,
    rules,
    site_words,
    variable,
)
from modelcheck.machine.setup import Setup
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import Action
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Step, flow
from modelcheck.protocol.properties import MONOTONE, TORN, UNHANDLED, VISIBLE

OLD, NEW = 1, 2
"""What the register of a word says that was run; 0 is nothing, more is neither."""

TOO_MANY = "a litmus test has no registers for so many words, cells and interrupts"

OR = " \\/ "

ASKED = (TORN, VISIBLE, UNHANDLED, MONOTONE)
"""The properties that are about what a CPU runs, which final states tell."""


def to_litmus(setup: Setup, *, title: str) -> str:
    """The test: it asks for final states in which a property that is watched is violated.

    Raises SpecError for what a litmus test cannot say.
    """
    return _Test(setup).text(title)


@dataclass
class ThreadText:
    """A thread as it is written: its lines, and what its registers hold from the begin on."""

    assembler: Assembler
    lines: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)

    def add(self, *lines: str) -> None:
        """Write instructions, or labels."""
        self.lines += lines

    def holding(self, text: str) -> str:
        """The register that holds something. Raises SpecError if all are taken."""
        if text not in self.held:
            if len(self.held) == len(self.assembler.registers):
                raise SpecError(TOO_MANY)
            self.held[text] = self.assembler.registers[len(self.held)]
        return self.held[text]

    def store(self, text: str, place: str) -> None:
        """Store something at a place."""
        self.add(self.assembler.store(self.holding(text), self.holding(place)))

    def come(self, place: str, otherwise: str) -> None:
        """Go on if a flag is set, otherwise elsewhere."""
        found = self.assembler.scratch
        self.add(self.assembler.load(found, self.holding(place)))
        self.add(self.assembler.if_zero(found, otherwise))


class _Test:
    """The two threads of a test, and what it asks."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.protocol = setup, setup.protocol
        self.cache_type, self.rules = rules(setup)
        self.asm = ASSEMBLERS[self.protocol.arch]
        self.program = flow(self.protocol.program)
        check(setup)
        self.words = tuple(site_words(setup))
        self.looked_up = tuple(looked_up(setup))
        self.values = numbered(self.protocol)
        self.patcher, self.cpu = ThreadText(self.asm), ThreadText(self.asm)
        for cell in self.looked_up:
            # Who comes to a callee has its cells in the registers that it was written for.
            self.patcher.holding(variable(cell))
            self.cpu.holding(variable(cell))
        if len(self.words) * (2 + len(self.looked_up)) >= len(self.asm.results):
            raise SpecError(TOO_MANY)
        free = iter(self.asm.results)
        self.ran = [next(free) for _ in self.words]
        self.ran_before = [next(free) for _ in self.words]
        self.found = [[next(free) for _ in self.looked_up] for _ in self.words]
        self.returned = next(free)
        self.sent: list[do.Message] = []
        self.awaited: set[tuple[str, int]] = set()
        self.drained = self.waited = 0
        """How many lines the patcher has when it last waited for its stores; and for anything."""

    # The patcher.

    def _patch(self) -> None:
        thread = self.patcher
        for line in self.program:
            for action in line.actions:
                self._act(action, line.step)
        thread.store("1", "done")
        if self.protocol.patcher_executes:
            for word in self.words:
                thread.add(self.asm.call_register(thread.holding(f"P1:{word.label}")))
        thread.add("out:")

    def _act(self, action: Action, step: Step) -> None:
        """What an action is in the patcher's thread. Raises SpecError for what cannot be said."""
        thread, asm = self.patcher, self.asm
        match action:
            case do.Put():
                word = next(w for w in self.words if (w.site, w.at) == (action.site, action.at))
                value = word.contents.index(action.data) + 1
                text = asm.instruction(self.ran[word.number], value)
                thread.store(f'instr:"{text}"', f"P1:{word.label}")
            case do.Set(at_once=False):
                thread.store(str(self.values[action.cell][action.value]), variable(action.cell))
            case do.Drained(maintenance=False):
                self._drain(asm.stores_done)
            case do.Drained():
                self._drain(asm.all_done)
            case do.Ordered():
                thread.add(asm.ordered)
            case do.Refresh(if_deferred=False):
                thread.add(asm.synchronise)
            case do.Clean():
                self._maintain(asm.clean, action.lines, step)
            case do.Drop():
                self._maintain(asm.drop, action.lines, step)
            case do.Tell(do.Ipi(deferred=False) as message):
                self._send(message, "ipi", step)
            case do.Tell(do.Stop() as message):
                self._send(message, "stop", step)
            case do.Tell(do.Release() as message):
                # A stop and its release are one message, which has two halves.
                if not self.sent or self.sent[-1] != do.Stop():
                    raise refused(step, "a release that comes not just behind its stop")
                self.sent.pop()
                self._send(message, "go", step)
            case do.Await("acknowledged"):
                self._wait("acknowledged", do.Ipi)
            case do.Await("stopped"):
                self._wait("stopped", do.Stop)
            case do.Await("unstopped"):
                self._wait("unstopped", do.Release)
            case do.Mask():
                pass  # The patcher's own CPU runs the sites at the end, and not before.
            case _:
                raise refused(step, f"a {type(step).__name__} as this one")

    def _send(self, message: do.Message, name: str, step: Step) -> None:
        """An interrupt is no access of memory: what only orders accesses (DMB, FENCE.I) does not
        put it behind stores, what waits for them does. Its flag is an access, and so is stored
        where the patcher last waited. Raises SpecError if it is behind something there that orders.
        """
        orders = (self.asm.ordered, *([self.asm.synchronise] * self.asm.synchronise_orders))
        if any(line in orders for line in self.patcher.lines[self.drained : self.waited]):
            raise refused(step, "an interrupt whose flag would be ordered by what does not wait")
        self.sent.append(message)
        one, flag = self.patcher.holding("1"), self.patcher.holding(f"{name}{len(self.sent)}")
        self.patcher.lines.insert(self.waited, self.asm.store(one, flag))
        self.waited += 1

    def _maintain(self, instruction: str, lines: do.Lines, step: Step) -> None:
        if not instruction:
            raise refused(step, "cache maintenance")
        wanted: set[int] = set()
        for index, site in enumerate(self.protocol.sites):
            if lines.site in (None, site.name):
                size = len(site) - lines.at if lines.size is None else lines.size
                wanted |= {*self.setup.layout.lines(index, lines.at, size)}
        for word in self.words:
            if word.lines & wanted:
                place = self.patcher.holding(f"P1:{word.label}")
                self.patcher.add(instruction.format(place))

    def _drain(self, barrier: str) -> None:
        self.patcher.add(barrier)
        self.drained = self.waited = len(self.patcher.lines)

    def _wait(self, answer: str, kind: type[do.Message]) -> None:
        """Go on only with all answers to a kind of message that were not waited for yet."""
        for number, message in enumerate(self.sent, start=1):
            if isinstance(message, kind) and (answer, number) not in self.awaited:
                self.awaited.add((answer, number))
                self.patcher.come(f"{answer}{number}", "out")
                self.waited = len(self.patcher.lines)

    # The CPU.

    def _run(self) -> None:
        thread, asm = self.cpu, self.asm
        for number, message in enumerate(self.sent, start=1):
            self._take(number, message)
        thread.add("run:", asm.load(self.returned, thread.holding("done")))
        if self._watches(MONOTONE):
            for word in self.words:
                thread.add(asm.call(word.label))
                thread.add(asm.copy(self.ran_before[word.number], self.ran[word.number]))
        thread.add(*(asm.call(word.label) for word in self.words), asm.jump("end"))
        for word in self.words:
            ran = self.ran[word.number]
            thread.add(f"{word.label}:", asm.instruction(ran, OLD))
            if self.looked_up:
                thread.add(*asm.if_not(ran, NEW, f"r{word.number}"))
            for cell, found in zip(self.looked_up, self.found[word.number], strict=True):
                thread.add(asm.load(found, thread.holding(variable(cell))))
            thread.add(f"r{word.number}:", asm.back)
        thread.add("end:")

    def _take(self, number: int, message: do.Message) -> None:
        """The CPU takes a message if it finds it; if not, it runs the sites."""
        thread, asm = self.cpu, self.asm
        match message:
            case do.Ipi():
                thread.come(f"ipi{number}", "run")
                if message.synchronises:
                    thread.add(asm.synchronise)
                thread.store("1", f"acknowledged{number}")
            case do.Stop():
                thread.come(f"stop{number}", "run")
                thread.store("1", f"stopped{number}")
                thread.add(asm.jump("end"))
            case do.Release():
                thread.come(f"stop{number}", "run")
                thread.store("1", f"stopped{number}")
                thread.come(f"go{number}", "end")
                if message.synchronises:
                    thread.add(asm.synchronise)
                thread.store("1", f"unstopped{number}")
            case do.Grace():
                raise AssertionError(message)
            case _:
                assert_never(message)

    # What it asks.

    def _watches(self, name: str) -> bool:
        return name in self.setup.watched

    def _condition(self) -> str:
        """That a property is violated. Raises SpecError if none of those watched can be asked."""
        parts = [part for name in ASKED if self._watches(name) for part in self._violations(name)]
        if not parts:
            raise SpecError(
                f"protocol {self.protocol.name!r}: a litmus test can ask for none of the "
                f"properties watched: {', '.join(self.setup.watched)}"
            )
        return OR.join(parts)

    def _violations(self, name: str) -> Iterator[str]:
        """How the patcher's own CPU and the other can violate a property, as conditions."""
        for thread in (0, 1) if self.protocol.patcher_executes else (1,):
            for word in self.words:
                ran = f"{thread}:{self.ran[word.number]}"
                if name == TORN:
                    yield "~(" + OR.join(f"{ran}={value}" for value in (0, OLD, NEW)) + ")"
                if name == VISIBLE:
                    # On the patcher's own CPU the program comes first, and has then returned.
                    returned = f"1:{self.returned}=1 /\\ " if thread == 1 else ""
                    yield f"({returned}{ran}={OLD})"
                if name == UNHANDLED:
                    for found in self.found[word.number]:
                        yield f"({ran}={NEW} /\\ {thread}:{found}=0)"
                if name == MONOTONE and thread == 1:
                    yield f"(1:{self.ran_before[word.number]}={NEW} /\\ {ran}={OLD})"

    # The text.

    def text(self, title: str) -> str:
        """All of it, in herd's format."""
        self._patch()
        self._run()
        unasked = [name for name in self.setup.watched if name not in ASKED]
        judged = f"; judge it by --rules {self.rules}" if self.rules else ""
        notes = [
            f"{title}, under {self.setup.configuration.fetch}{judged}",
            *map(str, self.words),
            *((f"not asked for: {', '.join(unasked)}",) if unasked else ()),
        ]
        condition = self._condition()
        return "\n".join(
            [
                f"{self.asm.arch} {re.sub(r'[^A-Za-z0-9_.+-]', '-', self.protocol.name)}",
                *((self.cache_type,) if self.cache_type else ()),
                *(f"(* {note.replace('(*', '( *').replace('*)', '* )')}. *)" for note in notes),
                "{",
                *(f"  {held};" for held in self._initially()),
                "}",
                *_columns(self.patcher.lines, self.cpu.lines),
                f"exists ({condition})",
                "",
            ]
        )

    def _initially(self) -> Iterator[str]:
        for number, thread in enumerate((self.patcher, self.cpu)):
            for text, register in thread.held.items():
                yield f"{number}:{register}={text}"
        for cell in self.protocol.cells:
            if value := self.values[cell.name][cell.initial]:
                yield f"{variable(cell.name)}={value}"


def _columns(*threads: list[str]) -> Iterator[str]:
    """Threads beside each other, a column for each."""
    columns = [
        [f"P{number}", *(line if line.endswith(":") else f"  {line}" for line in lines)]
        for number, lines in enumerate(threads)
    ]
    widths = [max(map(len, column)) for column in columns]
    for row in range(max(map(len, columns))):
        cells = (column[row] if row < len(column) else "" for column in columns)
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield f" {' | '.join(padded)} ;"
