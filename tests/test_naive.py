"""The machine finds what a naive reading of the same protocol finds, no less and no more."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from modelcheck import Protocol
from modelcheck.machine.setup import Configuration
from tests import test_seeded_bugs as seeded
from tests.checks import TooBigError, walk
from tests.naive import KNOWN, Naive
from tests.protocols import (
    EVERY_PROPERTY,
    FETCH,
    on_other_cpus,
    random_configurations,
    random_protocols,
    three_byte_variants,
)

THREE = three_byte_variants()


def assert_same(protocol: Protocol, run: Configuration, at_most: int) -> bool:
    """Gives whether both could be walked."""
    try:
        found = walk(protocol, run, at_most).survey.found & KNOWN
    except TooBigError:
        return False
    naive = Naive(protocol, run.cpus, run.fetch, run.chunk, run.offset).violations(at_most)
    assert naive is None or found == naive, f"{protocol} in {run}"
    return naive is not None


def run_random(examples: int, *phases: Phase) -> int:
    """How many random protocols both could walk."""
    walked: list[bool] = []

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=examples,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(random_protocols(), random_configurations())
    def run(protocol: Protocol, configuration: Configuration) -> None:
        walked.append(assert_same(on_other_cpus(protocol), configuration, 1_500))

    run()
    return sum(walked)


def test_random_protocols() -> None:
    """Differential, against a reader of protocols that shares no code with the machine."""
    assert run_random(250, Phase.generate, Phase.shrink) > 100


@pytest.mark.slow
def test_many_random_protocols() -> None:
    """Twenty times as many of them."""
    assert run_random(5_000, Phase.generate, Phase.shrink) > 2_000


@pytest.mark.parametrize("name", ["base", "no-sync-1", "no-sync-2", "no-sync-3", "head-first"])
@pytest.mark.parametrize("fetch", ["store-order", "strict"])
def test_the_protocol_on_three_bytes(name: str, fetch: str) -> None:
    """The shipped protocol and its nearest edits, by the naive reading."""
    run = Configuration(1, fetch, properties=EVERY_PROPERTY)
    assert assert_same(on_other_cpus(THREE[name]), run, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", THREE)
@pytest.mark.parametrize("fetch", FETCH)
def test_every_variant_on_three_bytes(name: str, fetch: str) -> None:
    """Each variant under each fetch model, in chunks of one and of two bytes."""
    for chunk, offset in ((1, 0), (2, 1)):
        run = Configuration(1, fetch, chunk, offset, properties=EVERY_PROPERTY)
        assert assert_same(on_other_cpus(THREE[name]), run, 400_000)


@pytest.mark.parametrize(
    "bug",
    [
        seeded.an_ipi_that_does_not_synchronise,
        seeded.a_fetch_that_sees_only_newest_bytes,
        seeded.a_handler_that_is_never_unpublished,
    ],
)
def test_seeded_bugs_show(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: a bug put into the machine is found on random protocols."""
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        run_random(250, Phase.generate)
