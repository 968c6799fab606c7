"""What is under way: stores on their way to memory, cache maintenance, and what comes before what.

A CPU reads its own stores meanwhile. Knows the setup.
"""

from collections.abc import Iterator
from typing import assert_never

from modelcheck.machine.memory import join
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import (
    BarrierMark,
    Buffered,
    Local,
    Maintenance,
    SetOwn,
    Shared,
    UnderWay,
    heeds_barriers,
)
from modelcheck.protocol.code import Value


def put(
    setup: Setup, shared: Shared, local: Local, store: Buffered
) -> Iterator[tuple[Shared, Local]]:
    """Send a store to memory: by way of the buffer, or at once; not while it has to wait."""
    if setup.weak_stores:
        yield shared, local._replace(buffer=(*local.buffer, store))
    elif not any(_comes_first(setup, earlier, store) for earlier in local.buffer):
        yield reached_memory(setup, shared, store), local


def ready(setup: Setup, local: Local) -> Iterator[int]:
    """The numbers of what may be done now of all that is under way."""
    for number, one in enumerate(local.buffer):
        waits = any(_comes_first(setup, earlier, one) for earlier in local.buffer[:number])
        if not (waits or isinstance(one, BarrierMark)):
            yield number


def _comes_first(setup: Setup, earlier: UnderWay, later: UnderWay) -> bool:
    """Whether the earlier must be done before the later: stores and cleans at one place are in
    order, and barriers let neither pass."""
    if not heeds_barriers(later):
        return False
    match earlier:
        case BarrierMark():
            return True
        case Buffered() if isinstance(later, Buffered):
            return overlap(earlier, later)
        case Buffered():
            return bool(_lines(setup, earlier) & _lines(setup, later))
        case Maintenance():
            return not earlier.drops and bool(_lines(setup, earlier) & _lines(setup, later))
        case _:
            assert_never(earlier)


def _lines(setup: Setup, one: UnderWay) -> set[int]:
    """The cache lines of code that it is about."""
    match one:
        case Buffered():
            return set(() if one.cell >= 0 else setup.layout.lines(one.site, one.at, len(one.data)))
        case Maintenance():
            return {one.line}
        case BarrierMark():
            return set()
        case _:
            assert_never(one)


def overlap(one: Buffered, other: Buffered) -> bool:
    """Whether two stores go to one place, and so stay in order."""
    if one.cell >= 0 or other.cell >= 0:
        return one.cell == other.cell
    begin, end = max(one.at, other.at), min(one.at + len(one.data), other.at + len(other.data))
    return one.site == other.site and begin < end


def done(setup: Setup, shared: Shared, local: Local, number: int) -> tuple[Shared, Local]:
    """When something under way is done, and barriers with nothing more to wait for are gone."""
    one = local.buffer[number]
    left = (*local.buffer[:number], *local.buffer[number + 1 :])
    match one:
        case Buffered():
            shared = reached_memory(setup, shared, one)
        case Maintenance(drops=False):
            newest = setup.layout.newest(shared.memory)
            cleaned = setup.layout.of_line(one.line, shared.cleaned, newest)
            shared = shared._replace(cleaned=cleaned)
        case Maintenance():
            seen = shared.cleaned if setup.cleans else setup.layout.newest(shared.memory)
            shared = shared._replace(dropped=setup.layout.of_line(one.line, shared.dropped, seen))
            if setup.orders_fetches:
                none = tuple(0 for _ in seen)
                own = setup.layout.of_line(one.line, local.dropped or none, shared.dropped)
                local = local._replace(dropped=own if any(own) else ())
        case BarrierMark():
            raise AssertionError("a barrier is nothing to be done")
        case _:
            assert_never(one)
    first = next((n for n, other in enumerate(left) if heeds_barriers(other)), len(left))
    over = [other for other in left[:first] if isinstance(other, BarrierMark)]
    kept = tuple(other for other in left[:first] if not isinstance(other, BarrierMark))
    local = local._replace(buffer=(*kept, *left[first:]))
    if any(barrier.synchronises for barrier in over):
        local = setup.synchronised(local, shared)
    return shared, local


def completed(setup: Setup, shared: Shared, local: Local) -> tuple[Shared, Local]:
    """After a barrier that has waited for maintenance: later stores come after what was dropped."""
    if not local.dropped:
        return shared, local
    newest = setup.layout.newest(shared.memory)
    found = dict(shared.completed)
    found[newest] = join(found.get(newest, ()), local.dropped)
    return shared._replace(completed=tuple(found.items())), local._replace(dropped=())


def reached_memory(setup: Setup, shared: Shared, store: Buffered) -> Shared:
    """The shared part once a store is in memory."""
    if store.cell >= 0:
        cells = list(shared.cells)
        cells[store.cell] = store.value
        return shared._replace(cells=tuple(cells))
    memory = setup.layout.write(shared.memory, store.site, store.at, store.data)
    return shared._replace(memory=memory)


def of_cell(cell: int, value: Value) -> Buffered:
    """The store of a value to a cell."""
    return Buffered(-1, 0, b"", cell, value)


def stores(local: Local) -> tuple[Buffered, ...]:
    """The CPU's stores that are not in memory yet, oldest first."""
    return tuple(one for one in local.buffer if isinstance(one, Buffered))


def read(setup: Setup, shared: Shared, local: Local, cell: int) -> Value:
    """What a CPU reads from a cell: its own last store, if that is not in memory yet."""
    if setup.protocol.cells[cell].per_cpu:
        return local.own[cell]
    own = [store.value for store in stores(local) if store.cell == cell]
    return own[-1] if own else shared.cells[cell]


def read_code(setup: Setup, shared: Shared, local: Local, site: int) -> bytes:
    """What a CPU reads, as data, from the bytes of a site: its own last stores, and memory."""
    contents = bytearray(setup.layout.contents(shared.memory, site))
    for store in stores(local):
        if store.site == site:
            contents[store.at : store.at + len(store.data)] = store.data
    return bytes(contents)


def is_buffered(local: Local, cell: int) -> bool:
    """Whether a store of this CPU to a cell is not in memory yet; no atomic one overtakes it."""
    return any(store.cell == cell for store in stores(local))


def owning(local: Local, cell: int, value: Value) -> Local:
    """A CPU whose copy of a per-CPU cell has this value."""
    return local._replace(own=(*local.own[:cell], value, *local.own[cell + 1 :]))


def receive_own(local: Local, told: SetOwn) -> Local:
    """A CPU whose copy of a per-CPU cell somebody else has changed."""
    value = local.own[told.cell]
    if told.add:
        assert isinstance(value, int)
        return owning(local, told.cell, value + told.add)
    return owning(local, told.cell, told.value)
