"""Instructions from machine code. Knows architectures, and the package's disassembler."""

import re
from functools import cache

from iced_x86 import Decoder, DecoderError

from modelcheck.arch import ARCHITECTURES
from modelcheck.litmus.errors import NOWHERE, LitmusError
from modelcheck.litmus.instruction import LitmusInstruction
from modelcheck.litmus.instruction_set import InstructionSet, assemble
from modelcheck.litmus.text import instruction

_JUMPS = re.compile(r"(b|bl|b\.\w+|cbn?z|tbn?z|jal|beqz?|bnez?|blt\w*|bge\w*|j\w*)\b")

WORD = 4
"""Bytes of an instruction where all have as many."""


@cache
def instruction_of(isa: InstructionSet, word: int) -> LitmusInstruction | None:
    """The instruction that a word is, of those that are covered; None if it is none."""
    if not 0 <= word < 2**32:
        return None
    found = _decoded(isa, word.to_bytes(WORD, "little"))
    return found if found is not None and found.size == WORD else None


@cache
def instruction_in(isa: InstructionSet, data: bytes) -> LitmusInstruction | None:
    """The x86 instruction that bytes begin with, of those that are covered."""
    return _decoded(isa, data)


@cache
def incomplete(data: bytes) -> bool:
    """Whether more bytes are needed to tell what x86 instruction these begin with."""
    decoder = Decoder(64, data)
    decoder.decode()
    return bool(decoder.last_error == DecoderError.NO_MORE_BYTES)


def _decoded(isa: InstructionSet, data: bytes) -> LitmusInstruction | None:
    found = ARCHITECTURES[isa.decoder].decode(data)
    if not found.length:
        return None
    text = "nop" if found.is_nop else found.text
    mnemonic, _, operands = text.partition(" ")
    if _JUMPS.fullmatch(mnemonic.lower()):
        operands = re.sub(r"#?(-?(?:0x[0-9a-f]+|\d+))$", _distance, operands.replace("short ", ""))
    text = f"{mnemonic} {operands}".strip()
    if isa.decoder == "arm64":
        text = text.upper().replace("0X", "0x")
    try:
        made = assemble(isa, instruction(text, NOWHERE), None, lambda _: None)
    except LitmusError:
        return None
    if made.size == found.length:
        return made
    # The same text in more bytes or fewer: what it does is the same.
    return _sized(isa, made, found.length)


@cache
def _sized(isa: InstructionSet, made: LitmusInstruction, size: int) -> LitmusInstruction:
    return LitmusInstruction(f"{made.text} ({size} bytes)", made.effects, size)


def _distance(number: re.Match[str]) -> str:
    value = int(number[1], 0) & (2**64 - 1)
    return f".{value - 2**64 if value >> 63 else value:+d}"
