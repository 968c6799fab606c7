"""What a CPU does that runs the sites: take IPIs, fetch, execute, trap.

Knows the setup and the windows; knows nothing of the patcher's program.
"""

from collections.abc import Iterator
from functools import singledispatch

from modelcheck.isa import decode
from modelcheck.machine.fetch import Staleness
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Execution, Local, Move, PartialFetch, Shared, Trap
from modelcheck.machine.window import Kind, Window, classify, fetchable
from modelcheck.protocol.properties import (
    EFFECT,
    MONOTONE,
    STALE,
    TORN,
    UNHANDLED,
    UNPERMITTED,
    VISIBLE,
)
from modelcheck.protocol.steps import Emulate, Lookup, Return, Skip, Step

FETCH = "fetch"
READ = "read"
EXECUTE = "execute"
TAKE_IPI = "ipi"


def moves(setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    """All that a CPU may do next, besides the program of a patcher that runs on it."""
    in_handler = local.trap is not None
    if local.pending and not (in_handler and setup.handler and not setup.handler.interrupts):
        taken = setup.synchronised(local._replace(pending=0), shared)
        yield Move(TAKE_IPI, (), shared, taken)
    if local.trap is not None:
        yield from _handle(setup, shared, local, local.trap)
    elif setup.bytewise:
        yield from _fetch_bytewise(setup, shared, local)
    else:
        yield from _fetch_windowed(setup, shared, local)


# Windowed: one step fetches and executes.


def _fetch_windowed(setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    for site in range(len(setup.protocol.sites)):
        base = [local.view[chunk.history] for chunk in setup.layout.chunks[site]]
        for fetched in fetchable(window(setup, shared, local, site)):
            versions = tuple(p + b for p, b in zip(fetched.positions, base, strict=False))
            after = local._replace(view=_view_after(setup, shared, local, site, versions))
            yield _execute(
                setup, shared, local, after, site, fetched.data, FETCH, (site, *versions)
            )


def window(setup: Setup, shared: Shared, local: Local, site: int) -> Window:
    """What a CPU may fetch of a site now."""
    return Window(
        chunks=tuple(
            setup.layout.versions(shared.memory, chunk, local.view[chunk.history])
            for chunk in setup.layout.chunks[site]
        ),
        old=setup.protocol.sites[site].old,
        new=setup.protocol.sites[site].new,
        trap=setup.trap,
        ordered=setup.fetch.ordered,
        newest_trap=setup.newest_only,
    )


def _view_after(
    setup: Setup, shared: Shared, local: Local, site: int, versions: tuple[int, ...]
) -> tuple[int, ...]:
    match setup.fetch.staleness:
        case Staleness.NEWEST:
            return setup.layout.newest(shared.memory)
        case Staleness.SINCE_SYNC:
            return local.view
        case Staleness.MONOTONE:
            view = list(local.view)
            for chunk, version in zip(setup.layout.chunks[site], versions, strict=False):
                view[chunk.history] = version
            return tuple(view)


# Byte-wise: each chunk is read in a step of its own.


def _fetch_bytewise(setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    if local.fetch is None:
        for site, chunks in enumerate(setup.layout.chunks):
            begun = PartialFetch(site, (None,) * len(chunks))
            yield from _read(setup, shared, local, begun)
    elif None in local.fetch.chunks:
        yield from _read(setup, shared, local, local.fetch)
    else:
        data = b"".join(chunk for chunk in local.fetch.chunks if chunk is not None)
        site = local.fetch.site
        after = setup.settled(local._replace(fetch=None), shared)
        yield _execute(setup, shared, local, after, site, data, EXECUTE, (site,))


def _read(setup: Setup, shared: Shared, local: Local, fetch: PartialFetch) -> Iterator[Move]:
    site = fetch.site
    unread = [i for i, data in enumerate(fetch.chunks) if data is None]
    for number in unread[:1] if setup.fetch.ordered else unread:
        chunk = setup.layout.chunks[site][number]
        oldest = local.view[chunk.history] if setup.tracks_views else 0
        for i, data in enumerate(setup.layout.versions(shared.memory, chunk, oldest)):
            version = oldest + i
            chunks = (*fetch.chunks[:number], data, *fetch.chunks[number + 1 :])
            after = local._replace(fetch=PartialFetch(site, chunks))
            if setup.fetch.staleness is Staleness.MONOTONE:
                view = list(local.view)
                view[chunk.history] = version
                after = after._replace(view=tuple(view))
            choice = (site, number, version)
            if _spells_trap(setup, chunks):
                after = after._replace(fetch=None)
                yield _execute(setup, shared, local, after, site, setup.trap, READ, choice)
            else:
                yield Move(READ, choice, shared, after)


def _spells_trap(setup: Setup, chunks: tuple[bytes | None, ...]) -> bool:
    """Whether the trap instruction has been read in full: a CPU enters it without the rest."""
    read = bytearray()
    for data in chunks:
        if data is None or len(read) >= len(setup.trap):
            break
        read += data
    return bool(setup.trap) and read.startswith(setup.trap)


# Both.


def _execute(
    setup: Setup,
    shared: Shared,
    before: Local,
    after: Local,
    site: int,
    data: bytes,
    label: str,
    choice: tuple[int, ...],
) -> Move:
    """Execute fetched bytes: a trap enters the handler, all else goes on behind the site."""
    place = setup.protocol.sites[site]
    kind = classify(data, place.old, place.new, setup.trap)
    violations: list[str] = []
    if kind == "torn":
        violations.append(TORN)
    if setup.fetch.strict and _unpermitted(setup, shared, before, site, len(data)):
        violations.append(UNPERMITTED)
    if shared.returned and kind in ("old", "trap"):
        violations.append(VISIBLE)
    after, went_back = _act(setup, after, site, kind)
    if went_back:
        violations.append(MONOTONE)
    if kind == "trap":
        after = after._replace(trap=Trap(site, 0))
        if setup.return_synchronises:
            after = after._replace(view=())
    return Move(
        label,
        choice,
        shared,
        after,
        execution=Execution(site, data, kind),
        violations=setup.watch(*violations),
    )


def _act(setup: Setup, local: Local, site: int, kind: Kind) -> tuple[Local, bool]:
    """Note that the CPU acted as old or new; whether it went back from new to old."""
    if MONOTONE not in setup.watched:
        return local, False
    if kind == "new":
        return local._replace(acted_new=local.acted_new | 1 << site), False
    return local, kind == "old" and bool(local.acted_new >> site & 1)


def _unpermitted(setup: Setup, shared: Shared, local: Local, site: int, length: int) -> bool:
    """Whether one of the first `length` bytes changed since the last sync, not by a trap."""
    size = len(setup.trap)
    for change in setup.layout.changes(shared.memory, site, local.view):
        by_trap = (
            bool(size)
            and change.first == 0
            and change.byte < size
            and len(change.before) >= size
            and (change.before.startswith(setup.trap) or change.after.startswith(setup.trap))
        )
        if change.byte < length and not by_trap:
            return True
    return False


# The trap handler.


def _handle(setup: Setup, shared: Shared, local: Local, trap: Trap) -> Iterator[Move]:
    assert setup.handler is not None
    step = setup.handler.program[trap.pc]
    move = _handler_step(step, setup, shared, local, trap)
    yield move._replace(local=setup.settled(move.local, shared))


def _returned(setup: Setup, shared: Shared, local: Local) -> Local:
    back = local._replace(trap=None)
    return setup.synchronised(back, shared) if setup.return_synchronises else back


def _advanced(local: Local, trap: Trap) -> Local:
    return local._replace(trap=trap._replace(pc=trap.pc + 1))


@singledispatch
def _handler_step(step: Step, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Move:
    raise NotImplementedError(type(step).__name__)


@_handler_step.register
def _(step: Lookup, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Move:
    cell = setup.cells[step.cell]
    value = shared.cells[cell]
    if not value:
        back = _returned(setup, shared, local)
        return Move(step.label, (), shared, back, violations=setup.watch(UNHANDLED))
    found = trap._replace(found=(*trap.found, (cell, value)))
    return Move(step.label, (), shared, _advanced(local, found))


@_handler_step.register
def _(step: Emulate, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Move:
    violations: list[str] = []
    if step.cell is not None:
        cell = setup.cells[step.cell]
        if shared.cells[cell] != dict(trap.found)[cell]:
            violations.append(STALE)
    site = setup.protocol.sites[trap.site]
    data = site.new if step.instruction == "new" else site.old
    after, went_back = _act(setup, local, trap.site, step.instruction)
    if went_back:
        violations.append(MONOTONE)
    return Move(
        step.label,
        (),
        shared,
        _advanced(after, trap),
        execution=Execution(trap.site, data, "emulated"),
        violations=setup.watch(*violations),
    )


@_handler_step.register
def _(step: Skip, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Move:
    site = setup.protocol.sites[trap.site]
    violations: list[str] = []
    acts_as: Kind = "torn"
    for kind, data in (("old", site.old), ("new", site.new)):
        if decode(setup.protocol.isa, data).is_nop:
            acts_as = "old" if kind == "old" else "new"
            break
    else:
        violations.append(EFFECT)
    after, went_back = _act(setup, local, trap.site, acts_as)
    if went_back:
        violations.append(MONOTONE)
    return Move(
        step.label,
        (),
        shared,
        _advanced(after, trap),
        execution=Execution(trap.site, b"", "skipped"),
        violations=setup.watch(*violations),
    )


@_handler_step.register
def _(step: Return, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Move:
    return Move(step.label, (), shared, _returned(setup, shared, local))
