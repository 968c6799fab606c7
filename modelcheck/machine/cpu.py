"""What a CPU does that runs the sites: take IPIs, stop, fetch, execute, trap.

Knows the setup, the windows and the handler; knows nothing of the programs of patchers.
"""

from collections.abc import Iterator
from typing import assert_never

from modelcheck.machine import handler, routine
from modelcheck.machine.effects import Actor
from modelcheck.machine.fetch import Staleness
from modelcheck.machine.memory import Chunk, View, join
from modelcheck.machine.region import kind_of
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import (
    Execution,
    Local,
    Move,
    PartialFetch,
    Place,
    Shared,
    StopStage,
    Trap,
)
from modelcheck.machine.window import Window, fetchable
from modelcheck.protocol.actions import Run, first
from modelcheck.protocol.properties import MONOTONE, SEQUENCE, TORN, UNPERMITTED, VISIBLE

FETCH = "fetch"
READ = "read"
EXECUTE = "execute"
TAKE_IPI = "ipi"
STOP = "stop"
LEAVE_STOP = "leave stop"


def moves(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
    """All that a CPU may do next, besides the program that runs on it."""
    if local.stop in (StopStage.SERIALISING, StopStage.LEAVING):
        left = local._replace(stop=StopStage.RUNNING)
        if actor.executes:
            serialises = local.stop is StopStage.SERIALISING
            left = (setup.synchronised if serialises else setup.settled)(left, shared)
        yield Move(LEAVE_STOP, (), shared, left)
    if local.stop not in (StopStage.RUNNING, StopStage.ASKED):
        return
    if interruptible(setup, local):
        yield from _interrupts(setup, shared, local, actor)
    if not actor.executes:
        return
    if local.trap is not None:
        yield from routine.moves(setup, shared, local, local.trap, actor)
    elif local.fetches_wait:
        return
    elif setup.bytewise:
        yield from _fetch_bytewise(setup, shared, local, actor)
    else:
        yield from _fetch_windowed(setup, shared, local, actor)


def interruptible(setup: Setup, local: Local) -> bool:
    """Whether the CPU would take an interrupt now."""
    in_handler = local.trap is not None and not local.trap.in_callee
    masked = in_handler and setup.handler is not None and not setup.handler.interrupts
    return not (masked or local.irqs_off)


def _interrupts(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
    if local.pending:
        taken = local._replace(pending=0, serialise=False)
        if local.serialise and actor.executes:
            taken = setup.synchronised(taken, shared)
        yield Move(TAKE_IPI, (), shared, taken)
    if local.stop is StopStage.ASKED:
        stopped = local._replace(stop=StopStage.STOPPED, fetch=None)
        yield Move(STOP, (), shared, setup.settled(stopped, shared))


def reachable(setup: Setup, local: Local, actor: Actor) -> tuple[Place, ...]:
    """Where a CPU may fetch an instruction now."""
    if local.place is not None:
        return (local.place,)
    if actor.role == setup.cpu_role and setup.programs[actor.role]:
        run = first(Run, setup.programs[actor.role][local.pc].actions)
        sites = [setup.sites[name] for name in run.sites] if run else []
    elif local.irqs_off:
        # A patcher's CPU runs sites in its interrupts only.
        sites = [] if actor.role != setup.cpu_role else [*range(len(setup.regions))]
    else:
        sites = [*range(len(setup.regions))]
    return tuple(place for site in sites for place in setup.regions[site].entries())


def chunks(setup: Setup, place: Place) -> tuple[Chunk, ...]:
    """The chunks that a fetch of the instruction at a place reads."""
    return setup.layout.span(
        place.site, place.offset, setup.regions[place.site].extent(place.offset)
    )


# Windowed: one step fetches and executes.


def _fetch_windowed(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
    for place in reachable(setup, local, actor):
        read = chunks(setup, place)
        base = [local.view[chunk.history] for chunk in read]
        for fetched in fetchable(window(setup, shared, local, place)):
            found = tuple(p + b for p, b in zip(fetched.positions, base, strict=False))
            view = _view_after(setup, shared, local, read, found)
            after = local._replace(view=join(view, _floor(setup, shared, read, found)))
            choice = _choice(setup, place, *found)
            yield _execute(setup, shared, local, after, place, fetched.data, FETCH, choice)


def _choice(setup: Setup, place: Place, *versions: int) -> tuple[int, ...]:
    """What tells the fetches apart that a CPU can make."""
    entries = setup.protocol.sites[place.site].entries
    return (place.site, *((place.offset,) if len(entries) > 1 else ()), *versions)


def versions(setup: Setup, choice: tuple[int, ...]) -> tuple[int, ...]:
    """What a choice says besides the place: the version of each chunk, or a chunk and its."""
    return choice[2 if len(setup.protocol.sites[choice[0]].entries) > 1 else 1 :]


def window(setup: Setup, shared: Shared, local: Local, place: Place) -> Window:
    """What a CPU may fetch at a place now."""
    trap = setup.trap
    known = setup.regions[place.site].known(place.offset)
    return Window(
        chunks=tuple(
            setup.layout.versions(shared.memory, chunk, local.view[chunk.history])
            for chunk in chunks(setup, place)
        ),
        known=tuple(data for data in known if not (trap and data.startswith(trap))),
        trap=trap,
        ordered=setup.fetch.ordered,
        newest_trap=setup.newest_only,
    )


def _view_after(
    setup: Setup, shared: Shared, local: Local, read: tuple[Chunk, ...], found: tuple[int, ...]
) -> tuple[int, ...]:
    match setup.fetch.staleness:
        case Staleness.NEWEST:
            return setup.layout.newest(shared.memory)
        case Staleness.SINCE_SYNC:
            return local.view
        case Staleness.MONOTONE:
            view = list(local.view)
            for chunk, version in zip(read, found, strict=False):
                view[chunk.history] = version
            return tuple(view)
        case _:
            assert_never(setup.fetch.staleness)


def _floor(setup: Setup, shared: Shared, read: tuple[Chunk, ...], found: tuple[int, ...]) -> View:
    """What fetches may not be older than behind one of these versions."""
    floor: View = ()
    for chunk, version in zip(read, found, strict=False):
        floor = join(floor, setup.floor(shared, chunk.history, version))
    return floor


# Byte-wise: each chunk is read in a step of its own.


def _fetch_bytewise(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
    if local.fetch is None:
        for place in reachable(setup, local, actor):
            begun = PartialFetch(place.site, (None,) * len(chunks(setup, place)), place.offset)
            yield from _read(setup, shared, local, begun)
    elif None in local.fetch.chunks:
        yield from _read(setup, shared, local, local.fetch)
    else:
        data = b"".join(chunk for chunk in local.fetch.chunks if chunk is not None)
        place = _fetching(setup, local, local.fetch)
        after = setup.settled(_read_whole(local, local.fetch), shared)
        yield _execute(setup, shared, local, after, place, data, EXECUTE, (place.site,))


def _read_whole(local: Local, fetch: PartialFetch) -> Local:
    """The CPU when it executes what it has fetched."""
    return local._replace(fetch=None, view=join(local.view, fetch.floor))


def _fetching(setup: Setup, local: Local, fetch: PartialFetch) -> Place:
    """Where a fetch under way is."""
    if local.place is not None:
        return local.place
    entries = setup.regions[fetch.site].entries()
    return next(place for place in entries if place.offset == fetch.offset)


def _read(setup: Setup, shared: Shared, local: Local, fetch: PartialFetch) -> Iterator[Move]:
    place = _fetching(setup, local, fetch)
    unread = [i for i, data in enumerate(fetch.chunks) if data is None]
    for number in unread[:1] if setup.fetch.ordered else unread:
        chunk = chunks(setup, place)[number]
        oldest = local.view[chunk.history] if setup.tracks_views else 0
        for i, data in enumerate(setup.layout.versions(shared.memory, chunk, oldest)):
            version = oldest + i
            read = (*fetch.chunks[:number], data, *fetch.chunks[number + 1 :])
            floor = join(fetch.floor, setup.floor(shared, chunk.history, version))
            after = local._replace(fetch=fetch._replace(chunks=read, floor=floor))
            if setup.fetch.staleness is Staleness.MONOTONE:
                view = list(local.view)
                view[chunk.history] = version
                after = after._replace(view=tuple(view))
            choice = _choice(setup, place, number, version)
            if _spells_trap(setup, read):
                after = _read_whole(after, fetch._replace(floor=floor))
                yield _execute(setup, shared, local, after, place, setup.trap, READ, choice)
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
    place: Place,
    data: bytes,
    label: str,
    choice: tuple[int, ...],
) -> Move:
    """Execute fetched bytes: a trap enters the handler, all else goes on behind the instruction."""
    site = place.site
    region = setup.regions[site]
    trapped = bool(setup.trap) and data.startswith(setup.trap)
    known = region.known(place.offset)
    data = next((one for one in known if data.startswith(one)), data) if not trapped else data
    agreeing = 0 if trapped else region.agreeing(place.offset, data)
    kind = "trap" if trapped else kind_of(agreeing)
    violations: list[str] = []
    if kind == "torn":
        violations += [TORN, SEQUENCE]
    if setup.fetch.strict and _unpermitted(setup, shared, before, place, len(data)):
        violations.append(UNPERMITTED)
    over = shared.returned == setup.all_programs
    if over and kind in ("old", "trap") and not setup.protocol.sites[site].foreign:
        violations.append(VISIBLE)
    after, went_back = handler.acted(setup, after, site, kind)
    if went_back:
        violations.append(MONOTONE)
    if trapped:
        inside = setup.protocol.sites[site].is_region
        after = after._replace(trap=Trap(site, 0), place=place if inside else None)
        if setup.forgets_view(after):
            after = after._replace(view=())
    else:
        after, torn = handler.onward(setup, after, place, agreeing)
        if torn and kind != "torn":
            violations.append(SEQUENCE)
        if agreeing and setup.protocol.architecture.serialises(data):
            after = setup.synchronised(after, shared)
        if setup.routines[True] and kind == "new":
            after = after._replace(trap=Trap(site, 0, (), in_callee=True))
    return Move(
        label,
        choice,
        shared,
        after,
        execution=Execution(site, data, kind, place.offset),
        violations=setup.watch(*violations),
    )


def _unpermitted(setup: Setup, shared: Shared, local: Local, place: Place, length: int) -> bool:
    """Whether one of the bytes at a place changed since the last sync, and should not have.

    A trap may be set and removed, and one instruction replaced by another where the architecture
    says so.
    """
    size = len(setup.trap)
    stop = place.offset + length
    for change in setup.layout.changes(shared.memory, place.site, place.offset, stop, local.view):
        by_trap = (
            bool(size)
            and change.first == 0
            and change.byte < size
            and len(change.before) >= size
            and (change.before.startswith(setup.trap) or change.after.startswith(setup.trap))
        )
        if not by_trap and not setup.permits(change.before, change.after):
            return True
    return False
