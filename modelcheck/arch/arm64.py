"""arm64: AArch64, little-endian, of cores that need all maintenance (CTR_EL0.IDC and DIC 0).

Knows bytes.
"""

import capstone

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import by_capstone

ARM64 = Architecture(
    name="arm64",
    known_as=("aarch64", "a64", "armv8"),
    decoder=by_capstone(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN, "nop"),
    alignment=4,
    chunk=4,
    stores="weak",
    coherent_icache=False,
    traps=(
        Encoding("brk", b"\x00\x00\x20\xd4", b"\x1f\x00\xe0\xff"),
        Encoding("udf", b"\x00\x00\x00\x00", b"\x00\x00\xff\xff"),
    ),
    modifiable=frozenset(("b", "bl", "nop", "brk", "svc", "hvc", "smc", "isb")),
    barriers=("dmb", "dsb"),
    serialising=("isb", "eret"),
    whole_within=1,
    sync_orders_stores=False,
    drops_order_fetches=True,
    sources={
        "alignment": "Arm ARM, A64 instruction set encoding",
        "chunk": "Arm ARM, Concurrent modification and execution of instructions: of those that "
        "are modifiable, a word is old or new; of others nothing is promised",
        "stores": "Arm ARM, Definition of the Armv8 memory model",
        "coherent_icache": "Arm ARM, CTR_EL0.DIC and IDC; Synchronization and coherency issues "
        "between data and instruction accesses",
        "traps": "Arm ARM, BRK and UDF",
        "modifiable": "Arm ARM, Concurrent modification and execution of instructions",
        "barriers": "Arm ARM, Memory barriers",
        "serialising": "Arm ARM, glossary, Context synchronization event",
        "whole_within": "Arm ARM, Single-copy atomicity: a store that is not aligned is several",
        "sync_orders_stores": "Arm ARM, Context synchronization event: an ISB waits for no store",
        "drops_order_fetches": "Arm's cat model of instruction fetch, IC-ob",
    },
)
