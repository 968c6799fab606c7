"""Counterexamples that cannot go stale: where they are kept, and who says that a spec changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelcheck import Protocol, Site, Suite, on_each_cpu, write
from modelcheck.browse.opened import open_trace
from modelcheck.browse.titles import why
from modelcheck.cli import main
from modelcheck.cli.keeping import VARIABLE, cache
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.source import Source
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace.document import SCHEMA, TraceError, digest, load, to_json
from modelcheck.trace.replay import replay
from modelcheck.trace.stale import file_changed, file_digest

SPEC = """
from modelcheck import Protocol, Site, Suite, on_each_cpu, violates, write
site = Site("s", b"\\x90", b"\\xc3")
P = Protocol("p", (site,), (write("byte", site, site.new),))
S = Suite(P, cpus=1, fetch=("per-chunk",), expect=violates("visible-after-return"))
"""
MENDED = SPEC.replace("site.new),)", 'site.new), on_each_cpu("sync"))').replace(
    ', expect=violates("visible-after-return")', ""
)
SITE = Site("s", b"\x90", b"\xc3")
P = Protocol("p", (SITE,), (write("byte", SITE, SITE.new),))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a spec, and a cache beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    Path("spec.py").write_text(SPEC)


def kept() -> list[str]:
    """The counterexamples in the cache, without the folder of each spec."""
    return sorted(path.name for path in cache().rglob("*.*"))


def the_trace() -> Path:
    """The only counterexample in the cache."""
    (path,) = cache().rglob("*.json")
    return path


def document(path: Path) -> dict[str, Any]:
    """A trace as JSON."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_by_default_nothing_is_written_beside_the_spec() -> None:
    """The trace goes to the cache, in a folder for this spec."""
    assert main(["spec.py"]) == 0
    assert {path.name for path in Path().iterdir()} == {"cache", "spec.py"}
    assert kept() == ["base.json", "base.txt"]
    Path("other").mkdir()
    Path("other/spec.py").write_text(SPEC)
    assert main(["other/spec.py"]) == 0
    assert kept() == ["base.json", "base.json", "base.txt", "base.txt"]


def test_folders_are_written_when_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """--out any folder, --update-counterexamples the committed ones; not both."""
    assert main(["spec.py", "--out", "traces"]) == 0
    assert main(["spec.py", "--update-counterexamples"]) == 0
    assert Path("traces/spec/base.json").read_text() == (
        Path("counterexamples/spec/base.json").read_text()
    )
    assert kept() == []
    assert main(["spec.py", "--update-counterexamples", "--out", "traces"]) == 2
    assert "two places" in capsys.readouterr().err


def test_what_is_safe_now_leaves_no_trace_behind() -> None:
    """In the cache and among the committed ones; a folder of one's own is left alone."""
    places = [[], ["--update-counterexamples"], ["--out", "traces"]]
    for options in places:
        assert main(["spec.py", *options]) == 0
    Path("spec.py").write_text(MENDED)
    for options in places:
        assert main(["spec.py", *options, "--max-states", "1"]) == 3
    assert kept() == ["base.json", "base.txt"]  # what was not decided says nothing
    for options in places:
        assert main(["spec.py", *options]) == 0
    assert kept() == []
    assert list(Path("counterexamples/spec").iterdir()) == []
    assert Path("traces/spec/base.json").is_file()


