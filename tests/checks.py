"""The core checks: plain functions that assert what must hold, run with and without seeded bugs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from modelcheck import Protocol, Suite, Variant
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Exploration, Verdict
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.machine.state import Execution
from modelcheck.protocol.code import Value
from tests.protocols import EVERY_PROPERTY, FETCH, SEMANTICS, minimal, suites, three_byte_variants

COUNTS = {1: (64, 119), 2: (460, 1_394), 3: (4_156, 18_198), 4: (42_868, 249_474)}
"""States and transitions of the minimal protocol for each number of CPUs."""

ANY_ORDER_STATES = {1: 577, 2: 33_073, 3: 2_301_181}


class TooBigError(Exception):
    """A state space that a test does not want to walk."""


class Event(NamedTuple):
    """An execution as everyone can see it: who, what, and in which memory and data."""

    role: str
    execution: Execution
    violations: frozenset[str]
    memory: tuple[bytes, ...]
    cells: tuple[Value, ...]
    returned: bool


class Survey(NamedTuple):
    """All that a protocol can do: what CPUs execute and when, and which properties it violates."""

    executed: frozenset[Execution]
    found: frozenset[str]
    events: frozenset[Event]


class Walk(NamedTuple):
    """A survey, and how many states it took."""

    survey: Survey
    states: int


def run(protocol: Protocol, configuration: Configuration) -> Exploration:
    """What the reference explorer says of a protocol."""
    return REFERENCE.explore(System(Machine(protocol, configuration)))


def minimal_run(cpus: int, fetch: str = "coherent", *, without: str = "") -> Exploration:
    """What it says of the minimal protocol byte by byte, perhaps without a step."""
    protocol = minimal().without(without) if without else minimal()
    return run(protocol, Configuration(cpus, fetch, semantics="bytewise"))


def walk(protocol: Protocol, configuration: Configuration, at_most: int | None = None) -> Walk:
    """Take every step from every reachable state. Raises TooBigError beyond `at_most` states."""
    machine = Machine(protocol, configuration)
    system = System(machine)
    start = system.initial()
    seen, todo = {start}, [start]
    taken: defaultdict[tuple[int, int, int], set[int]] = defaultdict(set)
    found: set[str] = set()
    while todo:
        state = todo.pop()
        for actor, row, target in system.successors(state):
            taken[system.actors[actor], state[0], state[actor + 1]].add(row.number)
            found.update(row.violations)
            if target not in seen:
                seen.add(target)
                todo.append(target)
        if at_most is not None and len(seen) > at_most:
            raise TooBigError
    events: set[Event] = set()
    for (number, shared_number, local), rows in taken.items():
        role, shared = machine.roles[number], system.shareds.values[shared_number]
        memory = tuple(
            machine.setup.layout.contents(shared.memory, site)
            for site in range(len(protocol.sites))
        )
        for place, move in enumerate(machine.moves(role, shared, system.locals.values[local])):
            if place in rows and move.execution is not None:
                violations = frozenset(move.violations)
                event = (role.name, move.execution, violations, memory, shared.cells)
                events.add(Event(*event, shared.returned))
    executed = frozenset(event.execution for event in events)
    return Walk(Survey(executed, frozenset(found), frozenset(events)), len(seen))


def assert_agree(
    protocol: Protocol, configuration: Configuration, at_most: int | None = None
) -> Survey:
    """Both semantics execute the same byte vectors, at the same times, and violate the same."""
    bytewise = walk(protocol, replace(configuration, semantics="bytewise"), at_most).survey
    windowed = walk(protocol, replace(configuration, semantics="windowed"), at_most).survey
    where = f"{protocol} in {configuration}"
    assert windowed.executed == bytewise.executed, where
    assert windowed.found == bytewise.found, where
    assert windowed.events == bytewise.events, where
    return windowed


def assert_verdicts_agree(protocol: Protocol, configuration: Configuration) -> None:
    """Watching one property alone, both semantics give the verdict that watching all implies."""
    found = walk(protocol, replace(configuration, properties=EVERY_PROPERTY)).survey.found
    for name in EVERY_PROPERTY:
        expected = Verdict.VIOLATED if name in found else Verdict.SAFE
        for semantics in SEMANTICS:
            alone = replace(configuration, properties=(name,), semantics=semantics)
            assert run(protocol, alone).verdict == expected, f"{name} in {alone}"


def assert_as_expected(variant: Variant, configuration: Configuration) -> None:
    """A variant has the verdict that its spec states, for a property that its spec names."""
    setup = Setup(variant.protocol, configuration)
    expected = variant.expect.violated(configuration.fetch, setup.splits)
    result = run(variant.protocol, configuration)
    where = f"{variant.name} in {configuration}: {result.verdict} {result.property}"
    if expected:
        assert result.property in expected, where
    else:
        assert result.verdict == Verdict.SAFE, where


def check_minimal_counts(cpus: Iterable[int] = (1, 2)) -> None:
    """States and transitions of the minimal protocol are COUNTS."""
    for number in cpus:
        result = minimal_run(number)
        assert result.verdict == Verdict.SAFE
        assert (result.states, result.transitions) == COUNTS[number]


def check_expected_verdicts(
    names: Iterable[str] = (), fetch: Iterable[str] = (), among: Iterable[Suite] = ()
) -> None:
    """The shipped protocol and its variants (those named, or all) are judged as expected."""
    chosen = tuple(names)
    checked = 0
    for suite in tuple(among) or suites():
        for variant in suite:
            if chosen and variant.name not in chosen:
                continue
            for model in tuple(fetch) or suite.fetch:
                assert_as_expected(variant, Configuration(1, model, suite.chunk))
                checked += 1
    assert checked


def check_semantics_agree(names: Iterable[str], cpus: int = 1) -> None:
    """The named variants on three bytes agree under each fetch model."""
    variants = three_byte_variants()
    for name in names:
        for fetch in FETCH:
            assert_agree(variants[name], Configuration(cpus, fetch, properties=EVERY_PROPERTY))


def by_last(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pytest.MarkDecorator:
    """Parametrise by rows whose last value, a message, says which one it is."""
    return pytest.mark.parametrize(names, rows, ids=[str(row[-1]) for row in rows])


HEAVY = (
    "x86_bpf_tail_call",
    "x86_deferred_ipi",
    "x86_ftrace_2012",
    "x86_jump_label",
    "x86_static_call",
    "x86_text_poke_batch",
    "x86_uprobe_nop5",
    "x86_uprobe_nop10",
)
"""Specs whose proofs take many seconds in two solvers: they are proved with -m slow."""


def each(specs: list[Path]) -> list[Any]:
    """The specs as parameters, the heavy ones marked slow."""
    return [pytest.param(s, marks=[pytest.mark.slow] * (s.stem in HEAVY)) for s in specs]
