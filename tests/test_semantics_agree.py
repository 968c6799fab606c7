"""Two semantics with one meaning: byte-wise and windowed, on shipped and random protocols."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, reject, settings

from modelcheck import Handler, Protocol, Site, iret, on_each_cpu, write
from modelcheck.explore.verdict import Verdict
from modelcheck.machine import cpu
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.machine.state import Local, Move, Shared
from modelcheck.protocol.suite import Semantics
from tests.checks import TooBigError, assert_agree, assert_verdicts_agree, run, walk
from tests.protocols import (
    EVERY_PROPERTY,
    FETCH,
    SEMANTICS,
    five_byte_variants,
    on_other_cpus,
    random_configurations,
    random_protocols,
    three_byte_variants,
    watching,
)

FIVE = five_byte_variants()
THREE = three_byte_variants()

random_runs = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def places(fetch: str, cpus: int) -> tuple[Configuration, ...]:
    """One byte at a time; under two models also two bytes at a time from an odd address."""
    bytes_ = Configuration(cpus, fetch, chunk=1, properties=EVERY_PROPERTY)
    pairs = replace(bytes_, chunk=2, offset=1)
    return (bytes_, pairs) if fetch in ("coherent", "per-chunk") else (bytes_,)


@pytest.mark.parametrize("name", FIVE)
def test_one_cpu_on_the_real_bytes(name: str) -> None:
    """Byte-wise and windowed execute the same bytes, in the same memory, on the shipped site."""
    for fetch in FETCH:
        for configuration in places(fetch, 1):
            assert_agree(on_other_cpus(FIVE[name]), configuration)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIVE)
def test_one_cpu_on_the_real_bytes_each_property_alone(name: str) -> None:
    """A verdict on one property alone is what watching all implies."""
    for fetch in FETCH:
        assert_verdicts_agree(on_other_cpus(FIVE[name]), Configuration(1, fetch))


@pytest.mark.slow
@pytest.mark.parametrize("name", THREE)
def test_one_cpu_on_three_bytes_each_property_alone(name: str) -> None:
    """The same on a first, a middle and a last byte."""
    for fetch in FETCH:
        assert_verdicts_agree(on_other_cpus(THREE[name]), Configuration(1, fetch))


@pytest.mark.parametrize("name", THREE)
def test_two_cpus_on_three_bytes(name: str) -> None:
    """A fetch in many steps interleaves with another CPU's; in one step it must not matter."""
    for fetch in FETCH:
        for configuration in places(fetch, 2):
            assert_agree(on_other_cpus(THREE[name]), configuration)


@pytest.mark.parametrize("name", THREE)
def test_the_patchers_cpu_and_another_on_three_bytes(name: str) -> None:
    """The patcher's own CPU executes patched code in its interrupts."""
    for fetch in FETCH:
        for configuration in places(fetch, 1):
            assert_agree(THREE[name], configuration)


@settings(random_runs, max_examples=300)
@given(random_protocols(), random_configurations())
def test_random_protocols(protocol: Protocol, configuration: Configuration) -> None:
    """Both semantics agree on programs and handlers that nobody would write."""
    try:
        assert_agree(protocol, configuration, at_most=30_000)
    except TooBigError:
        reject()


@settings(random_runs, max_examples=60)
@given(random_protocols(), random_configurations(cpus=2))
def test_random_protocols_on_two_cpus(protocol: Protocol, configuration: Configuration) -> None:
    """The same with two CPUs besides the patcher's."""
    try:
        assert_agree(on_other_cpus(protocol), configuration, at_most=30_000)
    except TooBigError:
        reject()


@settings(random_runs, max_examples=150)
@given(random_protocols(trap=b"\xcd\x03"), random_configurations())
def test_random_protocols_with_a_trap_of_two_bytes(
    protocol: Protocol, configuration: Configuration
) -> None:
    """A trap is entered in the step that reads the last of it."""
    try:
        assert_agree(protocol, configuration, at_most=30_000)
    except TooBigError:
        reject()


@settings(random_runs, max_examples=60)
@given(random_protocols(), random_configurations())
def test_random_protocols_each_property_alone(
    protocol: Protocol, configuration: Configuration
) -> None:
    """A search stops at what it watches: no other property may change that."""
    try:
        walk(protocol, replace(configuration, semantics="bytewise"), at_most=5_000)
    except TooBigError:
        reject()
    assert_verdicts_agree(protocol, configuration)


# A CPU in a handler whose return synchronises forgets its view: no one can tell.


def remember_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the reduction out: a CPU in a handler keeps its view."""
    original = cpu._execute

    def execute(setup: Setup, shared: Shared, before: Local, after: Local, *rest: object) -> Move:
        move = original(setup, shared, before, after, *rest)  # type: ignore[arg-type]
        return move._replace(local=move.local._replace(view=after.view))

    monkeypatch.setattr(cpu, "_execute", execute)


@pytest.mark.parametrize(
    ("name", "semantics"),
    [
        *((name, "windowed") for name in THREE),
        *(
            pytest.param(name, "bytewise", marks=pytest.mark.slow)
            for name in ("base", "no-syncs", "irqs-on-in-handler")
        ),
    ],
)
def test_forgetting_the_view_in_a_handler_changes_nothing_but_the_number_of_states(
    name: str, semantics: Semantics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reduction: who will serialise before fetching again need not remember. Both walks agree."""
    configurations = [
        Configuration(1, fetch, semantics=semantics, properties=EVERY_PROPERTY) for fetch in FETCH
    ]
    forgetting = [walk(THREE[name], configuration) for configuration in configurations]
    remember_views(monkeypatch)
    remembering = [walk(THREE[name], configuration) for configuration in configurations]
    assert [w.survey for w in forgetting] == [w.survey for w in remembering]
    assert all(few.states <= many.states for few, many in zip(forgetting, remembering, strict=True))


def test_forgetting_the_view_in_a_handler_saves_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reduction is worth its lines."""
    configuration = Configuration(1, "per-chunk")
    few = walk(THREE["base"], configuration).states
    remember_views(monkeypatch)
    assert few < walk(THREE["base"], configuration).states


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("fetch", FETCH)
def test_an_ipi_taken_in_a_handler_synchronises_even_if_the_return_does_not(
    fetch: str, semantics: Semantics
) -> None:
    """Where interrupts are on in a handler, its return must not undo what the IPI did."""
    site = Site("foo", b"\x01", b"\x02")
    protocol = watching(
        Protocol(
            "trap-then-sync",
            (site,),
            (write("trap", site, b"\xcc"), write("new", site, b"\x02"), on_each_cpu("sync")),
            Handler(b"\xcc", (iret("iret", synchronises=False),), interrupts=True),
        ),
        "visible-after-return",
    )
    configuration = Configuration(1, fetch, semantics=semantics)
    assert run(protocol, configuration).verdict == Verdict.SAFE
    unsynchronised = protocol.without("sync")
    assert run(unsynchronised, configuration).verdict == Verdict.VIOLATED
