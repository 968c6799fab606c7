"""The reference explorer, held against a graph of the same machine by networkx."""

from itertools import pairwise
from typing import Any

import networkx as nx
import pytest

from modelcheck import Protocol, Site, on_each_cpu, write
from modelcheck.explore import reference
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Limits, Progress, Request, Verdict
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from tests.checks import by_last, minimal_run
from tests.protocols import minimal, three_byte_variants

BAD = "bad"
THREE = three_byte_variants()


def whole_graph(machine: Machine, *, beyond_violations: bool = False) -> "nx.MultiDiGraph[Any]":
    """The state graph by the machine's own values, without numbers or tables.

    An edge knows its thread: the actor, and whether it is in an interrupt. A violating step leads
    to the node BAD, unless `beyond_violations`.
    """
    roles = [role for role in machine.roles for _ in range(role.count)]
    shared, by_role = machine.initial()
    start = (shared, tuple(by_role[machine.roles.index(role)] for role in roles))
    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph(start=start)
    graph.add_node(start)
    todo: list[Any] = [start]
    while todo:
        state = todo.pop()
        shared, locals_ = state
        for actor, role in enumerate(roles):
            others = [local for other, local in enumerate(locals_) if other != actor]
            for move in machine.moves(role, shared, locals_[actor]):
                if move.guard and not all(machine.holds(move.guard, local) for local in others):
                    continue
                told = [
                    machine.receive(move.broadcast, local) if move.broadcast else local
                    for local in locals_
                ]
                told[actor] = move.local
                target: Any = (move.shared, tuple(told))
                violated = move.violations[0] if move.violations else None
                if violated and not beyond_violations:
                    target = BAD
                elif target not in graph:
                    todo.append(target)
                thread = (actor, move.interrupt)
                graph.add_edge(state, target, thread=thread, violated=violated)
    return graph


def switches(threads: list[Any]) -> int:
    """How often one thread gives way to another."""
    return sum(one != other for one, other in pairwise(threads))


def fewest_switches(graph: "nx.MultiDiGraph[Any]") -> tuple[int, set[str]]:
    """Over all shortest paths to BAD: the least number of switches, and what these violate."""
    by_thread: nx.DiGraph[Any] = nx.DiGraph()
    start = (graph.graph["start"], None, None)
    by_thread.add_node(start)
    todo: list[Any] = [start]
    while todo:
        node = todo.pop()
        for _, target, edge in graph.out_edges(node[0], data=True):
            then = (target, edge["thread"], edge["violated"])
            if then not in by_thread and target != BAD:
                todo.append(then)
            by_thread.add_edge(node, then)
    ends = [node for node in by_thread if node[0] == BAD]
    lengths = nx.single_source_shortest_path_length(by_thread, start)
    shortest = min(lengths[end] for end in ends)
    found = [
        (switches([node[1] for node in path[1:]]), path[-1][2])
        for end in ends
        if lengths[end] == shortest
        for path in nx.all_shortest_paths(by_thread, start, end)
    ]
    least = min(number for number, _ in found)
    return least, {violated for number, violated in found if number == least}


def safe_models() -> dict[str, Machine]:
    """Small machines that violate nothing."""
    return {
        "minimal-1": Machine(minimal(), Configuration(1, "coherent", semantics="bytewise")),
        "minimal-2": Machine(minimal(), Configuration(2, "coherent", semantics="bytewise")),
        "any-order-1": Machine(
            minimal(), Configuration(1, "coherent-any-order", semantics="bytewise")
        ),
        "three-1": Machine(THREE["base"], Configuration(1, "per-chunk")),
        "three-2": Machine(THREE["base"], Configuration(2, "store-order")),
    }


def violated_models() -> dict[str, Machine]:
    """Small machines that violate something."""
    minimal_any = Configuration(1, "coherent-any-order", semantics="bytewise")
    return {
        "minimal-1": Machine(
            minimal().without("sync-1"), Configuration(1, "coherent", semantics="bytewise")
        ),
        "minimal-2": Machine(
            minimal().without("sync-1"), Configuration(2, "coherent", semantics="bytewise")
        ),
        "any-order-1": Machine(minimal().without("sync-2"), minimal_any),
    } | {
        f"three-{name}-{fetch}": Machine(THREE[name], Configuration(1, fetch))
        for name in ("no-sync-1", "no-sync-3", "no-syncs", "retire-early", "head-first")
        for fetch in ("coherent", "per-chunk", "strict")
    }


@pytest.mark.parametrize("name", safe_models())
def test_states_and_transitions_are_those_of_the_whole_graph(name: str) -> None:
    """Differential: the search against a graph of the machine's own values, by networkx."""
    machine = safe_models()[name]
    graph = whole_graph(machine)
    assert BAD not in graph
    result = REFERENCE.explore(System(machine))
    assert result.verdict == Verdict.SAFE
    assert result.states == graph.number_of_nodes()
    assert result.transitions == graph.number_of_edges()
    lengths = nx.single_source_shortest_path_length(graph, graph.graph["start"])
    assert result.depth == max(lengths.values())


@pytest.mark.parametrize("name", violated_models())
def test_beyond_violations_states_and_transitions_are_those_of_the_whole_graph(name: str) -> None:
    """The same where the search goes on behind what it finds."""
    machine = violated_models()[name]
    graph = whole_graph(machine, beyond_violations=True)
    result = REFERENCE.explore(System(machine), Request(beyond_violations=True))
    assert result.verdict == Verdict.VIOLATED
    assert result.states == graph.number_of_nodes()
    assert result.transitions == graph.number_of_edges()


