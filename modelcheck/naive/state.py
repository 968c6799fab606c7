"""What a state is made of, and what CPUs hear of one another's steps. Knows programs."""

from typing import Any, NamedTuple

from modelcheck.naive.reading import Program


class Store(NamedTuple):
    """What one store does: which byte it puts at which address, or in which cell which value.

    Something else under way is to "clean" or to "drop" a cache line; or it is a barrier, "dmb" or
    "fence.i".
    """

    code: tuple[tuple[int, int], ...] = ()
    cell: int | None = None
    value: Any = None
    does: str = "store"
    line: int = -1

    @property
    def is_barrier(self) -> bool:
        """Whether it does nothing itself."""
        return self.does in ("dmb", "fence.i")

    @property
    def heeds(self) -> bool:
        """Whether barriers hold it back."""
        return self.does in ("store", "clean")

    def meets(self, other: "Store") -> bool:
        """Whether both go to one place."""
        if self.cell is not None or other.cell is not None:
            return self.cell == other.cell
        return not set(dict(self.code)).isdisjoint(dict(other.code))


Places = tuple[int, ...]
"""For each history of code bytes, a number of stores that changed it."""


class Shared(NamedTuple):
    """The log of stores to code, the cells, how far caches have been cleaned and have dropped;
    which programs have returned, and which of them have nothing under way; for each completion of
    drops, the places of the newest contents then, and what was dropped."""

    log: tuple[Store, ...]
    cells: tuple[Any, ...]
    cleaned: Places
    dropped: Places
    returned: frozenset[int]
    ended: frozenset[int]
    completed: tuple[tuple[Places, Places], ...] = ()


class Spot(NamedTuple):
    """Where an instruction is fetched: in which site, at which byte, and the forms of the site that
    the pass agrees with so far."""

    site: int
    offset: int
    forms: frozenset[int]


class Routine(NamedTuple):
    """A CPU in the handler, or in the callee: for which site, what is still to be done, and what
    was looked up in which cell."""

    site: int
    called: bool
    rest: Program
    found: tuple[tuple[int, Any], ...] = ()


class Cpu(NamedTuple):
    """What one CPU has for itself.

    `since` are its places in the histories, `reading` is a fetch under way, with the places that it
    moves to in the end. `dropped` are its own drops since its last Dsb. `stop` is "no",
    "asked", "stands", "leaves" or "leaves, synchronising". `holds_up` has grace periods, by sender,
    and whether they wait for a "handler" or for a "region".
    """

    rest: Program
    written: frozenset[int] = frozenset()
    since: Places = ()
    reading: tuple[Spot, tuple[bytes | None, ...], Places] | None = None
    routine: Routine | None = None
    spot: Spot | None = None
    pending: frozenset[int] = frozenset()
    serialise: bool = False
    deferred: bool = False
    in_user: bool = False
    irqs_off: bool = False
    stop: str = "no"
    holds_up: frozenset[tuple[int, str]] = frozenset()
    own: tuple[Any, ...] = ()
    buffer: tuple[Store, ...] = ()
    acted_new: frozenset[int] = frozenset()
    dropped: Places = ()

    @property
    def in_handler(self) -> bool:
        """Whether it is in the trap handler."""
        return self.routine is not None and not self.routine.called

    @property
    def stores(self) -> tuple[Store, ...]:
        """Its stores that are not in memory yet."""
        return tuple(one for one in self.buffer if one.does == "store")

    @property
    def reads_wait(self) -> bool:
        """Whether a barrier stands before what it reads now."""
        return any(one.is_barrier for one in self.buffer)

    def owning(self, cell: int, value: Any) -> "Cpu":
        """With another value of a per-CPU cell."""
        return self._replace(own=(*self.own[:cell], value, *self.own[cell + 1 :]))

    def calm(self) -> "Cpu":
        """After its own step, which ends what grace periods wait for."""
        held = {one for one in self.holds_up if self.in_handler or one[1] == "region"}
        return self._replace(holds_up=frozenset(held if self.routine or self.spot else ()))


class Move(NamedTuple):
    """A step: all that is shared and the CPU after it, what it says to all others, what it
    violates, and what was executed: site, offset, bytes, kind. A test may not hold."""

    label: str
    shared: Shared
    cpu: Cpu
    said: tuple[Any, ...] = ()
    violated: frozenset[str] = frozenset()
    ran: tuple[int, int, bytes, str] | None = None
    holds: bool = True

    def me(self, **changes: Any) -> "Move":
        """The move, with something else of the CPU changed."""
        return self._replace(cpu=self.cpu._replace(**changes))

    def violating(self, *names: str) -> "Move":
        """The move, with something else violated."""
        return self._replace(violated=self.violated | set(names))


def hears(cpu: Cpu, said: tuple[Any, ...]) -> Cpu | None:
    """Another CPU after a step that says something; None if the step has to wait for it."""
    match said:
        case ():
            return cpu
        case ("ipi", _, _, True) if cpu.in_user:
            return cpu._replace(deferred=True)
        case ("ipi", sender, synchronises, _):
            serialise = cpu.serialise or synchronises
            return cpu._replace(pending=cpu.pending | {sender}, serialise=serialise)
        case ("acknowledged?", sender):
            return None if sender in cpu.pending else cpu
        case ("stop",):
            return cpu._replace(stop="asked") if cpu.stop == "no" else None
        case ("stands?",):
            return cpu if cpu.stop == "stands" else None
        case ("go", synchronises):
            leaves = "leaves, synchronising" if synchronises else "leaves"
            return cpu._replace(stop=leaves if cpu.stop == "stands" else "no")
        case ("grace", sender, regions):
            held = {(sender, "handler")} if cpu.in_handler else set()
            if regions and (cpu.routine or cpu.spot):
                held.add((sender, "region"))
            return cpu._replace(holds_up=cpu.holds_up | held)
        case ("grace over?", sender):
            return None if sender in dict(cpu.holds_up) else cpu
        case ("set", cell, value):
            return cpu.owning(cell, value)
        case ("add", cell, amount):
            return cpu.owning(cell, cpu.own[cell] + amount)
        case ("holds?", cell, value):
            return cpu if cpu.own[cell] == value else None
        case _:
            raise AssertionError(said)
