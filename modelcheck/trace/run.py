"""A concrete run of the machine, one step at a time, that knows where every byte came from.

Recording and replaying both go through it. Knows the machine; shares nothing with any search.
"""

from modelcheck.machine import cpu
from modelcheck.machine.actors import Machine
from modelcheck.machine.memory import Chunk
from modelcheck.machine.state import Execution, Local, Move, Place, Shared
from modelcheck.trace.document import Executed, TraceStep, Violation
from modelcheck.trace.words import describe, explain_unfinished, explain_violation, unended


class Run:
    """The state of a run, and the steps that each actor can take from it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.shared: Shared
        self.locals: list[Local]
        self.shared, by_role = machine.initial()
        self.roles = [role for role in machine.roles for _ in range(role.count)]
        self.locals = [
            local
            for role, local in zip(machine.roles, by_role, strict=True)
            for _ in range(role.count)
        ]
        self.number = 0
        # For each history, its versions with the step that made them; the machine may forget.
        self._versions = [[(contents, 0) for contents in history] for history in self.shared.memory]
        self._reading: dict[int, dict[int, tuple[int, ...]]] = {}

    def moves(self, actor: int) -> list[Move]:
        """What an actor could do now if every guard held."""
        return list(self.machine.moves(self.roles[actor], self.shared, self.locals[actor]))

    def held_up_by(self, actor: int, move: Move) -> list[int]:
        """The other actors that a step has to wait for."""
        if move.guard is None:
            return []
        return [
            other
            for other, local in enumerate(self.locals)
            if other != actor and not self.machine.holds(move.guard, local)
        ]

    def take(self, actor: int, move: Move) -> TraceStep:
        """Take a step, and say what it changed."""
        setup = self.machine.setup
        self.number += 1
        before, was = self.shared, self.locals[actor]
        origin = self._origin(actor, move)
        self.shared = move.shared
        if move.broadcast is not None:
            self.locals = [self.machine.receive(move.broadcast, local) for local in self.locals]
        self.locals[actor] = move.local
        for history, contents in zip(self._versions, self.shared.memory, strict=True):
            if contents[-1] != history[-1][0]:
                history.append((contents[-1], self.number))
        step = move.step
        executed = self._executed(move.execution, origin)
        return TraceStep(
            actor=self.machine.actor_name(actor, interrupt=move.interrupt),
            label=move.label,
            choice=move.choice,
            source=str(step.source) if step is not None and step.source else None,
            does=describe(self.machine, was, move, step, executed),
            memory={
                site.name: setup.layout.contents(self.shared.memory, number)
                for number, site in enumerate(setup.protocol.sites)
                if setup.layout.contents(self.shared.memory, number)
                != setup.layout.contents(before.memory, number)
            },
            cells={
                cell.name: self.shared.cells[number]
                for number, cell in enumerate(setup.protocol.cells)
                if self.shared.cells[number] != before.cells[number]
            },
            executed=executed,
        )

    def unfinished(self, name: str) -> Violation:
        """That some program never finishes from here, by the name of the property violated."""
        waiting = [
            (self.machine.actor_name(actor), self.machine.setup.programs[role.number][local.pc])
            for actor, (role, local) in enumerate(zip(self.roles, self.locals, strict=True))
            if not self.machine.finished(role, local)
            and local.pc < len(self.machine.setup.programs[role.number])
        ]
        actor = waiting[0][0] if waiting else self.machine.actor_name(0)
        stuck = ", ".join(f"{who} at {line.step.label}" for who, line in waiting)
        return Violation(name, actor, explain_unfinished(name, stuck))

    def violation(self, move: Move, step: TraceStep) -> Violation | None:
        """What a step just taken violates, if anything."""
        if not move.violations:
            return None
        name = move.violations[0]
        left = unended(self.machine, move.shared, move.local)
        at = move.execution.site if move.execution is not None else None
        site = None if at is None else self.machine.setup.protocol.sites[at]
        callees = self.machine.setup.routines[1:]
        called = any(line.step is move.step for callee in callees for line in callee)
        return Violation(name, step.actor, explain_violation(name, step, site, left, called=called))

    def _executed(self, execution: Execution | None, origin: tuple[int, ...]) -> Executed | None:
        if execution is None:
            return None
        protocol = self.machine.setup.protocol
        site = protocol.sites[execution.site]
        text = (
            protocol.architecture.decode(execution.data, site.address + execution.offset).text
            if execution.data
            else ""
        )
        return Executed(site.name, execution.kind, execution.data, origin, text, execution.offset)

    # Where fetched bytes came from.

    def _origin(self, actor: int, move: Move) -> tuple[int, ...]:
        """For each byte that a move executes, the step that wrote the version it read."""
        setup = self.machine.setup
        found: list[int] = []
        if move.label == cpu.FETCH and move.execution is not None:
            place = Place(move.execution.site, move.execution.offset, 0)
            versions = cpu.versions(setup, move.choice)
            for chunk, version in zip(cpu.chunks(setup, place), versions, strict=False):
                found += self._written(chunk, version)
        else:
            reading = self._reading.setdefault(actor, {})
            if move.label == cpu.READ:
                fetch = move.local.fetch
                offset = fetch.offset if fetch else move.execution.offset if move.execution else 0
                number, version = cpu.versions(setup, move.choice)
                chunk = cpu.chunks(setup, Place(move.choice[0], offset, 0))[number]
                reading[number] = self._written(chunk, version)
            found = [origin for at in sorted(reading) for origin in reading[at]]
        if move.label != cpu.READ or move.execution is not None:
            self._reading.pop(actor, None)
        if move.execution is None or move.label not in (cpu.FETCH, cpu.READ, cpu.EXECUTE):
            return ()
        return tuple(found[: len(move.execution.data)])

    def _written(self, chunk: Chunk, version: int) -> tuple[int, ...]:
        """The steps that wrote the bytes of a chunk, as they stood at a version of its history."""
        history = self._versions[chunk.history]
        if not self.machine.setup.tracks_views:
            version = len(history) - 1
        steps: list[int] = []
        for byte in range(chunk.start, chunk.stop):
            at = version
            while at > 0 and history[at - 1][0][byte] == history[version][0][byte]:
                at -= 1
            steps.append(history[at][1])
        return tuple(steps)
