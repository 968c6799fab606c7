"""Any number of replicas at once: the pairs of (core, local) that can occur, over-approximated.

A core is the shared part with the local parts of the roles that have one actor each; the replicas
of the other roles are kept apart from one another (a thread-modular abstraction). If no pair that
can occur violates anything, the model is safe for every number of replicas, and the set of pairs
is an inductive invariant. If one does, that may be real or due to the abstraction.

Why pairs: an actor's step depends on what is shared and on its own local part, and touches the
others only by what it tells or asks all of them. So what matters of others is which locals there
may be, and a set of them with each core is a finite answer for every number of replicas. What a set
cannot say is how many: that nobody else has a token, for instance. To count each local as none, one
or many would, with many more abstract states; the shipped protocols do not need it, since there
proof and search agree in each case (tests/test_prove.py). A bound on the number of CPUs that is
enough for all would have to be argued anew for each step and property.
See docs/decisions/0005-any-number-of-cpus.md.

Knows systems only.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from modelcheck.explore.pulse import CUT_SHORT, Pulse, why
from modelcheck.explore.system import NONE, Row, System
from modelcheck.explore.verdict import NO_LIMITS, Limits, Watcher

Core = tuple[int, ...]
"""The number of the shared part, and of the local part of each role with one actor."""

PULSE = 4096
"""Transitions between two looks at the limits: one core may have very many."""


class Suspect(NamedTuple):
    """A step that violates something, from a pair that the abstraction cannot exclude."""

    core: Core
    role: int
    local: int
    row: Row


@dataclass
class Abstraction:
    """The pairs that can occur: for each core and each replicated role, the locals seen with it.

    `suspects` has the violating steps from them. `reason` says what cut
    the search short, if anything did.
    """

    reached: dict[Core, dict[int, set[int]]] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    reason: str | None = None

    @property
    def pairs(self) -> int:
        """How many pairs can occur."""
        return sum(len(found) for roles in self.reached.values() for found in roles.values())

    @property
    def proves_safe(self) -> bool:
        """Whether nothing can be violated, with any number of replicas."""
        return not self.suspects and self.reason is None


def abstract(
    system: System,
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
    *,
    beyond_violations: bool = False,
    to_first_suspect: bool = False,
) -> Abstraction:
    """All pairs that can occur with any number of replicas, at least one of each such role.

    Suspects are not followed; with `beyond_violations` they are steps like any other, so that what
    none of them violates is safe if watched alone. With `to_first_suspect`, the search ends there.
    Limits are on pairs, instead of states. Ctrl-C ends in an answer with a reason.
    """
    return _Closure(system, Pulse(limits, watcher), beyond_violations, to_first_suspect).run()


class _Closure:
    """A worklist: a core is expanded again whenever locals join it, by what they add.

    Steps without guard and broadcast are taken once; of others, which the locals that join may
    allow, or are told, all are tried again.
    """

    def __init__(
        self, system: System, pulse: Pulse, beyond_violations: bool, to_first_suspect: bool
    ) -> None:
        self.system = system
        self.pulse = pulse
        self.beyond_violations = beyond_violations
        self.to_first_suspect = to_first_suspect
        self.roles = system.model.roles
        self.single = [n for n, role in enumerate(self.roles) if not role.replicated]
        self.many = [n for n, role in enumerate(self.roles) if role.replicated]
        self.found = Abstraction()
        self.todo: dict[Core, None] = {}
        """The cores to expand, in the order in which they came to wait for it."""
        self.expanded: dict[Core, _Expanded] = {}

    def run(self) -> Abstraction:
        try:
            self.begin()
            transitions = 0
            self.pulse.beat(self.found.pairs, transitions, len(self.todo), 0)
            while self.todo:
                core = next(iter(self.todo))
                del self.todo[core]
                expanded = self.expanded.setdefault(core, _Expanded())
                for role, local, row in self.steps(core, expanded):
                    transitions += 1
                    if transitions % PULSE == 0:
                        self.pulse.beat(self.found.pairs, transitions, len(self.todo), 0)
                    if row.violations:
                        expanded.suspects[Suspect(core, role, local, row)] = None
                    if self.beyond_violations or not row.violations:
                        self.follow(core, role, row)
                for target in expanded.targets:
                    for role, locals_ in self.found.reached[core].items():
                        self.join(target, role, locals_)
                if self.to_first_suspect and expanded.suspects:
                    break
        except CUT_SHORT as stop:
            self.found.reason = why(stop)
        self.found.suspects = [each for one in self.expanded.values() for each in one.suspects]
        return self.found

    def begin(self) -> None:
        shared, *locals_of = self.system.initial()
        first = [locals_of[self.system.actors.index(role)] for role in range(len(self.roles))]
        core = (shared, *(first[role] for role in self.single))
        self.reach(core)
        for role in self.many:
            self.join(core, role, (first[role],))

    def reach(self, core: Core) -> None:
        """A core may occur."""
        if core not in self.found.reached:
            self.found.reached[core] = {role: set() for role in self.many}
            self.todo[core] = None

    def join(self, core: Core, role: int, locals_: Collection[int]) -> None:
        """Locals may occur with a core that may occur."""
        there = self.found.reached[core][role]
        before = len(there)
        there.update(locals_)
        if len(there) > before:
            self.todo[core] = None

    def steps(self, core: Core, expanded: "_Expanded") -> Iterator[tuple[int, int, Row]]:
        """The steps to take now from a core's pairs: the new ones, and those that ask or tell."""
        fresh: list[tuple[int, int]] = []
        if not expanded.taken:
            fresh += zip(self.single, core[1:], strict=True)
        for role in self.many:
            fresh += ((role, local) for local in sorted(self.found.reached[core][role]))
        for pair in fresh:
            if pair in expanded.taken:
                continue
            expanded.taken.add(pair)
            for row in self.system.rows(pair[0], core[0], pair[1]):
                if row.guard == NONE and row.broadcast == NONE:
                    yield *pair, row
                else:
                    expanded.others.append((*pair, row))
        yield from (step for step in expanded.others if self.can_hold(core, step[0], step[2]))

    def can_hold(self, core: Core, mover: int, row: Row) -> bool:
        """Whether the guard can hold of all others; of its own role there may be no others."""
        if row.guard == NONE:
            return True
        return all(
            role == mover or self.system.holds(row.guard, local)
            for role, local in zip(self.single, core[1:], strict=True)
        ) and all(role == mover or self.surviving(core, role, row) for role in self.many)

    def surviving(self, core: Core, role: int, row: Row) -> Collection[int]:
        """The locals that others of a role can have when a step is taken."""
        locals_ = self.found.reached[core][role]
        if row.guard == NONE:
            return locals_
        return [local for local in locals_ if self.system.holds(row.guard, local)]

    def told(self, row: Row, local: int) -> int:
        return local if row.broadcast == NONE else self.system.receive(row.broadcast, local)

    def follow(self, core: Core, mover: int, row: Row) -> None:
        """What a step leads to, and who else may be there then."""
        singles = (
            row.local if role == mover else self.told(row, local)
            for role, local in zip(self.single, core[1:], strict=True)
        )
        target = (row.shared, *singles)
        self.reach(target)
        if row.guard == NONE and row.broadcast == NONE:
            if target != core:
                self.expanded[core].targets[target] = None
        else:
            for role in self.many:
                others = self.surviving(core, role, row)
                self.join(target, role, {self.told(row, local) for local in others})
        if mover in self.many:
            self.join(target, mover, (row.local,))


@dataclass
class _Expanded:
    """What has been done of a core: the pairs whose steps were taken, where steps led that neither
    ask nor tell, and those that do."""

    taken: set[tuple[int, int]] = field(default_factory=set)
    targets: dict[Core, None] = field(default_factory=dict)
    others: list[tuple[int, int, Row]] = field(default_factory=list)
    suspects: dict[Suspect, None] = field(default_factory=dict)
