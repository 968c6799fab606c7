"""What holds of every order of events in which one CPU fetches a site once, as named constraints.

Knows events and the rules of fetch models; knows nothing of states.

One CPU suffices. What it fetches depends on when the patcher's stores reached memory and on when
it serialised itself; no CPU's fetch changes what another one sees, and CPUs hold the patcher up
only by acknowledging late, which each may do for any reason. One fetch suffices, too: earlier
fetches and traps can only bring a CPU further in the order of stores. And the patcher's own CPU
sees nothing that another could not, which acknowledges just when the patcher sends.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, NamedTuple

import z3

from modelcheck.axiomatic.events import Event, NotCoveredError, events
from modelcheck.isa import modifiable
from modelcheck.machine.fetch import MODELS, Staleness
from modelcheck.machine.memory import LINE
from modelcheck.machine.region import Region
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Site
from modelcheck.protocol.protocol import Protocol
from modelcheck.protocol.steps import (
    CleanDcache,
    Fence,
    InvalidateIcache,
    ReleaseCpus,
    SendIpi,
    StartGrace,
    Step,
    StopCpus,
    WaitAcks,
    WaitGrace,
    WaitStopped,
    Write,
)

Kind = Literal[
    "before",  # the patcher does `first` before `second`
    "reaches memory",  # weak stores: `first` is in memory before the fence `second` is passed
    "same place",  # ... and stores to one address stay in order
    "ascending write",  # the bytes of `first` reach memory from the lowest address up
    "one store",  # the bytes of `first` reach memory at once
    "taken",  # a CPU takes an IPI, stops, or goes on after `first`, which asks for it
    "waited for",  # ... and before the patcher gets past `second`, which waits for it
    "discards",  # to take the IPI of `first` discards what was fetched
    "halted",  # a CPU that `first` has stopped does nothing until it is let go
    "restarts",  # a CPU that `first` lets go discards what was fetched
    "one read",  # bytes `first` to `second` are one chunk, read at once
    "ascending fetch",  # no chunk comes from before the chunk to its left
    "one by one",  # an instruction is fetched after the one before it
    "grace",  # while a CPU is between instructions, no grace period ends that began then
    "no foresight",  # nothing is fetched from the future
]


class Axiom(NamedTuple):
    """The name of a constraint: its kind, and the labels of the steps (or bytes) it is about."""

    kind: Kind
    first: str = ""
    second: str = ""


class ByteStore(NamedTuple):
    """One byte on its way to memory: which step writes it where, when it gets there, what it is."""

    event: Event
    byte: int
    time: z3.ArithRef
    value: z3.BitVecRef


class Moment(NamedTuple):
    """A moment at which the CPU may serialise, and the time from which it then sees memory.

    That is the moment itself, or where caches are not coherent, when they were last cleaned before
    they had to drop what is older.
    """

    name: Axiom
    happens: z3.BoolRef
    sees: z3.ArithRef


class Fetch(NamedTuple):
    """A fetch of one instruction: the time that each of its bytes was read from, by the byte's
    place in the site; the bytes of each chunk; and when the CPU executed it."""

    read: dict[int, z3.ArithRef]
    chunks: list[range]
    end: z3.ArithRef


Walk = tuple[tuple[int, bytes], ...]
"""Instructions that a CPU executed one after the other, by their offsets in the site."""


class Happening(NamedTuple):
    """A step of the patcher; of a write, the bytes that reach memory at once, from `byte` on. Or a
    CPU has `taken` what the step asks of it: an IPI, to stop, to go on."""

    label: str
    byte: int = -1
    data: bytes = b""
    taken: bool = False


@dataclass(frozen=True)
class Bytes:
    """The bytes of a site before and after, and the data of each write, as Z3 sees them."""

    old: tuple[z3.BitVecRef, ...]
    new: tuple[z3.BitVecRef, ...]
    data: Mapping[str, tuple[z3.BitVecRef, ...]]


def constants(data: bytes) -> tuple[z3.BitVecRef, ...]:
    """Bytes that are known."""
    return tuple(z3.BitVecVal(byte, 8) for byte in data)


class Axioms:
    """All orders of the patcher's events with one fetch of `site`, by one CPU.

    In a region the fetch is at `offset`, and comes after the instructions of `walk`. `named` has
    the constraints. `has` tells of each unit whether the protocol has it: without it, what it
    orders is not ordered, and its stores never happen. `read` is the time from which each byte was
    fetched, and `end` when the CPU executed them. `bytes_` stand for the protocol's own bytes.
    Raises NotCoveredError.
    """

    def __init__(
        self,
        protocol: Protocol,
        configuration: Configuration,
        site: Site,
        bytes_: Bytes | None = None,
        offset: int = 0,
        walk: Walk = (),
    ) -> None:
        self.protocol = protocol
        self.site = site
        self.model = MODELS[configuration.fetch]
        self.trap = protocol.handler.trap if protocol.handler else b""
        self.events = tuple(
            event
            for event in events(protocol)
            if not isinstance(event.step, Write) or event.step.site == site.name
        )
        self.has = {event.unit: z3.Bool(f"has {event.unit.name}") for event in self.events}
        self.bytes = bytes_ or Bytes(
            constants(site.old),
            constants(site.new),
            {
                event.step.label: constants(event.step.data)
                for event in self.events
                if isinstance(event.step, Write)
            },
        )
        chunks = _chunks(protocol, configuration, site)
        self._line = {byte: number for number, chunk in enumerate(chunks) for byte in chunk}
        self.walk = walk
        self.offset = offset
        self._region = Region(0, site)
        self.fetches = [
            _fetch(number, at, self._region.extent(at), chunks)
            for number, at in enumerate([*(at for at, _ in walk), offset])
        ]
        self.read, self.chunks, self.end = self.fetches[-1]
        self.named: dict[Axiom, z3.BoolRef] = {}
        self.moments: list[Moment] = []
        self._when = {event.step.label: z3.Int(event.step.label) for event in self.events}
        self._taken = {
            event.step.label: z3.Int(f"{event.step.label} taken")
            for event in self.events
            if isinstance(event.step, SendIpi | StopCpus | ReleaseCpus)
        }
        self._weak = protocol.stores == "weak"
        self.stores = tuple(store for event in self.events for store in self._stores_of(event))
        self._state_order()
        self._state_ipis()
        self._state_stops()
        self._state_fetch()
        self._state_walk()

    def _state(self, kind: Kind, first: str, second: str, *constraints: z3.BoolRef) -> None:
        name = Axiom(kind, first, second)
        others = [self.named[name]] if name in self.named else []
        self.named[name] = z3.And(*others, *constraints)

    def _steps(self, *kinds: type[Step]) -> Iterator[tuple[Event, Step]]:
        return ((event, event.step) for event in self.events if isinstance(event.step, kinds))

    # What the patcher does.

    def _stores_of(self, event: Event) -> Iterator[ByteStore]:
        if isinstance(event.step, Write):
            for i, value in enumerate(self.bytes.data[event.step.label]):
                time = z3.Int(f"{event.step.label} {i}")
                yield ByteStore(event, event.step.at + i, time, value)

    def _reached(self, event: Event) -> list[z3.ArithRef]:
        """When the bytes of a write reach memory."""
        return [store.time for store in self.stores if store.event is event]

    def _done(self, event: Event) -> list[z3.ArithRef]:
        """When a step is done, as far as its program can tell."""
        buffered = self._weak and isinstance(event.step, Write)
        return ([] if buffered else self._reached(event)) or [self._when[event.step.label]]

    def _state_order(self) -> None:
        for event, later in combinations(self.events, 2):
            order = [a < b for a in self._done(event) for b in self._done(later)]
            self._state("before", event.step.label, later.step.label, *order)
        for event, step in self._steps(Write):
            assert isinstance(step, Write)
            bytes_ = self._reached(event)
            if step.order == "single":
                self._state("one store", step.label, "", *(a == b for a, b in pairwise(bytes_)))
            elif step.order == "ascending" and not self._weak:
                self._state(
                    "ascending write", step.label, "", *(a < b for a, b in pairwise(bytes_))
                )
        if self._weak:
            self._state_buffer()

    def _state_buffer(self) -> None:
        """Stores leave the buffer late, but before a fence, and in order at one address."""
        writes = list(self._steps(Write))
        for event, step in writes:
            issued = self._when[step.label]
            self._state("before", step.label, "", *(issued < m for m in self._reached(event)))
        for event, later in combinations(self.events, 2):
            if isinstance(event.step, Write) and isinstance(later.step, Fence):
                reached = [m < self._when[later.step.label] for m in self._reached(event)]
                fenced = z3.Implies(self.has[later.unit], z3.And(*reached))
                self._state("reaches memory", event.step.label, later.step.label, fenced)
            if isinstance(event.step, Write) and isinstance(later.step, Write):
                order = [
                    one.time < other.time
                    for one in self.stores
                    for other in self.stores
                    if one.event is event and other.event is later and _overlap(one, other)
                ]
                if order:
                    self._state("same place", event.step.label, later.step.label, *order)

    # What the CPU does when it is told to. Nothing that the patcher waits for binds the CPU after
    # it has executed, so that these constraints can always be met.

    def _state_ipis(self) -> None:
        for event, send in self._steps(SendIpi):
            assert isinstance(send, SendIpi)
            taken = self._taken[send.label]
            has = self.has[event.unit]
            self._state("taken", send.label, "", self._when[send.label] < taken)
            for later, wait in self._steps(WaitAcks):
                if self.events.index(event) < self.events.index(later):
                    waits = z3.And(has, self.has[later.unit], self._when[wait.label] <= self.end)
                    acknowledged = taken < self._when[wait.label]
                    self._state(
                        "waited for", send.label, wait.label, z3.Implies(waits, acknowledged)
                    )
            if send.synchronises:
                self._state_serialised("discards", send.label, has, taken)

    def _state_stops(self) -> None:
        for event, stop in self._steps(StopCpus):
            later = self.events[self.events.index(event) :]
            stopped = self._taken[stop.label]
            has = self.has[event.unit]
            self._state("taken", stop.label, "", self._when[stop.label] < stopped)
            for waiting in later:
                if isinstance(waiting.step, WaitStopped):
                    begun = self._when[waiting.step.label]
                    waits = z3.And(has, begun <= self.end)
                    self._state(
                        "waited for",
                        stop.label,
                        waiting.step.label,
                        z3.Implies(waits, stopped < begun),
                    )
                    break
            release = next((e.step for e in later if isinstance(e.step, ReleaseCpus)), None)
            leaves = self.end
            if release is not None:
                leaves = self._taken[release.label]
                self._state("taken", release.label, "", self._when[release.label] < leaves)
                if release.synchronises or self.model.staleness is Staleness.NEWEST:
                    self._state_serialised("restarts", release.label, has, leaves)
            idle = [z3.Or(fetch.end < stopped, leaves < fetch.end) for fetch in self.fetches]
            for _, send in self._steps(SendIpi):
                taken = self._taken[send.label]
                idle.append(z3.Or(taken < stopped, leaves < taken, self.end < taken))
            self._state("halted", stop.label, "", z3.Implies(has, z3.And(*idle)))

    def _state_serialised(
        self, kind: Kind, label: str, has: z3.BoolRef, taken: z3.ArithRef
    ) -> None:
        """Once it has serialised, a CPU fetches nothing older than memory was then."""
        for fetch in self.fetches:
            before = z3.And(has, taken < fetch.end)
            moments = [Moment(Axiom(kind, label), before, taken)]
            if not self.protocol.coherent_icache and self.model.staleness is not Staleness.NEWEST:
                moments = [
                    Moment(Axiom(kind, label, name), z3.And(before, dropped), sees)
                    for name, dropped, sees in self._drops(taken)
                ]
            for name, happens, sees in moments:
                seen = z3.And(*(sees <= read for read in fetch.read.values()))
                self._state(*name, z3.Implies(happens, seen))
            if fetch is self.fetches[-1]:
                self.moments += moments

    def _drops(self, taken: z3.ArithRef) -> Iterator[tuple[str, z3.BoolRef, z3.ArithRef]]:
        """What instruction caches had dropped by then, if they are not coherent."""
        cleaned: Event | None = None
        for event in self.events:
            if isinstance(event.step, CleanDcache):
                cleaned = event
            elif isinstance(event.step, InvalidateIcache) and cleaned is not None:
                has = z3.And(self.has[cleaned.unit], self.has[event.unit])
                done = self._when[event.step.label] <= taken
                yield event.step.label, z3.And(has, done), self._when[cleaned.step.label]

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
        order = [one.end < other.end for one, other in pairwise(self.fetches)]
        for (one, other), (at, data) in zip(pairwise(self.fetches), self.walk, strict=False):
            last = at + len(data) - 1
            match self.model.staleness:
                case Staleness.NEWEST:
                    order += [one.end <= read for read in other.read.values()]
                case Staleness.MONOTONE if self.model.ordered:
                    order.append(one.read[last] <= other.read[other.chunks[0][0]])
                case Staleness.MONOTONE:
                    order += [
                        one.read[byte] <= other.read[again]
                        for byte in range(at, last + 1)
                        for again in other.read
                        if self._line[byte] == self._line[again]
                    ]
            order.append(self._executes(one, at, data))
        if order:
            self._state("one by one", "", "", *order)
        for event, step in self._steps(StartGrace) if self.walk else ():
            assert isinstance(step, StartGrace)
            later = self.events[self.events.index(event) :]
            wait = next((e.step.label for e in later if isinstance(e.step, WaitGrace)), None)
            if step.regions and wait is not None:
                over = z3.And(self.has[event.unit], self._when[wait] <= self.end)
                outside = self._when[step.label] < self.fetches[0].end
                self._state("grace", step.label, wait, z3.Implies(over, outside))

    # What can be asked.

    def happenings(self) -> Iterator[tuple[Happening, z3.ArithRef]]:
        """All that may happen besides the fetch, and when, in program order."""
        for event in self.events:
            step = event.step
            if isinstance(step, Write):
                size = len(step.data) if step.order == "single" else 1
                for i, time in list(enumerate(self._reached(event)))[::size]:
                    yield Happening(step.label, step.at + i, step.data[i : i + size]), time
            else:
                yield Happening(step.label), self._when[step.label]
            if step.label in self._taken:
                yield Happening(step.label, taken=True), self._taken[step.label]

    def written(self, byte: int) -> list[ByteStore]:
        """The stores to a byte, in the order in which they reach memory."""
        return [store for store in self.stores if store.byte == byte]

    def fetched(
        self, byte: int, fetch: Fetch | None = None
    ) -> list[tuple[z3.BoolRef, z3.BitVecRef]]:
        """The values that a byte may have been fetched with, and when it was; just one is true."""
        read = (fetch or self.fetches[-1]).read[byte]
        return self._at(byte, lambda store: store.time <= read)

    def _at(
        self, byte: int, visible: Callable[[ByteStore], z3.BoolRef]
    ) -> list[tuple[z3.BoolRef, z3.BitVecRef]]:
        there = [
            (z3.And(self.has[store.event.unit], visible(store)), store.value)
            for store in self.written(byte)
        ]
        values = [(z3.BoolVal(True), self.bytes.old[byte]), *there]
        return [
            (z3.And(seen, *(z3.Not(later) for later, _ in values[number + 1 :])), value)
            for number, (seen, value) in enumerate(values)
        ]

    def begins_with(self, data: Sequence[z3.BitVecRef]) -> z3.BoolRef:
        """Whether the bytes fetched begin with these."""
        return z3.And(
            *(self.is_fetched(byte, value) for byte, value in enumerate(data, start=self.offset))
        )

    def is_fetched(self, byte: int, value: z3.BitVecRef, fetch: Fetch | None = None) -> z3.BoolRef:
        """Whether a byte was fetched with this value."""
        return _holds(self.fetched(byte, fetch), value)

    def known(self) -> list[Sequence[z3.BitVecRef]]:
        """What a CPU may execute: old, new, and what the site may be in between."""
        if self.site.is_region:
            return [constants(data) for data in self._region.known(self.offset)]
        between = [constants(form.data) for form in self.site.between]
        return [self.bytes.old, self.bytes.new, *between]

    def _executes(self, fetch: Fetch, at: int, data: bytes) -> z3.BoolRef:
        """Whether a fetch is of this known instruction: the first one that the bytes begin with."""
        begins = {
            known: z3.And(
                *(
                    self.is_fetched(at + i, z3.BitVecVal(value, 8), fetch)
                    for i, value in enumerate(known)
                )
            )
            for known in self._region.known(at)
        }
        earlier = list(begins)[: list(begins).index(data)]
        return z3.And(begins[data], *(z3.Not(begins[known]) for known in earlier))

    def is_trap(self) -> z3.BoolRef:
        """Whether the CPU traps."""
        return self.begins_with(constants(self.trap)) if self.trap else z3.BoolVal(False)

    def is_torn(self) -> z3.BoolRef:
        """Whether the bytes fetched are neither an instruction that is known, nor a trap."""
        return z3.Not(z3.Or(self.is_trap(), *(self.begins_with(data) for data in self.known())))

    def is_unpermitted(self) -> z3.BoolRef:
        """Whether a byte that is executed changed since the CPU last synchronised, not by a trap.

        That is asked of fetch model strict.
        """
        return z3.Or(
            *(
                z3.And(
                    z3.Or(z3.BoolVal(store.byte < len(self.trap)), z3.Not(self.is_trap())),
                    *(
                        z3.Not(self._executes(self.fetches[-1], self.offset, data))
                        for data in self._region.known(self.offset)
                        if self.offset + len(data) <= store.byte
                    ),
                    self._changes(store),
                    store.time <= self.end,
                    *(z3.Implies(m.happens, m.sees < store.time) for m in self.moments),
                    z3.Not(self._by_trap(store)),
                )
                for store in self.stores
                if store.byte in self.read and not self._permitted(store)
            )
        )

    def _around(
        self, store: ByteStore, byte: int
    ) -> tuple[list[tuple[z3.BoolRef, z3.BitVecRef]], ...]:
        """What a byte was before a store, and after it."""
        before = self._at(byte, lambda other: other.time < store.time)
        after = self._at(byte, lambda other: other.time <= store.time)
        return before, after

    def _changes(self, store: ByteStore) -> z3.BoolRef:
        before, _ = self._around(store, store.byte)
        return z3.And(self.has[store.event.unit], z3.Not(_holds(before, store.value)))

    def _by_trap(self, store: ByteStore) -> z3.BoolRef:
        """Whether a store sets a trap or removes it, in one read of all of the trap."""
        size = len(self.trap)
        if not size or store.byte >= size or len(self.chunks[0]) < size:
            return z3.BoolVal(False)
        around = [self._around(store, byte) for byte in range(size)]
        return z3.Or(
            *(
                z3.And(
                    *(_holds(around[i][side], z3.BitVecVal(self.trap[i], 8)) for i in range(size))
                )
                for side in (0, 1)
            )
        )

    def _permitted(self, store: ByteStore) -> bool:
        """Whether the architecture lets an instruction be replaced as this store does it."""
        if self.protocol.isa != "arm64":
            return False
        chunk = next(chunk for chunk in self.chunks if store.byte in chunk)
        contents = bytearray(self.site.old)
        for event, step in self._steps(Write):
            assert isinstance(step, Write)
            touched = [byte for byte in chunk if step.at <= byte < step.at + len(step.data)]
            at_once = step.order == "single" or len(step.data) == 1
            if touched and not (at_once and (not self._weak or touched == [*chunk])):
                raise NotCoveredError(f"step {step.label!r} changes an instruction in pieces")
            before = bytes(contents[chunk[0] : chunk[-1] + 1])
            contents[step.at : step.at + len(step.data)] = step.data
            if event is store.event:
                after = bytes(contents[chunk[0] : chunk[-1] + 1])
                return all(modifiable(self.protocol.isa, data) for data in (before, after))
        raise AssertionError(store)


def _holds(values: list[tuple[z3.BoolRef, z3.BitVecRef]], wanted: z3.BitVecRef) -> z3.BoolRef:
    """Whether the value that is true is the one wanted."""
    return z3.Or(*(z3.And(seen, value == wanted) for seen, value in values))


def _overlap(one: ByteStore, other: ByteStore) -> bool:
    """Whether two stores go to the same place, and so reach memory in order."""
    spans = []
    for store in (one, other):
        step = store.event.step
        assert isinstance(step, Write)
        whole = range(step.at, step.at + len(step.data))
        spans.append(whole if step.order == "single" else range(store.byte, store.byte + 1))
    return bool(set(spans[0]) & set(spans[1]))


def _fetch(number: int, begin: int, end: int, chunks: list[range]) -> Fetch:
    """A fetch of bytes `begin` to `end`."""
    cut = [range(max(chunk.start, begin), min(chunk.stop, end)) for chunk in chunks]
    return Fetch(
        {byte: z3.Int(f"read {number} {byte}") for byte in range(begin, end)},
        [chunk for chunk in cut if chunk],
        z3.Int(f"end {number}"),
    )


def _chunks(protocol: Protocol, configuration: Configuration, site: Site) -> list[range]:
    """The bytes of the site that are fetched in one atomic read, in ascending order."""
    first = protocol.sites[0].address
    offset = first % LINE if configuration.offset is None else configuration.offset
    begin = offset + site.address - first
    lines = [(begin + byte) // configuration.chunk for byte in range(len(site))]
    return [
        range(lines.index(line), lines.index(line) + lines.count(line))
        for line in dict.fromkeys(lines)
    ]
