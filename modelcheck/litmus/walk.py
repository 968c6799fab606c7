"""What a thread's window says: registers, what may happen, what comes next.

One pass from the oldest instruction to the newest, which knows rows and no architecture.
"""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from modelcheck.litmus.arithmetic import mask
from modelcheck.litmus.code import AccessPart, Code
from modelcheck.litmus.evaluate import UNKNOWN, evaluate, mask_of
from modelcheck.litmus.instruction import (
    Acknowledge,
    Address,
    Arrive,
    AwaitSignals,
    Barrier,
    Datum,
    Expression,
    Fault,
    Jump,
    LoadMemory,
    Maintain,
    Pick,
    SetRegister,
    Signal,
    StoreMemory,
    Synchronise,
    UndefinedValueError,
)
from modelcheck.litmus.rows import ADDRESS, BRANCH, FETCH, SYNC, RowTable
from modelcheck.litmus.vector import Vector, join
from modelcheck.litmus.window import (
    Access,
    Complaint,
    Done,
    Known,
    Look,
    ReadyEvent,
    ThreadWindow,
    Waiting,
    WindowEntry,
)


class Reader:
    """Looks at the windows of one thread."""

    def __init__(
        self,
        rows: RowTable,
        start: Address,
        registers: Mapping[str, Datum],
        ends: Mapping[str, int],
        code: Code,
        handler: Address | None,
    ) -> None:
        self.rows = rows
        self.start = start
        self.registers = {name: Known(value) for name, value in registers.items()}
        self.ends = ends
        self.code = code
        self.handler = handler
        self._looks: dict[ThreadWindow, Look] = {}

    def look(self, window: ThreadWindow) -> Look:
        """What a window says."""
        found = self._looks.get(window)
        if found is None:
            found = self._looks[window] = _Walk(self, window).look()
        return found


