"""Recording: from the choices of a search to a trace. Knows runs and traces."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.suite import Variant
from modelcheck.trace.document import Trace, TraceStep, Violation
from modelcheck.trace.run import Run
from modelcheck.trace.words import shown

Choices = Iterable[tuple[int, int]]
"""For each step the actor, and the place of its move among all it has."""


class SpecFile(NamedTuple):
    """The spec that a trace is of, and the digest of its file when it was loaded, if it is one."""

    path: str
    digest: str = ""


def record(
    machine: Machine,
    path: Choices,
    *,
    spec_file: SpecFile,
    variant: Variant,
    violated: str,
    loop: int | None = None,
) -> Trace:
    """The counterexample that a path is.

    Unless its last step violates something, it ends where `violated`, a property of what may
    follow, fails; `loop` is then the number of steps before the loop, if it ends in one.
    """
    run, steps, violation = _run(machine, path)
    return Trace(
        spec_file.path,
        variant.name,
        machine.setup.protocol,
        _spelled_out(machine),
        steps,
        violation or run.unfinished(violated),
        bug=variant.bug,
        loop=loop,
        spec_digest=spec_file.digest,
    )


def record_witness(
    machine: Machine, path: Choices, *, spec_file: SpecFile, variant: Variant
) -> Trace:
    """The witness that a path is, none of whose steps violates anything."""
    _, steps, violation = _run(machine, path)
    assert violation is None
    return Trace(
        spec_file.path,
        variant.name,
        machine.setup.protocol,
        _spelled_out(machine),
        steps,
        None,
        shows=shown(steps),
        spec_digest=spec_file.digest,
    )


def _run(machine: Machine, path: Choices) -> tuple[Run, tuple[TraceStep, ...], Violation | None]:
    run = Run(machine)
    steps = []
    violation = None
    for actor, index in path:
        move = run.moves(actor)[index]
        steps.append(run.take(actor, move))
        violation = run.violation(move, steps[-1])
    return run, tuple(steps), violation


def _spelled_out(machine: Machine) -> Configuration:
    """The configuration with its properties and its offset, which then depend on no defaults."""
    setup = machine.setup
    return replace(setup.configuration, offset=setup.offset, properties=tuple(setup.watched))
