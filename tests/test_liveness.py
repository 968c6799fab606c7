"""Deadlocks and loops: found where they are, and their traces replay with the machine alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from modelcheck import (
    Cell,
    Handler,
    Patcher,
    Protocol,
    Site,
    Suite,
    add,
    execute,
    iret,
    irq_off,
    irq_on,
    lock,
    on_each_cpu,
    stop_machine,
    unlock,
    wait_until,
    write,
)
from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.program import Element
from modelcheck.questions.check import Overrides, Result, check, jobs
from modelcheck.trace.document import Trace, load, to_json
from modelcheck.trace.replay import ReplayError, replay
from modelcheck.views.trace_text import to_text
from tests.checks import by_last
from tests.protocols import watching

A, B = Cell("a", 0), Cell("b", 0)
SITE = Site("s", b"\x90\x90", b"\xc3\xc3")
LIVE = ("finishes", "patch-completes")
PATCH = write("write", SITE, b"\xc3")
SYNC = on_each_cpu("sync")


def protocol(*program: Element, properties: tuple[str, ...] = LIVE) -> Protocol:
    """A program that is watched for what never finishes."""
    return watching(Protocol("live", (SITE,), program, cells=(A, B)), *properties)


def in_order(*cells: Cell) -> tuple[Element, ...]:
    """Take the locks in turn, and release them the other way round."""
    locks = [lock(f"lock {cell.name}", cell) for cell in cells]
    return (*locks, *(unlock(f"unlock {cell.name}", cell) for cell in reversed(cells)))


def verdict(one: Protocol, cpus: int = 1) -> Result:
    """What a check says of a protocol."""
    (job,) = jobs((Suite(one, cpus=cpus, fetch=("per-chunk",)),), Overrides())
    return check(job, spec="live.py")


CROSSED = replace(protocol(*in_order(A, B)), patchers=(Patcher("other", in_order(B, A)),))
IN_STOP = protocol(stop_machine("stop", PATCH, SYNC))
CPUS_LOCK = replace(
    protocol(lock("lock", A), SYNC, unlock("unlock", A)),
    cpu_program=(
        execute("run", SITE),
        irq_off("off"),
        lock("cpu lock", A),
        unlock("cpu unlock", A),
        irq_on("on"),
    ),
)
NEVER = protocol(wait_until("wait", A, 1), properties=("finishes",))
COMES_AND_GOES = replace(
    protocol(wait_until("wait", A, 1), properties=("patch-completes",)),
    cpu_program=(add("up", A), add("down", A, -1)),
    patcher_executes=False,
)
UNHEARD = protocol(PATCH, wait_until("wait", A, 1), properties=("patch-completes",))


@pytest.mark.parametrize(
    ("one", "violated"),
    [
        (CROSSED, "finishes"),
        (replace(CROSSED, patchers=(Patcher("other", in_order(A, B)),)), None),
        (IN_STOP, "finishes"),
        (protocol(stop_machine("stop", PATCH), SYNC), None),
        (CPUS_LOCK, "finishes"),
        (CPUS_LOCK.without("sync"), None),
        (UNHEARD, "patch-completes"),
        (NEVER, "finishes"),
        # Each time that it could go on, it may be another's turn.
        (COMES_AND_GOES, "patch-completes"),
        # A CPU that traps over and over takes the IPI between two traps at last.
        (
            replace(
                protocol(write("trap", SITE, b"\xcc"), SYNC),
                handler=Handler(b"\xcc", (iret("iret"),)),
            ),
            None,
        ),
    ],
    ids=[
        "locks crossed",
        "locks in order",
        "IPI while stopped",
        "IPI when released",
        "CPU waits for the lock",
        "no IPI",
        "nobody answers",
        "waits for ever",
        "waits for what comes and goes",
        "traps over and over",
    ],
)
def test_what_never_finishes_is_found_and_its_trace_replays(
    one: Protocol, violated: str | None
) -> None:
    """Deadlocks and loops under weak fairness, each with a run that the machine alone confirms."""
    result = verdict(one)
    assert result.violated == violated
    assert (result.verdict is Verdict.SAFE) == (violated is None)
    if result.trace:
        assert replay(result.trace) == len(result.trace.steps)


def trace_of(one: Protocol) -> Trace:
    """The counterexample of a protocol that has one."""
    trace = verdict(one).trace
    assert trace
    return trace


def test_the_deadlock_shows_who_waits_for_whom() -> None:
    """The sentence names each actor and the step at which it waits."""
    assert "patcher at lock b, other at lock a" in trace_of(CROSSED).violation.why
    assert [step.label for step in trace_of(CROSSED).steps] == ["lock a", "lock b"]
    assert "patcher at stop/sync/wait" in trace_of(IN_STOP).violation.why


def test_a_trace_of_no_steps_is_written_and_read_and_shown(tmp_path: Path) -> None:
    """Stuck at the very beginning is a counterexample too."""
    trace = trace_of(NEVER)
    assert trace.steps == ()
    (tmp_path / "stuck.json").write_text(to_json(trace))
    assert load(tmp_path / "stuck.json") == trace
    assert "patcher at wait" in to_text(trace)


def test_a_lasso_survives_being_written_and_read(tmp_path: Path) -> None:
    """Where the loop begins is part of the document."""
    trace = trace_of(UNHEARD)
    assert trace.loop is not None
    (tmp_path / "lasso.json").write_text(to_json(trace))
    assert load(tmp_path / "lasso.json") == trace


@by_last(
    ("tampered", "message"),
    [
        (lambda: replace(trace_of(UNHEARD), loop=None), "no loop"),
        (lambda: replace(trace_of(UNHEARD), loop=99), "no loop"),
        (lambda: replace(trace_of(UNHEARD), loop=0), "does not lead back"),
        (lambda: replace(trace_of(UNHEARD), steps=trace_of(UNHEARD).steps[:-1]), "not fair"),
        (lambda: replace(trace_of(CROSSED), steps=trace_of(CROSSED).steps[:-1]), "still finish"),
    ],
)
def test_a_tampered_end_does_not_replay(tampered: object, message: str) -> None:
    """A loop that does not close, is not fair, or could go on, is no counterexample."""
    assert callable(tampered)
    with pytest.raises(ReplayError, match=message):
        replay(tampered())
