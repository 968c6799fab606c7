"""The instructions of RISC-V (RV64I, Zifencei). Knows what instructions can do."""

from collections.abc import Callable, Iterable
from functools import partial

from modelcheck.litmus.arithmetic import (
    add,
    both,
    complement,
    either,
    exclusive_or,
    extended,
    integer,
    mask,
    multiply,
    shift_left,
    shift_right,
    shift_right_signed,
    signed,
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
    Register,
    SetRegister,
    StoreMemory,
    Synchronise,
)
from modelcheck.litmus.instruction_set import JumpTargets, number_of, refused, word_of
from modelcheck.litmus.order import EventKind
from modelcheck.litmus.text import Operand, SourceLine

_NAMES = {f"x{number}": f"x{number}" for number in range(32)}
_NAMES |= {"zero": "x0", "ra": "x1", "sp": "x2", "gp": "x3", "tp": "x4", "fp": "x8"}
_NAMES |= {f"t{number}": f"x{5 + number}" for number in range(3)}
_NAMES |= {f"t{number}": f"x{25 + number}" for number in range(3, 7)}
_NAMES |= {f"s{number}": f"x{8 + number}" for number in range(2)}
_NAMES |= {f"s{number}": f"x{16 + number}" for number in range(2, 12)}
_NAMES |= {f"a{number}": f"x{10 + number}" for number in range(8)}
LINK = "x1"

_CONTROL = ("j", "jal", "call", "jr", "ret", "jalr")
_LOADS = {"lb": 1, "lh": 2, "lw": 4, "ld": 8, "lbu": 1, "lhu": 2, "lwu": 4}
_STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}


