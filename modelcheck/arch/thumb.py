"""Thumb: 32-bit Arm's instructions of two and four bytes, little-endian. Knows bytes."""

import capstone

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import by_capstone

THUMB = Architecture(
    name="thumb",
    known_as=("t32", "thumb2", "arm", "arm32", "aarch32"),
    decoder=by_capstone(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB, "nop", "nop.w"),
    alignment=2,
    chunk=2,
    stores="weak",
    coherent_icache=False,
    traps=(
        Encoding("bkpt", b"\x00\xbe", b"\x00\xff"),
        Encoding("udf", b"\x00\xde", b"\x00\xff"),
        Encoding("udf.w", b"\xf0\xf7\x00\xa0", b"\xf0\xff\x00\xf0"),
    ),
    # Encodings of two bytes: those of four are called b.w and nop.w here. What the manual promises
    # of the halves of BL is left out, and so is the conditional B.
    modifiable=frozenset(("b", "nop", "bkpt", "svc")),
    barriers=("dmb", "dsb"),
    serialising=("isb",),
    whole_within=1,
    sync_orders_stores=False,
    drops_order_fetches=False,
    sources={
        "alignment": "ARMv7-A ARM, A6.1 Thumb instruction set encoding",
        "chunk": "ARMv7-A ARM, A3.5.4: of those that are modifiable, a halfword is old or new",
        "stores": "ARMv7-A ARM, A3.8 Memory access order",
        "coherent_icache": "ARMv7-A ARM, Ordering of cache and branch predictor maintenance",
        "traps": "ARMv7-A ARM, BKPT and UDF",
        "modifiable": "ARMv7-A ARM, A3.5.4 Concurrent modification and execution of instructions",
        "barriers": "ARMv7-A ARM, A3.8.3 Memory barriers",
        "serialising": "ARMv7-A ARM, A3.8.3, Instruction Synchronization Barrier",
        "whole_within": "ARMv7-A ARM, A3.5.3 Single-copy atomicity",
        "sync_orders_stores": "ARMv7-A ARM, A3.8.3: an ISB waits for no store",
        "drops_order_fetches": "nothing that we have read promises it",
    },
)
