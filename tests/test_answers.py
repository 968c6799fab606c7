"""Every question answers with a verdict and its grounds; a subject is built once."""

import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from modelcheck import Protocol, Suite, Variant, verify
from modelcheck.cli.group import AS_EXPECTED, INCONCLUSIVE, NOT_AS_EXPECTED, exit_code
from modelcheck.explore.choose import AUTO, Paranoid
from modelcheck.explore.verdict import Limits, Request, Verdict
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.properties import FINISHES, TORN
from modelcheck.protocol.suite import SAFE, violates
from modelcheck.questions.ablate import ablate
from modelcheck.questions.answer import Answer, Ground, Means
from modelcheck.questions.any_bytes import for_all_bytes
from modelcheck.questions.check import Job, check
from modelcheck.questions.diff import diff
from modelcheck.questions.explain import explain
from modelcheck.questions.judge import Judge
from modelcheck.questions.phases import phases
from modelcheck.questions.prove import prove
from modelcheck.questions.repair import repair
from modelcheck.questions.subject import Subject
from tests.protocols import minimal

QUESTIONS_FOLDER = Path(import_module("modelcheck.questions").__file__ or "").parent

COMMON = {"__init__", "answer", "findings", "judge", "subject", "vacuity", "witness"}
"""What questions are made with and told with; all else in the folder is a question."""

NO_LIMITS = Limits()


def silent(_: str) -> None:
    """Nobody is told."""


QUESTIONS: dict[str, Callable[[Job, Limits], Answer]] = {
    "check": lambda job, limits: check(job, spec="spec", request=Request(limits)),
    "prove": lambda job, limits: prove(job, spec="spec", limits=limits),
    "any_bytes": lambda job, limits: for_all_bytes(job, spec="spec", limits=limits),
    "explain": lambda job, _: explain(job),
    "ablate": lambda job, limits: ablate((job,), Judge(limits=limits), silent),
    "repair": lambda job, limits: repair((job,), 1, Judge(limits=limits), spec="s", tell=silent),
    "diff": lambda job, limits: diff(job, job_of(minimal(), safe=True), limits),
    "phases": lambda job, limits: phases(job, limits),
}
"""How each question is asked, by its module."""

each_question = pytest.mark.parametrize("question", QUESTIONS)


def job_of(protocol: Protocol, *, safe: bool, watched: tuple[str, ...] = ()) -> Job:
    """A job that expects what is so."""
    expect = SAFE if safe else violates(*(watched or (TORN,)))
    variant = Variant("base", protocol, expect)
    run = Configuration(1, "coherent", properties=watched)
    return Job(Suite(protocol, expect=expect), variant, run, "base")


SOUND = job_of(minimal(), safe=True)
TORN_ONE = job_of(minimal().without("sync-1"), safe=False)


def test_every_module_of_the_folder_is_asked_here() -> None:
    """A new question has to be put to the tests of this file."""
    assert {path.stem for path in QUESTIONS_FOLDER.glob("*.py")} - COMMON == QUESTIONS.keys()


@each_question
@pytest.mark.parametrize("job", [SOUND, TORN_ONE], ids=["sound", "torn"])
def test_every_answer_names_its_grounds(question: str, job: Job) -> None:
    """No verdict without saying by what it is known, and each ground once."""
    answer = QUESTIONS[question](job, NO_LIMITS)
    assert isinstance(answer, Answer)
    assert answer.verdict is not Verdict.INCONCLUSIVE
    assert answer.grounds
    assert all(isinstance(ground, Ground) and str(ground) for ground in answer.grounds)
    assert len(set(answer.grounds)) == len(answer.grounds)


VERDICTS = {
    # Repairs are safe once there is one; what each step is for has the protocol's own verdict.
    "sound": dict.fromkeys(QUESTIONS, Verdict.SAFE),
    "torn": dict.fromkeys(QUESTIONS, Verdict.VIOLATED) | {"repair": Verdict.SAFE},
}


