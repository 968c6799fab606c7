"""How AArch64 and RISC-V spell the few instructions that an exported litmus test has.

Knows nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Assembler:
    """The instructions of an architecture, as text.

    `registers` are for what is there from the begin on, `results` for what comes out, and `scratch`
    for what a load is only tested for. `stores_done` waits for stores, `all_done` for maintenance
    too, `ordered` orders and does not wait; `synchronise` is for fetches, and with
    `synchronise_orders` orders accesses too. Those that are empty are not there.
    """

    arch: str
    registers: tuple[str, ...]
    results: tuple[str, ...]
    scratch: str
    stores_done: str
    all_done: str
    ordered: str
    synchronise: str
    synchronise_orders: bool
    clean: str
    drop: str
    back: str
    forms: Mapping[str, str]
    word: str = "{}"
    """How a register is named in a store, a load, and a comparison."""

    def _form(self, name: str, *parts: str) -> str:
        return self.forms[name].format(*parts)

    def narrow(self, register: str) -> str:
        """The register as four bytes."""
        return self.word.format(register[1:] if self.word != "{}" else register)

    def store(self, value: str, address: str) -> str:
        """A store of four bytes."""
        return self._form("store", self.narrow(value), address)

    def load(self, target: str, address: str) -> str:
        """A load of four bytes."""
        return self._form("load", self.narrow(target), address)

    def if_zero(self, register: str, label: str) -> str:
        """Go to a label if a register is zero."""
        return self._form("if_zero", self.narrow(register), label)

    def if_not(self, register: str, value: int, label: str) -> tuple[str, ...]:
        """Go to a label unless a register has a value."""
        parts = self.narrow(register), self.narrow(self.scratch), str(value), label
        return tuple(one.format(*parts) for one in self.forms["if_not"].split("; "))

    def jump(self, label: str) -> str:
        """Go to a label."""
        return self._form("jump", label)

    def call(self, label: str) -> str:
        """Call what is at a label."""
        return self._form("call", label)

    def call_register(self, register: str) -> str:
        """Call what a register has the address of."""
        return self._form("call_register", register)

    def copy(self, target: str, source: str) -> str:
        """A register becomes another."""
        return self._form("copy", self.narrow(target), self.narrow(source))

    def instruction(self, target: str, number: int) -> str:
        """A register becomes a number: what the words of sites are."""
        return self._form("number", self.narrow(target), str(number))


AARCH64 = Assembler(
    arch="AArch64",
    registers=tuple(f"X{number}" for number in range(16)),
    results=tuple(f"X{number}" for number in range(16, 29)),
    scratch="X29",
    stores_done="DSB ISHST",
    all_done="DSB ISH",
    ordered="DMB ISH",
    synchronise="ISB",
    synchronise_orders=False,
    clean="DC CVAU,{}",
    drop="IC IVAU,{}",
    back="RET",
    word="W{}",
    forms={
        "store": "STR {},[{}]",
        "load": "LDR {},[{}]",
        "if_zero": "CBZ {},{}",
        "if_not": "SUB {1},{0},#{2}; CBNZ {1},{3}",
        "jump": "B {}",
        "call": "BL {}",
        "call_register": "BLR {}",
        "copy": "MOV {},{}",
        "number": "MOV {},#{}",
    },
)

RISCV = Assembler(
    arch="RISCV",
    registers=(
        *(f"a{number}" for number in range(8)),
        *(f"t{number}" for number in range(6)),
        *("s0", "s1"),
    ),
    results=tuple(f"s{number}" for number in range(2, 12)),
    scratch="t6",
    stores_done="fence rw,rw",
    all_done="fence rw,rw",
    ordered="fence rw,rw",
    synchronise="fence.i",
    synchronise_orders=True,
    clean="",
    drop="",
    back="ret",
    forms={
        "store": "sw {},0({})",
        "load": "lw {},0({})",
        "if_zero": "beqz {},{}",
        "if_not": "addi {1},{0},-{2}; bnez {1},{3}",
        "jump": "j {}",
        "call": "call {}",
        "call_register": "jalr {}",
        "copy": "mv {},{}",
        "number": "li {},{}",
    },
)

ASSEMBLERS: Mapping[str, Assembler] = {"arm64": AARCH64, "riscv64": RISCV}
