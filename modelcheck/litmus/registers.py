"""Which registers an effect reads and sets. Knows what instructions do."""

from collections.abc import Iterator
from typing import assert_never

from modelcheck.litmus.instruction import (
    Acknowledge,
    Apply,
    Arrive,
    AwaitSignals,
    Barrier,
    Expression,
    Fault,
    Here,
    InstructionEffect,
    Jump,
    Literal,
    LoadMemory,
    Maintain,
    Pick,
    Register,
    SetRegister,
    Signal,
    StoreMemory,
    Synchronise,
)


def written_registers(effect: InstructionEffect) -> Iterator[str]:
    """The registers that an effect sets."""
    match effect:
        case SetRegister(target, _) | Pick(target, _, _, _) | LoadMemory(target, _, _, _, _):
            yield target
        case Fault(_, _, register):
            yield register
        case StoreMemory() | Maintain() | Barrier() | Synchronise() | Jump():
            return
        case Signal() | AwaitSignals() | Arrive() | Acknowledge():
            return
        case _:
            assert_never(effect)


def read_registers(effect: InstructionEffect) -> Iterator[str]:
    """The registers that an effect reads."""
    match effect:
        case SetRegister(_, value):
            yield from _registers(value)
        case Pick(_, condition, then, otherwise):
            for part in (condition, then, otherwise):
                yield from _registers(part)
        case LoadMemory(_, address, _, _, _):
            yield from _registers(address)
        case StoreMemory(address, value, _, _, _):
            yield from _registers(address)
            yield from _registers(value)
        case Maintain(address, _):
            if address is not None:
                yield from _registers(address)
        case Jump(target, condition):
            yield from _registers(target)
            if condition is not None:
                yield from _registers(condition)
        case Barrier() | Synchronise() | Fault():
            return
        case Signal() | AwaitSignals() | Arrive() | Acknowledge():
            return
        case _:
            assert_never(effect)


def _registers(expression: Expression) -> Iterator[str]:
    match expression:
        case Register(name, _):
            yield name
        case Apply(_, arguments):
            for argument in arguments:
                yield from _registers(argument)
        case Literal() | Here():
            return
        case _:
            assert_never(expression)
