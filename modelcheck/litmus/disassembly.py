"""An instruction from the number that is its word. Knows architectures, and a disassembler."""

import re
from functools import cache

from capstone import CS_ARCH_ARM64, CS_ARCH_RISCV, CS_MODE_LITTLE_ENDIAN, CS_MODE_RISCV64, Cs

from modelcheck.litmus.architecture import NOWHERE, Architecture, assemble
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import Instruction
from modelcheck.litmus.text import instruction

_JUMPS = re.compile(r"(b|bl|b\.\w+|cbn?z|tbn?z|j|jal|beqz?|bnez?|blt\w*|bge\w*)\b")


@cache
def _decoder(page: str) -> Cs:
    if page == "arm64":
        return Cs(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN)
    return Cs(CS_ARCH_RISCV, CS_MODE_RISCV64)


@cache
def instruction_of(isa: Architecture, word: int) -> Instruction | None:
    """The instruction that a word is, of those that are covered; None if it is none."""
    if not 0 <= word < 2**32:
        return None
    found = next(iter(_decoder(isa.page).disasm_lite(word.to_bytes(4, "little"), 0)), None)
    if found is None or found[1] != isa.little:
        return None
    _, _, mnemonic, operands = found
    if _JUMPS.fullmatch(mnemonic):
        operands = re.sub(r"#?(-?(?:0x[0-9a-f]+|\d+))$", _distance, operands)
    text = f"{mnemonic} {operands}".strip()
    text = text if isa.name != "AArch64" else text.upper().replace("0X", "0x")
    try:
        return assemble(isa, instruction(text, NOWHERE), None, lambda _: None)
    except LitmusError:
        return None


def _distance(number: re.Match[str]) -> str:
    value = int(number[1], 0) & (2**64 - 1)
    return f".{value - 2**64 if value >> 63 else value:+d}"
