"""Programs: what a patcher, or a CPU with a program of its own, does next.

Knows the setup and what steps do; knows nothing of CPUs fetching.
"""

from collections.abc import Iterator

from modelcheck.machine.effects import Actor, effects
from modelcheck.machine.setup import Setup
from modelcheck.machine.state import Local, Move, Shared, StopStage
from modelcheck.machine.stores import done, ready

DRAIN = "drain"
"""A store leaves the buffer for memory, or a line is cleaned or dropped."""


def moves(setup: Setup, shared: Shared, local: Local, actor: Actor) -> Iterator[Move]:
    """The next step of the program that runs on this CPU, if it can run now."""
    program = setup.programs[actor.role]
    runs = local.stop in (StopStage.RUNNING, StopStage.ASKED) and local.in_program
    if runs and local.pc < len(program):
        line = program[local.pc]
        for effect in effects(line.actions, setup, shared, local, actor):
            pc = local.pc
            if effect.finished:
                pc = line.then if effect.holds else line.otherwise
                if actor.role == setup.cpu_role:
                    pc %= len(program)
            after = effect.shared
            if pc == len(program):
                after = after._replace(returned=after.returned | 1 << actor.role)
            here = effect.local._replace(pc=pc)
            yield Move(
                line.step.label,
                effect.choice,
                after,
                setup.settled(here, after) if actor.executes else here,
                effect.broadcast,
                effect.guard,
                violations=effect.violations,
                step=line.step,
                holds=effect.holds,
            )


def drains(setup: Setup, shared: Shared, local: Local) -> Iterator[Move]:
    """What is under way and may be done now."""
    for number in ready(setup, local):
        yield Move(DRAIN, (number,), *done(setup, shared, local, number))
