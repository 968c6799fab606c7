"""The instructions of x86-64, in Intel's syntax, as far as litmus tests use them.

Registers of all widths; loads and stores of 1 to 8 bytes; jumps; what serialises. Beside them
stand what no single instruction does: `poke` (a store of n bytes, one by one in any order, as by
memcpy), `ipi` and `ack` (an interrupt to all other CPUs, and the wait until all have taken it),
`lock` (a locked instruction on data of no other CPU).

Sources: Intel SDM vol. 2; AMD64 APM vol. 3. Knows what instructions can do.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial

from modelcheck.litmus.arithmetic import (
    add,
    both,
    compare,
    either,
    exclusive_or,
    holds,
    integer,
    mask,
    subtract,
)
from modelcheck.litmus.instruction import (
    Acknowledge,
    Apply,
    Arrive,
    AwaitSignals,
    Barrier,
    Datum,
    Expression,
    Fault,
    InstructionEffect,
    Jump,
    Literal,
    LitmusInstruction,
    LoadMemory,
    Register,
    SetRegister,
    Signal,
    StoreMemory,
    Synchronise,
)
from modelcheck.litmus.instruction_set import JumpTargets, number_of, refused, word_of
from modelcheck.litmus.order import EventKind
from modelcheck.litmus.text import Operand, SourceLine

FLAGS, RETURN = "flags", "return"

_LETTERS = ("a", "c", "d", "b")
_NAMED = ("sp", "bp", "si", "di")

_REGISTERS: dict[str, tuple[str, int]] = {}
"""The name that a register has in 64 bits, and its own width."""
for _letter in _LETTERS:
    for _name, _bits in ((f"{_letter}l", 8), (f"{_letter}x", 16), (f"e{_letter}x", 32)):
        _REGISTERS[_name] = (f"r{_letter}x", _bits)
    _REGISTERS[f"r{_letter}x"] = (f"r{_letter}x", 64)
for _named in _NAMED:
    for _name, _bits in ((f"{_named}l", 8), (_named, 16), (f"e{_named}", 32), (f"r{_named}", 64)):
        _REGISTERS[_name] = (f"r{_named}", _bits)
for _number in range(8, 16):
    for _name, _bits in (("b", 8), ("w", 16), ("d", 32), ("", 64)):
        _REGISTERS[f"r{_number}{_name}"] = (f"r{_number}", _bits)

_ORDER = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16))]
_CODES = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"]
"""Registers by the number that they have in machine code."""

_WIDTHS = {"byte": 1, "word": 2, "dword": 4, "qword": 8}

_BINARY: dict[str, Callable[..., Datum]] = {
    "add": add,
    "sub": subtract,
    "xor": exclusive_or,
    "and": both,
    "or": either,
}

_CONDITIONS = {
    **dict.fromkeys(("e", "z"), "EQ"),
    **dict.fromkeys(("ne", "nz"), "NE"),
    **dict.fromkeys(("s",), "MI"),
    **dict.fromkeys(("ns",), "PL"),
    **dict.fromkeys(("l", "nge"), "LT"),
    **dict.fromkeys(("ge", "nl"), "GE"),
    **dict.fromkeys(("g", "nle"), "GT"),
    **dict.fromkeys(("le", "ng"), "LE"),
    # Carry of a subtraction is a borrow on x86.
    **dict.fromkeys(("b", "c", "nae"), "CC"),
    **dict.fromkeys(("ae", "nc", "nb"), "CS"),
    **dict.fromkeys(("a", "nbe"), "HI"),
    **dict.fromkeys(("be", "na"), "LS"),
}
_JCC = {"e": 4, "z": 4, "ne": 5, "nz": 5, "s": 8, "ns": 9, "l": 12, "ge": 13, "le": 14, "g": 15}

NOPS = {
    1: "90",
    2: "6690",
    3: "0f1f00",
    4: "0f1f4000",
    5: "0f1f440000",
    6: "660f1f440000",
    7: "0f1f8000000000",
    8: "0f1f840000000000",
    9: "660f1f840000000000",
}
"""The recommended no-ops (Intel SDM vol. 2B, NOP)."""

BARE = 4
"""Bytes that an instruction is given whose machine code nobody looks at."""

INTERRUPT = LitmusInstruction(
    "(IPI)",
    (
        Arrive(int(EventKind.READ)),
        Synchronise(),
        Acknowledge(int(EventKind.READ | EventKind.WRITE)),
    ),
    0,
)
"""What an interrupt does to the thread that takes it: it returns by IRET, which serialises."""


class X86:
    """x86-64."""

    name = "X86_64"
    decoder = "x86-64"

    def register(self, name: str) -> str | None:
        """rax for al, ax, eax and rax."""
        found = _REGISTERS.get(name.lower())
        return found[0] if found else None

    def order_key(self, register: str) -> int:
        """The usual order."""
        return _ORDER.index(register)

    def shown(self, text: str) -> str:
        """Numbers are bare, and distances joined by a sign."""
        return re.sub(r" #(-?)(\d+)\]", lambda m: f"{m[1] or '+'}{m[2]}]", text).replace("#", "")

    def spelling(self, instruction: str) -> str:
        """In quotes."""
        return f'instr:"{self.shown(instruction)}"'

    def size(self, line: SourceLine) -> int:
        """The length of its machine code."""
        data = self.encode(line)
        return BARE if data is None else len(data)

    def encode(self, line: SourceLine) -> bytes | None:
        """Machine code, for what stands where code is modified. Jumps must be distances."""
        name = line.mnemonic.lower()
        operands = line.operands
        if re.fullmatch(r"nop[1-9]?", name) and not operands:
            return bytes.fromhex(NOPS[int(name[3:] or 1)])
        if name in _FIXED and not operands:
            return bytes.fromhex(_FIXED[name])
        if name in ("jmp", "jmp.near") or name.startswith("j"):
            return self._encoded_jump(name, operands)
        if not operands or operands[0].form != "word" or operands[0].word not in _REGISTERS:
            return None
        register, bits = _REGISTERS[operands[0].word]
        if register not in _CODES:
            return None
        code = _CODES.index(register)
        number = operands[1].number if len(operands) == 2 else 0
        if name == "inc" and bits == 32 and len(operands) == 1:
            return bytes([0xFF, 0xC0 + code])
        if len(operands) != 2 or operands[1].form != "number":
            return None
        if name == "mov" and bits == 32:
            return bytes([0xB8 + code]) + (number & 0xFFFFFFFF).to_bytes(4, "little")
        if name == "mov" and bits == 8 and code < 4:
            return bytes([0xB0 + code, number & 0xFF])
        if name == "add" and bits == 32 and -128 <= number < 128:
            return bytes([0x83, 0xC0 + code, number & 0xFF])
        return None

    def _encoded_jump(self, name: str, operands: tuple[Operand, ...]) -> bytes | None:
        distance = operands[0].number if operands and operands[0].form == "here" else 0
        if name == "jmp.near":
            return b"\xe9" + ((distance - 5) & 0xFFFFFFFF).to_bytes(4, "little")
        if name == "jmp":
            return bytes([0xEB, (distance - 2) & 0xFF])
        if name[1:] in _JCC:
            return bytes([0x70 + _JCC[name[1:]], (distance - 2) & 0xFF])
        return None

    def effects(self, line: SourceLine, jump: JumpTargets) -> Iterable[InstructionEffect]:
        """What a line does. Raises LitmusError."""
        name = line.mnemonic.lower()
        operands = line.operands
        if re.fullmatch(r"nop[1-9]?", name):
            () = operands
            return ()
        if name in _PLAIN:
            () = operands
            return _PLAIN[name]
        if name in _BINARY:
            target, source = operands
            if target.form == "sized":
                return self._adjust(line, name, target, source)
            return self._compute(line, _BINARY[name], target, source)
        if name.startswith("j") and name[1:] in _CONDITIONS:
            (target,) = operands
            condition = Apply(holds(_CONDITIONS[name[1:]]), (Register(FLAGS),))
            return (Jump(jump(target), condition),)
        match name:
            case "mov":
                target, source = operands
                return self._move(line, target, source)
            case "poke":
                address, value, size = operands
                return (
                    StoreMemory(
                        self._read(line, address),
                        self._read(line, value),
                        number_of(line, size),
                        int(EventKind.WRITE),
                        1,
                    ),
                )
            case "movzx":
                target, source = operands
                bits = self._bits(line, target)
                if source.form != "sized" or bits < 32 or source.word not in ("byte", "word"):
                    raise refused(line)
                name, width = _REGISTERS[target.word.lower()][0], _WIDTHS[source.word]
                return (LoadMemory(name, self._address(line, source), width, int(EventKind.READ)),)
            case "inc":
                (target,) = operands
                one = Operand("number", number=1)
                return self._compute(line, add, target, one)
            case "cmp" | "test":
                left, right = (self._read(line, operand) for operand in operands)
                bits = self._bits(line, operands[0])
                if name == "cmp":
                    return (SetRegister(FLAGS, Apply(compare(bits), (left, right))),)
                return (SetRegister(FLAGS, Apply(partial(_tested, bits), (left, right))),)
            case "jmp" | "jmp.near":
                (target,) = operands
                known = target.form == "word" and target.word.lower() in _REGISTERS
                return (Jump(self._read(line, target) if known else jump(target)),)
            case _:
                raise refused(line)

    def _bits(self, line: SourceLine, operand: Operand) -> int:
        found = _REGISTERS.get(word_of(line, operand).lower())
        if found is None:
            raise refused(line, f"{operand.word!r} is no register, in {line.text!r}")
        return found[1]

    def _read(self, line: SourceLine, operand: Operand) -> Expression:
        if operand.form == "number":
            return Literal(operand.number & (2**64 - 1))
        bits = self._bits(line, operand)
        return Register(_REGISTERS[operand.word.lower()][0], bits)

    def _written(self, line: SourceLine, operand: Operand, value: Expression) -> InstructionEffect:
        """A register takes a value: 32 bits clear the rest, 8 and 16 keep it."""
        bits = self._bits(line, operand)
        name = _REGISTERS[operand.word.lower()][0]
        if bits == 64:
            return SetRegister(name, value)
        if bits == 32:
            return SetRegister(name, Apply(partial(mask, bits=32), (value,)))
        return SetRegister(name, Apply(partial(_kept, bits), (Register(name), value)))

    def _compute(
        self, line: SourceLine, function: Callable[..., Datum], target: Operand, source: Operand
    ) -> Iterable[InstructionEffect]:
        bits = self._bits(line, target)
        result = Apply(function, (self._read(line, target), self._read(line, source)))
        flags = SetRegister(FLAGS, Apply(partial(_tested, bits), (result, result)))
        return flags, self._written(line, target, result)

    def _adjust(
        self, line: SourceLine, name: str, target: Operand, source: Operand
    ) -> Iterable[InstructionEffect]:
        """add qword [rsp], n in a handler: where the trap returns to."""
        at_stack = [(part.form, part.word) for part in target.parts] == [("word", "rsp")]
        if not at_stack or target.word != "qword" or name not in ("add", "sub"):
            raise refused(line, f"{line.text!r}: only qword [rsp], the return address, is so")
        function = _BINARY[name]
        return (SetRegister(RETURN, Apply(function, (Register(RETURN), self._read(line, source)))),)

    def _address(self, line: SourceLine, operand: Operand) -> Expression:
        (part,) = operand.parts
        base = Operand("word", part.word)
        if part.form not in ("word", "modified") or self._bits(line, base) != 64:
            raise refused(line)
        start = self._read(line, base)
        return Apply(add, (start, Literal(part.number & (2**64 - 1)))) if part.number else start

    def _move(
        self, line: SourceLine, target: Operand, source: Operand
    ) -> Iterable[InstructionEffect]:
        if target.form in ("memory", "sized"):
            from_register = source.form == "word"
            size = self._bits(line, source) // 8 if from_register else _WIDTHS[target.word]
            value = self._read(line, source)
            return (StoreMemory(self._address(line, target), value, size, int(EventKind.WRITE)),)
        if source.form in ("memory", "sized"):
            bits = self._bits(line, target)
            name = _REGISTERS[target.word.lower()][0]
            if bits < 32:
                raise refused(line, f"{line.text!r}: load 32 bits or 64")
            return (LoadMemory(name, self._address(line, source), bits // 8, int(EventKind.READ)),)
        return (self._written(line, target, self._read(line, source)),)


def _kept(bits: int, old: Datum, new: Datum) -> Datum:
    low = (1 << bits) - 1
    return integer(old) & ~low | integer(new) & low


def _tested(bits: int, left: Datum, right: Datum) -> Datum:
    return compare(bits)(mask(both(left, right), bits), 0)


_FIXED = {"int3": "cc", "ud2": "0f0b", "mfence": "0faef0", "cpuid": "0fa2", "serialize": "0f01e8"}

_PLAIN: dict[str, tuple[InstructionEffect, ...]] = {
    "int3": (Fault("breakpoint", 1),),
    "ud2": (Fault("undefined instruction", 0),),
    "mfence": (Barrier("mfence"),),
    "lock": (Barrier("lock"),),
    "lfence": (),
    "sfence": (),
    "cpuid": (Synchronise(),),
    "serialize": (Synchronise(),),
    # IRET to the instruction after it, as kernels serialise by it, where no trap is returned from.
    "iret.self": (Synchronise(),),
    "iretq": (Synchronise(), Jump(Register(RETURN))),
    "ipi": (Signal(int(EventKind.WRITE)),),
    "ack": (AwaitSignals(int(EventKind.READ)),),
}
