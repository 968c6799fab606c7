"""Checking from Python and in one's own tests: verify, the pytest fixture, emit-test."""

import inspect
import subprocess
import sys
import textwrap
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import modelcheck as package
from modelcheck import Protocol, verify
from modelcheck import api as documented
from modelcheck.cli import main
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.formats.pytest_file import to_pytest
from modelcheck.machine.setup import Configuration
from modelcheck.trace.document import load
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.rerun import rerun
from tests.protocols import three_byte_variants

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "counterexamples").glob("*/*.json"))
INT3_NO_SYNC_1 = ROOT / "counterexamples" / "x86_int3" / "no-sync-1.json"
BASE: Protocol = three_byte_variants()["base"]


def test_the_documented_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the module's docstring does what it says, in ten lines at most."""
    text = inspect.getdoc(documented)
    assert text
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    example = textwrap.dedent("\n".join(lines))
    assert len(lines) <= 10
    exec(compile(example, "example", "exec"), {})
    out = capsys.readouterr().out
    assert out.startswith("one-by-one: violates no-torn-instruction in 2 steps; 1 CPU and the")
    assert "runs eb 90: torn" in out or "runs 66 00: torn" in out


def test_to_import_the_package_is_light() -> None:
    """Specs import the package: no solver, no compiler and no terminal library comes with it."""
    heavy = {"z3", "rich", "networkx", "numba", "cattrs", "modelcheck.api"}
    code = f"import modelcheck, modelcheck.pytest_plugin, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
    assert {"verify", "Outcome"} <= set(package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_outcomes() -> None:
    """Safe, violated and cut short differ in every field, and in the text."""
    safe = verify(BASE, cpus=1)
    assert safe.safe
    assert safe.violated is None
    assert safe.trace is None
    assert str(safe).startswith(f"{BASE.name}: safe; 1 CPU and the patcher's own, fetch model")
    bad = verify(BASE.without("sync-1"), cpus=1, fetch="coherent")
    assert bad.violated == "no-torn-instruction"
    assert bad.trace is not None
    assert "  <==" in str(bad)
    cut = verify(BASE, limits=Limits(states=10))
    assert cut.verdict is Verdict.INCONCLUSIVE
    assert not cut.safe
    assert "inconclusive (more than 10 states)" in str(cut)


def test_a_notebook_shows_an_outcome() -> None:
    """The HTML form has the verdict, and the trace in colours."""
    html = verify(BASE.without("sync-1"), cpus=1)._repr_html_()
    assert html.startswith("<pre")
    assert html.endswith("</pre>")
    assert "violates no-torn-instruction in" in html
    assert "<span" in html
    assert "safe; 1 CPU" in verify(BASE, cpus=1)._repr_html_()


def plugin() -> tuple[str, ...]:
    """How an inner pytest gets the plugin where the installed package does not yet name it."""
    installed = entry_points(group="pytest11", name="modelcheck")
    return () if installed else ("-p", "modelcheck.pytest_plugin")


def test_the_package_names_the_plugin() -> None:
    """pytest finds the fixture through the entry point, without a line in a conftest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert (
        project["project"]["entry-points"]["pytest11"]["modelcheck"] == "modelcheck.pytest_plugin"
    )


def test_the_fixture(pytester: pytest.Pytester) -> None:
    """What fails names the verdict, the trace and the setting, without a traceback."""
    pytester.makepyfile(
        """
        from tests.protocols import three_byte_variants

        base = three_byte_variants()["base"]
        broken = base.without("sync-1")
        TORN = "no-torn-instruction"

        def test_right(modelcheck):
            assert modelcheck.assert_safe(base, cpus=1).states > 100
            modelcheck.assert_violates(broken, TORN, cpus=1)
            modelcheck.assert_violates(broken, cpus=1)

        def test_not_safe(modelcheck):
            modelcheck.assert_safe(broken, cpus=1)

        def test_not_violated(modelcheck):
            modelcheck.assert_violates(base, TORN, cpus=1)

        def test_violated_otherwise(modelcheck):
            modelcheck.assert_violates(broken, "no-unhandled-trap", cpus=1)

        def test_longer(modelcheck):
            modelcheck.assert_violates(broken, TORN, steps=3, cpus=1)

        def test_inconclusive(modelcheck):
            from modelcheck.explore.verdict import Limits
            modelcheck.assert_safe(base, limits=Limits(states=5))
        """
    )
    result = pytester.runpytest_inprocess(*plugin())
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.fnmatch_lines(
        [
            "*_ test_not_safe _*",
            "expected safe",
            "*: violates no-torn-instruction in 4 steps; 1 CPU and the patcher's own*",
            "*int3: foo+0 := cc*",
            "*torn  <==*",
            "*_ test_not_violated _*",
            "expected a violation of no-torn-instruction",
            "*: safe; 1 CPU*",
            "*_ test_violated_otherwise _*",
            "expected a violation of no-unhandled-trap",
            "*_ test_longer _*",
            "expected 3 steps to a violation",
            "*_ test_inconclusive _*",
            "*: inconclusive (more than 5 states)*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_emitted_tests_pass_for_shipped_counterexamples(
    pytester: pytest.Pytester, every: int
) -> None:
    """An emitted test stands alone: it runs in a folder with nothing else in it."""
    chosen = SHIPPED[::every]
    for path in chosen:
        name = f"test_{path.parent.name}_{path.stem}".replace("-", "_").replace(".", "_")
        (pytester.path / f"{name}.py").write_text(to_pytest(load(path)), encoding="utf-8")
    result = pytester.runpytest_inprocess("-q", *plugin())
    result.assert_outcomes(passed=2 * len(chosen))


def test_an_emitted_test_fails_when_the_behaviour_changes(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seeded: with the missing sync put back, the run is not possible and nothing is violated."""
    file = pytester.path / "test_regression.py"
    assert main(["emit-test", str(INT3_NO_SYNC_1), "-o", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    tail = '        Write(label="tail"'
    assert text.count(tail) == 1
    sync = 'Block(label="sync-1", steps=(SendIpi(label="send"), WaitAcks(label="wait")))'
    file.write_text(text.replace(tail, f"        {sync},\n{tail}"), encoding="utf-8")
    result = pytester.runpytest_inprocess(*plugin())
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*is not possible here*", "expected a violation of no-torn-*"])


def test_no_test_is_emitted_of_what_does_not_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edited trace would become a test of nothing."""
    edited = tmp_path / "edited.json"
    edited.write_text(INT3_NO_SYNC_1.read_text().replace("foo+1 := e7", "foo+1 := e8"))
    assert main(["emit-test", str(edited)]) == 2
    assert "not a run of this machine" in capsys.readouterr().err


def test_rerun_gives_the_trace_it_was_made_of() -> None:
    """Actor, label and choice name a step; the machine tells all else of it."""
    trace = load(INT3_NO_SYNC_1)
    steps = [(step.actor, step.label, step.choice) for step in trace.steps]
    assert rerun(trace.protocol, trace.configuration, steps) == trace.steps
    with pytest.raises(ReplayError, match=r"step 2: .* is not possible here"):
        rerun(trace.protocol, Configuration(), [steps[0], steps[2]])
