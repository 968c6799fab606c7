"""The command line: what it prints, what it writes, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelcheck.cli import main
from tests.checks import by_last
from tests.damage import SEARCHING

ROOT = Path(__file__).parent.parent
INT3 = str(ROOT / "specs" / "x86_int3.py")
TRACE = ROOT / "counterexamples" / "x86_int3" / "no-sync-1.json"

TWO_BYTES = 'from modelcheck import *\nsite = Site("a", b"\\x66\\x90", b"\\xeb\\x00")\n'
KEYS = {
    "protocol",
    "variant",
    "cpus",
    "fetch",
    "chunk",
    "offset",
    "semantics",
    "explorer",
    "verdict",
    "property",
    "properties",
    "not_held_to",
    "rests_on_nothing",
    "notes",
    "expected",
    "as_expected",
    "states",
    "transitions",
    "depth",
    "seconds",
    "counterexample",
    "witness",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    code = main(list(arguments))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    return code, captured.out, captured.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON that a command prints."""
    _, out, _ = run(capsys, *arguments, "--json", "-")
    found: dict[str, Any] = json.loads(out)
    return found


def test_default_command_compares_and_keeps_traces(capsys: pytest.CaptureFixture[str]) -> None:
    """A spec alone: the table of its variants, and a trace for each violation."""
    code, out, _ = run(capsys, INT3, "--cpus", "1", "--update-counterexamples")
    assert code == 0
    assert "all as expected" in out
    assert "no-sync-2           safe    safe    BAD" in out
    kept = {path.name for path in Path("counterexamples/x86_int3").iterdir()}
    assert {"no-sync-1.cpus-1.json", "no-sync-1.cpus-1.txt"} <= kept


def test_one_variant_also_shows_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """The trace printed is the one kept, and the one committed."""
    code, out, _ = run(capsys, "check", INT3, "--variant", "no-sync-1", "--update-counterexamples")
    assert code == 0
    assert "movntq [rax+rax], mm0" in out
    assert Path("counterexamples/x86_int3/no-sync-1.json").read_text() == TRACE.read_text().replace(
        "specs/x86_int3.py", Path(INT3).as_posix()
    )


def test_json_has_the_documented_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts rely on these keys; the schema's number changes with them."""
    found = document(capsys, INT3, "--variant", "no-sync-2", "--cpus", "1", "--out", "traces")
    assert found["schema"] == 2
    assert found["spec"] == INT3
    by_model = {result["fetch"]: result for result in found["results"]}
    assert all(set(result) == KEYS for result in found["results"])
    assert by_model["coherent"]["verdict"] == "safe"
    assert by_model["coherent"]["property"] is None
    broken = by_model["per-chunk"]
    assert (broken["verdict"], broken["property"]) == ("violated", "no-torn-instruction")
    assert (broken["expected"], broken["as_expected"], broken["depth"]) == ("violated", True, 11)
    assert broken["counterexample"] == "traces/x86_int3/no-sync-2.cpus-1.json"
    assert Path(broken["counterexample"]).is_file()


def test_json_goes_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """With a file for the JSON, the table still goes to the terminal."""
    code, out, _ = run(capsys, INT3, "--variant", "base", "--cpus", "1", "--json", "r.json")
    assert code == 0
    assert "all as expected" in out
    assert json.loads(Path("r.json").read_text())["results"][0]["verdict"] == "safe"


def test_other_settings_do_not_replace_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name has the settings that are not the spec's own."""
    arguments = (INT3, "--variant", "no-sync-1", "--cpus", "2", "--update-counterexamples")
    run(capsys, *arguments)
    run(capsys, *arguments, "--chunk", "2", "--fetch", "coherent", "--offset", "1")
    kept = {path.name for path in Path("counterexamples/x86_int3").glob("*.json")}
    assert kept == {"no-sync-1.json", "no-sync-1.coherent.chunk-2.offset-1.json"}


@pytest.mark.parametrize(
    "limit",
    [("--max-states", "100"), ("--max-seconds", "0"), ("--max-memory", "1")],
    ids=" ".join,
)
def test_a_search_cut_short_is_inconclusive(
    capsys: pytest.CaptureFixture[str], limit: tuple[str, str]
) -> None:
    """Exit code 3, and never the word safe."""
    code, out, _ = run(capsys, INT3, "--variant", "base", *limit)
    assert code == 3
    assert "INCONCLUSIVE" in out
    assert "safe  " not in out.replace("safe: all", "")


def test_a_surprise_stands_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A verdict that the spec does not expect is exit code 1, with a line of its own."""
    spec = Path(INT3).read_text(encoding="utf-8")
    told = "violates(*HANDLER_DATA, VISIBLE)"
    assert told in spec
    Path("other.py").write_text(spec.replace(told, "violates(*HANDLER_DATA)"), encoding="utf-8")
    code, out, _ = run(capsys, INT3, "--variant", "no-sync-3")
    assert code == 0
    code, out, _ = run(capsys, "other.py", "--variant", "no-sync-3")
    assert code == 1
    assert (
        "SURPRISE nop-to-call, no-sync-3 (store-order, per-chunk, incoherent, strict): "
    ) in " ".join(out.split())


def test_new_writes_a_spec_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The starter is a protocol that holds, and no existing file is overwritten."""
    assert run(capsys, "new", "mine")[0] == 0
    code, out, _ = run(capsys, "mine.py")
    assert code == 0
    assert "all as expected" in out
    code, _, err = run(capsys, "new", "mine")
    assert code == 2
    assert "mine.py exists" in err


