"""A state in named parts: the patcher's position, versions of code, what a CPU has read of it ...

Taking a value apart loses nothing, whatever its fields: those that need no name of their own are
named after the field. Knows the machine; knows nothing of what the parts are for.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, NamedTuple

from modelcheck.machine.actors import Machine
from modelcheck.machine.memory import History
from modelcheck.machine.state import Local, PartialFetch, Shared, Trap
from modelcheck.protocol.code import Value

Constant = int | str
"""A number, or what to call the value: any text."""


class Part(NamedTuple):
    """A part of a shared or local value; its name may be any text.

    Parts of one domain have values of one meaning, so that one may be a copy of the other.
    """

    name: str
    domain: str
    of_shared: bool


Parts = dict[Part, Constant]

Leaves = Iterator[tuple[str, str, Constant]]
"""Names, domains and values."""

Named = dict[str, Callable[[Any], Leaves]]
"""For each field whose parts have names of their own, what takes it apart."""

CODE = "code bytes"
POSITION = "position"
HANDLER = "handler"
CONTROL = frozenset({POSITION, HANDLER})
"""The domains that say where in a program an actor is."""

UNREAD = "unread"


class Anatomy:
    """How the values of one machine are taken apart, given all its shared values."""

    def __init__(self, machine: Machine, shareds: Collection[Shared]) -> None:
        self._setup = machine.setup
        self.notes: dict[str, str] = {}
        """What a reader may want to know of a part or constant, by its name."""
        self._histories = self._name_histories()
        self._linear = [
            len({len(shared.memory[number]) for shared in shareds})
            == len({shared.memory[number] for shared in shareds})
            for number in range(len(self._histories))
        ]
        for number, name in enumerate(self._histories):
            if self._setup.tracks_views and self._linear[number]:
                longest = max((shared.memory[number] for shared in shareds), key=len)
                self.notes[f"{name}_version"] = ", ".join(
                    f"{version} = {data.hex(' ')}" for version, data in enumerate(longest)
                )
        self._steps = [
            [f"at {line.step.label}" for line in program] for program in self._setup.programs
        ]
        for names, program in zip(self._steps, self._setup.programs, strict=True):
            for name, line in zip(names, program, strict=True):
                if line.step.source:
                    self.notes[name] = str(line.step.source)

    def _name_histories(self) -> list[str]:
        """Each history by the byte of a site that it begins with."""
        if self._setup.fetch.ordered:
            return ["code"]
        names: dict[int, str] = {}
        for site, chunks in zip(self._setup.protocol.sites, self._setup.layout.chunks, strict=True):
            first = 0
            for chunk in chunks:
                names.setdefault(chunk.history, f"{site.name}_{first}")
                first += chunk.stop - chunk.start
        return [names[number] for number in sorted(names)]

    def shared(self, shared: Shared) -> Parts:
        """The parts of a shared value."""
        named: Named = {"memory": self._memory, "cells": self._cells}
        return _parts(shared, named, of_shared=True)

    def local(self, local: Local, role: int) -> Parts:
        """The parts of a local value of an actor of this role."""
        named: Named = {
            "pc": partial(self._position, role),
            "view": self._view,
            "fetch": self._fetch,
            "trap": self._trap,
        }
        return _parts(local, named, of_shared=False)

    def _memory(self, memory: tuple[History, ...]) -> Leaves:
        if self._setup.tracks_views:
            for number, (name, history) in enumerate(zip(self._histories, memory, strict=True)):
                yield f"{name}_version", name, len(history) - 1
                if not self._linear[number]:
                    spelt = "_".join(data.hex() for data in history)
                    yield f"{name}_history", f"{name}_history", f"{name} {spelt}"
            return
        for site, chunks in zip(self._setup.protocol.sites, self._setup.layout.chunks, strict=True):
            first = 0
            for chunk in chunks:
                data = memory[chunk.history][-1][chunk.start : chunk.stop]
                yield f"{site.name}_{first}", CODE, _spelt(data)
                first += len(data)

    def _cells(self, cells: tuple[Any, ...]) -> Leaves:
        for cell, value in zip(self._setup.protocol.cells, cells, strict=True):
            yield cell.name, cell.name, _content(cell.name, value)

    def _position(self, role: int, pc: int) -> Leaves:
        steps = self._steps[role]
        yield "at", POSITION, steps[pc] if pc < len(steps) else "finished"

    def _view(self, view: tuple[int, ...]) -> Leaves:
        # A CPU in a trap handler may have no view; which handler it is in tells.
        for number, name in enumerate(self._histories):
            yield f"sees_{name}", name, view[number] if view else 0

    def _fetch(self, fetch: PartialFetch | None) -> Leaves:
        sites = self._setup.protocol.sites
        entered = any(len(site.entries) > 1 for site in sites)
        if len(sites) > 1 or entered or not self._setup.fetch.ordered:
            place = f"reading {sites[fetch.site].name}" if fetch else "no fetch"
            at = f" at {fetch.offset}" if fetch and fetch.offset else ""
            yield "reading", "reading", place + at
        for number in range(max(map(len, self._setup.layout.chunks))):
            data = fetch.chunks[number] if fetch and number < len(fetch.chunks) else None
            yield f"read_{number}", CODE, UNREAD if data is None else _spelt(data)

    def _trap(self, trap: Trap | None) -> Leaves:
        setup = self._setup
        step = setup.routines[trap.in_callee][trap.pc].step if trap else None
        yield "handler", HANDLER, f"in {step.label}" if step else "no trap"
        if len(setup.protocol.sites) > 1:
            site = f"trap at {setup.protocol.sites[trap.site].name}" if trap else "nowhere"
            yield "trapped_at", "trapped_at", site
        found = dict(trap.found) if trap else {}
        for number, cell in enumerate(setup.protocol.cells):
            value = _content(cell.name, found.get(number))
            yield f"found_{cell.name}", cell.name, value


def _parts(value: Shared | Local, named: Named, *, of_shared: bool) -> Parts:
    """All fields of a value in parts, those in `named` by a function of their own."""
    return {
        Part(name, domain, of_shared): leaf
        for field, content in value._asdict().items()
        for name, domain, leaf in (
            named[field](content) if field in named else _leaves(field, content)
        )
    }


def _spelt(data: bytes) -> str:
    return f"b_{data.hex()}"


def _content(cell: str, value: Value) -> str:
    return f"{cell} nothing" if value is None else f"{cell} {value!r}"


def _leaves(name: str, value: Any) -> Leaves:
    """A value of any field: numbers as they are, tuples and records by their elements."""
    if isinstance(value, tuple):
        named = value._asdict() if hasattr(value, "_asdict") else dict(enumerate(value))
        yield f"{name}_size", f"{name}_size", len(value)
        for key, element in named.items():
            yield from _leaves(f"{name}_{key}", element)
    elif isinstance(value, int):
        yield name, name, int(value)
    else:
        yield name, name, f"{name} {value!r}"
