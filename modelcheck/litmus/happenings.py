"""What an event of a thread's window does to memory and to the window.

Knows windows, memory and code.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from modelcheck.litmus.code import AccessPart, Code, Reading, WordCode
from modelcheck.litmus.instruction import (
    Acknowledge,
    Address,
    AwaitSignals,
    Barrier,
    Datum,
    LitmusInstruction,
    LoadMemory,
    Maintain,
    Signal,
    StoreMemory,
)
from modelcheck.litmus.memory import (
    QUIET,
    SENT,
    TAKEN,
    PlaceHistory,
    Places,
    SharedMemory,
    StoredVersion,
    merged,
)
from modelcheck.litmus.order import EventKind, MemoryOrder
from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.rows import RowTable
from modelcheck.litmus.vector import Vector, join, only
from modelcheck.litmus.window import (
    Done,
    HasRead,
    Look,
    Partly,
    ReadyEvent,
    ThreadWindow,
    WindowEntry,
)


class UnforeseenError(Exception):
    """A place is stored to, or a value to a code word, that was not foreseen: begin again."""

    def __init__(self, place: Address, value: Datum) -> None:
        super().__init__(place, value)
        self.place = place
        self.value = value


class Happened(NamedTuple):
    """What an event leaves, and what it was, for a reader."""

    shared: SharedMemory
    window: ThreadWindow
    does: tuple[Any, ...]


class Happenings:
    """The events of a test under an order.

    `stores` are the places that may be stored to with the values that may be stored there.
    """

    def __init__(
        self,
        test: LitmusTest,
        order: MemoryOrder,
        rows: RowTable,
        code: Code,
        stores: frozenset[tuple[Address, Datum]],
    ) -> None:
        self.test = test
        self.order = order
        self.rows = rows
        self.code = code
        self.stores = stores
        places = sorted({place for place, _ in stores})
        words = tuple(place for place in places if place.base in test.ends)
        self.layout = Places(tuple(places), words)

    def initial(self, place: Address) -> Datum:
        """What a place has at the beginning."""
        if place.base in self.test.ends:
            return self.code.initial(place)
        return self.test.initial(place)

    def happen(
        self, number: int, shared: SharedMemory, window: ThreadWindow, look: Look, event: ReadyEvent
    ) -> Iterator[Happened]:
        """All ways in which an event of a thread may happen now."""
        if event.effect < 0:
            yield from self._fetch_late(shared, window, event)
            return
        if self._came_too_late(look, event):
            return
        match window[event.entry].instruction.effects[event.effect]:
            case LoadMemory() as load:
                yield from self._read(number, shared, window, look, event, load)
            case StoreMemory():
                yield from self._write(number, shared, window, look, event)
            case Maintain() as maintain:
                yield self._maintain(shared, window, event, maintain)
            case Signal():
                signals = tuple(
                    signal if other == number else SENT
                    for other, signal in enumerate(shared.signals)
                )
                yield self._signalled(shared, window, event, signals, "sends the IPI")
            case AwaitSignals():
                others = [s for other, s in enumerate(shared.signals) if other != number]
                if all(signal == TAKEN for signal in others):
                    signals = (QUIET,) * len(shared.signals)
                    yield self._signalled(shared, window, event, signals, "all have taken it")
            case Acknowledge():
                signals = with_signal(shared.signals, number, TAKEN)
                yield self._signalled(shared, window, event, signals, "has taken the IPI")
            case effect:
                raise AssertionError(effect)

    def _signalled(
        self,
        shared: SharedMemory,
        window: ThreadWindow,
        event: ReadyEvent,
        signals: tuple[int, ...],
        what: str,
    ) -> Happened:
        after = shared._replace(signals=signals)
        state = Done(self.mark(after))
        return Happened(after, become(window, event.entry, event.effect, state), ("signal", what))

    def _came_too_late(self, look: Look, event: ReadyEvent) -> bool:
        """Whether a later event has happened that had to wait for this one, at its place.

        It could not know, since the place of this one was not known.
        """
        here = event.entry, event.effect
        kinds = next(access.kinds for access in look.accesses if access[:2] == here)
        return any(
            first & kinds and later.kinds & then
            for later in look.accesses
            if later.done and later.place == event.place and later[:2] > here
            for first, then, through in self.rows.same_place
            if not through
        )

    def _history(self, place: Address) -> int | None:
        return self.layout.index.get(place.physical())

    def _read(
        self,
        number: int,
        shared: SharedMemory,
        window: ThreadWindow,
        look: Look,
        event: ReadyEvent,
        load: LoadMemory,
    ) -> Iterator[Happened]:
        place, part = event.place, event.part
        assert place is not None
        assert part is not None
        index = self._history(place)
        history: PlaceHistory = (
            (StoredVersion(self.initial(place.physical()), -1),)
            if index is None
            else shared.memory[index]
        )
        if self.rows.reads_hazard and self._missed(number, history, window, look, event):
            return
        mark = self.mark(shared)
        if event.source is not None:
            assert event.value is not None
            state = HasRead(event.value, event.source, mark)
            does: tuple[Any, ...] = ("read", place, event.value, "its own store")
        else:
            value = history[-1].value
            if place.physical().base in self.test.ends:
                value = self.code.loaded(value, part)
            state = HasRead(value, len(history) - 1, mark)
            does = ("read", place, value)
        shared = self._seal(shared, window, event)
        yield Happened(shared, become(window, event.entry, event.effect, state), does)

    def read_only(self, place: Address, part: AccessPart) -> Datum:
        """What a load of a part of a place that is never stored to reads."""
        content = self.initial(place)
        return self.code.loaded(content, part) if place.base in self.test.ends else content

    def _missed(
        self,
        number: int,
        history: PlaceHistory,
        window: ThreadWindow,
        look: Look,
        event: ReadyEvent,
    ) -> bool:
        """Whether a later load of the place has read what another thread has overwritten."""
        for later in look.accesses:
            if later[:2] > (event.entry, event.effect) and later.place == event.place:
                state = window[later.entry].states[later.effect]
                if isinstance(state, HasRead) and isinstance(state.version, int):
                    newer = history[state.version + 1 :]
                    if any(version.writer != number for version in newer):
                        return True
        return False

    def _write(
        self,
        number: int,
        shared: SharedMemory,
        window: ThreadWindow,
        look: Look,
        event: ReadyEvent,
    ) -> Iterator[Happened]:
        assert event.place is not None
        assert event.part is not None
        assert event.value is not None
        place = event.place.physical()
        index = self.layout.index.get(place)
        old = self.initial(place) if index is None else shared.memory[index][-1].value
        in_code = place.base in self.test.ends
        if in_code:
            value = self.code.stored(old, event.part, event.value)
        else:
            value = merged(old, event.value, event.part.length)
        if index is None or not self._foreseen(place, value):
            raise UnforeseenError(place, value)
        then = self._told_later(window, look, event, len(shared.memory[index]))
        if then is None:
            return
        sealed = self._seal(shared, window, event)
        after = self.layout.stored(sealed, place, StoredVersion(value, number))
        if in_code and self.rows.carried:
            carry = self._carry(after, place)
            after = self.layout.stored(sealed, place, StoredVersion(value, number, carry))
        here = event.entry, event.effect
        before = window[event.entry].states[event.effect]
        mark = self.mark(after)
        state: Any = Done(mark)
        if event.parts > 1:
            done = (before.parts if before is not None else frozenset()) | {event.number}
            mark = join(mark, before.mark if before is not None else ())
            state = Done(mark) if len(done) == event.parts else Partly(done, mark)
        does: tuple[Any, ...] = ("write", place, value)
        if self.code.tears and in_code:
            part = event.part
            data = event.value >> 8 * part.at if isinstance(event.value, int) else 0
            does = ("bytes", place.plus(part.start), data, part.length)
        yield Happened(after, become(then, *here, state), does)

    def _carry(self, after: SharedMemory, place: Address) -> Vector:
        """What a fetch that comes after the fetch of what was just stored may read."""
        if self.order.drops:
            return after.sealed
        newest = self.layout.newest(after.memory)
        if self.rows.by_place:
            number = self.layout.words[place]
            return only(len(newest), number, newest[number])
        return newest

    def _told_later(
        self, window: ThreadWindow, look: Look, event: ReadyEvent, version: int
    ) -> ThreadWindow | None:
        """The window after a store, whose value later loads may have; None if they missed it."""
        here = event.entry, event.effect
        for later in look.accesses:
            if later[:2] <= here or later.place != event.place or not later.done:
                continue
            state = window[later.entry].states[later.effect]
            if not isinstance(state, HasRead) or state.version is None:
                continue
            if isinstance(state.version, int) or state.version < here:
                # It has read what was there before this store.
                return None
            if state.version == here:
                told = state._replace(version=version)
                window = become(window, later.entry, later.effect, told)
        return window

    def _maintain(
        self, shared: SharedMemory, window: ThreadWindow, event: ReadyEvent, maintain: Maintain
    ) -> Happened:
        place = event.place
        after = self._seal(shared, window, event)
        left: Vector = ()
        cleaning = bool(maintain.kinds & EventKind.CLEAN)
        if self.order.drops and (place is None or place in self.layout.words):
            if not cleaning:
                after, left = self.layout.invalidated(after, place, cleans=self.order.cleans)
            elif self.order.cleans and place is not None:
                after = self.layout.cleaned(after, place)
        state = Done(self.mark(after), left if self.rows.completes else ())
        does = ("clean" if cleaning else "invalidate", place)
        return Happened(after, become(window, event.entry, event.effect, state), does)

    def mark(self, shared: SharedMemory) -> Vector:
        """What a fetch that comes after now may read at the oldest."""
        mark = shared.dropped if self.order.drops else self.layout.newest(shared.memory)
        return mark if any(mark) else ()

    def _seal(self, shared: SharedMemory, window: ThreadWindow, event: ReadyEvent) -> SharedMemory:
        """After an event that completed invalidations are ordered before."""
        if not self.rows.completes:
            return shared
        left: Vector = ()
        ordered: Vector = ()
        for entry in window[: event.entry]:
            for effect, state in zip(entry.instruction.effects, entry.states, strict=True):
                if isinstance(state, Done) and state.dropped:
                    left = join(left, state.dropped)
                elif isinstance(effect, Barrier) and effect.name in self.rows.completes:
                    ordered = left
        return shared._replace(sealed=join(shared.sealed, ordered)) if ordered else shared

    # Fetches.

    def fetches(
        self, shared: SharedMemory, window: ThreadWindow, look: Look, at: Address
    ) -> Iterator[tuple[WindowEntry, tuple[Any, ...]]]:
        """All ways to fetch the next instruction, which may be stored to."""

        def read(place: Address, carry: Vector) -> Iterator[Reading]:
            index = self.layout.index.get(place)
            if index is None:
                yield Reading(self.code.initial(place), (), True)
                return
            floor = join(look.floor, carry) if self.rows.fetches_ordered else look.floor
            number = self.layout.words[place]
            oldest = floor[number] if floor else 0
            for access in look.before:
                if access.place == place:
                    if not access.done:
                        return
                    oldest = max(oldest, access.mark[number] if access.mark else 0)
            had: set[Datum] = set()
            history = shared.memory[index]
            for age, version in enumerate(history[oldest:], start=oldest):
                if version.value not in had:
                    had.add(version.value)
                    yield Reading(version.value, version.carry, age == len(history) - 1)

        seen: set[LitmusInstruction] = set()
        for instruction, content, carry, newest in self.code.fetches(at, read):
            seen.add(instruction)
            yield entry_of(at, instruction, carry=carry), ("fetch", at, content, newest)
        if self.rows.late and isinstance(self.code, WordCode):
            for value in self._may_hold[at]:
                instruction = self.code.decoded(value)
                if instruction not in seen:
                    yield entry_of(at, instruction, fetched=False), ("guess", at, value)

    def _fetch_late(
        self, shared: SharedMemory, window: ThreadWindow, event: ReadyEvent
    ) -> Iterator[Happened]:
        """The fetch of an instruction that was guessed."""
        assert isinstance(self.code, WordCode)
        entry = window[event.entry]
        history = shared.memory[self.layout.index[entry.at]]
        bound = shared.dropped if self.order.drops else self.layout.newest(shared.memory)
        for version in history[bound[self.layout.words[entry.at]] :]:
            if self.code.decoded(version.value) is entry.instruction:
                done = entry._replace(fetched=True, carry=version.carry)
                then = (*window[: event.entry], done, *window[event.entry + 1 :])
                yield Happened(shared, then, ("fetch", entry.at, version.value, True))
                return

    def _foreseen(self, place: Address, value: Datum) -> bool:
        late = self.rows.late and isinstance(self.code, WordCode) and place in self.layout.words
        return not late or value in self._may_hold[place]

    @cached_property
    def _may_hold(self) -> dict[Address, tuple[Datum, ...]]:
        found: dict[Address, dict[Datum, None]] = {}
        for place, value in sorted(self.stores, key=lambda store: (store[0], str(store[1]))):
            found.setdefault(place, {self.initial(place): None})[value] = None
        return {place: tuple(values) for place, values in found.items()}


def entry_of(
    at: Address, instruction: LitmusInstruction, *, fetched: bool = True, carry: Vector = ()
) -> WindowEntry:
    """An instruction that enters a window."""
    return WindowEntry(at, instruction, fetched, carry, (None,) * len(instruction.effects))


def with_signal(signals: tuple[int, ...], thread: int, state: int) -> tuple[int, ...]:
    """The signals with that of one thread replaced."""
    return (*signals[:thread], state, *signals[thread + 1 :])


def become(window: ThreadWindow, entry: int, effect: int, state: Any) -> ThreadWindow:
    """A window with the state of one effect replaced."""
    return (*window[:entry], window[entry].become(effect, state), *window[entry + 1 :])
