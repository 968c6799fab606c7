"""Which places a test may store to, and what, as far as its text shows.

Knows tests and code.
"""

from collections.abc import Iterator

from modelcheck.litmus.code import code_of
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import (
    Address,
    Apply,
    Datum,
    Expression,
    Literal,
    Register,
    StoreMemory,
    UndefinedValueError,
)
from modelcheck.litmus.order import MemoryOrder
from modelcheck.litmus.program import LitmusTest, Thread
from modelcheck.litmus.registers import written_registers


def foresee(test: LitmusTest, order: MemoryOrder) -> frozenset[tuple[Address, Datum]]:
    """The stores that the text shows, by registers that no instruction sets.

    What this misses the machine tells, and is then begun again with.
    """
    try:
        return frozenset(_stores(test, order))
    except (LitmusError, UndefinedValueError):
        # The machine says what is wrong, and where, if a run comes there.
        return frozenset()


def _stores(test: LitmusTest, order: MemoryOrder) -> Iterator[tuple[Address, Datum]]:
    code = code_of(test, order)
    set_somewhere = {
        register
        for made in test.code.values()
        for effect in made.effects
        for register in written_registers(effect)
    }
    for address, made in test.code.items():
        thread = next(t for t in test.threads if t.name == address.base.removesuffix(".F"))
        for effect in made.effects:
            if not isinstance(effect, StoreMemory):
                continue
            place = _held(effect.address, thread, set_somewhere)
            value = _held(effect.value, thread, set_somewhere)
            if not isinstance(place, Address):
                continue
            for part in code.parts(place, effect.size, effect.unit):
                assert part.place is not None
                where = part.place.physical()
                if where.base not in test.ends:
                    # Of a variable it is enough to know that it is stored to.
                    yield where, 0
                elif value is not None:
                    yield where, code.stored(code.initial(where), part, value)


def _held(expression: Expression, thread: Thread, set_somewhere: set[str]) -> Datum | None:
    """The value of an expression that never changes."""
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Register) and expression.name not in set_somewhere:
        return thread.registers.get(expression.name, 0)
    if isinstance(expression, Apply):
        parts = [_held(argument, thread, set_somewhere) for argument in expression.arguments]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            return expression.function(*known)
        # An index that is not known is often one that only makes a dependency.
        return next((part for part in known if isinstance(part, Address)), None)
    return None
