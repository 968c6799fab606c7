"""What an instruction does, as effects, and the values that registers and memory hold.

An architecture turns text into these; the machine carries them out. Knows nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


ALIAS = "'"


class Address(NamedTuple):
    """Where a variable or an instruction is: bytes from the start of a variable or a column."""

    base: str
    offset: int = 0

    def plus(self, offset: int) -> "Address":
        """The address so many bytes further."""
        return Address(self.base, self.offset + offset)

    def alias(self) -> "Address":
        """Another linear address of the same memory."""
        return Address(self.base + ALIAS, self.offset)

    def physical(self) -> "Address":
        """The address without what makes it an alias."""
        return Address(self.base.removesuffix(ALIAS), self.offset)


class Flags(NamedTuple):
    """What a comparison leaves: negative, zero, carry, overflow.

    Of addresses and instructions only equality is known; the others are None then.
    """

    negative: bool | None
    zero: bool
    carry: bool | None
    overflow: bool | None


class UndefinedValueError(ValueError):
    """An operation on values for which it is not defined, such as addresses multiplied."""


# Expressions.


@dataclass(frozen=True, eq=False)
class Register:
    """The value of a register, or its low `bits`."""

    name: str
    bits: int = 64


@dataclass(frozen=True, eq=False)
class Literal:
    """A value that stands in the instruction."""

    value: "Value"


@dataclass(frozen=True, eq=False)
class Here:
    """The address of the instruction, and so many bytes more."""

    offset: int = 0


@dataclass(frozen=True, eq=False)
class Apply:
    """A function of values. It raises UndefinedValueError where it is not defined."""

    function: Callable[..., "Value"]
    arguments: tuple["Expression", ...]


Expression = Register | Literal | Here | Apply


# Effects.


@dataclass(frozen=True, eq=False)
class Set:
    """A register takes a value."""

    target: str
    value: Expression


@dataclass(frozen=True, eq=False)
class Pick:
    """A register takes one of two values, by a condition that the CPU may predict."""

    target: str
    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, eq=False)
class Load:
    """A register takes what `size` bytes of memory hold.

    `kinds` are the marks of the access in the order table; `extend` makes of the bytes read what
    the register takes.
    """

    target: str
    address: Expression
    size: int
    kinds: int
    extend: Callable[["Value"], "Value"] | None = None


@dataclass(frozen=True, eq=False)
class Store:
    """`size` bytes of memory take a value; `kinds` as for Load.

    At most `unit` bytes of code are stored at once, and never more than a chunk.
    """

    address: Expression
    value: Expression
    size: int
    kinds: int
    unit: int = 8


@dataclass(frozen=True, eq=False)
class Maintain:
    """Cache maintenance, of one place or (None) of all; `kinds` say which."""

    address: Expression | None
    kinds: int


@dataclass(frozen=True, eq=False)
class Barrier:
    """A barrier, by the name that the order table has for it."""

    name: str


@dataclass(frozen=True, eq=False)
class Synchronise:
    """A context synchronisation event: what comes after it is fetched after it."""


@dataclass(frozen=True, eq=False)
class Jump:
    """Control goes to a target, if the condition holds (None: always)."""

    target: Expression
    condition: Expression | None = None


@dataclass(frozen=True, eq=False)
class Fault:
    """An exception: control goes to the thread's handler, or the thread ends.

    `returns` is where the handler returns to, in bytes from the instruction, and `register` where
    that is kept.
    """

    kind: str
    returns: int
    register: str = "return"


@dataclass(frozen=True, eq=False)
class Signal:
    """An interrupt is sent to all other threads; `kinds` as for Load."""

    kinds: int


@dataclass(frozen=True, eq=False)
class Await:
    """All other threads have acknowledged the interrupt; `kinds` as for Load."""

    kinds: int


@dataclass(frozen=True, eq=False)
class Arrive:
    """An interrupt has come to the thread; `kinds` as for Load."""

    kinds: int


@dataclass(frozen=True, eq=False)
class Acknowledge:
    """The thread has taken an interrupt; `kinds` as for Load."""

    kinds: int


Effect = (
    Set
    | Pick
    | Load
    | Store
    | Maintain
    | Barrier
    | Synchronise
    | Jump
    | Fault
    | Signal
    | Await
    | Arrive
    | Acknowledge
)


@dataclass(frozen=True, eq=False)
class Instruction:
    """An instruction of `size` bytes by its canonical spelling, one object for each spelling.

    `towards` is the label that a jump names before it has a place; `placed` gives the same jump
    at an address, where it is a distance.
    """

    text: str
    effects: tuple[Effect, ...]
    size: int = 4
    towards: Address | None = None
    placed: Callable[[Address], "Instruction"] | None = None

    def at(self, address: Address) -> "Instruction":
        """The instruction as it stands in memory at an address."""
        return self if self.placed is None else self.placed(address)


Value = int | Address | Instruction | Flags


def mask(value: Value, bits: int) -> Value:
    """The low bits of a value. What is no number has none but all of them."""
    if isinstance(value, int):
        return value & ((1 << bits) - 1)
    if isinstance(value, Address) and bits < 64:
        raise UndefinedValueError(f"{bits} bits of an address")
    return value


def signed(value: Value, bits: int = 64) -> int:
    """A number as two's complement."""
    number = integer(value) & ((1 << bits) - 1)
    return number - (1 << bits) if number >> (bits - 1) else number


