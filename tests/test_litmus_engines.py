"""The litmus machine is a model like any other: all explorers run it, and agree."""

from pathlib import Path

import pytest

from modelcheck.explore import compiled, reference
from modelcheck.explore.choose import Answer, compare
from modelcheck.litmus.foresight import foresee
from modelcheck.litmus.machine import Litmus
from modelcheck.litmus.program import LitmusTest, prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import holds, judge
from modelcheck.system.system import System

LITMUS = Path(__file__).parent.parent / "litmus"

TESTS = (
    "aarch64/MP.RF+dmb.st+ctrlisb",
    "aarch64/WRC+addrs",
    "riscv/WRC.F.RF+po+fencei",
    "x86/INT3-sync-1",
)


def system_of(test: LitmusTest) -> System:
    """The system of a test, in which the outcome that is asked for is a violation."""
    order = order_of(test)
    return System(Litmus(test, order, foresee(test, order), lambda final: holds(test, final)))


@pytest.mark.parametrize("name", TESTS)
def test_explorers_agree(name: str) -> None:
    """The same states, transitions, depth and length, by Python and by machine code."""
    test = prepare(read((LITMUS / f"{name}.litmus").read_text()))
    one = Answer("reference", reference.explore(system_of(test)))
    other = Answer("compiled", compiled.explore(system_of(test), threads=1))
    compare(one, other)


def test_a_run_is_a_shortest_one() -> None:
    """It has as many steps as the search has levels, and it ends in what was asked for."""
    test = prepare(read((LITMUS / "aarch64" / "MP.RF+dmb.st+ctrlisb.litmus").read_text()))
    found = judge(test, order_of(test), with_run=True)
    assert len(found.run) == reference.explore(system_of(test)).depth == 4
    assert found.run[-1].move.violations
    assert not any(step.move.violations for step in found.run[:-1])
