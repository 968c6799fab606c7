"""How instructions lie in memory: words that are read whole, or bytes that are read in chunks.

Knows tests and machine code.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from functools import cache
from typing import NamedTuple, Protocol

from modelcheck.litmus.disassembly import WORD, incomplete, instruction_in, instruction_of
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import (
    Address,
    Datum,
    Fault,
    LitmusInstruction,
    Synchronise,
    UndefinedValueError,
)
from modelcheck.litmus.order import MemoryOrder
from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.vector import Vector, join


class AccessPart(NamedTuple):
    """What one event stores of a store: `length` bytes at `start` of a place, from byte `at` of
    the value. The place is None while it is not known."""

    place: Address | None
    start: int
    length: int
    at: int


class Reading(NamedTuple):
    """What a fetch may read of a place, what a later fetch may read then, and whether memory has
    something newer."""

    content: Datum
    carry: Vector
    newest: bool


class FetchedCode(NamedTuple):
    """An instruction that may be fetched, what was read, and as for Reading."""

    instruction: LitmusInstruction
    content: Datum
    carry: Vector
    newest: bool


Read = Callable[[Address, Vector], Iterable[Reading]]
"""What a fetch may read of a place, after it has read others."""


class Code(Protocol):
    """How instructions lie in memory. `tears`: whether what is fetched may be of several stores."""

    tears: bool

    def holds(self, address: Address) -> bool:
        """Whether an instruction may begin at an address."""

    def parts(self, place: Address, size: int, unit: int) -> tuple[AccessPart, ...]:
        """The events that a store of code has, or the one of a load. Raises UndefinedValueError."""

    def initial(self, place: Address) -> Datum:
        """What a place of code has at the beginning."""

    def plain(self, address: Address, written: Container[Address]) -> LitmusInstruction | None:
        """The instruction at an address, if nothing of it is stored to."""

    def fetches(self, address: Address, read: Read) -> Iterator[FetchedCode]:
        """All instructions that may be fetched at an address."""

    def stored(self, old: Datum, part: AccessPart, value: Datum) -> Datum:
        """What a place has after a store. Raises LitmusError where there is no code."""

    def loaded(self, content: Datum, part: AccessPart) -> Datum:
        """What a load of a part of a place reads."""


UNDEFINED = LitmusInstruction(
    "an undefined word", (Synchronise(), Fault("undefined", 0, "ELR_EL1"))
)


def code_of(test: LitmusTest, order: MemoryOrder) -> Code:
    """How the instructions of a test lie in memory."""
    return ByteCode(test, order.chunk) if test.isa.decoder == "x86-64" else WordCode(test)


class WordCode:
    """Instructions of one word each, which is stored and fetched whole."""

    tears = False

    def __init__(self, test: LitmusTest) -> None:
        self._test = test

    def holds(self, address: Address) -> bool:
        """Where the test has one."""
        return address in self._test.code

    def parts(self, place: Address, size: int, unit: int) -> tuple[AccessPart, ...]:
        """One."""
        if place.base in self._test.ends and size != WORD:
            raise UndefinedValueError(f"code is accessed by {WORD} bytes, not by {size}")
        return (AccessPart(place, 0, size, 0),)

    def initial(self, place: Address) -> Datum:
        """The instruction of the test."""
        found = self._test.code.get(place)
        if found is None:
            raise LitmusError(
                f"{self._test.where(place)} is accessed, but there is no instruction; write one "
                "after the label",
                self._test.text.heads[place.base],
            )
        return found

    def plain(self, address: Address, written: Container[Address]) -> LitmusInstruction | None:
        """The instruction of the test."""
        return None if address in written else self._test.code[address]

    def fetches(self, address: Address, read: Read) -> Iterator[FetchedCode]:
        """One for each value."""
        for content, carry, newest in read(address, ()):
            yield FetchedCode(self.decoded(content), content, carry, newest)

    def decoded(self, content: Datum) -> LitmusInstruction:
        """The instruction that a value is."""
        if isinstance(content, LitmusInstruction):
            return content
        found = instruction_of(self._test.isa, content) if isinstance(content, int) else None
        return found or UNDEFINED

    def stored(self, old: Datum, part: AccessPart, value: Datum) -> Datum:
        """The value, as an instruction if it is one."""
        assert part.place is not None
        self.initial(part.place)
        if isinstance(value, LitmusInstruction):
            return value.at(part.place)
        if isinstance(value, int):
            return instruction_of(self._test.isa, value) or value
        return value

    def loaded(self, content: Datum, part: AccessPart) -> Datum:
        """All of it."""
        return content


class ByteCode:
    """Instructions of any length. A chunk is a naturally aligned number of bytes; what it holds is
    kept as a number, lowest byte first."""

    tears = True

    def __init__(self, test: LitmusTest, chunk: int) -> None:
        self._test = test
        self._chunk = chunk

    def holds(self, address: Address) -> bool:
        """Anywhere in a column: what begins there may not be what was meant to."""
        return 0 <= address.offset < self._test.ends.get(address.base, 0)

    def parts(self, place: Address, size: int, unit: int) -> tuple[AccessPart, ...]:
        """One for each chunk, or for each `unit` of bytes in one."""
        base = place.physical().base
        if base not in self._test.ends:
            return (AccessPart(place, 0, size, 0),)
        if not 0 <= place.offset <= self._test.ends[base] - size:
            raise UndefinedValueError(f"{size} bytes at {place.base}+{place.offset} are not code")
        found, at = [], 0
        while at < size:
            offset = place.offset + at
            length = min(unit, size - at, self._chunk - offset % self._chunk)
            chunk = Address(place.base, offset - offset % self._chunk)
            found.append(AccessPart(chunk, offset % self._chunk, length, at))
            at += length
        return tuple(found)

    def initial(self, place: Address) -> Datum:
        """The machine code of the test, as a number."""
        code = self._test.machine_code[place.base]
        data = code[place.offset : place.offset + self._chunk]
        return int.from_bytes(bytes(byte or 0 for byte in data), "little")

    def plain(self, address: Address, written: Container[Address]) -> LitmusInstruction | None:
        """What the bytes are, if none of their chunks is stored to."""

        def read(place: Address, carry: Vector) -> Iterable[Reading]:
            return () if place in written else (Reading(self.initial(place), (), True),)

        return next((fetched.instruction for fetched in self.fetches(address, read)), None)

    def fetches(self, address: Address, read: Read) -> Iterator[FetchedCode]:
        """Chunk by chunk, until an instruction is whole."""
        yield from self._further(address, b"", (), True, read)

    def _further(
        self, address: Address, data: bytes, carry: Vector, newest: bool, read: Read
    ) -> Iterator[FetchedCode]:
        made = self._made(address, data) if data else None
        if made is not None:
            yield FetchedCode(made, int.from_bytes(data[: made.size], "little"), carry, newest)
            return
        offset = address.offset + len(data)
        start = offset - offset % self._chunk
        for content, after, latest in read(Address(address.base, start), carry):
            assert isinstance(content, int)
            more = content.to_bytes(self._chunk, "little")[offset - start :]
            joined = join(carry, after)
            yield from self._further(address, data + more, joined, newest and latest, read)

    def _made(self, address: Address, data: bytes) -> LitmusInstruction | None:
        """The instruction that bytes begin with; None if more are needed."""
        code = self._test.machine_code[address.base]
        original = self._test.code.get(address)
        if original is not None:
            here = code[address.offset : address.offset + original.size]
            there = zip(here, data, strict=False)
            if all(byte is None or byte == found for byte, found in there):
                return original if len(data) >= original.size else None
        if incomplete(data) and address.offset + len(data) < len(code):
            return None
        return instruction_in(self._test.isa, data) or _torn(data)

    def stored(self, old: Datum, part: AccessPart, value: Datum) -> Datum:
        """The number with some bytes replaced."""
        if not isinstance(value, int) or not isinstance(old, int):
            raise LitmusError(f'{value} is stored to code; store numbers or instr:"..."')
        low = (1 << 8 * part.length) - 1
        new = value >> 8 * part.at & low
        return old & ~(low << 8 * part.start) | new << 8 * part.start

    def loaded(self, content: Datum, part: AccessPart) -> Datum:
        """Some bytes of the number."""
        assert isinstance(content, int)
        return content >> 8 * part.start & (1 << 8 * part.length) - 1


@cache
def _torn(data: bytes) -> LitmusInstruction:
    return LitmusInstruction(f"(bytes {data.hex(' ')})", (Fault("undefined", 0),), len(data))
