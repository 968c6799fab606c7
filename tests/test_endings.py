"""How a question ends that cannot go on, and what is said of it: limits, Ctrl-C, crashes, text."""

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import z3

from modelcheck import Cell, Patcher, Protocol, Site, SpecError, store, write
from modelcheck.cli import check as check_command
from modelcheck.cli import main
from modelcheck.cli.ending import ending
from modelcheck.explore.interrupts import held, listening, raise_noted
from modelcheck.explore.pulse import LimitError, in_time, time_left, time_limit
from modelcheck.explore.verdict import Limits, Request
from modelcheck.formats.markdown import to_markdown
from modelcheck.protocol.names import hidden, printable
from modelcheck.solver import possible
from modelcheck.trace.document import TraceError, load
from modelcheck.views.trace_text import to_text
from tests.damage import damaged_bytes, quiet

ROOT = Path(__file__).parent.parent
INT3 = ROOT / "specs" / "x86_int3.py"
MINIMAL = ROOT / "specs" / "x86_int3_minimal.py"
TRACE = ROOT / "counterexamples" / "x86_int3" / "no-sync-1.json"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Time.


def test_of_two_limits_the_earlier_one_holds() -> None:
    """A question within a question has no more time than that has left."""
    assert time_left() is None
    with time_limit(1000), time_limit(2000):
        assert (left := time_left()) is not None
        assert left <= 1000
    with time_limit(0), time_limit(1000), pytest.raises(LimitError, match="more than 0 seconds"):
        time_left()
    assert time_left() is None


def test_a_question_has_the_seconds_of_its_limits_or_its_request() -> None:
    """Whatever is called by it sees the same clock."""

    @in_time
    def by_limits(limits: Limits) -> float | None:
        return time_left()

    @in_time
    def by_request(*, request: Request = Request()) -> float | None:
        return time_left()

    assert by_limits(Limits()) is by_request() is None
    for left in (by_limits(Limits(seconds=50)), by_request(request=Request(Limits(seconds=50)))):
        assert left is not None
        assert 0 < left <= 50


@pytest.mark.parametrize(
    "words",
    [
        ["check", str(INT3), "--variant", "base"],
        ["prove", str(INT3), "--variant", "base"],
        ["prove", "--any-bytes", str(MINIMAL)],
        ["explain", str(INT3), "--fetch", "per-chunk"],
        ["ablate", str(MINIMAL)],
        ["repair", str(INT3), "--variant", "no-sync-1"],
        ["diff", str(INT3), "#no-sync-2", "--cpus", "1"],
        ["graph", str(MINIMAL), "-o", "out.svg"],
    ],
    ids=lambda words: " ".join(words[:2]).replace(str(ROOT), ""),
)
def test_no_time_is_inconclusive_everywhere(words: list[str]) -> None:
    """Exit code 3, and the limit is named."""
    code, out, err = quiet(*words, "--max-seconds", "0")
    assert code == 3
    assert "more than 0 seconds" in " ".join((out + err).split())


def hard() -> z3.Solver:
    """A question that Z3 does not answer before anybody loses patience."""
    solver = z3.Solver()
    one, other = z3.BitVecs("one other", 80)
    for factor in (one, other):
        solver.add(z3.UGT(factor, 1), z3.ULT(factor, 1 << 40))
    solver.add(one * other == 1000000000039 * 999999999989)
    return solver


def test_z3_ends_with_the_time_of_the_question() -> None:
    """What it does not know by then is not taken for a no."""
    with time_limit(0.2), pytest.raises(LimitError, match=r"more than 0\.2 seconds"):
        possible(hard())


# Ctrl-C.


def press(seconds: float) -> None:
    """Press Ctrl-C a little later."""
    threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)).start()


def test_ctrl_c_reaches_z3_at_work() -> None:
    """And is an interrupt, not a no; the solver can be asked again."""
    solver = hard()
    press(0.2)
    with listening(), pytest.raises(KeyboardInterrupt):
        possible(solver)
    assert possible(z3.Solver())
    assert signal.set_wakeup_fd(-1) == -1


