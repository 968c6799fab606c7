"""Protocols that panic, hang, or never patch are not safe, whatever their author thought of."""

import json
from pathlib import Path

import pytest

from modelcheck import Protocol, Suite, verify
from modelcheck.cli import main
from modelcheck.explore.verdict import Verdict
from modelcheck.questions.check import Overrides, jobs
from modelcheck.questions.prove import prove
from modelcheck.trace.replay import replay
from tests.protocols import spec

SPEC = """
from modelcheck import *

NOP, CALL = bytes.fromhex("0f 1f 44 00 00"), bytes.fromhex("e8 e7 57 07 00")
INT3 = b"\\xcc"
site, entry, flag = Site("foo", NOP, CALL, address=0x1000), Cell("entry"), Cell("flag", 0)

right = Protocol(
    "right",
    (site,),
    (
        store("publish", entry, "foo"),
        write("int3", site, INT3),
        on_each_cpu("sync-1"),
        write("tail", site, CALL[1:], at=1),
        on_each_cpu("sync-2"),
        write("head", site, CALL[:1]),
        on_each_cpu("sync-3"),
        store("retire", entry, None),
    ),
    Handler(INT3, (lookup("find", entry), emulate("emulate", entry), iret("iret"))),
    (entry, flag),
)
"""

WRONG = {
    # The retire stays: there is nothing to retire.
    "never published": ('right.without("publish")', "no-unhandled-trap"),
    "waits for what nobody stores": (
        'right.inserted(wait_until("wait", flag, 1), after="sync-3")',
        "finishes",
    ),
    # cc e7 57 07 00 stays, and is emulated for ever.
    "head never written": ('right.without("head", "retire")', "ends-as-new"),
    "writes nothing": ('right.without("int3", "tail", "head")', "ends-as-new"),
}
"""What is wrong, how it is made, and what it violates."""

each_wrong = pytest.mark.parametrize(("edit", "violated"), WRONG.values(), ids=list(WRONG))
each_number = pytest.mark.parametrize("cpus", [1, 2])


def built(edit: str, folder: Path) -> tuple[Protocol, Path]:
    """The protocol, and a spec file that has it."""
    path = folder / "wrong.py"
    path.write_text(f"{SPEC}\nSUITE = Suite({edit}, cpus=1, fetch=('coherent', 'per-chunk'))\n")
    names: dict[str, object] = {}
    exec(compile(path.read_text(), path, "exec"), names)
    suite = names["SUITE"]
    assert isinstance(suite, Suite)
    return suite.protocol, path


@each_wrong
@each_number
@pytest.mark.parametrize("fetch", ["coherent", "incoherent"])
def test_a_search_finds_it_and_the_machine_alone_confirms(
    edit: str, violated: str, cpus: int, fetch: str, tmp_path: Path
) -> None:
    """Under the strongest fetch model and a weak one: no fetch is at fault."""
    outcome = verify(built(edit, tmp_path)[0], cpus=cpus, fetch=fetch)
    assert (outcome.safe, outcome.violated) == (False, violated)
    assert outcome.trace is not None
    assert replay(outcome.trace) == len(outcome.trace.steps)


@each_wrong
def test_a_proof_for_any_number_finds_it(edit: str, violated: str, tmp_path: Path) -> None:
    """It shows with one CPU, also where no invariant can tell."""
    suite = Suite(built(edit, tmp_path)[0], fetch=("per-chunk",))
    (job,) = jobs((suite,), Overrides())
    proof = prove(job, spec="wrong.py")
    assert (proof.verdict, proof.cpus) == (Verdict.VIOLATED, 1)
    assert proof.violation is not None
    assert proof.violation.violated == violated
    assert not proof.as_expected


@each_wrong
@each_number
def test_the_table_and_the_json_say_so(
    edit: str, violated: str, cpus: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No "safe", no "yes" for any N, and exit code 1."""
    _, path = built(edit, tmp_path)
    out, found = str(tmp_path / "out"), tmp_path / "found.json"
    asked = [str(path), "--cpus", str(cpus), "--out", out, "--json", str(found)]
    assert main(asked) == 1
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("base "))
    assert row.count("BAD") == 2
    assert "yes" not in row
    results = json.loads(found.read_text())["results"]
    assert [one["verdict"] for one in results] == ["violated"] * 2
    assert {one["property"] for one in results} == {violated}
    assert not any(one["as_expected"] for one in results)


@each_number
def test_the_protocol_that_they_are_made_from_is_safe(cpus: int, tmp_path: Path) -> None:
    """So it is the edits that are told."""
    assert verify(built("right", tmp_path)[0], cpus=cpus).safe


def test_a_deadlock_is_told_before_a_longer_way_to_a_tear() -> None:
    """The shortest violation is told, of whatever kind."""
    crossed = spec("two_patchers")["SUITES"][1].variants[0].protocol
    torn = verify(crossed, cpus=1, properties=("no-torn-instruction",))
    either = verify(crossed, cpus=1)
    assert (torn.violated, either.violated) == ("no-torn-instruction", "finishes")
    assert torn.trace is not None
    assert either.trace is not None
    assert len(either.trace.steps) == 2 < len(torn.trace.steps)
