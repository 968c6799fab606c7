"""x86-64, as Intel and AMD both promise it. Knows bytes."""

from modelcheck.arch.architecture import Architecture, Encoding
from modelcheck.arch.decoder import by_iced, consequence_by_iced

X86_64 = Architecture(
    name="x86-64",
    known_as=("x86", "x64", "x86_64", "amd64", "i386"),
    decoder=by_iced,
    consequence=consequence_by_iced,
    alignment=1,
    chunk=1,
    stores="in-order",
    coherent_icache=True,
    traps=(
        Encoding("int3", b"\xcc"),
        Encoding("int 3", b"\xcd\x03"),
        Encoding("int1", b"\xf1"),
        Encoding("ud2", b"\x0f\x0b"),
        # Of the two that take operands, the forms with registers.
        Encoding("ud1", b"\x0f\xb9\xc0", b"\xff\xff\xc0"),
        Encoding("ud0", b"\x0f\xff\xc0", b"\xff\xff\xc0"),
    ),
    modifiable=frozenset(),
    barriers=("mfence", "sfence"),
    serialising=(
        *("cpuid", "iret", "iretq", "iretw", "rsm", "serialize", "invlpg", "wbinvd"),
        *("mov cr0", "mov cr3", "mov cr4"),
        *("mov dr0", "mov dr1", "mov dr2", "mov dr3", "mov dr6", "mov dr7"),
    ),
    whole_within=8,
    sync_orders_stores=False,
    drops_order_fetches=False,
    sources={
        "alignment": "Intel SDM vol. 2, Instruction Format",
        "chunk": "Intel SDM vol. 3A, Handling Self- and Cross-Modifying Code, promises no size",
        "stores": "Intel SDM vol. 3A, Memory Ordering; AMD64 APM vol. 2, 7.2",
        "coherent_icache": "Intel SDM vol. 3A, Self-Modifying Code; AMD64 APM vol. 2, 7.6.1",
        "traps": "Intel SDM vol. 2, INT n/INTO/INT3/INT1 and UD",
        "modifiable": "none; Intel's erratum Unsynchronized Cross-Modifying Code Operations Can "
        "Cause Unexpected Instruction Execution Results",
        "barriers": "Intel SDM vol. 3A, Strengthening or Weakening the Memory-Ordering Model",
        "serialising": "Intel SDM vol. 3A, Serializing Instructions; AMD64 APM vol. 2, 7.6.4",
        "whole_within": "AMD64 APM vol. 2, 7.3.2, Access Atomicity: within an aligned quadword; "
        "Intel SDM vol. 3A, Guaranteed Atomic Operations: within a line, since P6",
        "sync_orders_stores": "stores are in order",
        "drops_order_fetches": "no invalidation is needed",
    },
)
