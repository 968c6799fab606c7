"""The litmus machine: the model of a test under an order, which any explorer can run.

Each thread is a role of one actor. Its local value is its window; the shared value is memory. A
step is one event that takes effect, and all that follows from it without a choice. When a thread
ends, it tells its outcome in the shared value, so that the last step of a run has the final state.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from modelcheck.litmus.code import code_of
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.happenings import Happened, Happenings, become, entry_of, with_signal
from modelcheck.litmus.instruction import Address, Datum, LoadMemory, Maintain
from modelcheck.litmus.memory import ARRIVED, QUIET, SENT, TAKEN, SharedMemory, StoredVersion
from modelcheck.litmus.order import MemoryOrder
from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.rows import RowTable
from modelcheck.litmus.state import Final, Move, Role, ThreadOutcome, ThreadState
from modelcheck.litmus.walk import Reader
from modelcheck.litmus.window import Done, HasRead, Look, ReadyEvent, ThreadWindow, WindowEntry
from modelcheck.litmus.x86 import INTERRUPT

OUTCOME = "outcome"
"""The property that a run violates if it ends in what the test asks for."""

ROUNDS = 8
"""How often a thread may come to one instruction; loops are followed no further."""


class Litmus:
    """The model of a test. Its answers depend on the arguments alone.

    `stores` are the places that may be stored to, with the values that may be stored there; moves()
    raises UnforeseenError for another. `wanted` says of a final state whether it is what a run is
    searched for.
    """

    properties = (OUTCOME,)

    def __init__(
        self,
        test: LitmusTest,
        order: MemoryOrder,
        stores: frozenset[tuple[Address, Datum]] = frozenset(),
        wanted: Callable[[Final], bool] | None = None,
    ) -> None:
        self.test = test
        self.order = order
        self.wanted = wanted
        self.cut = False
        """Whether a loop was not followed to its end."""
        rows = RowTable(order)
        code = code_of(test, order)
        self.code = code
        self.happenings = Happenings(test, order, rows, code, stores)
        self.layout = self.happenings.layout
        self.roles = tuple(Role(number, thread.name) for number, thread in enumerate(test.threads))
        self._readers = tuple(
            Reader(
                rows,
                Address(thread.name),
                thread.registers,
                test.ends,
                code,
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
        self._ways: dict[tuple[int, ThreadWindow], tuple[ThreadWindow, ...]] = {}
        self._settled: dict[tuple[int, ThreadWindow], ThreadWindow | None] = {}

    def look(self, number: int, window: ThreadWindow) -> Look:
        """All that a window of a thread says."""
        return self._readers[number].look(window)

    def final(self, shared: SharedMemory) -> Final:
        """The final state that a shared value has, in which all threads have ended."""
        values = []
        for location in self.test.observed:
            name = self.test.canonical(location)
            if location.thread is not None:
                values.append(dict(shared.outcomes[location.thread].registers)[name])
                continue
            index = self.layout.index.get(Address(name))
            if index is None:
                values.append(self.test.initial(Address(name)))
            else:
                values.append(shared.memory[index][-1].value)
        return Final(tuple(values), tuple(outcome.faults for outcome in shared.outcomes))

    # The interface of models.

    def initial(self) -> tuple[SharedMemory, tuple[ThreadState, ...]]:
        """All places as the test has them, and empty windows."""
        zero = (0,) * len(self.layout.words)
        memory = tuple(
            (StoredVersion(self.happenings.initial(place), -1),) for place in self.layout.index
        )
        signals = (QUIET,) * len(self.roles)
        shared = SharedMemory(memory, zero, zero, zero, signals, (None,) * len(self.roles))
        locals_ = []
        for role in self.roles:
            # Of a thread that goes round for ever there is nothing to settle.
            window = self._settle(role.number, ()) or ()
            shared, local = self._finish(role.number, shared, window)
            locals_.append(local)
        return shared, tuple(locals_)

    def moves(self, role: Role, shared: SharedMemory, local: ThreadState) -> Iterator[Move]:
        """All events of a thread that may happen now, each with all ways in which it may."""
        number = role.number
        sent = shared.signals[number] == SENT
        if local.ended:
            if sent:
                yield self._taken_at_end(role, shared, local)
            return
        reader = self._readers[number]
        for window in self._guessed(number, local.window):
            look = reader.look(window)
            if look.complaint is not None:
                raise self._refused(*look.complaint)
            for event in look.events:
                entry = window[event.entry]
                for done in self._happen(number, shared, window, look, event):
                    yield from self._moves(number, done.shared, done.window, entry, done.does)
            if look.next is not None and not look.held and not self._too_often(window, look.next):
                for entry, does in self.happenings.fetches(shared, window, look, look.next):
                    yield from self._moves(number, shared, (*window, entry), entry, does)
            for at, effect in look.picks:
                for taken in (True, False):
                    then = become(window, at, effect, taken)
                    does = ("predict", taken)
                    yield from self._moves(number, shared, then, window[at], does)
            if sent:
                yield from self._interrupt(number, shared, window, look)

    def finished(self, role: Role, local: ThreadState) -> bool:
        """Whether a thread has ended."""
        return local.ended

    def turn(self, role: Role, move: Move) -> tuple[str, bool]:
        """All that a thread does is its program."""
        return "program", False

    def paused(self, role: Role, local: ThreadState) -> bool:
        """There are no turns for an interrupt to take."""
        return False

    def receive(self, broadcast: Any, local: ThreadState) -> ThreadState:
        """There are no broadcasts."""
        raise AssertionError(broadcast)

    def holds(self, guard: Any, local: ThreadState) -> bool:
        """There are no guards."""
        raise AssertionError(guard)

    # What follows without a choice.

    def _settle(self, number: int, window: ThreadWindow) -> ThreadWindow | None:
        """The window after all that follows; None if it contradicts itself."""
        key = number, window
        if key not in self._settled:
            self._settled[key] = self._follow(number, window)
        return self._settled[key]

    def _follow(self, number: int, window: ThreadWindow) -> ThreadWindow | None:
        reader = self._readers[number]
        while True:
            look = reader.look(window)
            if not look.possible:
                return None
            grown = window
            if look.ended:
                # Before, its time would matter to fetches that come after it.
                for event in look.events:
                    grown = self._at_once(grown, event)
            if grown is window and look.next is not None:
                plain = self.code.plain(look.next, self.layout.words)
                if plain is not None:
                    if self._too_often(window, look.next):
                        return None
                    grown = (*window, entry_of(look.next, plain))
            if grown is window:
                return self._stripped(window, look)
            window = grown

    def _at_once(self, window: ThreadWindow, event: ReadyEvent) -> ThreadWindow:
        """An event that nobody else can see, or see anything of: it happens now."""
        if event.effect < 0:
            return window
        effect = window[event.entry].instruction.effects[event.effect]
        place = event.place
        if isinstance(effect, LoadMemory) and event.source is None:
            assert place is not None
            assert event.part is not None
            if place.physical() not in self.layout.index:
                value = self.happenings.read_only(place.physical(), event.part)
                return become(window, event.entry, event.effect, HasRead(value, None, ()))
        if isinstance(effect, Maintain):
            seen = self.order.drops and (place is None or place in self.layout.words)
            if not seen:
                return become(window, event.entry, event.effect, Done())
        return window

    def _too_often(self, window: ThreadWindow, address: Address) -> bool:
        often = sum(entry.at == address and entry.instruction.size > 0 for entry in window)
        self.cut = self.cut or often >= ROUNDS
        return often >= ROUNDS

    def _stripped(self, window: ThreadWindow, look: Look) -> ThreadWindow:
        """The window without what nobody will ask for any more."""
        waiting: list[Address | None] = []
        changed = list(window)
        for access in look.accesses:
            if not access.done:
                waiting.append(access.place)
                continue
            entry = changed[access.entry]
            state = entry.states[access.effect]
            new = state
            if isinstance(state, HasRead):
                asked = isinstance(state.version, tuple) or any(
                    place in (None, access.place) for place in waiting
                )
                version = state.version if asked else None
                new = HasRead(state.value, version, () if look.ended else state.mark)
            elif look.ended and isinstance(state, Done):
                new = state._replace(mark=())
            if new != state:
                changed[access.entry] = entry.become(access.effect, new)
        for number, effect in look.confirmed:
            changed[number] = changed[number].become(effect, None)
        if look.ended:
            changed = [entry._replace(carry=()) if entry.carry else entry for entry in changed]
        return tuple(changed)

    def _guessed(self, number: int, window: ThreadWindow) -> tuple[ThreadWindow, ...]:
        """The window with the branches that are not known, either way each."""
        key = number, window
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = tuple(self._guesses(number, window))
        return found

    def _guesses(self, number: int, window: ThreadWindow) -> Iterator[ThreadWindow]:
        look = self._readers[number].look(window)
        if look.guess is None or look.aim:
            yield window
        if look.guess is None:
            return
        for way in self._aims if look.aim else (False, True):
            then = self._settle(number, become(window, *look.guess, way))
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
        shared: SharedMemory,
        window: ThreadWindow,
        entry: WindowEntry,
        does: tuple[Any, ...],
    ) -> Iterator[Move]:
        settled = self._settle(number, window)
        if settled is None:
            return
        shared, local = self._finish(number, shared, settled)
        violations: tuple[str, ...] = ()
        if self.wanted is not None and None not in shared.outcomes:
            violations = (OUTCOME,) if self.wanted(self.final(shared)) else ()
        yield Move(shared, local, entry.at, entry.instruction, does, violations=violations)

    def _finish(
        self, number: int, shared: SharedMemory, window: ThreadWindow
    ) -> tuple[SharedMemory, ThreadState]:
        """The thread's end, if it has come to it."""
        look = self._readers[number].look(window)
        if not look.ended or not all(access.done for access in look.accesses):
            return shared, ThreadState(window)
        if not all(entry.fetched for entry in window):
            return shared, ThreadState(window)
        registers = []
        for name in self._observed[number]:
            known = look.registers.get(name)
            value = 0 if known is None else known.value
            if value is None:
                return shared, ThreadState(window)
            registers.append((name, value))
        faults = tuple(dict.fromkeys(at for _, at in look.faults))
        outcome = ThreadOutcome(tuple(registers), faults if self.test.watches_faults else ())
        outcomes = (*shared.outcomes[:number], outcome, *shared.outcomes[number + 1 :])
        return shared._replace(outcomes=outcomes), ThreadState(ended=True)

    def _happen(
        self, number: int, shared: SharedMemory, window: ThreadWindow, look: Look, event: ReadyEvent
    ) -> Iterator[Happened]:
        try:
            yield from self.happenings.happen(number, shared, window, look, event)
        except LitmusError as error:
            raise self._refused(window[event.entry].at, error.why) from error

    def _refused(self, at: Address, why: str) -> LitmusError:
        line = self.test.lines.get(at)
        if line is None:
            return LitmusError(f"{self.test.where(at)}: {why}")
        return LitmusError(f"{self.test.isa.shown(line.text)}: {why}", line.spot)

    # Interrupts.

    def _interrupt(
        self, number: int, shared: SharedMemory, window: ThreadWindow, look: Look
    ) -> Iterator[Move]:
        """The thread takes an interrupt, before an instruction of which nothing has happened.

        That and what follows it is fetched again after it. Handlers are not interrupted.
        """
        first = 1 + max(
            (n for n, entry in enumerate(window) if any(_happened(s) for s in entry.states)),
            default=-1,
        )
        signals = with_signal(shared.signals, number, ARRIVED)
        for cut in range(first, len(window) + 1):
            at = window[cut].at if cut < len(window) else look.next
            if at is None or at.base.endswith(".F"):
                continue
            entry = entry_of(at, INTERRUPT).become(0, Done(self.happenings.mark(shared)))
            does = ("signal", "the IPI arrives")
            then = shared._replace(signals=signals)
            yield from self._moves(number, then, (*window[:cut], entry), entry, does)

    def _taken_at_end(self, role: Role, shared: SharedMemory, local: ThreadState) -> Move:
        signals = with_signal(shared.signals, role.number, TAKEN)
        end = Address(role.name, self.test.ends[role.name])
        does = ("signal", "has taken the IPI")
        return Move(shared._replace(signals=signals), local, end, INTERRUPT, does)


def _happened(state: Any) -> bool:
    """Whether an effect with this state has happened, and is no guess."""
    return state is not None and not isinstance(state, bool | Address)
