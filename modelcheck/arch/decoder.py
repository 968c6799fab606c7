"""Decoders: the first instruction of some bytes as text, by iced for x86, by capstone for others.

Knows bytes.
"""

from collections.abc import Callable
from functools import cache, lru_cache

import capstone
from iced_x86 import Code, Decoder, Formatter, FormatterSyntax, Mnemonic

from modelcheck.arch.architecture import Decoded


@cache
def by_iced(data: bytes, address: int) -> Decoded | None:
    """Decode 64-bit x86."""
    instruction = Decoder(64, data, ip=address).decode()
    if instruction.code == Code.INVALID:
        return None
    text = _formatter().format(instruction)
    mnemonic = instruction.mnemonic
    return Decoded(text, instruction.len, mnemonic == Mnemonic.NOP, mnemonic == Mnemonic.CALL)


@lru_cache(maxsize=1)
def _formatter() -> Formatter:
    formatter = Formatter(FormatterSyntax.NASM)
    formatter.hex_prefix = "0x"
    formatter.hex_suffix = ""
    formatter.space_after_operand_separator = True
    formatter.uppercase_hex = False
    return formatter


def by_capstone(
    architecture: int, mode: int, *, nops: tuple[str, ...] = (), calls: tuple[str, ...]
) -> Callable[[bytes, int], Decoded | None]:
    """A decoder for an architecture of capstone's, where these mnemonics do nothing, or call.

    One whose first operand is RISC-V's register zero leaves no word where to return.
    """

    @cache
    def decoder() -> capstone.Cs:
        return capstone.Cs(architecture, mode)

    @cache
    def decode(data: bytes, address: int) -> Decoded | None:
        for _, length, mnemonic, operands in decoder().disasm_lite(data, address, 1):
            is_call = mnemonic in calls and not operands.startswith("zero")
            return Decoded(f"{mnemonic} {operands}".strip(), length, mnemonic in nops, is_call)
        return None

    return decode


def opaque(data: bytes, address: int) -> Decoded:
    """What nothing here can decode: bytes only."""
    return Decoded("", len(data))
