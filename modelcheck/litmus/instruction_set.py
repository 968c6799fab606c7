"""What an architecture must answer, and what all of them share in turning lines into instructions.

Knows the text of instructions, and what they do.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import (
    Address,
    Expression,
    Here,
    InstructionEffect,
    Literal,
    LitmusInstruction,
)
from modelcheck.litmus.text import Operand, SourceLine

JumpTargets = Callable[[Operand], Expression]
"""Where an operand of a jump leads."""

LabelPlaces = Callable[[str], Address | None]
"""Where a label is."""


class InstructionSet(Protocol):
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

    def size(self, line: SourceLine) -> int:
        """How many bytes a line has."""

    def encode(self, line: SourceLine) -> bytes | None:
        """The bytes of a line where jumps are known, if there are any to be known."""

    def order_key(self, register: str) -> int:
        """Where a register comes among the others, for print."""

    def effects(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """What a line does, where `jump` says where an operand leads. Raises LitmusError."""

    def shown(self, text: str) -> str:
        """The text of an instruction as its assemblers write it."""

    def spelling(self, instruction: str) -> str:
        """How a value that is an instruction is written."""


def refused(line: SourceLine, why: str = "") -> LitmusError:
    """What to raise of a line that is no instruction that is covered."""
    return LitmusError(why or f"unknown instruction {line.text!r}", line.spot)


def assemble(
    isa: InstructionSet, line: SourceLine, at: Address | None, labels: LabelPlaces
) -> LitmusInstruction:
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
            # A handler speaks of its thread: that is no distance, and so part of the text.
            text[0] = text[0].removesuffix(operand.word) + f"{target.base}+{target.offset}"
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


_known: dict[tuple[str, str], LitmusInstruction] = {}


def _only(
    isa: InstructionSet, text: str, effects: tuple[InstructionEffect, ...], size: int
) -> LitmusInstruction:
    return _known.setdefault((isa.name, text), LitmusInstruction(text, effects, size))


def _towards(
    isa: InstructionSet, line: SourceLine, target: Address, labels: LabelPlaces
) -> LitmusInstruction:
    @cache
    def placed(at: Address) -> LitmusInstruction:
        return assemble(isa, line, at, labels)

    return LitmusInstruction(line.text, (), isa.size(line), target, placed)


def word_of(line: SourceLine, operand: Operand) -> str:
    """An operand that must be a word."""
    if operand.form != "word":
        raise refused(line)
    return operand.word


def number_of(line: SourceLine, operand: Operand) -> int:
    """An operand that must be a number."""
    if operand.form != "number":
        raise refused(line)
    return operand.number
