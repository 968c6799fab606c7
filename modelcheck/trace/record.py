"""Recording: from the choices of a search to a trace. Knows runs and traces."""

from collections.abc import Iterable
from dataclasses import replace

from modelcheck.machine.actors import Machine
from modelcheck.protocol.suite import Variant
from modelcheck.trace.document import Trace
from modelcheck.trace.run import Run


def record(
    machine: Machine,
    path: Iterable[tuple[int, int]],
    *,
    spec: str,
    variant: Variant,
    violated: str,
    loop: int | None = None,
) -> Trace:
    """The trace of a path: for each step the actor, and the place of its move among all it has.

    Unless its last step violates something, it ends where `violated`, a property of what may
    follow, fails; `loop` is then the number of steps before the loop, if it ends in one.
    """
    run = Run(machine)
    steps = []
    violation = None
    for actor, index in path:
        move = run.moves(actor)[index]
        steps.append(run.take(actor, move))
        violation = run.violation(move, steps[-1])
    setup = machine.setup
    # With the properties and the offset spelled out, the trace does not depend on defaults.
    configuration = replace(
        setup.configuration, offset=setup.offset, properties=tuple(setup.watched)
    )
    return Trace(
        spec,
        variant.name,
        setup.protocol,
        configuration,
        tuple(steps),
        violation or run.unfinished(violated),
        bug=variant.bug,
        loop=loop,
    )
