"""The cases to tell apart: what the patchers do, who fetches, and how it came to that place.

Knows events and regions; knows nothing of time.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from modelcheck.axiomatic.events import (
    Events,
    NotCoveredError,
    executions,
    not_covered,
    puts,
)
from modelcheck.machine.region import Region
from modelcheck.machine.state import Place
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import Action, first
from modelcheck.protocol.code import Site, Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import Step, flatten, flow


class Fetcher(NamedTuple):
    """The CPU that fetches.

    With `own` it is the patcher's, in an interrupt. Otherwise, with `user`, it may have been in
    user mode before, where a deferred IPI does not reach it; `flushes` tells whether its kernel
    entry makes up for that, and `flushed` whether it has done so before the fetch.
    """

    own: bool = False
    user: bool = False
    flushes: bool = False
    flushed: bool = False


ANY_CPU = Fetcher()
"""A CPU that runs the sites at any time."""


class Found(NamedTuple):
    """What a trap handler finds in a cell: one of some values."""

    cell: str
    among: tuple[Value, ...]


class Pass(NamedTuple):
    """An instruction that a CPU has passed: its offset in the site and its bytes.

    A trap was `handled` by acting as an instruction, after these `answers`; `serialises` tells
    whether the instruction does, or the return from the handler.
    """

    offset: int
    data: bytes
    handled: bool = False
    answers: tuple[Found, ...] = ()
    serialises: bool = False


class Case(NamedTuple):
    """A fetch at `offset` of a site, after the instructions of `walk`.

    `forms` has a bit for each form of the site that all of these instructions agree with.
    """

    events: Events
    fetcher: Fetcher = ANY_CPU
    offset: int = 0
    walk: tuple[Pass, ...] = ()
    forms: int = -1


def cases(protocol: Protocol, site: Site) -> Iterator[Case]:
    """All cases of a fetch of a site. Raises NotCoveredError."""
    every = [*executions(protocol)], [*fetchers(protocol, site)], [*walks(protocol, site)]
    for events, fetcher, (place, walk) in product(*every):
        yield Case(events, fetcher, place.offset, walk, place.forms)


def only_case(protocol: Protocol, site: Site) -> Case:
    """The case of a site that has but one. Raises NotCoveredError if there are more."""
    if site.is_region:
        raise NotCoveredError(f"{site.name} is a region of several instructions")
    some = list(cases(protocol, site))
    if protocol.patchers or [case.fetcher for case in some] != [ANY_CPU]:
        raise NotCoveredError(f"{protocol.name} has several patchers, or a program that CPUs run")
    return some[0]


# Who fetches.


def fetchers(protocol: Protocol, site: Site) -> Iterator[Fetcher]:
    """The CPUs that may fetch a site, where each stands for all others like it."""
    if not protocol.cpu_program:
        # The patcher's own CPU sees nothing then that others could not.
        yield ANY_CPU
        return
    steps = [*flatten(protocol.cpu_program)]
    for step in steps:
        for action in step.actions():
            _check_cpu_does(step, action)
    for number, step in enumerate(steps):
        run = first(do.Run, step.actions())
        if run is not None and site.name in run.sites:
            yield _fetcher_at(steps, number)
    if protocol.patcher_executes:
        yield Fetcher(own=True)


def _check_cpu_does(step: Step, action: Action) -> None:
    """Raises NotCoveredError for what a CPU's program may not do here."""
    match action:
        case do.Run() | do.Mode() | do.Refresh(if_deferred=True):
            pass
        case _:
            raise NotCoveredError(f"a CPU's program: {not_covered(step, action)}")


def _fetcher_at(steps: list[Step], number: int) -> Fetcher:
    """A CPU that fetches at this step of its program, which it runs over and over."""
    before = [*steps[number + 1 :], *steps[:number]][::-1]
    found = [(at, first(do.Mode, step.actions())) for at, step in enumerate(before)]
    modes = [(at, mode) for at, mode in found if mode]
    if not modes:
        return ANY_CPU
    (newest, mode), (oldest, _) = modes[0], modes[-1]
    since_entry, in_user = before[:newest], before[newest:oldest]
    if len(modes) > 2 or mode.user or _flushes(in_user):
        raise NotCoveredError(f"a CPU fetches or flushes in user mode, at {steps[number].label!r}")
    return Fetcher(user=True, flushes=_flushes(before), flushed=_flushes(since_entry))


def _flushes(steps: list[Step]) -> bool:
    return any(first(do.Refresh, step.actions()) for step in steps)


# How a CPU came to where it fetches.


