"""Ablation says what each step is for, and every answer agrees with the explorer."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    block,
    iret,
    is_equal,
    lookup,
    on_each_cpu,
    store,
    when,
    write,
)
from modelcheck.cli import main
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Limits, Request, Verdict
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.definition import Patcher
from modelcheck.protocol.suite import STRICT_TOO
from modelcheck.questions.ablate import Ablation, Edited, ablate
from modelcheck.questions.check import Job, Overrides, jobs
from modelcheck.questions.judge import (
    UNDECIDED,
    EndState,
    Judge,
    Judgement,
    completes,
    end_state,
    meaning,
)
from modelcheck.questions.prove import not_excluded
from modelcheck.questions.subject import Subject
from tests.protocols import (
    SPECS,
    minimal,
    random_configurations,
    random_protocols,
    suites,
    three_byte_variants,
    watching,
)

TORN = "no-torn-instruction"
HANDLER_DATA = ("no-unhandled-trap", "no-stale-handler-data")


def jobs_of(protocol: Protocol, **overrides: object) -> tuple[Job, ...]:
    """The jobs of a protocol by itself."""
    return tuple(jobs((Suite(protocol),), replace(Overrides(), **overrides)))  # type: ignore[arg-type]


def ablation_of(protocol: Protocol, **overrides: object) -> Ablation:
    """What an ablation of the protocol finds."""
    return ablate(jobs_of(protocol, **overrides), Judge(), lambda text: None)


@pytest.fixture(scope="module")
def int3() -> Ablation:
    """The ablation of the shipped protocol, made once."""
    return ablation_of(suites()[0].protocol, fetch=STRICT_TOO)


def without(ablation: Ablation, *labels: str) -> Edited:
    """What was found of the edit that takes these steps away, or swaps them."""
    return next(e for e in (*ablation.steps, *ablation.pairs) if e.labels == labels)


def needed_under(ablation: Ablation, label: str, name: str) -> tuple[str, ...]:
    """The fetch models under which the property needs the step."""
    edited = without(ablation, label)
    return tuple(fetch for fetch in STRICT_TOO if name in ablation.broken(edited, fetch))


def test_what_the_syncs_of_the_int3_protocol_are_for(int3: Ablation) -> None:
    """Each sync has its purpose; sync-2 has one only where chunks are read in any order."""
    assert int3.settled
    assert needed_under(int3, "sync-1", TORN) == STRICT_TOO
    assert needed_under(int3, "sync-2", TORN) == ("per-chunk", "incoherent", "strict")
    assert needed_under(int3, "sync-3", TORN) == ()
    for name in HANDLER_DATA:
        assert needed_under(int3, "sync-3", name) == STRICT_TOO
        assert needed_under(int3, "sync-1", name) == needed_under(int3, "sync-2", name) == ()
    two, three = [("sync-1", "sync-3")], [("sync-1", "sync-2", "sync-3")]
    assert int3.minimal == {
        "coherent": two,
        "store-order": two,
        "per-chunk": three,
        "incoherent": three,
        "strict": three,
    }


def test_sending_without_waiting_is_no_sync(int3: Ablation) -> None:
    """An IPI without its acknowledgement, or the reverse, tears under every fetch model."""
    for part in ("send", "wait"):
        assert needed_under(int3, f"sync-1/{part}", TORN) == STRICT_TOO


def test_steps_that_never_matter(int3: Ablation) -> None:
    """Harmless is only what no property under no fetch model needs: of tears alone, the end."""
    assert [edited.labels for edited in int3.steps if int3.harmless(edited)] == []
    bare = ablation_of(minimal())
    harmless = [edited.labels for edited in bare.steps if bare.harmless(edited)]
    assert harmless == [("head",), ("sync-3",), ("sync-3/send",), ("sync-3/wait",)]


def test_neighbours_that_may_be_swapped(int3: Ablation) -> None:
    """A swap is an edit like any other, judged under each fetch model by itself."""
    may = {
        edited.labels: tuple(f for f in STRICT_TOO if not int3.broken(edited, f))
        for edited in int3.swaps
    }
    two = ("coherent", "store-order")
    assert may == {
        ("publish", "int3"): (),
        ("int3", "sync-1"): (),
        ("sync-1", "tail"): (),
        ("tail", "sync-2"): two,
        ("sync-2", "head"): two,
        ("head", "sync-3"): (),
        ("sync-3", "retire"): (),
    }


@pytest.mark.parametrize(
    ("chunk", "offset", "needed"), [(8, 0, False), (16, 11, False), (8, 62, True)]
)
def test_no_sync_is_needed_against_tearing_in_one_chunk(
    chunk: int, offset: int, needed: bool
) -> None:
    """What one atomic read fetches cannot tear; across a boundary the syncs are needed again."""
    found = ablation_of(
        suites()[0].protocol,
        chunk=chunk,
        offset=offset,
        properties=(TORN,),
        fetch=("coherent", "per-chunk", "strict"),
    )
    for label in found.syncs:
        assert bool(found.broken(without(found, label))) == (needed and label != "sync-3")
    assert (found.minimal["per-chunk"] == [()]) == (not needed)


def test_every_answer_agrees_with_the_explorer() -> None:
    """Differential: each edit's proof or refutation against a search with one and with two CPUs."""
    base = three_byte_variants()["base"]
    for fetch in ("store-order", "incoherent"):
        found = ablation_of(base, fetch=(fetch,))
        edits = [base.without(*e.labels) for e in (*found.steps, *found.pairs)]
        edits += [base.swapped(*edited.labels) for edited in found.swaps]
        answers = [*found.steps, *found.pairs, *found.swaps]
        for edit, edited in zip(edits, answers, strict=True):
            for cpus in (1, 2):
                system = System(Machine(edit, Configuration(cpus, fetch)))
                violated = {
                    name
                    for (_, name), judgement in edited.verdicts.items()
                    if judgement.cpus is not None and judgement.cpus <= cpus
                }
                assert (
                    REFERENCE.explore(system, Request(beyond_violations=True)).found == violated
                ), edited.labels


