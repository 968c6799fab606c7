"""Random protocols over the whole vocabulary, through all that can be held against one another.

test_naive.py gives them to the naive machine. With --nightly, each test here draws 20,000; that of
exports 600, for which as many models are compiled.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, reject

from modelcheck import Protocol, Suite, Variant
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.verdict import DECIDED, violated
from modelcheck.certificate.certify import certify_text
from modelcheck.explore.any_number import abstract
from modelcheck.explore.engine import ENGINES, differences
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Limits, Request, Verdict
from modelcheck.export.guarded import NotExportableError
from modelcheck.machine import broadcast
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.machine.state import Guard, Local, NoneStopped
from modelcheck.naive import certifier
from modelcheck.protocol.program import flatten
from modelcheck.protocol.properties import LIVENESS
from modelcheck.protocol.vocabulary.program import WaitStopped
from modelcheck.questions.check import Job, check
from modelcheck.questions.prove import not_excluded, prove
from modelcheck.questions.subject import Subject
from modelcheck.trace.converter import converter
from modelcheck.trace.document import load, to_json
from modelcheck.trace.replay import replay
from tests.checks import Survey, TooBigError, assert_agree, walk
from tests.protocols import EVERY_PROPERTY
from tests.random_protocols import compared, configurations
from tests.test_exports import assert_rumur_agrees, with_rumur
from tests.test_naive import assert_same
from tests.test_promela import assert_spin_agrees, with_spin

SAFETY = tuple(name for name in EVERY_PROPERTY if name not in LIVENESS)
FEW = Limits(states=3_000)


def job_of(protocol: Protocol, configuration: Configuration) -> Job:
    """The protocol as a job, expected to be safe."""
    return Job(Suite(protocol), Variant("base", protocol), configuration, "random")


def survey_of(protocol: Protocol, configuration: Configuration) -> Survey:
    """All that can happen; rejects what is too big to walk."""
    try:
        return walk(protocol, configuration, 3_000).survey
    except TooBigError:
        reject()


@compared(150, configurations(semantics=("windowed",)))
def test_both_semantics(protocol: Protocol, configuration: Configuration) -> None:
    """Differential: byte-wise and windowed execute and violate the same."""
    try:
        assert_agree(protocol, configuration, at_most=3_000)
    except TooBigError:
        reject()


@compared(150, configurations(cpus=2, semantics=("windowed",)))
def test_every_engine(protocol: Protocol, configuration: Configuration) -> None:
    """Differential: all engines give the reference's answers, on one thread and on two."""
    model = Machine(protocol, replace(configuration, properties=SAFETY))
    oracle = REFERENCE.explore(System(model), Request(FEW))
    if oracle.reason:
        reject()
    for engine in ENGINES.values():
        for threads in (1, 2):
            found = engine.explore(System(model), Request(threads=threads))
            assert differences(found, oracle) == []


@compared(100, configurations(semantics=("windowed",)))
def test_axioms(protocol: Protocol, configuration: Configuration) -> None:
    """Differential: an order of events without states, where the axioms cover the protocol."""
    try:
        excluded = violated(protocol, configuration)
    except NotCoveredError:
        reject()
    watching = replace(configuration, properties=DECIDED)
    assert excluded == survey_of(protocol, watching).found & set(DECIDED)


@compared(60, configurations(semantics=("windowed",)))
def test_any_number(protocol: Protocol, configuration: Configuration) -> None:
    """Sound: one CPU, two and three violate nothing that is proved for any number of CPUs, and no
    cell has a value there that the abstraction does not have, be it as one of many."""
    subject = Subject(protocol, configuration)
    open_ = not_excluded(subject, FEW)
    setup = Setup(protocol, replace(configuration, any_number=True))
    system = System(Machine(protocol, setup.configuration))
    found = abstract(system, FEW, beyond_violations=True)
    abstracted = {system.shareds.values[core[0]].cells for core in found.reached}
    for cpus in (1, 2, 3):
        survey = survey_of(protocol, replace(configuration, cpus=cpus))
        assert survey.found <= open_
        for cells in {event.cells for event in survey.events} if found.reason is None else ():
            held = tuple(
                setup.counted(cell, value, 0)[0] if isinstance(value, int) else value
                for cell, value in enumerate(cells)
            )
            assert held in abstracted


