"""The operands of AArch64, and its loads and stores. Knows what instructions can do."""

import re
from collections.abc import Callable, Iterable
from functools import partial

from modelcheck.litmus.arithmetic import (
    add,
    extended,
    mask,
    shift_left,
    shift_right,
    shift_right_signed,
)
from modelcheck.litmus.instruction import (
    Apply,
    Datum,
    Expression,
    InstructionEffect,
    Literal,
    LoadMemory,
    Register,
    SetRegister,
    StoreMemory,
)
from modelcheck.litmus.instruction_set import JumpTargets, number_of, refused, word_of
from modelcheck.litmus.order import EventKind
from modelcheck.litmus.text import Operand, SourceLine

LINK, RETURN = "X30", "ELR_EL1"
ZERO = Literal(0)

SIZES = {"B": 1, "H": 2, "SB": 1, "SH": 2, "SW": 4}
"""Bytes of an access, by the suffix of its name."""


class AArch64Operands:
    """How lines name registers, numbers and addresses."""

    def register(self, name: str) -> str | None:
        """X0 for X0 and W0; the zero register is none."""
        upper = name.upper()
        if re.fullmatch(r"[XW]([0-9]|[12][0-9]|30)", upper):
            return f"X{upper[1:]}"
        return upper if upper in ("SP", RETURN) else LINK if upper == "LR" else None

    def target(self, line: SourceLine, operand: Operand) -> tuple[str, int]:
        """The register that an operand names, "" for the zero register, and its bits."""
        word = word_of(line, operand).upper()
        bits = 32 if word.startswith("W") else 64
        if word in ("XZR", "WZR"):
            return "", bits
        found = self.register(word)
        if found is None or found == RETURN:
            raise refused(line, f"{operand.word!r} is no register, in {line.text!r}")
        return found, bits

    def source(self, line: SourceLine, operand: Operand) -> Expression:
        """The value of a register, or a number."""
        if operand.form == "number":
            return Literal(operand.number & (2**64 - 1))
        name, bits = self.target(line, operand)
        return Register(name, bits) if name else ZERO

    def last(self, line: SourceLine, operands: tuple[Operand, ...]) -> Expression:
        """A last operand, which may be shifted or extended by the one after it."""
        value = self.source(line, operands[0])
        if len(operands) == 1:
            return value
        if len(operands) > 2:
            raise refused(line)
        how = operands[1]
        amount = how.number if how.form == "modified" else 0
        extend = EXTENDS.get(how.word.upper())
        if how.form not in ("word", "modified") or extend is None:
            raise refused(line)
        return Apply(partial(shifted, extend, amount), (value,))

    def address(
        self, line: SourceLine, operands: tuple[Operand, ...]
    ) -> tuple[Expression, tuple[InstructionEffect, ...]]:
        """The address of an access, and what becomes of its base register."""
        memory = operands[0]
        if memory.form != "memory" or not memory.parts:
            raise refused(line)
        base, _ = self.target(line, memory.parts[0])
        if not base:
            raise refused(line)
        start: Expression = Register(base)
        if len(memory.parts) > 1:
            index = self.last(line, memory.parts[1:])
            start = Apply(add, (start, index))
        if memory.back:
            if len(operands) > 1 or len(memory.parts) == 1:
                raise refused(line)
            return start, (SetRegister(base, start),)
        if len(operands) == 1:
            return start, ()
        step = Literal(number_of(line, operands[1]) & (2**64 - 1))
        if len(operands) > 2 or len(memory.parts) > 1:
            raise refused(line)
        return start, (SetRegister(base, Apply(add, (Register(base), step))),)

    # Accesses.

    def load(self, line: SourceLine, kinds: EventKind, suffix: str) -> Iterable[InstructionEffect]:
        """LDR and its kin, of the size that a suffix says."""
        if len(line.operands) < 2:
            raise refused(line)
        target, bits = self.target(line, line.operands[0])
        address, back = self.address(line, line.operands[1:])
        size = SIZES.get(suffix, bits // 8)
        extend = partial(extended, size=size * 8, bits=bits) if suffix.startswith("S") else None
        return (LoadMemory(target, address, size, int(kinds), extend), *back)

    def store(self, line: SourceLine, kinds: EventKind, suffix: str) -> Iterable[InstructionEffect]:
        """STR and its kin, of the size that a suffix says."""
        if len(line.operands) < 2:
            raise refused(line)
        value = self.source(line, line.operands[0])
        if line.operands[0].form != "word":
            raise refused(line)
        bits = self.target(line, line.operands[0])[1]
        address, back = self.address(line, line.operands[1:])
        return (StoreMemory(address, value, SIZES.get(suffix, bits // 8), int(kinds)), *back)

    def pair(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """LDP and STP: two accesses side by side."""
        first, second, *rest = line.operands
        address, back = self.address(line, tuple(rest))
        found: list[InstructionEffect] = []
        for number, operand in enumerate((first, second)):
            register, bits = self.target(line, operand)
            place = Apply(add, (address, Literal(number * bits // 8)))
            if line.mnemonic.upper() == "LDP":
                found.append(LoadMemory(register, place, bits // 8, int(EventKind.READ)))
            else:
                value = self.source(line, operand)
                found.append(StoreMemory(place, value, bits // 8, int(EventKind.WRITE)))
        return (*found, *back)


def shifted(extend: Callable[[Datum, Datum], Datum], amount: int, value: Datum) -> Datum:
    """A value shifted or extended by an amount."""
    return extend(value, amount)


def _extending(bits: int, *, sign: bool) -> Callable[[Datum, Datum], Datum]:
    def widened(value: Datum, amount: Datum) -> Datum:
        number = extended(value, bits) if sign else mask(value, bits)
        return shift_left(number, amount)

    return widened


EXTENDS: dict[str, Callable[[Datum, Datum], Datum]] = {
    "LSL": shift_left,
    "LSR": shift_right,
    "ASR": shift_right_signed,
    "UXTB": _extending(8, sign=False),
    "UXTH": _extending(16, sign=False),
    "UXTW": _extending(32, sign=False),
    "UXTX": shift_left,
    "SXTB": _extending(8, sign=True),
    "SXTH": _extending(16, sign=True),
    "SXTW": _extending(32, sign=True),
    "SXTX": shift_left,
}
