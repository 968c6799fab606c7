"""s390x: z/Architecture. Knows bytes."""

import capstone

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import by_capstone

S390X = Architecture(
    name="s390x",
    known_as=("s390", "z/architecture", "zarch"),
    # A branch whose mask is 0 does nothing, but none is taken for a no-op here.
    decoder=by_capstone(capstone.CS_ARCH_SYSZ, capstone.CS_MODE_BIG_ENDIAN),
    alignment=2,
    chunk=1,
    stores="in-order",
    coherent_icache=True,
    traps=(
        Encoding("illegal", b"\x00\x00", b"\xff\x00"),
        Encoding("trap2", b"\x01\xff"),
        Encoding("trap4", b"\xb2\xff\x00\x00", b"\xff\xff\x00\x00"),
    ),
    modifiable=frozenset(),
    barriers=("bcr 15,0", "bcr 14,0"),
    serialising=("br %r0", "bnor %r0", "lpswe"),
    whole_within=1,
    sync_orders_stores=False,
    drops_order_fetches=False,
    sources={
        "alignment": "z/Architecture Principles of Operation, Instruction Formats",
        "chunk": "Principles of Operation, Instruction Fetching: bytes may be fetched piecemeal",
        "stores": "Principles of Operation, Storage-Operand Store References: the sequence stays",
        "coherent_icache": "Principles of Operation, Instruction Fetching: copies of prefetched "
        "instructions are discarded when the CPU serialises",
        "traps": "Principles of Operation, TRAP2 and TRAP4; operation code 00, of which Linux "
        "arch/s390 uses 0001 for debuggers and 0002 for kprobes",
        "modifiable": "no list is known",
        "barriers": "Principles of Operation, BRANCH ON CONDITION and CPU Serialization",
        "serialising": "Principles of Operation, CPU Serialization",
        "whole_within": "Principles of Operation, Block-Concurrent References: on integral "
        "boundaries",
        "sync_orders_stores": "stores are in order",
        "drops_order_fetches": "no invalidation is needed",
    },
)
