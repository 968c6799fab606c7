"""What actions do, whoever does them: a patcher, a CPU, a trap handler.

Knows the setup, stores and handlers; knows nothing of fetching, nor of where a program goes on.
"""

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from modelcheck.machine import handler
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import (
    Acknowledged,
    AllStopped,
    Broadcast,
    Buffered,
    EachOwns,
    Execution,
    GraceBegins,
    GraceOver,
    Guard,
    IpiToAll,
    Local,
    Maintenance,
    NoneStopped,
    ReleaseAll,
    SetOwn,
    Shared,
    StopAll,
    StopStage,
    Trap,
)
from modelcheck.machine.stores import (
    completed,
    is_buffered,
    of_cell,
    owning,
    put,
    reached_memory,
    read,
    read_code,
    stores,
)
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import Action, Actions
from modelcheck.protocol.code import Value
from modelcheck.protocol.properties import UNEXPECTED


class Actor(NamedTuple):
    """Who acts: the number of its role, whether it runs the sites too, and whether what it does to
    per-CPU cells it does to those of all CPUs."""

    role: int
    executes: bool
    for_all: bool


class Effect(NamedTuple):
    """What actions make of a state.

    A test may not hold, which leads the other way; a step that is not `finished` goes on.
    """

    shared: Shared
    local: Local
    choice: tuple[int, ...] = ()
    broadcast: Broadcast | None = None
    guard: Guard | None = None
    violations: tuple[str, ...] = ()
    holds: bool = True
    finished: bool = True
    execution: Execution | None = None