@compared(20, configurations(semantics=("windowed",)))
def test_certificates(protocol: Protocol, configuration: Configuration) -> None:
    """A proof of all that can be proved is confirmed by its checker, and by the independent one."""
    open_ = not_excluded(Subject(protocol, configuration), FEW)
    proved = tuple(name for name in SAFETY if name not in open_)
    if not proved:
        reject()
    job = job_of(protocol, replace(configuration, properties=proved))
    certificate = prove(job, spec="random").certificate
    assert certificate is not None
    assert certify_text(certificate).invariant.protocol == protocol
    assert certifier.certify(certificate).proved == tuple(sorted(proved))


@with_spin
@with_rumur
@compared(12, configurations(), nightly_examples=600)
def test_exports(protocol: Protocol, configuration: Configuration) -> None:
    """SPIN and Rumur count our states and transitions, or the export refuses the protocol."""
    watching = replace(configuration, properties=SAFETY)
    survey_of(protocol, watching)
    with TemporaryDirectory() as folder:
        try:
            assert_spin_agrees(protocol, watching, Path(folder))
        except NotExportableError:
            reject()
        assert_rumur_agrees(Machine(protocol, watching), Path(folder))


@compared(300, configurations())
def test_documents(protocol: Protocol, configuration: Configuration) -> None:
    """A protocol and a configuration come back from JSON as they were."""
    for value in (protocol, configuration):
        document = json.loads(json.dumps(converter.unstructure(value)))
        assert converter.structure(document, type(value)) == value


@compared(100, configurations())
def test_traces(protocol: Protocol, configuration: Configuration) -> None:
    """A counterexample is replayed by the machine alone, after a way through JSON."""
    result = check(job_of(protocol, configuration), spec="random.py", request=Request(FEW))
    if result.verdict is not Verdict.VIOLATED:
        reject()
    assert result.trace is not None
    with TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        file.write_text(to_json(result.trace), encoding="utf-8")
        again = load(file)
    assert again == result.trace
    assert replay(again) == len(again.steps)


# Errors that were made once, put back in.


def a_stop_forgets_to_serialise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that is asked to stop again may still have an earlier stop to leave."""
    original = broadcast.holds

    def holds(guard: Guard, local: Local) -> bool:
        return isinstance(guard, NoneStopped) or original(guard, local)

    monkeypatch.setattr(broadcast, "holds", holds)


def axioms_take_weak_stores_as_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the axioms say is of a protocol whose stores stay in order."""
    right = violated

    def wrong(protocol: Protocol, configuration: Configuration) -> frozenset[str]:
        return right(replace(protocol, stores="in-order"), configuration)

    monkeypatch.setattr(f"{__name__}.violated", wrong)


def axioms_pass_over_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the axioms say is of a protocol without the steps that wait for CPUs to stop."""
    right = violated

    def wrong(protocol: Protocol, configuration: Configuration) -> frozenset[str]:
        steps = flatten(protocol.program)
        unknown = [step.label for step in steps if isinstance(step, WaitStopped)]
        return right(protocol.without(*unknown), configuration)

    monkeypatch.setattr(f"{__name__}.violated", wrong)


def many_but_one_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that was many is no longer so after one is taken away."""
    original = Setup.counted

    def counted(setup: Setup, cell: int, value: int, amount: int) -> tuple[int, ...]:
        return original(setup, cell, value, amount)[:1]

    monkeypatch.setattr(Setup, "counted", counted)


HISTORICAL = pytest.mark.parametrize(
    ("error", "test"),
    [
        (a_stop_forgets_to_serialise, assert_same),
        (axioms_take_weak_stores_as_in_order, test_axioms),
        (axioms_pass_over_a_step, test_axioms),
        (many_but_one_is_one, test_any_number),
    ],
    ids=lambda one: one.__name__,
)


def assert_found(test: Callable[..., object], examples: int, phase: Phase) -> None:
    """The test fails, on a protocol of the corpus or on a random one."""
    inner = getattr(test, "hypothesis", None)
    body: Callable[..., object] = inner.inner_test if inner else test

    @compared(examples, configurations(semantics=("windowed",)), phases=[phase])
    def find(protocol: Protocol, configuration: Configuration) -> None:
        body(protocol, configuration, *([] if inner else [1_000]))

    with pytest.raises(AssertionError):
        find()


@HISTORICAL
def test_the_corpus_finds_historical_errors(
    error: Callable[[pytest.MonkeyPatch], None],
    test: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was found once is found at once."""
    error(monkeypatch)
    assert_found(test, 1, Phase.explicit)


@pytest.mark.slow
@HISTORICAL
def test_historical_errors_are_found(
    error: Callable[[pytest.MonkeyPatch], None],
    test: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random protocols alone find what was once found by other means, or by nobody."""
    error(monkeypatch)
    assert_found(test, 8_000, Phase.generate)
