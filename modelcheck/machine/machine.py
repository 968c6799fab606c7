"""The machine: a protocol in one configuration, as what each actor may do from a state.

Knows all of this folder; knows nothing of exploration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from modelcheck.machine import cpu, program
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.machine.state import Acknowledged, Ipi, Local, Move, Shared
from modelcheck.protocol.protocol import Protocol


@dataclass(frozen=True)
class Role:
    """Identical CPUs: how many, whether a patcher's program runs on them, and whether they run
    the sites. Of a replicated role there may be any number."""

    name: str
    count: int
    patches: bool
    executes: bool
    replicated: bool


class Machine:
    """What a protocol means in one configuration.

    Actor 0 is the CPU that the patcher runs on, actors 1 to N are the others. The patcher's CPU
    may see its own stores late, like any other: kernels write code through another mapping, and
    then it too must serialise (Intel SDM vol. 3A, Self-Modifying Code).
    """

    def __init__(self, protocol: Protocol, configuration: Configuration) -> None:
        self.setup = Setup(protocol, configuration)

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """The kinds of actors, in the order of their numbers."""
        executes = self.setup.protocol.patcher_executes
        return (
            Role("patcher", 1, patches=True, executes=executes, replicated=False),
            Role(
                "cpu", self.setup.configuration.cpus, patches=False, executes=True, replicated=True
            ),
        )

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties watched, in the order in which the protocol names them."""
        return self.setup.watched

    def actor_name(self, actor: int, *, interrupt: bool = False) -> str:
        """What to call an actor: patcher; cpu0, which is its CPU in an interrupt; cpu1, cpu2 ..."""
        return "patcher" if actor == program.PATCHER and not interrupt else f"cpu{actor}"

    def initial(self) -> tuple[Shared, tuple[Local, ...]]:
        """The state before the patch: the shared part, and a local part for each role."""
        shared = self.setup.initial_shared()
        fresh = Local()
        return shared, tuple(
            self.setup.synchronised(fresh, shared) if role.executes else fresh
            for role in self.roles
        )

    def moves(self, role: Role, shared: Shared, local: Local) -> Iterator[Move]:
        """All that an actor of this role may do next, guards aside, in a fixed order."""
        if role.patches:
            yield from program.moves(self.setup, shared, local)
        if role.executes:
            for move in cpu.moves(self.setup, shared, local):
                yield move._replace(interrupt=True) if role.patches else move

    def receive(self, broadcast: Ipi, local: Local) -> Local:
        """What a broadcast makes of another CPU's local part."""
        return local._replace(pending=local.pending | 1 << broadcast.sender)

    def holds(self, guard: Acknowledged, local: Local) -> bool:
        """Whether a guard holds of another CPU."""
        return not local.pending >> guard.sender & 1
