"""The export to Promela: SPIN counts our states; its rules, on random tables."""

import re
import runpy
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    store,
    write,
)
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request, Verdict
from modelcheck.export.closure import Closure, RolePair
from modelcheck.export.parts import Part, Parts
from modelcheck.export.promela import to_promela
from modelcheck.export.rules import Atom, Condition, Guards, assignments
from modelcheck.machine.actors import Machine
from modelcheck.machine.fetch import MODELS
from modelcheck.machine.setup import Configuration
from tests.protocols import watching

SPECS = Path(__file__).parent.parent / "specs"
SPEC = runpy.run_path(str(SPECS / "x86_int3.py"))
INT3: Protocol = SPEC["SUITES"][0].protocol
MINIMAL = watching(
    runpy.run_path(str(SPECS / "x86_int3_minimal.py"))["minimal"], "no-torn-instruction"
)
COUNTS = {1: (64, 119), 2: (460, 1_394), 3: (4_156, 18_198)}

with_spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("cc")), reason="needs spin and cc"
)


def without(protocol: Protocol, step: str) -> Protocol:
    """The protocol without a step, or as it is."""
    return protocol.without(step) if step else protocol


def of_three_bytes() -> Protocol:
    """The shipped protocol on a site of three bytes."""
    nop, mov = bytes.fromhex("0f 1f 00"), bytes.fromhex("48 89 c3")
    protocol: Protocol = SPEC["text_poke_bp"]("three", nop, mov)
    return protocol


def with_hostile_names() -> Protocol:
    """Two sites, and names that Promela has other uses for."""
    sites = (Site("do", b"\x10\x11", b"\x20\x21", 8), Site("cpu", b"\x30\x31", b"\x40\x41", 11))
    cell = Cell("init")
    return watching(
        Protocol(
            "hostile",
            sites,
            (
                store("*/", cell, "me"),
                write("active", sites[0], b"\xcc"),
                write("end", sites[1], b"\x40\x41", order="any"),
                on_each_cpu("end-"),
                store("end_", cell, 7),
            ),
            handler=Handler(
                b"\xcc",
                (lookup("find", cell), emulate("act", cell), iret("leave", synchronises=False)),
                interrupts=True,
            ),
            cells=(cell,),
        ),
        "no-torn-instruction",
        "no-stale-handler-data",
        "per-cpu-monotone",
    )


@dataclass(frozen=True)
class Spin:
    """What SPIN counted of a whole state space."""

    states: int
    transitions: int
    errors: int


def spin(model: str, directory: Path) -> Spin:
    """What SPIN counts of a model, without reductions."""
    (directory / "model.pml").write_text(model)
    for command in (
        "spin -a -o2 model.pml",
        "cc -O0 -w -DSAFETY -DNOREDUCE -o pan pan.c",
        "./pan -c0 -m1000000 -w18",
    ):
        done = subprocess.run(command.split(), cwd=directory, capture_output=True, text=True)
        assert done.returncode == 0, command + done.stdout + done.stderr
    assert "max search depth too small" not in done.stdout

    def number(pattern: str) -> int:
        found = re.search(pattern, done.stdout)
        assert found, done.stdout
        return int(found[1])

    return Spin(
        number(r"(\d+) states, stored"),
        number(r"(\d+) transitions"),
        number(r"errors: (\d+)"),
    )


def assert_spin_agrees(protocol: Protocol, configuration: Configuration, directory: Path) -> Spin:
    """SPIN's states, transitions and verdict are the reference explorer's."""
    machine = Machine(protocol, configuration)
    ours = REFERENCE.explore(System(machine), Request(beyond_violations=True))
    counted = spin(to_promela(machine, title=protocol.name), directory)
    assert (counted.states, counted.transitions) == (ours.states, ours.transitions + 1)
    assert (counted.errors > 0) == (ours.verdict is Verdict.VIOLATED)
    return counted


@with_spin
@pytest.mark.parametrize("cpus", COUNTS)
def test_spin_counts_the_known_states_of_the_minimal_protocol(cpus: int, tmp_path: Path) -> None:
    """Our model in SPIN has the counts of the models that others wrote by hand."""
    configuration = Configuration(cpus, "coherent", semantics="bytewise")
    states, transitions = COUNTS[cpus]
    counted = assert_spin_agrees(MINIMAL, configuration, tmp_path)
    assert counted == Spin(states, transitions + 1, 0)


@with_spin
@pytest.mark.parametrize(
    "fetch",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("coherent", "incoherent")))
        for name in MODELS
    ],
)
@pytest.mark.parametrize(
    ("sync", "cpus"), [("", 1), ("", 2), ("sync-1", 2), ("sync-2", 1), ("sync-3", 1)]
)
def test_spin_agrees_windowed(sync: str, cpus: int, fetch: str, tmp_path: Path) -> None:
    """States, transitions and verdict of the exported model are ours, in fewer and larger steps."""
    protocol = without(INT3, sync)
    assert_spin_agrees(protocol, Configuration(cpus, fetch), tmp_path)


