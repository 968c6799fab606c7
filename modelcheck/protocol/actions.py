"""Actions: the few things that steps are made of. What must know what a step does reads these.

The machine runs actions, the axioms order them, and what a program may have, what synchronises,
and what asks is told by them. Whoever reads actions covers all of them, or refuses by name. Knows
what cells hold; knows no step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeVar, assert_never

from modelcheck.protocol.code import Value

Order = Literal["ascending", "any", "single"]
"""How the bytes of one write reach memory: one by one from the lowest address, one by one in an
order nobody promises (a memcpy), or all in one atomic store."""

Instruction = Literal["old", "new"]


class Owner(Enum):
    """Whose program an action may stand in, and what to call that."""

    PATCHER = "a patcher"
    CPU = "the program that CPUs run"
    ROUTINE = "a trap handler, or a callee"


PROGRAMS = frozenset({Owner.PATCHER, Owner.CPU})
EVERY = frozenset(Owner)


@dataclass(frozen=True)
class Put:
    """Code bytes reach memory: `data` at byte `at` of a site, one by one unless `order` is single.

    With `expects`, it is an error if the site does not hold these bytes there. With `through`, the
    site is the one that this cell names. The only action of its step, since others may act between
    its bytes.
    """

    site: str
    data: bytes
    at: int = 0
    order: Order = "ascending"
    expects: bytes = b""
    through: str | None = None

    owners = frozenset({Owner.PATCHER})


@dataclass(frozen=True)
class Set:
    """A cell is stored: through the store buffer, or `at_once`, as by an atomic instruction."""

    cell: str
    value: Value
    at_once: bool = False

    @property
    def owners(self) -> frozenset[Owner]:
        """Locks are for programs: a handler that waits for one may wait for itself."""
        return PROGRAMS if self.at_once else EVERY


@dataclass(frozen=True)
class Change:
    """A cell that counts is added to, atomically, after this CPU's own stores to it."""

    cell: str
    amount: int

    owners = EVERY


@dataclass(frozen=True)
class Ask:
    """Whether a cell holds a value (or, if not `equal`, another): where not, the step ends here
    and leads the other way."""

    cell: str
    value: Value
    equal: bool = True

    owners = EVERY


@dataclass(frozen=True)
class Need:
    """Wait until a cell holds a value; of a cell that each CPU has, until all of them do."""

    cell: str
    value: Value

    owners = PROGRAMS


@dataclass(frozen=True)
class Drained:
    """Wait until all stores of this CPU have reached memory, and with `maintenance`, until the
    caches have done all that it asked of them as well."""

    maintenance: bool = False

    owners = EVERY


@dataclass(frozen=True)
class Ordered:
    """Stores and cleans of this CPU before come before its stores, cleans and reads behind. It
    waits for none of them, and orders no Drop."""

    owners = EVERY


@dataclass(frozen=True)
class Refresh:
    """Discard what this CPU has fetched, so that it fetches anew; or only `if_deferred`, where a
    deferred IPI has asked for it."""

    if_deferred: bool = False

    @property
    def owners(self) -> frozenset[Owner]:
        """Nothing is deferred for a patcher."""
        return frozenset({Owner.CPU}) if self.if_deferred else EVERY


@dataclass(frozen=True)
class Lines:
    """The cache lines that hold `size` bytes of a site from byte `at` on, up to its end if that is
    None; without a site, those of all sites."""

    site: str | None = None
    at: int = 0
    size: int | None = None


@dataclass(frozen=True)
class Clean:
    """What is in memory of some lines becomes visible to instruction caches, once they drop what
    they have. It is done line by line, at any time before this CPU's next Drained with
    `maintenance`, but behind its earlier stores to the line and before its later ones."""

    lines: Lines = Lines()

    owners = PROGRAMS


@dataclass(frozen=True)
class Drop:
    """All instruction caches drop what is older of some lines than what was last cleaned. It is
    done line by line, at any time before this CPU's next Drained with `maintenance`."""

    lines: Lines = Lines()

    owners = PROGRAMS


@dataclass(frozen=True)
class Ipi:
    """To interrupt all other CPUs; see SendIpi."""

    synchronises: bool = True
    deferred: bool = False


@dataclass(frozen=True)
class Stop:
    """To stop all other CPUs."""


@dataclass(frozen=True)
class Release:
    """To let the stopped CPUs go on; each serialises first if it `synchronises`."""

    synchronises: bool = True


@dataclass(frozen=True)
class Grace:
    """To begin a grace period, for handlers and, with `regions`, for regions."""

    regions: bool = True


