"""riscv64: RV64 with compressed instructions and Ziccif, as the RVA profiles have it. Knows bytes.

Coherent is said of it because one instruction, FENCE.I, does both: it makes this hart's later
fetches see what this hart can load. Caches need no maintenance besides.
"""

import capstone

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import by_capstone

RISCV64 = Architecture(
    name="riscv64",
    known_as=("riscv", "risc-v", "rv64", "rv64gc"),
    decoder=by_capstone(
        capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC, "nop", "c.nop"
    ),
    alignment=2,
    chunk=4,
    stores="weak",
    coherent_icache=True,
    traps=(
        Encoding("ebreak", b"\x73\x00\x10\x00"),
        Encoding("c.ebreak", b"\x02\x90"),
        Encoding("c.unimp", b"\x00\x00"),
    ),
    modifiable=frozenset(),
    barriers=("fence",),
    serialising=("fence.i",),
    whole_within=1,
    sync_orders_stores=True,
    drops_order_fetches=False,
    sources={
        "alignment": "RISC-V Unprivileged ISA, C extension: IALIGN is 16",
        "chunk": "RISC-V Profiles, Ziccif: up to min(ILEN, XLEN), if naturally aligned",
        "stores": "RISC-V Unprivileged ISA, RVWMO Memory Consistency Model",
        "coherent_icache": "RISC-V Unprivileged ISA, Zifencei",
        "traps": "RISC-V Unprivileged ISA, EBREAK, C.EBREAK, defined illegal instruction",
        "modifiable": "no list is known; Linux Documentation/arch/riscv/cmodx.rst asks for FENCE.I",
        "barriers": "RISC-V Unprivileged ISA, Memory Ordering Instructions",
        "serialising": "RISC-V Unprivileged ISA, Zifencei",
        "whole_within": "RISC-V Unprivileged ISA, RVWMO: a misaligned store may be several",
        "sync_orders_stores": "RISC-V Unprivileged ISA, Zifencei; rule ir3 of "
        "rems-project/litmus-tests-riscv-ifetch, whose MP+fencei+fence.r.r is forbidden",
        "drops_order_fetches": "no invalidation besides FENCE.I",
    },
)
