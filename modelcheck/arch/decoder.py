"""Machine code for the reader: disassembly, and what counts as a no-op. Knows only bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import capstone
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
    if isa not in ISAS:
        raise ValueError(f"unknown instruction set {isa!r}; known: {', '.join(ISAS)}")
    return ISAS[isa](data, address) or Decoded(f"(bad) {data.hex(' ')}", 0)


def modifiable(isa: str, data: bytes) -> bool:
    """Whether the architecture lets this instruction be replaced, and be put in, while it runs.

    Source: Arm ARM, Concurrent modification and execution of instructions: B, BL, NOP, BRK, SVC,
    HVC, SMC, ISB. For other instruction sets no such list is known here.
    """
    if isa != "arm64" or len(data) != 4:
        return False
    return decode(isa, data).text.split()[0] in (
        "b",
        "bl",
        "nop",
        "brk",
        "svc",
        "hvc",
        "smc",
        "isb",
    )


def _x86(data: bytes, address: int) -> Decoded | None:
    instruction = Decoder(64, data, ip=address).decode()
    if instruction.code == Code.INVALID:
        return None
    text = _formatter().format(instruction)
    return Decoded(text, instruction.len, instruction.mnemonic == Mnemonic.NOP)


@lru_cache(maxsize=1)
def _formatter() -> Formatter:
    formatter = Formatter(FormatterSyntax.NASM)
    formatter.hex_prefix = "0x"
    formatter.hex_suffix = ""
    formatter.space_after_operand_separator = True
    formatter.uppercase_hex = False
    return formatter


def _by_capstone(architecture: int, mode: int) -> Callable[[bytes, int], Decoded | None]:
    @cache
    def decoder() -> capstone.Cs:
        return capstone.Cs(architecture, mode)

    def decode_one(data: bytes, address: int) -> Decoded | None:
        for _, length, mnemonic, operands in decoder().disasm_lite(data, address, 1):
            return Decoded(f"{mnemonic} {operands}".strip(), length, mnemonic in ("nop", "c.nop"))
        return None

    return decode_one


def _opaque(data: bytes, address: int) -> Decoded:
    """An instruction set that nothing here can decode: bytes only."""
    return Decoded("", len(data))


ISAS: dict[str, Callable[[bytes, int], Decoded | None]] = {
    "x86-64": _x86,
    "arm64": _by_capstone(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
    "riscv64": _by_capstone(
        capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC
    ),
    "ppc64": _by_capstone(
        capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_LITTLE_ENDIAN
    ),
    "s390x": _by_capstone(capstone.CS_ARCH_SYSZ, capstone.CS_MODE_BIG_ENDIAN),
    "parisc": _opaque,
}
"""What decodes the instructions of each instruction set."""
