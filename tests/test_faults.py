"""Faults on purpose: kills, interrupts, disks that get full. Damaged files: test_damaged.py.

Whatever happens, there is no traceback, no wrong acceptance, and no lost result. Each test does a
few of a kind, and with -m slow many.
"""

import builtins
import contextlib
import errno
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from modelcheck.certificate.certify import certify
from modelcheck.explore.compiled import COMPILED
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.trace.document import load
from modelcheck.trace.replay import replay
from tests.damage import READY, quiet

ROOT = Path(__file__).parent.parent
INT3 = ROOT / "specs" / "x86_int3.py"
MINIMAL = ROOT / "specs" / "x86_int3_minimal.py"
SHIPPED = sorted((ROOT / "counterexamples").rglob("*.json"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Kills, and Ctrl-C.

CHILD = """
import sys
from pathlib import Path
from modelcheck.explore.compiled import COMPILED
from modelcheck.explore.verdict import Request, Saving
from modelcheck.explore.system import System
from tests.test_faults import child_machine
folder, without = Path(sys.argv[1]), sys.argv[2]
resume = (folder / "search.json").exists()
print("started", flush=True)
saving = Saving(folder, {"configuration": without}, resume=resume, seconds=0)
found = COMPILED.explore(System(child_machine(without)), Request(threads=2, saving=saving))
print(found.verdict, found.states, found.transitions, len(found.path), flush=True)
"""

KILLED = {"": 5, "sync-3": 4}
"""How many CPUs to kill the searches with: of the protocol, and of one without a step."""


def child_machine(without: str) -> Machine:
    """A protocol that is safe, or one that is broken many levels down."""
    (suite, *_) = load_suites(MINIMAL if not without else INT3)
    protocol = suite.protocol.without(without) if without else suite.protocol
    return Machine(protocol, Configuration(KILLED[without], "coherent", semantics="bytewise"))


@cache
def in_one_go(without: str) -> str:
    """What the search prints that nobody kills."""
    found = COMPILED.explore(System(child_machine(without)), Request(threads=2))
    return f"{found.verdict} {found.states} {found.transitions} {len(found.path)}"


@pytest.mark.parametrize(
    ("without", "kills"),
    [
        pytest.param("sync-3", 2, id="broken"),
        pytest.param("sync-3", 25, id="broken-25", marks=pytest.mark.slow),
        pytest.param("", 25, id="safe-25", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_it_ends_as_in_one_go(without: str, kills: int, tmp_path: Path) -> None:
    """SIGKILL at any moment costs what was not saved, and nothing else."""
    draw = random.Random(7)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "saved"), without]
    begun = struck = 0
    output = ""
    while struck < kills:
        shutil.rmtree(tmp_path / "saved", ignore_errors=True)
        begun += 1
        output = "started\n"
        while output == "started\n":
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                output = child.stdout.readline()
                if struck < kills:
                    time.sleep(draw.uniform(0.05, 0.9))
                    struck += child.poll() is None
                    child.kill()
                output += child.stdout.read()
        assert output == f"started\n{in_one_go(without)}\n"
    print(f"{struck} kills, {begun} searches")


FEW_STATES = ["--variant", "base", "--fetch", "per-chunk"]
INTERRUPTED: dict[str, tuple[list[str], float]] = {
    "check": (["check", str(INT3), "--cpus", "3"], 8),
    "compile": (["check", str(MINIMAL), "--explorer", "compiled", "--threads", "2"], 8),
    "search": (["check", str(INT3), *FEW_STATES, "--cpus", "6", "--explorer", "compiled"], 6),
    "prove": (["prove", str(INT3)], 5),
    "Z3, order": (["explain", str(INT3)], 5),
    "Z3, bytes": (["prove", "--any-bytes", str(INT3)], 5),
    "ablate": (["ablate", str(MINIMAL)], 5),
    "repair": (["repair", str(INT3), "--variant", "no-sync-1", "--fetch", "per-chunk"], 5),
    "diff": (["diff", str(INT3), "#no-sync-2", "--cpus", "2"], 3),
    "folder": (["check", "specs", "--jobs", "2"], 6),
}
"""Commands, and the seconds within which they are interrupted."""


@pytest.mark.parametrize(
    ("what", "number"),
    [
        *(pytest.param(what, 1, id=what) for what in ("check", "compile", "Z3, order")),
        *(pytest.param(w, 5, id=f"{w}-5", marks=pytest.mark.slow) for w in INTERRUPTED),
    ],
)
def test_ctrl_c_ends_whatever_is_done_and_keeps_what_was_found(
    what: str, number: int, tmp_path: Path
) -> None:
    """Exit code 130 with no verdict, 3 with some; what is written is whole."""
    draw = random.Random(what)
    arguments, longest = INTERRUPTED[what]
    (tmp_path / "specs").mkdir()
    for spec in (INT3, MINIMAL, ROOT / "specs" / "two_patchers.py"):
        shutil.copy(spec, tmp_path / "specs")
    codes: Counter[int] = Counter()
    for attempt in range(number):
        here = tmp_path / str(attempt)
        here.mkdir()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "NUMBA_CACHE_DIR": str(here / "numba" if what == "compile" else tmp_path / "numba"),
        }
        command = [sys.executable, "-c", READY, *arguments]
        if arguments[0] == "check":
            command += ["--json", str(here / "results.json"), "--out", str(here / "traces")]
        child = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert child.stderr is not None
        assert child.stderr.readline() == "ready\n"
        time.sleep(draw.uniform(0, longest))
        with contextlib.suppress(ProcessLookupError):
            # To all of them, as a terminal does.
            os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=120)
        assert "Traceback" not in out + err, err
        assert "ignored" not in err, err
        assert child.returncode in (0, 1, 3, 130), (child.returncode, err)
        if child.returncode == 130 and not out:
            assert "interrupted" in err
        if child.returncode == 3 and arguments[0] == "check":
            assert (here / "results.json").exists()
        _assert_whole(here)
        codes[child.returncode] += 1
    print(f"{what}: {number} interrupts, exit codes {dict(codes)}")


def _assert_whole(folder: Path) -> None:
    """What was written is all there, and nothing that was begun is left."""
    for path in folder.rglob("*"):
        assert not path.name.startswith("."), path
        if path.name == "results.json":
            found = json.loads(path.read_text())
            for document in found if isinstance(found, list) else [found]:
                for result in document["results"]:
                    assert result["as_expected"] or result["verdict"] == "inconclusive"
                    if result["counterexample"]:
                        replay(load(Path(result["counterexample"])))


# A full disk.


@dataclass
class FullDisk:
    """Lets so many changes of the disk pass, and refuses all that follow."""

    left: int
    struck: bool = False

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.struck = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Written:
    """A file that finds the disk full."""

    def __init__(self, file: Any, disk: FullDisk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> Any:
        self._disk.spend()
        return self._file.write(data)

    def __enter__(self) -> "_Written":
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def full_after(changes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    """All that opens, writes, syncs or names a file here meets a disk that gets full."""
    disk = FullDisk(changes)
    plain = io.open

    def opened(file: Any, mode: str = "r", *rest: Any, **others: Any) -> Any:
        if not set(mode) & set("wax+"):
            return plain(file, mode, *rest, **others)
        disk.spend()
        return _Written(plain(file, mode, *rest, **others), disk)

    def spending(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **others: Any) -> Any:
            disk.spend()
            return function(*arguments, **others)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", opened)
        patched.setattr(io, "open", opened)
        for name in ("fsync", "replace", "mkdir", "posix_fallocate"):
            patched.setattr(os, name, spending(getattr(os, name)))
        yield disk


TRACE = ROOT / "counterexamples" / "x86_int3" / "no-sync-1.json"
ONE = ["--variant", "no-sync-1", "--fetch", "per-chunk", "--cpus", "1"]
FORMATS = ("json", "html", "junit", "sarif", "markdown")
WRITING: dict[str, list[str]] = {
    "check": [
        *("check", str(INT3), *ONE, "--explorer", "compiled", "--threads", "1"),
        *(word for name in FORMATS for word in (f"--{name}", f"out.{name}")),
    ],
    "checkpoint": [
        *("check", str(MINIMAL), "--variant", "base", "--fetch", "coherent"),
        *("--explorer", "compiled", "--threads", "1", "--checkpoint", "saved"),
    ],
    "spill": [
        *("check", str(MINIMAL), "--variant", "base", "--fetch", "coherent"),
        *("--explorer", "compiled", "--threads", "1", "--spill", "spilled"),
    ],
    "prove": ["prove", str(MINIMAL), "--variant", "base", "--fetch", "coherent", "--out", "proofs"],
    "convert": ["convert", str(TRACE), "--to", "itf", "-o", "out.itf.json"],
    "emit-test": ["emit-test", str(TRACE), "-o", "test_out.py"],
    "graph": ["graph", str(MINIMAL), "--cpus", "1", "-o", "out.svg"],
    "export": ["export", str(MINIMAL), "--cpus", "1", "--to", "tla", "-o", "Out.tla"],
    "new": ["new", "mine"],
}

SLOW = sorted(WRITING.keys() - {"check", "convert"})


@pytest.mark.parametrize("what", WRITING)
def test_a_disk_that_gets_full_at_any_write_is_told_and_leaves_no_half(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first change of the disk, at the second, and so on until all of them pass."""
    quiet(*WRITING[what])  # what is compiled is compiled now
    for changes in range(1000):
        here = tmp_path / str(changes)
        here.mkdir()
        monkeypatch.chdir(here)
        with full_after(changes, monkeypatch) as disk:
            code, out, err = quiet(*WRITING[what])
        left = [path for path in here.rglob("*") if path.is_file()]
        assert not [path for path in left if path.name.startswith(".")]
        if not disk.struck:
            assert code == 0
            assert changes
            return
        if what == "checkpoint" and code == 0:
            continue  # Only the last save failed, and the search had its answer.
        assert code in (2, 3)
        assert os.strerror(errno.ENOSPC) in " ".join((out + err).split())
        if what in ("check", "prove"):
            assert "foo: " in out  # the verdicts are told all the same
        for path in left:
            if path.suffix in (".json", ".sarif"):
                json.loads(path.read_text())
            elif path.suffix == ".smt2":
                certify(path)
    raise AssertionError("the disk is always full")


@pytest.mark.parametrize(
    ("most", "explorer"),
    [
        (3000, "reference"),
        pytest.param(30_000, "reference", marks=pytest.mark.slow),
        pytest.param(0, "compiled", marks=pytest.mark.slow),  # and no machine code is kept
    ],
)
def test_a_file_that_can_grow_no_further_is_told_and_not_left_half(
    most: int, explorer: str, tmp_path: Path
) -> None:
    """The kernel's own refusal, in the middle of a write, in a process of its own."""
    words = [explorer if word == "compiled" else word for word in WRITING["check"]]
    command = [sys.executable, "-m", "modelcheck", *words]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "numba")},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr
    assert "foo: " in done.stdout
    for path in tmp_path.iterdir():
        assert not path.name.startswith(".")
        if path.suffix in (".json", ".sarif"):
            json.loads(path.read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "what", ["check", "convert", *(pytest.param(w, marks=pytest.mark.slow) for w in SLOW)]
)
def test_a_full_place_for_stdout_is_told_once(what: str, tmp_path: Path) -> None:
    """Exit code 2, one line on stderr, and the files are written."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "modelcheck", *WRITING[what]],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "Traceback" not in done.stderr
    if what in ("convert", "emit-test", "graph", "export"):  # these say what they wrote on stderr
        assert done.returncode == 0
    else:
        assert done.returncode == 2
        assert done.stderr.count("No space left on device") == 1
