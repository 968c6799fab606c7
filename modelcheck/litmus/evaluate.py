"""The values of expressions, as far as registers are known. Knows windows."""

from collections.abc import Mapping
from typing import assert_never

from modelcheck.litmus.arithmetic import mask
from modelcheck.litmus.instruction import (
    Address,
    Apply,
    Datum,
    Expression,
    Here,
    Literal,
    LoadMemory,
    Register,
)
from modelcheck.litmus.vector import Vector, join
from modelcheck.litmus.window import Known

UNKNOWN = Known(None, False)
"""A register of which nothing is known."""


def evaluate(expression: Expression, registers: Mapping[str, Known], at: Address) -> Known:
    """The value of an expression, as far as it is known. Raises UndefinedValueError."""
    if isinstance(expression, Register):
        known = registers.get(expression.name)
        if known is None:
            return Known(0)
        if expression.bits == 64 or known.value is None:
            return known
        return known._replace(value=mask(known.value, expression.bits))
    if isinstance(expression, Literal):
        return Known(expression.value)
    if isinstance(expression, Here):
        return Known(at.plus(expression.offset))
    if isinstance(expression, Apply):
        parts = [evaluate(argument, registers, at) for argument in expression.arguments]
        certain, pick = True, None
        since: Vector = ()
        for part in parts:
            if part.value is None and part.pick is None:
                return UNKNOWN
            pick = part.pick if part.value is None else pick
            certain = certain and part.certain
            since = join(since, part.since)
        if pick is not None:
            return Known(None, False, since, pick)
        return Known(expression.function(*(part.value for part in parts)), certain, since)
    assert_never(expression)


def mask_of(value: Datum, load: LoadMemory) -> Datum:
    """What a load makes of the value that it has read. Raises UndefinedValueError."""
    low = mask(value, 8 * load.size)
    return load.extend(low) if load.extend is not None else low
