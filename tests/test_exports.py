"""Exports to other checkers: those that are installed count the states that we count."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    SpecError,
    add,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    runs,
    store,
    write,
)
from modelcheck.cli import main
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import State, System
from modelcheck.explore.verdict import Request
from modelcheck.export.guarded import NotExportableError
from modelcheck.export.languages import LANGUAGES
from modelcheck.export.murphi import to_murphi
from modelcheck.export.promela import to_promela
from modelcheck.export.tla import to_tla, to_tla_config
from modelcheck.machine.actors import Machine, Role
from modelcheck.machine.setup import Configuration
from tests.found import FOUND
from tests.protocols import watching
from tests.test_promela import (
    INT3,
    MINIMAL,
    SPECS,
    of_three_bytes,
    spin,
    with_hostile_names,
    with_spin,
    without,
)

with_rumur = pytest.mark.skipif(
    not (shutil.which("rumur") and shutil.which("cc")), reason="needs rumur and cc"
)
with_tlc = pytest.mark.skipif(
    not shutil.which("tlc"), reason="needs tlc, a command that runs TLC (tlc2.TLC)"
)

SPEC = str(SPECS / "x86_int3.py")
BYTEWISE = Configuration(1, semantics="bytewise")


def with_names_of_theirs() -> Protocol:
    """Names that TLA+ and Murphi have other uses for, and text that neither can quote."""
    sites = (Site("Init", b"\x10\x11", b"\x20\x21", 8), Site("self", b"\x30", b"\x40", 11))
    cell = Cell("ENUM")
    return watching(
        Protocol(
            "theirs",
            sites,
            (
                store('say "\\x"', cell, 'a "b" \\ c'),
                write("Next", sites[0], b"\xcc"),
                write("cpu_t", sites[1], b"\x40"),
                on_each_cpu("vars"),
                write("\u00e9", sites[0], b"\x20\x21"),
            ),
            handler=Handler(b"\xcc", (lookup("Cpus", cell), emulate("other", cell), iret("iret"))),
            cells=(cell,),
            patcher_executes=False,
        ),
        "no-torn-instruction",
        "visible-after-return",
        "per-cpu-monotone",
    )


def there_and_back() -> Protocol:
    """A byte that is written back: a CPU may fetch either version of it, to the same effect."""
    site = Site("foo", b"\x66\x90", b"\x66\x91")
    return Protocol(
        "back",
        (site,),
        (write("int3", site, b"\xcc"), write("back", site, b"\x66")),
        handler=Handler(b"\xcc", (emulate("act"), iret("iret", synchronises=False))),
    )


def of_two_bytes() -> Protocol:
    """A protocol small enough for machines that no spec has."""
    site = Site("foo", b"\x66\x90", b"\xeb\x00")
    steps = (write("int3", site, b"\xcc"), on_each_cpu("sync"), write("rest", site, b"\xeb"))
    handler = Handler(b"\xcc", (emulate("act"), iret("iret")))
    return Protocol("two", (site,), steps, handler=handler)


def entered_inside() -> Protocol:
    """CPUs enter a site at two places, so that a fetch under way may be of either."""
    site = Site("foo", b"\x90\x91", b"\x20\x91", 2, runs(1, 1), runs(1, 1), entries=(0, 1))
    return Protocol("entered", (site,), (write("new", site, b"\x20"),), patcher_executes=False)


def of_idle_cpus() -> Protocol:
    """Nothing ever changes for CPUs; they have no variable."""
    site = Site("foo", b"\x90\x91", b"\x90\x91")
    return Protocol("idle", (site,), (write("same", site, b"\x90"),), patcher_executes=False)


def cpus_that_count() -> Protocol:
    """What each of two CPUs sees of the other has no end, looked at by itself."""
    site, count = Site("foo", b"\x90\x91", b"\x20\x91"), Cell("count", 0)
    up_and_down = (add("up", count), add("down", count, -1))
    return Protocol("count", (site,), (), cells=(count,), cpu_program=up_and_down)


class TwoPatchers(Machine):
    """A machine in which a replica tells its like, whatever that may mean."""

    @property
    def roles(self) -> tuple[Role, ...]:  # type: ignore[override]
        patcher, cpu = super().roles
        return replace(patcher, count=2), cpu


CASES = {
    "there and back": (there_and_back(), replace(BYTEWISE, fetch="incoherent")),
    "names of theirs": (with_names_of_theirs(), Configuration(2, "incoherent")),
    "entered inside": (entered_inside(), replace(BYTEWISE, fetch="coherent", chunk=2)),
    "idle CPUs": (
        of_idle_cpus(),
        Configuration(2, "coherent", properties=("no-torn-instruction",)),
    ),
    "nobody minds a broadcast": (
        FOUND["a program waits for a stop that nobody has asked for"],
        Configuration(2, "coherent"),
    ),
    "int3": (INT3, Configuration(2, "per-chunk")),
    "no-sync-3": (INT3.without("sync-3"), Configuration(2, "per-chunk")),
    **{
        f"no-sync-2 {fetch}": (INT3.without("sync-2"), Configuration(1, fetch))
        for fetch in ("coherent-any-order", "store-order", "strict")
    },
    **{
        f"three bytes {fetch}": (of_three_bytes(), replace(BYTEWISE, fetch=fetch))
        for fetch in ("coherent", "incoherent")
    },
    "minimal": (MINIMAL, Configuration(3, "coherent", semantics="bytewise")),
    "hostile names": (
        with_hostile_names(),
        Configuration(1, "store-order", 2, 7, semantics="bytewise"),
    ),
    "hostile names, two CPUs": (
        with_hostile_names(),
        Configuration(2, "incoherent", 2, 7, semantics="bytewise"),
    ),
}
on_each_case = pytest.mark.parametrize(
    ("protocol", "configuration"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] * (name == "hostile names, two CPUs"))
        for name, case in CASES.items()
    ],
)


class Counted(NamedTuple):
    """What was counted of a whole state space.

    `violations` of its transitions violate something; `classes` are states up to the CPUs' order.
    """

    states: int
    transitions: int
    violations: int
    classes: int


def count(machine: Machine, *, follow: bool) -> Counted:
    """What there is to count, violating steps followed or not."""
    system = System(machine)
    seen, todo = {system.initial()}, [system.initial()]
    transitions = violations = 0
    while todo:
        for step in system.successors(todo.pop()):
            transitions += 1
            violations += bool(step.row.violations)
            if step.target not in seen and (follow or not step.row.violations):
                seen.add(step.target)
                todo.append(step.target)
    classes = {_sorted_by_role(system, state) for state in seen}
    return Counted(len(seen), transitions, violations, len(classes))


def _sorted_by_role(system: System, state: State) -> tuple[object, ...]:
    actors = sorted(zip(system.actors, state[1:], strict=True))
    return (state[0], *actors)


def run(command: str, directory: Path) -> str:
    """The output of a command, and its errors."""
    done = subprocess.run(command.split(), cwd=directory, capture_output=True, text=True)
    return done.stdout + done.stderr


def rumur(model: str, directory: Path, symmetry: str) -> tuple[int, int, bool]:
    """States, rules fired, and whether there was an error."""
    (directory / "model.m").write_text(model)
    out = run(
        "rumur --deadlock-detection off --max-errors 1000000 --counterexample-trace off "
        f"--symmetry-reduction {symmetry} --threads 1 model.m -o model.c",
        directory,
    )
    out += run("cc -O0 -w -mcx16 -o model model.c -lpthread", directory)
    assert (directory / "model").exists(), out
    out += run("./model", directory)
    found = re.search(r"(\d+) states, (\d+) rules fired", out)
    assert found, out
    return int(found[1]), int(found[2]), "No error found" not in out


def assert_rumur_agrees(machine: Machine, directory: Path) -> None:
    """Rumur's states, rules and verdict are ours, with and without symmetry."""
    ours = count(machine, follow=False)
    model = to_murphi(machine, title="a machine")
    states, fired, error = rumur(model, directory, "off")
    # Rumur does not count the rules that end in an error.
    assert (states, fired) == (ours.states, ours.transitions - ours.violations)
    assert error == (ours.violations > 0)
    if any(role.count > 1 for role in machine.roles):
        states, _, error = rumur(model, directory, "exhaustive")
        assert (states, error) == (ours.classes, ours.violations > 0)


