"""What a verdict may be silent about: steps never taken, properties that could not fail."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    emulate,
    execute,
    iret,
    lookup,
    on_each_cpu,
    pause,
    runs,
    stop_machine,
    store,
    verify,
    wait_until,
    write,
)
from modelcheck.cli import main
from modelcheck.protocol.program import Element
from modelcheck.questions.check import Overrides, Result, check, jobs
from modelcheck.questions.prove import prove
from tests.protocols import SPECS, minimal, watching

POKE = Cell("poke")
SITE = Site("s", b"\x90\x90", b"\xc3\xc3")
HANDLER = Handler(b"\xcc", (lookup("find", POKE), iret("iret")))


def protocol(*program: Element, properties: tuple[str, ...]) -> Protocol:
    """A program on one site, with a handler that finds its data."""
    return watching(Protocol("p", (SITE,), program, HANDLER, (POKE,)), *properties)


def result(one: Protocol, fetch: str = "per-chunk", chunk: int = 1, cpus: int = 1) -> Result:
    """What a check says."""
    suite = Suite(one, cpus=cpus, fetch=(fetch,), chunk=chunk)
    (job,) = jobs((suite,), Overrides())
    return check(job, spec="p.py")


def findings(one: Protocol) -> tuple[str, ...]:
    """What a check says that the verdict is silent about."""
    vacuity = result(one).vacuity
    return (*vacuity.nothing, *vacuity.notes)


PATCH = (store("publish", POKE, "s"), write("trap", SITE, b"\xcc"), on_each_cpu("sync"))


def test_a_verdict_that_says_what_it_seems_to_has_no_findings() -> None:
    """A property that could have failed, and steps that were all taken."""
    assert findings(protocol(*PATCH, properties=("no-unhandled-trap",))) == ()


def test_steps_behind_one_that_waits_for_ever_are_never_taken() -> None:
    """What never runs is named, with the step that it waits for."""
    stuck = protocol(*PATCH, wait_until("wait", POKE, 7), properties=("no-torn-instruction",))
    behind = stuck.inserted(store("retire", POKE, None), after="wait")
    assert findings(behind) == ("never taken: wait, retire",)


def test_a_wait_whose_guard_never_holds_is_not_taken() -> None:
    """To have been asked is not to have been taken."""
    patch = protocol(*PATCH, stop_machine("stop"), properties=("no-unhandled-trap",))
    nobody_stops = patch.without("stop/stop")
    assert findings(nobody_stops) == ("never taken: stop/stopped, stop/release",)


def test_a_property_that_could_not_have_failed_is_noted() -> None:
    """Nobody acted as anything, but trapped and went on: the verdict is not vacuous by that."""
    trapping = protocol(*PATCH, properties=("per-cpu-monotone", "no-unhandled-trap"))
    assert result(trapping).word == "safe"
    assert findings(trapping) == (
        "nobody ever acted as new, so per-cpu-monotone could not have failed",
    )


# A verdict that rests on nothing.

NOP, CALL = bytes.fromhex("0f 1f 44 00 00"), bytes.fromhex("e8 e7 57 07 00")
INT3 = b"\xcc"


CpuProgram = Callable[[Site], tuple[Element, ...]]


def text_poke(
    entries: tuple[int, ...] = (0,), cpu_program: CpuProgram = lambda site: ()
) -> Protocol:
    """The int3 protocol on one site; CPUs run it at any time, or as their program says."""
    site = Site("foo", NOP, CALL, entries=entries)
    return Protocol(
        "text-poke",
        (site,),
        (
            store("publish", POKE, "foo"),
            write("int3", site, INT3),
            on_each_cpu("sync-1"),
            write("tail", site, CALL[1:], at=1),
            on_each_cpu("sync-2"),
            write("head", site, CALL[:1]),
            on_each_cpu("sync-3"),
            store("retire", POKE, None),
        ),
        Handler(INT3, (lookup("find", POKE), emulate("emulate", POKE), iret("iret"))),
        (POKE,),
        patcher_executes=False,
        cpu_program=cpu_program(site),
    )


READY = Cell("ready", 0)
FOO = minimal().sites[0]
WHEN_READY = Protocol(
    "when-ready",
    (FOO,),
    (write("bytes", FOO, FOO.new), on_each_cpu("sync"), store("go", READY, 1)),
    cells=(READY,),
    patcher_executes=False,
    cpu_program=(wait_until("ready", READY, 1), execute("run", FOO)),
)
UNTRAPPED = Protocol(
    "untrapped",
    (FOO,),
    (write("call", FOO, FOO.new, order="single"), on_each_cpu("sync")),
    Handler(INT3, (lookup("find", POKE), iret("iret"))),
    (POKE,),
)
NO_TRAP = "no run took the trap, so no-unhandled-trap, no-stale-handler-data could not have failed"

VACUOUS = {
    "nobody can enter": (text_poke(entries=()), 1, ("nobody can enter foo (entries=())", NO_TRAP)),
    "nobody runs it": (
        text_poke(cpu_program=lambda site: (pause("elsewhere"),)),
        1,
        ("nobody ran foo once it was written to", NO_TRAP),
    ),
    "no trap": (
        UNTRAPPED,
        8,
        ("no run took the trap, so no-unhandled-trap could not have failed",),
    ),
    "nobody runs it meanwhile": (WHEN_READY, 1, ("nobody ran foo while it was half written",)),
}
"""A protocol, the chunk to fetch it in, and why its verdict rests on nothing."""

each_vacuous = pytest.mark.parametrize(
    ("one", "chunk", "nothing"), VACUOUS.values(), ids=list(VACUOUS)
)


@each_vacuous
@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("fetch", ["coherent", "incoherent"])
def test_a_verdict_that_rests_on_nothing_is_vacuous(
    one: Protocol, chunk: int, nothing: tuple[str, ...], cpus: int, fetch: str
) -> None:
    """For every property and model: a word of its own, which nobody takes for safe."""
    found = result(one, fetch, chunk, cpus)
    assert (found.word, found.vacuity.nothing) == ("vacuous", nothing)
    assert not found.as_expected
    outcome = verify(one, cpus=cpus, fetch=fetch, chunk=chunk)
    assert (outcome.safe, outcome.violated, outcome.vacuous) == (False, None, nothing)
    assert f"{one.name}: vacuous; {nothing[0]}" in outcome.summary


@each_vacuous
def test_a_proof_that_rests_on_nothing_is_vacuous(
    one: Protocol, chunk: int, nothing: tuple[str, ...]
) -> None:
    """That nobody runs the code holds for every number of CPUs; it is no proof of the protocol."""
    (job,) = jobs((Suite(one, fetch=("per-chunk",), chunk=chunk),), Overrides())
    proof = prove(job, spec="p.py")
    assert (proof.is_vacuous, proof.vacuity.nothing) == (True, nothing)
    assert not proof.as_expected
    foreseen = replace(job, variant=replace(job.variant, vacuous="as it should be"))
    assert prove(foreseen, spec="p.py").as_expected


@pytest.mark.parametrize(
    "one",
    [
        text_poke(),
        text_poke(cpu_program=lambda site: (execute("run", site), pause("elsewhere"))),
        Protocol(
            "stopped",
            (FOO,),
            (stop_machine("stop", write("bytes", FOO, FOO.new)),),
            patcher_executes=False,
        ),
        watching(minimal(), "finishes"),
    ],
    ids=["at any time", "now and then", "all stand still", "only that it ends"],
)
def test_a_verdict_that_somebody_put_to_the_test_is_safe(one: Protocol) -> None:
    """Where all CPUs stand still meanwhile, that is what the protocol is about, and is noted."""
    found = result(one)
    assert (found.word, found.vacuity.nothing, found.as_expected) == ("safe", (), True)
    still = "nobody ran foo while it was half written: all CPUs stood still"
    assert (still in found.vacuity.notes) == (one.name == "stopped")


def test_properties_that_do_not_apply_are_no_ground() -> None:
    """To ask for them alone says nothing, and why."""
    outcome = verify(minimal(), cpus=1, properties=("no-torn-sequence", "no-unhandled-trap"))
    assert outcome.vacuous == (
        "nothing that is watched applies; no site is a region of several instructions; no trap "
        "handler or callee looks anything up",
    )


def test_nobody_inside_a_region_that_is_left_alone() -> None:
    """No CPU between two instructions: nothing could have torn there."""
    region = Site("s", b"\x90\x90", b"\xc3\xc3", old_runs=runs(2), new_runs=runs(1, 1))
    idle = watching(Protocol("p", (region,), ()), "no-torn-sequence")
    assert findings(idle) == (
        "nobody ran s once it was written to",
        "no CPU was ever inside a region, so no-torn-sequence could not have failed",
    )


@pytest.mark.parametrize(("expected", "code"), [("", 1), ("nobody is there yet", 0)])
def test_it_is_a_surprise_unless_the_spec_expects_it(
    expected: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table, JSON, HTML and JUnit have the word; the exit code tells."""
    text = (SPECS / "x86_alternatives_early.py").read_text(encoding="utf-8")
    assert text.count("vacuous=ALONE") == 3
    path = tmp_path / "spec.py"
    path.write_text(text.replace("vacuous=ALONE", f"vacuous={expected!r}"), encoding="utf-8")
    files = {kind: tmp_path / f"found.{kind}" for kind in ("json", "html", "junit")}
    asked = [item for kind, file in files.items() for item in (f"--{kind}", str(file))]
    out = ("--out", str(tmp_path / "out"))
    assert main([str(path), "--variant", "base", "--fetch", "coherent", *asked, *out]) == code
    shown = capsys.readouterr().out
    assert "vacuous" in next(line for line in shown.splitlines() if line.startswith("base "))
    assert "VACUOUS       text_poke_early, base (coherent): nobody ran alternative" in shown
    assert ("SURPRISE" in shown) == bool(code)
    (found,) = json.loads(files["json"].read_text())["results"]
    assert (found["verdict"], found["expected"]) == ("vacuous", "vacuous" if expected else "safe")
    assert found["rests_on_nothing"] == ["nobody ran alternative while it was half written"]
    assert ">vacuous" in files["html"].read_text()
    assert ('failures="1"' in files["junit"].read_text()) == bool(code)
