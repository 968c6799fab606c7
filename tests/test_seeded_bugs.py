"""Bugs put in on purpose: each must make core checks fail that hold without it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from modelcheck import Suite
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import Request
from modelcheck.machine import cpu, program
from modelcheck.machine.actors import Machine
from modelcheck.machine.effects import Actor
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.machine.state import Local, Move, Shared
from tests import checks
from tests.protocols import suites, three_byte_variants

Check = Callable[[], None]
RELAXED = ("store-order", "per-chunk", "incoherent")


def an_ipi_that_does_not_synchronise(monkeypatch: pytest.MonkeyPatch) -> None:
    """To take an IPI leaves what was fetched as it is."""
    original = cpu.moves

    def moves(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
        for move in original(setup, shared, local, actor):
            if move.label == cpu.TAKE_IPI:
                yield move._replace(local=local._replace(pending=0, serialise=False))
            else:
                yield move

    monkeypatch.setattr(cpu, "moves", moves)


def a_fetch_that_sees_only_newest_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are always shut."""
    original = cpu.moves

    def moves(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
        if local.trap is None and setup.tracks_views:
            local = local._replace(view=setup.layout.newest(shared.memory))
        yield from original(setup, shared, local, actor)

    monkeypatch.setattr(cpu, "moves", moves)


def a_handler_that_is_never_unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells keep their last value when they are emptied."""
    original = program.moves

    def moves(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
        for move in original(setup, shared, local, actor):
            kept = tuple(
                now or was for was, now in zip(shared.cells, move.shared.cells, strict=True)
            )
            yield move._replace(shared=move.shared._replace(cells=kept))

    monkeypatch.setattr(program, "moves", moves)


def a_search_that_drops_a_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in each search, one transition is lost."""
    original = System.successors
    dropped: set[int] = set()

    def successors(self: System, state: State) -> Iterator[Transition]:
        found = list(original(self, state))
        if len(found) > 2 and id(self) not in dropped:
            dropped.add(id(self))
            found.pop()
        return iter(found)

    monkeypatch.setattr(System, "successors", successors)


def check_variants() -> None:
    """All variants, under all fetch models."""
    checks.check_expected_verdicts(fetch=("coherent", *RELAXED, "strict"))


def check_sync_2() -> None:
    """The second sync is needed where bytes may be seen out of order."""
    checks.check_expected_verdicts(("no-sync-2",), ("per-chunk", "incoherent"))


def check_sync_3() -> None:
    """The third sync keeps CPUs out of a handler without data."""
    checks.check_expected_verdicts(("no-sync-3",))


def check_base() -> None:
    """The protocol holds where stale bytes may be fetched."""
    checks.check_expected_verdicts(("base",), RELAXED)


def check_retiring() -> None:
    """Data withdrawn too early are missed."""
    checks.check_expected_verdicts(("retire-early", "irqs-on-in-handler"))


def check_agreement() -> None:
    """Both semantics agree on a variant that tears."""
    checks.check_semantics_agree(("no-sync-1",))


CHECKS: tuple[Check, ...] = (
    checks.check_minimal_counts,
    check_variants,
    check_sync_2,
    check_sync_3,
    check_base,
    check_retiring,
    check_agreement,
)

BUGS: tuple[tuple[Callable[[pytest.MonkeyPatch], None], tuple[Check, ...]], ...] = (
    (
        an_ipi_that_does_not_synchronise,
        (checks.check_minimal_counts, check_base, check_variants),
    ),
    (a_fetch_that_sees_only_newest_bytes, (check_sync_2, check_variants, check_agreement)),
    (a_handler_that_is_never_unpublished, (check_sync_3, check_retiring, check_variants)),
    (a_search_that_drops_a_successor, (checks.check_minimal_counts,)),
)


@pytest.mark.parametrize("check", CHECKS)
def test_the_core_checks_hold(check: Check) -> None:
    """Without a bug each check passes, so that a failure means the bug."""
    check()


@pytest.mark.parametrize(
    ("bug", "check"), [(bug, check) for bug, caught_by in BUGS for check in caught_by]
)
def test_the_core_checks_fail_with_a_seeded_bug(
    bug: Callable[[pytest.MonkeyPatch], None], check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bug is caught by each check that is meant to catch it."""
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("name", ["no-sync-3", "irqs-on-in-handler", "publish-late"])
def test_a_spec_that_forgets_to_retire_its_handler_is_not_as_expected(name: str) -> None:
    """Expected verdicts can tell a spec with a missing step, where that step matters."""
    (suite, *_) = suites()
    forgetful = tuple(
        replace(variant, protocol=variant.protocol.without("retire")) for variant in suite.variants
    )
    forgetful_suite = Suite(suite.protocol, forgetful, fetch=suite.fetch)
    checks.check_expected_verdicts((name,), among=(suite,))
    if name == "publish-late":
        # What this variant gets wrong comes before anything could be retired.
        checks.check_expected_verdicts((name,), among=(forgetful_suite,))
    else:
        with pytest.raises(AssertionError):
            checks.check_expected_verdicts((name,), among=(forgetful_suite,))


@pytest.mark.parametrize("name", ["base", "no-sync-1", "no-syncs"])
def test_the_walk_of_the_checks_is_the_search_of_the_explorer(name: str) -> None:
    """The test's own walk has the states and the findings of the reference search."""
    configuration = Configuration(1, "per-chunk")
    protocol = three_byte_variants()[name]
    walked = checks.walk(protocol, configuration)
    searched = REFERENCE.explore(
        System(Machine(protocol, configuration)), Request(beyond_violations=True)
    )
    assert (walked.states, walked.survey.found) == (searched.states, searched.found)
