"""The cases to tell apart: what the patchers do, who fetches, and how it came to that place.

Knows events and regions; knows nothing of time.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from modelcheck.axiomatic.events import Events, NotCoveredError, executions
from modelcheck.machine.region import Region
from modelcheck.machine.state import Place
from modelcheck.protocol.code import Site, Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.steps import (
    Add,
    Emulate,
    EnterUser,
    Execute,
    Flush,
    IncrementUnlessZero,
    LeaveUser,
    Lookup,
    NotOurs,
    Pause,
    Return,
    Skip,
    Step,
    Store,
    Test,
    Use,
    Write,
    flatten,
    flow,
)


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


class Answer(NamedTuple):
    """What a trap handler finds in a cell: one of some values."""

    cell: str
    among: tuple[Value, ...]


class Pass(NamedTuple):
    """An instruction that a CPU has passed: its offset in the site and its bytes.

    A trap was `handled` by acting as an instruction, after these `answers`; `serialises` tells
    whether the return from the handler does.
    """

    offset: int
    data: bytes
    handled: bool = False
    answers: tuple[Answer, ...] = ()
    serialises: bool = False


class Case(NamedTuple):
    """A fetch at `offset` of a site, after the instructions of `walk`."""

    events: Events
    fetcher: Fetcher = ANY_CPU
    offset: int = 0
    walk: tuple[Pass, ...] = ()


def cases(protocol: Protocol, site: Site) -> Iterator[Case]:
    """All cases of a fetch of a site. Raises NotCoveredError."""
    every = [*executions(protocol)], [*fetchers(protocol, site)], [*walks(protocol, site)]
    for events, fetcher, (offset, walk) in product(*every):
        yield Case(events, fetcher, offset, walk)


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
        if not isinstance(step, Execute | EnterUser | LeaveUser | Flush | Pause):
            raise NotCoveredError(f"a CPU's program has step {step.label!r}")
    for number, step in enumerate(steps):
        if isinstance(step, Execute) and site.name in step.sites:
            yield _fetcher_at(steps, number)
    if protocol.patcher_executes:
        yield Fetcher(own=True)


def _fetcher_at(steps: list[Step], number: int) -> Fetcher:
    """A CPU that fetches at this step of its program, which it runs over and over."""
    before = [*steps[number + 1 :], *steps[:number]][::-1]
    modes = [step for step in before if isinstance(step, EnterUser | LeaveUser)]
    if not modes:
        return ANY_CPU
    since_entry = before[: before.index(modes[0])]
    in_user = before[before.index(modes[0]) : before.index(modes[-1])]
    if len(modes) > 2 or isinstance(modes[0], EnterUser) or _flushes(in_user):
        raise NotCoveredError(f"a CPU fetches or flushes in user mode, at {steps[number].label!r}")
    return Fetcher(user=True, flushes=_flushes(before), flushed=_flushes(since_entry))


def _flushes(steps: list[Step]) -> bool:
    return any(isinstance(step, Flush) for step in steps)


# How a CPU came to where it fetches.


def walks(protocol: Protocol, site: Site) -> Iterator[tuple[int, tuple[Pass, ...]]]:
    """Where CPUs fetch an instruction, and what they may have passed in the site before."""
    region = Region(0, site)
    trap = protocol.handler.trap if protocol.handler else b""
    todo: list[tuple[Place, tuple[Pass, ...]]] = [(place, ()) for place in region.entries()]
    while todo:
        place, walk = todo.pop()
        yield place.offset, walk
        if not site.is_region:
            continue
        for data in region.known(place.offset):
            if not (trap and data.startswith(trap)) and _may_be(protocol, site, place, data):
                after = region.onward(place, region.agreeing(place.offset, data))
                if after is not None:
                    todo.append((after, (*walk, Pass(place.offset, data))))
        if trap and _may_be(protocol, site, place, trap):
            todo += ((after, (*walk, done)) for done, after in _handled(protocol, region, place))


def _may_be(protocol: Protocol, site: Site, place: Place, data: bytes) -> bool:
    """Whether each of these bytes is there at first, or some write puts it there."""
    values = [{byte} for byte in site.old]
    for program in protocol.patcher_programs.values():
        for step in flatten(program):
            if isinstance(step, Write) and (step.site == site.name or step.through):
                for byte, value in enumerate(step.data, start=step.at):
                    values[byte].add(value)
    there = values[place.offset : place.offset + len(data)]
    return all(value in known for value, known in zip(data, there, strict=False))


def _handled(protocol: Protocol, region: Region, place: Place) -> Iterator[tuple[Pass, Place]]:
    """The ways in which the handler leads a CPU further into a region.

    One that is only tried again, or that leads out of the region, needs no mention.
    """
    assert protocol.handler is not None
    lines = flow(protocol.handler.program)
    todo: list[tuple[int, tuple[Answer, ...], Place | None, bool]] = [(0, (), place, False)]
    while todo:
        at, answers, after, acted = todo.pop()
        step, then, otherwise = lines[at]
        match step:
            case Test() | Lookup():
                right, wrong = _answers(protocol, step)
                todo.append((then, (*answers, right), after, acted))
                if isinstance(step, Test) or then != otherwise:
                    todo.append((otherwise, (*answers, wrong), after, acted))
            case Emulate() | Skip() if not acted:
                if isinstance(step, Skip):
                    forms = region.skipped(place.offset, protocol.architecture)
                else:
                    _, forms = region.emulated(place.offset, step.instruction)
                todo.append((then, answers, region.onward(place, forms), True))
            case Return():
                if acted and after is not None:
                    done = Pass(
                        place.offset, protocol.handler.trap, True, answers, step.synchronises
                    )
                    yield done, after
            case NotOurs():
                pass
            case Use() | Pause():
                todo.append((then, answers, after, acted))
            case _:
                raise NotCoveredError(
                    f"in a region, the trap handler's step {step.label!r} does more than to ask "
                    "and to act as one instruction"
                )


def _answers(protocol: Protocol, step: Test | Lookup) -> tuple[Answer, Answer]:
    """What a cell holds where a test holds, and where it does not."""
    if isinstance(step, Lookup) and step.search:
        raise NotCoveredError(f"in a region, the trap handler searches at step {step.label!r}")
    known = values(protocol, step.cell)
    right = tuple(v for v in known if (v == step.value if isinstance(step, Test) else bool(v)))
    return (
        Answer(step.cell, right),
        Answer(step.cell, tuple(v for v in known if v not in right)),
    )


def values(protocol: Protocol, cell: str) -> tuple[Value, ...]:
    """All values that a cell may have. Raises NotCoveredError for one that is counted up."""
    found = [one.initial for one in protocol.cells if one.name == cell]
    for program in protocol.patcher_programs.values():
        for step in flatten(program):
            if isinstance(step, Store) and step.cell == cell:
                found.append(step.value)
            elif isinstance(step, Add | IncrementUnlessZero) and step.cell == cell:
                raise NotCoveredError(f"step {step.label!r} counts in {cell!r}, which is asked for")
    return tuple(dict.fromkeys(found))
