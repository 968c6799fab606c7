"""Vacuity: what a search never came to, so that a green verdict says less than it seems to.

Knows the machine and systems; knows nothing of how a search went but the pairs that it asked of.
"""

from collections.abc import Iterator

from modelcheck.explore.system import NONE, System
from modelcheck.machine.actors import Machine
from modelcheck.machine.state import Move
from modelcheck.protocol.properties import (
    EFFECT,
    MONOTONE,
    SEQUENCE,
    STALE,
    UNEXPECTED,
    UNHANDLED,
    UNPERMITTED,
    VISIBLE,
)

HANDLED = (UNHANDLED, STALE, EFFECT)


def vacuous(system: System, machine: Machine) -> tuple[str, ...]:
    """What was never exercised in a search of all states, and the properties that could not fail.

    Each in one sentence; none if the verdict says all that it seems to.
    """
    return tuple(_Coverage(system, machine).findings())


class _Coverage:
    """What the steps of a search did, taken together."""

    def __init__(self, system: System, machine: Machine) -> None:
        self._setup = machine.setup
        self._taken: set[int] = set()
        self._kinds: set[str] = set()
        self._trapped = self._inside = self._overtaken = self._after_return = False
        for (role, shared, local), rows in system.asked():
            moves = tuple(
                machine.moves(
                    machine.roles[role], system.shareds.values[shared], system.locals.values[local]
                )
            )
            for row in rows:
                # Where a guard never held, nobody asked for what comes after the step.
                if row.guard == NONE or system.was_asked(role, row.shared, row.local):
                    self._note(moves[row.number])

    def _note(self, move: Move) -> None:
        self._taken.add(id(move.step))
        local = move.local
        if move.execution is not None:
            self._kinds.add(move.execution.kind)
            self._after_return |= move.shared.returned == self._setup.all_programs
            newest = self._setup.layout.newest(move.shared.memory)
            self._overtaken |= bool(local.view) and local.view != newest
        self._trapped |= local.trap is not None and not local.trap.in_callee
        if local.place is not None:
            entries = self._setup.protocol.sites[local.place.site].entries
            self._inside |= local.place.offset not in entries

    def findings(self) -> Iterator[str]:
        """What to tell, the steps first."""
        setup = self._setup
        programs = [*setup.programs, *setup.routines.values()]
        missed = [
            line.step.label
            for program in programs
            for line in program
            if id(line.step) not in self._taken
        ]
        if missed:
            yield f"never taken: {', '.join(missed)}"
        watched = setup.watched
        if setup.handler and not self._trapped:
            names = [name for name in HANDLED if name in watched]
            yield "no trap was ever taken" + _could_not_fail(names)
        if SEQUENCE in watched and not self._inside:
            yield "no CPU was ever inside a region" + _could_not_fail([SEQUENCE])
        if VISIBLE in watched and not self._after_return:
            yield "nothing ran after all programs had returned" + _could_not_fail([VISIBLE])
        if MONOTONE in watched and not self._kinds & {"new", "emulated", "skipped"}:
            yield "nobody ever acted as new" + _could_not_fail([MONOTONE])
        if UNPERMITTED in watched and not self._overtaken:
            yield "nobody ran a site while a change of it was pending" + _could_not_fail(
                [UNPERMITTED]
            )
        if UNEXPECTED in watched and not any(put.expects for put in setup.puts()):
            yield "no write says what it expects to find" + _could_not_fail([UNEXPECTED])


def _could_not_fail(names: list[str]) -> str:
    return f", so {', '.join(names)} could not have failed" if names else ""