Message = Ipi | Stop | Release | Grace


@dataclass(frozen=True)
class Tell:
    """All other CPUs are told something."""

    message: Message

    owners = PROGRAMS


Awaited = Literal["acknowledged", "unstopped", "stopped", "quiescent"]
"""Of all other CPUs: they have acknowledged this program's IPIs; are in no stop, nor is this CPU;
have stopped; have been in a quiescent state since this program's grace period began."""


@dataclass(frozen=True)
class Await:
    """Wait until something holds of all other CPUs."""

    answer: Awaited

    @property
    def owners(self) -> frozenset[Owner]:
        """CPUs that run one program are one sender: what one of them waits for could not be told
        from what the others have sent."""
        of_sender = self.answer in ("acknowledged", "quiescent")
        return frozenset({Owner.PATCHER}) if of_sender else PROGRAMS


@dataclass(frozen=True)
class Mask:
    """Interrupts are disabled on this CPU (`on`), or enabled."""

    on: bool

    owners = PROGRAMS


@dataclass(frozen=True)
class Mode:
    """This CPU goes to user mode, or into the kernel."""

    user: bool

    owners = frozenset({Owner.CPU})


@dataclass(frozen=True)
class Run:
    """Until it goes on, this CPU runs the sites named, each any number of times."""

    sites: tuple[str, ...]

    owners = frozenset({Owner.CPU})


@dataclass(frozen=True)
class Find:
    """A handler reads a cell, or, with `search`, looks for its site among those that it names.

    Where it finds nothing, the step leads the other way, or the trap is unhandled.
    """

    cell: str
    search: bool = False

    owners = frozenset({Owner.ROUTINE})


@dataclass(frozen=True)
class Follow:
    """A handler relies on what it found in a cell."""

    cell: str

    owners = frozenset({Owner.ROUTINE})


@dataclass(frozen=True)
class Act:
    """A handler acts as the old or the new instruction, or as a no-op, and steps over it."""

    instruction: Instruction | Literal["no-op"]

    owners = frozenset({Owner.ROUTINE})


@dataclass(frozen=True)
class Leave:
    """A routine returns; unless the trap was `handled`, it is left to others."""

    synchronises: bool = True
    handled: bool = True

    owners = frozenset({Owner.ROUTINE})


Action = (
    Put
    | Set
    | Change
    | Ask
    | Need
    | Drained
    | Ordered
    | Refresh
    | Clean
    | Drop
    | Tell
    | Await
    | Mask
    | Mode
    | Run
    | Find
    | Follow
    | Act
    | Leave
)

Actions = tuple[Action, ...]

ActionT = TypeVar("ActionT", bound=Action)


def first(kind: type[ActionT], actions: Iterable[Action]) -> ActionT | None:
    """The first action of a kind, if there is one."""
    return next((action for action in actions if isinstance(action, kind)), None)


def told(actions: Iterable[Action]) -> Message | None:
    """What the actions tell all others, if anything."""
    return next((action.message for action in actions if isinstance(action, Tell)), None)


def awaited(actions: Iterable[Action]) -> Awaited | None:
    """What the actions wait for all others to answer, if anything; of several, the last."""
    answers = [action.answer for action in actions if isinstance(action, Await)]
    return answers[-1] if answers else None


def is_test(actions: Actions) -> bool:
    """Whether the step can lead one of two ways."""
    return any(isinstance(action, Ask | Find) for action in actions)


def takes_lock(actions: Actions) -> bool:
    """Whether a cell is waited for and taken in one go."""
    taken = {action.cell for action in actions if isinstance(action, Set) and action.at_once}
    return any(isinstance(action, Need) and action.cell in taken for action in actions)


def synchronises(actions: Actions) -> bool:
    """Whether a step changes neither code nor data, but only restricts what may happen and be seen.

    Whatever can happen with it can happen without it, so it is what one may take away to see what
    it is for.
    """
    return bool(actions) and all(map(_restricts, actions))


def _restricts(action: Action) -> bool:
    match action:
        case Tell(Ipi() | Grace()) | Await("acknowledged" | "quiescent"):
            return True
        case Drained() | Ordered() | Clean() | Drop() | Refresh(if_deferred=False):
            return True
        case Tell() | Await() | Refresh():  # stops change what others do; deferring is theirs
            return False
        case Put() | Set() | Change() | Ask() | Need() | Mask() | Mode() | Run():
            return False
        case Find() | Follow() | Act() | Leave():
            return False
        case _:
            assert_never(action)
