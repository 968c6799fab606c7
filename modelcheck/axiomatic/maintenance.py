"""When maintenance of caches is done, and what barriers order, as constraints.

Knows events and terms.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import z3

from modelcheck.axiomatic.events import Event, Unit, is_barrier, of_cells
from modelcheck.axiomatic.terms import Axiom, Fetch, SeenSince
from modelcheck.machine.fetch import MODELS
from modelcheck.machine.memory import LINE
from modelcheck.machine.setup import Configuration
from modelcheck.protocol import actions as do
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol


def begin_of(protocol: Protocol, configuration: Configuration, site: Site) -> int:
    """Where a site begins, counted from the beginning of the first site's line."""
    first = protocol.sites[0].address
    offset = first % LINE if configuration.offset is None else configuration.offset
    return offset + site.address - first


class _Done(NamedTuple):
    """One line of a maintenance, or a byte of a store, and when it is done."""

    line: int
    time: z3.ArithRef


class MaintenanceOrder:
    """The maintenance of one site's lines, and the barriers.

    `when` has the time of each event by its name, `has` whether its unit is there, and `reached`
    gives the times at which the bytes of a write reach memory.
    """

    def __init__(
        self,
        protocol: Protocol,
        configuration: Configuration,
        site: Site,
        events: tuple[Event, ...],
        when: Mapping[str, z3.ArithRef],
        has: Mapping[Unit, z3.BoolRef],
        reached: Callable[[Event], list[z3.ArithRef]],
    ) -> None:
        model = MODELS[configuration.fetch]
        self._protocol, self._configuration = protocol, configuration
        self._events, self._when, self._has, self._reached = events, when, has, reached
        self.needed = not (protocol.coherent_icache or model.coherent)
        """Whether caches need any."""
        self._orders_fetches = (
            self.needed and not model.strict and protocol.architecture.drops_order_fetches
        )
        begin = begin_of(protocol, configuration, site)
        self._bytes: dict[int, set[int]] = {}
        for byte in range(len(site)):
            self._bytes.setdefault((begin + byte) // LINE, set()).add(byte)
        self._line = {byte: line for line, bytes_ in self._bytes.items() for byte in bytes_}
        self._cleans = {event.name: self._of(event, do.Clean) for event in events}
        self._drops = {event.name: self._of(event, do.Drop) for event in events}

    def _of(self, event: Event, kind: type[do.Clean | do.Drop]) -> list[_Done]:
        """The lines of the site that an event is to clean, or to drop."""
        action = event.first(kind)
        idle = kind is do.Clean and self._protocol.coherent_dcache
        if action is None or idle or not self.needed:
            return []
        lines = set(self._bytes)
        if action.lines.site is not None:
            (site,) = (one for one in self._protocol.sites if one.name == action.lines.site)
            begin = begin_of(self._protocol, self._configuration, site) + action.lines.at
            size = action.lines.size or len(site) - action.lines.at
            lines &= {(begin + byte) // LINE for byte in range(size)}
        return [_Done(line, z3.Int(f"{event.name} line {line} done")) for line in sorted(lines)]

    def _heeding(self, event: Event) -> list[_Done]:
        """What barriers order of an event: its stores, and what it cleans."""
        put = event.first(do.Put)
        if put is None:
            return self._cleans[event.name]
        return [
            _Done(self._line[byte], time)
            for byte, time in enumerate(self._reached(event), start=put.at)
        ]

    def times(self, event: Event) -> Iterator[z3.ArithRef]:
        """When the maintenance of an event is done."""
        return (one.time for one in (*self._cleans[event.name], *self._drops[event.name]))

    def constraints(self) -> Iterator[tuple[Axiom, z3.BoolRef]]:
        """What comes before what."""
        for event in self._events:
            for time in self.times(event):
                yield Axiom("before", event.name), self._when[event.name] < time
        for event, later in combinations(self._events, 2):
            if event.program != later.program:
                continue
            if self._cleans[event.name] or self._cleans[later.name]:
                there = z3.And(self._has[event.unit], self._has[later.unit])
                for one in self._heeding(event):
                    for other in self._heeding(later):
                        if one.line == other.line:
                            order = z3.Implies(there, one.time < other.time)
                            yield Axiom("same line", event.name, later.name), order
            drained = later.first(do.Drained)
            if drained is not None and drained.maintenance:
                for time in self.times(event):
                    order = z3.Implies(self._has[later.unit], time < self._when[later.name])
                    yield Axiom("completed", event.name, later.name), order
        for barrier in self._events:
            if is_barrier(self._protocol, barrier.actions):
                yield from self._around(barrier)

    def _around(self, barrier: Event) -> Iterator[tuple[Axiom, z3.BoolRef]]:
        """What a barrier puts before it, and behind it."""
        at, has = self._events.index(barrier), self._has[barrier.unit]
        between = z3.Int(f"{barrier.name} between")
        for number, event in enumerate(self._events):
            if event.program != barrier.program or event is barrier:
                continue
            for one in self._heeding(event):
                order = one.time < between if number < at else between < one.time
                yield Axiom("ordered", barrier.name, event.name), z3.Implies(has, order)
            if number > at and self._reads(event):
                order = between < self._when[event.name]
                yield Axiom("ordered", barrier.name, event.name), z3.Implies(has, order)

    def _reads(self, event: Event) -> bool:
        """Whether a step reads data, or acts on memory at once."""
        put = event.first(do.Put)
        if put is not None:
            return bool(put.expects) or put.through is not None
        per_cpu = {cell.name for cell in self._protocol.cells if cell.per_cpu}
        return any(
            not isinstance(action, do.Set)
            or action.at_once
            or action.cell in per_cpu
            or self._protocol.stores == "in-order"
            for action in of_cells(event.actions)
        )

    # What a fetch may not be older than.

    def _dropped(self) -> Iterator[tuple[Event, _Done, z3.BoolRef, SeenSince]]:
        """Each drop of a line, when that happens with some clean before, and what it is up to."""
        for event in self._events:
            for drop in self._drops[event.name]:
                bytes_ = frozenset(self._bytes[drop.line])
                if self._protocol.coherent_dcache:
                    yield event, drop, self._has[event.unit], SeenSince(drop.time, bytes_)
                    continue
                for other in self._events:
                    for clean in self._cleans[other.name]:
                        if clean.line == drop.line:
                            there = z3.And(self._has[event.unit], self._has[other.unit])
                            happens = z3.And(there, clean.time < drop.time)
                            yield event, drop, happens, SeenSince(clean.time, bytes_)

    def dropped_by(self, taken: z3.ArithRef) -> Iterator[tuple[str, z3.BoolRef, SeenSince]]:
        """What instruction caches had dropped by then."""
        for event, drop, happens, seen in self._dropped():
            yield event.name, z3.And(happens, drop.time <= taken), seen

    def behind(self, one: Fetch, data: range, other: Fetch) -> Iterator[tuple[Axiom, z3.BoolRef]]:
        """A fetch behind one of something newer than a completed drop is not older than that."""
        for dsb in self._events if self._orders_fetches else ():
            drained = dsb.first(do.Drained)
            if drained is None or not drained.maintenance:
                continue
            for event, _, happens, seen in self._dropped():
                if self._events.index(event) < self._events.index(dsb):
                    newer = [one.read[byte] > self._when[dsb.name] for byte in data]
                    happens = z3.And(happens, self._has[dsb.unit], z3.Or(*newer))
                    name = Axiom("behind", event.name, dsb.name)
                    yield name, z3.Implies(happens, seen.by(other))
