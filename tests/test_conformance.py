"""Every engine passes the conformance kit, and the kit refuses engines that are wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings

from modelcheck.explore.conformance import ConformanceError, check_conformance
from modelcheck.explore.engine import ENGINES, Engine
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.table_models import SMALL_MODELS, TableModel
from modelcheck.explore.verdict import (
    NO_LIMITS,
    Exploration,
    Extra,
    Limits,
    Request,
    UnsupportedError,
    Verdict,
)
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from tests.protocols import minimal
from tests.systems import table_models

every_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))

FEW = {
    name: SMALL_MODELS[name]
    for name in ("counters", "a lock that two can take", "told, and nobody waited for")
}


@every_engine
def test_every_engine_conforms(engine: Engine) -> None:
    """All small models, in all ways that the engine takes; the registry is the list of engines."""
    check_conformance(engine)


@every_engine
def test_every_engine_conforms_on_machines(engine: Engine) -> None:
    """The same of a protocol, safe and violated: 460 states and fewer."""
    protocols = {"safe": minimal(), "violated": minimal().without("sync-1")}
    configuration = Configuration(2, "coherent", semantics="bytewise")
    check_conformance(engine, {n: Machine(p, configuration) for n, p in protocols.items()})


@every_engine
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(model=table_models())
def test_every_engine_conforms_on_random_models(engine: Engine, model: TableModel) -> None:
    """Several roles, broadcasts, guards and violations that nobody has thought of."""
    check_conformance(engine, {"random": model})


def test_every_engine_is_registered_under_its_name() -> None:
    """What the command line offers by a name is the engine that calls itself so."""
    assert {name: engine.name for name, engine in ENGINES.items()} == {n: n for n in ENGINES}


Spoil = Callable[[System, Request], Exploration]


@dataclass(frozen=True)
class Spoilt:
    """The reference but for one thing."""

    spoil: Spoil
    name: str = "reference"
    takes: frozenset[Extra] = REFERENCE.takes

    def explore(self, system: System, request: Request = Request()) -> Exploration:
        """What the spoilt engine answers."""
        return self.spoil(system, request)


def loses_a_state(system: System, request: Request) -> Exploration:
    """One state less than there are."""
    found = REFERENCE.explore(system, request)
    return replace(found, states=found.states - 1)


def miscounts_transitions(system: System, request: Request) -> Exploration:
    """Counts those into known states once only."""
    found = REFERENCE.explore(system, request)
    return replace(found, transitions=found.states - 1)


def claims_symmetry(system: System, request: Request) -> Exploration:
    """Says that it counts up to a permutation, and does not."""
    return replace(REFERENCE.explore(system, request), symmetric=True)


def stops_a_level_early(system: System, request: Request) -> Exploration:
    """Off by one in the depth."""
    found = REFERENCE.explore(system, request)
    return replace(found, depth=max(found.depth - 1, 0))


def always_safe(system: System, request: Request) -> Exploration:
    """Sees no violation, and takes what was cut short for all there is."""
    found = REFERENCE.explore(system, request)
    return replace(
        found, verdict=Verdict.SAFE, property=None, path=(), reason=None, found=frozenset()
    )


def ignores_limits(system: System, request: Request) -> Exploration:
    """Goes on for as long as it takes."""
    return REFERENCE.explore(system, replace(request, limits=NO_LIMITS))


def safe_when_cut_short(system: System, request: Request) -> Exploration:
    """The one thing that no engine may do."""
    found = REFERENCE.explore(system, request)
    cut = found.verdict is Verdict.INCONCLUSIVE and request.limits.states
    return replace(found, verdict=Verdict.SAFE, reason=None) if cut else found


def tells_nobody(system: System, request: Request) -> Exploration:
    """Never lets the watcher, and so Ctrl-C, in."""
    return REFERENCE.explore(system, replace(request, watcher=None))


def takes_a_detour(system: System, request: Request) -> Exploration:
    """A path whose first transition is not the initial state's."""
    found = REFERENCE.explore(system, request)
    return replace(found, path=found.path[::-1])


def forgets_the_path(system: System, request: Request) -> Exploration:
    """A violation that nobody can follow."""
    return replace(REFERENCE.explore(system, request), path=())


def names_another_property(system: System, request: Request) -> Exploration:
    """Any violated property instead of the path's."""
    found = REFERENCE.explore(system, request)
    return replace(found, property=found.property and "second" + found.property)


def stops_at_a_violation(system: System, request: Request) -> Exploration:
    """Does not go on beyond violations, though told to."""
    return REFERENCE.explore(system, replace(request, beyond_violations=False))


def drops_what_it_cannot_do(system: System, request: Request) -> Exploration:
    """Neither saves nor says so."""
    return REFERENCE.explore(system, replace(request, saving=None, spill=None))


def answers_as_another(system: System, request: Request) -> Exploration:
    """Signs with another name."""
    return replace(REFERENCE.explore(system, request), engine="another")


BUGS: dict[Spoil, str] = {
    loses_a_state: r"counters: on one thread: states 63 by reference but 64",
    miscounts_transitions: "transitions",
    claims_symmetry: r"counters: on one thread: states 64 by reference but 20",
    stops_a_level_early: "depth",
    always_safe: "verdict safe by reference but violated",
    ignores_limits: "where it is to be inconclusive, more than 0 seconds",
    safe_when_cut_short: "safe, with more than 32 states",
    tells_nobody: "the watcher hears nothing",
    takes_a_detour: "transition 1 of its path",
    forgets_the_path: "length 0 by reference",
    names_another_property: "property second",
    stops_at_a_violation: "beyond violations: states",
    drops_what_it_cannot_do: "saving is neither done nor refused",
    answers_as_another: "the answer is another's",
}


@pytest.mark.parametrize(("bug", "message"), BUGS.items(), ids=[bug.__name__ for bug in BUGS])
def test_the_kit_refuses_an_engine_that_is_wrong(bug: Spoil, message: str) -> None:
    """Seeded: each way of being wrong is named, with the model that shows it."""
    with pytest.raises(ConformanceError, match=message):
        check_conformance(Spoilt(bug), FEW)


def test_the_kit_lets_the_unspoilt_pass() -> None:
    """So it is the bugs that are refused."""
    check_conformance(Spoilt(REFERENCE.explore), FEW)


@pytest.mark.parametrize(
    ("engine", "name"),
    [(e, name) for e in ENGINES.values() for name in get_args(Extra) if name not in e.takes],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_what_an_engine_does_not_take_it_refuses_by_name(engine: Engine, name: str) -> None:
    """Nothing of a request is ignored."""
    with pytest.raises(UnsupportedError, match=f"the {engine.name} engine cannot"):
        engine.explore(System(SMALL_MODELS["a loop"]), replace(Request(), **{name: True}))


def test_limits_are_no_extra() -> None:
    """Every engine heeds limits, watcher and threads."""
    assert Request(Limits(states=1), watcher=print, threads=1).extras == frozenset()
