"""The instructions of AArch64 (Arm ARM, DDI 0487). Knows what instructions can do."""

from collections.abc import Callable, Iterable
from functools import partial

from modelcheck.litmus.aarch64_operands import EXTENDS, LINK, RETURN, SIZES, shifted
from modelcheck.litmus.aarch64_values import FLAGS, AArch64Values, condition_named
from modelcheck.litmus.arithmetic import (
    add,
    both,
    complement,
    either,
    exclusive_or,
    holds,
    integer,
    multiply,
    shift_left,
    shift_right,
    shift_right_signed,
    subtract,
)
from modelcheck.litmus.instruction import (
    Apply,
    Barrier,
    Datum,
    Fault,
    Here,
    InstructionEffect,
    Jump,
    Maintain,
    Register,
    SetRegister,
    Synchronise,
)
from modelcheck.litmus.instruction_set import JumpTargets, number_of, refused, word_of
from modelcheck.litmus.order import EventKind
from modelcheck.litmus.text import Operand, SourceLine

_BARRIERS = {
    **dict.fromkeys(("SY", "ISH", "OSH"), "full"),
    **dict.fromkeys(("LD", "ISHLD", "OSHLD"), "ld"),
    **dict.fromkeys(("ST", "ISHST", "OSHST"), "st"),
    # The threads of a test are in one inner shareable domain, and no smaller one.
    **dict.fromkeys(("NSH", "NSHLD", "NSHST"), "nsh"),
}
_LOADS = {
    "LDR": EventKind.READ,
    "LDUR": EventKind.READ,
    "LDAR": EventKind.READ | EventKind.ACQUIRE,
    "LDAPR": EventKind.READ | EventKind.ACQUIRE_PC,
    "LDAPUR": EventKind.READ | EventKind.ACQUIRE_PC,
}
_STORES = {
    "STR": EventKind.WRITE,
    "STUR": EventKind.WRITE,
    "STLR": EventKind.WRITE | EventKind.RELEASE,
    "STLUR": EventKind.WRITE | EventKind.RELEASE,
}