class _Walk:
    """One pass over a window, from the oldest instruction to the newest."""

    def __init__(self, reader: Reader, window: ThreadWindow) -> None:
        self.reader = reader
        self.rows = reader.rows
        self.window = window
        self.registers = dict(reader.registers)
        self.pending = 0
        """Kinds of events that have not happened."""
        self.held = 0
        """Kinds that a barrier holds back."""
        self.marks: dict[int, Vector] = {}
        """For each kind, what a fetch may read that comes after all those that have happened."""
        self.floors: dict[int, Vector] = {SYNC: (), FETCH: ()}
        """What may be read after those that a barrier made such events wait for."""
        self.passed: dict[str, int] = {}
        """For each barrier, the accesses before the last of its name."""
        self.events: list[ReadyEvent] = []
        self.accesses: list[Access] = []
        self.stores: list[Waiting] = []
        self.sources: dict[tuple[int, int], Known] = {}
        self.picks: list[tuple[int, int]] = []
        self.next: Address | None = reader.start
        self.guess: tuple[int, int] | None = None
        self.aim = False
        self.confirmed: list[tuple[int, int]] = []
        self.possible = True
        self.predicted = False
        """Whether a pick is predicted, so that all this may be in vain."""
        self.faults: list[tuple[str, Address]] = []
        self.complaint: Complaint | None = None
        self.ended = False

    def look(self) -> Look:
        for number, entry in enumerate(self.window):
            self._entry(number, entry)
        if self.next is not None and self.next.offset == self.reader.ends.get(self.next.base, -1):
            self.next, self.ended = None, True
        elif self.next is not None and not self.reader.code.holds(self.next):
            self._stray(self.next)
        waits = self.rows.waits_for(FETCH)
        return Look(
            self.registers,
            tuple(self.events),
            tuple(self.accesses),
            tuple(dict.fromkeys(self.picks)),
            self.next,
            self._before_fetch(),
            self.guess,
            self.aim,
            tuple(self.confirmed),
            self._floor(),
            bool(self.pending & waits or self.held & FETCH),
            self.possible,
            tuple(self.faults),
            self.ended,
            self.complaint,
        )

    def _stray(self, address: Address) -> None:
        """Control has gone to where no code is: a torn jump does so, and no other should."""
        at = self.window[-1].at
        self.next = None
        if self.reader.code.tears:
            self.faults.append(("no code", at))
            self.ended = True
        else:
            where = f"{address.base}+{address.offset}"
            self._complain(at, f"it goes to {where}, where no code is")

    def _complain(self, at: Address, why: str) -> None:
        """Note what is wrong, unless it may be on a way that is never gone."""
        doubtful = self.predicted or self.pending & (BRANCH | ADDRESS | FETCH)
        if self.complaint is None and not doubtful:
            self.complaint = Complaint(at, why)

    def _entry(self, number: int, entry: WindowEntry) -> None:
        if not entry.fetched:
            if not (self.pending & self.rows.waits_for(FETCH) or self.held & FETCH):
                self.events.append(ReadyEvent(number, -1, entry.at))
            self.pending |= FETCH
        elif entry.carry:
            self._mark(FETCH, entry.carry)
        self.next = entry.at.plus(entry.instruction.size)
        for at, effect in enumerate(entry.instruction.effects):
            try:
                self._effect(number, at, entry, effect)
            except UndefinedValueError as error:
                self._complain(entry.at, str(error))
                self.next = None

    def _effect(self, number: int, at: int, entry: WindowEntry, effect: Any) -> None:
        match effect:
            case SetRegister(target, value):
                self.registers[target] = evaluate(value, self.registers, entry.at)
            case LoadMemory():
                self._load(number, at, entry, effect)
            case StoreMemory():
                self._store(number, at, entry, effect)
            case Barrier(name):
                self._barrier(name)
            case Jump():
                self._jump(number, at, entry, effect)
            case Synchronise():
                self._synchronise()
            case Maintain():
                self._maintain(number, at, entry, effect)
            case Pick():
                self._pick(number, at, entry, effect)
            case Signal(kinds) | AwaitSignals(kinds) | Arrive(kinds) | Acknowledge(kinds):
                self._plain(number, at, entry, kinds)
            case Fault(kind, returns, register):
                self.faults.append((kind, entry.at))
                self.registers[register] = Known(entry.at.plus(returns))
                self.next = self.reader.handler
                self.ended = self.next is None
            case _:
                assert_never(effect)

    def _mark(self, kind: int, mark: Vector) -> None:
        self.marks[kind] = join(self.marks.get(kind, ()), mark)

    def _joined(self, kinds: int) -> Vector:
        found: Vector = ()
        for kind, mark in self.marks.items():
            if kind & kinds:
                found = join(found, mark)
        return found

    def _floor(self) -> Vector:
        floor = join(self.floors[FETCH], self._joined(self.rows.waits_for(FETCH)))
        return join(floor, self.marks.get(FETCH, ())) if self.rows.fetches_ordered else floor

    def _waits(self, kinds: int, place: Address | None) -> bool:
        """Whether an event of some kinds has to wait, where everything may need `place` None."""
        if self.held & kinds or self.pending & self.rows.waits_for(kinds):
            return True
        return any(not access.done and place == access.place for access in self._before(kinds))

    def _before(self, kinds: int) -> Iterator[Access]:
        """The accesses that an event of some kinds, if of their place, has to come after."""
        for first, then, through in self.rows.same_place:
            if then & kinds:
                since = len(self.accesses)
                if through:
                    since = max(self.passed.get(barrier, 0) for barrier in through)
                for access in self.accesses[:since]:
                    if access.kinds & first:
                        yield access

    def _before_fetch(self) -> tuple[Access, ...]:
        return tuple(self._before(FETCH))

    def _address(self, entry: WindowEntry, expression: Expression) -> Known:
        address = evaluate(expression, self.registers, entry.at)
        if address.value is not None and not isinstance(address.value, Address):
            raise UndefinedValueError("it accesses what is no address")
        return address

    def _note_address(self, address: Known) -> None:
        """Later events may wait for the address of an access."""
        if address.value is None or not address.certain:
            self.pending |= ADDRESS
        elif address.since:
            self._mark(ADDRESS, address.since)

    def _parts(self, address: Known, size: int, unit: int) -> tuple[AccessPart, ...]:
        """The parts of an access; one without a place while that is not known."""
        if isinstance(address.value, Address):
            return self.reader.code.parts(address.value, size, unit)
        return (AccessPart(None, 0, size, 0),)

    def _load(self, number: int, at: int, entry: WindowEntry, load: LoadMemory) -> None:
        state = entry.states[at]
        address = self._address(entry, load.address)
        part, *more = self._parts(address, load.size, load.size)
        if more:
            raise UndefinedValueError("a load of code lies in one chunk")
        if state is None:
            self._offer_load(number, at, entry, load, address, part)
            self.pending |= load.kinds
            if load.target:
                self.registers[load.target] = UNKNOWN
            mark: Vector = ()
        else:
            certain, mark = address.certain, state.mark
            since = join(mark, address.since)
            if isinstance(state.version, tuple):
                source = self.sources[state.version]
                certain, since = certain and source.certain, join(since, source.since)
            if load.target:
                value = mask_of(state.value, load)
                self.registers[load.target] = Known(value, certain, since)
            if mark:
                self._mark(load.kinds, mark)
        self.accesses.append(Access(number, at, load.kinds, part.place, state is not None, mark))
        self._note_address(address)

    def _offer_load(
        self,
        number: int,
        at: int,
        entry: WindowEntry,
        load: LoadMemory,
        address: Known,
        part: AccessPart,
    ) -> None:
        place = part.place
        if place is None:
            if address.pick is not None:
                self.picks.append(address.pick)
            return
        if not entry.fetched or self._waits(load.kinds, place):
            return
        for store in reversed(self.stores):
            if store.place is not None and store.place.physical() == place.physical():
                value = store.known.value
                if store.place != place or store.split or value is None or store.size < load.size:
                    return
                source = (store.entry, store.effect)
                self.events.append(ReadyEvent(number, at, place, value, source, part))
                return
        self.events.append(ReadyEvent(number, at, place, part=part))

    def _store(self, number: int, at: int, entry: WindowEntry, store: StoreMemory) -> None:
        state = entry.states[at]
        address = self._address(entry, store.address)
        data = evaluate(store.value, self.registers, entry.at)
        parts = self._parts(address, store.size, store.unit)
        if isinstance(state, Done):
            if state.mark:
                self._mark(store.kinds, state.mark)
            for part in parts:
                access = Access(number, at, store.kinds, part.place, True, state.mark)
                self.accesses.append(access)
            self._note_address(address)
            return
        certain = address.certain and data.certain
        ready = entry.fetched and data.value is not None and certain
        done = state.parts if state is not None else frozenset()
        source = Known(data.value, certain, join(data.since, address.since))
        self.sources[number, at] = source
        whole = len(parts) == 1
        accesses = []
        for index, part in enumerate(parts):
            if index in done:
                access = Access(number, at, store.kinds, part.place, True, state.mark)
                accesses.append(access)
                continue
            if ready and part.place is not None and not self._waits(store.kinds, part.place):
                value = mask(data.value, 8 * store.size)  # type: ignore[arg-type]
                event = ReadyEvent(number, at, part.place, value, None, part, index, len(parts))
                self.events.append(event)
            accesses.append(Access(number, at, store.kinds, part.place, False, ()))
            self.stores.append(Waiting(number, at, part.place, source, part.length, not whole))
        self.accesses += accesses
        self.pending |= store.kinds
        self._note_address(address)

    def _plain(self, number: int, at: int, entry: WindowEntry, kinds: int) -> None:
        """An event that has no place."""
        state = entry.states[at]
        if state is None:
            if entry.fetched and not self._waits(kinds, None):
                self.events.append(ReadyEvent(number, at, None))
            self.pending |= kinds
        elif state.mark:
            self._mark(kinds, state.mark)
        mark = state.mark if state is not None else ()
        self.accesses.append(Access(number, at, kinds, None, state is not None, mark))

    def _maintain(self, number: int, at: int, entry: WindowEntry, maintain: Maintain) -> None:
        state = entry.states[at]
        address = Known(None)
        if maintain.address is not None:
            address = evaluate(maintain.address, self.registers, entry.at)
        place: Any = address.value
        if isinstance(place, int):
            # A number is no place of the test: nothing is cached there.
            place = Address("", place)
        known = maintain.address is None or place is not None
        if state is None:
            if (
                entry.fetched
                and known
                and address.certain
                and not self._waits(maintain.kinds, place)
            ):
                self.events.append(ReadyEvent(number, at, place))
            self.pending |= maintain.kinds
        elif state.mark:
            self._mark(maintain.kinds, state.mark)
        mark = state.mark if state is not None else ()
        self.accesses.append(Access(number, at, maintain.kinds, place, state is not None, mark))

    def _barrier(self, name: str) -> None:
        for first, then in self.rows.through.get(name, ()):
            if self.pending & first:
                self.held |= then
            for kind in (SYNC, FETCH) if self.marks else ():
                if then & kind:
                    self.floors[kind] = join(self.floors[kind], self._joined(first))
        self.passed[name] = len(self.accesses)

    def _synchronise(self) -> None:
        waits = self.rows.waits_for(SYNC)
        if self.held & SYNC or self.pending & waits:
            self.pending |= SYNC
        floor = join(self.floors[SYNC], self._joined(waits))
        if floor:
            self._mark(SYNC, floor)

    def _pick(self, number: int, at: int, entry: WindowEntry, pick: Pick) -> None:
        condition = evaluate(pick.condition, self.registers, entry.at)
        guessed = entry.states[at]
        if condition.value is not None:
            taken = bool(condition.value)
            self._check_guess(number, at, guessed, taken)
        elif guessed is None:
            self.registers[pick.target] = Known(None, False, (), condition.pick or (number, at))
            return
        else:
            taken, self.predicted = guessed, True
        chosen = evaluate(pick.then if taken else pick.otherwise, self.registers, entry.at)
        sure = condition.value is not None and condition.certain
        since = join(condition.since, chosen.since)
        self.registers[pick.target] = Known(
            chosen.value, sure and chosen.certain, since, chosen.pick
        )

    def _jump(self, number: int, at: int, entry: WindowEntry, jump: Jump) -> None:
        target = evaluate(jump.target, self.registers, entry.at)
        guessed = entry.states[at]
        if jump.condition is None:
            certain, since = target.certain, target.since
            if target.value is not None:
                self._check_guess(number, at, guessed, target.value)
                self._go(entry, target.value)
            elif guessed is not None:
                self.next = guessed
            else:
                self.guess, self.aim, self.next = (number, at), True, None
        else:
            condition = evaluate(jump.condition, self.registers, entry.at)
            certain, since = condition.certain, condition.since
            taken = guessed
            if condition.value is not None:
                taken = bool(condition.value)
                self._check_guess(number, at, guessed, taken)
            if taken is None and target.value != self.next:
                self.guess, self.next = (number, at), None
            elif taken:
                assert target.value is not None
                self._go(entry, target.value)
        if not certain:
            self.pending |= BRANCH
        elif since:
            self._mark(BRANCH, since)

    def _check_guess(self, number: int, at: int, guessed: Any, found: Any) -> None:
        if guessed is not None:
            self.possible = self.possible and guessed == found
            self.confirmed.append((number, at))

    def _go(self, entry: WindowEntry, target: Datum) -> None:
        self._barrier("jump")
        if isinstance(target, Address):
            self.next = target
        else:
            self.next = None
            self._complain(entry.at, "it goes to what is no address")
