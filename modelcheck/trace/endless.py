"""What a trace claims of all that may follow it, tried with the machine alone.

Knows the machine; shares nothing with any search.
"""

from modelcheck.machine.actors import Machine, Role
from modelcheck.machine.state import Local, Move, Shared

Situation = tuple[Shared, tuple[Local, ...]]


class Endless:
    """All that may follow, by the machine's moves, guards and broadcasts."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._roles: list[Role] = [role for role in machine.roles for _ in range(role.count)]

    def finished(self, situation: Situation) -> bool:
        """Whether all programs have finished."""
        return all(map(self._machine.finished, self._roles, situation[1]))

    def possible(self, situation: Situation) -> list[tuple[int, Move]]:
        """The steps that can be taken, with their actors."""
        shared, locals_ = situation
        return [
            (actor, move)
            for actor, role in enumerate(self._roles)
            for move in self._machine.moves(role, shared, locals_[actor])
            if move.guard is None
            or all(
                self._machine.holds(move.guard, local)
                for other, local in enumerate(locals_)
                if other != actor
            )
        ]

    def after(self, situation: Situation, actor: int, move: Move) -> Situation:
        """The situation after a step."""
        told = situation[1]
        if move.broadcast is not None:
            told = tuple(self._machine.receive(move.broadcast, local) for local in told)
        return move.shared, (*told[:actor], move.local, *told[actor + 1 :])

    def can_finish(self, situation: Situation) -> bool:
        """Whether all programs can still finish."""
        todo, met = [situation], {situation}
        while todo:
            here = todo.pop()
            if self.finished(here):
                return True
            for actor, move in self.possible(here):
                there = self.after(here, actor, move)
                if there not in met:
                    met.add(there)
                    todo.append(there)
        return False

    def starved(self, loop: list[tuple[Situation, int, Move]]) -> str | None:
        """Whose turn never comes on a loop although it should; None if the loop is fair."""
        taken = {self._turn(actor, move) for _, actor, move in loop}
        here = [
            {self._turn(actor, move) for actor, move in self.possible(situation)}
            for situation, _, _ in loop
        ]
        for turn in sorted(set().union(*here) - taken):
            actor, kind, strong = turn
            breaks = any(
                turn not in possible and not (kind == "program" and self._paused(actor, situation))
                for possible, (situation, _, _) in zip(here, loop, strict=True)
            )
            if strong or not breaks:
                return f"{self._machine.actor_name(actor)} ({kind})"
        return None

    def _paused(self, actor: int, situation: Situation) -> bool:
        return self._machine.paused(self._roles[actor], situation[1][actor])

    def _turn(self, actor: int, move: Move) -> tuple[int, str, bool]:
        return (actor, *self._machine.turn(self._roles[actor], move))
