"""Arithmetic on values, which are not all numbers: addresses move, and anything equals itself.

All functions raise UndefinedValueError where they are not defined. Knows values.
"""

from collections.abc import Callable, Mapping

from modelcheck.litmus.instruction import Address, Datum, Flags, UndefinedValueError

WHOLE = 2**64 - 1
"""All bits of a register."""


def mask(value: Datum, bits: int) -> Datum:
    """The low bits of a value. What is no number has none but all of them."""
    if isinstance(value, int):
        return value & ((1 << bits) - 1)
    if isinstance(value, Address) and bits < 64:
        raise UndefinedValueError(f"{bits} bits of an address")
    return value


def signed(value: Datum, bits: int = 64) -> int:
    """A number as two's complement."""
    number = integer(value) & ((1 << bits) - 1)
    return number - (1 << bits) if number >> (bits - 1) else number


def integer(value: Datum) -> int:
    """A value that must be a number."""
    if not isinstance(value, int):
        raise UndefinedValueError("arithmetic on an address or an instruction")
    return value


def add(left: Datum, right: Datum) -> Datum:
    """The sum of numbers, or of an address and a distance."""
    if isinstance(right, Address):
        left, right = right, left
    if isinstance(left, Address):
        return left.plus(signed(right))
    return (integer(left) + integer(right)) & (2**64 - 1)


def subtract(left: Datum, right: Datum) -> Datum:
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


def exclusive_or(left: Datum, right: Datum) -> Datum:
    """Bits that differ; of a value with itself none do, whatever it is."""
    if left == right:
        return 0
    if right == 0:
        return left
    return integer(left) ^ integer(right)


def both(left: Datum, right: Datum) -> Datum:
    """Bits that both have."""
    if left == right:
        return left
    if 0 in (left, right):
        return 0
    return integer(left) & integer(right)


def either(left: Datum, right: Datum) -> Datum:
    """Bits that either has."""
    if left == right or right == 0:
        return left
    if left == 0:
        return right
    return integer(left) | integer(right)


def compare(bits: int) -> Callable[[Datum, Datum], Flags]:
    """The flags of a subtraction of that many bits."""

    def flags(left: Datum, right: Datum) -> Flags:
        if not (isinstance(left, int) and isinstance(right, int)):
            return Flags(None, left == right, None, None)
        left, right = left & ((1 << bits) - 1), right & ((1 << bits) - 1)
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


def holds(name: str) -> Callable[[Datum], Datum]:
    """Whether a condition holds of flags, as 1 or 0."""

    def of(flags: Datum) -> Datum:
        found = CONDITIONS[name](flags) if isinstance(flags, Flags) else None
        if found is None:
            raise UndefinedValueError(f"condition {name} of what is no number")
        return int(found)

    return of


def multiply(left: Datum, right: Datum) -> Datum:
    """The product of numbers."""
    return (integer(left) * integer(right)) & WHOLE


def shift_left(value: Datum, amount: Datum) -> Datum:
    """Bits moved up; by none, of anything."""
    return (integer(value) << (integer(amount) & 63)) & WHOLE if amount else value


def shift_right(value: Datum, amount: Datum) -> Datum:
    """Bits moved down."""
    return integer(value) >> (integer(amount) & 63)


def shift_right_signed(value: Datum, amount: Datum) -> Datum:
    """Bits moved down, with the sign kept."""
    return (signed(value) >> (integer(amount) & 63)) & WHOLE


def complement(value: Datum) -> Datum:
    """All bits turned."""
    return ~integer(value) & WHOLE


def extended(value: Datum, size: int, bits: int = 64) -> Datum:
    """A number of `size` bits with its sign in `bits`; anything else as it is."""
    return signed(value, size) & ((1 << bits) - 1) if isinstance(value, int) else value
