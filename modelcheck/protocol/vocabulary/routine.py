"""Steps for trap handlers, and for callees: look up, act, return. Knows cells and actions."""

from dataclasses import dataclass

from modelcheck.protocol.actions import Act, Actions, Find, Follow, Instruction, Leave
from modelcheck.protocol.checking import Name, checked
from modelcheck.protocol.code import Cell
from modelcheck.protocol.program import Step
from modelcheck.protocol.source import here


@dataclass(frozen=True)
class Lookup(Step):
    """Handler: read a cell to find out what to do; it finds nothing if that is None, 0 or ().

    To find nothing leaves the trap unhandled, unless an If says what to do then. With `search`,
    the cell has the names of sites, among which the site trapped at is looked for by a binary
    search over their addresses, as if they were in ascending order.
    """

    cell: str
    search: bool = False

    def actions(self) -> Actions:
        return (Find(self.cell, self.search),)


@dataclass(frozen=True)
class Use(Step):
    """Handler: follow what was looked up in the cell.

    It is stale if it has changed since, or if nothing was found: a null pointer.
    """

    cell: str

    def actions(self) -> Actions:
        return (Follow(self.cell),)


@dataclass(frozen=True)
class Emulate(Step):
    """Handler: act as the old or new instruction would, with what `cell` held when looked up.

    If `cell` has changed since the look-up, the handler uses stale data.
    """

    instruction: Instruction = "new"
    cell: str | None = None

    def actions(self) -> Actions:
        followed = () if self.cell is None else (Follow(self.cell),)
        return (*followed, Act(self.instruction))

    @property
    def words(self) -> str:
        return f"acts as {self.instruction}"


@dataclass(frozen=True)
class Skip(Step):
    """Handler: step over the instruction, which is to act as a no-op."""

    def actions(self) -> Actions:
        return (Act("no-op"),)


@dataclass(frozen=True)
class Return(Step):
    """Handler: return to the interrupted code. On x86 IRET serialises (AMD APM vol. 2, 7.6.4).

    Where the handler has not acted as the instruction, the CPU fetches it once more.
    """

    synchronises: bool = True

    def actions(self) -> Actions:
        return (Leave(self.synchronises),)


@dataclass(frozen=True)
class NotOurs(Step):
    """Handler: leave the trap to others. There are none for it unless the site is foreign."""

    synchronises: bool = True

    def actions(self) -> Actions:
        return (Leave(self.synchronises, handled=False),)


@checked
def lookup(label: Name, cell: Cell, *, search: bool = False) -> Lookup:
    """Handler: look up what is published in `cell`."""
    return Lookup(label, cell.name, search, source=here())


@checked
def use(label: Name, cell: Cell) -> Use:
    """Handler: follow what was looked up in `cell`."""
    return Use(label, cell.name, source=here())


@checked
def emulate(label: Name, cell: Cell | None = None, *, instruction: Instruction = "new") -> Emulate:
    """Handler: emulate the old or new instruction with the data found in `cell`."""
    return Emulate(label, instruction, cell.name if cell else None, source=here())


@checked
def skip(label: Name) -> Skip:
    """Handler: step over the instruction."""
    return Skip(label, source=here())


@checked
def iret(label: Name, *, synchronises: bool = True) -> Return:
    """Handler: return from the exception, serialising."""
    return Return(label, synchronises, source=here())


@checked
def ret(label: Name) -> Return:
    """Callee: return to the caller; nothing serialises."""
    return Return(label, synchronises=False, source=here())


@checked
def not_ours(label: Name, *, synchronises: bool = True) -> NotOurs:
    """Handler: leave the trap to other handlers."""
    return NotOurs(label, synchronises, source=here())
