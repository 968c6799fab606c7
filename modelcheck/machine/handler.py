"""Routines: what a CPU does in the trap handler, and in the function that a new call calls.

Knows the setup, regions and what steps do; knows nothing of fetching.
"""

from collections.abc import Iterator
from functools import singledispatch

from modelcheck.machine.effects import Actor, effects, read
from modelcheck.machine.region import NEW, OLD
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Execution, Local, Move, Place, Shared, Trap
from modelcheck.protocol.code import Value
from modelcheck.protocol.properties import EFFECT, MONOTONE, SEQUENCE, STALE, UNHANDLED
from modelcheck.protocol.steps import Emulate, Lookup, NotOurs, Return, Skip, Step, Use


def moves(setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Iterator[Move]:
    """The next step of the routine that a CPU is in."""
    line = setup.routines[trap.in_callee][trap.pc]
    actor = actor._replace(for_all=False)
    for move, holds in _run(line.step, setup, shared, local, trap, actor):
        inside = move.local.trap
        if inside is not None:
            pc = line.then if holds else line.otherwise
            move = move._replace(local=move.local._replace(trap=inside._replace(pc=pc)))
            if isinstance(line.step, Lookup) and not holds and line.then == line.otherwise:
                move = _unhandled(setup, shared, local, trap)
        settled = setup.settled(move.local, shared)
        yield move._replace(label=line.step.label, local=settled, step=line.step)


Steps = Iterator[tuple[Move, bool]]
"""Moves, and whether a test held."""


@singledispatch
def _run(step: Step, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    for effect in effects(step, setup, shared, local, actor):
        yield Move("", effect.choice, effect.shared, effect.local), effect.holds


def place_of(local: Local, trap: Trap) -> Place:
    """Where the instruction is that trapped, or called."""
    return local.place or Place(trap.site, 0, -1)


def acted(setup: Setup, local: Local, site: int, kind: str) -> tuple[Local, bool]:
    """Note that the CPU acted as old or new; whether it went back from new to old."""
    if MONOTONE not in setup.watched:
        return local, False
    if kind == "new":
        return local._replace(acted_new=local.acted_new | 1 << site), False
    return local, kind == "old" and bool(local.acted_new >> site & 1)


def onward(setup: Setup, local: Local, place: Place, agreeing: int) -> tuple[Local, bool]:
    """The CPU behind an instruction that these forms agree with; whether the pass is torn."""
    if not setup.protocol.sites[place.site].is_region:
        return local, False
    after = setup.regions[place.site].onward(place, agreeing)
    return local._replace(place=after), not place.forms & agreeing


def _returned(setup: Setup, shared: Shared, local: Local, *, synchronises: bool) -> Local:
    back = local._replace(trap=None)
    return setup.synchronised(back, shared) if synchronises else back


def _acted_out(
    setup: Setup, shared: Shared, local: Local, trap: Trap, agreeing: int, execution: Execution
) -> Move:
    """The handler acts as an instruction that these forms of the site have there."""
    violations: list[str] = []
    kind = "old" if agreeing & OLD else "new" if agreeing & NEW else ""
    after, went_back = acted(setup, local, trap.site, kind)
    if went_back:
        violations.append(MONOTONE)
    # In a region, the pass goes on behind the instruction once the handler returns.
    after, torn = onward(setup, after, place_of(local, trap), agreeing)
    if torn:
        violations.append(SEQUENCE)
    return Move("", (), shared, after, execution=execution, violations=setup.watch(*violations))


@_run.register
def _(step: Lookup, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    cell = setup.cells[step.cell]
    value = read(setup, shared, local, cell)
    found = _searched(setup, trap.site, value) if step.search else bool(value)
    if found:
        trap = trap._replace(found=(*_others(trap, cell), (cell, value)))
    yield Move("", (), shared, local._replace(trap=trap)), found


def _others(trap: Trap, cell: int) -> tuple[tuple[int, Value], ...]:
    return tuple(entry for entry in trap.found if entry[0] != cell)


def _searched(setup: Setup, site: int, value: Value) -> bool:
    """Whether a binary search by address finds the site among those that the value names."""
    names = value if isinstance(value, tuple) else ()
    wanted = setup.protocol.sites[site].address
    low, high = 0, len(names)
    while low < high:
        middle = (low + high) // 2
        address = setup.protocol.sites[setup.sites[names[middle]]].address
        if address == wanted:
            return True
        low, high = (middle + 1, high) if address < wanted else (low, middle)
    return False


def _stale(setup: Setup, shared: Shared, local: Local, trap: Trap, cell: int) -> bool:
    """Whether a cell has changed since it was looked up, or nothing was found in it."""
    found = dict(trap.found)
    return cell not in found or read(setup, shared, local, cell) != found[cell]


@_run.register
def _(step: Use, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    stale = _stale(setup, shared, local, trap, setup.cells[step.cell])
    yield Move("", (), shared, local, violations=setup.watch(STALE) if stale else ()), True


@_run.register
def _(step: Emulate, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    place = place_of(local, trap)
    data, agreeing = setup.regions[trap.site].emulated(place.offset, step.instruction)
    execution = Execution(trap.site, data, "emulated", place.offset)
    move = _acted_out(setup, shared, local, trap, agreeing, execution)
    if step.cell is not None and _stale(setup, shared, local, trap, setup.cells[step.cell]):
        move = move._replace(violations=(*setup.watch(STALE), *move.violations))
    yield move, True


@_run.register
def _(step: Skip, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    place = place_of(local, trap)
    agreeing = setup.regions[trap.site].skipped(place.offset, setup.protocol.architecture)
    execution = Execution(trap.site, b"", "skipped", place.offset)
    move = _acted_out(setup, shared, local, trap, agreeing, execution)
    if not agreeing:
        move = move._replace(violations=(*setup.watch(EFFECT), *move.violations))
    yield move, True


@_run.register
def _(step: Return, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    back = _returned(setup, shared, local, synchronises=step.synchronises)
    yield Move("", (), shared, back), True


@_run.register
def _(step: NotOurs, setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Steps:
    yield _unhandled(setup, shared, local, trap, synchronises=step.synchronises), True


def _unhandled(
    setup: Setup, shared: Shared, local: Local, trap: Trap, *, synchronises: bool | None = None
) -> Move:
    """Nobody handles the trap, which is right only for one that is none of ours."""
    if synchronises is None:
        synchronises = setup.return_synchronises
    back = _returned(setup, shared, local, synchronises=synchronises)._replace(place=None)
    violations = () if setup.protocol.sites[trap.site].foreign else setup.watch(UNHANDLED)
    return Move("", (), shared, back, violations=violations)
