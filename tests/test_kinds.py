"""No kind of step may be overlooked: every place that must know one is asked whether it does.

A new kind costs a class with what it is made of, its constructor, words where its actions say too
little, and a line in the docs. `Fill` is such a kind, which only these tests know.
"""

from dataclasses import dataclass, replace

import pytest

from modelcheck import Protocol, Site
from modelcheck.axiomatic.reasons import Possible, explained_mixes
from modelcheck.explore.verdict import Verdict
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import Actions, Owner, Put
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Step
from modelcheck.protocol.source import here
from modelcheck.protocol.suite import Suite
from modelcheck.protocol.vocabulary import KINDS
from modelcheck.questions.any_bytes import for_all_bytes
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace.replay import replay
from tests import kinds


@pytest.mark.parametrize("step", KINDS, ids=lambda step: step.__name__)
def test_no_place_has_forgotten_a_kind_of_step(step: type[Step]) -> None:
    """Machine, axioms, JSON, words, docs, exports, generators and logs know each kind, or refuse
    it."""
    assert kinds.forgotten(kinds.of_vocabulary(step)) == ()


@dataclass(frozen=True)
class Fill(Step):
    """Set all bytes of a site to a value, from the lowest address up."""

    site: str
    size: int
    value: int

    def actions(self) -> Actions:
        """One write of so many equal bytes."""
        return (Put(self.site, bytes([self.value]) * self.size),)


def fill(label: str, site: Site, value: int) -> Fill:
    """Set all bytes of a site to a value."""
    return Fill(label, site.name, len(site), value, source=here())


PADDED = Site("foo", b"\x90\x90", b"\xc3\xc3")
FILLING = Protocol("filling", (PADDED,), (fill("fill", PADDED, 0xC3),))


def filling(**changes: object) -> kinds.Kind:
    """The kind as it would be if it were part of the vocabulary."""
    page = "| `fill` | set all bytes of a site |"
    known = kinds.Kind(Fill, FILLING, page, (fill,), frozenset({Fill}))
    return replace(known, **changes)


def test_a_kind_that_is_known_everywhere_is_not_forgotten() -> None:
    """A class with one line of actions, its constructor, and a line in the docs is enough."""
    assert kinds.forgotten(filling()) == ()


class Unsaid(Fill):
    """The same, but nobody says what it is made of."""

    actions = Step.actions


class Silent(Fill):
    """The same, but made of nothing, and without words."""

    def actions(self) -> Actions:
        """Nothing."""
        return ()


@dataclass(frozen=True)
class Unwritable(Fill):
    """The same, with a part that JSON has no form for."""

    part: complex = 0j


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"sample": None}, "tests: no sample protocol"),
        ({"page": ""}, "docs: docs/writing-a-spec.md has no line on fill"),
        ({"public": ()}, "docs: no public function makes one"),
        ({"generated": frozenset()}, "generators: no random protocol has one"),
    ],
    ids=["no sample", "no line in the docs", "no constructor", "not generated"],
)
def test_a_place_that_was_left_out_is_named(changes: dict[str, object], place: str) -> None:
    """Whatever is forgotten for `Fill`, the test of all kinds fails and says which place it is."""
    assert kinds.forgotten(filling(**changes)) == (place,)


@pytest.mark.parametrize(
    ("step", "place"),
    [(Silent("fill", "foo", 2, 0xC3), "words"), (Unwritable("fill", "foo", 2, 0xC3, 5j), "JSON")],
    ids=["nothing to say", "no JSON"],
)
def test_a_kind_that_says_too_little_is_named(step: Fill, place: str) -> None:
    """A step that no trace can tell of, or no file can hold, is found out."""
    sample = replace(FILLING, program=(step,))
    found = kinds.forgotten(filling(step=type(step), sample=sample))
    assert place in [said.partition(":")[0] for said in found]


def test_a_kind_without_actions_is_refused_at_once() -> None:
    """Without its actions a step has no meaning anywhere, and no protocol may have it."""
    with pytest.raises(SpecError, match="does not say what it is made of"):
        replace(FILLING, program=(Unsaid("fill", "foo", 2, 0xC3),))


def test_a_step_that_nobody_named_tears_in_all_views_of_it() -> None:
    """What the trial of the forgotten step got wrong: search, axioms and any bytes say the same."""
    suite = Suite(FILLING, fetch=("coherent",), cpus=1)
    (job,) = jobs((suite,), Overrides())
    found = check(job, spec="spec.py")
    assert found.violated == "no-torn-instruction"
    assert found.trace is not None
    assert replay(found.trace) == len(found.trace.steps)
    told = explained_mixes(FILLING, Configuration(cpus=1, fetch="coherent"))
    assert any(isinstance(answer, Possible) for answer in told)
    assert for_all_bytes(job, spec="spec.py").verdict is Verdict.VIOLATED


@pytest.mark.parametrize("step", KINDS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("owner", Owner, ids=lambda owner: owner.name.lower())
def test_nobody_is_given_a_step_that_is_not_theirs(step: type[Step], owner: Owner) -> None:
    """A step in the wrong program is refused with its line; in the right ones, never for that."""
    sample = kinds.SAMPLES[step.__name__]
    (found, *_) = kinds.steps_of(step, sample)
    lone = replace(found, source=here())
    programs = {
        Owner.PATCHER: "program",
        Owner.CPU: "cpu_program",
        Owner.NMI: "nmi",
        Owner.ROUTINE: "callee",
    }
    said = refused(programs[owner], lone)
    if owner in found.owners:
        assert "is nothing for" not in said
    else:
        assert "is nothing for" in said
        assert said.startswith(f"test_kinds.py:{lone.source.line}: ")


def refused(program: str, step: Step) -> str:
    """Why a protocol with this program is refused; empty if it is not."""
    try:
        replace(kinds.SAMPLES["Write"], **{program: (step,)})
    except SpecError as error:
        return str(error)
    return ""