def test_help_without_a_command_is_about_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The default command must not hide the others."""
    for flag in ("-h", "--help"):
        code, out, _ = run(capsys, flag)
        assert code == 0
        assert "replay" in out


def test_what_a_spec_prints_does_not_mix_with_results(capsys: pytest.CaptureFixture[str]) -> None:
    """A spec is Python and may print; that goes to stderr."""
    text = Path(INT3).read_text(encoding="utf-8")
    Path("spec.py").write_text("print('hello')\n" + text)
    code, out, err = run(capsys, "spec.py", "--variant", "base", "--cpus", "1", "--json", "-")
    assert code == 0
    assert json.loads(out)["schema"] == 2
    assert "hello" in err


def test_the_spec_that_is_checked_is_the_one_that_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not a compiled form of it from the same second and of the same size."""
    text = TWO_BYTES + 'p = Protocol("p", (site,), (write("%s", site, b"\\xeb"),))\n'
    for label in ("one", "two"):
        Path("spec.py").write_text(text % label)
        os.utime("spec.py", (1_700_000_000, 1_700_000_000))
        _, out, _ = run(capsys, "list", "spec.py")
        assert label in out
    assert not Path("__pycache__").exists()


def test_a_spec_may_have_classes_and_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    """It is loaded as a module would be: dataclasses resolve, and files beside it import."""
    Path("neighbour.py").write_text("LABEL = 'from-next-door'\n")
    Path("my spec.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from neighbour import LABEL\n@dataclass\nclass Thing:\n    x: int = 1\n"
        + TWO_BYTES
        + 'p = Protocol("p", (site,), (write(LABEL, site, b"\\xeb"),))\n'
    )
    code, out, _ = run(capsys, "list", "my spec.py")
    assert code == 0
    assert "from-next-door" in out


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are markup to the terminal library, and no markup in a name."""
    Path("spec.py").write_text(
        TWO_BYTES + 'w = write("w", site, site.new, order="single")\n'
        'p = Protocol("p", (site,), (w, on_each_cpu("sync")))\n'
        's = Suite(p, (Variant("a [red]b", p.inserted(on_each_cpu("x"), after="w")),), chunk=2)\n'
    )
    for command in ("check", "list", "prove"):
        code, out, _ = run(capsys, command, "spec.py")
        assert code == 0
        assert "a [red]b" in out


def test_what_is_asked_for_twice_is_checked_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A repeated option is no second job."""
    twice = ("--variant", "base", "--fetch", "strict") * 2
    found = document(capsys, INT3, *twice, "--cpus", "1")
    assert len(found["results"]) == 3