def integer(value: Value) -> int:
    """A value that must be a number."""
    if not isinstance(value, int):
        raise UndefinedValueError("arithmetic on an address or an instruction")
    return value


def add(left: Value, right: Value) -> Value:
    """The sum of numbers, or of an address and a distance."""
    if isinstance(right, Address):
        left, right = right, left
    if isinstance(left, Address):
        return left.plus(signed(right))
    return (integer(left) + integer(right)) & (2**64 - 1)


def subtract(left: Value, right: Value) -> Value:
    """The difference of numbers, or the distance of addresses in one place."""
    if isinstance(left, Address) and isinstance(right, Address):
        if left.base != right.base:
            raise UndefinedValueError("the distance of two places")
        return (left.offset - right.offset) & (2**64 - 1)
    if isinstance(left, Address):
        return left.plus(-signed(right))
    if left == right and not isinstance(left, int):
        return 0
    return (integer(left) - integer(right)) & (2**64 - 1)


def exclusive_or(left: Value, right: Value) -> Value:
    """Bits that differ; of a value with itself none do, whatever it is."""
    if left == right:
        return 0
    if right == 0:
        return left
    return integer(left) ^ integer(right)


def both(left: Value, right: Value) -> Value:
    """Bits that both have."""
    if left == right:
        return left
    if 0 in (left, right):
        return 0
    return integer(left) & integer(right)


def either(left: Value, right: Value) -> Value:
    """Bits that either has."""
    if left == right or right == 0:
        return left
    if left == 0:
        return right
    return integer(left) | integer(right)


def compare(bits: int) -> Callable[[Value, Value], Flags]:
    """The flags of a subtraction of that many bits."""

    def flags(left: Value, right: Value) -> Flags:
        if not (isinstance(left, int) and isinstance(right, int)):
            return Flags(None, left == right, None, None)
        left, right = int(mask(left, bits)), int(mask(right, bits))  # type: ignore[call-overload]
        difference = (left - right) & ((1 << bits) - 1)
        negative = bool(difference >> (bits - 1))
        overflow = signed(left, bits) - signed(right, bits) != signed(difference, bits)
        return Flags(negative, difference == 0, left >= right, overflow)

    return flags


CONDITIONS: Mapping[str, Callable[[Flags], bool | None]] = {
    "EQ": lambda f: f.zero,
    "NE": lambda f: not f.zero,
    "CS": lambda f: f.carry,
    "CC": lambda f: _not(f.carry),
    "MI": lambda f: f.negative,
    "PL": lambda f: _not(f.negative),
    "VS": lambda f: f.overflow,
    "VC": lambda f: _not(f.overflow),
    "HI": lambda f: None if f.carry is None else f.carry and not f.zero,
    "LS": lambda f: None if f.carry is None else not f.carry or f.zero,
    "GE": lambda f: None if f.negative is None else f.negative == f.overflow,
    "LT": lambda f: None if f.negative is None else f.negative != f.overflow,
    "GT": lambda f: None if f.negative is None else not f.zero and f.negative == f.overflow,
    "LE": lambda f: None if f.negative is None else f.zero or f.negative != f.overflow,
    "AL": lambda f: True,
}
"""The conditions of branches by their names (Arm ARM, C1.2.4; x86 has the same under others)."""


def _not(flag: bool | None) -> bool | None:
    return None if flag is None else not flag


def holds(name: str) -> Callable[[Value], Value]:
    """Whether a condition holds of flags, as 1 or 0."""

    def of(flags: Value) -> Value:
        found = CONDITIONS[name](flags) if isinstance(flags, Flags) else None
        if found is None:
            raise UndefinedValueError(f"condition {name} of what is no number")
        return int(found)

    return of
