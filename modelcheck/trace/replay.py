"""Replaying: is a trace a run of the machine that ends in the violation it names?

Knows runs and traces; shares nothing with any search.
"""

from dataclasses import fields

from modelcheck.machine.machine import Machine
from modelcheck.machine.state import Move
from modelcheck.trace.run import Run
from modelcheck.trace.trace import Trace, TraceStep, Violation


class ReplayError(ValueError):
    """A trace that the machine does not allow; the message names the step and the reason."""


def replay(trace: Trace) -> int:
    """Run a trace through the machine alone, and give the number of its steps.

    Each step must be possible, and must change what the trace says; the last one must violate
    what the trace says, and no earlier one anything. Raises ReplayError where that fails.
    """
    run = Run(Machine(trace.protocol, trace.configuration))
    name = run.machine.actor_name
    actors = {
        name(actor, interrupt=interrupt): actor
        for actor in range(len(run.roles))
        for interrupt in (False, True)
    }
    violation: Violation | None = None
    for number, recorded in enumerate(trace.steps, start=1):
        where = f"step {number} ({recorded.actor}: {recorded.label})"
        if violation is not None:
            raise ReplayError(f"{where}: follows a step that already violates {violation.property}")
        if recorded.actor not in actors:
            raise ReplayError(
                f"{where}: there is no actor of that name; there are {', '.join(actors)}"
            )
        actor = actors[recorded.actor]
        move = _find(run, actor, recorded, where)
        done = run.take(actor, move)
        _compare(recorded, done, where)
        violation = run.violation(move, done)
    if violation is None:
        raise ReplayError("the trace ends without a violation")
    _compare(trace.violation, violation, "violation")
    return len(trace.steps)


def _find(run: Run, actor: int, recorded: TraceStep, where: str) -> Move:
    name = run.machine.actor_name
    possible = [
        move for move in run.moves(actor) if name(actor, interrupt=move.interrupt) == recorded.actor
    ]
    for move in possible:
        if (move.label, move.choice) == (recorded.label, recorded.choice):
            waits_for = run.held_up_by(actor, move)
            if waits_for:
                names = ", ".join(name(other) for other in waits_for)
                raise ReplayError(f"{where}: not possible yet; it waits for {names}")
            return move
    alternatives = ", ".join(f"{move.label} {list(move.choice)}" for move in possible[:6])
    raise ReplayError(
        f"{where} with choice {list(recorded.choice)}: not possible here; "
        f"{recorded.actor} could {alternatives or 'do nothing'}"
    )


def _compare(recorded: TraceStep | Violation, actual: TraceStep | Violation, where: str) -> None:
    for part in fields(recorded):
        said, done = getattr(recorded, part.name), getattr(actual, part.name)
        if said != done:
            raise ReplayError(f"{where}: the trace says {part.name} {said!r}, the machine {done!r}")
