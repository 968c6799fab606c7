"""Rerunning: from the choices of a run, in plain values, to its trace. Knows runs and traces."""

from collections.abc import Iterable

from modelcheck.machine.machine import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.protocol import Protocol
from modelcheck.trace.record import record
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.run import Run
from modelcheck.trace.trace import Trace

Choice = tuple[str, str, tuple[int, ...]]
"""Who takes a step, its label, and what tells it apart from others of that label."""


def rerun(
    protocol: Protocol, configuration: Configuration, choices: Iterable[Choice], *, spec: str = ""
) -> Trace:
    """Take these steps, and give the trace of them.

    Raises ReplayError for a step that is not possible, and if the last violates nothing.
    """
    machine = Machine(protocol, configuration)
    run = Run(machine)
    path: list[tuple[int, int]] = []
    for number, wanted in enumerate(choices, start=1):
        possible = {
            (machine.actor_name(actor, interrupt=move.interrupt), move.label, move.choice): (
                actor,
                place,
            )
            for actor in range(len(run.roles))
            for place, move in enumerate(run.moves(actor))
            if not run.held_up_by(actor, move)
        }
        if wanted not in possible:
            others = ", ".join(f"{actor} {label} {list(at)}" for actor, label, at in possible)
            raise ReplayError(f"step {number}: {wanted} is not possible here; possible: {others}")
        actor, place = possible[wanted]
        run.take(actor, run.moves(actor)[place])
        path.append((actor, place))
    try:
        return record(machine, path, spec=spec, variant="base")
    except ValueError as error:
        raise ReplayError(str(error)) from error
