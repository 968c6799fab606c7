"""The arithmetic of AArch64, and its selections by a condition. Knows what instructions can do."""

from collections.abc import Callable, Iterable
from functools import partial

from modelcheck.litmus.aarch64_operands import ZERO, AArch64Operands
from modelcheck.litmus.arithmetic import (
    CONDITIONS,
    add,
    both,
    compare,
    holds,
    integer,
    mask,
    subtract,
)
from modelcheck.litmus.instruction import (
    Apply,
    Datum,
    Expression,
    InstructionEffect,
    Literal,
    Pick,
    Register,
    SetRegister,
)
from modelcheck.litmus.instruction_set import JumpTargets, number_of, refused, word_of
from modelcheck.litmus.text import Operand, SourceLine

FLAGS = "NZCV"

_SYNONYMS = {"HS": "CS", "LO": "CC"}
_INVERSE = {"EQ": "NE", "CS": "CC", "MI": "PL", "VS": "VC", "HI": "LS", "GE": "LT", "GT": "LE"}
_INVERSE |= {contrary: name for name, contrary in _INVERSE.items()}


class AArch64Values(AArch64Operands):
    """What computes values: registers, and the flags."""

    def compute(
        self, function: Callable[..., Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rd, Rn, operand."""
        target, bits = self.target(line, line.operands[0])
        arguments = (
            self.source(line, line.operands[1]),
            self.last(line, line.operands[2:]),
        )
        value = Apply(partial(_masked, function, bits), arguments)
        return (SetRegister(target, value),) if target else ()

    def compute_and_compare(
        self, function: Callable[..., Datum], line: SourceLine, jump: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rd, Rn, operand, and the flags."""
        bits = self.target(line, line.operands[0])[1]
        arguments = (
            self.source(line, line.operands[1]),
            self.last(line, line.operands[2:]),
        )
        flags = SetRegister(FLAGS, Apply(_FLAGS[function](bits), arguments))
        return (flags, *self.compute(function, line, jump))

    def compare(
        self, function: Callable[..., Datum], line: SourceLine, jump: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rn, operand: the flags alone."""
        bits = self.target(line, line.operands[0])[1]
        zero = Operand("word", "WZR" if bits == 32 else "XZR")
        alike = SourceLine(line.labels, line.mnemonic, (zero, *line.operands), line.text, line.spot)
        return self.compute_and_compare(function, alike, jump)

    def move(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MOV, MOVZ: a register or a number, which may be shifted."""
        target, bits = self.target(line, line.operands[0])
        if line.operands[1].form != "number" and len(line.operands) > 2:
            raise refused(line)
        value = self.last(line, line.operands[1:])
        return (SetRegister(target, Apply(partial(mask, bits=bits), (value,))),) if target else ()

    def negate(
        self, function: Callable[..., Datum], line: SourceLine, jump: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """MVN, NEG: the operation with zero on the left."""
        zero = Operand("word", "XZR")
        operands = (line.operands[0], zero, *line.operands[1:])
        alike = SourceLine(line.labels, line.mnemonic, operands, line.text, line.spot)
        return self.compute(function, alike, jump)

    def keep(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MOVK: 16 bits of a register."""
        target, bits = self.target(line, line.operands[0])
        shift = line.operands[2].number if len(line.operands) > 2 else 0
        value = number_of(line, line.operands[1]) << shift

        def kept(old: Datum) -> Datum:
            return (integer(old) & ~(0xFFFF << shift) | value) & ((1 << bits) - 1)

        return (SetRegister(target, Apply(kept, (Register(target, bits),))),) if target else ()

    def inverted(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MOVN: the complement of a number."""
        target, bits = self.target(line, line.operands[0])
        shift = line.operands[2].number if len(line.operands) > 2 else 0
        value = ~(number_of(line, line.operands[1]) << shift) & ((1 << bits) - 1)
        return (SetRegister(target, Literal(value)),) if target else ()

    def widen(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """SXTW, UXTW: Rd, Rn."""
        target, bits = self.target(line, line.operands[0])
        value = Apply(lambda v: mask(function(v), bits), (self.source(line, line.operands[1]),))
        return (SetRegister(target, value),) if target else ()

    def here(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """ADR: the address of a label."""
        target = self.target(line, line.operands[0])[0]
        return (SetRegister(target, jump(line.operands[1])),) if target else ()

    # Selection.

    def select(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rd, Rn, Rm, condition: Rn, or a function of Rm."""
        target, bits = self.target(line, line.operands[0])
        then, other = (self.source(line, operand) for operand in line.operands[1:3])
        condition = condition_named(line, line.operands[3])
        return self._picked(target, bits, condition, then, other, function)

    def set_if(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """CSET, CSETM: Rd, condition."""
        target, bits = self.target(line, line.operands[0])
        condition = _INVERSE[condition_named(line, line.operands[1])]
        return self._picked(target, bits, condition, ZERO, ZERO, function)

    def change_if(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """CINC, CINV, CNEG: Rd, Rn, condition."""
        target, bits = self.target(line, line.operands[0])
        value = self.source(line, line.operands[1])
        condition = _INVERSE[condition_named(line, line.operands[2])]
        return self._picked(target, bits, condition, value, value, function)

    def _picked(
        self,
        target: str,
        bits: int,
        condition: str,
        then: Expression,
        other: Expression,
        function: Callable[[Datum], Datum],
    ) -> Iterable[InstructionEffect]:
        if not target:
            return ()
        changed = Apply(lambda v: mask(function(v), bits), (other,))
        return (Pick(target, Apply(holds(condition), (Register(FLAGS),)), then, changed),)


def condition_named(line: SourceLine, operand: Operand) -> str:
    """The condition that an operand names. Raises LitmusError."""
    word = word_of(line, operand).upper()
    name = _SYNONYMS.get(word, word)
    if name not in CONDITIONS:
        raise refused(line, f"unknown condition {operand.word!r}, in {line.text!r}")
    return name


def _masked(function: Callable[..., Datum], bits: int, left: Datum, right: Datum) -> Datum:
    if bits < 64 and isinstance(left, int) and isinstance(right, int):
        left, right = left & (1 << bits) - 1, right & (1 << bits) - 1
    return mask(function(left, right), bits)


def _sum_flags(bits: int) -> Callable[[Datum, Datum], Datum]:
    minus = compare(bits)
    return lambda left, right: minus(left, -integer(right) & ((1 << bits) - 1))


def _bit_flags(bits: int) -> Callable[[Datum, Datum], Datum]:
    minus = compare(bits)
    return lambda left, right: minus(mask(both(left, right), bits), 0)


_FLAGS: dict[Callable[..., Datum], Callable[[int], Callable[[Datum, Datum], Datum]]] = {
    subtract: compare,
    add: _sum_flags,
    both: _bit_flags,
}
