"""Witnesses of safe verdicts: they show what they say, are shortest, and fit every view."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelcheck import Protocol, Site, Suite, on_each_cpu, write
from modelcheck.browse.columns import entry_about
from modelcheck.browse.entries import of_file
from modelcheck.browse.opened import open_trace
from modelcheck.browse.panel import panel
from modelcheck.browse.swimlanes import rows
from modelcheck.browse.titles import verdict, why
from modelcheck.cli import main
from modelcheck.explore.system import State, System
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.formats.itf import to_itf
from modelcheck.formats.mermaid import to_mermaid
from modelcheck.formats.pytest_file import to_pytest
from modelcheck.protocol.suite import Variant
from modelcheck.questions.check import Job, Overrides, check, jobs
from modelcheck.questions.subject import Subject
from modelcheck.questions.witness import Witnessed, witness
from modelcheck.trace.document import Trace, TraceError, load, to_json
from modelcheck.trace.frames import frames
from modelcheck.trace.record import SpecFile
from modelcheck.trace.replay import ReplayError, replay
from modelcheck.views.report.traces import document
from modelcheck.views.trace_text import WIDTH, to_text
from tests.protocols import SPECS, minimal, suites

ONE_BYTE = Site("foo", b"\x90", b"\xc3")
BYTE = Protocol("byte", (ONE_BYTE,), (write("byte", ONE_BYTE, b"\xc3"), on_each_cpu("sync")))


def job_of(protocol: Protocol, cpus: int = 1, fetch: str = "coherent") -> Job:
    """The job of a protocol by itself."""
    (job,) = jobs((Suite(protocol, cpus=cpus),), Overrides(fetch=(fetch,)))
    return job


def witnessed(protocol: Protocol, cpus: int = 1, fetch: str = "coherent") -> Witnessed:
    """The witness of a protocol that a check says is safe."""
    job = job_of(protocol, cpus, fetch)
    system = job.subject.system
    assert check(job, spec="x.py").verdict is Verdict.SAFE
    found = witness(job.subject, job.variant, SpecFile("x.py"))
    del system
    return found


@pytest.fixture(scope="module")
def int3() -> Trace:
    """The witness of the shipped protocol."""
    found = witnessed(suites()[0].protocol).trace
    assert found is not None
    return found


def kinds(trace: Trace) -> list[str]:
    """What is executed, in order."""
    return [step.executed.kind for step in trace.steps if step.executed]


def test_a_witness_shows_all_that_a_cpu_can_do(int3: Trace) -> None:
    """It runs old, traps, is emulated, and runs new; one CPU does, and it says so."""
    assert set(kinds(int3)) == {"old", "trap", "emulated", "new"}
    assert {step.actor for step in int3.steps if step.executed} == {"cpu1"}
    assert int3.violation is None
    assert int3.shows == (
        "cpu1 runs the old instruction, traps, is emulated and runs the new instruction at foo; "
        "nothing is violated."
    )
    assert replay(int3) == len(int3.steps)


def shortest(protocol: Protocol, wanted: set[str]) -> int:
    """By hand: the fewest steps to where the first CPU has come to all of these kinds."""
    subject = Subject(protocol, job_of(protocol).configuration)
    machine, system = subject.machine, subject.system
    cpu = len(system.actors) - 1
    level: set[tuple[State, frozenset[str]]] = {(system.initial(), frozenset())}
    met = set(level)
    for steps in range(100):
        if any(done == wanted for _, done in level):
            return steps
        level = {
            node
            for state, done in level
            for node in _next(machine.roles[system.actors[cpu]], system, cpu, state, done, wanted)
        } - met
        met |= level
    raise AssertionError(wanted)


def _next(
    role: object,
    system: System,
    cpu: int,
    state: State,
    done: frozenset[str],
    wanted: set[str],
) -> Iterator[tuple[State, frozenset[str]]]:
    moves = list(
        system.model.moves(
            role, system.shareds.values[state[0]], system.locals.values[state[cpu + 1]]
        )
    )
    for transition in system.successors(state):
        after = set(done)
        if transition.actor == cpu and (ran := moves[transition.row.number].execution):
            after |= {ran.kind} & wanted
        yield transition.target, frozenset(after)


@pytest.mark.parametrize("protocol", [BYTE, minimal()], ids=["byte", "minimal"])
def test_a_witness_is_shortest(protocol: Protocol) -> None:
    """Differential: a plain search of states and what has been shown, without any pruning."""
    found = witnessed(protocol).trace
    assert found is not None
    assert len(found.steps) == shortest(protocol, set(kinds(found)))


def test_what_a_protocol_cannot_do_is_not_asked_for() -> None:
    """Without a trap, old and new are all that there is to show."""
    found = witnessed(BYTE).trace
    assert found is not None
    assert kinds(found) == ["old", "new"]


def test_where_there_is_no_witness_the_reason_is_told() -> None:
    """Nobody can enter the site; or the search was cut short."""
    nobody = replace(BYTE, sites=(replace(ONE_BYTE, entries=()),))
    assert witnessed(nobody) == Witnessed(None, "no CPU comes to run the code")
    job = job_of(minimal())
    system = job.subject.system
    assert check(job, spec="x.py").verdict is Verdict.SAFE
    found = witness(job.subject, Variant("base", minimal()), SpecFile("x.py"), Limits(states=0))
    assert found == Witnessed(None, "more than 0 states")
    del system
    with pytest.raises(AssertionError, match="forgotten"):
        witness(job.subject, Variant("base", minimal()), SpecFile("x.py"))


def test_a_witness_that_shows_something_else_does_not_replay(int3: Trace) -> None:
    """What it says is held against its steps, and it may violate nothing."""
    with pytest.raises(ReplayError, match="the trace says that it shows"):
        replay(replace(int3, steps=int3.steps[:-1]))
    with pytest.raises(ReplayError, match="the trace says that it shows 'nothing'"):
        replay(replace(int3, shows="nothing"))
    torn = check(job_of(minimal().without("sync-1")), spec="x.py").trace
    assert torn is not None
    with pytest.raises(ReplayError, match="this is no witness"):
        replay(replace(torn, violation=None, shows="x"))


def test_a_trace_is_a_counterexample_or_a_witness(int3: Trace) -> None:
    """Never both, never neither, and only a violation can be a loop."""
    for wrong in ({"shows": ""}, {"loop": 0}):
        with pytest.raises(TraceError):
            replace(int3, **wrong)  # type: ignore[arg-type]


def test_every_view_and_format_takes_a_witness(int3: Trace, tmp_path: Path) -> None:
    """Text, frames, the browser, the report, ITF, Mermaid and JSON; none speaks of a violation."""
    path = tmp_path / "witness.json"
    path.write_text(to_json(int3), encoding="utf-8")
    assert load(path) == int3
    text = to_text(int3)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert f"witness in {len(int3.steps)} steps" in text
    assert all(frame.violation is None for frame in frames(int3))
    opened, entry = open_trace(int3), of_file(path)
    assert entry.verdict == "witness"
    shown = [
        *entry_about(entry, 80),
        verdict(opened),
        why(opened, 80),
        *panel(opened, opened.last, 80),
        *(line for lane in rows(opened, 100) for line in lane.lines),
        text,
        to_mermaid(int3),
        json.dumps(document(int3, int3.protocol, {})),
    ]
    assert not [part for part in shown if "iolates" in part or "VIOLAT" in part or "<==" in part]
    assert "rect" not in to_mermaid(int3)
    itf = json.loads(to_itf(int3))
    assert (itf["#meta"]["status"], itf["states"][-1]["violation"]) == ("witness", "")


def test_an_emitted_test_of_a_witness_passes(
    int3: Trace, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    """It runs the steps, and asserts that the protocol is safe."""
    pytester.makepyfile(test_it=to_pytest(int3))
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_command_prints_witnesses_and_has_them_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once for models that share one, as text and as a trace that replays; for safe ones alone."""
    monkeypatch.chdir(tmp_path)
    Path("spec.py").write_text(
        "from modelcheck import *\n"
        'site = Site("foo", b"\\x90", b"\\xc3")\n'
        'P = Protocol("p", (site,), (write("byte", site, site.new), on_each_cpu("sync")))\n'
        'BAD = Variant("no-sync", P.without("sync"), violates("visible-after-return"))\n'
        'S = Suite(P, (BAD,), cpus=1, fetch=("coherent", "store-order", "per-chunk"))\n'
    )
    main(["spec.py", "--witness", "--json", "r.json"])
    out = capsys.readouterr().out
    assert out.count("WITNESS       p, base (coherent") == 1
    assert "WITNESS       p, no-sync" not in out
    assert "cpu1 runs the old instruction and runs the new instruction at foo" in out
    results = json.loads(Path("r.json").read_text())["results"]
    for result in results:
        assert (result["witness"] is not None) == (result["verdict"] == "safe")
        if result["witness"]:
            Path("w.json").write_text(json.dumps(result["witness"]))
            assert main(["replay", "w.json"]) == 0
    main(["spec.py", "--json", "r.json"])
    assert {r["witness"] for r in json.loads(Path("r.json").read_text())["results"]} == {None}


def test_witnesses_of_a_folder_are_told_with_their_specs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind the summary, each under the name of its file."""
    (tmp_path / "specs").mkdir()
    shutil.copy(SPECS / "x86_int3_minimal.py", tmp_path / "specs" / "tiny.py")
    monkeypatch.chdir(tmp_path)
    options = ("--witness", "--variant", "base", "--cpus", "1", "--jobs", "1", "--out", "traces")
    assert main(["specs", *options]) == 0
    summed, *shown = capsys.readouterr().out.split("WITNESS")
    assert "none against expectation" in summed
    assert shown
    assert all("specs/tiny.py: minimal, variant base" in each for each in shown)
