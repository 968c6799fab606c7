"""Comparing two protocols: the automata, against enumeration; the command, on the specs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheck import Suite, Variant
from modelcheck.cli import main
from modelcheck.explore.behaviours import Observer, Word, compare, shortest_run
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import Limits
from modelcheck.machine.setup import Configuration
from modelcheck.questions.check import Job
from modelcheck.questions.diff import diff
from tests.protocols import three_byte_variants

INT3 = str(Path(__file__).parent.parent / "specs" / "x86_int3.py")
LONGEST = 6
EXAMPLES = 200


@dataclass(frozen=True)
class Edge:
    """A step of a graph that is its own system: its event, if it can be seen."""

    shared: int
    event: str | None
    violations: tuple[str, ...] = ()
    local: int = 0
    broadcast: None = None
    guard: None = None
    interrupt: bool = False


@dataclass(frozen=True)
class One:
    name: str = "one"
    count: int = 1
    replicated: bool = False


class Graph:
    """A model with one actor that walks along edges."""

    roles = (One(),)
    properties = ("wrong",)

    def __init__(self, edges: dict[int, list[Edge]]) -> None:
        self.edges = edges

    def initial(self) -> tuple[int, tuple[int]]:
        return 0, (0,)

    def moves(self, role: One, shared: int, local: int) -> list[Edge]:
        return self.edges.get(shared, [])

    def receive(self, broadcast: None, local: int) -> int:
        return local

    def holds(self, guard: None, local: int) -> bool:
        return True


def observed(edges: dict[int, list[Edge]]) -> tuple[System, Observer]:
    """A graph as a system, with its events."""
    graph = Graph(edges)
    system = System(graph)

    def observe(state: State, step: Transition) -> str | None:
        return graph.edges[system.shareds.values[state[0]]][step.row.number].event

    return system, observe


def words(edges: dict[int, list[Edge]]) -> set[Word]:
    """All behaviours up to LONGEST events, by walking every run."""
    seen: set[tuple[int | None, Word]] = {(0, ())}
    todo: list[tuple[int | None, Word]] = [(0, ())]
    while todo:
        node, word = todo.pop()
        for edge in edges.get(node, []) if node is not None else []:
            longer = word if edge.event is None else (*word, edge.event)
            place = (None if edge.violations else edge.shared, longer)
            if len(longer) <= LONGEST and place not in seen:
                seen.add(place)
                todo.append(place)
    return {word for _, word in seen}


def nodes(edges: dict[int, list[Edge]]) -> set[int]:
    """The nodes that some run comes to, as far as nothing is violated."""
    seen, todo = {0}, [0]
    while todo:
        for edge in edges.get(todo.pop(), []):
            if not edge.violations and edge.shared not in seen:
                seen.add(edge.shared)
                todo.append(edge.shared)
    return seen


def shortest(those: set[Word]) -> int | None:
    """The length of the shortest word."""
    return min((len(word) for word in those), default=None)


EDGES = st.one_of(
    st.builds(Edge, st.integers(0, 3), st.sampled_from((None, "a", "b"))),
    st.builds(Edge, st.just(0), st.sampled_from(("a", "b")), st.just(("wrong",))),
)
GRAPHS = st.dictionaries(st.integers(0, 3), st.lists(EDGES, max_size=3), max_size=4)


@given(GRAPHS, GRAPHS)
@settings(deadline=None, max_examples=EXAMPLES)
def test_the_shortest_differences_are_those_of_enumeration(
    first: dict[int, list[Edge]], second: dict[int, list[Edge]]
) -> None:
    """Differential: the automata against all words of up to six events, on random graphs."""
    found = compare(observed(first), observed(second))
    assert found.reason is None
    assert found.states == (len(nodes(first)), len(nodes(second)))
    one, other = words(first), words(second)
    for mine, edges, only in (
        (found.first, first, one - other),
        (found.second, second, other - one),
    ):
        if shortest(only) is None:
            # Four nodes each: a difference may need more events than were enumerated.
            assert not mine or len(mine[0]) > LONGEST
            continue
        assert mine
        assert {len(word) for word in mine} == {shortest(only)}
        assert set(mine) <= only
        system, observe = observed(edges)
        state, seen = system.initial(), []
        for step in shortest_run(system, observe, mine):
            event = observe(state, step)
            state = step.target
            seen += [event] if event else []
        assert tuple(seen) in mine


def test_a_limit_makes_it_inconclusive() -> None:
    """A comparison cut short claims no difference and no sameness."""
    edges = {node: [Edge(node + 1, "a")] for node in range(600)}
    found = compare(observed(edges), observed(edges), Limits(states=100))
    assert found.reason == "more than 100 states"
    assert not found.first
    assert not found.second


def jobs_of(*names: str, configuration: Configuration) -> Iterator[Job]:
    """Jobs for variants on three bytes."""
    variants = three_byte_variants()
    for name in names:
        variant = Variant(name, variants[name])
        yield Job(Suite(variant.protocol), variant, configuration, name)


@pytest.mark.parametrize("fetch", ["coherent", "per-chunk", "incoherent"])
@pytest.mark.parametrize("name", ["base", "no-sync-1", "no-sync-3"])
def test_both_semantics_have_the_same_behaviours(name: str, fetch: str) -> None:
    """Byte-wise and windowed can do the same things in the same order."""
    (job,) = jobs_of(name, configuration=Configuration(1, fetch))
    bytewise = replace(job, configuration=replace(job.configuration, semantics="bytewise"))
    comparison = diff(job, bytewise)
    assert comparison.same_behaviours, comparison


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, Any]:
    """Exit code, output and errors of a diff."""
    code = main(["diff", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_missing_sync_allows_more(capsys: pytest.CaptureFixture[str]) -> None:
    """The steps that differ, and the shortest run that only one can do; exit code 1."""
    code, out, _ = run(capsys, INT3, "#no-sync-1", "--cpus", "1")
    assert code == 1
    assert "\n-     sync-1/send: send ipi" in out
    assert "base can do nothing that no-sync-1 cannot." in out
    assert "Only no-sync-1: cpu1 runs 0f " in out
    assert "It violates no-torn-instruction." in out


def test_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of two variants can do something that the other cannot."""
    code, out, _ = run(capsys, f"{INT3}#no-sync-1", f"{INT3}#no-sync-2", "--cpus", "1")
    assert code == 1
    assert "Only no-sync-1: cpu1 runs 0f " in out
    assert "Only no-sync-2: cpu1 runs e8 1f 44 00 00" in out