class RiscV:
    """RV64I, as far as litmus tests use it."""

    name = "RISCV"
    decoder = "riscv64"

    def register(self, name: str) -> str | None:
        """x8 for x8, s0 and fp."""
        return _NAMES.get(name.lower())

    def size(self, line: SourceLine) -> int:
        """All instructions that are covered have four bytes."""
        return 4

    def encode(self, line: SourceLine) -> bytes | None:
        """Words are not looked into."""
        return None

    def order_key(self, register: str) -> int:
        """By number."""
        return int(register[1:])

    def shown(self, text: str) -> str:
        """Numbers are bare."""
        return text.replace("#", "")

    def spelling(self, instruction: str) -> str:
        """In quotes."""
        return f'instr:"{self.shown(instruction)}"'

    def effects(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """What a line does. Raises LitmusError."""
        name = line.mnemonic.lower()
        operands = line.operands
        if name in _CONTROL or name.startswith("b"):
            return self._control(name, line, jump)
        if name in _LOADS:
            target, place = operands
            extend = None if name.endswith("u") else partial(extended, size=_LOADS[name] * 8)
            address = self._address(line, place)
            return (
                LoadMemory(
                    self._name(line, target), address, _LOADS[name], int(EventKind.READ), extend
                ),
            )
        if name in _STORES:
            source, place = operands
            data = self._read(line, source)
            return (
                StoreMemory(self._address(line, place), data, _STORES[name], int(EventKind.WRITE)),
            )
        if name in _UNARY:
            target, source = operands
            return self._set(line, target, Apply(_UNARY[name], (self._read(line, source),)))
        if name in _BINARY:
            target, left, right = operands
            arguments = (self._read(line, left), self._read(line, right))
            return self._set(line, target, Apply(_BINARY[name], arguments))
        if name.replace("i", "", 1) in _BINARY and "i" in name and name != "sub":
            target, left, number = operands
            literal = Literal(number_of(line, number) & (2**64 - 1))
            function = _BINARY[name.replace("i", "", 1)]
            return self._set(line, target, Apply(function, (self._read(line, left), literal)))
        match name:
            case "nop":
                () = operands
                return ()
            case "li":
                target, number = operands
                return self._set(line, target, Literal(number_of(line, number) & (2**64 - 1)))
            case "lui":
                target, number = operands
                value = signed(number_of(line, number) << 12, 32) & (2**64 - 1)
                return self._set(line, target, Literal(value))
            case "la":
                target, label = operands
                return self._set(line, target, jump(label))
            case "mv":
                target, source = operands
                return self._set(line, target, self._read(line, source))
            case "fence":
                return (Barrier(_fence(line, operands)),)
            case "fence.tso":
                () = operands
                return (Barrier("fence.tso"),)
            case "fence.i":
                () = operands
                return (Synchronise(),)
            case "unimp":
                () = operands
                return (Fault("illegal instruction", 0),)
            case _:
                raise refused(line)

    def _control(
        self, name: str, line: SourceLine, jump: JumpTargets
    ) -> Iterable[InstructionEffect]:
        operands = line.operands
        if name in _BRANCHES:
            left, right, target = operands
            arguments = (self._read(line, left), self._read(line, right))
            return (Jump(jump(target), Apply(_BRANCHES[name], arguments)),)
        if name.endswith("z") and name[:-1] in _BRANCHES:
            left, target = operands
            arguments = (self._read(line, left), Literal(0))
            return (Jump(jump(target), Apply(_BRANCHES[name[:-1]], arguments)),)
        match name:
            case "j":
                (target,) = operands
                return (Jump(jump(target)),)
            case "jal" | "call":
                *link, target = operands
                return (Jump(jump(target)), *self._linked(line, link))
            case "jr":
                (source,) = operands
                return (Jump(self._jumped_to(line, source)),)
            case "ret":
                () = operands
                return (Jump(Register(LINK)),)
            case "jalr":
                *link, source = operands
                if len(operands) == 3:
                    link = [operands[0]]
                    source = Operand("offset", operands[1].word, operands[2].number)
                return (Jump(self._jumped_to(line, source)), *self._linked(line, link))
            case _:
                raise refused(line)

    def _linked(self, line: SourceLine, link: list[Operand]) -> Iterable[InstructionEffect]:
        if len(link) > 1:
            raise refused(line)
        return self._set(line, link[0] if link else Operand("word", "ra"), Here(4))

    def _jumped_to(self, line: SourceLine, operand: Operand) -> Expression:
        return (
            self._address(line, operand) if operand.form == "offset" else self._read(line, operand)
        )

    def _name(self, line: SourceLine, operand: Operand) -> str:
        found = self.register(word_of(line, operand))
        if found is None:
            raise refused(line, f"{operand.word!r} is no register, in {line.text!r}")
        return "" if found == "x0" else found

    def _read(self, line: SourceLine, operand: Operand) -> Expression:
        name = self._name(line, operand)
        return Register(name) if name else Literal(0)

    def _set(
        self, line: SourceLine, target: Operand, value: Expression
    ) -> Iterable[InstructionEffect]:
        name = self._name(line, target)
        return (SetRegister(name, value),) if name else ()

    def _address(self, line: SourceLine, operand: Operand) -> Expression:
        if operand.form != "offset":
            raise refused(line)
        base = self._read(line, Operand("word", operand.word))
        if not operand.number:
            return base
        return Apply(add, (base, Literal(operand.number & (2**64 - 1))))


def _fence(line: SourceLine, operands: tuple[Operand, ...]) -> str:
    """The name of a fence. Of what it orders, input and output are beyond litmus tests."""
    if not operands:
        return "fence.rw.rw"
    sets = ["".join(c for c in word_of(line, o).lower() if c in "rw") for o in operands]
    if len(sets) != 2 or any(set(word_of(line, o).lower()) - set("iorw") for o in operands):
        raise refused(line)
    return f"fence.{sets[0] or 'none'}.{sets[1] or 'none'}"


def _word(function: Callable[..., Datum]) -> Callable[..., Datum]:
    return lambda left, right: extended(mask(function(left, right), 32), 32)


def _less(left: Datum, right: Datum) -> Datum:
    return int(signed(left) < signed(right))


def _below(left: Datum, right: Datum) -> Datum:
    return int(integer(left) < integer(right))


def _contrary(function: Callable[..., Datum]) -> Callable[..., Datum]:
    return lambda left, right: 1 - integer(function(left, right))


def _equal(left: Datum, right: Datum) -> Datum:
    return int(left == right)


_UNARY: dict[str, Callable[..., Datum]] = {
    "neg": lambda value: subtract(0, value),
    "not": complement,
    "seqz": lambda value: int(value == 0),
    "snez": lambda value: int(value != 0),
    "sext.w": partial(extended, size=32),
}

_BINARY: dict[str, Callable[..., Datum]] = {
    "add": add,
    "sub": subtract,
    "and": both,
    "or": either,
    "xor": exclusive_or,
    "sll": shift_left,
    "srl": shift_right,
    "sra": shift_right_signed,
    "slt": _less,
    "sltu": _below,
    "addw": _word(add),
    "subw": _word(subtract),
    "mul": multiply,
}

_BRANCHES: dict[str, Callable[..., Datum]] = {
    "beq": _equal,
    "bne": _contrary(_equal),
    "blt": _less,
    "bge": _contrary(_less),
    "bltu": _below,
    "bgeu": _contrary(_below),
    "bgt": lambda left, right: _less(right, left),
    "ble": lambda left, right: 1 - integer(_less(right, left)),
}
