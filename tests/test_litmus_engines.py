"""The litmus machine is a model like any other: all engines run it, and agree."""

from pathlib import Path

import pytest

from modelcheck.explore.engine import ENGINES, differences
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.litmus.foresight import foresee
from modelcheck.litmus.machine import Litmus
from modelcheck.litmus.program import LitmusTest, prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import holds, judge

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
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree(engine: str, name: str) -> None:
    """The same states, transitions, depth and length, by Python and by machine code."""
    test = prepare(read((LITMUS / f"{name}.litmus").read_text()))
    one = REFERENCE.explore(system_of(test))
    other = ENGINES[engine].explore(system_of(test))
    assert differences(one, other) == []


def test_a_run_is_a_shortest_one() -> None:
    """It has as many steps as the search has levels, and it ends in what was asked for."""
    test = prepare(read((LITMUS / "aarch64" / "MP.RF+dmb.st+ctrlisb.litmus").read_text()))
    found = judge(test, order_of(test), with_run=True)
    assert len(found.run) == REFERENCE.explore(system_of(test)).depth == 4
    assert found.final is not None
    assert holds(test, found.final)
