"""Runs of litmus tests as documents: kept, read, replayed, and shown by what shows all runs."""

import ast
import json
import random
from contextlib import suppress
from pathlib import Path

import pytest

from modelcheck.browse.columns import entry_about, entry_line
from modelcheck.browse.entries import of_file
from modelcheck.browse.opened import Opened, open_trace
from modelcheck.browse.panel import panel
from modelcheck.browse.swimlanes import rows
from modelcheck.browse.titles import against, settings, verdict
from modelcheck.cli import main
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import judge
from modelcheck.trace.document import TraceError
from modelcheck.trace.kinds import check, load, to_json, told, walk
from modelcheck.trace.litmus_run import LitmusRun, record
from modelcheck.trace.replay import ReplayError
from modelcheck.views.report.traces import document, embedded
from modelcheck.views.trace_text import WIDTH, to_text
from tests.damage import damaged, quiet
from tests.test_convert import assert_itf, assert_mermaid

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "modelcheck"
FILES = sorted((ROOT / "litmus").rglob("*.litmus"))
STALE = ROOT / "litmus" / "aarch64" / "MP.RF+dmb.st+ctrlisb.litmus"
INT3 = ROOT / "litmus" / "x86" / "INT3-sync-1.litmus"


def run_of(file: Path) -> LitmusRun | None:
    """The run to what a test of ours asks for."""
    text = file.read_text()
    test = prepare(read(text))
    return record(file.name, text, judge(test, order_of(test), with_run=True))


def kept(file: Path, folder: Path) -> Path:
    """The run of a test as a file."""
    run = run_of(file)
    assert run is not None
    place = folder / "run.json"
    place.write_text(to_json(run))
    return place


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_run_is_kept_read_replayed_and_shown(file: Path, tmp_path: Path) -> None:
    """As JSON, text, ITF, Mermaid, in the browser and in the report: all that shows a run."""
    run = run_of(file)
    if run is None:
        return
    path = tmp_path / "run.json"
    path.write_text(to_json(run))
    assert load(path) == run
    assert check(run) == len(run.steps)
    text = to_text(run)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert f"{run.outcome} in {len(run.steps)} steps" in text
    assert_itf(run)
    assert_mermaid(run)
    opened, entry = open_trace(run), of_file(path)
    assert entry.verdict == run.outcome
    assert f" {len(run.steps)}" in entry_line(entry)
    assert any("comes out, as" in line for line in entry_about(entry, 1000))
    assert f"{run.outcome} in {len(run.steps)} step" in verdict(opened)
    assert (against(opened, 80), opened.stale) == ("", "")
    assert settings(opened, 80) == run.prepared.isa.name
    lines = [line for lane in rows(opened, WIDTH) for line in lane.lines]
    assert "<==" in "".join(lines) or not run.steps
    assert "comes out, as" in " ".join(panel(opened, opened.last, WIDTH))
    assert all(frame.violation is None for frame in opened.row)
    data = json.loads(embedded(document(run, {})))
    assert len(data["frames"]) == len(run.steps) + 1
    assert data["title"] == told(run).title


def test_a_frame_has_memory_and_what_threads_know() -> None:
    """Values after each step, the registers asked for, and what is undone."""
    run = run_of(STALE)
    assert run is not None
    row, lanes = walk(run)
    assert lanes == ("P0", "P1")
    assert [{cell.name: cell.value for cell in frame.cells} for frame in row[:3]] == [
        {"P1:site": 'instr:"B .+8"', "flag": "0"},
        {"P1:site": "NOP", "flag": "0"},
        {"P1:site": "NOP", "flag": "1"},
    ]
    assert [cell.name for cell in row[2].cells if cell.changed] == ["flag"]
    assert "not done yet: STR W0,[X1]" in row[0].cpus[0].status
    assert row[2].cpus[0].status == ("has ended",)
    assert "X2 = 1" in row[3].cpus[1].status


def test_interrupts_go_from_lane_to_lane() -> None:
    """Who is interrupted, and where that is taken note of."""
    run = run_of(INT3)
    assert run is not None
    row, _ = walk(run)
    sends = [(frame.actor, frame.sends) for frame in row if frame.sends]
    taken = [(frame.actor, frame.arrivals) for frame in row if frame.arrivals]
    assert sends
    assert {name for _, names in sends for name in names} >= {actor for actor, _ in taken}
    for actor, (arrival,) in taken:
        assert (arrival.kind, arrival.sender) == ("IPI", row[arrival.step].actor)
        assert actor in row[arrival.step].sends


def test_the_lines_of_a_run_are_its_own() -> None:
    """The text of the test is kept with the run, so that no file is looked for."""
    run = run_of(STALE)
    assert run is not None
    opened: Opened = open_trace(run)
    assert opened.lines[f"{STALE.name}:9"] == "STR W2,[X3] | on:           ;"
    assert all(frame.source in opened.lines for frame in opened.row if frame.source)