def left(edited: Edited) -> EndState:
    """What an edit leaves behind; its programs end."""
    assert edited.end_state is not None
    return edited.end_state


def test_an_edit_that_leaves_the_patch_incomplete_is_known(int3: Ablation) -> None:
    """What is in memory and cells at the end tells a harmless step from a patch left half done."""
    site = int3.protocol.sites[0]
    assert left(int3.base).code == (site.new,)
    assert left(without(int3, "head")).code == (b"\xcc" + site.new[1:],)
    assert left(without(int3, "retire")).data == ("foo",)
    assert without(int3, "sync-1").end_state == int3.base.end_state
    assert completes(int3.protocol, int3.base.end_state)
    assert not completes(int3.protocol, end_state(int3.protocol.without("tail")))


def test_bytes_in_any_order_leave_the_same_behind() -> None:
    """The outcome is a matter of what was written, not of its order."""
    variants = three_byte_variants()
    assert end_state(variants["tail-any-order"]) == end_state(variants["base"])


def test_syncs_that_stand_in_for_one_another() -> None:
    """Two syncs of which either does: neither is needed alone, both together are."""
    twice = minimal().inserted(on_each_cpu("again"), after="sync-1")
    found = ablation_of(twice, fetch=("coherent",))
    assert not found.broken(without(found, "sync-1"))
    assert not found.broken(without(found, "again"))
    assert found.broken(without(found, "sync-1", "again")) == (TORN,)
    assert found.minimal["coherent"] == [("sync-1",), ("again",)]
    # To swap the two syncs is no edit at all.
    assert ("sync-1", "again") not in [edited.labels for edited in found.swaps]


def test_blocks_are_taken_away_whole_and_in_part() -> None:
    """A block is an edit, and so is each step in it, at any depth."""
    base = minimal()
    inner = (base.element("tail"), base.element("sync-2"))
    nested = base.without("tail", "sync-2").inserted(block("rest", *inner), after="sync-1")
    found = ablation_of(nested, fetch=("coherent",))
    labels = [edited.labels[0] for edited in found.steps]
    assert labels[4:9] == [
        "rest",
        "rest/tail",
        "rest/sync-2",
        "rest/sync-2/send",
        "rest/sync-2/wait",
    ]
    assert found.syncs == ("sync-1", "rest/sync-2", "sync-3")
    assert ("rest/tail", "rest/sync-2") in [edited.labels for edited in found.swaps]


def test_steps_of_other_patchers_and_of_conditions_are_edited_too() -> None:
    """Nothing that a patcher does is out of reach of an edit; handlers are left alone."""
    cell = Cell("cell", 0)
    base = replace(
        minimal(),
        cells=(cell,),
        patchers=(Patcher("other", (store("set", cell, 1), on_each_cpu("sync"))),),
    ).inserted(when(is_equal("set?", cell, 1), store("clear", cell, 0)), after="sync-1")
    found = ablation_of(base, fetch=("coherent",))
    labels = [edited.labels[0] for edited in found.steps]
    assert {"set?", "set?/clear", "other/set", "other/sync", "other/sync/send"} < set(labels)
    assert not any(label.startswith("handler/") for label in labels)
    assert "other/sync" in found.syncs
    assert ("other/set", "other/sync") in [edited.labels for edited in found.swaps]
    assert without(found, "other/set").end_state != found.base.end_state
    assert found.minimal["coherent"] == [("sync-1",)]


