"""Decoders: the first instruction of some bytes as text, by iced for x86, by capstone for others.

Knows bytes.
"""

from collections.abc import Callable
from functools import cache, lru_cache

import capstone
from iced_x86 import (
    Code,
    Decoder,
    DecoderError,
    FlowControl,
    Formatter,
    FormatterSyntax,
    InstructionInfoFactory,
    Mnemonic,
    OpAccess,
    OpKind,
)

from modelcheck.arch.architecture import Consequence, Decoded, Goes


@cache
def by_iced(data: bytes, address: int) -> Decoded | None:
    """Decode 64-bit x86."""
    instruction = Decoder(64, data, ip=address).decode()
    if instruction.code == Code.INVALID:
        return None
    text = _formatter().format(instruction)
    mnemonic = instruction.mnemonic
    return Decoded(text, instruction.len, mnemonic == Mnemonic.NOP, mnemonic == Mnemonic.CALL)


GOES: dict[int, Goes] = {
    FlowControl.NEXT: "on",
    FlowControl.UNCONDITIONAL_BRANCH: "branches",
    FlowControl.INDIRECT_BRANCH: "branches by data",
    FlowControl.CONDITIONAL_BRANCH: "may branch",
    FlowControl.RETURN: "branches by data",
    FlowControl.CALL: "calls",
    FlowControl.INDIRECT_CALL: "branches by data",
    FlowControl.INTERRUPT: "faults",
    FlowControl.XBEGIN_XABORT_XEND: "may branch",
    FlowControl.EXCEPTION: "faults",
}

UNTOUCHED = {OpAccess.NONE, OpAccess.NO_MEM_ACCESS}

NEAR = {OpKind.NEAR_BRANCH16, OpKind.NEAR_BRANCH32, OpKind.NEAR_BRANCH64}


@cache
def consequence_by_iced(data: bytes, address: int) -> Consequence:
    """What an instruction of 64-bit x86 does; one with more bytes than `data` has length 0."""
    decoder = Decoder(64, data, ip=address)
    instruction = decoder.decode()
    if instruction.code == Code.INVALID:
        short = decoder.last_error == DecoderError.NO_MORE_BYTES
        return Consequence(0, "unknown" if short else "faults")
    goes = GOES[instruction.flow_control]
    near = instruction.op_count > 0 and instruction.op0_kind in NEAR
    if goes != "on" and goes != "faults" and not near:
        goes = "branches by data"  # as SYSCALL does: where to is not in its bytes
    touched = [
        _formatter().format_operand(instruction, operand)
        for operand in range(instruction.op_count)
        if instruction.op_kind(operand) == OpKind.MEMORY
        and InstructionInfoFactory().info(instruction).op_access(operand) not in UNTOUCHED
    ]
    return Consequence(
        instruction.len,
        goes,
        instruction.near_branch_target if near else None,
        ", ".join(touched),
    )


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