@pytest.mark.parametrize("name", violated_models())
def test_the_path_is_shortest_with_best_among_the_shortest(name: str) -> None:
    """Against all shortest paths, enumerated; then the property named first."""
    machine = violated_models()[name]
    graph = whole_graph(machine)
    result = REFERENCE.explore(System(machine))
    assert result.verdict == Verdict.VIOLATED
    shortest = nx.shortest_path_length(graph, graph.graph["start"], BAD)
    assert len(result.path) == result.depth == shortest
    least, violated = fewest_switches(graph)
    assert switches([(step.actor, step.row.interrupt) for step in result.path]) == least
    assert result.property == min(violated, key=machine.properties.index)


@pytest.mark.parametrize("name", violated_models())
def test_the_path_is_a_run_whose_last_step_alone_violates(name: str) -> None:
    """Each step is one that the system allows in its state."""
    system = System(violated_models()[name])
    path = REFERENCE.explore(system).path
    state = system.initial()
    for step in path:
        assert step in list(system.successors(state))
        state = step.target
    assert [bool(step.row.violations) for step in path] == [*[False] * (len(path) - 1), True]


def test_a_violation_in_the_very_first_step_is_a_path_of_one() -> None:
    """Nothing before it is needed: no state is safe by being the first."""
    site = Site("foo", b"\x01", b"\x02")
    protocol = Protocol(
        "late", (site,), (on_each_cpu("sync"), write("new", site, b"\x02"))
    ).without("sync", "new")
    result = REFERENCE.explore(
        System(Machine(protocol, Configuration(1, properties=("visible-after-return",))))
    )
    assert (result.verdict, result.depth, len(result.path)) == (Verdict.VIOLATED, 1, 1)


@by_last(
    ("limits", "reason"),
    [
        (Limits(states=100), "100 states"),
        (Limits(seconds=0), "0 seconds"),
        (Limits(memory=1), "1 MiB"),
    ],
)
@pytest.mark.parametrize(
    "protocol", [minimal(), minimal().without("sync-1")], ids=["base", "no-sync-1"]
)
def test_a_limit_makes_the_answer_inconclusive(
    limits: Limits, reason: str, protocol: Protocol
) -> None:
    """Neither safe nor violated, and the reason names the limit."""
    machine = Machine(protocol, Configuration(3, semantics="bytewise", fetch="coherent"))
    result = REFERENCE.explore(System(machine), Request(limits))
    assert result.verdict == Verdict.INCONCLUSIVE
    assert result.reason is not None
    assert reason in result.reason
    assert (result.path, result.property) == ((), None)


def test_wherever_a_limit_strikes_the_answer_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each number of states: never safe, and a path that is found is a shortest one."""
    monkeypatch.setattr(reference, "PULSE", 1)
    configuration = Configuration(1, semantics="bytewise", fetch="coherent")
    for states in range(64):
        result = REFERENCE.explore(
            System(Machine(minimal(), configuration)), Request(Limits(states=states))
        )
        assert result.verdict == Verdict.INCONCLUSIVE
        broken = minimal().without("sync-1")
        result = REFERENCE.explore(
            System(Machine(broken, configuration)), Request(Limits(states=states))
        )
        assert result.verdict != Verdict.SAFE
        if result.verdict == Verdict.VIOLATED:
            assert len(result.path) == result.depth == 8


def test_a_limit_that_is_not_met_changes_nothing() -> None:
    """Exactly as many states as there are is not too many."""
    machine = Machine(minimal(), Configuration(2, semantics="bytewise", fetch="coherent"))
    roomy = Limits(states=460, seconds=600, memory=1_000_000)
    assert REFERENCE.explore(System(machine), Request(roomy)).verdict == Verdict.SAFE


def test_an_interrupted_search_is_inconclusive_and_reports_what_it_reached() -> None:
    """The counts are those last told to the watcher."""
    heard: list[Progress] = []

    def watcher(progress: Progress) -> None:
        heard.append(progress)
        if progress.depth == 9:
            raise KeyboardInterrupt

    machine = Machine(minimal(), Configuration(2, semantics="bytewise", fetch="coherent"))
    result = REFERENCE.explore(System(machine), Request(watcher=watcher))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "interrupted")
    assert result.depth == 9
    assert (result.states, result.transitions) == (heard[-1].states, heard[-1].transitions)
    assert 1 < result.states < 460


def test_the_watcher_hears_of_every_level_and_of_long_levels_more_than_once() -> None:
    """Progress never goes back, and does not fall silent."""
    heard: list[Progress] = []
    machine = Machine(minimal(), Configuration(4, semantics="bytewise", fetch="coherent"))
    result = REFERENCE.explore(System(machine), Request(watcher=heard.append))
    depths = [progress.depth for progress in heard]
    assert sorted(set(depths)) == list(range(result.depth + 1))
    assert len(depths) > len(set(depths))
    for before, after in pairwise(heard):
        assert before.depth <= after.depth
        assert before.states <= after.states <= result.states
        assert before.transitions <= after.transitions <= result.transitions
        assert before.seconds <= after.seconds <= result.seconds


def test_more_cpus_than_were_needed_find_the_same_violation() -> None:
    """A bystander makes the shortest path no longer."""
    one, three = minimal_run(1, without="sync-1"), minimal_run(3, without="sync-1")
    assert len(one.path) == len(three.path)


def test_ctrl_c_while_the_path_is_looked_for_still_gives_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A violation is known by then: the answer keeps it, without a path."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reference, "_best", interrupted)
    try:
        result = minimal_run(1, without="sync-1")
    except KeyboardInterrupt:
        pytest.fail("the interrupt got out of explore()")
    assert result.verdict != Verdict.SAFE
    assert result.reason == "interrupted"
    assert result.found == {"no-torn-instruction"}
