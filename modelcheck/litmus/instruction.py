"""What an instruction does, as effects, and the values that registers and memory hold.

An architecture turns text into these; the machine carries them out. Knows nothing.
"""

from collections.abc import Callable
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

    value: "Datum"


@dataclass(frozen=True, eq=False)
class Here:
    """The address of the instruction, and so many bytes more."""

    offset: int = 0


@dataclass(frozen=True, eq=False)
class Apply:
    """A function of values. It raises UndefinedValueError where it is not defined."""

    function: Callable[..., "Datum"]
    arguments: tuple["Expression", ...]


Expression = Register | Literal | Here | Apply


# Effects.


@dataclass(frozen=True, eq=False)
class SetRegister:
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
class LoadMemory:
    """A register takes what `size` bytes of memory hold.

    `kinds` are the marks of the access in the order table; `extend` makes of the bytes read what
    the register takes.
    """

    target: str
    address: Expression
    size: int
    kinds: int
    extend: Callable[["Datum"], "Datum"] | None = None


@dataclass(frozen=True, eq=False)
class StoreMemory:
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
class AwaitSignals:
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


InstructionEffect = (
    SetRegister
    | Pick
    | LoadMemory
    | StoreMemory
    | Maintain
    | Barrier
    | Synchronise
    | Jump
    | Fault
    | Signal
    | AwaitSignals
    | Arrive
    | Acknowledge
)


@dataclass(frozen=True, eq=False)
class LitmusInstruction:
    """An instruction of `size` bytes by its canonical spelling, one object for each spelling.

    `towards` is the label that a jump names before it has a place; `placed` gives the same jump
    at an address, where it is a distance.
    """

    text: str
    effects: tuple[InstructionEffect, ...]
    size: int = 4
    towards: Address | None = None
    placed: Callable[[Address], "LitmusInstruction"] | None = None

    def at(self, address: Address) -> "LitmusInstruction":
        """The instruction as it stands in memory at an address."""
        return self if self.placed is None else self.placed(address)


Datum = int | Address | LitmusInstruction | Flags
