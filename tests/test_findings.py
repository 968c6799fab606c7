"""What is not as expected: one bug is told once in each format, and vacuous has its word in all."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from modelcheck import Protocol, Site, write
from modelcheck.api import verify
from modelcheck.browse.entries import of_results
from modelcheck.cli import main
from modelcheck.frontends.spec_files import load_suites
from modelcheck.pytest_plugin import Checker
from modelcheck.questions.check import Overrides, Result, check, jobs
from modelcheck.questions.findings import findings

SPEC = """
from modelcheck import Protocol, Site, Suite, Variant, violates, write
site = Site("s", b"\\x66\\x90", b"\\xeb\\x00")
in_order = write("bytes", site, site.new)
at_once = write("bytes", site, site.new, order="single")
P = Protocol("p", (site,), (at_once,), patcher_executes=False)
VISIBLE = violates("visible-after-return")
S = Suite(P, (Variant("torn", P.replaced("bytes", in_order), VISIBLE),), cpus=1, chunk=2,
          fetch=("coherent", "per-chunk", "incoherent"), expect=VISIBLE)
"""
IDLE = """
from modelcheck import Protocol, Site, Suite, write
site = Site("s", b"\\x90", b"\\xc3", entries=())
S = Suite(Protocol("p", (site,), (write("byte", site, site.new),)), fetch=("coherent", "strict"))
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with one variant that tears under all its fetch models, unexpectedly."""
    monkeypatch.chdir(tmp_path)
    path = Path("spec.py")
    path.write_text(SPEC)
    return path


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of code that nobody can enter."""
    monkeypatch.chdir(tmp_path)
    path = Path("idle.py")
    path.write_text(IDLE)
    return path


def results(path: Path) -> list[Result]:
    """The results of all jobs of a spec."""
    return [check(job, spec=str(path)) for job in jobs(load_suites(path), Overrides())]


def test_one_bug_is_one_finding_with_its_models(spec: Path) -> None:
    """The variant tears under three models, by the same property: that is one bug."""
    found = findings(results(spec))
    torn = [one for one in found if one.result.job.variant.name == "torn"]
    assert [one.kind for one in torn] == ["no-torn-instruction"]
    assert torn[0].where == "p, torn (coherent, per-chunk, incoherent)"
    assert torn[0].result.job.configuration.fetch == "per-chunk"
    assert torn[0].said == (
        "expected visible-after-return violated, found no-torn-instruction violated"
    )


def test_bugs_of_other_kinds_are_told_apart(spec: Path) -> None:
    """What is cut short is another thing than what is violated."""
    torn = [one for one in results(spec) if one.job.variant.name == "torn"]
    cut = replace(torn[0], verdict=type(torn[0].verdict).INCONCLUSIVE, violated=None, reason="x")
    found = findings([cut, *torn[1:]])
    assert [(one.kind, one.surprising) for one in found] == [
        ("inconclusive", False),
        ("no-torn-instruction", True),
    ]


def test_each_format_tells_it_once(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the table's remarks, a result of SARIF, a failure of JUnit; with the models."""
    assert main([str(spec), "--variant", "torn", "--junit", "j.xml", "--sarif", "s.json"]) == 1
    out = capsys.readouterr().out.replace("\n", " ")
    assert out.count("SURPRISE") == 1
    assert "SURPRISE      p, torn (coherent, per-chunk, incoherent): expected" in out
    (result,) = json.loads(Path("s.json").read_text())["runs"][0]["results"]
    assert "p, torn (coherent, per-chunk, incoherent)" in result["message"]["text"]
    (failure,) = ElementTree.parse("j.xml").iter("failure")
    assert "p, torn (coherent, per-chunk, incoherent)" in failure.get("message", "")
    assert failure.get("type") == "no-torn-instruction"
    assert main([str(spec.parent), "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert out.count("SURPRISE") == len(findings(results(spec)))


def test_a_fingerprint_outlives_new_lines_and_other_models(spec: Path) -> None:
    """What a code host knows a bug by; another bug has another."""

    def fingerprints(*more: str) -> dict[str, str]:
        main([str(spec), "--sarif", "s.json", *more])
        found = json.loads(Path("s.json").read_text())["runs"][0]["results"]
        return {one["partialFingerprints"]["modelcheckFinding/v1"]: one["ruleId"] for one in found}

    before = fingerprints("--variant", "torn")
    spec.write_text("# a line more\n" + SPEC)
    assert fingerprints("--variant", "torn", "--fetch", "coherent") == before
    spec.write_text(SPEC.replace('"torn"', '"torn2"'))
    assert not set(fingerprints("--variant", "torn2")) & set(before)


def test_vacuous_has_its_word_in_every_format(
    idle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and in no format the word safe alone."""
    files = {name: f"x.{name}" for name in ("json", "html", "markdown", "junit", "sarif")}
    options = [part for name, file in files.items() for part in (f"--{name}", file)]
    assert main([str(idle), *options]) == 1
    assert "vacuous !" in capsys.readouterr().out
    text = {name: Path(file).read_text() for name, file in files.items()}
    assert {one["verdict"] for one in json.loads(text["json"])["results"]} == {"vacuous"}
    assert '<td class="open surprise"' in text["html"]
    assert ">vacuous !</td>" in text["html"]
    assert "| p | base | vacuous | vacuous |" in text["markdown"]
    assert "found vacuous (nobody can enter s (entries=()))" in text["junit"]
    assert '"ruleId": "unexpectedly-vacuous"' in text["sarif"]
    (entry,) = of_results(str(idle), results(idle))
    assert entry.verdict == "vacuous for 2 CPUs"
    assert "nobody can enter s" in entry.note


def test_the_plugin_says_why_a_verdict_is_vacuous() -> None:
    """A test that asserts safety fails on a protocol that nobody runs, and says so."""
    site = Site("s", b"\x90", b"\xc3", entries=())
    protocol = Protocol("idle", (site,), (write("byte", site, site.new),))
    assert not verify(protocol, fetch="coherent").safe
    with pytest.raises(pytest.fail.Exception, match=r"idle: vacuous; nobody can enter s") as told:
        Checker().assert_safe(protocol, fetch="coherent")
    assert "expected safe" in str(told.value)
