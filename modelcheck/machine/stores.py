"""How stores of code and data reach memory, and what a CPU reads meanwhile: its own, first.

Knows the setup.
"""

from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Buffered, Local, SetOwn, Shared
from modelcheck.protocol.code import Value


def put(setup: Setup, shared: Shared, local: Local, store: Buffered) -> tuple[Shared, Local]:
    """Send a store to memory: at once, or by way of the buffer."""
    if setup.weak_stores:
        return shared, local._replace(buffer=(*local.buffer, store))
    return reached_memory(setup, shared, store), local


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


def overlap(one: Buffered, other: Buffered) -> bool:
    """Whether two stores go to one place, and so stay in order."""
    if one.cell >= 0 or other.cell >= 0:
        return one.cell == other.cell
    begin, end = max(one.at, other.at), min(one.at + len(one.data), other.at + len(other.data))
    return one.site == other.site and begin < end


def read(setup: Setup, shared: Shared, local: Local, cell: int) -> Value:
    """What a CPU reads from a cell: its own last store, if that is not in memory yet."""
    if setup.protocol.cells[cell].per_cpu:
        return local.own[cell]
    own = [store.value for store in local.buffer if store.cell == cell]
    return own[-1] if own else shared.cells[cell]


def read_code(setup: Setup, shared: Shared, local: Local, site: int) -> bytes:
    """What a CPU reads, as data, from the bytes of a site: its own last stores, and memory."""
    contents = bytearray(setup.layout.contents(shared.memory, site))
    for store in local.buffer:
        if store.site == site:
            contents[store.at : store.at + len(store.data)] = store.data
    return bytes(contents)


def is_buffered(local: Local, cell: int) -> bool:
    """Whether a store of this CPU to a cell is not in memory yet; no atomic one overtakes it."""
    return any(store.cell == cell for store in local.buffer)


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
