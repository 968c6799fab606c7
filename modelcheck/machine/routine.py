"""Routines: what a CPU does in the trap handler, and in the function that a new call calls.

Knows the setup and what actions do; knows nothing of fetching.
"""

from collections.abc import Iterator

from modelcheck.machine import handler
from modelcheck.machine.effects import Actor, effects
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Local, Move, Shared, Trap
from modelcheck.protocol.actions import Find, Leave, first


def moves(setup: Setup, shared: Shared, local: Local, trap: Trap, actor: Actor) -> Iterator[Move]:
    """The next step of the routine that a CPU is in."""
    line = setup.routines[trap.routine][trap.pc]
    for effect in effects(line.actions, setup, shared, local, actor._replace(for_all=False)):
        after, violations = effect.local, effect.violations
        if not effect.holds and line.then == line.otherwise and first(Find, line.actions):
            # Nobody says what to do if there is no entry, so the trap is nobody's.
            unhandled = Leave(setup.return_synchronises, handled=False)
            after, violations, *_ = handler.leave(unhandled, setup, shared, local, trap)
        elif after.trap is not None and effect.finished and not first(Leave, line.actions):
            pc = line.then if effect.holds else line.otherwise
            after = after._replace(trap=after.trap._replace(pc=pc))
        yield Move(
            line.step.label,
            effect.choice,
            effect.shared,
            setup.settled(after, shared),
            execution=effect.execution,
            violations=violations,
            step=line.step,
            holds=effect.holds,
        )
