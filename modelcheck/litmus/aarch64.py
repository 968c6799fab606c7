"""The instructions of AArch64 (Arm ARM, DDI 0487). Knows what instructions can do."""

import re
from collections.abc import Callable, Iterable
from functools import partial

from modelcheck.litmus.arithmetic import (
    CONDITIONS,
    add,
    both,
    compare,
    complement,
    either,
    exclusive_or,
    extended,
    holds,
    integer,
    mask,
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
    Expression,
    Fault,
    Here,
    InstructionEffect,
    Jump,
    Literal,
    LoadMemory,
    Maintain,
    Pick,
    Register,
    SetRegister,
    StoreMemory,
    Synchronise,
)
from modelcheck.litmus.instruction_set import JumpTargets, number_of, refused, word_of
from modelcheck.litmus.order import EventKind
from modelcheck.litmus.text import Operand, SourceLine

FLAGS, LINK, RETURN = "NZCV", "X30", "ELR_EL1"
ZERO = Literal(0)

_SYNONYMS = {"HS": "CS", "LO": "CC"}
_BARRIERS = {
    **dict.fromkeys(("SY", "ISH", "OSH"), "full"),
    **dict.fromkeys(("LD", "ISHLD", "OSHLD"), "ld"),
    **dict.fromkeys(("ST", "ISHST", "OSHST"), "st"),
    # The threads of a test are in one inner shareable domain, and no smaller one.
    **dict.fromkeys(("NSH", "NSHLD", "NSHST"), "nsh"),
}
_INVERSE = {"EQ": "NE", "CS": "CC", "MI": "PL", "VS": "VC", "HI": "LS", "GE": "LT", "GT": "LE"}
_INVERSE |= {contrary: name for name, contrary in _INVERSE.items()}

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
_SIZES = {"B": 1, "H": 2, "SB": 1, "SH": 2, "SW": 4}


