"""The litmus command: what it prints, its files, and its exit codes."""

import json
from pathlib import Path

import pytest

from modelcheck.cli import main

LITMUS = Path(__file__).parent.parent / "litmus"


def test_an_allowed_outcome_is_shown_with_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The final states, the verdict, and a shortest run with a lane for each thread."""
    assert main(["litmus", str(LITMUS / "aarch64" / "MP.RF+dmb.st+ctrlisb.litmus")]) == 0
    printed = capsys.readouterr().out
    assert "4 final states" in printed
    assert "Allowed   1 of 4 final states are so" in printed
    lines = printed.splitlines()
    assert lines[-1].rstrip().endswith("<==")
    assert "which is not the newest" in " ".join(printed.split())
    assert any("P0" in line and "P1" in line and "in memory" in line for line in lines)


def test_a_run_ends_in_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a test under the rules of two vendors, only one has a run."""
    file = str(LITMUS / "x86" / "MP.RF+mfence.litmus")
    assert main(["litmus", file, "--rules", "intel"]) == 0
    assert "Allowed" in capsys.readouterr().out
    assert main(["litmus", file, "--rules", "amd"]) == 0
    assert "Forbidden   no final state is so" in capsys.readouterr().out


def test_cache_types_override_the_header(capsys: pytest.CaptureFixture[str]) -> None:
    """The same file under another cache type."""
    file = str(LITMUS / "aarch64" / "SM+dsb-isb.litmus")
    assert main(["litmus", file, "--cache", "1,1"]) == 0
    assert "Forbidden" in capsys.readouterr().out
    assert main(["litmus", file, "--cache", "0,1"]) == 0
    assert "Allowed" in capsys.readouterr().out
    assert main(["litmus", file, "--cache", "2,1"]) == 2


def test_a_folder_is_held_against_a_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As expected is 0, and not so is 1."""
    folder = LITMUS / "riscv"
    table = folder / "expected.csv"
    arguments = ["litmus", str(folder), "--rules", "Ziccid", "--expect"]
    assert main([*arguments, str(table)]) == 0
    assert "30 of 30 as expected" in capsys.readouterr().out
    lying = tmp_path / "lying.csv"
    lying.write_text(table.read_text().replace("SM+fencei,Forbidden", "SM+fencei,Allowed"))
    assert main(["litmus", str(folder), "--rules", "Ziccif", "--expect", str(lying)]) == 1
    assert "expected allowed" in capsys.readouterr().out


def test_states_of_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """With --states they are printed for each test."""
    assert main(["litmus", str(LITMUS / "riscv"), "--states"]) == 0
    assert "1:s2=1 1:s3=0" in capsys.readouterr().out


def test_json(tmp_path: Path) -> None:
    """The document has a schema, and a result for each test."""
    file = tmp_path / "out.json"
    folder = LITMUS / "riscv"
    assert main(["litmus", str(folder), "--json", str(file)]) == 0
    document = json.loads(file.read_text())
    assert document["schema"] == 1
    assert len(document["results"]) == len(list(folder.glob("*.litmus")))
    result = next(r for r in document["results"] if r["name"] == "SM+fencei")
    assert result["file"].endswith("riscv/SM+fencei.litmus")
    assert result["arch"] == "RISCV"
    assert result["rules"] == "Ziccif"
    assert result["verdict"] == "forbidden"
    assert result["states"] == ["0:s1=2"]
    assert result["seconds"] >= 0


def test_what_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One message on stderr, and exit code 2; the other tests of the folder are judged."""
    assert main(["litmus", str(tmp_path / "none.litmus")]) == 2
    assert main(["litmus", str(tmp_path)]) == 2
    (tmp_path / "bad.litmus").write_text("AArch64 bad\n{ }\nP0 ;\nFROB ;\nexists (true)\n")
    (tmp_path / "good.litmus").write_text("AArch64 good\n{ }\nP0 ;\nNOP ;\nexists (true)\n")
    capsys.readouterr()
    assert main(["litmus", str(tmp_path)]) == 2
    streams = capsys.readouterr()
    assert "bad.litmus:4:1: unknown instruction 'FROB'" in streams.err
    assert "1 tests: 1 allowed, 1 not read" in streams.out


def test_a_search_that_is_cut_short_is_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, and why."""
    file = str(LITMUS / "aarch64" / "SM+cachesync-isb.litmus")
    assert main(["litmus", file, "--max-states", "1"]) == 3
    assert "Inconclusive   more than 1 states" in capsys.readouterr().out


def test_a_table_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A table needs a column that names tests, and verdicts in it that are some."""
    table = tmp_path / "table.csv"
    table.write_text("name,verdict\n")
    file = str(LITMUS / "riscv" / "SM.litmus")
    assert main(["litmus", file, "--expect", str(table)]) == 2
    assert "no column 'file'" in capsys.readouterr().err
