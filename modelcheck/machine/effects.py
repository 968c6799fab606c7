"""What each step of a program does, whoever runs it: a patcher, a CPU, a trap handler.

Knows the setup; knows nothing of fetching, nor of where a program goes on.
"""

from collections.abc import Iterator
from functools import singledispatch
from typing import NamedTuple

from modelcheck.machine.setup import Setup
from modelcheck.machine.state import (
    Acknowledged,
    AllStopped,
    Broadcast,
    Buffered,
    EachOwns,
    GraceBegins,
    GraceOver,
    Guard,
    Ipi,
    Local,
    NoneLeaving,
    ReleaseAll,
    SetOwn,
    Shared,
    StopAll,
)
from modelcheck.protocol.code import Value
from modelcheck.protocol.properties import UNEXPECTED
from modelcheck.protocol.steps import (
    Add,
    CleanDcache,
    EnterUser,
    Execute,
    Fence,
    Flush,
    IncrementUnlessZero,
    InvalidateIcache,
    IrqOff,
    IrqOn,
    LeaveUser,
    Lock,
    Pause,
    ReleaseCpus,
    SendIpi,
    Serialise,
    StartGrace,
    Step,
    StopCpus,
    Store,
    Test,
    Unlock,
    WaitAcks,
    WaitGrace,
    WaitStopped,
    WaitUntil,
    Write,
)


class Actor(NamedTuple):
    """Who runs a step: the number of its role, whether it runs the sites too, and whether its
    steps on per-CPU cells act on those of all CPUs."""

    role: int
    executes: bool
    for_all: bool


class Effect(NamedTuple):
    """What a step makes of a state.

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


@singledispatch
def effects(
    step: Step, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    """All that the step can do now; nothing while it waits."""
    raise NotImplementedError(type(step).__name__)


# Code.


@effects.register
def _(step: Write, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    size = len(step.data)
    every = (1 << size) - 1
    if step.order == "single":
        stores = [(0, step.data, every)]
    else:
        left = [i for i in range(size) if not local.written >> i & 1]
        if step.order == "ascending":
            left = left[:1]
        stores = [(i, step.data[i : i + 1], local.written | 1 << i) for i in left]
    site = _target(step, setup, shared, local)
    violations: tuple[str, ...] = ()
    if step.expects and not local.written:
        there = setup.layout.contents(shared.memory, site)[step.at : step.at + len(step.expects)]
        violations = setup.watch(UNEXPECTED) if there != step.expects else ()
    for i, data, written in stores:
        done = written == every
        after = local._replace(written=0 if done else written)
        stored, after = _put(setup, shared, after, Buffered(site, step.at + i, data))
        yield Effect(stored, after, (i,), violations=violations, finished=done)


def _target(step: Write, setup: Setup, shared: Shared, local: Local) -> int:
    """The site that a write goes to."""
    name: Value = step.site
    if step.through is not None:
        name = read(setup, shared, local, setup.cells[step.through])
    return setup.sites[name] if name in setup.sites else setup.sites[step.site]


def _put(setup: Setup, shared: Shared, local: Local, store: Buffered) -> tuple[Shared, Local]:
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


# Data.


def read(setup: Setup, shared: Shared, local: Local, cell: int) -> Value:
    """What a CPU reads from a cell: its own last store, if that is not in memory yet."""
    if setup.protocol.cells[cell].per_cpu:
        return local.own[cell]
    own = [store.value for store in local.buffer if store.cell == cell]
    return own[-1] if own else shared.cells[cell]


def _set(
    setup: Setup, shared: Shared, local: Local, actor: Actor, cell: int, value: Value
) -> Effect:
    """Set a cell, or all CPUs' copies of it."""
    if setup.protocol.cells[cell].per_cpu:
        told = SetOwn(cell, value) if actor.for_all else None
        return Effect(shared, _owning(local, cell, value), broadcast=told)
    stored, after = _put(setup, shared, local, Buffered(-1, 0, b"", cell, value))
    return Effect(stored, after)


def _owning(local: Local, cell: int, value: Value) -> Local:
    return local._replace(own=(*local.own[:cell], value, *local.own[cell + 1 :]))


def receive_own(local: Local, told: SetOwn) -> Local:
    """A CPU whose copy of a per-CPU cell somebody else has changed."""
    value = local.own[told.cell]
    if told.add:
        assert isinstance(value, int)
        return _owning(local, told.cell, value + told.add)
    return _owning(local, told.cell, told.value)