def walks(protocol: Protocol, site: Site) -> Iterator[tuple[Place, tuple[Pass, ...]]]:
    """Where CPUs fetch an instruction, and what they may have passed in the site before."""
    region = Region(0, site)
    trap = protocol.handler.trap if protocol.handler else b""
    todo: list[tuple[Place, tuple[Pass, ...]]] = [(place, ()) for place in region.entries()]
    while todo:
        place, walk = todo.pop()
        yield place, walk
        if not site.is_region:
            continue
        for data in region.known(place.offset):
            if not (trap and data.startswith(trap)) and _may_be(protocol, site, place, data):
                after = region.onward(place, region.agreeing(place.offset, data))
                if after is not None:
                    serialises = protocol.architecture.serialises(data)
                    passed = Pass(place.offset, data, serialises=serialises)
                    todo.append((after, (*walk, passed)))
        if trap and _may_be(protocol, site, place, trap):
            todo += ((after, (*walk, done)) for done, after in _handled(protocol, region, place))


def _may_be(protocol: Protocol, site: Site, place: Place, data: bytes) -> bool:
    """Whether each of these bytes is there at first, or some write puts it there."""
    values = [{byte} for byte in site.old]
    for put in puts(protocol):
        if put.site == site.name or put.through:
            for byte, value in enumerate(put.data, start=put.at):
                values[byte].add(value)
    there = values[place.offset : place.offset + len(data)]
    return len(there) == len(data) and all(
        value in known for value, known in zip(data, there, strict=True)
    )


def _handled(protocol: Protocol, region: Region, place: Place) -> Iterator[tuple[Pass, Place]]:
    """The ways in which the handler leads a CPU further into a region.

    One that is only tried again, or that leads out of the region, needs no mention.
    """
    assert protocol.handler is not None
    lines = flow(protocol.handler.program)
    todo = [_Way(0, (), (), place, False)]
    while todo:
        way = todo.pop()
        line = lines[way.at]
        if not way.left:
            way = way._replace(left=line.actions)
        if not way.left:
            todo.append(way._replace(at=line.then))
            continue
        action, left = way.left[0], way.left[1:]
        # Behind the last action the next step comes.
        held = way._replace(left=left) if left else way._replace(at=line.then, left=())
        match action:
            case do.Ask() | do.Find():
                right, wrong = _answers(protocol, line.step, action)
                todo.append(held._replace(answers=(*way.answers, right)))
                if isinstance(action, do.Ask) or line.then != line.otherwise:
                    other = way._replace(at=line.otherwise, left=())
                    todo.append(other._replace(answers=(*way.answers, wrong)))
            case do.Act() if not way.acted:
                if action.instruction == "no-op":
                    forms = region.skipped(place.offset, protocol.architecture)
                else:
                    _, forms = region.emulated(place.offset, action.instruction)
                todo.append(held._replace(after=region.onward(place, forms), acted=True))
            case do.Leave():
                if action.handled and way.acted and way.after is not None:
                    trap, answers = protocol.handler.trap, way.answers
                    yield Pass(place.offset, trap, True, answers, action.synchronises), way.after
            case do.Follow():
                todo.append(held)
            case _:
                raise NotCoveredError(
                    f"in a region, the trap handler's step {line.step.label!r} does more than to "
                    "ask and to act as one instruction"
                )


class _Way(NamedTuple):
    """A way through the handler: the step it is at, the actions of it that are left, the answers
    it was given, and where the CPU is to go on, once it has acted."""

    at: int
    left: tuple[Action, ...]
    answers: tuple[Found, ...]
    after: Place | None
    acted: bool


def _answers(protocol: Protocol, step: Step, action: do.Ask | do.Find) -> tuple[Found, Found]:
    """What a cell holds where a test holds, and where it does not."""
    if isinstance(action, do.Find) and action.search:
        raise NotCoveredError(f"in a region, the trap handler searches at step {step.label!r}")
    known = values(protocol, action.cell)

    def holds(value: Value) -> bool:
        if isinstance(action, do.Ask):
            return (value == action.value) is action.equal
        return bool(value)

    right = tuple(value for value in known if holds(value))
    wrong = tuple(value for value in known if not holds(value))
    return Found(action.cell, right), Found(action.cell, wrong)


def values(protocol: Protocol, cell: str) -> tuple[Value, ...]:
    """All values that a cell may have. Raises NotCoveredError for one that is counted up."""
    found = [one.initial for one in protocol.cells if one.name == cell]
    for program in protocol.patcher_programs.values():
        for step in flatten(program):
            for action in step.actions():
                if isinstance(action, do.Set) and action.cell == cell:
                    found.append(action.value)
                elif isinstance(action, do.Change) and action.cell == cell:
                    raise NotCoveredError(
                        f"step {step.label!r} counts in {cell!r}, which is asked for"
                    )
    return tuple(dict.fromkeys(found))
