"""What patchers do, as events in program order: all of it that a fetch can tell.

Knows protocols.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import NamedTuple

from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.steps import (
    Add,
    CleanDcache,
    Fence,
    IncrementUnlessZero,
    InvalidateIcache,
    IrqOff,
    IrqOn,
    Line,
    Lock,
    Lookup,
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
    flatten,
    flow,
)


class NotCoveredError(Exception):
    """The axioms do not say what a protocol like this does; the message tells what is missing."""


class Unit(NamedTuple):
    """What a reader takes for one step: a step, or the steps that one block is made of.

    `labels` are those that an edit takes out to be rid of it.
    """

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """A step of a patcher that a fetch can tell, and the unit that it belongs to.

    `program` is the number of the patcher; `name` is what edits call the step. Of a test, `holds`
    tells how it turns out.
    """

    unit: Unit
    step: Step
    program: int = 0
    name: str = ""
    holds: bool = True


Events = tuple[Event, ...]
"""Events of one way through the programs of all patchers, of each in program order."""


ORDERING = (
    SendIpi,
    WaitAcks,
    StopCpus,
    WaitStopped,
    ReleaseCpus,
    StartGrace,
    WaitGrace,
    Fence,
    CleanDcache,
    InvalidateIcache,
)
"""Steps that order what a CPU fetches, besides the writes."""


CELL_STEPS = (Store, Add, Lock, Unlock, Test, WaitUntil, IncrementUnlessZero)
"""Steps that change a cell of data or ask for it."""

ALONE = (Serialise, IrqOff, IrqOn)
"""Steps that only a fetch on the patcher's own CPU can tell."""


def steps_by_name(protocol: Protocol) -> dict[str, Step]:
    """The steps of all patchers."""
    return {
        prefix + step.label: step
        for prefix, program in protocol.patcher_programs.items()
        for step in flatten(program)
    }


def executions(protocol: Protocol) -> Iterator[Events]:
    """All ways through the patchers' programs, each up to where it ends or waits for ever.

    A CPU that runs the sites at any time and is in no handler holds nobody up, and nothing that
    it does changes what another CPU fetches. So the programs are run here as if there were no
    CPUs. What a patcher finds in a cell that others change is left open: each test of it may turn
    out either way here. Raises NotCoveredError where that is not the whole story.
    """
    _check_covered(protocol)
    reader = _Reader(protocol)
    ways = [
        list(reader.ways(number, prefix, flow(program)))
        for number, (prefix, program) in enumerate(protocol.patcher_programs.items())
    ]
    return (tuple(chain(*chosen)) for chosen in product(*ways))


@dataclass(frozen=True)
class _Way:
    """A program that has come to line `at`, what it knows of cells, and the events so far."""

    at: int
    cells: dict[str, Value]
    events: tuple[Event, ...] = ()
    stopped: bool = False
    """Whether CPUs have been asked to stop."""