def effects(
    actions: Actions, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    """All that comes of a step's actions, done in one go; nothing while one of them waits."""
    if len(actions) == 1:
        return _effects(actions[0], setup, Effect(shared, local), actor)
    found = [Effect(shared, local)]
    for action in actions:
        found = [
            after
            for before in found
            for after in (_effects(action, setup, before, actor) if before.holds else (before,))
        ]
    return iter(found)


def _effects(action: Action, setup: Setup, before: Effect, actor: Actor) -> Iterator[Effect]:
    shared, local = before.shared, before.local
    if local.reads_wait and _reads(action):
        return
    match action:
        case do.Put():
            yield from _put(action, setup, before)
        case do.Set():
            yield from _set(action, setup, before, actor)
        case do.Change():
            yield from _change(action, setup, before, actor)
        case do.Ask():
            value = read(setup, shared, local, setup.cells[action.cell])
            yield before._replace(holds=(value == action.value) is action.equal)
        case do.Need():
            yield from _need(action, setup, before, actor)
        case do.Drained(maintenance=False):
            if not stores(local):
                yield before
        case do.Drained():
            if not local.buffer:
                shared, local = completed(setup, shared, local)
                yield before._replace(shared=shared, local=local)
        case do.Ordered():
            yield before._replace(local=local.behind_barrier(synchronises=False))
        case do.Refresh():
            yield before._replace(local=_refreshed(action, setup, before, actor))
        case do.Clean():
            needed = setup.cleans
            yield before._replace(local=_maintaining(action, setup, local, needed=needed))
        case do.Drop():
            needed = not setup.coherent_icache
            yield before._replace(local=_maintaining(action, setup, local, needed=needed))
        case do.Tell():
            yield before._replace(broadcast=_told(action.message, actor))
        case do.Await("unstopped") if local.stop is not StopStage.RUNNING:
            pass
        case do.Await():
            yield before._replace(guard=_asked(action.answer, actor))
        case do.Mask():
            yield before._replace(local=local._replace(irqs_off=action.on))
        case do.Mode():
            yield before._replace(local=local._replace(in_user=action.user))
        case do.Run():
            yield before
        case do.Find():
            done = handler.find(action, setup, shared, local, _trap(local))
            yield before._replace(local=done.local, holds=done.found)
        case do.Follow():
            yield _handled(before, handler.follow(action, setup, shared, local, _trap(local)))
        case do.Act():
            yield _handled(before, handler.act(action, setup, local, _trap(local)))
        case do.Leave():
            yield _handled(before, handler.leave(action, setup, shared, local, _trap(local)))
        case _:
            assert_never(action)


def _reads(action: Action) -> bool:
    """Whether a CPU reads data for it, or acts on memory at once, so that barriers order that."""
    match action:
        case do.Put():
            return bool(action.expects) or action.through is not None
        case do.Set():
            return action.at_once
        case do.Change() | do.Ask() | do.Need() | do.Find() | do.Follow():
            return True
        case (
            do.Drained()
            | do.Ordered()
            | do.Refresh()
            | do.Clean()
            | do.Drop()
            | do.Tell()
            | do.Await()
            | do.Mask()
            | do.Mode()
            | do.Run()
            | do.Act()
            | do.Leave()
        ):
            return False
        case _:
            assert_never(action)


# Code.


def _put(action: do.Put, setup: Setup, before: Effect) -> Iterator[Effect]:
    shared, local = before.shared, before.local
    every = (1 << len(action.data)) - 1
    site = _target(action, setup, shared, local)
    left = [one for one in parts(setup, action, site) if not local.written >> one.start & 1]
    violations: tuple[str, ...] = ()
    if action.expects and not local.written:
        there = read_code(setup, shared, local, site)[action.at :]
        violations = () if there.startswith(action.expects) else setup.watch(UNEXPECTED)
    for part in left[:1] if action.order == "ascending" else left:
        written = local.written | sum(1 << i for i in part)
        done = written == every
        after = local._replace(written=0 if done else written)
        data = action.data[part.start : part.stop]
        store = Buffered(site, action.at + part.start, data)
        for stored, now in put(setup, shared, after, store):
            yield Effect(stored, now, (part.start,), violations=violations, finished=done)


def parts(setup: Setup, action: do.Put, site: int) -> tuple[range, ...]:
    """The bytes of a write that reach memory at once: each by itself, or those of one store."""
    size = len(action.data)
    if action.order != "single":
        return tuple(range(i, i + 1) for i in range(size))
    within = setup.protocol.architecture.whole_within
    return setup.layout.parts(site, action.at, size, within)


def _target(action: do.Put, setup: Setup, shared: Shared, local: Local) -> int:
    """The site that a write goes to."""
    name: Value = action.site
    if action.through is not None:
        name = read(setup, shared, local, setup.cells[action.through])
    return setup.sites[name] if name in setup.sites else setup.sites[action.site]


# Data.


def _set(action: do.Set, setup: Setup, before: Effect, actor: Actor) -> Iterator[Effect]:
    """Set a cell, or all CPUs' copies of it."""
    cell = setup.cells[action.cell]
    if setup.protocol.cells[cell].per_cpu:
        if before.local.reads_wait:
            return  # in memory at once, so that it waits as reads do
        told = SetOwn(cell, action.value) if actor.for_all else None
        yield before._replace(local=owning(before.local, cell, action.value), broadcast=told)
        return
    store = of_cell(cell, action.value)
    if not action.at_once:
        for stored, after in put(setup, before.shared, before.local, store):
            yield before._replace(shared=stored, local=after)
    elif not is_buffered(before.local, cell):
        yield before._replace(shared=reached_memory(setup, before.shared, store))


def _change(action: do.Change, setup: Setup, before: Effect, actor: Actor) -> Iterator[Effect]:
    """Atomic, so in memory at once, after what the CPU stored there before."""
    cell, shared, local = setup.cells[action.cell], before.shared, before.local
    if is_buffered(local, cell):
        return
    value = read(setup, shared, local, cell)
    assert isinstance(value, int)
    if setup.protocol.cells[cell].per_cpu:
        told = SetOwn(cell, None, action.amount) if actor.for_all else None
        yield before._replace(local=owning(local, cell, value + action.amount), broadcast=told)
        return
    for total in setup.counted(cell, value, action.amount):
        stored = reached_memory(setup, shared, of_cell(cell, total))
        yield before._replace(shared=stored, choice=(total,))


def _need(action: do.Need, setup: Setup, before: Effect, actor: Actor) -> Iterator[Effect]:
    cell = setup.cells[action.cell]
    if read(setup, before.shared, before.local, cell) == action.value:
        each = setup.protocol.cells[cell].per_cpu and actor.for_all
        yield before._replace(guard=EachOwns(cell, action.value) if each else None)


# Synchronisation.


def _refreshed(action: do.Refresh, setup: Setup, before: Effect, actor: Actor) -> Local:
    local = before.local
    if action.if_deferred:
        if not local.deferred:
            return local
        local = local._replace(deferred=False)
    if actor.executes:
        return setup.synchronised(local, before.shared)
    return setup.fenced(local, fetches=False)


def _maintaining(action: do.Clean | do.Drop, setup: Setup, local: Local, *, needed: bool) -> Local:
    """The CPU with maintenance of lines under way, if caches need any."""
    if not needed:
        return local
    of, lines = action.lines, setup.layout.every_line
    if of.site is not None:
        site = setup.sites[of.site]
        size = len(setup.protocol.sites[site]) - of.at if of.size is None else of.size
        lines = setup.layout.lines(site, of.at, size)
    asked = (Maintenance(isinstance(action, do.Drop), line) for line in lines)
    return local._replace(buffer=(*local.buffer, *asked))


def _told(message: do.Message, actor: Actor) -> Broadcast:
    match message:
        case do.Ipi():
            return IpiToAll(actor.role, message.synchronises, message.deferred)
        case do.Stop():
            return StopAll()
        case do.Release():
            return ReleaseAll(message.synchronises)
        case do.Grace():
            return GraceBegins(actor.role, message.regions)
        case _:
            assert_never(message)


def _asked(answer: do.Awaited, actor: Actor) -> Guard:
    match answer:
        case "acknowledged":
            return Acknowledged(actor.role)
        case "unstopped":
            # stop_machine() is over when all have left it (Linux kernel/stop_machine.c).
            return NoneStopped()
        case "stopped":
            return AllStopped()
        case "quiescent":
            return GraceOver(actor.role)
        case _:
            assert_never(answer)


# Handlers.


def _trap(local: Local) -> Trap:
    assert local.trap is not None, "only a CPU in a routine does this"
    return local.trap


def _handled(before: Effect, done: handler.Handled) -> Effect:
    return before._replace(
        local=done.local,
        violations=(*before.violations, *done.violations),
        execution=done.execution or before.execution,
    )
