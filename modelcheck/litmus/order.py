"""Who must wait for whom, as data: the rows of each architecture, each with its clause.

A row says that of two events of a thread the earlier in program order comes first, so that the
later waits for it. All rules of a memory model that can be said so are rows here, and no others
are anywhere: the machine knows kinds and rows, no architecture. Knows nothing.
"""

from dataclasses import dataclass, replace
from enum import IntFlag, auto
from typing import Literal


class EventKind(IntFlag):
    """What an event is. An access has the mark READ or WRITE, and those of its instruction."""

    READ = auto()
    WRITE = auto()
    ACQUIRE = auto()
    ACQUIRE_PC = auto()
    RELEASE = auto()
    CLEAN = auto()
    """Data cache clean by address."""
    DROP = auto()
    """Instruction cache invalidation by address."""
    SYNC = auto()
    """A context synchronisation event, FENCE.I, or a serialising instruction."""
    BRANCH = auto()
    """A branch or indirect jump becomes certain."""
    ADDRESS = auto()
    """The address of an access becomes certain."""
    FETCH = auto()
    """The fetch of an instruction that may be stored to."""


R, W, A, Q, L = (
    EventKind.READ,
    EventKind.WRITE,
    EventKind.ACQUIRE,
    EventKind.ACQUIRE_PC,
    EventKind.RELEASE,
)
DC, IC, SYNC, FETCH = EventKind.CLEAN, EventKind.DROP, EventKind.SYNC, EventKind.FETCH
BRANCH, ADDRESS = EventKind.BRANCH, EventKind.ADDRESS

Where = Literal["anywhere", "same place", "hazard", "dropped"]
"""Which pairs a row speaks of, and how strictly.

`anywhere` and `same place`: the first comes before the second. `hazard`: the first comes before
what overwrites the value that the second read (for reads: of the same place, by another thread).
`dropped`: the first comes before what an invalidation and its barrier order, if the second was
fetched before that invalidation.
"""


@dataclass(frozen=True)
class OrderRow:
    """Of an earlier event with a mark in `first`, and a later with one in `then`, who waits.

    `through`: only if one of these barriers is between them. For a hazard by invalidation, the
    barriers that complete one.
    """

    name: str
    first: EventKind
    then: EventKind
    source: str
    through: frozenset[str] = frozenset()
    where: Where = "anywhere"


@dataclass(frozen=True)
class MemoryOrder:
    """The rules of an architecture, or of a variant of it.

    `cleans`: a store is seen by invalidations only once its place was cleaned. `drops`: fetches
    may be older than memory until an invalidation; otherwise they read memory. `in_order`:
    instructions have their effects in order, after their own fetch and those before. `chunk`: the
    bytes that a fetch reads at once, and that a store of them writes at once.
    """

    name: str
    rows: tuple[OrderRow, ...]
    cleans: bool = False
    drops: bool = False
    in_order: bool = False
    chunk: int = 4

    def without(self, name: str) -> "MemoryOrder":
        """The rules but for one row. Raises KeyError where there is none of that name."""
        if name not in {row.name for row in self.rows}:
            raise KeyError(name)
        rows = tuple(row for row in self.rows if row.name != name)
        return replace(self, rows=rows)


# Arm. The clauses are those of Arm's cat model, which the manual (DDI 0487, B2.3) restates.

DMB_FULL = frozenset({"dmb.full"})
DMB_LD = frozenset({"dmb.ld"})
DMB_ST = frozenset({"dmb.st"})
DSB_FULL = frozenset({"dsb.full"})
DSB_LD = frozenset({"dsb.ld"})
DSB_ST = frozenset({"dsb.st"})

_ARM = (
    OrderRow(
        "write after access", R | W, W, "lmws: local memory write successor", where="same place"
    ),
    OrderRow("reads of one place", R, R, "Exp-haz-ob", where="hazard"),
    OrderRow("clean after access", R | W, DC, "po-scl-ob", where="same place"),
    OrderRow("access after clean", DC, R | W | DC, "po-scl-ob", where="same place"),
    OrderRow("DMB", R | W | DC, R | W | DC, "bob: dmb.full", DMB_FULL),
    OrderRow("DMB LD", R, R | W, "bob: dmb.ld", DMB_LD),
    OrderRow("DMB ST", W, W, "bob: dmb.st", DMB_ST),
    OrderRow("DSB", R | W | DC | IC, R | W | DC | IC | SYNC, "DSB-ob: dsb.full", DSB_FULL),
    OrderRow("DSB LD", R, R | W | DC | IC | SYNC, "DSB-ob: dsb.ld", DSB_LD),
    OrderRow("DSB ST", W, R | W | DC | IC | SYNC, "DSB-ob: dsb.st", DSB_ST),
    OrderRow("acquire", A | Q, R | W, "bob: [A | Q]; po"),
    OrderRow("release", R | W, L, "bob: po; [L]"),
    OrderRow("release before acquire", L, A, "bob: [L]; po; [A]"),
    OrderRow("branch before effect", BRANCH, W | DC | IC, "dob, pob: ctrl"),
    OrderRow("branch before ISB", BRANCH, SYNC, "IFB-ob: ctrl; [IFB]"),
    OrderRow("address before write", ADDRESS, W, "dob, pob: addr; po; [W]"),
    OrderRow("address before ISB", ADDRESS, SYNC, "IFB-ob: addr; po; [IFB]"),
    OrderRow("ISB", SYNC, R | W | DC | IC | SYNC | FETCH, "IFB-ob: [IFB]; po"),
    OrderRow("fetch before effect", FETCH, R | W | DC | IC, "f-ob"),
)