@with_spin
@pytest.mark.parametrize("fetch", MODELS)
@pytest.mark.parametrize("sync", ["", "sync-1"])
def test_spin_agrees_bytewise(sync: str, fetch: str, tmp_path: Path) -> None:
    """The same where each byte is fetched in a step of its own."""
    protocol = without(of_three_bytes(), sync)
    assert_spin_agrees(protocol, Configuration(1, fetch, semantics="bytewise"), tmp_path)


@with_spin
@pytest.mark.parametrize(
    "fetch", ["store-order", pytest.param("incoherent", marks=pytest.mark.slow)]
)
def test_spin_agrees_on_chunks_orders_and_names(fetch: str, tmp_path: Path) -> None:
    """Chunks across sites, and names that Promela has other uses for."""
    configuration = Configuration(1, fetch, chunk=2, offset=7, semantics="bytewise")
    assert_spin_agrees(with_hostile_names(), configuration, tmp_path)
    assert_spin_agrees(with_hostile_names(), replace(configuration, cpus=2), tmp_path)


@pytest.mark.parametrize("fetch", MODELS)
@pytest.mark.parametrize("sync", ["", "sync-1"])
def test_the_closure_has_every_pair_that_a_search_meets(sync: str, fetch: str) -> None:
    """Exports are made of all pairs of shared part and local: none may be missing."""
    machine = Machine(without(INT3, sync), Configuration(2, fetch))
    closure = Closure(machine)
    system = System(machine)
    seen, todo = {system.initial()}, [system.initial()]
    while todo:
        state = todo.pop()
        shared = system.shareds.values[state[0]]
        for role, local in zip(system.actors, state[1:], strict=True):
            assert RolePair(role, shared, system.locals.values[local]) in closure.moves
        for step in system.successors(state):
            if step.target not in seen:
                seen.add(step.target)
                todo.append(step.target)


def test_labels_lines_and_bytes_are_in_the_text() -> None:
    """A person can read the exported model: steps, spec lines and bytes are named in it."""
    text = to_promela(Machine(INT3, Configuration(2)), title="int3 under per-chunk")
    assert text.startswith("/* int3 under per-chunk\n")
    for expected in (
        "foo: 0f 1f 44 00 00 -> e8 e7 57 07 00",
        "/* sync-1/send (x86_int3.py:",
        "foo: torn 0f e7 44 00 00, no-torn-instruction",
        "0 = 0f, 1 = cc, 2 = e8",
        "cpu[0].pending == 0 &&",
    ):
        assert expected in text
    assert all(len(line) <= 100 for line in text.splitlines())


# The rules, on tables that mean nothing.

A = Part("a", "a", of_shared=False)
B = Part("b", "b", of_shared=False)
SEEN = Part("seen", "version", of_shared=False)
VERSION = Part("version", "version", of_shared=True)

ROWS = st.fixed_dictionaries(
    {
        A: st.integers(0, 3),
        B: st.sampled_from(("x", "y", "z")),
        SEEN: st.integers(0, 2),
        VERSION: st.integers(0, 2),
    }
)


def passes(row: Parts, test: Atom) -> bool:
    """Whether a row passes a comparison."""
    one: Any = row[test.part]
    other: Any = row[test.value] if isinstance(test.value, Part) else test.value
    return bool(
        {
            "==": lambda: one == other,
            "!=": lambda: one != other,
            "<=": lambda: one <= other,
            ">=": lambda: one >= other,
        }[test.operator]()
    )


def admits(guard: Condition, row: Parts) -> bool:
    """Whether a guard holds of a row."""
    among = any(all(passes(row, test) for test in case) for case in guard.cases)
    return all(passes(row, test) for test in guard.common) and (
        not guard.cases or among != guard.negated
    )


@given(
    st.lists(ROWS, min_size=1, unique_by=lambda row: (row[A], row[B], row[SEEN], row[VERSION])),
    st.data(),
)
def test_a_guard_tells_the_wanted_rows_from_all_others(rows: list[Parts], data: Any) -> None:
    """On random rows: a guard holds of each wanted row and of no other."""
    numbers = st.integers(0, len(rows) - 1)
    wanted = data.draw(st.sets(numbers, min_size=1))
    guard = Guards(rows).telling(wanted)
    assert {number for number, row in enumerate(rows) if admits(guard, row)} == wanted


@given(st.lists(st.tuples(ROWS, ROWS), min_size=1))
def test_assignments_make_after_of_before(steps: list[tuple[Parts, Parts]]) -> None:
    """On random steps: what is assigned, in the text's order, gives the state after."""
    for (before, after), answer in zip(steps, assignments(steps), strict=True):
        # Shared parts first, as in the text.
        result = dict(before)
        for part, to in sorted(answer, key=lambda one: not one[0].of_shared):
            result[part] = result[to] if isinstance(to, Part) else to
        assert result == after


def test_what_is_the_same_in_every_step_is_not_said() -> None:
    """No assignment of what has not changed."""
    before: Parts = {A: 0, B: "x", SEEN: 0, VERSION: 1}
    (answer,) = assignments([(before, before | {SEEN: 1})])
    assert answer == ((SEEN, VERSION),)
