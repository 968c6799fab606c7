"""The compiled explorers, held against the reference and against other checkers' counts."""

import re
import signal
from dataclasses import replace
from itertools import pairwise
from math import comb
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from modelcheck.explore import choose
from modelcheck.explore.choose import AUTO, DisagreementError, Paranoid
from modelcheck.explore.compiled import COMPILED, SYMMETRIC, Compiled, layout, search
from modelcheck.explore.compiled.crew import Crew
from modelcheck.explore.compiled.store import Sizes
from modelcheck.explore.engine import ENGINES, Engine, differences
from modelcheck.explore.model import Model
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.table_models import TableModel, TableMove, TableRole, counters
from modelcheck.explore.verdict import Exploration, Limits, Progress, Request, Verdict
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.fetch import MODELS
from modelcheck.machine.setup import Configuration
from tests.checks import by_last
from tests.protocols import SPECS, minimal
from tests.systems import table_models

TINY = Sizes(slots=256, chunk=64, slice_=8, crowd=8)

ONE, TWO = Request(threads=1), Request(threads=2)

ONE_BY_ONE, TOGETHER, FOLDED = {"threads": 1}, {"threads": 2}, {"symmetric": True}

SYMMETRIC_STATES = {1: 64, 4: 3_052, 5: 8_995, 6: 24_465}


def tiny(model: Model, *, threads: int = 1, symmetric: bool = False, **others: Any) -> Exploration:
    """The compiled explorer with so little room that it must grow all the time."""
    request = Request(threads=threads, **others)
    return search.search("tiny", System(model), request, symmetric=symmetric, sizes=TINY)


def machine(cpus: int, *, without: str = "") -> Machine:
    """The minimal protocol byte by byte, perhaps without a step."""
    protocol = minimal().without(without) if without else minimal()
    return Machine(protocol, Configuration(cpus, "coherent", semantics="bytewise"))


def switches(found: Exploration) -> int:
    """How often another actor, or an interrupt, takes over."""
    threads = [(step.actor, step.row.interrupt) for step in found.path]
    return sum(one != other for one, other in pairwise(threads))


def assert_same(found: Exploration, oracle: Exploration, *, counts: bool = True) -> None:
    """Verdict, depth, findings and switches are the oracle's; counts too where comparable."""
    assert (found.verdict, found.property) == (oracle.verdict, oracle.property)
    assert (found.depth, len(found.path)) == (oracle.depth, len(oracle.path))
    assert found.found == oracle.found
    assert switches(found) == switches(oracle)
    if counts:
        assert (found.states, found.transitions) == (oracle.states, oracle.transitions)


def assert_is_a_run(model: Model, found: Exploration) -> None:
    """Each step is possible in its state, and only the last one violates."""
    system = System(model)
    state = system.initial()
    for step in found.path:
        chosen = [
            other
            for other in system.successors(state)
            if (other.actor, other.row.number) == (step.actor, step.row.number)
        ]
        state = chosen[0].target
        assert chosen[0].row.violations == step.row.violations
    assert [bool(step.row.violations) for step in found.path[:-1]] == [False] * (
        len(found.path) - 1
    )


def assert_agree(model: Model) -> None:
    """One thread, two, and symmetry give the reference's answer, by one path."""
    oracle = REFERENCE.explore(System(model))
    paths = set()
    for arguments in (ONE_BY_ONE, TOGETHER, FOLDED):
        found = tiny(model, **arguments)
        assert_same(found, oracle, counts=not arguments.get("symmetric"))
        assert_is_a_run(model, found)
        paths.add(tuple((step.actor, step.row.number) for step in found.path))
    assert len(paths) == 1  # Neither threads nor symmetry change it.


