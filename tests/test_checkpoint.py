"""Searches that are saved, killed, resumed and spilled give the answer of one run, or a message."""

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modelcheck.cli import main
from modelcheck.explore.compiled import COMPILED, SYMMETRIC
from modelcheck.explore.compiled.saving import CheckpointError
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Exploration, Limits, Request, Saving
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from tests.checks import by_last
from tests.protocols import SPECS, minimal

SUBJECT = {"version": "1", "configuration": "this one"}

CHILD = """
import sys
from pathlib import Path
from modelcheck.explore.compiled import COMPILED
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request, Saving
from tests.test_checkpoint import SUBJECT, machine
cpus, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
resume = (folder / "search.json").exists()
print("started", flush=True)
saving = Saving(folder, SUBJECT, resume=resume, seconds=seconds)
found = COMPILED.explore(System(machine(cpus)), Request(threads=2, saving=saving))
print(found.states, found.transitions, found.depth, found.verdict)
"""


def machine(cpus: int, *, without: str = "") -> Machine:
    """The minimal protocol byte by byte, perhaps without a step."""
    protocol = minimal().without(without) if without else minimal()
    return Machine(protocol, Configuration(cpus, "coherent", semantics="bytewise"))


def explore(
    model: Machine, saving: Saving | None = None, *, symmetric: bool = False, **others: Any
) -> Exploration:
    """A compiled search, saved or not."""
    engine = SYMMETRIC if symmetric else COMPILED
    return engine.explore(System(model), Request(saving=saving, **others))


def answer(found: Exploration) -> tuple[object, ...]:
    """All of an answer that must not depend on how the search was run."""
    return found.verdict, found.states, found.transitions, found.depth, found.path, found.property


