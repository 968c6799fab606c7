"""Repair finds the smallest edits that make a variant safe, all of them, and none that cheat."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from modelcheck import Protocol, Suite, Variant, block, on_each_cpu, send_ipi, verify, wait_acks
from modelcheck.cli import main
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request, Verdict
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import synchronises
from modelcheck.protocol.program import Element, flatten, units
from modelcheck.questions.check import Overrides, jobs
from modelcheck.questions.judge import Judge, Judgement, Meaning, end_state, goes_on, meaning
from modelcheck.questions.repair import Repairs, repair
from modelcheck.questions.subject import Subject
from modelcheck.views import repairs as view
from tests.protocols import (
    SPECS,
    minimal,
    random_configurations,
    random_protocols,
    suites,
    three_byte_variants,
    watching,
)
from tests.protocols import spec as spec_of

INT3_SPEC = str(SPECS / "x86_int3.py")
NOP_TO_CALL = suites()[0]


def repairs_of(
    suite: Suite, name: str, *fetch: str, edits: int = 2, judge: Judge | None = None
) -> Repairs:
    """The repairs of a suite's variant."""
    chosen = tuple(jobs((suite,), Overrides(variants=(name,), fetch=fetch)))
    return repair(chosen, edits, judge or Judge(), spec=INT3_SPEC, tell=lambda text: None)


def repairs_of_edit(
    base: Protocol, edit: Protocol, *fetch: str, judge: Judge | None = None
) -> Repairs:
    """The repairs of an edited protocol."""
    suite = Suite(base, (Variant("edited", edit),))
    return repairs_of(suite, "edited", *fetch, judge=judge)


def edits(found: Repairs) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What each repair puts in, and what it moves."""
    return [(one.inserted, one.moved) for one in found.found]


def labels(protocol: Protocol) -> list[str]:
    """The labels of a program's elements."""
    return [element.label for element in protocol.program]