@effects.register
def _(step: Store, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield _set(setup, shared, local, actor, setup.cells[step.cell], step.value)


def _added(
    setup: Setup, shared: Shared, local: Local, actor: Actor, cell: int, amount: int
) -> Iterator[Effect]:
    """Atomic, so in memory at once, after what the CPU stored there before."""
    if any(store.cell == cell for store in local.buffer):
        return
    value = read(setup, shared, local, cell)
    assert isinstance(value, int)
    if setup.protocol.cells[cell].per_cpu:
        told = SetOwn(cell, None, amount) if actor.for_all else None
        yield Effect(shared, _owning(local, cell, value + amount), broadcast=told)
        return
    for total in setup.counted(value, amount):
        store = Buffered(-1, 0, b"", cell, total)
        yield Effect(reached_memory(setup, shared, store), local, (total,))


@effects.register
def _(step: Add, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield from _added(setup, shared, local, actor, setup.cells[step.cell], step.amount)


@effects.register
def _(
    step: IncrementUnlessZero, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    cell = setup.cells[step.cell]
    if read(setup, shared, local, cell) == 0:
        yield Effect(shared, local, holds=False)
    else:
        yield from _added(setup, shared, local, actor, cell, 1)


@effects.register
def _(step: Test, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    value = read(setup, shared, local, setup.cells[step.cell])
    yield Effect(shared, local, holds=value == step.value)


@effects.register
def _(
    step: WaitUntil, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    cell = setup.cells[step.cell]
    if read(setup, shared, local, cell) == step.value:
        each = setup.protocol.cells[cell].per_cpu and actor.for_all
        yield Effect(shared, local, guard=EachOwns(cell, step.value) if each else None)


@effects.register
def _(step: Lock, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    cell = setup.cells[step.cell]
    if shared.cells[cell] == 0:
        yield Effect(reached_memory(setup, shared, Buffered(-1, 0, b"", cell, 1)), local)


@effects.register
def _(step: Unlock, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    if not local.buffer:
        store = Buffered(-1, 0, b"", setup.cells[step.cell], 0)
        yield Effect(reached_memory(setup, shared, store), local)


@effects.register
def _(step: Fence, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    if not local.buffer:
        yield Effect(shared, local)


@effects.register
def _(step: Pause, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield Effect(shared, local)


# Synchronisation.


def _serialised(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Local:
    return setup.synchronised(local, shared) if actor.executes else local


@effects.register
def _(
    step: Serialise, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared, _serialised(setup, shared, local, actor))


@effects.register
def _(
    step: CleanDcache, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    newest = () if setup.coherent_icache else setup.layout.newest(shared.memory)
    yield Effect(shared._replace(cleaned=newest), local)


@effects.register
def _(
    step: InvalidateIcache, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared._replace(dropped=shared.cleaned), local)


@effects.register
def _(step: SendIpi, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    here = _serialised(setup, shared, local, actor) if step.synchronises else local
    yield Effect(shared, here, broadcast=Ipi(actor.role, step.synchronises, step.deferred))


@effects.register
def _(step: WaitAcks, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield Effect(shared, local, guard=Acknowledged(actor.role))


@effects.register
def _(step: StopCpus, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    # stop_machine() is over when all CPUs have left it (Linux kernel/stop_machine.c, stop_cpus()).
    yield Effect(shared, local, broadcast=StopAll(), guard=NoneLeaving())


@effects.register
def _(
    step: WaitStopped, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared, local._replace(irqs_off=True), guard=AllStopped())


@effects.register
def _(
    step: ReleaseCpus, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    here = _serialised(setup, shared, local, actor) if step.synchronises else local
    yield Effect(shared, here._replace(irqs_off=False), broadcast=ReleaseAll(step.synchronises))


@effects.register
def _(
    step: StartGrace, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared, local, broadcast=GraceBegins(actor.role, step.regions))


@effects.register
def _(
    step: WaitGrace, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared, local, guard=GraceOver(actor.role))


@effects.register
def _(step: IrqOff, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield Effect(shared, local._replace(irqs_off=True))


@effects.register
def _(step: IrqOn, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield Effect(shared, local._replace(irqs_off=False))


# CPUs.


@effects.register
def _(step: Execute, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    yield Effect(shared, local)


@effects.register
def _(
    step: EnterUser, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared, local._replace(in_user=True))


@effects.register
def _(
    step: LeaveUser, setup: Setup, shared: Shared, local: Local, actor: Actor
) -> Iterator[Effect]:
    yield Effect(shared, local._replace(in_user=False))


@effects.register
def _(step: Flush, setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Effect]:
    if local.deferred:
        yield Effect(shared, setup.synchronised(local._replace(deferred=False), shared))
    else:
        yield Effect(shared, local)
