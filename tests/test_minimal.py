"""The minimal protocol byte by byte: counts and lengths that other checkers have found too."""

import pytest

from modelcheck.explore.verdict import Verdict
from tests.checks import ANY_ORDER_STATES, check_minimal_counts, minimal_run
from tests.protocols import minimal, spec


@pytest.mark.parametrize("cpus", [1, 2, 3, 4])
def test_state_and_transition_counts_are_those_of_other_checkers(cpus: int) -> None:
    """Counts that do not come from this checker; test_promela.py has SPIN count again."""
    check_minimal_counts((cpus,))


@pytest.mark.parametrize("cpus", [1, 2, 3])
def test_without_the_first_ipi_the_shortest_violation_has_8_steps(cpus: int) -> None:
    """The same length for each number of CPUs: one of them tears, the others do nothing."""
    result = minimal_run(cpus, without="sync-1")
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "no-torn-instruction")
    assert len(result.path) == result.depth == 8


@pytest.mark.parametrize("cpus", [1, 2, 3])
def test_in_ascending_order_neither_later_ipi_is_needed(cpus: int) -> None:
    """Bytes fetched in order, the newest each time: only the first sync keeps from tearing."""
    for sync in ("sync-2", "sync-3"):
        assert minimal_run(cpus, without=sync).verdict == Verdict.SAFE


@pytest.mark.parametrize("cpus", [1, 2])
def test_in_any_order_the_states_are_577_and_33073(cpus: int) -> None:
    """Counts that do not come from this checker, for bytes fetched in any order."""
    result = minimal_run(cpus, "coherent-any-order")
    assert (result.verdict, result.states) == (Verdict.SAFE, ANY_ORDER_STATES[cpus])


@pytest.mark.slow
def test_in_any_order_three_cpus_have_2301181_states() -> None:
    """The next count of the same row, which takes minutes in plain Python."""
    result = minimal_run(3, "coherent-any-order")
    assert (result.verdict, result.states) == (Verdict.SAFE, ANY_ORDER_STATES[3])


@pytest.mark.parametrize("cpus", [1, 2])
def test_in_any_order_without_the_second_ipi_the_shortest_violation_has_n_plus_14_steps(
    cpus: int,
) -> None:
    """Linear in the CPUs: each has to take the first IPI before the tail is written."""
    result = minimal_run(cpus, "coherent-any-order", without="sync-2")
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "no-torn-instruction")
    assert len(result.path) == cpus + 14


def test_the_shipped_minimal_spec_is_the_protocol_counted_here() -> None:
    """The counts are of what users run, not of a copy that has drifted."""
    shipped = spec("x86_int3_minimal")["minimal"]
    (site,), (counted,) = shipped.sites, minimal().sites
    assert (site.old, site.new) == (counted.old, counted.new)
    assert (shipped.program, shipped.handler) == (minimal().program, minimal().handler)
    assert not shipped.patcher_executes
