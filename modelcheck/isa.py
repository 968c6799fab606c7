"""Machine code for the reader: disassembly, and what counts as a no-op. Knows only bytes."""

from dataclasses import dataclass
from functools import cache, lru_cache

from iced_x86 import Code, Decoder, Formatter, FormatterSyntax, Mnemonic


@dataclass(frozen=True)
class Decoded:
    """One decoded instruction: its text, and its length in bytes (0 if it does not decode)."""

    text: str
    length: int
    is_nop: bool = False


@cache
def decode(isa: str, data: bytes, address: int = 0) -> Decoded:
    """Decode the first instruction of `data`, which lies at `address`.

    Raises ValueError for an instruction set this package cannot decode.
    """
    if isa != "x86-64":
        raise ValueError(f"unknown instruction set {isa!r}; known: {', '.join(ISAS)}")
    instruction = Decoder(64, data, ip=address).decode()
    if instruction.code == Code.INVALID:
        return Decoded(f"(bad) {data.hex(' ')}", 0)
    text = _formatter().format(instruction)
    return Decoded(text, instruction.len, instruction.mnemonic == Mnemonic.NOP)


ISAS = ("x86-64",)


@lru_cache(maxsize=1)
def _formatter() -> Formatter:
    formatter = Formatter(FormatterSyntax.NASM)
    formatter.hex_prefix = "0x"
    formatter.hex_suffix = ""
    formatter.space_after_operand_separator = True
    formatter.uppercase_hex = False
    return formatter