def test_a_cache_that_cannot_be_written_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody asked for it: the verdicts count, and it is said."""
    Path("file").write_text("")
    monkeypatch.setenv(VARIABLE, "file")
    assert main(["spec.py"]) == 0
    assert "Counterexamples are not kept: " in capsys.readouterr().err
    assert main(["spec.py", "--out", "file/traces"]) == 2


def test_a_digest_tells_what_is_asked_and_not_where_it_stands() -> None:
    """Of protocol and configuration, each field; of no line of the spec."""
    run = Configuration(cpus=1)
    moved = Protocol("p", (SITE,), (write("byte", SITE, SITE.new),))
    object.__setattr__(moved.program[0], "source", Source(file="elsewhere.py", line=1))
    assert digest(moved, run) == digest(P, run)
    others = {
        digest(P, Configuration(cpus=2)),
        digest(P, Configuration(cpus=1, fetch="coherent")),
        digest(Protocol("p", (SITE,), (*P.program, on_each_cpu("sync"))), run),
        digest(Protocol("q", (SITE,), P.program), run),
    }
    assert len({*others, digest(P, run)}) == 5


def test_a_trace_carries_both_digests_and_is_held_against_its_own() -> None:
    """Another protocol or configuration under the old digest is refused."""
    main(["spec.py"])
    path = the_trace()
    found, trace = document(path), load(path)
    assert found["schema"] == SCHEMA
    assert found["digest"] == digest(trace.protocol, trace.configuration)
    assert found["spec_digest"] == file_digest(Path("spec.py"))
    assert to_json(trace) == path.read_text(encoding="utf-8")
    found["configuration"]["cpus"] = 2
    path.write_text(json.dumps(found))
    with pytest.raises(TraceError, match="not that of its digest"):
        load(path)


@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_spec_that_has_changed_since_is_told(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its bytes; and with --spec, by the variant itself."""
    main(["spec.py"])
    path = str(the_trace())

    def says(*options: str) -> str:
        capsys.readouterr()
        assert main([command, path, *options]) == 0
        return capsys.readouterr().out

    assert "has changed" not in says()
    Path("spec.py").write_text("# a line more\n" + SPEC)
    assert "The spec has changed since: spec.py is not the file" in says()
    assert "has changed" not in says("--spec", "spec.py")
    Path("spec.py").write_text(MENDED)
    assert "The spec has changed since: spec.py has no variant base of p" in says(
        "--spec", "spec.py"
    )
    Path("spec.py").unlink()
    assert "has changed" not in says()


def test_no_spec_is_run_because_a_trace_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Its bytes are compared; what it does is not done, and other files are not even read."""
    main(["spec.py"])
    path = the_trace()
    Path("spec.py").write_text("open('ran', 'w')\n" + SPEC)
    trace = load(path)
    for command in ("show", "replay"):
        assert main([command, str(path)]) == 0
    assert file_changed(trace, path)
    assert not Path("ran").exists()
    found = document(path)
    for elsewhere in ("/dev/zero", "cache", "nothing.py"):
        path.write_text(json.dumps(found | {"spec": elsewhere}))
        assert file_changed(load(path)) == ""


def test_the_browser_tells_it_above_the_trace() -> None:
    """Beside what goes wrong."""
    main(["spec.py"])
    path = the_trace()
    Path("spec.py").write_text(MENDED)
    assert "The spec has changed since" in why(open_trace(load(path), path), 500)


OLD = {
    "spec": "old.py",
    "variant": "base",
    "protocol": {
        "name": "p",
        "sites": [{"name": "s", "old": "90", "new": "c3"}],
        "program": [
            {"label": "byte", "site": "s", "data": "c3", "source": "old.py:4", "step": "Write"}
        ],
        "properties": ["visible-after-return", "deadlock-free"],
    },
    "configuration": {
        "cpus": 1,
        "fetch": "coherent",
        "chunk": 1,
        "offset": 0,
        "semantics": "windowed",
        "properties": ["visible-after-return", "deadlock-free"],
        "any_number": False,
    },
    "steps": [],
    "violation": {"property": "deadlock-free", "actor": "patcher", "why": "as it was said then"},
    "bug": None,
    "loop": None,
    "schema": 1,
}
"""A trace of schema 1, as it was written."""


def test_traces_of_schema_1_are_read(tmp_path: Path) -> None:
    """The properties of the protocol are dropped, those of the configuration stay, by their names
    of today."""
    path = tmp_path / "old.json"
    path.write_text(json.dumps(OLD))
    trace = load(path)
    assert trace.configuration.properties == ("visible-after-return", "finishes")
    assert trace.violation is not None
    assert trace.violation.property == "finishes"
    assert (trace.spec_digest, trace.shows) == ("", "")
    assert document_of(to_json(trace))["schema"] == SCHEMA


def document_of(text: str) -> dict[str, Any]:
    """JSON as data."""
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_trace_of_schema_1_replays_where_its_words_are_those_of_today(tmp_path: Path) -> None:
    """What was recorded then is a run of the machine still."""
    (job,) = jobs((Suite(P, cpus=1, fetch=("coherent",)),), Overrides())
    trace = check(job, spec="old.py").trace
    assert trace is not None
    old = document_of(to_json(trace))
    for key in ("digest", "spec_digest", "shows"):
        del old[key]
    old["protocol"]["properties"] = ["visible-after-return"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old | {"schema": 1}))
    assert replay(load(path)) == len(trace.steps)


@pytest.mark.parametrize("schema", [0, 3, "2", None])
def test_other_schemas_are_refused(tmp_path: Path, schema: object) -> None:
    """By their number."""
    path = tmp_path / "other.json"
    path.write_text(json.dumps(OLD | {"schema": schema}))
    with pytest.raises(TraceError, match="this version reads schema 1 and 2"):
        load(path)
