"""repair and ablate say unknown where nothing is proved, and never take a hang for an answer.

The protocols are the smallest that were answered wrongly.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelcheck import (
    Cell,
    Protocol,
    Site,
    Suite,
    Variant,
    add,
    execute,
    is_equal,
    on_each_cpu,
    store,
    violates,
    wait_until,
    when,
    without_property,
    write,
)
from modelcheck.cli import main
from modelcheck.explore.verdict import Verdict
from modelcheck.questions.ablate import Ablation, ablate
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.questions.judge import EndState, Judge, end_state
from modelcheck.questions.repair import Rejected, Repairs, repair
from modelcheck.views import ablation as ablation_view
from modelcheck.views import repairs as repairs_view
from modelcheck.views.trace_text import plain

VISIBLE = violates("visible-after-return")
BYTE = Site("foo", b"\x55", b"\x53", 0x1000)
READY = Cell("cpu is ready", 0)
WAITS = Protocol(
    "waits",
    sites=(BYTE,),
    cells=(READY,),
    program=(
        wait_until("ready?", READY, 1),
        write("patch", BYTE, BYTE.new),
        on_each_cpu("sync"),
    ),
    cpu_program=(store("ready", READY, 1), execute("run", BYTE)),
    patcher_executes=False,
)
"""The patcher waits for what a CPU stores."""

CALL = Site("s", b"\x0f\x1f\x00", b"\x48\x89\xc3", 0x1000)
CLOSED, INSIDE = Cell("closed", 0), Cell("inside", 0)
COUNTED = Protocol(
    "counted",
    sites=(CALL,),
    cells=(CLOSED, INSIDE),
    program=(
        store("close", CLOSED, 1),
        wait_until("empty", INSIDE, 0),
        write("patch", CALL, CALL.new),
    ),
    cpu_program=(
        add("enter", INSIDE, 1),
        when(is_equal("open?", CLOSED, 0), execute("run", CALL)),
        add("leave", INSIDE, -1),
    ),
    patcher_executes=False,
)
"""Safe for any number of CPUs, but the abstraction does not know how many are inside."""


def repaired(suite: Suite, variant: str, edits: int = 1) -> Repairs:
    """The repairs of a variant under coherent fetches."""
    chosen = tuple(jobs((suite,), Overrides(variants=(variant,), fetch=("coherent",))))
    return repair(chosen, edits, Judge(), spec="x.py", tell=lambda _: None)


def ablated(protocol: Protocol) -> Ablation:
    """What the steps of a protocol are for under coherent fetches."""
    chosen = tuple(jobs((Suite(protocol),), Overrides(fetch=("coherent",))))
    return ablate(chosen, Judge(), lambda _: None)


def test_a_patcher_that_waits_for_a_cpu_is_repaired() -> None:
    """The end of its program is found by letting the CPU do what it waits for."""
    found = repaired(Suite(WAITS, (Variant("no-sync", WAITS.without("sync"), VISIBLE),)), "no-sync")
    assert [(one.inserted, one.is_base) for one in found.found] == [(("sync",), True)]
    assert end_state(WAITS) == EndState((b"\x53",), (0,))
    assert "It only delays when the programs return" in plain(repairs_view.render("", found, 1))


def test_programs_that_never_end_are_not_called_unrepairable() -> None:
    """Where neither variant nor base is seen to end, nobody knows what to compare a program to."""
    hangs = WAITS.inserted(wait_until("never", READY, 7), after="sync")
    assert end_state(hangs) is None
    found = repaired(Suite(hangs, (Variant("no-sync", hangs.without("sync"), VISIBLE),)), "base")
    assert found.complete
    assert found.verdict is Verdict.SAFE  # of what is safe, there is nothing to repair
    broken = hangs.replaced("patch", write("patch", BYTE, b"\x00"))
    found = repaired(Suite(broken), "base")
    assert found.stands.violated == ("coherent",)
    assert found.rejected == {Rejected.UNKNOWN: found.tried}
    assert found.verdict is Verdict.INCONCLUSIVE
    text = plain(repairs_view.render("", found, 1))
    assert "Unknown whether there is a repair" in text
    assert "exists" not in text


def test_what_is_only_unproved_is_not_called_unsafe() -> None:
    """Neither proved nor refuted is unknown: of the variant, and of the base."""
    suite = Suite(COUNTED, (Variant("no-wait", COUNTED.without("empty")),))
    found = repaired(suite, "base")
    assert (found.stands.violated, found.stands.unproved) == ((), ("coherent",))
    assert found.verdict is Verdict.INCONCLUSIVE
    text = plain(repairs_view.render("", found, 1))
    assert "This variant was neither proved nor refuted under coherent." in text
    assert "not safe" not in text
    text = plain(repairs_view.render("", repaired(suite, "no-wait"), 1))
    assert "The base protocol itself was neither proved nor refuted under coherent." in text


def test_the_rejected_are_counted_by_reason() -> None:
    """What was tried is what was found and what was rejected, and each reason is told."""
    base = Protocol("p", (BYTE,), (write("patch", BYTE, BYTE.new), on_each_cpu("sync")))
    found = repaired(Suite(base, (Variant("no-sync", base.without("sync"), VISIBLE),)), "no-sync")
    assert found.tried == len(found.found) + found.rejected.total()
    assert found.rejected[Rejected.REFUTED]
    text = plain(repairs_view.render("", found, 1))
    assert f"for a counterexample: {found.rejected[Rejected.REFUTED]}" in text


def test_a_base_that_is_not_to_end_as_new_is_no_reason_to_reject() -> None:
    """What the base leaves behind is right, whatever it is."""
    half = Protocol(
        "half",
        (CALL,),
        (write("tail", CALL, b"\xc3", at=2), on_each_cpu("sync")),
        waived=(without_property("ends-as-new", because="the first half of a patch"),),
    )
    suite = Suite(half, (Variant("no-sync", half.without("sync")),))
    found = repaired(suite, "no-sync")
    assert not found.rejected[Rejected.OTHER_END]


def test_the_exit_code_of_unknown_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For repair and for ablate."""
    spec = tmp_path / "counted.py"
    spec.write_text("from tests.test_unknown import COUNTED as P\n")
    for command in ("repair", "ablate"):
        assert main([command, str(spec), "--fetch", "coherent", "--variant", "base"]) == 3
    assert "?" in capsys.readouterr().out