class AArch64:
    """AArch64, as far as litmus tests use it."""

    name = "AArch64"
    decoder = "arm64"

    def register(self, name: str) -> str | None:
        """X0 for X0 and W0; the zero register is none."""
        upper = name.upper()
        if re.fullmatch(r"[XW]([0-9]|[12][0-9]|30)", upper):
            return f"X{upper[1:]}"
        return upper if upper in ("SP", RETURN) else LINK if upper == "LR" else None

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
            if name.startswith(base) and name[len(base) :] in ("", *_SIZES):
                return self._load(line, kinds, name[len(base) :])
        for base, kinds in _STORES.items():
            if name.startswith(base) and name[len(base) :] in ("", "B", "H"):
                return self._store(line, kinds, name[len(base) :])
        raise refused(line)

    # Operands.

    def _target(self, line: SourceLine, operand: Operand) -> tuple[str, int]:
        """The register that an operand names, "" for the zero register, and its bits."""
        word = word_of(line, operand).upper()
        bits = 32 if word.startswith("W") else 64
        if word in ("XZR", "WZR"):
            return "", bits
        found = self.register(word)
        if found is None or found == RETURN:
            raise refused(line, f"{operand.word!r} is no register, in {line.text!r}")
        return found, bits

    def _source(self, line: SourceLine, operand: Operand) -> Expression:
        if operand.form == "number":
            return Literal(operand.number & (2**64 - 1))
        name, bits = self._target(line, operand)
        return Register(name, bits) if name else ZERO

    def _last(self, line: SourceLine, operands: tuple[Operand, ...]) -> Expression:
        """A last operand, which may be shifted or extended by the one after it."""
        value = self._source(line, operands[0])
        if len(operands) == 1:
            return value
        if len(operands) > 2:
            raise refused(line)
        how = operands[1]
        amount = how.number if how.form == "modified" else 0
        extend = _EXTENDS.get(how.word.upper())
        if how.form not in ("word", "modified") or extend is None:
            raise refused(line)
        return Apply(partial(_shifted, extend, amount), (value,))

    def _address(
        self, line: SourceLine, operands: tuple[Operand, ...]
    ) -> tuple[Expression, tuple[InstructionEffect, ...]]:
        """The address of an access, and what becomes of its base register."""
        memory = operands[0]
        if memory.form != "memory" or not memory.parts:
            raise refused(line)
        base, _ = self._target(line, memory.parts[0])
        if not base:
            raise refused(line)
        start: Expression = Register(base)
        if len(memory.parts) > 1:
            index = self._last(line, memory.parts[1:])
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

    def _load(self, line: SourceLine, kinds: EventKind, suffix: str) -> Iterable[InstructionEffect]:
        if len(line.operands) < 2:
            raise refused(line)
        target, bits = self._target(line, line.operands[0])
        address, back = self._address(line, line.operands[1:])
        size = _SIZES.get(suffix, bits // 8)
        extend = partial(extended, size=size * 8, bits=bits) if suffix.startswith("S") else None
        return (LoadMemory(target, address, size, int(kinds), extend), *back)

    def _store(
        self, line: SourceLine, kinds: EventKind, suffix: str
    ) -> Iterable[InstructionEffect]:
        if len(line.operands) < 2:
            raise refused(line)
        value = self._source(line, line.operands[0])
        if line.operands[0].form != "word":
            raise refused(line)
        bits = self._target(line, line.operands[0])[1]
        address, back = self._address(line, line.operands[1:])
        return (StoreMemory(address, value, _SIZES.get(suffix, bits // 8), int(kinds)), *back)

    def pair(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """LDP and STP: two accesses side by side."""
        first, second, *rest = line.operands
        address, back = self._address(line, tuple(rest))
        found: list[InstructionEffect] = []
        for number, operand in enumerate((first, second)):
            register, bits = self._target(line, operand)
            place = Apply(add, (address, Literal(number * bits // 8)))
            if line.mnemonic.upper() == "LDP":
                found.append(LoadMemory(register, place, bits // 8, int(EventKind.READ)))
            else:
                value = self._source(line, operand)
                found.append(StoreMemory(place, value, bits // 8, int(EventKind.WRITE)))
        return (*found, *back)

    # Arithmetic.

    def compute(
        self, function: Callable[..., Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rd, Rn, operand."""
        target, bits = self._target(line, line.operands[0])
        arguments = (
            self._source(line, line.operands[1]),
            self._last(line, line.operands[2:]),
        )
        value = Apply(partial(_masked, function, bits), arguments)
        return (SetRegister(target, value),) if target else ()

    def compute_and_compare(
        self, function: Callable[..., Datum], line: SourceLine, jump: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rd, Rn, operand, and the flags."""
        bits = self._target(line, line.operands[0])[1]
        arguments = (
            self._source(line, line.operands[1]),
            self._last(line, line.operands[2:]),
        )
        flags = SetRegister(FLAGS, Apply(_FLAGS[function](bits), arguments))
        return (flags, *self.compute(function, line, jump))

    def compare(
        self, function: Callable[..., Datum], line: SourceLine, jump: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rn, operand: the flags alone."""
        bits = self._target(line, line.operands[0])[1]
        zero = Operand("word", "WZR" if bits == 32 else "XZR")
        alike = SourceLine(line.labels, line.mnemonic, (zero, *line.operands), line.text, line.spot)
        return self.compute_and_compare(function, alike, jump)

    def move(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MOV, MOVZ: a register or a number, which may be shifted."""
        target, bits = self._target(line, line.operands[0])
        if line.operands[1].form != "number" and len(line.operands) > 2:
            raise refused(line)
        value = self._last(line, line.operands[1:])
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
        target, bits = self._target(line, line.operands[0])
        shift = line.operands[2].number if len(line.operands) > 2 else 0
        value = number_of(line, line.operands[1]) << shift

        def kept(old: Datum) -> Datum:
            return (integer(old) & ~(0xFFFF << shift) | value) & ((1 << bits) - 1)

        return (SetRegister(target, Apply(kept, (Register(target, bits),))),) if target else ()

    def inverted(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MOVN: the complement of a number."""
        target, bits = self._target(line, line.operands[0])
        shift = line.operands[2].number if len(line.operands) > 2 else 0
        value = ~(number_of(line, line.operands[1]) << shift) & ((1 << bits) - 1)
        return (SetRegister(target, Literal(value)),) if target else ()

    def widen(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """SXTW, UXTW: Rd, Rn."""
        target, bits = self._target(line, line.operands[0])
        value = Apply(lambda v: mask(function(v), bits), (self._source(line, line.operands[1]),))
        return (SetRegister(target, value),) if target else ()

    def here(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """ADR: the address of a label."""
        target = self._target(line, line.operands[0])[0]
        return (SetRegister(target, jump(line.operands[1])),) if target else ()

    # Selection.

    def select(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """Rd, Rn, Rm, condition: Rn, or a function of Rm."""
        target, bits = self._target(line, line.operands[0])
        then, other = (self._source(line, operand) for operand in line.operands[1:3])
        condition = _condition(line, line.operands[3])
        return self._picked(target, bits, condition, then, other, function)

    def set_if(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """CSET, CSETM: Rd, condition."""
        target, bits = self._target(line, line.operands[0])
        condition = _INVERSE[_condition(line, line.operands[1])]
        return self._picked(target, bits, condition, ZERO, ZERO, function)

    def change_if(
        self, function: Callable[[Datum], Datum], line: SourceLine, _: JumpTargets
    ) -> Iterable[InstructionEffect]:
        """CINC, CINV, CNEG: Rd, Rn, condition."""
        target, bits = self._target(line, line.operands[0])
        value = self._source(line, line.operands[1])
        condition = _INVERSE[_condition(line, line.operands[2])]
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

    # Control.

    def _jump_if(self, line: SourceLine, condition: str, jump: JumpTargets) -> InstructionEffect:
        if len(line.operands) != 1:
            raise refused(line)
        name = _condition(line, Operand("word", condition))
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
        register, bits = self._target(line, operand)
        if bits != 64 or not register:
            raise refused(line)
        link = (SetRegister(LINK, Here(4)),) if name == "BLR" else ()
        return (Jump(Register(register)), *link)

    def jump_if_zero(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """CBZ, CBNZ."""
        register, target = line.operands
        wanted = line.mnemonic.upper() == "CBZ"
        value = self._source(line, register)
        return (Jump(jump(target), Apply(partial(_is_zero, wanted), (value,))),)

    def jump_if_bit(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """TBZ, TBNZ."""
        register, bit, target = line.operands
        wanted = int(line.mnemonic.upper() == "TBNZ")
        at = number_of(line, bit)
        value = self._source(line, register)
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
        return (Maintain(self._source(line, operand), int(kind)),)

    def system_register(self, line: SourceLine, _: JumpTargets) -> Iterable[InstructionEffect]:
        """MSR and MRS of the exception link register."""
        target, source = line.operands
        name = line.mnemonic.upper()
        special = target if name == "MSR" else source
        if word_of(line, special).upper() != RETURN:
            raise refused(line, f"{name} of {special.word} is not covered; of ELR_EL1 it is")
        if name == "MSR":
            return (SetRegister(RETURN, self._source(line, source)),)
        register = self._target(line, target)[0]
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


def _condition(line: SourceLine, operand: Operand) -> str:
    word = word_of(line, operand).upper()
    name = _SYNONYMS.get(word, word)
    if name not in CONDITIONS:
        raise refused(line, f"unknown condition {operand.word!r}, in {line.text!r}")
    return name


def _masked(function: Callable[..., Datum], bits: int, left: Datum, right: Datum) -> Datum:
    if bits < 64 and isinstance(left, int) and isinstance(right, int):
        left, right = left & (1 << bits) - 1, right & (1 << bits) - 1
    return mask(function(left, right), bits)


def _shifted(extend: Callable[[Datum, Datum], Datum], amount: int, value: Datum) -> Datum:
    return extend(value, amount)


def _extending(bits: int, *, sign: bool) -> Callable[[Datum, Datum], Datum]:
    def widened(value: Datum, amount: Datum) -> Datum:
        number = extended(value, bits) if sign else mask(value, bits)
        return shift_left(number, amount)

    return widened


def _without(left: Datum, right: Datum) -> Datum:
    return integer(left) & ~integer(right) & (2**64 - 1)


def _or_not(left: Datum, right: Datum) -> Datum:
    return (integer(left) | ~integer(right)) & (2**64 - 1)


def _xor_not(left: Datum, right: Datum) -> Datum:
    return (integer(left) ^ ~integer(right)) & (2**64 - 1)


def _is_zero(wanted: bool, value: Datum) -> Datum:
    return int((value == 0) == wanted)


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

_EXTENDS: dict[str, Callable[[Datum, Datum], Datum]] = {
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
    "SXTW": _of(AArch64.widen, partial(_shifted, _EXTENDS["SXTW"], 0)),
    "UXTW": _of(AArch64.widen, partial(_shifted, _EXTENDS["UXTW"], 0)),
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