def assert_tlc_agrees(machine: Machine, directory: Path) -> None:
    """TLC's states, transitions and verdict are ours."""
    ours = count(machine, follow=True)
    (directory / "Model.tla").write_text(to_tla(machine, title="a machine"))
    (directory / "Model.cfg").write_text(to_tla_config(machine))
    out = run("tlc -continue -workers 1 Model.tla", directory)
    found = re.search(r"^(\d+) states generated, (\d+) distinct states", out, re.MULTILINE)
    assert found, out
    assert (int(found[2]), int(found[1])) == (ours.states, ours.transitions + 1)
    assert ("is violated" in out) == (ours.violations > 0)


@with_rumur
@on_each_case
def test_rumur_agrees(protocol: Protocol, configuration: Configuration, tmp_path: Path) -> None:
    """Rumur counts our states and transitions, and with symmetry our classes."""
    assert_rumur_agrees(Machine(protocol, configuration), tmp_path)


@with_tlc
@on_each_case
def test_tlc_agrees(protocol: Protocol, configuration: Configuration, tmp_path: Path) -> None:
    """TLC counts our states and transitions, and finds a violation where we do."""
    assert_tlc_agrees(Machine(protocol, configuration), tmp_path)


@with_rumur
def test_rumur_agrees_where_replicas_tell_each_other(tmp_path: Path) -> None:
    """A broadcast among replicas does not reach the sender itself."""
    assert_rumur_agrees(
        TwoPatchers(of_two_bytes(), Configuration(1, "coherent", semantics="bytewise")), tmp_path
    )


