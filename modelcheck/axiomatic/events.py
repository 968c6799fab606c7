"""What patchers do, as events in program order: all of it that a fetch can tell.

Knows protocols.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import NamedTuple, assert_never

from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import Action, Actions, ActionT, awaited, first, told
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import Line, Step, flatten, flow


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
    actions: Actions
    program: int = 0
    name: str = ""
    holds: bool = True

    def first(self, kind: type[ActionT]) -> ActionT | None:
        """The first action of a kind, if there is one."""
        return first(kind, self.actions)

    @property
    def told(self) -> do.Message | None:
        """What the step tells all CPUs, if anything."""
        return told(self.actions)

    @property
    def awaited(self) -> do.Awaited | None:
        """What the step waits for all CPUs to answer, if anything."""
        return awaited(self.actions)


Events = tuple[Event, ...]
"""Events of one way through the programs of all patchers, of each in program order."""


OfCell = do.Set | do.Change | do.Ask | do.Need
"""Actions that change a cell of data or ask for it."""


def of_cells(actions: Actions) -> Iterator[OfCell]:
    """What a step does to cells of data."""
    return (action for action in actions if isinstance(action, OfCell))


def orders(actions: Actions) -> bool:
    """Whether a step orders what a CPU fetches, and does nothing else that could be told."""
    ordering = do.Tell | do.Await | do.Drained | do.Ordered | do.Clean | do.Drop
    return any(isinstance(action, ordering) for action in actions) and not any(of_cells(actions))


def alone(actions: Actions) -> bool:
    """Whether a fetch on the patcher's own CPU can tell the step."""
    return any(isinstance(action, do.Refresh | do.Mask) for action in actions)


def is_barrier(protocol: Protocol, actions: Actions) -> bool:
    """Whether a step lets no store or clean of its CPU pass it, in either direction."""
    covers = protocol.architecture.sync_orders_stores and first(do.Refresh, actions) is not None
    return covers or first(do.Ordered, actions) is not None


def _is_grace(actions: Actions) -> bool:
    return isinstance(told(actions), do.Grace) or awaited(actions) == "quiescent"


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
            {action.cell for step in flatten(program) for action in of_cells(step.actions())}
            for program in protocol.patcher_programs.values()
        ]
        self._contended = {cell for cells in used for cell in cells if _count(cell, used) > 1}
        self._regions = any(site.is_region for site in protocol.sites)
        self._under_way = protocol.stores == "weak" or not protocol.coherent_icache
        steps = [
            step for program in protocol.patcher_programs.values() for step in flatten(program)
        ]
        barriers = self._under_way and any(is_barrier(protocol, s.actions()) for s in steps)
        self._recorded = (
            self._contended
            | mapped(protocol)
            | (asked(protocol) if self._regions else set())
            | ({cell for cells in used for cell in cells} if barriers else set())
        )

    def _is_visible(self, actions: Actions) -> bool:
        """Whether a fetch can tell that a step is done."""
        if not self._regions and _is_grace(actions):
            return False
        return (
            first(do.Put, actions) is not None
            or orders(actions)
            or (bool(self._protocol.cpu_program) and alone(actions))
            or (self._protocol.stores == "weak" and first(do.Drained, actions) is not None)
            or (self._under_way and is_barrier(self._protocol, actions))
            or any(action.cell in self._recorded for action in of_cells(actions))
        )

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
        actions = line.actions
        if awaited(actions) == ("unstopped" if way.stopped else "stopped"):
            return
        message = told(actions)
        stopped = isinstance(message, do.Stop) or (
            way.stopped and not isinstance(message, do.Release)
        )
        for holds, cells in self._outcomes(line.step, actions, way.cells):
            found = way.events
            if self._is_visible(actions):
                name = prefix + line.step.label
                found = (*found, Event(self._units[name], actions, program, name, holds))
            yield _Way(line.then if holds else line.otherwise, cells, found, stopped)

    def _outcomes(
        self, step: Step, actions: Actions, cells: dict[str, Value]
    ) -> Iterator[tuple[bool, dict[str, Value]]]:
        """How a step may turn out, and what the program then knows of the cells."""
        if not actions:
            yield True, cells
            return
        for holds, known in self._outcomes_of(step, actions[0], cells):
            if holds:
                yield from self._outcomes(step, actions[1:], known)
            else:
                yield False, known

    def _outcomes_of(
        self, step: Step, action: Action, cells: dict[str, Value]
    ) -> Iterator[tuple[bool, dict[str, Value]]]:
        match action:
            case do.Set():
                yield True, {**cells, action.cell: action.value}
            case do.Change():
                yield True, {**cells, action.cell: _plus(cells[action.cell], action.amount)}
            case do.Ask():
                if action.cell in self._told:
                    raise NotCoveredError(
                        f"step {step.label!r} asks for {action.cell!r}, which trap handlers change"
                    )
                answer = (cells[action.cell] == action.value) is action.equal
                open_ = action.cell in self._contended
                if open_ or answer:
                    known = {action.cell: action.value} if action.equal else {}
                    yield True, {**cells, **known}
                if open_ or not answer:
                    yield False, cells
            case do.Need():
                right = cells[action.cell] == action.value
                if not right and action.cell in self._told:
                    raise NotCoveredError(
                        f"step {step.label!r} waits for {action.cell!r}, which trap handlers change"
                    )
                if right or action.cell in self._contended:
                    yield True, {**cells, action.cell: action.value}
            case (
                do.Put()
                | do.Drained()
                | do.Ordered()
                | do.Refresh()
                | do.Clean()
                | do.Drop()
                | do.Tell()
                | do.Await()
                | do.Mask()
            ):
                yield True, cells
            case do.Mode() | do.Run() | do.Find() | do.Follow() | do.Act() | do.Leave():
                raise NotCoveredError(not_covered(step, action))
            case _:
                assert_never(action)