SHIPPED = sorted(path.stem for path in SPECS.glob("*.py"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_variant(name: str) -> None:
    """Differential: verdict, states, transitions, depth and switches are the reference's."""
    assert_agree_on_shipped(name, ("per-chunk",))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_variant_under_every_fetch_model(name: str) -> None:
    """The same under all fetch models that a spec names."""
    assert_agree_on_shipped(name, tuple(MODELS))


def assert_agree_on_shipped(name: str, models: tuple[str, ...]) -> None:
    """The compiled explorers give the reference's answers on a spec's variants."""
    checked = 0
    for suite in load_suites(SPECS / f"{name}.py"):
        for variant in suite:
            for fetch in sorted({*models} & {*suite.fetch}) or suite.fetch[:1]:
                configuration = Configuration(2, fetch, suite.chunk, semantics=suite.semantics)
                model = Machine(variant.protocol, configuration)
                oracle = REFERENCE.explore(System(model), Request(Limits(states=20_000)))
                if oracle.reason:
                    continue
                assert_same(COMPILED.explore(System(model), ONE), oracle)
                found = SYMMETRIC.explore(System(model), ONE)
                assert_same(found, oracle, counts=False)
                assert found.states <= oracle.states
                checked += 1
    assert checked


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(table_models())
def test_random_systems(model: TableModel) -> None:
    """Differential, on tables that mean nothing, with so little room that all must grow."""
    assert_agree(model)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(table_models())
def test_random_systems_in_states_of_several_words(model: TableModel) -> None:
    """Words of nine bits stand in for states that outgrow sixty-four."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "WORD_BITS", 9)
        assert_agree(model)


@pytest.mark.parametrize("arguments", [ONE_BY_ONE, TOGETHER], ids=["one-thread", "two-threads"])
@pytest.mark.parametrize("cpus", [1, 2, 3])
def test_the_minimal_protocol_byte_by_byte(cpus: int, arguments: dict[str, Any]) -> None:
    """A state space that others have counted too, safe and violated, on one and two threads."""
    for without in ("", "sync-1", "sync-2"):
        model = machine(cpus, without=without)
        assert_same(tiny(model, **arguments), REFERENCE.explore(System(model)))


@pytest.mark.parametrize("cpus", SYMMETRIC_STATES)
def test_states_up_to_permutation_are_those_of_other_checkers(cpus: int) -> None:
    """Counts that do not come from this checker: multisets of CPUs, not orders."""
    found = SYMMETRIC.explore(System(machine(cpus)), ONE)
    assert found.states == SYMMETRIC_STATES[cpus]


def test_states_and_transitions_at_five_cpus_are_those_of_other_checkers() -> None:
    """480,724 states: the first size that the reference no longer answers at once."""
    found = COMPILED.explore(System(machine(5)))
    assert (found.states, found.transitions) == (480_724, 3_507_982)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cpus", "states", "transitions"), [(6, 5_691_340, 49_975_618), (7, 69_755_596, 715_572_326)]
)
def test_states_and_transitions_of_more_cpus(cpus: int, states: int, transitions: int) -> None:
    """Up to 70 million states; `python -m benchmarks` has SPIN count the same."""
    found = COMPILED.explore(System(machine(cpus)))
    assert (found.states, found.transitions) == (states, transitions)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cpus", "states"), [(7, 62_007), (8, 147_639), (10, 712_778), (12, 2_880_163)]
)
def test_states_up_to_permutation_of_more_cpus(cpus: int, states: int) -> None:
    """The multisets of locals: twelve CPUs within three million states."""
    assert SYMMETRIC.explore(System(machine(cpus))).states == states


def test_counters_beyond_any_width_that_was_foreseen() -> None:
    """Ids outgrow their fields several times, and states a word."""
    for actors, values in ((2, 70), (3, 20), (10, 2)):
        model = counters(actors, values)
        assert tiny(model).states == tiny(model, threads=2).states == values**actors
        assert tiny(model, symmetric=True).states == comb(values + actors - 1, actors)


def test_more_actors_than_a_word_has_bits() -> None:
    """Seventy CPUs: a set of actors does not fit one word."""
    role = TableRole("cpu", 70, replicated=True)
    moves = {
        ("cpu", 0, 0): (TableMove(1, 1),),
        ("cpu", 1, 0): (TableMove(2, 0, violations=("first",)),),
        ("cpu", 1, 1): (TableMove(3, 1),),
        ("cpu", 3, 0): (TableMove(0, 0),),
    }
    assert_agree(TableModel((role,), moves))


def test_the_path_prefers_the_property_named_first_and_then_no_interrupt() -> None:
    """Among equally short paths the choice is fixed, and the same as the reference's."""
    role = TableRole("cpu", 2, replicated=True)
    for order in (("first", "second"), ("second", "first")):
        moves = tuple(
            TableMove(0, 1, violations=(name,), interrupt=interrupt)
            for name in ("second", "first")
            for interrupt in (True, False)
        )
        model = TableModel((role,), {("cpu", 0, 0): moves}, properties=order)
        assert_agree(model)
        last = tiny(model).path[-1].row
        assert (last.violations, last.interrupt) == ((order[0],), False)


def test_threads_do_not_change_the_path() -> None:
    """A counterexample is a function of the model, not of who was first."""
    model = machine(3, without="sync-1")
    one, two = (tiny(model, threads=threads).path for threads in (1, 2))
    # Numbers of states depend on who asks first; what is done by whom does not.
    assert [(s.actor, s.row.number) for s in one] == [(s.actor, s.row.number) for s in two]


@by_last(
    ("limits", "reason"),
    [
        (Limits(states=100), "100 states"),
        (Limits(seconds=0), "0 seconds"),
        (Limits(memory=1), "1 MiB"),
    ],
)
def test_a_limit_makes_the_answer_inconclusive(limits: Limits, reason: str) -> None:
    """Neither safe nor violated, and the reason names the limit."""
    for without in ("", "sync-1"):
        found = tiny(machine(3, without=without), limits=limits)
        assert found.verdict == Verdict.INCONCLUSIVE
        assert found.reason is not None
        assert reason in found.reason
        assert (found.path, found.property) == ((), None)


def test_a_violation_met_before_the_limit_has_its_shortest_path() -> None:
    """Wherever the limit strikes: never safe, and a path that is found is a shortest one."""
    model = machine(2, without="sync-1")
    oracle = REFERENCE.explore(System(model))
    verdicts = set()
    for states in range(1, oracle.states, 5):
        found = tiny(model, limits=Limits(states=states))
        verdicts.add(found.verdict)
        assert found.verdict != Verdict.SAFE
        if found.verdict == Verdict.VIOLATED:
            assert len(found.path) == found.depth == oracle.depth
            assert_is_a_run(model, found)
    assert verdicts == {Verdict.VIOLATED, Verdict.INCONCLUSIVE}


def test_the_watcher_hears_of_every_level_and_can_interrupt() -> None:
    """Progress comes level by level; an interrupt there is an inconclusive answer."""
    heard: list[Progress] = []
    found = tiny(machine(2), watcher=heard.append)
    assert {progress.depth for progress in heard} == set(range(found.depth + 1))

    def interrupt(progress: Progress) -> None:
        if progress.depth == 9:
            raise KeyboardInterrupt

    found = tiny(machine(2), watcher=interrupt)
    assert (found.verdict, found.reason, found.depth) == (Verdict.INCONCLUSIVE, "interrupted", 9)


def test_spilled_states_are_the_same(tmp_path: Any) -> None:
    """States in files of the disk instead of memory, of which nothing is left behind."""
    assert_same(tiny(machine(3), spill=tmp_path), REFERENCE.explore(System(machine(3))))
    assert not list(tmp_path.iterdir())


def test_by_size_the_reference_answers_first_and_then_compiled_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small: the one to believe; larger: the fast one; many CPUs: up to permutation."""
    monkeypatch.setattr(choose, "SMALL", 1_000)
    monkeypatch.setattr(choose, "SMALL_OF_MANY", 1_000)
    found = [AUTO.explore(System(machine(cpus))) for cpus in (2, 3, 4)]
    assert [one.engine for one in found] == ["reference", "compiled", "symmetric"]
    assert [one.states for one in found] == [460, 4_156, 3_052]


def test_by_size_the_limits_hold_for_both_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on states is not given anew to the second explorer."""
    monkeypatch.setattr(choose, "SMALL", 100)
    for limit in (50, 100, 1_000):
        found = AUTO.explore(System(machine(3)), Request(Limits(states=limit)))
        assert (found.verdict, found.reason) == (
            Verdict.INCONCLUSIVE,
            f"more than {limit} states",
        )


@pytest.mark.parametrize("engine", [AUTO, *ENGINES.values()], ids=lambda engine: engine.name)
def test_paranoia_finds_engines_agree(engine: Engine) -> None:
    """Each engine has a second one that is unlike it, and says by whom it was confirmed."""
    for without in ("", "sync-1"):
        model = machine(2, without=without)
        found = Paranoid(engine).explore(System(model))
        oracle = REFERENCE.explore(System(model))
        assert_same(found, oracle, counts=not found.symmetric)
        assert found.confirmed_by not in (None, found.engine)


def test_paranoia_catches_an_engine_that_loses_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded: one state less is a disagreement, with both numbers."""
    honest = Compiled.explore

    def lossy(engine: Compiled, *arguments: Any) -> Exploration:
        found = honest(engine, *arguments)
        return replace(found, states=found.states - 1)

    monkeypatch.setattr(Compiled, "explore", lossy)
    with pytest.raises(DisagreementError, match="460 by reference but 459 by compiled"):
        Paranoid(AUTO).explore(System(machine(2)))


@pytest.mark.parametrize("without", ["", "sync-1"], ids=["safe", "violated"])
def test_paranoia_cut_short_is_inconclusive(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    """What the second engine could not confirm is no answer, whatever the first one said."""

    def cut_short(_: Compiled, system: System, request: Request = Request()) -> Exploration:
        found = REFERENCE.explore(system, request)
        return replace(found, verdict=Verdict.INCONCLUSIVE, reason="more than 1 s", seconds=5.0)

    monkeypatch.setattr(Compiled, "explore", cut_short)
    found = Paranoid(REFERENCE).explore(System(machine(1, without=without)))
    assert (found.verdict, found.property, found.path) == (Verdict.INCONCLUSIVE, None, ())
    assert found.reason == "the second engine: more than 1 s"
    assert found.seconds > 5.0


def test_a_disagreement_names_all_that_differs() -> None:
    """Verdict, depth and switches, so that one message is enough to look further."""
    safe = REFERENCE.explore(System(machine(1)))
    violated = REFERENCE.explore(System(machine(1, without="sync-1")))
    found = "; ".join(differences(safe, replace(violated, engine="other")))
    assert re.search(r"verdict safe by reference .* by other; .* depth .* switches", found)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_waits_until_the_work_has_returned(threads: int) -> None:
    """Numba loses an interrupt that comes inside its code: it is noted, and raised afterwards."""
    done: list[int] = []
    crew = Crew(threads)

    def work(number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append(number)

    for _ in range(2):  # what is run for the first time is compiled, in the caller's own thread
        with pytest.raises(KeyboardInterrupt):
            crew.run(work)
    crew.close()
    assert sorted(done) == sorted([*range(threads)] * 2)
    assert crew.stop
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
