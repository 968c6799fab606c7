"""Rerunning: from the choices of a run, in plain values, to its steps. Knows runs and traces."""

from collections.abc import Iterable

from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.definition import Protocol
from modelcheck.trace.document import TraceStep
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.run import Run

MoveKey = tuple[str, str, tuple[int, ...]]
"""Who takes a step, its label, and what tells it apart from others of that label."""


def rerun(
    protocol: Protocol, configuration: Configuration, choices: Iterable[MoveKey]
) -> tuple[TraceStep, ...]:
    """Take these steps, and say what each does. Raises ReplayError for one that is not possible."""
    machine = Machine(protocol, configuration)
    run = Run(machine)
    steps: list[TraceStep] = []
    for number, wanted in enumerate(choices, start=1):
        possible = {
            (machine.actor_name(actor, interrupt=move.interrupt), move.label, move.choice): (
                actor,
                move,
            )
            for actor in range(len(run.roles))
            for move in run.moves(actor)
            if not run.held_up_by(actor, move)
        }
        if wanted not in possible:
            others = ", ".join(f"{actor} {label} {list(at)}" for actor, label, at in possible)
            raise ReplayError(f"step {number}: {wanted} is not possible here; possible: {others}")
        steps.append(run.take(*possible[wanted]))
    return tuple(steps)
