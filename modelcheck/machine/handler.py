"""What a trap handler finds, relies on, acts as, and how it returns.

Knows the setup, regions and stores; knows nothing of programs, nor of fetching.
"""

from typing import NamedTuple

from modelcheck.machine.region import kind_of
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Execution, Local, Place, Shared, Trap
from modelcheck.machine.stores import read
from modelcheck.protocol.actions import Act, Find, Follow, Leave
from modelcheck.protocol.code import Value
from modelcheck.protocol.properties import EFFECT, MONOTONE, SEQUENCE, STALE, UNHANDLED


class Handled(NamedTuple):
    """What an action makes of the CPU that is in a handler; a look-up may not find anything."""

    local: Local
    violations: tuple[str, ...] = ()
    execution: Execution | None = None
    found: bool = True


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


def find(action: Find, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Handled:
    """Look a cell up, and remember what it held if that is something."""
    cell = setup.cells[action.cell]
    value = read(setup, shared, local, cell)
    found = _searched(setup, trap.site, value) if action.search else bool(value)
    if found:
        others = tuple(entry for entry in trap.found if entry[0] != cell)
        trap = trap._replace(found=(*others, (cell, value)))
    return Handled(local._replace(trap=trap), found=found)


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


def follow(action: Follow, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Handled:
    """Rely on what was found: stale if the cell has changed since, or if nothing was found."""
    cell, found = setup.cells[action.cell], dict(trap.found)
    now = read(setup, shared, local, cell)
    stale = cell not in found or now != found[cell] or setup.is_many(cell, now)
    return Handled(local, setup.watch(STALE) if stale else ())


def act(action: Act, setup: Setup, local: Local, trap: Trap) -> Handled:
    """Act as an instruction, and go on behind it once the handler returns.

    Where the trap is what some form has there, the CPU has acted as that form by trapping.
    """
    place = place_of(local, trap)
    region = setup.regions[trap.site]
    violations: list[str] = []
    if action.instruction == "no-op":
        agreeing = region.skipped(place.offset, setup.protocol.architecture)
        if not agreeing:
            violations.append(EFFECT)
        execution = Execution(trap.site, b"", "skipped", place.offset)
    else:
        data, agreeing = region.emulated(place.offset, action.instruction)
        execution = Execution(trap.site, data, "emulated", place.offset)
        local = local._replace(trap=trap._replace(calls=setup.callee(trap.site, agreeing, data)))
    own = 0 if trap.in_callee else setup.trap_forms(trap.site, place.offset)
    after, went_back = acted(setup, local, trap.site, "trap" if own else kind_of(agreeing))
    if went_back:
        violations.append(MONOTONE)
    agreeing |= own
    after, torn = onward(setup, after, place, agreeing)
    if torn:
        violations.append(SEQUENCE)
    return Handled(after, setup.watch(*violations), execution)


def leave(action: Leave, setup: Setup, shared: Shared, local: Local, trap: Trap) -> Handled:
    """Return; a trap that is left to others is handled only where it is none of ours."""
    back = local._replace(trap=None)
    if action.synchronises:
        back = setup.synchronised(back, shared)
    if action.handled:
        called = Trap(trap.site, 0, routine=trap.calls) if trap.calls else None
        return Handled(back._replace(trap=called))
    foreign = setup.protocol.sites[trap.site].foreign
    return Handled(back._replace(place=None), () if foreign else setup.watch(UNHANDLED))