ARM_FETCH_IN_ORDER = OrderRow("fetches, DIC", FETCH, FETCH, "IC-ob with DIC", where="hazard")
ARM_FETCH_DROPPED = OrderRow(
    "fetches around an invalidation", FETCH, FETCH, "IC-ob", DSB_FULL, where="dropped"
)


def arm(*, dic: bool, idc: bool) -> MemoryOrder:
    """Arm's rules by cache type (CTR_EL0.DIC, .IDC)."""
    name = f"DIC={int(dic)} IDC={int(idc)}"
    if dic:
        return MemoryOrder(name, (*_ARM, ARM_FETCH_IN_ORDER))
    return MemoryOrder(name, (*_ARM, ARM_FETCH_DROPPED), cleans=not idc, drops=True)


# RISC-V. The clauses of data are rules 1 to 13 of RVWMO (The RISC-V ISA manual, volume I), those of
# fetches have the names that rems-project/litmus-tests-riscv-ifetch gives them.


def fences(first: str, then: str) -> frozenset[str]:
    """The fences that order an earlier access, `r` or `w`, before a later one."""
    kinds = ("r", "w", "rw")
    found = {f"fence.{p}.{s}" for p in kinds for s in kinds if first in p and then in s}
    return frozenset(found if (first, then) == ("w", "r") else found | {"fence.tso"})


_RISCV = (
    OrderRow("write after access", R | W, W, "RVWMO 1", where="same place"),
    OrderRow("reads of one place", R, R, "RVWMO 2", where="hazard"),
    OrderRow("FENCE r,r", R, R, "RVWMO 4", fences("r", "r")),
    OrderRow("FENCE r,w", R, W, "RVWMO 4", fences("r", "w")),
    OrderRow("FENCE w,r", W, R, "RVWMO 4", fences("w", "r")),
    OrderRow("FENCE w,w", W, W, "RVWMO 4", fences("w", "w")),
    OrderRow("branch before write", BRANCH, W, "RVWMO 11"),
    OrderRow("address before write", ADDRESS, W, "RVWMO 13"),
    OrderRow("accesses before FENCE.I", R | W, SYNC, "ir3"),
    OrderRow("FENCE.I", SYNC, R | W | SYNC | FETCH, "ir3 and ir1"),
)

_RISCV_FETCH = {
    "Ziccif": (),
    "Ziccid": (OrderRow("fetches in order", FETCH, FETCH, "ir2"),),
    "ir-decode": (OrderRow("fetch before access", FETCH, R | W, "ir_decode"),),
    "ir-decode-w": (OrderRow("fetch before write", FETCH, W, "ir_decode_w"),),
    "ir3-fetch": (OrderRow("fetches before FENCE.I", FETCH, SYNC, "ir3f"),),
}

RISCV = {name: MemoryOrder(name, (*_RISCV, *rows)) for name, rows in _RISCV_FETCH.items()}
"""RISC-V's rules by the name of the variant. All include Ziccif: an aligned word is fetched
whole."""


# x86. Data is in total store order (Intel SDM vol. 3A, 9.2; AMD64 APM vol. 2, 7.2), which all
# vendors promise. What they promise of fetches is apart.

MFENCE = frozenset({"mfence"})
FENCES = MFENCE | {"lock"}
JUMP = frozenset({"jump"})

_X86 = (
    OrderRow("loads in order", R, R | W, "SDM vol. 3A, 9.2.2; APM vol. 2, 7.2"),
    OrderRow("stores in order", W, W, "SDM vol. 3A, 9.2.2; APM vol. 2, 7.2"),
    OrderRow("MFENCE", R | W, R | W, "SDM vol. 3A, 9.2.5; APM vol. 2, 7.4.2", FENCES),
    OrderRow(
        "before a serialising instruction", R | W, SYNC, "SDM vol. 3A, 9.3; APM vol. 2, 7.6.4"
    ),
    OrderRow(
        "after a serialising instruction",
        SYNC,
        R | W | SYNC | FETCH,
        "SDM vol. 3A, 9.3; APM vol. 2, 7.6.4",
    ),
)

INTEL = MemoryOrder(
    "intel",
    (
        *_X86,
        OrderRow("fetches of one byte", FETCH, FETCH, "coherence of caches", where="same place"),
        OrderRow(
            "own store before fetch, if jumped between",
            W,
            FETCH,
            "SDM vol. 3A, 9.1.3, option 1",
            JUMP,
            "same place",
        ),
    ),
    in_order=True,
    chunk=1,
)
"""What Intel's manual promises and no more. Nothing is said of how many bytes a fetch reads at
once, or in which order it sees stores, so that each byte is fetched by itself."""

AMD = MemoryOrder(
    "amd",
    (
        *_X86,
        OrderRow("fetches in order", FETCH, FETCH, "APM vol. 2, 7.6.1: asynchronous modification"),
        OrderRow("own store before fetch", W, FETCH, "APM vol. 2, 7.6.1", where="same place"),
        OrderRow("MFENCE serialises", R | W, FETCH, "APM vol. 2, 7.6.4", MFENCE),
    ),
    in_order=True,
    chunk=8,
)
"""What AMD's manual promises: a store inside an aligned quadword is seen whole, and fetches see
stores in the order in which they are made."""

X86 = {order.name: order for order in (INTEL, AMD)}
"""The rules of x86 by vendor."""
