"""The litmus machine: the model of a test under an order, which any explorer can run.

Each thread is a role of one actor. Its local value is its window; the shared value is memory. A
step is one event that takes effect, and all that follows from it without a choice. When a thread
ends, it tells its outcome in the shared value, so that the last step of a run has the final state.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from modelcheck.litmus.disassembly import instruction_of
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import (
    Address,
    Barrier,
    Effect,
    Fault,
    Instruction,
    Load,
    Maintain,
    Pick,
    Store,
    Synchronise,
    Value,
)
from modelcheck.litmus.memory import History, Layout, Shared, Version, merged
from modelcheck.litmus.order import Kind, Order
from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.window import (
    Done,
    Entry,
    Event,
    Look,
    Reader,
    Rows,
    Seen,
    Vector,
    Window,
    join,
)

OUTCOME = "outcome"
"""The property that a run violates if it ends in what the test asks for."""

ROUNDS = 4
"""How often a thread may come to one instruction; loops are followed no further."""

UNDEFINED = Instruction("an undefined word", (Synchronise(), Fault("undefined instruction", 0)))


class UnforeseenError(Exception):
    """A place is stored to, or a value to a code word, that was not foreseen: begin again."""

    def __init__(self, place: Address, value: Value) -> None:
        super().__init__(place, value)
        self.place = place
        self.value = value


@dataclass(frozen=True)
class Foreseen:
    """The places that may be stored to, each with the values that may be stored there."""

    stores: frozenset[tuple[Address, Value]] = frozenset()

    def also(self, place: Address, value: Value) -> "Foreseen":
        """And this one."""
        return Foreseen(self.stores | {(place, value)})


class Role(NamedTuple):
    """A thread as a role of the model."""

    number: int
    name: str
    count: int = 1
    replicated: bool = False


class Local(NamedTuple):
    """A thread: its window, or that it has ended."""

    window: Window = ()
    ended: bool = False


class Outcome(NamedTuple):
    """What is told of a thread that has ended: its registers that are asked for, its faults."""

    registers: tuple[tuple[str, Value], ...]
    faults: tuple[Address, ...]


class Final(NamedTuple):
    """A final state: the value of each location that is asked for, in their order, and where each
    thread has faulted."""

    values: tuple[Value, ...]
    faults: tuple[tuple[Address, ...], ...]


class Move(NamedTuple):
    """A step: the event, and what it leaves."""

    shared: Shared
    local: Local
    at: Address
    instruction: Instruction
    does: tuple[Any, ...]
    broadcast: None = None
    guard: None = None
    violations: tuple[str, ...] = ()
    interrupt: bool = False


class Litmus:
    """The model of a test. Its answers depend on the arguments alone.

    `wanted` says of a final state whether it is what a run is searched for.
    """

    properties = (OUTCOME,)

    def __init__(
        self,
        test: LitmusTest,
        order: Order,
        foreseen: Foreseen = Foreseen(),
        wanted: Callable[[Final], bool] | None = None,
    ) -> None:
        self.test = test
        self.order = order
        self.wanted = wanted
        self.cut = False
        """Whether a loop was not followed to its end."""
        self.rows = Rows(order)
        self.stores = frozenset(foreseen.stores)
        places = sorted({place for place, _ in self.stores})
        self.layout = Layout(
            tuple(places), tuple(place for place in places if place.base in test.ends)
        )
        self.roles = tuple(
            Role(number, thread.name) for number, thread in enumerate(test.threads)
        )
        self._readers = tuple(
            Reader(
                self.rows,
                Address(thread.name),
                thread.registers,
                test.ends,
                Address(f"{thread.name}.F") if f"{thread.name}.F" in test.ends else None,
            )
            for thread in test.threads
        )
        self._observed = tuple(
            tuple(
                test.canonical(location)
                for location in test.observed
                if location.thread == role.number
            )
            for role in self.roles
        )
        self._ways: dict[tuple[int, Window], tuple[Window, ...]] = {}
        self._settled: dict[tuple[int, Window], Window | None] = {}

    def final(self, shared: Shared) -> Final:
        """The final state that a shared value has, in which all threads have ended."""
        values = []
        for location in self.test.observed:
            name = self.test.canonical(location)
            if location.thread is not None:
                values.append(dict(shared.outcomes[location.thread].registers)[name])
                continue
            index = self.layout.index.get(Address(name))
            known = index is not None
            values.append(
                shared.memory[index][-1].value if known else self.test.initial(Address(name))
            )
        return Final(tuple(values), tuple(outcome.faults for outcome in shared.outcomes))

    # The interface of models.

    def initial(self) -> tuple[Shared, tuple[Local, ...]]:
        """All places as the test has them, and empty windows."""
        zero = (0,) * len(self.layout.words)
        memory = tuple((Version(self.test.initial(place), -1),) for place in self.layout.index)
        shared = Shared(memory, zero, zero, zero, (None,) * len(self.roles))
        locals_ = []
        for role in self.roles:
            window = self._settle(role.number, ())
            assert window is not None
            shared, local = self._finish(role.number, shared, window)
            locals_.append(local)
        return shared, tuple(locals_)

    def moves(self, role: Role, shared: Shared, local: Local) -> Iterator[Move]:
        """All events of a thread that may happen now, each with all ways in which it may."""
        if local.ended:
            return
        reader = self._readers[role.number]
        for window in self._guessed(role.number, local.window):
            look = reader.look(window)
            if look.complaint is not None:
                self._refuse(look)
            for event in look.events:
                for after, then, does in self._happen(role.number, shared, window, look, event):
                    yield from self._moves(role.number, after, then, window[event.entry], does)
            if look.next is not None and not look.held:
                yield from self._fetch(role.number, shared, window, look, look.next)
            for entry, effect in look.picks:
                for taken in (True, False):
                    then = _become(window, entry, effect, taken)
                    does = ("predict", taken)
                    yield from self._moves(role.number, shared, then, window[entry], does)

    def finished(self, role: Role, local: Local) -> bool:
        """Whether a thread has ended."""
        return local.ended

    def turn(self, role: Role, move: Move) -> tuple[str, bool]:
        """All that a thread does is its program."""
        return "program", False

    def paused(self, role: Role, local: Local) -> bool:
        """There are no interrupts."""
        return False

    def receive(self, broadcast: Any, local: Local) -> Local:
        """There are no broadcasts."""
        raise AssertionError(broadcast)

    def holds(self, guard: Any, local: Local) -> bool:
        """There are no guards."""
        raise AssertionError(guard)

    # What follows without a choice.

    def _settle(self, number: int, window: Window) -> Window | None:
        """The window after all that follows; None if it contradicts itself."""
        key = number, window
        if key not in self._settled:
            self._settled[key] = self._follow(number, window)
        return self._settled[key]

    def _follow(self, number: int, window: Window) -> Window | None:
        reader = self._readers[number]
        while True:
            look = reader.look(window)
            if not look.possible:
                return None
            grown = window
            if look.ended:
                # Before, its time would matter to fetches that come after it.
                for event in look.events:
                    if event.effect >= 0:
                        grown = self._at_once(grown, event)
            following = look.next
            if grown is window and following is not None and following not in self.layout.words:
                if self._too_often(window, following):
                    return None
                grown = (*window, _entry(following, self.test.code[following]))
            if grown is window:
                return self._stripped(window, look)
            window = grown

    def _at_once(self, window: Window, event: Event) -> Window:
        """An event that nobody else can see, or see anything of: it happens now."""
        effect = window[event.entry].instruction.effects[event.effect]
        place = event.place
        if isinstance(effect, Load) and place is not None and place not in self.layout.index:
            if event.source is None:
                value = self._read_only(place, effect)
                return _become(window, event.entry, event.effect, Seen(value, None, ()))
        elif isinstance(effect, Maintain) and not (
            self.order.drops and (place in self.layout.words or place is None)
        ):
            return _become(window, event.entry, event.effect, Done())
        return window

    def _too_often(self, window: Window, address: Address) -> bool:
        often = sum(entry.at == address for entry in window) >= ROUNDS
        self.cut = self.cut or often
        return often

    def _stripped(self, window: Window, look: Look) -> Window:
        """The window without what nobody will ask for any more."""
        gone = look.ended
        waiting: list[Address | None] = []
        changed = list(window)
        for access in look.accesses:
            if not access.done:
                waiting.append(access.place)
                continue
            entry = changed[access.entry]
            state = entry.states[access.effect]
            new = state
            if isinstance(state, Seen):
                asked = isinstance(state.version, tuple) or any(
                    place in (None, access.place) for place in waiting
                )
                new = Seen(
                    state.value, state.version if asked else None, () if gone else state.mark
                )
            elif gone and isinstance(state, Done):
                new = state._replace(mark=())
            if new != state:
                changed[access.entry] = entry.become(access.effect, new)
        for entry, effect in look.confirmed:
            changed[entry] = changed[entry].become(effect, None)
        if gone:
            changed = [entry._replace(carry=()) if entry.carry else entry for entry in changed]
        return tuple(changed)

    def _guessed(self, number: int, window: Window) -> tuple[Window, ...]:
        """The window with the branches that are not known, either way each."""
        key = number, window
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = tuple(self._guesses(number, window))
        return found

    def _guesses(self, number: int, window: Window) -> Iterator[Window]:
        look = self._readers[number].look(window)
        if look.guess is None or look.aim:
            yield window
        if look.guess is None:
            return
        for way in self._aims if look.aim else (False, True):
            then = self._settle(number, _become(window, *look.guess, way))
            if then is not None:
                yield from self._guesses(number, then)

    @cached_property
    def _aims(self) -> tuple[Address, ...]:
        """Where an indirect jump may be predicted to go: the code addresses that the test has.

        If it goes elsewhere, what follows it is fetched once that is known.
        """
        held = [value for thread in self.test.threads for value in thread.registers.values()]
        values = (*held, *self.test.variables.values())
        return tuple(
            sorted({v for v in values if isinstance(v, Address) and v.base in self.test.ends})
        )

    def _moves(
        self,
        number: int,
        shared: Shared,
        window: Window,
        entry: Entry,
        does: tuple[Any, ...],
    ) -> Iterator[Move]:
        settled = self._settle(number, window)
        if settled is None:
            return
        shared, local = self._finish(number, shared, settled)
        violations = ()
        if self.wanted is not None and None not in shared.outcomes:
            violations = (OUTCOME,) if self.wanted(self.final(shared)) else ()
        yield Move(shared, local, entry.at, entry.instruction, does, violations=violations)

    def _finish(self, number: int, shared: Shared, window: Window) -> tuple[Shared, Local]:
        """The thread's end, if it has come to it."""
        look = self._readers[number].look(window)
        if not look.ended or not all(access.done for access in look.accesses):
            return shared, Local(window)
        if not all(entry.fetched for entry in window):
            return shared, Local(window)
        registers = []
        for name in self._observed[number]:
            known = look.registers.get(name)
            value = 0 if known is None else known.value
            if value is None:
                return shared, Local(window)
            registers.append((name, value))
        faults = tuple(dict.fromkeys(at for _, at in look.faults))
        outcome = Outcome(tuple(registers), faults if self.test.watches_faults else ())
        outcomes = (*shared.outcomes[:number], outcome, *shared.outcomes[number + 1 :])
        return shared._replace(outcomes=outcomes), Local(ended=True)

    def _refuse(self, look: Look) -> None:
        assert look.complaint is not None
        at, why = look.complaint
        line = self.test.lines.get(at)
        raise LitmusError(f"{line.text if line else at}: {why}", line.spot if line else None)

    # Events.

    def _happen(
        self, number: int, shared: Shared, window: Window, look: Look, event: Event
    ) -> Iterator[tuple[Shared, Window, tuple[Any, ...]]]:
        if event.effect < 0:
            yield from self._fetch_late(shared, window, event)
            return
        if self._came_too_late(look, event):
            return
        match window[event.entry].instruction.effects[event.effect]:
            case Load() as load:
                yield from self._read(number, shared, window, look, event, load)
            case Store() as store:
                yield from self._write(number, shared, window, look, event, store)
            case Maintain() as maintain:
                yield self._maintain(shared, window, event, maintain)
            case effect:
                raise AssertionError(effect)

    def _came_too_late(self, look: Look, event: Event) -> bool:
        """Whether a later event has happened that had to wait for this one, at its place.

        It could not know, since the place of this one was not known.
        """
        kinds = next(a.kinds for a in look.accesses if a[:2] == (event.entry, event.effect))
        return any(
            first & kinds and later.kinds & then
            for later in look.accesses
            if later.done and later.place == event.place and later[:2] > (event.entry, event.effect)
            for first, then in self.rows.same_place
        )

    def _read(
        self,
        number: int,
        shared: Shared,
        window: Window,
        look: Look,
        event: Event,
        load: Load,
    ) -> Iterator[tuple[Shared, Window, tuple[Any, ...]]]:
        place = event.place
        assert place is not None
        mark = self._mark(shared)
        index = self.layout.index.get(place)
        if index is None:
            history: History = (Version(self._read_only(place, load), -1),)
        else:
            history = shared.memory[index]
        if self.rows.reads_hazard and self._missed(number, history, window, look, event):
            return
        if event.source is not None:
            assert event.value is not None
            state = Seen(event.value, event.source, mark)
            does = ("read", place, event.value, "its own store")
        else:
            self._check_size(place, load.size)
            state = Seen(history[-1].value, len(history) - 1, mark)
            does = ("read", place, history[-1].value)
        shared = self._seal(shared, window, event)
        yield shared, _become(window, event.entry, event.effect, state), does

    def _missed(
        self, number: int, history: History, window: Window, look: Look, event: Event
    ) -> bool:
        """Whether a later load of the place has read what another thread has overwritten."""
        for later in look.accesses:
            if later[:2] > (event.entry, event.effect) and later.place == event.place:
                state = window[later.entry].states[later.effect]
                if isinstance(state, Seen) and isinstance(state.version, int):
                    newer = history[state.version + 1 :]
                    if any(version.writer != number for version in newer):
                        return True
        return False

    def _write(
        self,
        number: int,
        shared: Shared,
        window: Window,
        look: Look,
        event: Event,
        store: Store,
    ) -> Iterator[tuple[Shared, Window, tuple[Any, ...]]]:
        place, value = event.place, event.value
        assert place is not None
        assert value is not None
        self._check_size(place, store.size)
        if place.base in self.test.ends:
            value = self._as_code(place, value)
        foreseen = place in self.layout.index
        if self.rows.late and place in self.layout.words:
            foreseen = value in self._may_hold[place]
        if not foreseen:
            raise UnforeseenError(place, value)
        here = event.entry, event.effect
        then = window
        for later in look.accesses:
            if later[:2] > here and later.place == place and later.done:
                state = window[later.entry].states[later.effect]
                if not isinstance(state, Seen) or state.version is None:
                    continue
                if isinstance(state.version, int) or state.version < here:
                    # It has read what was there before this store.
                    return
                if state.version == here:
                    version = len(shared.memory[self.layout.index[place]])
                    then = _become(then, *later[:2], state._replace(version=version))
        old = shared.memory[self.layout.index[place]][-1].value
        value = merged(old, value, store.size)
        sealed = self._seal(shared, window, event)
        after = self.layout.stored(sealed, place, Version(value, number))
        if place in self.layout.words and self.rows.carried:
            carry = after.sealed if self.order.drops else self.layout.newest(after.memory)
            after = self.layout.stored(sealed, place, Version(value, number, carry))
        state = Done(self._mark(after))
        yield after, _become(then, *here, state), ("write", place, value)

    def _maintain(
        self, shared: Shared, window: Window, event: Event, maintain: Maintain
    ) -> tuple[Shared, Window, tuple[Any, ...]]:
        place = event.place
        after = self._seal(shared, window, event)
        left: Vector = ()
        cleaning = bool(maintain.kinds & Kind.CLEAN)
        if self.order.drops and (place is None or place in self.layout.words):
            if not cleaning:
                after, left = self.layout.invalidated(after, place, cleans=self.order.cleans)
            elif self.order.cleans and place is not None:
                after = self.layout.cleaned(after, place)
        state = Done(self._mark(after), left if self.rows.completes else ())
        does = ("clean" if cleaning else "invalidate", place)
        return after, _become(window, event.entry, event.effect, state), does

    def _mark(self, shared: Shared) -> Vector:
        """What a fetch that comes after now may read at the oldest."""
        mark = shared.dropped if self.order.drops else self.layout.newest(shared.memory)
        return mark if any(mark) else ()

    def _seal(self, shared: Shared, window: Window, event: Event) -> Shared:
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

    def _fetch(
        self, number: int, shared: Shared, window: Window, look: Look, at: Address
    ) -> Iterator[Move]:
        """The fetch of the next instruction, which may be stored to."""
        if at not in self.layout.words or self._too_often(window, at):
            return
        history = shared.memory[self.layout.index[at]]
        oldest = look.floor[self.layout.words[at]] if look.floor else 0
        had: set[Value] = set()
        for age, version in enumerate(history[oldest:], start=oldest):
            if version.value in had:
                continue
            had.add(version.value)
            entry = _entry(at, self._decoded(version.value), carry=version.carry)
            does = ("fetch", at, version.value, age == len(history) - 1)
            yield from self._moves(number, shared, (*window, entry), entry, does)
        if not self.rows.late:
            return
        for value in self._may_hold[at]:
            if value not in had:
                entry = _entry(at, self._decoded(value), fetched=False)
                does = ("guess", at, value)
                yield from self._moves(number, shared, (*window, entry), entry, does)

    def _fetch_late(
        self, shared: Shared, window: Window, event: Event
    ) -> Iterator[tuple[Shared, Window, tuple[Any, ...]]]:
        """The fetch of an instruction that was guessed."""
        entry = window[event.entry]
        history = shared.memory[self.layout.index[entry.at]]
        bound = shared.dropped if self.order.drops else self.layout.newest(shared.memory)
        for version in history[bound[self.layout.words[entry.at]] :]:
            if self._decoded(version.value) is entry.instruction:
                done = entry._replace(fetched=True, carry=version.carry)
                then = (*window[: event.entry], done, *window[event.entry + 1 :])
                yield shared, then, ("fetch", entry.at, version.value, True)
                return

    @cached_property
    def _may_hold(self) -> dict[Address, tuple[Value, ...]]:
        found: dict[Address, dict[Value, None]] = {}
        for place, value in sorted(self.stores, key=lambda store: (store[0], str(store[1]))):
            found.setdefault(place, {self.test.initial(place): None})[value] = None
        return {place: tuple(values) for place, values in found.items()}

    def _decoded(self, value: Value) -> Instruction:
        if isinstance(value, Instruction):
            return value
        if isinstance(value, int):
            return instruction_of(self.test.isa, value) or UNDEFINED
        return UNDEFINED

    def _as_code(self, place: Address, value: Value) -> Value:
        """A value as it stands in a code word. Raises LitmusError where there is none."""
        if place not in self.test.code:
            raise LitmusError(
                f"{self.test.where(place)} is stored to, but there is no instruction; "
                "write one after the label"
            )
        if isinstance(value, Instruction):
            return value.at(place)
        if isinstance(value, int):
            return instruction_of(self.test.isa, value) or value
        return value

    def _read_only(self, place: Address, load: Load) -> Value:
        self._check_size(place, load.size)
        if place.base in self.test.ends and place not in self.test.code:
            raise LitmusError(f"{self.test.where(place)} is read, but there is no instruction")
        return self.test.initial(place)

    def _check_size(self, place: Address, size: int) -> None:
        if place.base in self.test.ends and size != self.test.isa.little:
            raise LitmusError(
                f"{self.test.where(place)} is accessed by {size} bytes; code is accessed by "
                f"{self.test.isa.little}"
            )