def test_no_sync_1_is_repaired_by_exactly_that_sync() -> None:
    """The one smallest repair is the base protocol, with proofs for any number of CPUs."""
    found = repairs_of(NOP_TO_CALL, "no-sync-1")
    assert edits(found) == [(("sync-1",), ())]
    (only,) = found.found
    assert only.is_base
    assert only.protocol.program == NOP_TO_CALL.protocol.program
    assert [proof.verdict for proof in only.proofs] == [Verdict.SAFE] * 5
    assert all(proof.obligations and proof.certificate for proof in only.proofs)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base", []),
        ("no-sync-2", [(("sync-2",), ())]),
        ("no-sync-3", [(("sync-3",), ())]),
        pytest.param("no-syncs", [], marks=pytest.mark.slow),
        ("retire-early", [((), ("retire",)), (("new-sync",), ())]),
        (
            "head-first",
            [((), ("head", "tail")), (("new-sync",), ("tail",)), (("new-sync",), ("head",))],
        ),
        pytest.param("no-breakpoint", [], marks=pytest.mark.slow),
        pytest.param("irqs-on-in-handler", [], marks=pytest.mark.slow),
    ],
    ids=[
        "base",
        "no-sync-2",
        "no-sync-3",
        "no-syncs",
        "retire-early",
        "head-first",
        "no-breakpoint",
        "irqs-on-in-handler",
    ],
)
def test_all_smallest_repairs_the_cheapest_first(
    name: str, expected: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    """Every repair of the least number of edits, and none where none exists."""
    found = repairs_of(NOP_TO_CALL, name, "incoherent")
    assert edits(found) == expected
    assert found.complete
    assert not found.undecided
    assert found.repaired == (bool(expected) or name == "base")


@pytest.mark.slow
def test_three_edits_bring_three_syncs_back() -> None:
    """The search goes as deep as it is told to."""
    found = repairs_of(NOP_TO_CALL, "no-syncs", "per-chunk", edits=3)
    assert edits(found) == [(("sync-1", "sync-2", "sync-3"), ())]
    assert found.found[0].is_base


def test_a_weaker_promise_needs_more_a_stronger_one_less() -> None:
    """Under a stronger fetch model a moved sync is enough."""
    found = repairs_of(NOP_TO_CALL, "no-sync-1", "coherent")
    # Where stores are seen in order, two syncs do, if they are in the right place.
    assert edits(found) == [((), ("tail",)), (("sync-1",), ())]
    assert labels(found.found[0].protocol) == (
        ["publish", "int3", "sync-2", "tail", "head", "sync-3", "retire"]
    )


def naive(base: Protocol, edit: Protocol, *configurations: Configuration) -> set[Meaning]:
    """All safe single edits, found without any pruning."""
    program = tuple(units(edit.program))
    kinds: tuple[Element, ...] = (on_each_cpu("new"), send_ipi("new"), wait_acks("new"))
    candidates = [
        (*program[:at], kind, *program[at:]) for kind in kinds for at in range(len(program) + 1)
    ]
    for at, unit in enumerate(program):
        rest = (*program[:at], *program[at + 1 :])
        candidates += [(*rest[:to], unit, *rest[to:]) for to in range(len(program))]
    judge = Judge()
    edited = (numbered(replace(edit, program=candidate)) for candidate in candidates)
    return {
        meaning(protocol)
        for protocol in {meaning(protocol): protocol for protocol in edited}.values()
        if end_state(protocol) == end_state(base)
        and all(judge.judge(Subject(protocol, c)).verdict is Verdict.SAFE for c in configurations)
    }


def numbered(protocol: Protocol) -> Protocol:
    """The protocol in single steps, with numbers for labels."""
    steps = enumerate(flatten(protocol.program))
    program = tuple(replace(step, label=str(number)) for number, step in steps)
    return replace(protocol, program=program)


@pytest.mark.parametrize(
    ("name", "fetch"),
    [("no-sync-1", "coherent"), ("no-sync-3", "incoherent"), ("retire-early", "incoherent")],
)
def test_nothing_is_missed(name: str, fetch: str) -> None:
    """Differential: the pruned search against all single edits, each judged."""
    variants = three_byte_variants()
    found = repairs_of_edit(variants["base"], variants[name], fetch)
    expected = naive(variants["base"], variants[name], Configuration(fetch=fetch))
    assert expected
    assert {meaning(one.protocol) for one in found.found} == expected


def test_a_repair_never_changes_what_is_left_behind() -> None:
    """To leave data behind for ever is no repair, also where nothing forbids it."""
    names = ("no-torn-instruction", "no-unhandled-trap", "no-stale-handler-data")
    variants = {name: watching(one, *names) for name, one in three_byte_variants().items()}
    cheat = variants["no-sync-3"].moved("retire", before="publish")
    # Never to withdraw the handler's data is safe of these, in one edit, and no repair.
    assert Judge().judge(Subject(cheat, Configuration())).verdict is Verdict.SAFE
    assert verify(watching(cheat, "ends-as-new")).violated == "ends-as-new"
    found = repairs_of_edit(variants["base"], variants["no-sync-3"], "per-chunk")
    assert meaning(cheat) not in [meaning(one.protocol) for one in found.found]
    assert {end_state(one.protocol) for one in found.found} == {end_state(variants["base"])}


def test_an_incomplete_patch_is_not_repaired_by_syncs() -> None:
    """A patch that is never finished is safe with any sync, and repaired by none."""
    base = minimal()
    incomplete = base.without("tail", "head", "sync-1", "sync-2", "sync-3")
    found = repairs_of_edit(base, incomplete, "coherent")
    assert found.complete
    assert not found.found


def test_only_the_lost_half_of_a_sync_is_put_back() -> None:
    """A sync is two steps, and one of them may be all that is missing."""
    base = three_byte_variants()["base"]
    found = repairs_of_edit(base, base.without("sync-3/wait"), "per-chunk")
    assert found.found[0].inserted == ("new-wait",)
    assert meaning(found.found[0].protocol) == meaning(base)


def test_no_repair_leaves_the_cpus_stopped() -> None:
    """CPUs that never run again do nothing wrong: that is no repair."""
    spec = spec_of("x86_optprobe")
    optimise: Suite = spec["SUITES"][0]
    variant = next(v for v in optimise.variants if v.name == "stop-machine")
    cheat = variant.protocol.moved("stop/release", before="stop/stop")
    # Who is stopped for good does nothing wrong.
    configuration = Configuration(fetch="coherent", properties=("no-torn-instruction",))
    assert Judge().judge(Subject(cheat, configuration)).verdict is Verdict.SAFE
    assert not goes_on(Subject(cheat, configuration))
    assert goes_on(Subject(variant.protocol, configuration))
    found = repairs_of(optimise, "stop-machine", "coherent", edits=1)
    assert found.complete
    assert not found.found


@pytest.mark.slow
def test_a_real_bug_is_mended_as_it_was() -> None:
    """The fix of the kernel's history is among the repairs."""
    optimise: Suite = spec_of("x86_optprobe")["SUITES"][0]
    found = repairs_of(optimise, "grace-before-sync", "incoherent", edits=1)
    assert [one.moved for one in found.found if one.is_base] == [("sync-1",)]
    assert {len(one.inserted) + len(one.moved) for one in found.found} == {1}


def test_steps_in_blocks_can_be_repaired() -> None:
    """Inside a block and across its edges."""
    base = minimal()
    inner = (base.element("tail"), base.element("head"))
    nested = base.without("tail", "head", "sync-2").inserted(block("rest", *inner), after="sync-1")
    found = repairs_of_edit(base, nested, "coherent-any-order")
    assert edits(found) == [((), ("rest/head",)), (("sync-2",), ())]
    assert labels(found.found[1].protocol) == (
        ["int3", "sync-1", "rest/tail", "sync-2", "rest/head", "sync-3"]
    )


def test_a_protocol_without_syncs_is_offered_one() -> None:
    """Where the base has none to put back, a new one is tried."""
    base = minimal().without("sync-1", "sync-2", "sync-3")
    found = repairs_of(Suite(base, fetch=("coherent",)), "base")
    assert edits(found) == [(("new-sync",), ())]
    assert labels(found.found[0].protocol) == ["int3", "new-sync", "tail", "head"]
    assert found.base.violated == ("coherent",)


@settings(max_examples=60, deadline=None)
@given(protocol=random_protocols(), configuration=random_configurations())
def test_a_sync_taken_away_never_hides_a_violation(
    protocol: Protocol, configuration: Configuration
) -> None:
    """What lets the search drop whole families of programs at once."""
    flat = numbered(protocol)
    found = violated(flat, configuration)
    for step in flat.program:
        # Programs without any step end before there is anything to see.
        if synchronises(step.actions()) and len(flat.program) > 1:
            assert found <= violated(flat.without(step.label), configuration)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.py")), ids=lambda path: path.stem)
def test_no_sync_of_a_shipped_spec_causes_a_violation(path: Path) -> None:
    """What the pruning relies on, of each sync that ships."""
    checked = 0
    for suite in load_suites(path):
        for variant in suite:
            flat = numbered(variant.protocol)
            configuration = Configuration(1, suite.fetch[-1])
            found = violated(flat, configuration)
            for step in flat.program if found else ():
                if synchronises(step.actions()):
                    checked += 1
                    assert found <= violated(flat.without(step.label), configuration)
    assert checked


def violated(protocol: Protocol, configuration: Configuration) -> frozenset[str]:
    """All that a search finds violated."""
    return REFERENCE.explore(
        System(Machine(protocol, configuration)), Request(beyond_violations=True)
    ).found


class Interrupted(Judge):
    """A judge at whom Ctrl-C is pressed after some verdicts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def judge(self, subject: Subject) -> Judgement:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().judge(subject)


def test_ctrl_c_keeps_what_was_found() -> None:
    """An interrupted repair says what is known, and that it is not complete."""
    variants = three_byte_variants()
    judge = Interrupted(8)
    found = repairs_of_edit(variants["base"], variants["no-sync-1"], "per-chunk", judge=judge)
    assert found.stands.violated == ("per-chunk",)
    assert not found.complete
    assert found.edits == 0
    assert not repairs_of_edit(
        variants["base"], variants["base"], "per-chunk", judge=Interrupted(0)
    ).repaired


def test_the_diff_shows_each_step_once_or_moved() -> None:
    """A repair is read as a patch of the program."""
    found = repairs_of(NOP_TO_CALL, "retire-early", "per-chunk")
    assert list(view.program_diff(found, found.found[0]))[2:] == [
        " publish  store poke foo",
        " int3     write foo cc",
        " sync-1   send ipi; wait acks",
        " tail     write foo e7 57 07 00 at 1",
        " sync-2   send ipi; wait acks",
        " head     write foo e8",
        "-retire   store poke empty",
        " sync-3   send ipi; wait acks",
        "+retire   store poke empty",
    ]


def test_the_command_and_its_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """0 repaired or right, 1 no repair, 2 wrong options, 3 undecided."""
    arguments = ["repair", INT3_SPEC, "--fetch", "per-chunk", "--variant"]
    assert main([*arguments, "no-sync-1"]) == 0
    shown = capsys.readouterr().out
    assert "1 repair with 1 edit, and none with fewer" in shown
    assert "repair 1: insert sync-1 behind int3   (this is the base protocol)" in shown
    assert "+sync-1   send ipi; wait acks" in shown
    assert main([*arguments, "no-breakpoint", "--edits", "1"]) == 1
    assert "No repair with up to 1 edit exists" in capsys.readouterr().out
    assert main([*arguments, "tail-any-order"]) == 0
    assert "nothing to repair" in capsys.readouterr().out
    assert main([*arguments, "no-breakpoint", "--edits", "1", "--max-states", "1"]) == 3
    assert "Unknown whether there is a repair" in capsys.readouterr().out
    assert main(["repair", INT3_SPEC, "--edits", "0"]) == 2
