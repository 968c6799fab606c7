"""parisc: PA-RISC 2.0, which nothing here decodes. Knows bytes."""

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import opaque

PARISC = Architecture(
    name="parisc",
    known_as=("pa-risc", "hppa", "hppa64"),
    decoder=opaque,
    alignment=4,
    chunk=1,
    stores="weak",
    coherent_icache=False,
    traps=(Encoding("break", b"\x00\x00\x00\x00", b"\xfc\x00\x1f\xe0"),),
    modifiable=frozenset(),
    barriers=("sync",),
    serialising=("rfi",),
    whole_within=1,
    sync_orders_stores=False,
    drops_order_fetches=False,
    sources={
        "alignment": "PA-RISC 2.0 Architecture, Instruction Set Overview",
        "chunk": "nothing that we have read promises more",
        "stores": "McKenney, Memory Ordering in Modern Microprocessors: the architecture permits "
        "full reordering, though actual CPUs run fully ordered",
        "coherent_icache": "PA-RISC 2.0 Architecture, FLUSH INSTRUCTION CACHE",
        "traps": "PA-RISC 2.0 Architecture, BREAK; Linux arch/parisc/kernel/traps.c",
        "modifiable": "no list is known",
        "barriers": "PA-RISC 2.0 Architecture, SYNCHRONIZE CACHES",
        "serialising": "PA-RISC 2.0 Architecture, RETURN FROM INTERRUPTION",
        "whole_within": "nothing that we have read promises more",
        "sync_orders_stores": "nothing that we have read promises it",
        "drops_order_fetches": "nothing that we have read promises it",
    },
)