def _entry(
    at: Address, instruction: Instruction, *, fetched: bool = True, carry: Vector = ()
) -> Entry:
    return Entry(at, instruction, fetched, carry, (None,) * len(instruction.effects))


def _become(window: Window, entry: int, effect: int, state: Any) -> Window:
    return (*window[:entry], window[entry].become(effect, state), *window[entry + 1 :])


def foresee(test: LitmusTest) -> Foreseen:
    """The stores that the text of the test shows, by registers that no instruction sets.

    What it misses the machine tells, and is then begun again with.
    """
    from modelcheck.litmus.instruction import Register
    from modelcheck.litmus.program import written_registers

    found: set[tuple[Address, Value]] = set()
    set_somewhere = {
        register
        for instruction in test.code.values()
        for effect in instruction.effects
        for register in written_registers(effect)
    }
    for address, instruction in test.code.items():
        thread = next(t for t in test.threads if t.name == address.base.removesuffix(".F"))
        for effect in instruction.effects:
            if not isinstance(effect, Store) or not isinstance(effect.address, Register):
                continue
            place = thread.registers.get(effect.address.name)
            value = effect.value
            if effect.address.name in set_somewhere or not isinstance(place, Address):
                continue
            if not isinstance(value, Register) or value.name in set_somewhere:
                continue
            data = thread.registers.get(value.name, 0)
            if place.base in test.ends:
                if place not in test.code:
                    continue
                if isinstance(data, Instruction):
                    data = data.at(place)
                elif isinstance(data, int):
                    data = instruction_of(test.isa, data) or data
            found.add((place, data))
    return Foreseen(frozenset(found))


__all__ = ["Effect", "Foreseen", "Litmus", "Local", "Move", "Outcome", "Pick", "foresee"]
