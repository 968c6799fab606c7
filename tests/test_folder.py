"""Many specs at a time, the formats for CI systems, and the museum."""

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from modelcheck.cli import main

ROOT = Path(__file__).parent.parent
GOOD = """
from modelcheck import Protocol, Site, without_property, write
site = Site("s", b"\\x66\\x90", b"\\xeb\\x00")
stores = write("stores", site, site.new)
others = ("no-torn-instruction", "per-cpu-monotone", "ends-as-new", "finishes", "patch-completes")
waived = tuple(without_property(name, because="not asked here") for name in others)
P = Protocol("p", (site,), (stores,), waived=waived)
"""
EXPECTED = (
    GOOD
    + """
from modelcheck import Suite, violates
S = Suite(P, cpus=1, fetch=("per-chunk",), expect=violates("visible-after-return"))
"""
)
SURPRISING = (
    GOOD
    + """
from modelcheck import Suite
S = Suite(P, cpus=1, fetch=("per-chunk",))
"""
)

SARIF = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "items": {"type": "object", "required": ["id"]},
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"type": "object", "required": ["text"]},
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec as expected, and one below it that is not."""
    monkeypatch.chdir(tmp_path)
    specs = tmp_path / "specs"
    (specs / "more").mkdir(parents=True)
    (specs / "expected.py").write_text(EXPECTED)
    (specs / "more" / "surprising.py").write_text(SURPRISING)
    return specs


def test_a_folder_is_checked_and_summed_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each spec below it, by several processes, with one exit code for all."""
    assert main([str(folder), "--jobs", "2", "--out", "counterexamples"]) == 1
    out = capsys.readouterr().out
    assert "2 specs, 2 verdicts, 1 surprise." in out
    assert "SURPRISE      p, base (per-chunk): expected safe" in out
    assert Path("counterexamples/expected/base.json").is_file()
    assert Path("counterexamples/more/surprising/base.json").is_file()
    (folder / "more" / "surprising.py").unlink()
    assert main([str(folder), "--jobs", "1"]) == 0
    assert "none against expectation" in capsys.readouterr().out


def test_a_spec_that_does_not_load_keeps_no_other_from_being_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an error in every format, and exit code 2."""
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    assert main([str(folder), "--junit", "j.xml", "--sarif", "s.json"]) == 2
    out = capsys.readouterr().out
    assert "NOT CHECKED" in out
    assert "broken.py:1:Nomodulenamed" in "".join(out.split()), "wherever lines end"
    assert "2 verdicts" in out
    assert "No module named" in Path("j.xml").read_text()
    assert "not-checked" in Path("s.json").read_text()


def test_junit_counts_what_is_not_as_expected(folder: Path) -> None:
    """A surprise is a failure of its suite, an expected violation is none."""
    main([str(folder), "--junit", "j.xml"])
    suites = ElementTree.parse("j.xml").getroot()
    counts = {s.get("name"): (s.get("tests"), s.get("failures")) for s in suites}
    assert counts == {
        f"{folder}/expected.py": ("1", "0"),
        f"{folder}/more/surprising.py": ("1", "1"),
    }
    (failure,) = suites.iter("failure")
    assert "visible-after-return" in str(failure.get("message"))
    assert main([str(folder / "expected.py"), "--junit", "one.xml"]) == 0
    assert len(list(ElementTree.parse("one.xml").iter("testcase"))) == 1


def test_an_inconclusive_verdict_is_an_error_in_junit_and_a_warning_in_sarif(
    folder: Path,
) -> None:
    """CI must not read a search cut short as a pass."""
    spec = str(folder / "expected.py")
    assert main([spec, "--max-states", "1", "--junit", "j.xml", "--sarif", "s.json"]) == 3
    assert len(list(ElementTree.parse("j.xml").iter("error"))) == 1
    (result,) = json.loads(Path("s.json").read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("inconclusive", "warning")


def test_sarif_points_at_the_step(folder: Path) -> None:
    """A finding is on the spec's line that made the last step, by SARIF 2.1.0's schema."""
    main([str(folder), "--sarif", "s.json"])
    document = json.loads(Path("s.json").read_text())
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == "visible-after-return"
    assert result["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"].endswith("more/surprising.py")
    assert place["physicalLocation"]["region"] == {"startLine": 4}


def test_only_one_format_goes_to_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two documents in one stream could be read by nobody."""
    assert main([str(folder), "--json", "-", "--junit", "-"]) == 2
    assert "only one format" in capsys.readouterr().err
    assert main([str(folder / "expected.py"), "--markdown", "-"]) == 0
    assert capsys.readouterr().out.startswith("# Verdicts")


def test_the_museum_has_the_bugs_oldest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real bugs by date, each with its title and its trace."""
    monkeypatch.chdir(ROOT)
    assert main(["museum", "specs/riscv_ftrace_call_ops.py"]) == 0
    out = capsys.readouterr().out
    titles = ["Re-introduce global icache flush", "when IPI are used", "add a data fence"]
    places = [out.index(title) for title in titles]
    assert places == sorted(places)
    assert "nothing" not in out
    assert "4 bugs" in out


def test_the_museum_by_harm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What goes unnoticed stands before what crashes; bugs that tear nothing come last."""
    monkeypatch.chdir(ROOT)
    assert main(["museum", "specs/user_membarrier.py", "--sort", "harm"]) == 0
    assert "silent" in capsys.readouterr().out
    assert main(["museum", "specs/x86_ftrace_2012.py", "--sort", "harm"]) == 0
    out = capsys.readouterr().out
    assert -1 < out.index("wild branch") < out.index("no-unhandled-trap")
