"""The machine: a protocol in one configuration, as what each actor may do from a state.

Knows all of this folder; knows nothing of exploration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from modelcheck.machine import broadcast, cpu, program
from modelcheck.machine.effects import Actor
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.machine.state import Broadcast, Guard, Local, Move, Shared
from modelcheck.protocol.actions import takes_lock
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import ENDS


@dataclass(frozen=True)
class Role:
    """Identical CPUs: how many, whether a patcher's program runs on them, and whether they run
    the sites. Of a replicated role there may be any number."""

    number: int
    name: str
    count: int
    patches: bool
    executes: bool
    replicated: bool


class Machine:
    """What a protocol means in one configuration.

    Actor 0 is the CPU that the patcher runs on, then come those of other patchers, then N others.
    A patcher's CPU may see its own stores late, like any other: kernels write code through another
    mapping, and then it too must serialise (Intel SDM vol. 3A, Self-Modifying Code).
    """

    def __init__(self, protocol: Protocol, configuration: Configuration) -> None:
        self.setup = Setup(protocol, configuration)

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """The kinds of actors, in the order of their numbers."""
        protocol = self.setup.protocol
        names = ["patcher", *(patcher.name for patcher in protocol.patchers)]
        patchers = [
            Role(
                number,
                name,
                1,
                patches=True,
                executes=self.setup.executes(number),
                replicated=False,
            )
            for number, name in enumerate(names)
        ]
        cpus = self.setup.configuration.cpus
        number = self.setup.cpu_role
        cpu = Role(number, "cpu", cpus, patches=False, executes=True, replicated=True)
        return (*patchers, cpu)

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties watched, in the order in which the protocol names them."""
        return self.setup.watched

    def actor_name(self, actor: int, *, interrupt: bool = False) -> str:
        """What to call an actor: by its program; cpu0 is the patcher's CPU in an interrupt."""
        names = [role.name for role in self.roles if role.patches]
        return names[actor] if actor < len(names) and not interrupt else f"cpu{actor}"

    def initial(self) -> tuple[Shared, tuple[Local, ...]]:
        """The state before the patch: the shared part, and a local part for each role."""
        shared = self.setup.initial_shared()
        fresh = self.setup.initial_local(shared)
        return shared, tuple(
            self.setup.synchronised(fresh, shared) if role.executes else fresh
            for role in self.roles
        )

    def moves(self, role: Role, shared: Shared, local: Local) -> Iterator[Move]:
        """All that an actor of this role may do next, guards aside, in a fixed order."""
        for move in self._moves(role, shared, local):
            calm = broadcast.quiescent(move.local)
            if calm is not move.local:
                move = move._replace(local=calm)
            yield self._ending(role, move) if role.patches else move

    def _ending(self, role: Role, move: Move) -> Move:
        """The move, and what it violates if with it all programs have ended."""
        ended = move.shared.ended | 1 << role.number
        if ended == move.shared.ended or not self.finished(role, move.local):
            return move
        shared = move.shared._replace(ended=ended)
        right = ended != self.setup.all_programs or self.setup.ends_as_new(shared, move.local)
        found = () if right else self.setup.watch(ENDS)
        return move._replace(shared=shared, violations=(*move.violations, *found))

    def _moves(self, role: Role, shared: Shared, local: Local) -> Iterator[Move]:
        actor = Actor(role.number, role.executes, for_all=role.patches)
        yield from program.moves(self.setup, shared, local, actor)
        for move in cpu.moves(self.setup, shared, local, actor):
            called = local.in_program and cpu.runs_now(self.setup, local, actor)
            by_program = called and move.label in (cpu.FETCH, cpu.READ)
            yield move._replace(interrupt=True) if role.patches and not by_program else move
        yield from program.drains(self.setup, shared, local)

    def finished(self, role: Role, local: Local) -> bool:
        """Whether a patcher's program has finished, and all it stored is in memory."""
        done = local.pc == len(self.setup.programs[role.number])
        return not role.patches or (done and not local.buffer)

    def turn(self, role: Role, move: Move) -> tuple[str, bool]:
        """A program, the interrupts that a CPU takes, what it runs, its stores: each has turns.

        A CPU that comes again and again to where it would take an interrupt takes it at last:
        that is strong fairness, for a trap handler masks interrupts between. So does who waits for
        a lock get it: locks are queues (Linux kernel/locking/qspinlock.c).
        """
        if move.step is None and move.label in (cpu.TAKE_IPI, cpu.STOP, cpu.LEAVE_STOP):
            return "interrupt", True
        if move.step is None and move.label == program.DRAIN:
            return "stores", False
        if move.interrupt or not role.patches or move.label in (cpu.FETCH, cpu.READ):
            return "run", False
        return "program", move.step is not None and takes_lock(move.step.actions())

    def paused(self, role: Role, local: Local) -> bool:
        """Whether a patcher's CPU is in an interrupt, and its program stands still."""
        return role.patches and not local.in_program

    def receive(self, told: Broadcast, local: Local) -> Local:
        """What a broadcast makes of another CPU's local part."""
        return broadcast.receive(told, local)

    def holds(self, guard: Guard, local: Local) -> bool:
        """Whether a guard holds of another CPU."""
        return broadcast.holds(guard, local)
