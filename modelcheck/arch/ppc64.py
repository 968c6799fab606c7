"""ppc64: Power ISA, 64-bit, little-endian. Knows bytes."""

import capstone

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import by_capstone

_ALWAYS = b"\x00\x00\xe0\xff"
"""The opcode and TO, whose five bits are all set: the trap is taken whatever is compared."""

PPC64 = Architecture(
    name="ppc64",
    known_as=("ppc64le", "powerpc", "powerpc64", "power"),
    decoder=by_capstone(
        capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_LITTLE_ENDIAN, "nop"
    ),
    alignment=4,
    chunk=4,
    stores="weak",
    coherent_icache=False,
    traps=(
        Encoding("tw", b"\x08\x00\xe0\x7f", b"\xfe\x07\xe0\xff"),
        Encoding("td", b"\x88\x00\xe0\x7f", b"\xfe\x07\xe0\xff"),
        Encoding("twi", b"\x00\x00\xe0\x0f", _ALWAYS),
        Encoding("tdi", b"\x00\x00\xe0\x0b", _ALWAYS),
    ),
    modifiable=frozenset(),
    barriers=("sync", "lwsync", "eieio", "ptesync"),
    serialising=("isync", "rfid"),
    whole_within=1,
    sync_orders_stores=False,
    drops_order_fetches=False,
    sources={
        "alignment": "Power ISA Book I, Instruction Formats",
        "chunk": "Power ISA Book II, Concurrent Modification and Execution of Instructions: words",
        "stores": "Power ISA Book II, Storage Access Ordering",
        "coherent_icache": "Power ISA Book II, Instruction Storage: DCBST, SYNC, ICBI, ISYNC",
        "traps": "Power ISA Book I, Fixed-Point Trap Instructions, with TO 31",
        "modifiable": "Power ISA Book II, Concurrent Modification and Execution of Instructions, "
        "has a list, the patch class; it is left out until somebody has read it for this file",
        "barriers": "Power ISA Book II, Memory Barrier Instructions",
        "serialising": "Power ISA Book II, Instruction Synchronize; Book III, context "
        "synchronizing instructions",
        "whole_within": "Power ISA Book II, Storage access atomicity: aligned ones alone",
        "sync_orders_stores": "Power ISA Book II, Instruction Synchronize: stores need not be "
        "performed",
        "drops_order_fetches": "nothing that we have read promises it",
    },
)