def killed_until_done(cpus: int, kills: int, seconds: float, folder: Path) -> tuple[str, int]:
    """Run a search, killed at random moments; what it prints in the end, and kills in mid-run."""
    draw = random.Random(1)
    command = [sys.executable, "-c", CHILD, str(cpus), str(seconds), str(folder)]
    struck = 0
    for number in range(kills + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "started\n"
            if number < kills:
                time.sleep(draw.uniform(0.2, 1.2))
                struck += child.poll() is None
                child.kill()
            output = child.stdout.read()
    return output, struck


def test_killed_at_random_moments_it_ends_with_the_same_counts(tmp_path: Path) -> None:
    """What is on disk is always a search that can go on, whenever the process is killed."""
    output, struck = killed_until_done(5, 3, 0, tmp_path)
    assert output == "480724 3507982 52 safe\n"
    assert struck


@pytest.mark.slow
def test_killed_ten_times_it_ends_with_the_same_counts(tmp_path: Path) -> None:
    """The same on a search of minutes, with checkpoints every tenth of a second."""
    output, struck = killed_until_done(6, 10, 0.1, tmp_path)
    assert output == "5691340 49975618 60 safe\n"
    assert struck


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("without", ["", "sync-1"])
def test_a_search_in_many_parts_is_the_search_in_one(
    without: str, symmetric: bool, tmp_path: Path
) -> None:
    """Stopped at any size and resumed: verdict, counts, depth and path are those of one run."""
    model = machine(3, without=without)
    whole = explore(model, symmetric=symmetric)
    parts = 0
    for limit in range(50, whole.states, 100):
        saving = Saving(tmp_path, SUBJECT, resume=parts > 0)
        explore(model, saving, limits=Limits(states=limit), symmetric=symmetric)
        parts += 1
    found = explore(model, Saving(tmp_path, SUBJECT, resume=True), symmetric=symmetric)
    assert answer(found) == answer(whole)
    assert parts > 1


def test_a_finished_search_is_not_run_again(tmp_path: Path) -> None:
    """Its answer is read from the checkpoint; no level is searched."""
    whole = explore(machine(3), Saving(tmp_path, SUBJECT))
    beats: list[object] = []
    saving = Saving(tmp_path, SUBJECT, resume=True)
    assert answer(explore(machine(3), saving, watcher=beats.append)) == answer(whole)
    assert beats == []


def test_what_was_written_after_the_last_checkpoint_does_not_count(tmp_path: Path) -> None:
    """Half a state at the log's end, and half a document, are cut off."""
    explore(machine(3), Saving(tmp_path, SUBJECT), limits=Limits(states=500))
    (log,) = tmp_path.glob("states-*")
    with log.open("ab") as file:
        file.write(b"half a state")
    (tmp_path / "search.json.new").write_text('{"format"')
    found = explore(machine(3), Saving(tmp_path, SUBJECT, resume=True))
    assert answer(found) == answer(explore(machine(3)))


@pytest.mark.parametrize(
    ("subject", "symmetric"),
    [
        (SUBJECT | {"version": "2"}, False),
        (SUBJECT | {"configuration": "that one"}, False),
        (SUBJECT, True),
    ],
    ids=["version", "configuration", "way of counting"],
)
def test_a_checkpoint_of_something_else_is_refused(
    subject: dict[str, str], symmetric: bool, tmp_path: Path
) -> None:
    """Another version, configuration or way of counting would give a wrong answer."""
    explore(machine(2), Saving(tmp_path, SUBJECT))
    with pytest.raises(CheckpointError, match=r"of another (version|configuration|way)"):
        explore(machine(2), Saving(tmp_path, subject, resume=True), symmetric=symmetric)


def test_a_model_that_answers_differently_is_refused(tmp_path: Path) -> None:
    """Rows of the tables are asked for anew, and held against those saved."""
    explore(machine(2), Saving(tmp_path, SUBJECT))
    with pytest.raises(CheckpointError, match="answers differently"):
        explore(machine(2, without="sync-1"), Saving(tmp_path, SUBJECT, resume=True))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    """A missing, short or flipped byte is found by the checksum, before any search."""
    explore(machine(2), Saving(tmp_path, SUBJECT))
    resume = Saving(tmp_path, SUBJECT, resume=True)
    (log,) = tmp_path.glob("states-*")
    states = log.read_bytes()
    for wrong in (states[:-8], states[:-1] + bytes([states[-1] ^ 1])):
        log.write_bytes(wrong)
        with pytest.raises(CheckpointError, match="damaged"):
            explore(machine(2), resume)
    log.unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        explore(machine(2), resume)
    (tmp_path / "search.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        explore(machine(2), resume)
    (tmp_path / "search.json").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        explore(machine(2), resume)


MINIMAL = ["check", str(SPECS / "x86_int3_minimal.py"), "--variant", "base", "--fetch", "coherent"]
MINIMAL += ["--property", "no-torn-instruction"]


def test_the_command_line_stops_at_a_limit_and_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """--checkpoint then --resume give the count of a search in one go."""
    saved, traces = str(tmp_path / "saved"), str(tmp_path / "traces")
    command = [*MINIMAL, "--cpus", "4", "--explorer", "compiled", "--out", traces, "--json", "-"]
    assert main([*command, "--max-states", "9000", "--checkpoint", saved]) == 3
    capfd.readouterr()
    assert main([*command, "--resume", saved]) == 0
    (result,) = json.loads(capfd.readouterr().out)["results"]
    assert (result["explorer"], result["states"]) == ("compiled", 42_868)
    assert main([*command, "--cpus", "3", "--resume", saved]) == 2
    assert "of another configuration" in capfd.readouterr().err.replace("\n", " ")


@by_last(
    ("options", "message"),
    [
        (["--checkpoint", "a", "--resume", "b"], "leave out --checkpoint"),
        (
            ["--explorer", "reference", "--checkpoint", "a"],
            "the reference engine cannot save; choose another with --engine",
        ),
        (["--resume", "nowhere"], "no checkpoints here"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_wrong_options_are_named(
    options: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Options that contradict one another are exit code 2, with the remedy."""
    assert main([*MINIMAL, *options]) == 2
    assert message in capfd.readouterr().err.replace("\n", " ")


def test_the_table_says_when_states_are_counted_up_to_permutation(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A number of states means something else with symmetry, and the table says so."""
    assert main([*MINIMAL, "--explorer", "symmetric", "--out", str(tmp_path)]) == 0
    assert "up to a permutation of CPUs: base" in capfd.readouterr().out


def full(*_: object) -> None:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_ends_the_search_and_loses_nothing_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while saving is inconclusive with the place; the last checkpoint still resumes."""
    model = machine(3)
    explore(model, Saving(tmp_path, SUBJECT), limits=Limits(states=1000))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        found = explore(model, Saving(tmp_path, SUBJECT, resume=True, seconds=0))
        assert found.reason == f"cannot save to {tmp_path}: No space left on device"
        finished = explore(model, Saving(tmp_path, SUBJECT, resume=True))
    assert answer(finished) == answer(explore(model))
    assert answer(explore(model, Saving(tmp_path, SUBJECT, resume=True))) == answer(finished)


def test_a_full_disk_is_no_place_to_spill_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Room is taken before it is written to, so that a full disk is a message and no crash."""
    monkeypatch.setattr(os, "posix_fallocate", full)
    options = ["--explorer", "compiled", "--spill", str(tmp_path), "--out", str(tmp_path)]
    assert main([*MINIMAL, *options]) == 3
    assert f"cannot spill to {tmp_path}: No space" in " ".join(capsys.readouterr().out.split())