class AArch64(AArch64Values):
    """AArch64, as far as litmus tests use it."""

    name = "AArch64"
    decoder = "arm64"

    def size(self, line: SourceLine) -> int:
        """All instructions have four bytes."""
        return 4

    def encode(self, line: SourceLine) -> bytes | None:
        """Words are not looked into."""
        return None

    def order_key(self, register: str) -> int:
        """By number, and the others after them."""
        return int(register[1:]) if register[1:].isdigit() else 99

    def shown(self, text: str) -> str:
        """As it is kept."""
        return text

    def spelling(self, instruction: str) -> str:
        """NOP has no quotes in this format."""
        return "NOP" if instruction == "NOP" else f'instr:"{instruction}"'

    def effects(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """What a line does. Raises LitmusError."""
        name = line.mnemonic.upper()
        stem, _, suffix = name.partition(".")
        if stem == "B" and suffix:
            return (self._jump_if(line, suffix, jump),)
        found = _TABLE.get(name)
        if found is not None:
            return found(self, line, jump)
        for base, kinds in _LOADS.items():
            if name.startswith(base) and name[len(base) :] in ("", *SIZES):
                return self.load(line, kinds, name[len(base) :])
        for base, kinds in _STORES.items():
            if name.startswith(base) and name[len(base) :] in ("", "B", "H"):
                return self.store(line, kinds, name[len(base) :])
        raise refused(line)

    # Control.

    def _jump_if(self, line: SourceLine, condition: str, jump: JumpTargets) -> InstructionEffect:
        if len(line.operands) != 1:
            raise refused(line)
        name = condition_named(line, Operand("word", condition))
        return Jump(jump(line.operands[0]), Apply(holds(name), (Register(FLAGS),)))

    def jump_always(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """B."""
        (operand,) = line.operands
        return (Jump(jump(operand)),)

    def call(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """BL."""
        (operand,) = line.operands
        return Jump(jump(operand)), SetRegister(LINK, Here(4))

    def jump_to_register(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """BR, BLR, RET."""
        name = line.mnemonic.upper()
        operands = line.operands
        if name == "RET" and not operands:
            operands = (Operand("word", LINK),)
        (operand,) = operands
        register, bits = self.target(line, operand)
        if bits != 64 or not register:
            raise refused(line)
        link = (SetRegister(LINK, Here(4)),) if name == "BLR" else ()
        return (Jump(Register(register)), *link)

    def jump_if_zero(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """CBZ, CBNZ."""
        register, target = line.operands
        wanted = line.mnemonic.upper() == "CBZ"
        value = self.source(line, register)
        return (Jump(jump(target), Apply(partial(_is_zero, wanted), (value,))),)

    def jump_if_bit(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """TBZ, TBNZ."""
        register, bit, target = line.operands
        wanted = int(line.mnemonic.upper() == "TBNZ")
        at = number_of(line, bit)
        value = self.source(line, register)
        return (Jump(jump(target), Apply(lambda v: int(integer(v) >> at & 1 == wanted), (value,))),)

    # The system.

    def barrier(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """DMB, DSB."""
        (operand,) = line.operands
        kind = _BARRIERS.get(word_of(line, operand).upper())
        if kind is None:
            raise refused(line)
        return (Barrier(f"{line.mnemonic.lower()}.{kind}"),)

    def synchronise(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """ISB."""
        if line.operands and [o.word.upper() for o in line.operands] != ["SY"]:
            raise refused(line)
        return (Synchronise(),)

    def maintain(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """DC CVAU, IC IVAU, IC IALLU, IC IALLUIS."""
        what = (line.mnemonic.upper(), word_of(line, line.operands[0]).upper())
        if what in (("IC", "IALLU"), ("IC", "IALLUIS")) and len(line.operands) == 1:
            return (Maintain(None, int(EventKind.DROP)),)
        kind = {("DC", "CVAU"): EventKind.CLEAN, ("IC", "IVAU"): EventKind.DROP}.get(what)
        if kind is None:
            raise refused(
                line, f"{' '.join(what)} is not covered; DC CVAU and IC IVAU, IALLU, IALLUIS are"
            )
        operand = line.operands[1]
        return (Maintain(self.source(line, operand), int(kind)),)

    def system_register(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MSR and MRS of the exception link register."""
        target, source = line.operands
        name = line.mnemonic.upper()
        special = target if name == "MSR" else source
        if word_of(line, special).upper() != RETURN:
            raise refused(line, f"{name} of {special.word} is not covered; of ELR_EL1 it is")
        if name == "MSR":
            return (SetRegister(RETURN, self.source(line, source)),)
        register = self.target(line, target)[0]
        return (SetRegister(register, Register(RETURN)),) if register else ()

    def trap(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """SVC, UDF: exceptions are context synchronisation events."""
        if len(line.operands) != 1:
            raise refused(line)
        if line.mnemonic.upper() == "SVC":
            return Synchronise(), Fault("supervisor call", 4, RETURN)
        return Synchronise(), Fault("undefined instruction", 0, RETURN)

    def exception_return(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """ERET: so is the return from one."""
        if line.operands:
            raise refused(line)
        return Synchronise(), Jump(Register(RETURN))

    def nothing(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """NOP."""
        if line.operands:
            raise refused(line)
        return ()


def _without(left: Datum, right: Datum) -> Datum:
    return integer(left) & ~integer(right) & (2**64 - 1)


def _or_not(left: Datum, right: Datum) -> Datum:
    return (integer(left) | ~integer(right)) & (2**64 - 1)


def _xor_not(left: Datum, right: Datum) -> Datum:
    return (integer(left) ^ ~integer(right)) & (2**64 - 1)


def _is_zero(wanted: bool, value: Datum) -> Datum:
    return int((value == 0) == wanted)


def _same(value: Datum) -> Datum:
    return value


def _next(value: Datum) -> Datum:
    return add(value, 1)


def _minus(value: Datum) -> Datum:
    return subtract(0, value)


Maker = Callable[[AArch64, SourceLine, JumpTargets], Iterable[InstructionEffect]]


def _of(
    method: Callable[..., Iterable[InstructionEffect]], function: Callable[..., Datum]
) -> Maker:
    return lambda isa, line, jump: method(isa, function, line, jump)


_TABLE: dict[str, Maker] = {
    **{
        name: _of(AArch64.compute, function)
        for name, function in {
            "ADD": add,
            "SUB": subtract,
            "AND": both,
            "ORR": either,
            "EOR": exclusive_or,
            "BIC": _without,
            "ORN": _or_not,
            "EON": _xor_not,
            "MUL": multiply,
            "LSL": shift_left,
            "LSR": shift_right,
            "ASR": shift_right_signed,
        }.items()
    },
    "ADDS": _of(AArch64.compute_and_compare, add),
    "SUBS": _of(AArch64.compute_and_compare, subtract),
    "ANDS": _of(AArch64.compute_and_compare, both),
    "CMP": _of(AArch64.compare, subtract),
    "CMN": _of(AArch64.compare, add),
    "TST": _of(AArch64.compare, both),
    "MOV": AArch64.move,
    "MOVZ": AArch64.move,
    "MOVK": AArch64.keep,
    "MOVN": AArch64.inverted,
    "MVN": _of(AArch64.negate, _or_not),
    "NEG": _of(AArch64.negate, subtract),
    "SXTW": _of(AArch64.widen, partial(shifted, EXTENDS["SXTW"], 0)),
    "UXTW": _of(AArch64.widen, partial(shifted, EXTENDS["UXTW"], 0)),
    "ADR": AArch64.here,
    "CSEL": _of(AArch64.select, _same),
    "CSINC": _of(AArch64.select, _next),
    "CSINV": _of(AArch64.select, complement),
    "CSNEG": _of(AArch64.select, _minus),
    "CSET": _of(AArch64.set_if, _next),
    "CSETM": _of(AArch64.set_if, complement),
    "CINC": _of(AArch64.change_if, _next),
    "CINV": _of(AArch64.change_if, complement),
    "CNEG": _of(AArch64.change_if, _minus),
    "LDP": AArch64.pair,
    "STP": AArch64.pair,
    "B": AArch64.jump_always,
    "BL": AArch64.call,
    "BR": AArch64.jump_to_register,
    "BLR": AArch64.jump_to_register,
    "RET": AArch64.jump_to_register,
    "CBZ": AArch64.jump_if_zero,
    "CBNZ": AArch64.jump_if_zero,
    "TBZ": AArch64.jump_if_bit,
    "TBNZ": AArch64.jump_if_bit,
    "DMB": AArch64.barrier,
    "DSB": AArch64.barrier,
    "ISB": AArch64.synchronise,
    "DC": AArch64.maintain,
    "IC": AArch64.maintain,
    "MSR": AArch64.system_register,
    "MRS": AArch64.system_register,
    "SVC": AArch64.trap,
    "UDF": AArch64.trap,
    "ERET": AArch64.exception_return,
    "NOP": AArch64.nothing,
}
