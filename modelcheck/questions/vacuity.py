"""Vacuity: what a search never came to, so that a green verdict says less than it seems to.

Knows the machine and systems; knows nothing of how a search went but the pairs that it asked of.
"""

from collections.abc import Iterator
from typing import NamedTuple

from modelcheck.explore.system import NONE, System
from modelcheck.machine.actors import Machine, Role
from modelcheck.machine.state import Local, Move, Shared, StopStage
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


class Vacuity(NamedTuple):
    """What a safe verdict does not rest on, each in one sentence.

    `nothing` has the reasons why it rests on nothing at all: nobody ran what it is about. `notes`
    have what was never exercised besides, and the properties that could not have failed.
    """

    nothing: tuple[str, ...]
    notes: tuple[str, ...]


NOT_VACUOUS = Vacuity((), ())


def vacuity(system: System, machine: Machine, unlooked: tuple[str, ...] = ()) -> Vacuity:
    """What was never exercised in a search of all states; `unlooked` is noted as it is."""
    coverage = _Coverage(system, machine)
    return Vacuity(tuple(coverage.nothing()), (*unlooked, *coverage.notes()))


class _Ran(NamedTuple):
    """What happened to a site: it was half written; CPUs were free to run it then; somebody ran it
    once it was written to, and while it was half written."""

    half: bool = False
    free: bool = False
    written: bool = False
    meanwhile: bool = False


class _Coverage:
    """What the steps of a search did, taken together."""

    def __init__(self, system: System, machine: Machine) -> None:
        self._setup = machine.setup
        self._taken: set[int] = set()
        self._kinds: set[str] = set()
        self._ran = [_Ran() for _ in machine.setup.protocol.sites]
        self._trapped = self._inside = self._overtaken = self._after_return = False
        for (role, shared, local), rows in system.asked():
            before = system.shareds.values[shared], system.locals.values[local]
            self._note_state(machine.roles[role], *before)
            moves = system.moves(role, shared, local)
            for row in rows:
                # Where a guard never held, nobody asked for what comes after the step.
                if row.guard == NONE or system.was_asked(role, row.shared, row.local):
                    self._note(*before, moves[row.number])

    def _note_state(self, role: Role, shared: Shared, local: Local) -> None:
        """Whether a CPU is free to run a site that is half written."""
        free = (
            role.executes
            and not role.patches
            and local.stop in (StopStage.RUNNING, StopStage.ASKED)
        )
        for number, site in enumerate(self._setup.protocol.sites):
            there = self._setup.layout.contents(shared.memory, number)
            if there not in [form.data for form in site.forms]:
                ran = self._ran[number]
                self._ran[number] = ran._replace(half=True, free=ran.free or free)

    def _note(self, shared: Shared, local: Local, move: Move) -> None:
        self._taken.add(id(move.step))
        if move.execution is not None:
            self._note_execution(shared, local, move)
        local = move.local
        self._trapped |= local.trap is not None and not local.trap.in_callee
        if local.place is not None:
            entries = self._setup.protocol.sites[local.place.site].entries
            self._inside |= local.place.offset not in entries

    def _note_execution(self, shared: Shared, local: Local, move: Move) -> None:
        assert move.execution is not None
        setup = self._setup
        self._kinds.add(move.execution.kind)
        self._after_return |= shared.returned == setup.all_programs
        pending = bool(local.view) and local.view != setup.layout.newest(shared.memory)
        self._overtaken |= pending
        number = move.execution.site
        site = setup.protocol.sites[number]
        there = setup.layout.contents(shared.memory, number)
        half = there not in [form.data for form in site.forms]
        ran = self._ran[number]
        self._ran[number] = ran._replace(
            written=ran.written or there != site.old or pending,
            meanwhile=ran.meanwhile or half or pending,
        )

    def nothing(self) -> Iterator[str]:
        """Why the verdict rests on nothing."""
        setup = self._setup
        if not {*setup.watched} - {*setup.inapplicable}:
            reasons = (setup.inapplicable[name] for name in setup.watched)
            yield "; ".join(("nothing that is watched applies", *reasons))
        for site, ran in zip(setup.protocol.sites, self._ran, strict=True):
            if site.foreign or (site.old == site.new and not ran.half):
                continue
            if not site.entries:
                yield f"nobody can enter {site.name} (entries=())"
            elif not ran.written:
                yield f"nobody ran {site.name} once it was written to"
            elif ran.half and ran.free and not ran.meanwhile:
                yield f"nobody ran {site.name} while it was half written"
        if setup.handler and not self._trapped:
            names = [name for name in HANDLED if name in setup.watched]
            yield "no run took the trap" + _could_not_fail(names)

    def notes(self) -> Iterator[str]:
        """What else to tell, the steps first."""
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
        for site, ran in zip(setup.protocol.sites, self._ran, strict=True):
            if ran.half and not ran.free and not ran.meanwhile:
                yield f"nobody ran {site.name} while it was half written: all CPUs stood still"
        watched = setup.watched
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
