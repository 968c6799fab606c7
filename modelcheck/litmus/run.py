"""A run of a litmus test, one step at a time, and what each step does in words.

Recording and replaying both go through it. Knows the machine; shares nothing with any search.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from modelcheck.litmus.instruction import Datum
from modelcheck.litmus.machine import Litmus
from modelcheck.litmus.memory import SENT
from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.state import Final, Move

Doing = Literal["stores", "fetches", "tells", "alone"]
"""What a step has to do with others: it changes memory, gets something from there, interrupts
others, or none of these."""


@dataclass(frozen=True)
class LitmusStep:
    """A step: the thread, which of its moves it was, and what it does.

    `line` is that of the instruction in the file, 0 where it has none; `changed` the places that
    hold something else now, and what; `told` the threads that are interrupted.
    """

    thread: str
    choice: int
    line: int
    instruction: str
    does: str
    doing: Doing = "alone"
    changed: dict[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()


class LitmusWalk:
    """The state of a run, and the steps that each thread can take from it."""

    def __init__(self, model: Litmus) -> None:
        self.model = model
        self.shared, self.locals = model.initial()

    def moves(self, thread: int) -> tuple[Move, ...]:
        """What a thread could do now. Raises LitmusError where it leaves what is covered."""
        role, local = self.model.roles[thread], self.locals[thread]
        return tuple(self.model.moves(role, self.shared, local))

    def take(self, thread: int, choice: int) -> LitmusStep:
        """Take a step, and say what it does. Raises IndexError if there is no such step."""
        move = self.moves(thread)[choice]
        before, self.shared = self.shared.signals, move.shared
        self.locals = (*self.locals[:thread], move.local, *self.locals[thread + 1 :])
        names = [one.name for one in self.model.test.threads]
        signals = zip(names, before, self.shared.signals, strict=True)
        told = tuple(name for name, was, now in signals if now == SENT != was)
        return _step(self.model.test, names[thread], choice, move, told)

    @property
    def final(self) -> Final | None:
        """The final state, once all threads have ended."""
        return None if None in self.shared.outcomes else self.model.final(self.shared)

    def pending(self) -> tuple[bool, ...]:
        """For each thread, whether an interrupt is on its way to it."""
        return tuple(signal == SENT for signal in self.shared.signals)

    def values(self) -> dict[str, str]:
        """All places that may be stored to, and what they hold."""
        test, layout = self.model.test, self.model.layout
        return {
            test.where(place): test.told(self.shared.memory[index][-1].value)
            for place, index in layout.index.items()
        }

    def status(self, thread: int) -> Iterator[str]:
        """What there is to know of a thread, a few words each: what it knows, what is undone."""
        local = self.locals[thread]
        if local.ended:
            yield "has ended"
            return
        test = self.model.test
        look = self.model.look(thread, local.window)
        for location in test.observed:
            known = look.registers.get(test.canonical(location))
            if location.thread == thread and known is not None and known.value is not None:
                yield f"{location.name} = {test.told(known.value)}"
        for entry in dict.fromkeys(a.entry for a in look.accesses if not a.done):
            yield f"not done yet: {test.isa.shown(local.window[entry].instruction.text)}"
        for one in local.window:
            if not one.fetched:
                yield f"to be fetched yet: {test.isa.shown(one.instruction.text)}"


def _step(
    test: LitmusTest, thread: str, choice: int, move: Move, told: tuple[str, ...]
) -> LitmusStep:
    line = test.lines.get(move.at)
    number = line.spot.line if line else 0
    text = test.isa.shown(move.instruction.text)
    doing, does, changed = _done(test, move)
    doing = "tells" if told else doing
    return LitmusStep(thread, choice, number, text, does, doing, changed, told)


def _done(test: LitmusTest, move: Move) -> tuple[Doing, str, dict[str, str]]:
    def fetched(value: str, newest: bool) -> str:
        return f"fetches {value}" + ("" if newest else ", which is not the newest")

    does: tuple[Any, ...] = move.does
    match does:
        case ("bytes", place, value, length):
            place, data = test.where(place), _hex(value, length)
            return "stores", f"{place} := {data}", {place: data}
        case ("fetch", place, int() as value, newest) if test.isa.decoder == "x86-64":
            return "fetches", fetched(_hex(value, move.instruction.size), newest), {}
        case ("read", place, value):
            return "fetches", f"reads {test.where(place)} = {test.told(value)}", {}
        case ("read", place, value, source):
            told = f"reads {test.where(place)} = {test.told(value)} from {source}"
            return "alone", told, {}
        case ("write", place, value):
            place, told = test.where(place), test.told(value)
            return "stores", f"{place} := {told}", {place: told}
        case ("clean", place):
            return "alone", f"cleans {test.where(place)}", {}
        case ("invalidate", None):
            return "alone", "invalidates all code", {}
        case ("invalidate", place):
            return "alone", f"invalidates {test.where(place)}", {}
        case ("fetch", place, value, newest):
            return "fetches", fetched(f"{test.where(place)} = {test.told(value)}", newest), {}
        case ("guess", place, value):
            told = f"takes {test.where(place)} to be {test.told(value)}, to be fetched later"
            return "alone", told, {}
        case ("signal", what):
            return "alone", str(what), {}
        case ("predict", taken):
            return "alone", f"predicts that its condition {'holds' if taken else 'fails'}", {}
        case _:
            raise AssertionError(does)


def _hex(value: Datum, length: int) -> str:
    assert isinstance(value, int)
    return (value & (1 << 8 * length) - 1).to_bytes(length, "little").hex(" ")
