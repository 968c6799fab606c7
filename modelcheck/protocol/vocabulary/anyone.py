"""Steps for any program, trap handlers too: data, tests, fences. Knows cells and actions."""

from dataclasses import dataclass

from modelcheck.protocol.actions import Actions, Ask, Change, Drained, Ordered, Set
from modelcheck.protocol.checking import Name, checked
from modelcheck.protocol.code import Cell, Held
from modelcheck.protocol.program import Step
from modelcheck.protocol.source import here


@dataclass(frozen=True)
class Test(Step):
    """A question that leads one of two ways; see If. Is the cell's value `value`?"""

    cell: str
    value: Held

    def actions(self) -> Actions:
        return (Ask(self.cell, self.value),)


@dataclass(frozen=True)
class Store(Step):
    """Store `value` to a data cell; every CPU sees it at once, unless stores are weak."""

    cell: str
    value: Held

    def actions(self) -> Actions:
        return (Set(self.cell, self.value),)


@dataclass(frozen=True)
class Add(Step):
    """Add `amount` to a cell that counts, atomically."""

    cell: str
    amount: int

    def actions(self) -> Actions:
        return (Change(self.cell, self.amount),)


@dataclass(frozen=True)
class IncrementUnlessZero(Step):
    """Add 1 to a cell unless it is 0, atomically; a test of whether it was not (inc_not_zero)."""

    cell: str

    def actions(self) -> Actions:
        return (Ask(self.cell, 0, equal=False), Change(self.cell, 1))


@dataclass(frozen=True)
class Fence(Step):
    """Wait until all stores of this CPU have reached memory (smp_wmb, smp_mb, FENCE W).

    It neither waits for cache maintenance nor orders any: that is what Dsb and Dmb are for.
    """

    def actions(self) -> Actions:
        return (Drained(),)


@dataclass(frozen=True)
class Dmb(Step):
    """Let this CPU's stores and DC before come before its stores, DC and reads behind: DMB ISH.

    It waits for nothing, and orders neither IC nor IPIs. Source: Arm ARM, Data Memory Barrier.
    """

    def actions(self) -> Actions:
        return (Ordered(),)


@dataclass(frozen=True)
class Dsb(Step):
    """Wait until this CPU's stores are in memory and its DC and IC are done: DSB ISH, Power's SYNC.

    Source: Arm ARM, Data Synchronization Barrier; Ordering and completion of data and instruction
    cache instructions.
    """

    def actions(self) -> Actions:
        return (Drained(maintenance=True),)


@dataclass(frozen=True)
class Pause(Step):
    """Do nothing for some time. Time orders nothing: others may do all, or nothing, meanwhile."""

    def actions(self) -> Actions:
        return ()

    @property
    def words(self) -> str:
        return "waits some time"


@checked
def is_equal(label: Name, cell: Cell, value: Held) -> Test:
    """Test whether a cell holds a value."""
    return Test(label, cell.name, value, source=here())


@checked
def store(label: Name, cell: Cell, value: Held) -> Store:
    """Store a value to a data cell."""
    return Store(label, cell.name, value, source=here())


@checked
def add(label: Name, cell: Cell, amount: int = 1) -> Add:
    """Add to a cell that counts, atomically."""
    return Add(label, cell.name, amount, source=here())


@checked
def increment_unless_zero(label: Name, cell: Cell) -> IncrementUnlessZero:
    """Take a reference, unless there is none any more: inc_not_zero()."""
    return IncrementUnlessZero(label, cell.name, source=here())


@checked
def fence(label: Name) -> Fence:
    """Let all stores before come before all stores and IPIs behind: smp_wmb(), smp_mb()."""
    return Fence(label, source=here())


@checked
def dmb(label: Name) -> Dmb:
    """Order this CPU's stores and DC before it and behind it: DMB ISH."""
    return Dmb(label, source=here())


@checked
def dsb(label: Name) -> Dsb:
    """Complete this CPU's stores, DC and IC: DSB ISH."""
    return Dsb(label, source=here())


@checked
def pause(label: Name) -> Pause:
    """Let some time pass."""
    return Pause(label, source=here())
