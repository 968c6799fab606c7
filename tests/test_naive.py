"""The machine finds what a naive machine finds of the same protocol, no less and no more.

What is compared is all that the two have in common: which properties are violated anywhere,
deadlocks included, and what is executed. The naive one is modelcheck/naive/, which reads JSON.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from modelcheck import Protocol, Suite, Variant
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.setup import Configuration
from modelcheck.naive.reading import STEPS, UnknownError
from modelcheck.naive.walk import walk as naive_walk
from modelcheck.protocol.properties import FINISHES
from modelcheck.protocol.vocabulary import KINDS
from modelcheck.questions.check import Job, check
from modelcheck.trace.converter import converter
from tests import test_seeded_bugs as seeded
from tests.checks import TooBigError, walk
from tests.found import FOUND, TWO_STOPS
from tests.protocols import EVERY_PROPERTY, FETCH, SPECS, on_other_cpus, three_byte_variants
from tests.random_protocols import configurations, generated_kinds, protocols, random_runs

THREE = three_byte_variants()
NAIVE = Path(__file__).parent.parent / "modelcheck" / "naive"


def deadlocks(protocol: Protocol, run: Configuration) -> set[str]:
    """Whether some program can never finish, as the set of what that violates."""
    variant = Variant("base", protocol)
    job = Job(Suite(protocol), variant, replace(run, properties=(FINISHES,)), "naive")
    violated = check(job, spec="naive").violated
    return {violated} if violated else set()


def assert_same(protocol: Protocol, run: Configuration, at_most: int) -> bool:
    """Gives whether both could be walked."""
    run = replace(run, properties=EVERY_PROPERTY)
    try:
        survey = walk(protocol, run, at_most).survey
    except TooBigError:
        return False
    # The naive machine tells more states apart.
    document, how = converter.unstructure(protocol), converter.unstructure(run)
    naive = naive_walk(document, how, 3 * at_most)
    if naive is None:
        return False
    where = f"{protocol} in {run}"
    executed = {
        (protocol.sites[one.site].name, one.offset, one.data, one.kind) for one in survey.executed
    }
    assert survey.found | deadlocks(protocol, run) == naive.violated, where
    assert executed == naive.executed, where
    return True


def run_random(examples: int, *phases: Phase, cpus: int = 1) -> int:
    """How many random protocols both could walk."""
    walked: list[bool] = []
    phases = phases or tuple(settings.default.phases)

    @settings(random_runs(examples), phases=phases, report_multiple_bugs=False)
    @given(protocols(), configurations(cpus=cpus))
    def run(protocol: Protocol, configuration: Configuration) -> None:
        walked.append(assert_same(protocol, configuration, 1_500))

    run()
    return sum(walked)


def test_the_whole_vocabulary() -> None:
    """Differential, over the whole vocabulary, in both semantics."""
    assert run_random(300) > 200


def test_the_whole_vocabulary_on_two_cpus() -> None:
    """What one CPU says to another, and waits for, with a second one that runs the sites."""
    assert run_random(60, cpus=2) > 30


@pytest.mark.parametrize("name", ["base", "no-sync-1", "no-sync-2", "no-sync-3", "head-first"])
@pytest.mark.parametrize("fetch", ["store-order", "strict"])
def test_the_protocol_on_three_bytes(name: str, fetch: str) -> None:
    """The shipped protocol, with fetches of a step for each chunk."""
    run = Configuration(1, fetch, semantics="bytewise")
    assert assert_same(on_other_cpus(THREE[name]), run, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", THREE)
@pytest.mark.parametrize("fetch", FETCH)
def test_every_variant_on_three_bytes(name: str, fetch: str) -> None:
    """The same for all variants, fetch models, and chunks of two sizes."""
    for chunk, offset in ((1, 0), (2, 1)):
        run = Configuration(1, fetch, chunk, offset, semantics="bytewise")
        assert assert_same(on_other_cpus(THREE[name]), run, 400_000)


def shipped(spec: Path, at_most: int, every_model: bool) -> list[bool]:
    """For each variant of a spec and each of its fetch models, whether both could walk it."""
    return [
        assert_same(variant.protocol, Configuration(1, fetch, suite.chunk), at_most)
        for suite in load_suites(spec)
        for variant in suite
        for fetch in (suite.fetch if every_model else suite.fetch[-1:])
    ]


@pytest.mark.parametrize("spec", sorted(SPECS.glob("*.py")), ids=lambda path: path.stem)
def test_shipped_variants(spec: Path) -> None:
    """Every spec, with one CPU, as far as its states are few."""
    assert shipped(spec, 300, every_model=False)


@pytest.mark.slow
@pytest.mark.parametrize("spec", sorted(SPECS.glob("*.py")), ids=lambda path: path.stem)
def test_shipped_variants_under_every_fetch_model(spec: Path) -> None:
    """The same with many states, and under all fetch models that the spec names."""
    assert any(shipped(spec, 10_000, every_model=True))


@pytest.mark.parametrize("protocol", FOUND.values(), ids=FOUND)
def test_what_was_once_found(protocol: Protocol) -> None:
    """A corpus of protocols on which the machine was wrong, in both semantics."""
    for fetch in FETCH:
        run = Configuration(1, fetch)
        assert assert_same(on_other_cpus(protocol), run, 20_000)
        assert assert_same(on_other_cpus(protocol), replace(run, semantics="bytewise"), 20_000)


def test_stops_exclude_one_another() -> None:
    """In Linux a mutex does that (stop_cpus_mutex): who waits for it stands in the other's stop."""
    for cpus in (1, 2):
        assert not deadlocks(TWO_STOPS, Configuration(cpus))
        assert deadlocks(TWO_STOPS.without("one/release"), Configuration(cpus))


# The comparison itself.


@pytest.mark.parametrize(
    "bug",
    [
        seeded.an_ipi_that_does_not_synchronise,
        seeded.a_fetch_that_sees_only_newest_bytes,
        seeded.a_handler_that_is_never_unpublished,
    ],
    ids=lambda bug: bug.__name__,
)
def test_seeded_bugs_show(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: bugs in the machine alone make it."""
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        run_random(1_000, Phase.generate)


def test_random_protocols_have_steps_of_every_kind() -> None:
    """What the generator does not make is compared by nobody; so a new kind of step is missed."""
    assert generated_kinds() == set(KINDS)


def test_the_naive_machine_knows_every_kind_of_step() -> None:
    """A kind that comes into the vocabulary comes into the naive machine too."""
    assert set(STEPS) == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize(
    "change",
    [{"steps": []}, {"stores": "odd"}, {"isa": "vax"}, {"program": [{"label": "x", "step": "No"}]}],
    ids=["a field", "a kind of stores", "an architecture", "a kind of step"],
)
def test_what_is_unknown_is_refused(change: dict[str, object]) -> None:
    """The naive machine ignores nothing."""
    document = converter.unstructure(FOUND["a counter is asked for three"])
    with pytest.raises(UnknownError):
        naive_walk(document | change, {}, 1)


def test_the_naive_machine_shares_nothing() -> None:
    """It imports no other part of the package, and no other part but the command line imports it.

    pyproject.toml puts it below all others; this is about the one direction that layers allow.
    """
    for file in NAIVE.parent.rglob("*.py"):
        inside = NAIVE in file.parents
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if inside and str(name).startswith("modelcheck"):
                    assert str(name).startswith("modelcheck.naive"), file
                if not inside and str(name).startswith("modelcheck.naive"):
                    assert file.parent.name == "cli", file
