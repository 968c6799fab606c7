"""What a patcher's program does, step by step. Knows the setup; knows nothing of CPUs fetching."""

from collections.abc import Iterator
from functools import singledispatch

from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Acknowledged, Ipi, Local, Move, Shared
from modelcheck.protocol.steps import SendIpi, Step, Store, WaitAcks, Write

PATCHER = 0
"""The number of the CPU that the patcher runs on."""


def moves(setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    """The next step of the program that runs on this CPU, if it can run now."""
    if local.pc < len(setup.program) and local.in_program:
        for move in _run(setup.program[local.pc], setup, shared, local):
            done = move.local.pc == len(setup.program)
            after = move.shared._replace(returned=done)
            here = move.local
            if setup.protocol.patcher_executes:
                here = setup.settled(here, after)
            yield move._replace(shared=after, local=here)


@singledispatch
def _run(step: Step, setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    raise NotImplementedError(type(step).__name__)


@_run.register
def _(step: Write, setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    size = len(step.data)
    every = (1 << size) - 1
    if step.order == "single":
        stores = [(0, step.data, every)]
    else:
        left = [i for i in range(size) if not local.written >> i & 1]
        if step.order == "ascending":
            left = left[:1]
        stores = [(i, step.data[i : i + 1], local.written | 1 << i) for i in left]
    for i, data, written in stores:
        memory = setup.layout.write(shared.memory, setup.sites[step.site], step.at + i, data)
        after = shared._replace(memory=memory)
        if written == every:
            yield Move(step.label, (i,), after, local._replace(pc=local.pc + 1, written=0))
        else:
            yield Move(step.label, (i,), after, local._replace(written=written))


@_run.register
def _(step: Store, setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    cells = list(shared.cells)
    cells[setup.cells[step.cell]] = step.value
    yield Move(step.label, (), shared._replace(cells=tuple(cells)), _next(local))


@_run.register
def _(step: SendIpi, setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    sent = _next(local)
    if setup.protocol.patcher_executes:
        sent = setup.synchronised(sent, shared)
    yield Move(step.label, (), shared, sent, broadcast=Ipi(PATCHER))


@_run.register
def _(step: WaitAcks, setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    yield Move(step.label, (), shared, _next(local), guard=Acknowledged(PATCHER))


def _next(local: Local) -> Local:
    return local._replace(pc=local.pc + 1)
