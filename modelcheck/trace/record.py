"""Recording: from the choices of a search to a trace. Knows runs and traces."""

from collections.abc import Iterable
from dataclasses import replace

from modelcheck.machine.machine import Machine
from modelcheck.trace.run import Run
from modelcheck.trace.trace import Trace


def record(machine: Machine, path: Iterable[tuple[int, int]], *, spec: str, variant: str) -> Trace:
    """The trace of a path: for each step the actor, and the place of its move among all it has.

    Raises ValueError if the last step of the path violates nothing.
    """
    run = Run(machine)
    steps = []
    violation = None
    for actor, index in path:
        move = run.moves(actor)[index]
        steps.append(run.take(actor, move))
        violation = run.violation(move, steps[-1])
    if violation is None:
        raise ValueError("the last step of the path violates nothing")
    setup = machine.setup
    # With the properties and the offset spelled out, the trace does not depend on defaults.
    configuration = replace(
        setup.configuration, offset=setup.offset, properties=tuple(setup.watched)
    )
    return Trace(spec, variant, setup.protocol, configuration, tuple(steps), violation)
