"""Any number of replicas at once: the pairs of (core, local) that can occur, over-approximated.

A core is the shared part with the local parts of the roles that have one actor each; the replicas
of the other roles are kept apart from one another (a thread-modular abstraction). If no pair that
can occur violates anything, the model is safe for every number of replicas, and the set of pairs
is an inductive invariant. If one does, that may be real or due to the abstraction.

Knows systems only.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from modelcheck.system.system import NONE, Row, System

Core = tuple[int, ...]
"""The number of the shared part, and of the local part of each role with one actor."""


class Suspect(NamedTuple):
    """A step that violates something, from a pair that the abstraction cannot exclude."""

    core: Core
    role: int
    local: int
    row: Row


@dataclass
class Abstraction:
    """The pairs that can occur: for each core and each replicated role, the locals seen with it.

    `suspects` has the violating steps from them; they are not followed.
    """

    reached: dict[Core, dict[int, set[int]]] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        """How many pairs can occur."""
        return sum(len(found) for roles in self.reached.values() for found in roles.values())


def abstract(system: System) -> Abstraction:
    """All pairs that can occur with any number of replicas, at least one of each such role."""
    return _Closure(system).run()


class _Closure:
    """A worklist: a core is expanded again whenever a local joins it."""

    def __init__(self, system: System) -> None:
        self.system = system
        roles = system.model.roles
        self.single = [number for number, role in enumerate(roles) if not role.replicated]
        self.many = [number for number, role in enumerate(roles) if role.replicated]
        self.found = Abstraction()
        self.todo: deque[Core] = deque()

    def run(self) -> Abstraction:
        shared, *locals_of = self.system.initial()
        first = {role: locals_of[self.system.actors.index(role)] for role in self.many}
        singles = [locals_of[self.system.actors.index(role)] for role in self.single]
        core = (shared, *singles)
        for role, local in first.items():
            self.reach(core, role, local)
        while self.todo:
            core = self.todo.popleft()
            self.found.suspects = [s for s in self.found.suspects if s.core != core]
            for role, local, row in self.steps(core):
                if row.violations:
                    self.found.suspects.append(Suspect(core, role, local, row))
                else:
                    self.follow(core, role, row)
        return self.found

    def reach(self, core: Core, role: int, local: int) -> None:
        locals_of = self.found.reached.setdefault(core, {number: set() for number in self.many})
        if local not in locals_of[role]:
            locals_of[role].add(local)
            if core not in self.todo:
                self.todo.append(core)

    def steps(self, core: Core) -> Iterator[tuple[int, int, Row]]:
        """The steps from a core's pairs whose guard can hold."""
        for role, local in zip(self.single, core[1:], strict=True):
            for row in self.system.rows(role, core[0], local):
                if self.can_hold(core, role, row):
                    yield role, local, row
        for role in self.many:
            for local in sorted(self.found.reached[core][role]):
                for row in self.system.rows(role, core[0], local):
                    if self.can_hold(core, role, row):
                        yield role, local, row

    def can_hold(self, core: Core, mover: int, row: Row) -> bool:
        """Whether the guard can hold of all others; of its own role there may be no others."""
        if row.guard == NONE:
            return True
        return all(
            role == mover or self.system.holds(row.guard, local)
            for role, local in zip(self.single, core[1:], strict=True)
        ) and all(role == mover or self.surviving(core, role, row) for role in self.many)

    def surviving(self, core: Core, role: int, row: Row) -> list[int]:
        """The locals that others of a role can have when a step is taken."""
        return [
            local
            for local in self.found.reached[core][role]
            if row.guard == NONE or self.system.holds(row.guard, local)
        ]

    def told(self, row: Row, local: int) -> int:
        return local if row.broadcast == NONE else self.system.receive(row.broadcast, local)

    def follow(self, core: Core, mover: int, row: Row) -> None:
        singles = (
            row.local if role == mover else self.told(row, local)
            for role, local in zip(self.single, core[1:], strict=True)
        )
        target = (row.shared, *singles)
        if target != core or row.broadcast != NONE:
            for role in self.many:
                for local in self.surviving(core, role, row):
                    self.reach(target, role, self.told(row, local))
        if mover in self.many:
            self.reach(target, mover, row.local)
