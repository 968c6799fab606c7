"""What fetch model strict asks: whether a byte changed that the architecture wants left alone.

Knows the axioms.
"""

import z3

from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.cases import Pass
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.terms import ByteStore, Choice, holds
from modelcheck.protocol.actions import Put


def unpermitted(axioms: Axioms) -> z3.BoolRef:
    """Whether a byte that is executed changed since the CPU last synchronised, not by a trap.

    That is asked of fetch model strict.
    """
    return z3.Or(
        *(
            z3.And(
                z3.Or(
                    z3.BoolVal(store.byte < axioms.offset + len(axioms.trap)),
                    z3.Not(axioms.is_trap()),
                ),
                *(
                    z3.Not(axioms.executes(axioms.fetches[-1], Pass(axioms.offset, data)))
                    for data in axioms.region.known(axioms.offset)
                    if axioms.offset + len(data) <= store.byte
                ),
                _changes(axioms, store),
                store.time <= axioms.end,
                *(
                    z3.Implies(m.happens, m.sees.time < store.time)
                    for m in axioms.moments
                    if m.sees.of(store.byte)
                ),
                z3.Not(_by_trap(axioms, store)),
            )
            for store in axioms.stores
            if store.byte in axioms.read and not _permitted(axioms, store)
        )
    )


def _around(axioms: Axioms, store: ByteStore, byte: int) -> tuple[Choice, ...]:
    """What a byte was before a store, and after it."""
    before = axioms.contents(byte, lambda other: other.time < store.time)
    after = axioms.contents(byte, lambda other: other.time <= store.time)
    return before, after


def _changes(axioms: Axioms, store: ByteStore) -> z3.BoolRef:
    before, _ = _around(axioms, store, store.byte)
    return z3.And(axioms.is_made(store), z3.Not(holds(before, store.value)))


def _by_trap(axioms: Axioms, store: ByteStore) -> z3.BoolRef:
    """Whether a store sets a trap or removes it, in one read of all of the trap."""
    size, offset = len(axioms.trap), axioms.offset
    if not size or store.byte >= offset + size or len(axioms.chunks[0]) < size:
        return z3.BoolVal(False)
    around = [_around(axioms, store, byte) for byte in range(offset, offset + size)]
    return z3.Or(
        *(
            z3.And(*(holds(around[i][side], z3.BitVecVal(axioms.trap[i], 8)) for i in range(size)))
            for side in (0, 1)
        )
    )


def _permitted(axioms: Axioms, store: ByteStore) -> bool:
    """Whether the architecture lets an instruction be replaced as this store does it."""
    if not axioms.protocol.architecture.modifiable:
        return False
    chunk = next(chunk for chunk in axioms.chunks if store.byte in chunk)
    contents = bytearray(axioms.site.old)
    for event, put in axioms.doing(Put):
        touched = [byte for byte in chunk if put.at <= byte < put.at + len(put.data)]
        at_once = any({byte - put.at for byte in touched} <= {*part} for part in axioms.parts(put))
        if touched and not (at_once and (not axioms.weak or touched == [*chunk])):
            raise NotCoveredError(f"step {event.name!r} changes an instruction in pieces")
        before = bytes(contents[chunk[0] : chunk[-1] + 1])
        contents[put.at : put.at + len(put.data)] = put.data
        if event is store.event:
            after = bytes(contents[chunk[0] : chunk[-1] + 1])
            return axioms.protocol.architecture.permits(before, after)
    raise AssertionError(store)