@each_question
@pytest.mark.parametrize(
    ("name", "job"), [("sound", SOUND), ("torn", TORN_ONE)], ids=["sound", "torn"]
)
def test_all_questions_of_one_subject_give_one_verdict(question: str, name: str, job: Job) -> None:
    """Searches, invariants, axioms and automata agree; only a repair makes the torn one safe."""
    answer = QUESTIONS[question](job, NO_LIMITS)
    assert answer.verdict is VERDICTS[name][question]
    # That it does not behave as the sound one is no news, but it is not what diff hopes for.
    assert answer.as_expected is not (question == "diff" and name == "torn")


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q not in ("explain", "any_bytes")])
def test_an_inconclusive_answer_has_no_grounds_and_is_never_as_expected(question: str) -> None:
    """A search that was cut short rests on nothing; the axioms alone have no limits."""
    answer = QUESTIONS[question](SOUND, Limits(seconds=0))
    assert (answer.verdict, answer.grounds) == (Verdict.INCONCLUSIVE, ())
    assert not answer.as_expected


def test_grounds_say_who_searched_and_who_confirmed() -> None:
    """Of a paranoid check both engines; of a counterexample the machine alone, too."""
    once = check(TORN_ONE, spec="spec")
    assert once.grounds == (Ground(Means.SEARCH, "reference"), Ground(Means.REPLAY))
    twice = check(SOUND, spec="spec", engine=Paranoid(AUTO))
    assert twice.grounds == tuple(Ground(Means.SEARCH, n) for n in ("reference", "compiled"))
    assert [str(ground) for ground in once.grounds] == [
        "a search of states (reference)",
        "a run of the machine alone",
    ]


def test_liveness_rests_on_the_graph() -> None:
    """Watched for being stuck, a safe verdict has that ground besides the search."""
    result = check(job_of(minimal(), safe=True, watched=(FINISHES,)), spec="spec")
    assert result.grounds == (Ground(Means.SEARCH, "reference"), Ground(Means.GRAPH))


def test_proofs_rest_on_an_invariant_that_z3_confirms() -> None:
    """And their refutations on what the counterexample rests on."""
    proof, refuted = prove(SOUND, spec="spec"), prove(TORN_ONE, spec="spec")
    assert [ground.means for ground in proof.grounds] == [Means.ABSTRACTION, Means.SOLVER]
    assert refuted.violation is not None
    assert refuted.grounds == refuted.violation.grounds


def test_the_outcome_of_verify_is_an_answer() -> None:
    """The Python interface says by what a verdict is known."""
    outcome = verify(minimal(), cpus=1, fetch="coherent")
    assert isinstance(outcome, Answer)
    assert (outcome.as_expected, outcome.grounds) == (True, (Ground(Means.SEARCH, "reference"),))


def test_exit_codes_are_those_of_the_answers() -> None:
    """A surprise is worse than something open; and what is missing is open."""
    sound, torn = check(SOUND, spec="spec"), check(TORN_ONE, spec="spec")
    surprise = check(job_of(minimal().without("sync-1"), safe=True), spec="spec")
    cut = check(SOUND, spec="spec", request=Request(Limits(seconds=0)))
    assert exit_code([sound, torn], 2) == AS_EXPECTED
    assert exit_code([sound, cut], 2) == exit_code([sound], 2) == INCONCLUSIVE
    assert exit_code([cut, surprise], 9) == NOT_AS_EXPECTED


# Subjects.


def test_a_subject_is_built_once() -> None:
    """One machine and, as long as somebody holds it, one system for all who ask."""
    subject = Subject(minimal(), Configuration(1))
    system = subject.system
    assert subject.machine is system.model
    assert subject.setup is subject.machine.setup
    assert subject.system is system
    del system
    assert [held() for held in subject._systems] == [None]


def test_a_subject_is_sent_without_what_was_built() -> None:
    """Results go from process to process; machines stay where they are."""
    subject = Subject(minimal(), Configuration(1))
    bare = len(pickle.dumps(subject))
    system = subject.system
    list(system.successors(system.initial()))
    assert len(pickle.dumps(subject)) == bare
    assert pickle.loads(pickle.dumps(subject)) == subject


def test_a_job_and_its_copies_do_not_share_a_subject() -> None:
    """A job in another configuration is about something else."""
    assert SOUND.subject is SOUND.subject
    assert SOUND.subject.configured(cpus=3).configuration == Configuration(3, "coherent")
