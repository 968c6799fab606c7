"""What an architecture promises, as a value: each of its facts, and where that is written.

Knows bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Stores = Literal["in-order", "weak"]
"""Whether stores of a CPU reach memory in program order, or in any that its barriers allow."""


class Decoded(NamedTuple):
    """One decoded instruction: its text, and its length in bytes (0 if it does not decode)."""

    text: str
    length: int
    is_nop: bool = False


Goes = Literal["on", "may branch", "branches", "branches by data", "calls", "faults", "unknown"]
"""Where a CPU goes after an instruction: to the next one, or elsewhere; unknown, if the instruction
has more bytes than there are."""


class Consequence(NamedTuple):
    """What an instruction does to the one who runs it: how many bytes it has, where it goes.

    `target` is the address that it may branch to, or call, if that is in its bytes. `touches` is
    what of memory it reads or writes, in words. Only what faults by itself `faults`.
    """

    length: int
    goes: Goes
    target: int | None = None
    touches: str = ""


class Encoding(NamedTuple):
    """The bytes of one kind of instruction, in the order of their addresses.

    Bits that are 0 in `mask` are operands. Without a mask, all bits are given.
    """

    name: str
    data: bytes
    mask: bytes = b""

    def is_of(self, instruction: bytes) -> bool:
        """Whether these bytes are one such instruction, all of them."""
        mask = self.mask or b"\xff" * len(self.data)
        return len(instruction) == len(self.data) and all(
            byte & bits == wanted
            for byte, bits, wanted in zip(instruction, mask, self.data, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Architecture:
    """The facts that a protocol takes from its architecture; there is one value for each.

    `known_as` are other names of it, by which a wrong one finds the right one. `decoder` gives the
    first instruction of some bytes at an address, or None. Instructions lie at multiples of
    `alignment` bytes. `chunk` is how many bytes, naturally aligned, are promised to be fetched in
    one atomic read. With `coherent_icache`, a CPU that serialises fetches what is in memory then;
    otherwise instruction caches must be made to drop what they have. `traps` always raise an
    exception where they stand. `modifiable` are the mnemonics of the instructions that may be
    replaced by each other while they are executed. `barriers` order stores, and `serialising`
    instructions, as the decoder calls them, discard what the CPU has fetched. A store is one event
    if it lies within `whole_within` bytes, naturally aligned, and otherwise one for each of its
    naturally aligned parts. With `sync_orders_stores`, what serialises also comes behind the CPU's
    own stores, and before its later ones. With `drops_order_fetches`, fetches of a CPU are in
    order around an invalidation of instruction caches and the barrier that completes it. `sources`
    says of each fact where it is written.
    """

    name: str
    known_as: tuple[str, ...]
    decoder: Callable[[bytes, int], Decoded | None]
    alignment: int
    chunk: int
    stores: Stores
    coherent_icache: bool
    traps: tuple[Encoding, ...]
    modifiable: frozenset[str]
    barriers: tuple[str, ...]
    serialising: tuple[str, ...]
    whole_within: int
    sync_orders_stores: bool
    drops_order_fetches: bool
    sources: Mapping[str, str]
    consequence: Callable[[bytes, int], Consequence] | None = None
    """What the first instruction of some bytes at an address does, where a decoder says so."""

    def decode(self, data: bytes, address: int = 0) -> Decoded:
        """Decode the first instruction of `data`, which lies at `address`."""
        return self.decoder(data, address) or Decoded(f"(bad) {data.hex(' ')}", 0)

    def is_nop(self, data: bytes) -> bool:
        """Whether bytes begin with an instruction that does nothing."""
        return self.decode(data).is_nop

    def is_trap(self, data: bytes) -> bool:
        """Whether bytes are a trap instruction."""
        return any(trap.is_of(data) for trap in self.traps)

    def serialises(self, data: bytes) -> bool:
        """Whether bytes are an instruction that discards what the CPU has fetched."""
        decoded = self.decode(data)
        return decoded.length == len(data) and any(
            decoded.text.startswith(name) and not decoded.text[len(name) :][:1].isalnum()
            for name in self.serialising
        )

    def permits(self, before: bytes, after: bytes) -> bool:
        """Whether an instruction may be replaced by another while it is executed."""
        return all(self._is_modifiable(data) for data in (before, after))

    def _is_modifiable(self, data: bytes) -> bool:
        decoded = self.decode(data)
        return decoded.length == len(data) and decoded.text.partition(" ")[0] in self.modifiable
