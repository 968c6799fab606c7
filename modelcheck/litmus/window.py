"""A thread's window, and what can be said of one. Pure data.

A window is the instructions that a thread has fetched, in program order, each with what has become
of it. All else about a thread is a function of its window. Knows instructions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from modelcheck.litmus.code import AccessPart
from modelcheck.litmus.instruction import Address, Datum, LitmusInstruction
from modelcheck.litmus.vector import Vector


class HasRead(NamedTuple):
    """A load has read a value.

    `version` is its number in the place's history; the store (entry, effect) that it was forwarded
    from while that has not reached memory; None once nobody will ask. `mark`: see Done.
    """

    value: Datum
    version: int | tuple[int, int] | None
    mark: Vector


class Done(NamedTuple):
    """A store, a maintenance or a signal is done.

    `mark` is what a fetch that must come after it may read; `dropped` what an invalidation left.
    """

    mark: Vector = ()
    dropped: Vector = ()


class Partly(NamedTuple):
    """Some parts of a store are done, by their numbers; `mark` as for Done."""

    parts: frozenset[int]
    mark: Vector


class WindowEntry(NamedTuple):
    """An instruction in a window.

    `fetched` is false of one that is guessed and yet to be fetched. `carry` is what a fetch that
    must come after its fetch may read. `states` has, for each effect, what has become of it: Seen,
    Done, or of a branch or pick the way guessed.
    """

    at: Address
    instruction: LitmusInstruction
    fetched: bool
    carry: Vector
    states: tuple[Any, ...]

    def become(self, effect: int, state: Any) -> "WindowEntry":
        """The entry with the state of one effect replaced."""
        return self._replace(states=(*self.states[:effect], state, *self.states[effect + 1 :]))


ThreadWindow = tuple[WindowEntry, ...]


class Known(NamedTuple):
    """The value of a register, None while it is not known.

    `certain`: it depends on no prediction of a condition. `since`: what a fetch that must come
    after the reads behind it may read. `pick`: the pick (entry, effect) whose prediction would
    make it known.
    """

    value: Datum | None
    certain: bool = True
    since: Vector = ()
    pick: tuple[int, int] | None = None


class ReadyEvent(NamedTuple):
    """Something that may happen now: the effect of an entry, or (effect -1) its fetch.

    Of a load, `source` is the store that it is forwarded from, with `value`; of a store, `value`
    is what it stores, and `part` which of the `parts` that it has. `place` None: all places.
    """

    entry: int
    effect: int
    place: Address | None
    value: Datum | None = None
    source: tuple[int, int] | None = None
    part: AccessPart | None = None
    number: int = 0
    parts: int = 1


class Access(NamedTuple):
    """An access or maintenance in the window, with its place if that is known. `mark` as for
    Done."""

    entry: int
    effect: int
    kinds: int
    place: Address | None
    done: bool
    mark: Vector


class Waiting(NamedTuple):
    """A store that is not done, or a part of one that is `split`, with what is known of it."""

    entry: int
    effect: int
    place: Address | None
    known: "Known"
    size: int
    split: bool


class Complaint(NamedTuple):
    """Why a thread cannot go on, though it is certain that it comes there."""

    at: Address
    why: str


class Look(NamedTuple):
    """All that a window says.

    `next` is the address of the next instruction, None where it is not known yet or there is none.
    `before` has the accesses that a fetch of their place has to come after.
    `guess` is the branch that must be guessed before more can be fetched, and `aim` whether its
    target is what is not known. `confirmed` has the guesses that have turned out right. `floor` is
    what the next fetch may read, if it is not `held` back.
    """

    registers: Mapping[str, Known]
    events: tuple[ReadyEvent, ...]
    accesses: tuple[Access, ...]
    picks: tuple[tuple[int, int], ...]
    next: Address | None
    before: tuple[Access, ...]
    guess: tuple[int, int] | None
    aim: bool
    confirmed: tuple[tuple[int, int], ...]
    floor: Vector
    held: bool
    possible: bool
    faults: tuple[tuple[str, Address], ...]
    ended: bool
    complaint: Complaint | None
