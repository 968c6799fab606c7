"""Which events of a log a move of the machine is. The only part that knows both.

What an actor does is seen in a log as one deed, or not at all. Knows the machine, actions and logs.
"""

from collections.abc import Mapping
from typing import NamedTuple, assert_never

from modelcheck.frontends.logs import LogEvent, Recorded, TextLog, deed
from modelcheck.machine import cpu
from modelcheck.machine.effects import stored
from modelcheck.machine.program import DRAIN
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Local, Move, StopStage
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import Action
from modelcheck.protocol.code import Value

IPI_SYNCS: Mapping[str, Recorded] = {"x86-64": "sync", "riscv64": "fence.i"}
"""How it tells that a CPU does so because of an IPI. On Arm to take an interrupt is enough (Arm
ARM, Context synchronization events), so that nothing is logged."""

SYNCS: Mapping[str, Recorded] = {"x86-64": "sync", "arm64": "isb", "riscv64": "fence.i"}
"""How a log of each architecture tells that a CPU serialises."""

AT_LEAST: frozenset[Recorded] = frozenset(
    ("sync", "isb", "dsb", "dmb", "dc cvau", "ic ivau", "fence.i", "migrate")
)
"""What a kernel may do more often than a protocol asks for: it only restricts what can happen."""

PATCHERS_OWN: frozenset[Recorded] = frozenset(("store", "stop_machine"))
"""What nobody but the thread that patches does, on whatever CPU it is."""


class Deed(NamedTuple):
    """What can be seen of a move: the kinds of events, any of which it may be, and of what."""

    kinds: tuple[Recorded, ...]
    what: str = ""
    at: int = 0
    data: bytes = b""
    value: int = 0
    torn: bool = False

    def __str__(self) -> str:
        return deed(self.kinds[0], self.what, self.at, self.data, self.value)


class Eyes:
    """What a log sees of a protocol's machine: its deeds, of the kinds that are recorded.

    `sites` and `cells` are those of an Instance.
    """

    def __init__(
        self,
        setup: Setup,
        log: TextLog,
        sites: Mapping[str, str],
        cells: Mapping[str, tuple[str, Mapping[Value, bytes]]],
    ) -> None:
        self._setup = setup
        self._records = log.records
        self._counted = log.counted
        self._sync = SYNCS[log.arch]
        self._ipi = (IPI_SYNCS[log.arch],) if log.arch in IPI_SYNCS else ()
        self.named = {theirs: ours for ours, theirs in sites.items()}
        """The log's name for each site of the protocol that it has."""
        self._cells = {cell: (site, held) for site, (cell, held) in cells.items()}
        self._ran_at = {ours: log.ran_at(ours) for ours in sites}

    def deed(self, was: Local, move: Move) -> Deed | None:
        """What is seen of a move; None if it is none of the log's kinds."""
        found = self._deed(was, move)
        if found is None:
            return None
        if found.kinds == ("count",):
            return found if found.what in self._counted else None
        kinds = tuple(kind for kind in found.kinds if kind in self._records)
        return found._replace(kinds=kinds) if kinds else None

    def _deed(self, was: Local, move: Move) -> Deed | None:
        if move.step is not None:
            return self._step(was, move, move.step.actions())
        if move.label == cpu.FETCH:
            return self._fetched(move)
        if move.label == cpu.TAKE_IPI:
            return Deed(self._ipi) if was.serialise and self._ipi else None
        if move.label == cpu.STOP:
            return Deed(("stopped",))
        if move.label == cpu.LEAVE_STOP:
            return Deed((self._sync,)) if was.stop is StopStage.SERIALISING else None
        if move.label == DRAIN:
            return None
        raise AssertionError(move.label)

    def _fetched(self, move: Move) -> Deed | None:
        execution = move.execution
        assert execution is not None
        name = self.named.get(self._setup.protocol.sites[execution.site].name)
        if name is None or execution.offset not in self._ran_at[name]:
            return None
        torn = execution.kind == "torn"
        return Deed(("run",), name, execution.offset, execution.data, torn=torn)

    def _step(self, was: Local, move: Move, actions: do.Actions) -> Deed | None:
        """What a step of a program is: the one deed among its actions, if there is one.

        A message to all is what is seen of a step that has one; who sends IPIs, or lets others go
        on, serialises where the others do.
        """
        telling = do.told(actions)
        if telling is not None:
            return Deed(("stop_machine",)) if isinstance(telling, do.Stop) else None
        if not move.holds:
            return None
        of = len(actions)
        found = [deed for action in actions if (deed := self._action(was, move, action, of))]
        return found[0] if found else None

    def _action(self, was: Local, move: Move, action: Action, of: int) -> Deed | None:
        match action:
            case do.Put():
                (at,) = move.choice
                name = self.named.get(action.site, "")
                return Deed(("store",), name, action.at + at, stored(self._setup, action, at))
            case do.Set():
                return self._set(action)
            case do.Change():
                value = move.shared.cells[self._setup.cells[action.cell]]
                return (
                    Deed(("count",), action.cell, value=value) if isinstance(value, int) else None
                )
            case do.Drained(maintenance=True):
                return Deed(("dsb",))
            case do.Drained():
                # With something else it is a release, such as an unlock, which is no barrier.
                return Deed(("dmb", "dsb")) if of == 1 else None
            case do.Ordered():
                return Deed(("dmb", "dsb"))
            case do.Refresh():
                idle = action.if_deferred and not was.deferred
                return None if idle else Deed((self._sync,))
            case do.Clean():
                return Deed(("dc cvau",))
            case do.Drop():
                return Deed(("ic ivau",))
            case do.Ask() | do.Need() | do.Tell() | do.Await() | do.Mask() | do.Mode() | do.Run():
                return None
            case do.Exceed() | do.Inspect():
                return None
            case do.Find() | do.Follow() | do.Act() | do.Leave():
                return None
            case _:
                assert_never(action)

    def _set(self, action: do.Set) -> Deed | None:
        if action.cell in self._cells:
            site, held = self._cells[action.cell]
            return Deed(("store",), site, 0, held[action.value])
        if isinstance(action.value, int):
            return Deed(("count",), action.cell, value=action.value)
        return None


def is_same(event: LogEvent, deed: Deed) -> bool:
    """Whether an event is just this deed, by the CPU or the thread that did it."""
    if event.do not in deed.kinds:
        return False
    if event.do == "count":
        return (event.cell, event.value) == (deed.what, deed.value)
    if event.do not in ("store", "run"):
        return True
    if (event.site, event.at) != (deed.what, deed.at):
        return False
    if deed.torn:  # how long torn bytes are as one instruction is not the machine's business
        return event.data.startswith(deed.data) or deed.data.startswith(event.data)
    return event.data == deed.data


def begins(event: LogEvent, deed: Deed, done: int) -> int:
    """How many bytes of a store a deed does, of which `done` has a bit for each that is done; 0 if
    it is no part of it."""
    if event.do != "store" or "store" not in deed.kinds or event.site != deed.what:
        return 0
    first = deed.at - event.at
    fits = first >= 0 and event.data[first : first + len(deed.data)] == deed.data
    bits = ((1 << len(deed.data)) - 1) << first if fits else 0
    return bits if not bits & done else 0
