"""The litmus machine against the axioms: random programs, all final states, all rules."""

import re

import pytest

from modelcheck.litmus.order import RISCV, MemoryOrder, arm
from modelcheck.litmus.program import LitmusTest, prepare
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import judge
from tests.litmus_axioms import Axioms, Program
from tests.litmus_programs import directed_program, random_program, to_arm, to_riscv

ARM = {
    "arm": arm(dic=False, idc=False),
    "arm-idc": arm(dic=False, idc=True),
    "arm-dic": arm(dic=True, idc=True),
}

Finals = set[tuple[tuple[int, ...], ...]]


def of_machine(test: LitmusTest, order: MemoryOrder) -> Finals:
    """The values of each thread's reads and fetches, by the machine."""
    found: Finals = set()
    for state in judge(test, order).states:
        values: list[dict[int, int]] = [{} for _ in test.threads]
        for thread, register, value in re.findall(r"(\d+):[Xs](\d+)=(\d+)", state):
            values[int(thread)][int(register)] = int(value)
        found.add(tuple(tuple(v for _, v in sorted(of.items())) for of in values))
    return found


def compare(program: Program, model: str, order: MemoryOrder) -> None:
    """Both grounds give the same final states."""
    text = to_arm(program) if model.startswith("arm") else to_riscv(program)
    assert of_machine(prepare(read(text)), order) == Axioms(program, model).finals(), text


@pytest.mark.parametrize("model", ARM)
@pytest.mark.parametrize("seed", range(25))
def test_shapes_on_arm(seed: int, model: str) -> None:
    """Three threads that store, relay and fetch, each with something left out or doubled."""
    compare(directed_program(seed), model, ARM[model])


@pytest.mark.parametrize("model", ARM)
@pytest.mark.parametrize("seed", range(15))
def test_random_programs_on_arm(seed: int, model: str) -> None:
    """Two threads with anything."""
    compare(random_program(seed, arm=True, threads=2, size=6), model, ARM[model])


@pytest.mark.parametrize("model", RISCV)
@pytest.mark.parametrize("seed", range(15))
def test_random_programs_on_riscv(seed: int, model: str) -> None:
    """Two threads with anything, under all five rules."""
    compare(random_program(seed, arm=False, threads=2, size=5), model, RISCV[model])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_programs_on_arm(seed: int) -> None:
    """More of the same, and three threads with anything."""
    for model, order in ARM.items():
        compare(directed_program(seed), model, order)
        compare(random_program(seed, arm=True, threads=3, size=4), model, order)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1150))
def test_many_programs_on_riscv(seed: int) -> None:
    """Three threads with anything."""
    for model, order in RISCV.items():
        compare(random_program(seed, arm=False, threads=3, size=4), model, order)


@pytest.mark.parametrize("row", ["DSB", "fetch before effect", "clean after access"])
def test_a_row_that_is_missing_is_seen(row: str) -> None:
    """The axioms tell a machine with a bug from one without."""
    order = ARM["arm"].without(row)
    programs = [directed_program(seed) for seed in range(40)]
    assert any(
        of_machine(prepare(read(to_arm(program))), order) != Axioms(program, "arm").finals()
        for program in programs
    )
