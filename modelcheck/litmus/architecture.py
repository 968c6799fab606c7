"""What an architecture must answer, and what all of them share in turning lines into instructions.

Knows the text of instructions, and what they do.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import Address, Effect, Expression, Here, Instruction, Literal
from modelcheck.litmus.text import Line, Operand

Labels = Callable[[str], Address | None]
"""Where a label is."""


class Architecture(Protocol):
    """The instructions of one architecture."""

    @property
    def name(self) -> str:
        """What it is called in the header of a test."""

    @property
    def decoder(self) -> str:
        """What disassembles its machine code."""

    def __hash__(self) -> int:
        """There is one object for each architecture."""

    def register(self, name: str) -> str | None:
        """The one name of a register; None for what is no register."""

    def size(self, line: Line) -> int:
        """How many bytes a line has."""

    def encode(self, line: Line) -> bytes | None:
        """The bytes of a line where jumps are known, if there are any to be known."""

    def order_key(self, register: str) -> int:
        """Where a register comes among the others, for print."""

    def effects(self, line: Line, jump: Callable[[Operand], Expression]) -> Iterable[Effect]:
        """What a line does, where `jump` says where an operand leads. Raises LitmusError."""

    def shown(self, text: str) -> str:
        """The text of an instruction as its assemblers write it."""

    def spelling(self, instruction: str) -> str:
        """How a value that is an instruction is written."""


def refused(line: Line, why: str = "") -> LitmusError:
    """What to raise of a line that is no instruction that is covered."""
    return LitmusError(why or f"unknown instruction {line.text!r}", line.spot)


def assemble(isa: Architecture, line: Line, at: Address | None, labels: Labels) -> Instruction:
    """A line as an instruction. Jumps to labels are distances once they have an address.

    Raises LitmusError.
    """
    towards: list[Address] = []
    text = [line.text]

    def jump(operand: Operand) -> Expression:
        if operand.form == "here":
            return Here(operand.number)
        if operand.form not in ("word", "qualified"):
            raise refused(line, f"{line.text!r} leads to no label")
        target = labels(operand.word)
        if target is None:
            raise LitmusError(f"no label {operand.word!r} in this thread", line.spot)
        if at is None:
            towards.append(target)
            return Literal(target)
        if target.base != at.base:
            return Literal(target)
        distance = target.offset - at.offset
        text[0] = text[0].removesuffix(operand.word) + f".{distance:+d}"
        return Here(distance)

    try:
        effects = tuple(isa.effects(line, jump))
    except LitmusError:
        raise
    except (ValueError, IndexError) as error:
        # More operands than it has, or fewer.
        raise refused(line) from error
    if towards:
        return _towards(isa, line, towards[0], labels)
    return _only(isa, text[0], effects, isa.size(line))


_known: dict[tuple[str, str], Instruction] = {}


def _only(isa: Architecture, text: str, effects: tuple[Effect, ...], size: int) -> Instruction:
    return _known.setdefault((isa.name, text), Instruction(text, effects, size))


def _towards(isa: Architecture, line: Line, target: Address, labels: Labels) -> Instruction:
    @cache
    def placed(at: Address) -> Instruction:
        return assemble(isa, line, at, labels)

    return Instruction(line.text, (), isa.size(line), target, placed)


def word_of(line: Line, operand: Operand) -> str:
    """An operand that must be a word."""
    if operand.form != "word":
        raise refused(line)
    return operand.word


def number_of(line: Line, operand: Operand) -> int:
    """An operand that must be a number."""
    if operand.form != "number":
        raise refused(line)
    return operand.number
