"""What holds of every order of events in which one CPU fetches a site once, as named constraints.

Knows cases, cells and the rules of fetch models; knows nothing of states.

One CPU suffices. What it fetches depends on when the patchers' stores reached memory and on when
it serialised itself; no CPU's fetch changes what another one sees, and CPUs hold a patcher up
only by acknowledging late, which each may do for any reason. One fetch suffices, too, besides
those by which the CPU came into the middle of a region: earlier fetches and traps can only bring a
CPU further in the order of stores. And the patcher's own CPU sees nothing that another could not,
which acknowledges just when the patcher sends, unless the others do not run the sites at any time.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import TypeVar, assert_never

import z3

from modelcheck.axiomatic.cases import Case, Pass, only_case, values
from modelcheck.axiomatic.cells import Cells
from modelcheck.axiomatic.events import Event
from modelcheck.axiomatic.maintenance import MaintenanceOrder, begin_of
from modelcheck.axiomatic.terms import (
    Axiom,
    Bytes,
    ByteStore,
    Choice,
    Fetch,
    Happening,
    Kind,
    Moment,
    SeenSince,
    constants,
    holds,
)
from modelcheck.machine.fetch import MODELS, Staleness
from modelcheck.machine.memory import parts
from modelcheck.machine.region import Region
from modelcheck.machine.setup import Configuration
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import ActionT
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol

MessageT = TypeVar("MessageT", bound=do.Message)


class Axioms:
    """All orders of the patchers' events with one fetch of `site`, by one CPU.

    `case` says what they are, if there are several cases. `named` has the constraints. `has`
    tells of each unit whether the protocol has it: without it, what it orders is not ordered, and
    its stores never happen. `read` is the time from which each byte was fetched, and `end` when
    the CPU executed them. `bytes_` stand for the protocol's own bytes.
    Raises NotCoveredError.
    """

    def __init__(
        self,
        protocol: Protocol,
        configuration: Configuration,
        site: Site,
        bytes_: Bytes | None = None,
        case: Case | None = None,
    ) -> None:
        case = case or only_case(protocol, site)
        self.protocol = protocol
        self.site = site
        self.model = MODELS[configuration.fetch]
        self.trap = protocol.handler.trap if protocol.handler else b""
        self.events = tuple(
            event
            for event in case.events
            if not (put := event.first(do.Put)) or put.site == site.name or put.through
        )
        self._position = {event.name: number for number, event in enumerate(self.events)}
        self.has = {event.unit: z3.Bool(f"has {event.unit.name}") for event in self.events}
        self.bytes = bytes_ or Bytes(
            constants(site.old),
            constants(site.new),
            {event.name: constants(put.data) for event, put in self.doing(do.Put)},
        )
        chunks = _chunks(protocol, configuration, site)
        self._begin = begin_of(protocol, configuration, site)
        self._line = {byte: number for number, chunk in enumerate(chunks) for byte in chunk}
        self.walk = case.walk
        self.offset = case.offset
        self.fetcher = case.fetcher
        self.region = Region(0, site, self.trap)
        self.fetches = [
            _fetch(number, at, self.region.extent(at), chunks, trapped=trapped)
            for number, (at, trapped) in enumerate(
                [*((done.offset, done.handled) for done in case.walk), (case.offset, False)]
            )
        ]
        self.read, self.chunks, self.end, _ = self.fetches[-1]
        self.named: dict[Axiom, z3.BoolRef] = {}
        self.moments: list[Moment] = []
        self._when = {event.name: z3.Int(event.name) for event in self.events}
        self._taken = {
            event.name: z3.Int(f"{event.name} taken")
            for event in self.events
            if isinstance(event.told, do.Ipi | do.Stop | do.Release)
        }
        self.weak = protocol.stores == "weak"
        initial = {cell.name: cell.initial for cell in protocol.cells}
        self._cells = Cells(initial, self.events, self._when, self.has)
        self.stores = tuple(store for event in self.events for store in self._stores_of(event))
        self._maintenance = MaintenanceOrder(
            protocol, configuration, site, self.events, self._when, self.has, self._reached
        )
        self._state_order()
        for name, rule in self._maintenance.constraints():
            self._state(*name, rule)
        for event, rule in self._cells.constraints(self.end):
            self._state("data", event.name, "", rule)
        if self.fetcher.own:
            self._state_own()
        else:
            self._state_user()
            self._state_ipis()
            self._state_stops()
        self._state_fetch()
        self._state_walk()
        self._state_handlers()

    def _state(self, kind: Kind, first: str, second: str, *constraints: z3.BoolRef) -> None:
        name = Axiom(kind, first, second)
        others = [self.named[name]] if name in self.named else []
        self.named[name] = z3.And(*others, *constraints)

    def doing(self, kind: type[ActionT]) -> Iterator[tuple[Event, ActionT]]:
        """The events that do such a thing, and what they do."""
        found = ((event, event.first(kind)) for event in self.events)
        return ((event, action) for event, action in found if action is not None)

    def telling(self, kind: type[MessageT]) -> Iterator[tuple[Event, MessageT]]:
        """The events that tell all CPUs such a thing, and what they tell."""
        told = ((event, event.told) for event in self.events)
        return ((event, message) for event, message in told if isinstance(message, kind))

    def awaiting(self, answer: do.Awaited) -> Iterator[Event]:
        """The events that wait for such an answer of all CPUs."""
        return (event for event in self.events if event.awaited == answer)

    # What the patcher does.

    def _stores_of(self, event: Event) -> Iterator[ByteStore]:
        put = event.first(do.Put)
        for i, value in enumerate(self.bytes.data[event.name] if put else ()):
            assert put is not None
            time = z3.Int(f"{event.name} {i}")
            yield ByteStore(event, put.at + i, time, value, self._goes_here(put, time))

    def _goes_here(self, put: do.Put, time: z3.ArithRef) -> z3.BoolRef:
        """Whether a write goes to this site at a time."""
        if put.through is None:
            return z3.BoolVal(True)
        known = values(self.protocol, put.through)
        names = {site.name for site in self.protocol.sites}
        target = {value: value if value in names else put.site for value in known}
        here = [value for value in known if target[value] == self.site.name]
        return self._cells.holds(put.through, here, time)

    def _reached(self, event: Event) -> list[z3.ArithRef]:
        """When the bytes of a write reach memory."""
        return [store.time for store in self.stores if store.event is event]

    def parts(self, put: do.Put) -> tuple[range, ...]:
        """The bytes of a write that reach memory at once."""
        size = len(put.data)
        if put.order != "single":
            return tuple(range(i, i + 1) for i in range(size))
        within = self.protocol.architecture.whole_within
        return tuple(parts(self._begin + put.at, size, within))

    def _done(self, event: Event) -> list[z3.ArithRef]:
        """When a step is done, as far as its program can tell."""
        buffered = self.weak and event.first(do.Put) is not None
        return ([] if buffered else self._reached(event)) or [self._when[event.name]]

    def _state_order(self) -> None:
        for event, later in combinations(self.events, 2):
            if event.program == later.program:
                order = [a < b for a in self._done(event) for b in self._done(later)]
                self._state("before", event.name, later.name, *order)
            else:
                # Of stores to one byte, one is the later one.
                order = [
                    one.time != other.time
                    for one in self.stores
                    for other in self.stores
                    if one.event is event and other.event is later and one.byte == other.byte
                ]
                if order:
                    self._state("before", event.name, later.name, *order)
        for event, put in self.doing(do.Put):
            bytes_ = self._reached(event)
            if put.order == "single":
                same = [
                    bytes_[part.start] == bytes_[i] for part in self.parts(put) for i in part[1:]
                ]
                self._state("one store", event.name, "", *same)
            elif put.order == "ascending" and not self.weak:
                self._state(
                    "ascending write", event.name, "", *(a < b for a, b in pairwise(bytes_))
                )
        if self.weak:
            self._state_buffer()

    def _overlap(self, one: ByteStore, other: ByteStore) -> bool:
        """Whether two stores go to the same place, and so reach memory in order."""
        spans = []
        for store in (one, other):
            put = store.event.first(do.Put)
            assert put is not None
            part = next(part for part in self.parts(put) if store.byte - put.at in part)
            spans.append({put.at + i for i in part})
        return bool(spans[0] & spans[1])

    def _state_buffer(self) -> None:
        """Stores leave the buffer late, but before a fence, and in order at one address."""
        for event, _ in self.doing(do.Put):
            issued = self._when[event.name]
            self._state("before", event.name, "", *(issued < m for m in self._reached(event)))
        for event, later in combinations(self.events, 2):
            if event.first(do.Put) and later.first(do.Drained):
                reached = [m < self._when[later.name] for m in self._reached(event)]
                fenced = z3.Implies(self.has[later.unit], z3.And(*reached))
                self._state("reaches memory", event.name, later.name, fenced)
            if event.first(do.Put) and later.first(do.Put):
                order = [
                    one.time < other.time
                    for one in self.stores
                    for other in self.stores
                    if one.event is event and other.event is later and self._overlap(one, other)
                ]
                if order:
                    self._state("same place", event.name, later.name, *order)

    # What the CPU does when it is told to. Nothing that the patcher waits for binds the CPU after
    # it has executed, so that these constraints can always be met.

    def _state_ipis(self) -> None:
        for event, send in self.telling(do.Ipi):
            sent, taken = self._when[event.name], self._taken[event.name]
            has = self.has[event.unit]
            deferred = self._deferred(event, send)
            self._state("taken", event.name, "", sent < taken)
            for later in self.awaiting("acknowledged"):
                if self._follows(later, event):
                    waits = z3.And(has, self.has[later.unit], self._when[later.name] <= self.end)
                    acknowledged = z3.Or(deferred, taken < self._when[later.name])
                    self._state(
                        "waited for", event.name, later.name, z3.Implies(waits, acknowledged)
                    )
            if send.synchronises:
                # A deferred one is made up for later, or never.
                made_up = z3.Not(deferred)
                if self.fetcher.flushes:
                    made_up = z3.Or(made_up, sent < self._user[0])
                self._state_serialised("discards", event.name, z3.And(has, made_up), taken)
            for other, _ in self.telling(do.Ipi):
                if other.program > event.program:
                    # To take one IPI is to take all that are pending.
                    self._state("taken", event.name, other.name, self._together(event, other))

    def _together(self, one: Event, other: Event) -> z3.BoolRef:
        (sent, taken), (other_sent, other_taken) = (
            (self._when[event.name], self._taken[event.name]) for event in (one, other)
        )
        return z3.Or(taken == other_taken, taken < other_sent, other_taken < sent)

    def _follows(self, event: Event, other: Event) -> bool:
        """Whether an event comes after another one of the same program."""
        same = event.program == other.program
        return same and self._position[event.name] > self._position[other.name]

    def _next(self, events: Iterator[Event], other: Event) -> Event | None:
        """The first of the events that comes after another one of the same program."""
        return next((event for event in events if self._follows(event, other)), None)

    # A CPU that is in user mode now and then, from `_user[0]` to `_user[1]` for the last time.

    def _state_user(self) -> None:
        if not self.fetcher.user:
            return
        left, entered, flush = self._user = tuple(z3.Ints("left entered flush"))
        order = [left < entered, entered < flush, flush < self.fetches[0].end]
        if self.model.staleness is Staleness.NEWEST:
            order += [flush <= read for read in self.fetches[0].read.values()]
        self._state("deferred", "", "", *order)
        for event, send in self.telling(do.Ipi):
            if send.deferred:
                sent, deferred = self._when[event.name], self._deferred(event, send)
                last = z3.And(left < sent, sent < entered)
                rules = [
                    z3.Or(sent < left, last, entered < sent),
                    z3.Implies(last, deferred),
                    z3.Implies(deferred, sent < entered),
                    # What was deferred earlier is made up for before this time in user mode.
                    z3.Implies(z3.And(deferred, sent < left), self._taken[event.name] < left),
                ]
                self._state("deferred", event.name, "", *rules)
                if self.fetcher.flushed and send.synchronises:
                    has = z3.And(self.has[event.unit], last)
                    self._state_serialised("flushes", event.name, has, flush)

    def _deferred(self, event: Event, send: do.Ipi) -> z3.BoolRef:
        """Whether an IPI finds the CPU in user mode, and leaves it alone."""
        if not (send.deferred and self.fetcher.user):
            return z3.BoolVal(False)
        return z3.Bool(f"{event.name} deferred")

    def _state_stops(self) -> None:
        for event, _ in self.telling(do.Stop):
            stopped = self._taken[event.name]
            has = self.has[event.unit]
            self._state("taken", event.name, "", self._when[event.name] < stopped)
            waiting = self._next(self.awaiting("stopped"), event)
            if waiting is not None:
                begun = self._when[waiting.name]
                waits = z3.And(has, begun <= self.end)
                self._state(
                    "waited for", event.name, waiting.name, z3.Implies(waits, stopped < begun)
                )
            releases = dict(self.telling(do.Release))
            release = self._next(iter(releases), event)
            leaves = self.end
            if release is not None:
                leaves = self._taken[release.name]
                self._state("taken", release.name, "", self._when[release.name] < leaves)
                if releases[release].synchronises or self.model.staleness is Staleness.NEWEST:
                    self._state_serialised("restarts", release.name, has, leaves)
                again = self._next((stop for stop, _ in self.telling(do.Stop)), release)
                if again is not None:
                    asked = self._when[again.name]
                    left = z3.Implies(z3.And(has, asked <= self.end), leaves < asked)
                    self._state("waited for", release.name, again.name, left)
            idle = [z3.Or(fetch.gone < stopped, leaves < fetch.end) for fetch in self.fetches]
            for other, _ in self.telling(do.Ipi):
                taken = self._taken[other.name]
                idle.append(z3.Or(taken < stopped, leaves < taken, self.end < taken))
            self._state("halted", event.name, "", z3.Implies(has, z3.And(*idle)))

    # The patcher's own CPU.

    def _state_own(self) -> None:
        """It fetches between two steps of its program, with interrupts on."""
        first, last = self.fetches[0], self.fetches[-1]
        for event in self.events:
            rules = []
            for time in self._done(event):
                rules.append(z3.Or(time < first.end, last.end < time))
                if self.model.staleness is Staleness.NEWEST:
                    rules += [
                        z3.Implies(time < fetch.end, time <= read)
                        for fetch in self.fetches
                        for read in fetch.read.values()
                    ]
            self._state("stands still", event.name, "", *rules)
            if event.first(do.Refresh):
                taken = self._when[event.name]
                self._state_serialised("serialises", event.name, self.has[event.unit], taken)
            mask = event.first(do.Mask)
            if mask and mask.on:
                on = [
                    z3.And(self.has[later.unit], self._when[later.name] < first.end)
                    for later, unmask in self.doing(do.Mask)
                    if not unmask.on and self._follows(later, event)
                ]
                masked = z3.Or(last.end < self._when[event.name], *on)
                has = self.has[event.unit]
                self._state("masked", event.name, "", z3.Implies(has, masked))

    def _state_serialised(
        self,
        kind: Kind,
        label: str,
        has: z3.BoolRef,
        taken: z3.ArithRef,
        fetches: Sequence[Fetch] = (),
    ) -> None:
        """Once it has serialised, a CPU fetches nothing older than memory was then."""
        for fetch in fetches or self.fetches:
            before = z3.And(has, taken < fetch.end)
            moments = [Moment(Axiom(kind, label), before, SeenSince(taken))]
            if self._maintenance.needed:
                moments = [
                    Moment(Axiom(kind, label, name), z3.And(before, dropped), sees)
                    for name, dropped, sees in self._maintenance.dropped_by(taken)
                ]
            for name, happens, sees in moments:
                self._state(*name, z3.Implies(happens, sees.by(fetch)))
            if fetch is self.fetches[-1]:
                self.moments += moments

    # The fetch.

    def _state_fetch(self) -> None:
        for fetch in self.fetches:
            for chunk in fetch.chunks:
                if len(chunk) > 1:
                    times = [fetch.read[byte] for byte in chunk]
                    same = [a == b for a, b in pairwise(times)]
                    self._state("one read", str(chunk[0]), str(chunk[-1]), *same)
        if self.model.ordered and any(len(fetch.chunks) > 1 for fetch in self.fetches):
            order = [
                fetch.read[left[-1]] <= fetch.read[right[0]]
                for fetch in self.fetches
                for left, right in pairwise(fetch.chunks)
            ]
            self._state("ascending fetch", "", "", *order)
        foresight = [read <= fetch.end for fetch in self.fetches for read in fetch.read.values()]
        self._state("no foresight", "", "", *foresight)

    def _state_walk(self) -> None:
        """One instruction after the other; no grace period ends that began in between."""
        order = [one.gone < other.end for one, other in pairwise(self.fetches)]
        for (one, other), done in zip(pairwise(self.fetches), self.walk, strict=False):
            at, last = done.offset, done.offset + len(done.data) - 1
            match self.model.staleness:
                case Staleness.NEWEST:
                    order += [one.gone <= read for read in other.read.values()]
                case Staleness.MONOTONE if self.model.ordered:
                    order.append(one.read[last] <= other.read[other.chunks[0][0]])
                case Staleness.MONOTONE:
                    order += [
                        one.read[byte] <= other.read[again]
                        for byte in range(at, last + 1)
                        for again in other.read
                        if self._line[byte] == self._line[again]
                    ]
                case Staleness.SINCE_SYNC:
                    pass  # what was fetched before says nothing of what is fetched next
                case _:
                    assert_never(self.model.staleness)
            order.append(self.executes(one, done))
        for number, (one, done) in enumerate(zip(self.fetches, self.walk, strict=False)):
            data = range(done.offset, done.offset + len(done.data))
            for other in self.fetches[number + 1 :]:
                for name, rule in self._maintenance.behind(one, data, other):
                    self._state(*name, rule)
        if order:
            self._state("one by one", "", "", *order)
        for event, grace in self.telling(do.Grace) if self.walk else ():
            wait = self._next(self.awaiting("quiescent"), event)
            if wait is None:
                continue
            begun, over = self._when[event.name], self._when[wait.name]
            outside = [
                z3.Or(begun < fetch.end, fetch.gone < over)
                for fetch, done in zip(self.fetches, self.walk, strict=False)
                if done.handled
            ]
            if grace.regions:
                outside.append(begun < self.fetches[0].end)
            waits = z3.And(self.has[event.unit], over <= self.end)
            self._state("grace", event.name, wait.name, z3.Implies(waits, z3.And(*outside)))

    def _state_handlers(self) -> None:
        """A trap handler acts on what it finds, with interrupts off, and then returns."""
        handler = self.protocol.handler
        for number, (fetch, done) in enumerate(zip(self.fetches, self.walk, strict=False)):
            later = self.fetches[number + 1 :]
            if handler is None or not done.handled:
                if done.serialises:
                    always = z3.BoolVal(True)
                    self._state_serialised("passes", "", always, fetch.gone, later)
                continue
            asks = [z3.Int(f"answer {number} {i}") for i in range(len(done.answers))]
            rules = [a < b for a, b in pairwise([fetch.end, *asks, fetch.gone])]
            self._state("handled", "", "", *rules)
            for answer, time in zip(done.answers, asks, strict=True):
                found = self._cells.holds(answer.cell, answer.among, time)
                self._state("answers", answer.cell, "", found)
            if not (handler.interrupts or self.fetcher.own):
                untaken = [
                    z3.Or(taken < fetch.end, fetch.gone < taken) for taken in self._taken.values()
                ]
                self._state("uninterrupted", "", "", *untaken)
            if done.serialises:
                self._state_serialised("returns", "", z3.BoolVal(True), fetch.gone, later)

    # What can be asked.

    def happenings(self) -> Iterator[tuple[Happening, z3.ArithRef]]:
        """All that may happen besides the fetch, and when, in program order."""
        for event in self.events:
            put = event.first(do.Put)
            if put:
                reached = self._reached(event)
                for part in self.parts(put):
                    data = put.data[part.start : part.stop]
                    yield Happening(event.name, put.at + part.start, data), reached[part.start]
            else:
                yield Happening(event.name), self._when[event.name]
                for time in self._maintenance.times(event):
                    yield Happening(event.name, taken=True), time
            if event.name in self._taken:
                yield Happening(event.name, taken=True), self._taken[event.name]

    def written(self, byte: int) -> list[ByteStore]:
        """The stores to a byte, in the order in which they reach memory."""
        return [store for store in self.stores if store.byte == byte]

    def fetched(self, byte: int, fetch: Fetch | None = None) -> Choice:
        """The values that a byte may have been fetched with, and when it was; just one is true."""
        read = (fetch or self.fetches[-1]).read[byte]
        return self.contents(byte, lambda store: store.time <= read)

    def contents(self, byte: int, visible: Callable[[ByteStore], z3.BoolRef]) -> Choice:
        """The values that a byte may have by the stores that are visible."""
        stores = [
            (store, z3.And(self.is_made(store), visible(store))) for store in self.written(byte)
        ]
        found = [(z3.Not(z3.Or(*(seen for _, seen in stores))), self.bytes.old[byte])]
        for store, seen in stores:
            newer = [
                z3.And(o, self._later(other, store)) for other, o in stores if other is not store
            ]
            found.append((z3.And(seen, *map(z3.Not, newer)), store.value))
        return found

    def is_made(self, store: ByteStore) -> z3.BoolRef:
        """Whether a store is made, and goes to this site."""
        return z3.And(self.has[store.event.unit], store.here)

    def _later(self, store: ByteStore, other: ByteStore) -> z3.BoolRef:
        """Whether one of two stores to a byte reaches memory after the other."""
        if store.event.program == other.event.program:
            return z3.BoolVal(self._follows(store.event, other.event))
        return other.time < store.time

    def begins_with(self, data: Sequence[z3.BitVecRef]) -> z3.BoolRef:
        """Whether the bytes fetched begin with these."""
        return z3.And(
            *(self.is_fetched(byte, value) for byte, value in enumerate(data, start=self.offset))
        )

    def is_fetched(self, byte: int, value: z3.BitVecRef, fetch: Fetch | None = None) -> z3.BoolRef:
        """Whether a byte was fetched with this value."""
        return holds(self.fetched(byte, fetch), value)

    def known(self) -> list[Sequence[z3.BitVecRef]]:
        """What a CPU may execute: old, new, and what the site may be in between."""
        if self.site.is_region:
            return [constants(data) for data in self.region.known(self.offset)]
        between = [constants(form.data) for form in self.site.between]
        return [self.bytes.old, self.bytes.new, *between]

    def executes(self, fetch: Fetch, done: Pass) -> z3.BoolRef:
        """Whether a fetch is of the trap, or else of this known instruction: the first one that
        the bytes begin with."""
        at = done.offset
        known = self.region.known(at)
        every = [self.trap, *known] if self.trap else [*known]
        begins = {
            data: z3.And(
                *(
                    self.is_fetched(at + i, z3.BitVecVal(value, 8), fetch)
                    for i, value in enumerate(data)
                    if at + i in fetch.read
                )
            )
            for data in every
        }
        earlier = list(begins)[: list(begins).index(done.data)]
        return z3.And(begins[done.data], *(z3.Not(begins[data]) for data in earlier))

    def is_trap(self) -> z3.BoolRef:
        """Whether the CPU traps."""
        room = 0 < len(self.trap) <= len(self.site) - self.offset
        return self.begins_with(constants(self.trap)) if room else z3.BoolVal(False)

    def is_torn(self) -> z3.BoolRef:
        """Whether the bytes fetched are neither an instruction that is known, nor a trap."""
        return z3.Not(z3.Or(self.is_trap(), *(self.begins_with(data) for data in self.known())))


def _fetch(number: int, begin: int, end: int, chunks: list[range], *, trapped: bool) -> Fetch:
    """A fetch of bytes `begin` to `end`."""
    executed = z3.Int(f"end {number}")
    cut = [range(max(chunk.start, begin), min(chunk.stop, end)) for chunk in chunks]
    return Fetch(
        {byte: z3.Int(f"read {number} {byte}") for byte in range(begin, end)},
        [chunk for chunk in cut if chunk],
        executed,
        z3.Int(f"gone {number}") if trapped else executed,
    )


def _chunks(protocol: Protocol, configuration: Configuration, site: Site) -> list[range]:
    """The bytes of the site that are fetched in one atomic read, in ascending order."""
    begin = begin_of(protocol, configuration, site)
    lines = [(begin + byte) // configuration.chunk for byte in range(len(site))]
    return [
        range(lines.index(line), lines.index(line) + lines.count(line))
        for line in dict.fromkeys(lines)
    ]