class _Reader:
    """Follows the programs of a protocol's patchers."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._units = _units(protocol)
        self._told = _told_by_cpus(protocol)
        used = [
            {step.cell for step in flatten(program) if isinstance(step, CELL_STEPS)}
            for program in protocol.patcher_programs.values()
        ]
        self._contended = {cell for cells in used for cell in cells if _count(cell, used) > 1}
        regions = any(site.is_region for site in protocol.sites)
        self._recorded = (
            self._contended | mapped(protocol) | (asked(protocol) if regions else set())
        )
        kinds = [Write, *ORDERING, *(ALONE if protocol.cpu_program else ())]
        if protocol.stores == "weak":
            kinds.append(Unlock)
        if not regions:
            kinds = [kind for kind in kinds if kind not in (StartGrace, WaitGrace)]
        self._visible = tuple(kinds)

    def ways(self, program: int, prefix: str, lines: tuple[Line, ...]) -> Iterator[Events]:
        """All ways through a program, as events; `prefix` begins their names."""
        todo = [_Way(0, {cell.name: cell.initial for cell in self._protocol.cells})]
        while todo:
            way = todo.pop()
            if way.at == len(lines):
                yield way.events
                continue
            onward = list(self._onward(program, prefix, lines[way.at], way))
            if not onward:
                yield way.events
            todo += reversed(onward)

    def _onward(self, program: int, prefix: str, line: Line, way: _Way) -> Iterator[_Way]:
        """Where a program goes on; nowhere if it waits for ever."""
        step = line.step
        if isinstance(step, WaitStopped) and not way.stopped:
            return
        stopped = isinstance(step, StopCpus) or (way.stopped and not isinstance(step, ReleaseCpus))
        for holds, cells in self._outcomes(step, way.cells):
            found = way.events
            if isinstance(step, self._visible) or (
                isinstance(step, CELL_STEPS) and step.cell in self._recorded
            ):
                name = prefix + step.label
                found = (*found, Event(self._units[name], step, program, name, holds))
            yield _Way(line.then if holds else line.otherwise, cells, found, stopped)

    def _outcomes(
        self, step: Step, cells: dict[str, Value]
    ) -> Iterator[tuple[bool, dict[str, Value]]]:
        """How a step may turn out, and what the program then knows of the cells."""
        if not isinstance(step, CELL_STEPS):
            yield True, cells
            return
        cell, value = step.cell, cells[step.cell]
        open_ = cell in self._contended
        match step:
            case Store():
                yield True, {**cells, cell: step.value}
            case Add():
                yield True, {**cells, cell: _plus(value, step.amount)}
            case Unlock():
                yield True, {**cells, cell: 0}
            case Test() | IncrementUnlessZero() if cell in self._told:
                raise NotCoveredError(
                    f"step {step.label!r} asks for {cell!r}, which trap handlers change"
                )
            case Test():
                if open_ or value == step.value:
                    yield True, {**cells, cell: step.value}
                if open_ or value != step.value:
                    yield False, cells
            case IncrementUnlessZero():
                if open_ or value:
                    yield True, {**cells, cell: _plus(value, 1)}
                if open_ or not value:
                    yield False, cells
            case WaitUntil() | Lock():
                wanted = step.value if isinstance(step, WaitUntil) else 0
                if value != wanted and cell in self._told:
                    raise NotCoveredError(
                        f"step {step.label!r} waits for {cell!r}, which trap handlers change"
                    )
                if open_ or value == wanted:
                    yield True, {**cells, cell: 1 if isinstance(step, Lock) else wanted}


def _count(cell: str, used: list[set[str]]) -> int:
    return sum(cell in cells for cells in used)


def asked(protocol: Protocol) -> set[str]:
    """The cells that the trap handler asks for."""
    handler = protocol.handler.program if protocol.handler else ()
    return {step.cell for step in flatten(handler) if isinstance(step, Test | Lookup)}


def mapped(protocol: Protocol) -> set[str]:
    """The cells that tell where a write goes."""
    return {
        step.through
        for program in protocol.patcher_programs.values()
        for step in flatten(program)
        if isinstance(step, Write) and step.through is not None
    }


def _plus(value: Value, amount: int) -> int:
    assert isinstance(value, int)
    return value + amount


def _check_covered(protocol: Protocol) -> None:
    several = bool(protocol.patchers)
    steps = [step for program in protocol.patcher_programs.values() for step in flatten(program)]
    stops = any(isinstance(step, StopCpus) for step in steps)
    weak = protocol.stores == "weak"
    for missing, present in (
        ("several patchers, whose stores are weak", several and weak),
        (
            "several patchers, of caches that are not coherent",
            several and not protocol.coherent_icache,
        ),
        ("several patchers, one of which stops the CPUs", several and stops),
        ("several patchers, and a program that CPUs run", several and bool(protocol.cpu_program)),
        ("a program that CPUs run, and weak stores", bool(protocol.cpu_program) and weak),
        ("a write through a shared mapping, and weak stores", bool(mapped(protocol)) and weak),
        (
            "a trap in a region of several instructions, whose handler's data come by weak stores",
            weak and any(site.is_region for site in protocol.sites) and bool(asked(protocol)),
        ),
    ):
        if present:
            raise NotCoveredError(f"{protocol.name} has {missing}")


def _told_by_cpus(protocol: Protocol) -> set[str]:
    """The cells that CPUs may change."""
    handler = protocol.handler.program if protocol.handler else ()
    return {
        step.cell
        for step in flatten((*handler, *protocol.callee))
        if isinstance(step, Store | Add | IncrementUnlessZero)
    }


def unit_names(protocol: Protocol) -> dict[str, str]:
    """What a reader takes each step of the patchers for, by its name."""
    return {name: unit.name for name, unit in _units(protocol).items()}


def _units(protocol: Protocol) -> dict[str, Unit]:
    """The unit of each step: a write by itself, and all else together with its block."""
    blocks: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, step in steps_by_name(protocol).items():
        in_block = isinstance(step, ORDERING) and "/" in step.label
        names[name] = name.rpartition("/")[0] if in_block else name
        blocks.setdefault(names[name], []).append(name)
    return {name: Unit(unit, tuple(blocks[unit])) for name, unit in names.items()}