def test_commands_take_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept by litmus, then shown, replayed and converted; what is for protocols says so."""
    assert main(["litmus", str(STALE), "--out", str(tmp_path)]) == 0
    file = tmp_path / "MP.RF+dmb.st+ctrlisb.json"
    assert file.with_suffix(".txt").read_text() == to_text(load(file))
    capsys.readouterr()
    assert main(["show", str(file)]) == 0
    assert "allowed in 4 steps" in capsys.readouterr().out
    assert main(["replay", str(file)]) == 0
    assert "all 4 steps replay, and 1:X2=1 1:X9=0 comes out" in capsys.readouterr().out
    for form in ("itf", "mermaid"):
        assert main(["convert", str(file), "--to", form]) == 0
    capsys.readouterr()
    assert main(["emit-test", str(file)]) == 2
    assert "a litmus-run; this is for runs of protocols" in capsys.readouterr().err
    assert main(["show", str(file), "--spec", "specs/x86_int3.py"]) == 2


def test_a_folder_of_runs_mirrors_that_of_tests(tmp_path: Path) -> None:
    """Only what is allowed has a run; the report links to it."""
    page = tmp_path / "page.html"
    out = tmp_path / "out"
    assert main(["litmus", str(ROOT / "litmus"), "--out", str(out), "--html", str(page)]) == 0
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.json")}
    assert "aarch64/MP.RF+dmb.st+ctrlisb.json" in names
    assert "aarch64/CoRR+addr.json" not in names
    html = page.read_text()
    assert html.count('class="trace"') == len(names)
    assert html.count('href="#trace=') == len(names)


def test_a_file_that_has_changed_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run stays what it was."""
    monkeypatch.chdir(tmp_path)
    test = tmp_path / STALE.name
    test.write_text(STALE.read_text())
    file = kept(STALE, tmp_path)
    assert main(["show", str(file)]) == 0
    assert "has changed since" not in capsys.readouterr().out
    test.write_text(STALE.read_text() + "\n")
    assert main(["show", str(file)]) == 0
    assert f"The test has changed since: {STALE.name}" in capsys.readouterr().out


TAMPERED = {
    "another value": (("steps", 2, "does"), "reads flag = 0", ReplayError, "the machine 'reads"),
    "another choice": (("steps", 3, "choice"), 99, ReplayError, "there is no choice 99"),
    "a negative choice": (("steps", 3, "choice"), -1, ReplayError, "there is no choice -1"),
    "another end": (("final",), "1:X2=0 1:X9=0", ReplayError, "ends in '1:X2=0 1:X9=0'"),
    "no thread": (("steps", 0, "thread"), "P7", TraceError, "the test has no thread P7"),
    "no line": (("steps", 0, "line"), 99, TraceError, "the test has no line 99"),
    "another test": (("test",), "AArch64 x", TraceError, "litmus:1:"),
    "other rules": (("rules",), "Ziccid", TraceError, "AArch64 has no rules 'Ziccid'"),
    "stronger rules": (("rules",), "DIC=1 IDC=1", TraceError, "not those of its digest"),
    "another schema": (("schema",), 2, TraceError, "this version reads 1"),
    "unknown field": (("more",), 2, TraceError, "more"),
}


@pytest.mark.parametrize(("at", "value", "kind", "said"), TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_run_is_refused(
    at: tuple[str | int, ...], value: object, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    """By what is read, or else by the machine."""
    file = kept(STALE, tmp_path)
    data = json.loads(file.read_text())
    *path, last = at
    inner = data
    for part in path:
        inner = inner[part]
    inner[last] = value
    file.write_text(json.dumps(data))
    with pytest.raises(kind, match=said):
        check(load(file))


def test_a_run_that_stops_short_is_refused(tmp_path: Path) -> None:
    """Threads have to come to their end, in the outcome that is asked for."""
    file = kept(STALE, tmp_path)
    data = json.loads(file.read_text())
    del data["steps"][-1]
    file.write_text(json.dumps(data))
    with pytest.raises(ReplayError, match="threads have not ended"):
        check(load(file))


def test_damaged_runs_are_refused_or_shown_and_never_believed(tmp_path: Path) -> None:
    """No traceback, whatever a file has become; what replays ends as the test asks."""
    draw = random.Random(13)
    originals = [kept(STALE, tmp_path).read_text(), kept(INT3, tmp_path).read_text()]
    file = tmp_path / "damaged.json"
    refused = shown = 0
    for _ in range(60):
        file.write_bytes(damaged(draw.choice(originals), draw))
        try:
            run = load(file)
        except TraceError:
            refused += 1
            for command in ("show", "replay"):
                code, out, err = quiet(command, str(file))
                assert (code, out) == (2, "")
                assert "damaged.json" in err
            continue
        shown += 1
        assert quiet("show", str(file))[0] == 0
        for form in ("itf", "mermaid"):
            assert quiet("convert", str(file), "--to", form)[0] == 0
        assert quiet("replay", str(file))[0] in (0, 1)
        with suppress(ReplayError):
            open_trace(run, file)
    assert refused
    assert shown


INTERFACE = (
    "views/trace_text.py",
    "views/report/traces.py",
    "views/sources.py",
    "formats/itf.py",
    "formats/mermaid.py",
    *(f"browse/{name}.py" for name in ("columns", "panel", "screens", "swimlanes", "titles")),
)


@pytest.mark.parametrize("name", INTERFACE)
def test_views_know_no_machine(name: str) -> None:
    """They read runs as they are told, and cannot tell one kind from another."""
    tree = ast.parse((PACKAGE / name).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    kinds = {"modelcheck.trace.document.Trace", "modelcheck.trace.document.TraceStep"}
    assert not named & kinds
    assert not [one for one in named if one.startswith(("modelcheck.machine", "modelcheck.litmus"))]
    assert not [one for one in named if one.startswith("modelcheck.trace.litmus")]