def not_covered(step: Step, action: Action) -> str:
    """That the axioms do not say what an action does, and where it is used."""
    where = f" ({step.source})" if step.source else ""
    kind = type(action).__name__
    return f"the axioms do not cover {kind}, used by step {step.label!r}{where}"


def _count(cell: str, used: list[set[str]]) -> int:
    return sum(cell in cells for cells in used)


def asked(protocol: Protocol) -> set[str]:
    """The cells that the trap handler asks for."""
    handler = protocol.handler.program if protocol.handler else ()
    actions = (action for step in flatten(handler) for action in step.actions())
    return {action.cell for action in actions if isinstance(action, do.Ask | do.Find)}


def puts(protocol: Protocol) -> Iterator[do.Put]:
    """All that the patchers write to code."""
    for program in protocol.patcher_programs.values():
        for step in flatten(program):
            yield from (action for action in step.actions() if isinstance(action, do.Put))


def mapped(protocol: Protocol) -> set[str]:
    """The cells that tell where a write goes."""
    return {put.through for put in puts(protocol) if put.through is not None}


def _plus(value: Value, amount: int) -> int:
    assert isinstance(value, int)
    return value + amount


def _check_covered(protocol: Protocol) -> None:
    several = bool(protocol.patchers)
    steps = [step for program in protocol.patcher_programs.values() for step in flatten(program)]
    stops = any(isinstance(told(step.actions()), do.Stop) for step in steps)
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
            "several sites, and stores in order to caches that are not coherent",
            not (weak or protocol.coherent_icache) and len(protocol.sites) > 1,
        ),
        (
            "a region of several instructions, and a callee that serialises",
            any(site.is_region for site in protocol.sites)
            and any(first(do.Refresh, step.actions()) for step in flatten(protocol.callee)),
        ),
        (
            "a trap in a region of several instructions, whose handler's data come by weak stores",
            weak and any(site.is_region for site in protocol.sites) and bool(asked(protocol)),
        ),
    ):
        if present:
            raise NotCoveredError(f"{protocol.name} has {missing}")


def _told_by_cpus(protocol: Protocol) -> set[str]:
    """The cells that CPUs may change in their handlers and callees.

    Raises NotCoveredError for whatever else these do that others can see.
    """
    handler = protocol.handler.program if protocol.handler else ()
    found = set()
    for step in flatten((*handler, *protocol.callee)):
        for action in step.actions():
            match action:
                case do.Set() | do.Change():
                    found.add(action.cell)
                case do.Ask() | do.Drained() | do.Ordered() | do.Refresh() | do.Find():
                    pass
                case do.Follow() | do.Act() | do.Leave():
                    pass
                case (
                    do.Put()
                    | do.Need()
                    | do.Clean()
                    | do.Drop()
                    | do.Tell()
                    | do.Await()
                    | do.Mask()
                    | do.Mode()
                    | do.Run()
                ):
                    raise NotCoveredError(not_covered(step, action))
                case _:
                    assert_never(action)
    return found


def unit_names(protocol: Protocol) -> dict[str, str]:
    """What a reader takes each step of the patchers for, by its name."""
    return {name: unit.name for name, unit in _units(protocol).items()}


def _units(protocol: Protocol) -> dict[str, Unit]:
    """The unit of each step: a write by itself, and all else together with its block."""
    blocks: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, step in steps_by_name(protocol).items():
        in_block = orders(step.actions()) and "/" in step.label
        names[name] = name.rpartition("/")[0] if in_block else name
        blocks.setdefault(names[name], []).append(name)
    return {name: Unit(unit, tuple(blocks[unit])) for name, unit in names.items()}