@with_tlc
def test_tlc_agrees_where_replicas_tell_each_other(tmp_path: Path) -> None:
    """The same machine, which no spec has, as TLA+."""
    assert_tlc_agrees(
        TwoPatchers(of_two_bytes(), Configuration(1, "coherent", semantics="bytewise")), tmp_path
    )


@with_spin
def test_spin_agrees_where_replicas_tell_each_other(tmp_path: Path) -> None:
    """The same machine, which no spec has, as Promela."""
    machine = TwoPatchers(of_two_bytes(), Configuration(1, "coherent", semantics="bytewise"))
    ours = count(machine, follow=True)
    counted = spin(to_promela(machine, title="two"), tmp_path)
    assert (counted.states, counted.transitions) == (ours.states, ours.transitions + 1)


def test_our_own_count_is_the_reference_explorers() -> None:
    """What other tools are held against is itself held against the search."""
    for protocol, configuration in ((INT3, BYTEWISE), (without(INT3, "sync-1"), Configuration(1))):
        reference = REFERENCE.explore(
            System(Machine(protocol, configuration)), Request(beyond_violations=True)
        )
        ours = count(Machine(protocol, configuration), follow=True)
        assert (ours.states, ours.transitions) == (reference.states, reference.transitions)


@pytest.mark.parametrize("language", LANGUAGES)
def test_export_prints_a_variant(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The heading says what was exported, and under which settings."""
    arguments = ["--variant", "no-sync-1", "--cpus", "3", "--chunk", "4", "--semantics", "bytewise"]
    assert main(["export", SPEC, "--to", language, *arguments]) == 0
    out, err = capsys.readouterr()
    assert "nop-to-call, variant no-sync-1" in out
    assert "3 CPUs besides the patcher's; fetch model per-chunk, chunks of 4 bytes" in out
    assert "bytewise" in out
    assert "sync_2" in out
    assert "sync_1" not in out
    assert "Taking nop-to-call, variant no-sync-1, under per-chunk: 1 of 5 choices." in err


def test_export_writes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """TLA+ needs its module named as its file, and a configuration beside it."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", SPEC, "--to", "tla", "--fetch", "coherent", "-o", "Poke.tla"]) == 0
    assert "---- MODULE Poke ----" in Path("Poke.tla").read_text()
    assert "INVARIANT no_stale_handler_data" in Path("Poke.cfg").read_text()
    assert capsys.readouterr().out == ""
    assert main(["export", SPEC, "--to", "tla", "-o", "not-a-name.tla"]) == 2
    assert "named as its file" in capsys.readouterr().err
    assert main(["export", SPEC, "--to", "promela", "-o", "x86.pml"]) == 0
    assert Path("x86.pml").read_text().startswith("/* ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_covered_is_refused(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, where an export would have no end."""
    monkeypatch.setattr("modelcheck.export.closure.MOST_PAIRS", 300)
    machine = Machine(cpus_that_count(), Configuration(2))
    with pytest.raises(NotExportableError, match="'count' is not covered by exports"):
        LANGUAGES[language].files(machine, "count", Path("count.x"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_to_export(language: str) -> None:
    """A protocol that does nothing is refused by name: no language has a model without a step."""
    idle = Protocol("idle", (Site("foo", b"\x90", b"\xcc"),), ())
    with pytest.raises(SpecError, match="nothing in it ever changes"):
        LANGUAGES[language].files(Machine(idle, Configuration(1)), "idle", Path("idle.x"))