def test_a_site_of_several_instructions_is_not_passed_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Several instructions as one are refused, or, where a spec says why, warned of by form."""
    text = Path(INT3).read_text(encoding="utf-8")
    five_nops = 'NOP = bytes.fromhex("90 90 90 90 90")'
    wrong = text.replace('NOP = bytes.fromhex("0f 1f 44 00 00")', five_nops)
    Path("spec.py").write_text(wrong)
    code, _, err = run(capsys, "spec.py")
    assert code == 2
    assert "90 90 90 90 90 is 5 instructions of x86-64, not one" in err
    meant = 'address=0xFFFFFFFF81001000, undecoded="nobody stands between them"'
    Path("spec.py").write_text(wrong.replace("address=0xFFFFFFFF81001000", meant))
    for command in ("check", "prove"):
        _, out, _ = run(capsys, command, "spec.py", "--variant", "base", "--fetch", "coherent")
        assert out.count("old bytes begin with a shorter instruction, nop.") == 1
        assert out.count("new bytes begin with a shorter instruction, nop.") == 1
        _, out, _ = run(capsys, command, INT3, "--variant", "base", "--fetch", "coherent")
        assert "shorter instruction" not in out


def test_list_names_variants_and_expectations(capsys: pytest.CaptureFixture[str]) -> None:
    """What a spec has, without a search."""
    code, out, _ = run(capsys, "list", INT3)
    assert code == 0
    assert "no-sync-3" in out
    assert "no-stale-handler-data" in out


def test_show_and_replay(capsys: pytest.CaptureFixture[str]) -> None:
    """A committed trace is shown as its text file, and the machine can do each step."""
    code, out, _ = run(capsys, "show", str(TRACE))
    assert code == 0
    shown = [line.rstrip() for line in out.splitlines()]
    assert shown == TRACE.with_suffix(".txt").read_text().splitlines()
    code, out, _ = run(capsys, "replay", str(TRACE))
    assert code == 0
    assert "all 4 steps replay" in out


def test_replay_of_a_tampered_trace_names_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    """The first step that the machine does not do as told is named; exit code 1."""
    trace = json.loads(TRACE.read_text())
    trace["steps"][2]["memory"]["foo"] = "cc ff 44 00 00"
    Path("bad.json").write_text(json.dumps(trace))
    code, _, err = run(capsys, "replay", "bad.json")
    assert code == 1
    assert "step 3 (patcher: tail): the trace says memory" in err


@by_last(
    ("text", "message"),
    [
        ("\nraise RuntimeError('oops')\n", "spec.py:2: RuntimeError: oops"),
        (
            TWO_BYTES + 'other = Site("b", b"\\x90", b"\\xcc", address=1)\n'
            'Protocol("p", (site, other), (write("w", site, b"\\xeb"),))\n',
            "spec.py:3: sites 'a' (0x0, 2 bytes) and 'b' (0x1, 1 bytes) overlap",
        ),
        (
            TWO_BYTES + 'without_property("x", because="nobody cares")\n',
            "spec.py:3: without_property 'x': name is 'x'; wanted is a property",
        ),
        (
            TWO_BYTES + 'p = Protocol("p", [site], (write("w", site, b"\\xeb"),))\n',
            "spec.py:3: Protocol 'p': sites is [Site 'a'], a list; wanted is a tuple of Sites",
        ),
    ],
)
def test_a_wrong_spec_is_told_with_its_line(
    capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """One message with the place, exit code 2, no traceback; test_wrong_specs.py has the others."""
    Path("spec.py").write_text(text)
    code, _, err = run(capsys, "spec.py")
    assert code == 2
    assert message in err


@by_last(
    ("arguments", "message"),
    [
        (["nosuch.py"], "nosuch.py: no such file"),
        (["list", "."], "is a folder"),
        (
            ["proove", INT3],
            "'proove' is neither a command nor a spec; the commands are: browse, check",
        ),
        ([INT3, "--variant", "no-sync-9"], "no variant named 'no-sync-9'"),
        ([INT3, "--cpus", "0"], "0 CPUs"),
        ([INT3, "--cpus", "-1"], "-1 CPUs"),
        ([INT3, "--chunk", "3"], "power of two"),
        ([INT3, "--chunk", "0"], "power of two"),
        ([INT3, "--chunk", "128"], "power of two"),
        ([INT3, "--offset", "64"], "0 to 63"),
        ([INT3, "--fetch", "psychic"], "unknown fetch model 'psychic'; known: coherent"),
        ([INT3, "--property", "no-bugs"], "unknown property 'no-bugs'"),
        (
            [INT3, "--property", "no-unpermitted-modification"],
            "means something under fetch model strict only, not under coherent; add --fetch strict",
        ),
        ([INT3, "--semantics", "poetic"], "'poetic' is not one of"),
        ([INT3, "--out", "/dev/null/traces"], "/dev/null is not a folder"),
        ([INT3, "--json", "/dev/null/r.json"], "/dev/null is not a folder"),
        (["show", "nosuch.json"], "nosuch.json: No such file"),
        (["show", INT3], "not JSON"),
        (["replay", INT3], "not JSON"),
        (["new", "/dev/null/spec"], "cannot write"),
        (["new", ""], "'' is no name for a spec"),
        (["new", ".."], "'..' is no name for a spec"),
        (["new", 'a"b'], "is no name for a spec; take letters"),
        (["x.txt"], "x.txt: no such file"),
    ],
)
def test_wrong_input_is_told_in_one_message(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Wrong words on the command line: the message names them and what would do."""
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1, "steps": []}', "\xff\xfe"])
def test_foreign_json_is_refused(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Any other JSON, or none, is exit code 2 with the file's name."""
    Path("foreign.json").write_text(text, encoding="latin-1")
    for command in ("show", "replay"):
        code, _, err = run(capsys, command, "foreign.json")
        assert code == 2
        assert "foreign.json: " in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_loses_no_finished_result(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be written to a file has at least been printed."""
    code, out, err = run(capsys, INT3, "--variant", "base", "--cpus", "1", "--json", "/dev/full")
    assert code == 2
    assert "all as expected" in out
    assert "No space left on device" in err
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("explorer", ["reference", "compiled", "symmetric"])
def test_ctrl_c_reports_what_was_reached(explorer: str, tmp_path: Path) -> None:
    """An interrupt of a search is inconclusive, in each explorer."""
    spec = ROOT / "specs" / "x86_int3_minimal.py"
    command = [sys.executable, "-c", SEARCHING, str(spec)]
    command += ["--variant", "base", "--fetch", "coherent", "--cpus", "20", "--max-seconds", "60"]
    command += ["--explorer", explorer, *([] if explorer == "reference" else ["--threads", "1"])]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert process.stderr.readline() == b"ready\n"
    assert process.stderr.readline() == b"searching\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert b"interrupted; reached" in out
    assert b"Traceback" not in err