def test_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """In which order the tail is written makes no difference that can be seen."""
    code, out, _ = run(capsys, INT3, "#tail-any-order", "--cpus", "1")
    assert code == 0
    assert "Same behaviours" in out
    assert "fetch model per-chunk" in out


def test_only_the_order_between_cpus(capsys: pytest.CaptureFixture[str]) -> None:
    """In store order the second sync keeps the head back while a CPU is in the handler."""
    code, out, _ = run(capsys, INT3, "#no-sync-2", "--fetch", "store-order", "--cpus", "1")
    assert code == 1
    assert "base can do nothing that no-sync-2 cannot." in out
    assert "Each CPU by itself executes the same in both" in out
    code, out, _ = run(capsys, INT3, "#no-sync-2", "--fetch", "per-chunk", "--cpus", "1")
    assert "Told apart also by what one CPU alone executes: cpu0, cpu1." in out


def test_other_protocols_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    """A reference may name protocol and variant; an unknown one is exit code 2."""
    code, out, _ = run(capsys, INT3, "#call-to-call/base", "--cpus", "1")
    assert code == 1
    assert "--- nop-to-call/base\n+++ call-to-call/base" in out
    assert "Only call-to-call/base: cpu1 runs e8 e7 57 07 00 at foo (old)" in out
    code, _, err = run(capsys, INT3, "#nothing/base")
    assert code == 2
    assert "no protocol named 'nothing'; it has: nop-to-call, call-to-nop" in err


def test_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    """A limit is exit code 3, and no claim of sameness."""
    code, out, _ = run(capsys, INT3, "#tail-any-order", "--max-states", "50")
    assert code == 3
    assert "INCONCLUSIVE: more than 50 states" in out
    assert "Same behaviours" not in out