class _Swallows:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_in_a_finaliser_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Python reports what a finaliser raises, and forgets it."""
    thing = [_Swallows()]

    def work() -> None:
        thing.clear()
        time.sleep(60)

    with listening(), pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().err == ""


def test_ctrl_c_that_is_held_back_is_noted() -> None:
    """It calls who holds it, is raised where that asks for it, and else forgotten at the end."""
    calls: list[str] = []
    with listening():
        with held(lambda: calls.append("outer")), held(lambda: calls.append("inner")):
            signal.raise_signal(signal.SIGINT)
            assert calls == ["outer", "inner"]
            with pytest.raises(KeyboardInterrupt):
                raise_noted()
            raise_noted()
        with held():
            signal.raise_signal(signal.SIGINT)
        raise_noted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_results_are_told_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """All verdicts are there; so all are written and printed."""
    original = check_command._rendered

    def rendered(*arguments: object, **others: object) -> str:
        signal.raise_signal(signal.SIGINT)
        return original(*arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(check_command, "_rendered", rendered)
    words = ("check", str(INT3), "--variant", "base", "--cpus", "1", "--json", "out.json")
    code, out, _ = quiet(*words)
    assert code == 0
    assert "all as expected" in out
    assert Path("out.json").exists()


# Crashes.


def test_a_fault_of_our_own_is_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the place and is no verdict; what was found before it is told."""
    original = check_command.run_spec.__globals__["check"]
    calls = []

    def check(*arguments: object, **others: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError("oops")
        return original(*arguments, **others)

    monkeypatch.setitem(check_command.run_spec.__globals__, "check", check)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["check", str(INT3), "--variant", "base", "--cpus", "1"]) == 4
    assert "ZeroDivisionError: oops" in err.getvalue()
    assert "This is a fault of modelcheck, and no verdict" in err.getvalue()
    assert "CUT SHORT     13 of 15 were not decided" in out.getvalue()
    assert "2 verdicts" in out.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 3, "out of memory"),
        (OSError(12, "Cannot allocate memory"), 3, "out of memory"),
        (OSError(28, "No space left on device", "f"), 2, "f: No space left"),
        (OSError("no number"), 4, "OSError: no number"),
        (RecursionError("deep"), 4, "RecursionError: deep"),
        (LimitError("more than 3 seconds"), 3, "more than 3 seconds"),
        (SpecError("wrong"), 2, "wrong"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 2, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_has_a_code_and_never_1(error: BaseException, code: int, words: str) -> None:
    """1 is a verdict that is not as expected, and nothing else."""
    end = ending(error)
    assert end.code == code
    assert words in end.message


def test_a_process_that_dies_takes_no_result_with_it(tmp_path: Path) -> None:
    """Of a folder, the specs that were checked are told; exit code 4."""
    (tmp_path / "specs").mkdir()
    shutil.copy(MINIMAL, tmp_path / "specs" / "a.py")
    (tmp_path / "specs" / "z.py").write_text("import os\nos._exit(9)\n")
    done = subprocess.run(
        [sys.executable, "-m", "modelcheck", "specs", "--jobs", "1", "--json", "out.json"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "NOT CHECKED   specs/z.py: its process was ended" in done.stdout
    assert "Traceback" not in done.stderr
    assert '"verdict": "safe"' in Path("out.json").read_text()


@pytest.mark.slow
def test_damaged_machine_code_is_compiled_again(tmp_path: Path) -> None:
    """Numba would run it, or fall over it."""
    folder = tmp_path / "kept"
    words = ("check", str(MINIMAL), "--variant", "base", "--fetch", "coherent", "--cpus", "1")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "modelcheck", *words, "--engine", "compiled", "--threads", "1"],
            env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    whole = run()
    assert whole.returncode == 0, whole.stderr
    draw = random.Random(3)
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        path.write_bytes(damaged_bytes(path.read_bytes(), draw))
    again = run()
    assert (again.returncode, again.stderr) == (0, "")
    assert "all as expected" in again.stdout


# Text.

HOSTILE = ("\x1b]0;x\x07", "\x9b31m", "a\u202eb", "a\nb", "\x00", "\u200b")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_names_that_act_are_refused(name: str) -> None:
    """In each place where a spec can choose one."""
    site = Site("foo", b"\x90", b"\xcc")
    cell = Cell("cell")
    body = (write("w", site, site.new),)
    makers = (
        lambda: Protocol(name, (site,), body),
        lambda: Protocol("p", (Site(name, b"\x90", b"\xcc"),), ()),
        lambda: Protocol("p", (site,), (write(name, site, site.new),)),
        lambda: Protocol("p", (site,), body, cells=(Cell(name),)),
        lambda: Protocol("p", (site,), (store("s", cell, name),), cells=(cell,)),
        lambda: Protocol("p", (site,), body, patchers=(Patcher(name, ()),)),
    )
    for make in makers:
        with pytest.raises(SpecError, match="Take out"):
            make()


@pytest.mark.parametrize("name", [h for h in HOSTILE if h != "a\nb"], ids=ascii)
def test_a_trace_with_text_that_acts_is_refused(name: str, tmp_path: Path) -> None:
    """Wherever it stands; the message names the place and shows what it is."""
    file = tmp_path / "t.json"
    for old in ('"specs/x86_int3.py"', '"no-sync-1"', '"poke := foo"', '"movntq [rax+rax], mm0"'):
        text = TRACE.read_text()
        assert old in text
        escaped = "".join(f"\\u{ord(c):04x}" for c in name)
        file.write_text(text.replace(old, f'"{escaped}"'))
        with pytest.raises(TraceError, match="acted on, not shown"):
            load(file)
        assert quiet("show", str(file))[0] == 2


def test_whatever_is_printed_acts_on_no_terminal() -> None:
    """Names of files, too, which nobody chose to trust."""
    code, out, err = quiet("show", "\x1b]0;owned\x07\x9b.json")
    assert (code, out) == (2, "")
    assert "\\x1b]0;owned\\x9b.json: No such file" in err  # rich itself drops the bell
    assert printable("a\x1bb\n\tc") == "a\\x1bb\n\tc"
    assert [hidden(text) for text in ("a\xa0é b", "a\u2028", "\ud800")] == ["", "\u2028", "\ud800"]


ODD = """from modelcheck import *
NAME = "a|b <script>[bold]"
site = Site("[/x] <b> |`*", b"\\x66\\x90", b"\\xeb\\x00")
p = Protocol("<i>&]]> [bold]", (site,), (write("[@w]", site, b"\\xeb\\x00"),))
s = Suite(p, (Variant(NAME, p.without("[@w]")),), cpus=1, fetch=("coherent",))
"""


def test_names_are_text_in_every_format() -> None:
    """What is markup somewhere is shown as it is."""
    Path("odd.py").write_text(ODD)
    forms = ("html", "junit", "markdown", "sarif")
    words = [word for name in forms for word in (f"--{name}", name)]
    code, out, _ = quiet("check", "odd.py", "--out", "counterexamples", *words)
    assert code == 1
    assert "a|b <script>[bold]" in out
    page = Path("html").read_text()
    assert "a|b &lt;script&gt;[bold]" in page
    assert "<script>[bold]" not in page
    tree = ElementTree.parse("junit")
    assert {case.get("name") for case in tree.iter("testcase")} == {
        "base",
        "a|b <script>[bold]",
    }
    assert "a\\|b \\<script\\>\\[bold\\]" in Path("markdown").read_text()
    trace = Path("counterexamples/odd/base.json")
    assert "[@w]" in to_text(load(trace))
    assert quiet("convert", str(trace), "--to", "mermaid")[0] == 0
    assert "<i>" not in Path("markdown").read_text().replace("\\<i\\>", "")
    assert to_markdown([]).startswith("# Verdicts")