def test_ablate_says_unknown_of_what_is_unproved() -> None:
    """A step is not called needed, nor free, for a property that nobody knows the base to have."""
    ablation = ablated(COUNTED)
    watch = ("coherent", "no-torn-instruction")
    assert ablation.base.verdicts[watch].verdict is Verdict.INCONCLUSIVE
    for edited in ablation.steps:
        effect = ablation.effect(edited, watch)
        assert effect is not None
        assert effect.verdict is Verdict.INCONCLUSIVE
        assert "no-torn-instruction" not in ablation.broken(edited)
        assert not ablation.harmless(edited)
    text = plain(ablation_view.render("", ablation))
    assert "Whether it keeps no-torn-instruction itself under coherent is unknown." in text


def test_ablate_says_where_a_step_is_needed_to_end() -> None:
    """Without the store that another waits for, nothing is left behind, and that is said."""
    waits = Protocol(
        "two",
        (BYTE,),
        (store("go", READY, 1), wait_until("gone?", READY, 1), write("patch", BYTE, BYTE.new)),
        cells=(READY,),
    )
    ablation = ablated(waits)
    (without_go,) = (edited for edited in ablation.steps if edited.labels == ("go",))
    assert without_go.end_state is None
    assert " * go: can never end" in plain(ablation_view.render("", ablation))


def cheat(*syncs: str) -> Iterator[str | None]:
    """What is violated, by fetch model, where old bytes are an error by themselves."""
    body, guard = Site("body", b"\xb0\x20", b"\xb0\x20", 0x1000), Cell("guard", 1)
    program = (
        write("old contents", body, b"\x10", at=1),
        on_each_cpu("long ago"),
        write("oop", body, b"\x20", at=1),
        *((on_each_cpu("before"),) if "before" in syncs else ()),
        store("disarm", guard, 2),
        *((on_each_cpu("behind"),) if "behind" in syncs else ()),
    )
    reader = (when(is_equal("guard", guard, 2), execute("enter", body)),)
    protocol = Protocol(
        "p", (body,), program, cells=(guard,), cpu_program=reader, patcher_executes=False
    )
    suite = Suite(protocol, fetch=("store-order", "per-chunk"), cpus=1)
    return (check(job, spec="x.py").violated for job in jobs((suite,), Overrides()))


def test_a_sync_behind_the_publication_is_no_repair_for_its_readers() -> None:
    """It delays only when the program returns: whoever sees the guard still runs old bytes."""
    assert set(cheat("behind")) == {"no-torn-instruction"}
    assert set(cheat("before")) == {None}