def test_only_properties_that_a_proof_can_have_are_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No invariant proves liveness: it is left out, or refused when asked for alone."""
    both = watching(minimal(), TORN, "finishes")
    found = ablation_of(both, fetch=("coherent",))
    assert {name for _, name in found.base.verdicts} == {TORN}
    spec = str(SPECS / "x86_int3_minimal.py")
    assert main(["ablate", spec, "--property", "finishes"]) == 2
    assert "cannot be proved for any number of CPUs" in capsys.readouterr().err


def test_nothing_is_said_of_a_property_that_does_not_hold() -> None:
    """A step cannot be needed for what is violated with it."""
    found = ablation_of(minimal().without("sync-1"), fetch=("coherent",))
    question = ("coherent", TORN)
    assert found.base.verdicts[question].verdict is Verdict.VIOLATED
    assert all(found.effect(edited, question) is None for edited in found.steps)
    assert found.minimal["coherent"] == []


def test_what_is_neither_proved_nor_refuted_is_unknown() -> None:
    """A judge at its limit says neither needed nor harmless."""
    hasty = Judge(limits=Limits(states=1))
    (job,) = jobs_of(minimal().without("sync-1"), fetch=("coherent",))
    found = ablate((job,), hasty, lambda text: None)
    assert found.base.verdicts["coherent", TORN] == UNDECIDED
    assert not found.settled


def test_equal_programs_mean_the_same_whatever_their_labels() -> None:
    """Edits that come to the same program are judged once; labels are for readers."""
    base = minimal()
    renamed = base.replaced("sync-1", on_each_cpu("other name"))
    assert meaning(renamed) == meaning(base)
    assert meaning(base.without("sync-1")) == meaning(
        base.swapped("sync-1", "sync-2").without("sync-2").moved("sync-1", before="head")
    )
    assert meaning(base.without("sync-1")) != meaning(base.without("sync-2"))
    assert meaning(base.with_handler(None)) != meaning(base)


class Interrupted(Judge):
    """A judge at whom Ctrl-C is pressed after some verdicts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def judge_each(self, subject: Subject) -> dict[str, Judgement]:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().judge_each(subject)


def test_ctrl_c_keeps_what_was_settled() -> None:
    """An interrupted ablation has the answers so far, and says that it is not complete."""
    found = ablate(jobs_of(minimal(), fetch=("coherent",)), Interrupted(3), lambda text: None)
    assert [edited.labels for edited in found.steps] == [("int3",), ("sync-1",)]
    assert not found.complete
    assert not found.settled


def test_the_command_prints_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """The table and the smallest sets of syncs, as a reader of the command sees them."""
    assert main(["ablate", str(SPECS / "x86_int3_minimal.py")]) == 0
    shown = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert "sync-1 no-torn-instruction needed needed" in rows
    assert "sync-2 no-torn-instruction - needed" in rows
    assert "sync-3 none - -" in rows
    assert "coherent: sync-1" in rows
    assert "coherent-any-order: sync-1 + sync-2" in rows
    assert "tail <-> sync-2 no-torn-instruction may no" in rows
    assert "* head: incomplete, foo ends as cc e7 57 07 01" in rows
    assert "sync-1/send" not in shown


def test_the_command_says_when_something_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    """A limit is exit code 3, an unknown variant exit code 2."""
    spec = str(SPECS / "x86_int3_minimal.py")
    assert main(["ablate", spec, "--fetch", "coherent", "--max-states", "1"]) == 3
    assert "?: the abstraction does not prove it" in capsys.readouterr().out
    assert main(["ablate", spec, "--variant", "nobody"]) == 2
    assert "no variant named 'nobody'" in capsys.readouterr().err


@settings(max_examples=60, deadline=None)
@given(protocol=random_protocols(), configuration=random_configurations())
def test_what_the_abstraction_excludes_is_never_found(
    protocol: Protocol, configuration: Configuration
) -> None:
    """Differential, on random protocols: a property called excluded is in no search's findings."""
    found = REFERENCE.explore(
        System(Machine(protocol, configuration)), Request(beyond_violations=True)
    ).found
    assert found <= not_excluded(Subject(protocol, configuration))


def test_a_property_is_judged_also_behind_violations_of_others() -> None:
    """The first violation of one property must not hide that of another behind it."""
    site, cell = Site("foo", b"\x0f\x1f\x00", b"\x48\x89\xc3"), Cell("cell")
    handler = Handler(b"\xcc", (lookup("find", cell), iret("iret")))
    names = ("visible-after-return", "no-unhandled-trap")
    # The trap is there only when the patcher has returned: to enter it is a violation already.
    protocol = watching(
        Protocol("late", (site,), (write("trap", site, b"\xcc"),), handler, (cell,)), *names
    )
    judged = Judge().judge_each(Subject(protocol, Configuration(fetch="coherent")))
    assert judged == dict.fromkeys(names, Judgement(Verdict.VIOLATED, 1))
