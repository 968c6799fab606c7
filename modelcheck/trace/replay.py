"""Replaying: is a trace a run of the machine that ends as it says?

Knows runs and traces; shares nothing with any search.
"""

from dataclasses import fields

from modelcheck.machine.actors import Machine
from modelcheck.machine.state import Move
from modelcheck.protocol.properties import FINISHES, LIVENESS
from modelcheck.trace.document import Trace, TraceStep, Violation
from modelcheck.trace.endless import Endless, Situation
from modelcheck.trace.run import Run
from modelcheck.trace.words import shown


class ReplayError(ValueError):
    """A trace that the machine does not allow; the message names the step and the reason."""


def replay(trace: Trace) -> int:
    """Run a trace through the machine alone, and give the number of its steps.

    Each step must be possible, and must change what the trace says; the last one must violate
    what the trace says, and no earlier one anything. None violates anything in a witness, which
    must show what it says. Raises ReplayError where that fails.
    """
    run = Run(Machine(trace.protocol, trace.configuration))
    name = run.machine.actor_name
    actors = {
        name(actor, interrupt=interrupt): actor
        for actor in range(len(run.roles))
        for interrupt in (False, True)
    }
    violation: Violation | None = None
    taken: list[tuple[Situation, int, Move]] = []
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
        taken.append(((run.shared, tuple(run.locals)), actor, move))
        done = run.take(actor, move)
        _compare(recorded, done, where)
        violation = run.violation(move, done)
    if trace.violation is None:
        _check_witness(trace, violation)
    else:
        if violation is None:
            violation = _endless(trace.violation.property, trace, run, taken)
        _compare(trace.violation, violation, "violation")
    return len(trace.steps)


def _check_witness(trace: Trace, violation: Violation | None) -> None:
    """Raises ReplayError for a witness that violates something, or shows something else."""
    if violation is not None:
        raise ReplayError(f"the last step violates {violation.property}, and this is no witness")
    if trace.shows != (really := shown(trace.steps)):
        raise ReplayError(f"the trace says that it shows {trace.shows!r}, but that is {really!r}")


def _endless(
    name: str, trace: Trace, run: Run, taken: list[tuple[Situation, int, Move]]
) -> Violation:
    """What a trace violates by what may follow it. Raises ReplayError if that is nothing."""
    endless = Endless(run.machine)
    here = (run.shared, tuple(run.locals))
    if name not in run.machine.properties or name not in LIVENESS:
        raise ReplayError("the trace ends without a violation")
    if name == FINISHES:
        if endless.can_finish(here):
            raise ReplayError("after the last step, all programs can still finish")
        return run.unfinished(name)
    if trace.loop is None or not 0 <= trace.loop <= len(taken):
        raise ReplayError("the trace says of no loop where it begins")
    loop = taken[trace.loop :]
    if not loop and endless.possible(here):
        raise ReplayError("the trace ends without a loop, and there are steps left to take")
    if loop and loop[0][0] != here:
        raise ReplayError(f"the loop does not lead back to where it is after step {trace.loop}")
    if endless.finished(here):
        raise ReplayError("all programs have finished")
    starved = endless.starved(loop)
    if starved is not None:
        raise ReplayError(f"the loop is not fair to {starved}, which never gets its turn")
    return run.unfinished(name)


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
