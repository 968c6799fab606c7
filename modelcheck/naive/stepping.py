"""Who may do what next, in the words of docs/semantics.md, and nothing clever. Knows reading.

A step is asked of one CPU and what all share. What it tells all others, or waits for on them, is a
tuple of words, and `hears` says what that makes of another CPU.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import capstone

from modelcheck.naive.reading import NEW, OLD, Program, Setting, Site, Step

Store = tuple[tuple[int, int], ...] | tuple[str, int, Any]
"""What one store does: addresses and their bytes, or "cell", its number, and a value."""

Places = tuple[int, ...]
"""For each history of code bytes, a number of stores that changed it."""


class Shared(NamedTuple):
    """The log of stores to code, the cells, how far caches have been cleaned and have dropped, and
    whether the patcher has returned."""

    log: tuple[Store, ...]
    cells: tuple[Any, ...]
    cleaned: Places
    dropped: Places
    returned: bool


class Spot(NamedTuple):
    """Where an instruction is fetched: in which site, at which byte, and the forms of the site that
    the pass agrees with so far."""

    site: int
    offset: int
    forms: frozenset[int]


class Routine(NamedTuple):
    """A CPU in the handler or in the callee: for which site, what is still to be done, and what was
    looked up in which cell."""

    site: int
    called: bool
    rest: Program
    found: tuple[tuple[int, Any], ...] = ()


class Cpu(NamedTuple):
    """What one CPU has for itself; see docs/semantics.md."""

    rest: Program
    written: frozenset[int] = frozenset()
    since: Places = ()
    reading: tuple[Spot, tuple[bytes | None, ...]] | None = None
    routine: Routine | None = None
    spot: Spot | None = None
    pending: frozenset[int] = frozenset()
    serialise: bool = False
    deferred: bool = False
    in_user: bool = False
    irqs_off: bool = False
    stop: str = "no"
    """Whether it is to stop: no, asked, stands, or leaves it, with or without to synchronise."""
    holds_up: frozenset[tuple[int, str]] = frozenset()
    """Grace periods, by sender, and whether they wait for a handler or for a region."""
    own: tuple[Any, ...] = ()
    buffer: tuple[Store, ...] = ()
    acted_new: frozenset[int] = frozenset()


class Move(NamedTuple):
    """A step: what all share and the CPU after it, what it says to the others, and what it violates.

    `ran` is what was executed, as site, offset, bytes and what that is.
    """

    label: str
    shared: Shared
    cpu: Cpu
    others: tuple[Any, ...] | None = None
    violated: frozenset[str] = frozenset()
    ran: tuple[int, int, bytes, str] | None = None
    program: bool = False


NOTHING: frozenset[str] = frozenset()
CPUS = -1
"""The program of all CPUs but the patchers', as a sender."""


def hears(cpu: Cpu, said: tuple[Any, ...]) -> Cpu | None:
    """Another CPU after a step; None if the step has to wait for it."""
    match said:
        case ("ipi", sender, synchronises, deferred):
            if deferred and cpu.in_user:
                return cpu._replace(deferred=True)
            pending = cpu.pending | {sender}
            return cpu._replace(pending=pending, serialise=cpu.serialise or synchronises)
        case ("acknowledged", sender):
            return None if sender in cpu.pending else cpu
        case ("stop",):
            return None if cpu.stop.startswith("leaves") else cpu._replace(stop="asked")
        case ("stand",):
            return cpu if cpu.stop == "stands" else None
        case ("go", synchronises):
            leaves = "leaves to synchronise" if synchronises else "leaves"
            return cpu._replace(stop=leaves if cpu.stop == "stands" else "no")
        case ("grace", sender, regions):
            held = {(sender, "handler")} if _in_handler(cpu) else set()
            if regions and (cpu.routine or cpu.spot):
                held.add((sender, "region"))
            return cpu._replace(holds_up=cpu.holds_up | held)
        case ("no grace", sender):
            return None if any(whose == sender for whose, _ in cpu.holds_up) else cpu
        case ("set", cell, value):
            return _owning(cpu, cell, value)
        case ("add", cell, amount):
            return _owning(cpu, cell, cpu.own[cell] + amount)
        case ("each", cell, value):
            return cpu if cpu.own[cell] == value else None
    raise AssertionError(said)


def _owning(cpu: Cpu, cell: int, value: Any) -> Cpu:
    return cpu._replace(own=(*cpu.own[:cell], value, *cpu.own[cell + 1 :]))


def _in_handler(cpu: Cpu) -> bool:
    return cpu.routine is not None and not cpu.routine.called


def _calm(cpu: Cpu) -> Cpu:
    """A CPU after its own step, which ends what grace periods wait for."""
    held = cpu.holds_up
    if not _in_handler(cpu):
        held = frozenset(one for one in held if one[1] != "handler")
    if not cpu.routine and not cpu.spot:
        held = frozenset()
    return cpu._replace(holds_up=held)


class Naive:
    """A protocol in one configuration: all that a CPU can do next."""

    def __init__(self, setting: Setting) -> None:
        self.of = of = setting
        self.ordered = of.fetch in ("coherent", "store-order")
        self.newest_only = of.fetch.startswith("coherent")
        self.numbers = {site.name: number for number, site in enumerate(of.sites)}
        self.cells = {name: number for number, name in enumerate(of.cells)}
        self.chunk_of = {
            site.address + byte: (site.address + of.shift + byte) // of.chunk
            for site in of.sites
            for byte in range(site.size)
        }
        """For each address the chunk that it lies in."""
        names = [0] if self.ordered else sorted(set(self.chunk_of.values()))
        self.lines = [
            [address for address in sorted(self.chunk_of) if self.ordered or self.chunk_of[address] == name]
            for name in names
        ]
        """The addresses that have a history in common."""
        self.line_of = {address: n for n, line in enumerate(self.lines) for address in line}
        self.old = {
            site.address + i: byte for site in of.sites for i, byte in enumerate(site.forms[OLD].data)
        }
        self.histories = cache(self._histories)
        routes = [step for step in _all(of.handler) if step.kind in ("Return", "NotOurs")]
        self.all_returns_synchronise = bool(of.trap) and all(s["synchronises"] for s in routes)

    # Beginning.

    def shared(self) -> Shared:
        """What all share before the first step."""
        none = (0,) * len(self.lines)
        return Shared((), self.of.initial, none, none, not self.of.patchers[0])

    def cpu(self, program: Program) -> Cpu:
        """A CPU before the first step."""
        own = tuple(v if n in self.of.per_cpu else None for n, v in enumerate(self.of.initial))
        return Cpu(program, since=(0,) * len(self.lines), own=own)

    def roles(self) -> list[int]:
        """The senders: each patcher, and all CPUs."""
        return [*range(len(self.of.patchers)), CPUS]

    def program_of(self, role: int) -> Program:
        """What runs on a CPU."""
        return self.of.cpu_program if role == CPUS else self.of.patchers[role]

    # Memory.

    def _histories(self, log: tuple[Store, ...]) -> tuple[tuple[dict[int, int], ...], ...]:
        """For each line, what it held at first, and after each store that changed it."""
        found = [[{address: self.old[address] for address in line}] for line in self.lines]
        for store in log:
            for history in found:
                after = history[-1] | {a: byte for a, byte in store if a in history[-1]}
                if after != history[-1]:
                    history.append(after)
        return tuple(tuple(history) for history in found)

    def newest(self, shared: Shared) -> Places:
        """The places of a CPU that sees what is in memory."""
        return tuple(len(history) - 1 for history in self.histories(shared.log))

    def contents(self, shared: Shared, addresses: range) -> bytes:
        """What is in memory."""
        history = self.histories(shared.log)
        return bytes(history[self.line_of[address]][-1][address] for address in addresses)

    def _stored(self, shared: Shared, store: Store) -> Shared:
        match store:
            case ("cell", int(cell), value):
                cells = (*shared.cells[:cell], value, *shared.cells[cell + 1 :])
                return shared._replace(cells=cells)
        return shared._replace(log=(*shared.log, store))

    def _store(self, shared: Shared, cpu: Cpu, store: Store) -> tuple[Shared, Cpu]:
        if self.of.weak:
            return shared, cpu._replace(buffer=(*cpu.buffer, store))
        return self._stored(shared, store), cpu

    def _buffered(self, cpu: Cpu, cell: int) -> list[Any]:
        return [store[2] for store in cpu.buffer if store[0] == "cell" and store[1] == cell]

    def _read(self, shared: Shared, cpu: Cpu, cell: int) -> Any:
        if cell in self.of.per_cpu:
            return cpu.own[cell]
        return [shared.cells[cell], *self._buffered(cpu, cell)][-1]

    def _reads_code(self, shared: Shared, cpu: Cpu, addresses: range) -> bytes:
        found = dict(zip(addresses, self.contents(shared, addresses), strict=True))
        for store in cpu.buffer:
            if store[0] != "cell":
                found.update((address, byte) for address, byte in store if address in found)
        return bytes(found.values())

    def _drains(self, shared: Shared, cpu: Cpu) -> Iterator[Move]:
        for number, store in enumerate(cpu.buffer):
            if not any(_same_place(store, earlier) for earlier in cpu.buffer[:number]):
                left = cpu.buffer[:number] + cpu.buffer[number + 1 :]
                yield Move("drain", self._stored(shared, store), cpu._replace(buffer=left))

    # All that a CPU can do.

    def moves(self, role: int, shared: Shared, cpu: Cpu) -> Iterator[Move]:
        """The steps of a CPU; some have to wait for others, as `hears` says."""
        for move in self._moves(role, shared, cpu):
            yield move._replace(cpu=_calm(move.cpu))

    def _moves(self, role: int, shared: Shared, cpu: Cpu) -> Iterator[Move]:
        runs_sites = role == CPUS or self.of.patcher_executes
        yield from self._drains(shared, cpu)
        if cpu.stop.startswith("leaves"):
            left = cpu._replace(stop="no")
            if runs_sites and cpu.stop == "leaves to synchronise":
                left = self._synchronised(shared, left)
            yield Move("leave stop", shared, self._settled(shared, left))
        if cpu.stop not in ("no", "asked"):
            return
        if not cpu.irqs_off and not (_in_handler(cpu) and self.of.masked):
            yield from self._interrupts(shared, cpu, runs_sites)
        if not cpu.reading and not cpu.routine and not cpu.spot and cpu.rest:
            yield from self._program(role, shared, cpu, runs_sites)
        if cpu.routine:
            yield from self._routine(role, shared, cpu, cpu.routine)
        elif runs_sites:
            yield from self._fetch(role, shared, cpu)

    def _interrupts(self, shared: Shared, cpu: Cpu, runs_sites: bool) -> Iterator[Move]:
        if cpu.pending:
            taken = cpu._replace(pending=frozenset(), serialise=False)
            if cpu.serialise and runs_sites:
                taken = self._synchronised(shared, taken)
            yield Move("ipi", shared, taken)
        if cpu.stop == "asked":
            stands = cpu._replace(stop="stands", reading=None)
            yield Move("stop", shared, self._settled(shared, stands))

    def _synchronised(self, shared: Shared, cpu: Cpu) -> Cpu:
        cpu = cpu._replace(reading=None)
        if self.newest_only:
            return self._settled(shared, cpu)
        if self.of.coherent_icache:
            return cpu._replace(since=self.newest(shared))
        return cpu._replace(since=tuple(map(max, cpu.since, shared.dropped)))

    def _settled(self, shared: Shared, cpu: Cpu) -> Cpu:
        """After a step that is no fetch: what is fetched behind it is no older."""
        if self.newest_only and self.of.in_one_step:
            return cpu._replace(since=self.newest(shared))
        return cpu

    # Programs.

    def _program(self, role: int, shared: Shared, cpu: Cpu, runs_sites: bool) -> Iterator[Move]:
        step, *rest = cpu.rest
        if step.kind == "Write":
            yield from self._write(role, shared, cpu, step)
            return
        for move, holds in self._effects(role, shared, cpu, step.test or step, runs_sites, True):
            ways = {True: step.then, False: step.otherwise}
            yield self._gone_on(role, move, (*ways[holds], *rest))

    def _gone_on(self, role: int, move: Move, rest: Program) -> Move:
        """The program's next step is that which is left."""
        shared, cpu = move.shared, move.cpu
        if role == CPUS and not rest:
            rest = self.of.cpu_program
        if role == 0:
            shared = shared._replace(returned=not rest)
        cpu = cpu._replace(rest=rest)
        if role == CPUS or self.of.patcher_executes:
            cpu = self._settled(shared, cpu)
        return move._replace(shared=shared, cpu=cpu, program=True)

    def _write(self, role: int, shared: Shared, cpu: Cpu, step: Step) -> Iterator[Move]:
        site = self.of.sites[self.numbers[step["site"]]]
        if step["through"] is not None:
            name = self._read(shared, cpu, self.cells[step["through"]])
            if name in self.numbers:
                site = self.of.sites[self.numbers[name]]
        data, at = step["data"], site.address + step["at"]
        violated = NOTHING
        if step["expects"] and not cpu.written:
            there = self._reads_code(shared, cpu, range(at, at + len(step["expects"])))
            if there != step["expects"]:
                violated = frozenset({"no-unexpected-bytes"})
        left = [i for i in range(len(data)) if i not in cpu.written]
        ways = {"single": [left], "any": [[i] for i in left], "ascending": [left[:1]]}
        for stored in ways[step["order"]]:
            after, here = self._store(shared, cpu, tuple((at + i, data[i]) for i in stored))
            written = cpu.written | set(stored)
            done = len(written) == len(data)
            here = here._replace(written=frozenset() if done else written)
            move = Move(step.label, after, here, violated=violated)
            yield self._gone_on(role, move, cpu.rest[1:] if done else cpu.rest)

    def _effects(
        self, role: int, shared: Shared, cpu: Cpu, step: Step, runs_sites: bool, for_all: bool
    ) -> Iterator[tuple[Move, bool]]:
        """What any step but a Write does, and whether it holds, if it is a test."""
        here = Move(step.label, shared, cpu)
        serialised = self._synchronised(shared, cpu) if runs_sites else cpu
        cell = self.cells[step["cell"]] if "cell" in step.fields else -1
        each = for_all and cell in self.of.per_cpu
        match step.kind:
            case "Store" if cell in self.of.per_cpu:
                said = ("set", cell, step["value"]) if each else None
                yield here._replace(cpu=_owning(cpu, cell, step["value"]), others=said), True
            case "Store":
                after, cpu = self._store(shared, cpu, ("cell", cell, step["value"]))
                yield here._replace(shared=after, cpu=cpu), True
            case "Add":
                for move in self._added(here, cell, step["amount"], each):
                    yield move, True
            case "IncrementUnlessZero":
                if self._read(shared, cpu, cell) == 0:
                    yield here, False
                else:
                    for move in self._added(here, cell, 1, each):
                        yield move, True
            case "Test":
                yield here, self._read(shared, cpu, cell) == step["value"]
            case "WaitUntil":
                if self._read(shared, cpu, cell) == step["value"]:
                    said = ("each", cell, step["value"]) if each else None
                    yield here._replace(others=said), True
            case "Lock":
                if shared.cells[cell] == 0 and not self._buffered(cpu, cell):
                    yield here._replace(shared=self._stored(shared, ("cell", cell, 1))), True
            case "Unlock":
                if not cpu.buffer:
                    yield here._replace(shared=self._stored(shared, ("cell", cell, 0))), True
            case "Fence":
                if not cpu.buffer:
                    yield here, True
            case "Pause" | "Execute":
                yield here, True
            case "IrqOff" | "IrqOn":
                yield here._replace(cpu=cpu._replace(irqs_off=step.kind == "IrqOff")), True
            case "Serialise":
                yield here._replace(cpu=serialised), True
            case "CleanDcache":
                yield here._replace(shared=shared._replace(cleaned=self._cleaned(shared))), True
            case "InvalidateIcache":
                yield here._replace(shared=shared._replace(dropped=shared.cleaned)), True
            case "SendIpi":
                said = ("ipi", role, step["synchronises"], step["deferred"])
                after = serialised if step["synchronises"] else cpu
                yield here._replace(cpu=after, others=said), True
            case "WaitAcks":
                yield here._replace(others=("acknowledged", role)), True
            case "StopCpus":
                yield here._replace(others=("stop",)), True
            case "WaitStopped":
                yield here._replace(cpu=cpu._replace(irqs_off=True), others=("stand",)), True
            case "ReleaseCpus":
                after = serialised if step["synchronises"] else cpu
                said = ("go", step["synchronises"])
                yield here._replace(cpu=after._replace(irqs_off=False), others=said), True
            case "StartGrace":
                yield here._replace(others=("grace", role, step["regions"])), True
            case "WaitGrace":
                yield here._replace(others=("no grace", role)), True
            case "EnterUser" | "LeaveUser":
                yield here._replace(cpu=cpu._replace(in_user=step.kind == "EnterUser")), True
            case "Flush":
                after = serialised._replace(deferred=False) if cpu.deferred else cpu
                yield here._replace(cpu=after), True
            case kind:
                raise AssertionError(f"{step.label}: {kind} is not for a program")

    def _cleaned(self, shared: Shared) -> Places:
        return shared.cleaned if self.of.coherent_icache else self.newest(shared)

    def _added(self, here: Move, cell: int, amount: int, each: bool) -> Iterator[Move]:
        if cell in self.of.per_cpu:
            said = ("add", cell, amount) if each else None
            cpu = _owning(here.cpu, cell, here.cpu.own[cell] + amount)
            yield here._replace(cpu=cpu, others=said)
        elif not self._buffered(here.cpu, cell):
            for total in self._sums(cell, here.shared.cells[cell], amount):
                yield here._replace(shared=self._stored(here.shared, ("cell", cell, total)))

    def _sums(self, cell: int, value: int, amount: int) -> set[int]:
        """What a cell may hold after an addition."""
        many = self.of.counts_to.get(cell)
        if many is None:
            return {value + amount}
        # A value stands for itself, or if it is many for any number from there on.
        reach = many + abs(amount)
        stands_for = {value}
        if abs(value) == many:
            stands_for = {n for n in range(-reach, reach + 1) if n * value > 0 and abs(n) >= many}
        return {max(-many, min(many, number + amount)) for number in stands_for}

    # Handlers and callees.

    def _routine(self, role: int, shared: Shared, cpu: Cpu, routine: Routine) -> Iterator[Move]:
        head, *rest = routine.rest
        step = head.test or head
        for move, holds in self._acts(role, shared, cpu, routine, step):
            if move.cpu.routine:
                if step.kind == "Lookup" and not holds and head.then == head.otherwise:
                    move = self._unhandled(shared, cpu, routine, self.all_returns_synchronise)
                else:
                    left = (*(head.then if holds else head.otherwise), *rest)
                    inside = move.cpu.routine._replace(rest=left)
                    move = move._replace(cpu=move.cpu._replace(routine=inside))
            settled = self._settled(move.shared, move.cpu)
            yield move._replace(label=step.label, cpu=settled)

    def _acts(
        self, role: int, shared: Shared, cpu: Cpu, routine: Routine, step: Step
    ) -> Iterator[tuple[Move, bool]]:
        here = Move(step.label, shared, cpu)
        match step.kind:
            case "Lookup":
                cell = self.cells[step["cell"]]
                value = self._read(shared, cpu, cell)
                found = self._searched(routine.site, value) if step["search"] else bool(value)
                if found:
                    kept = tuple(one for one in routine.found if one[0] != cell)
                    routine = routine._replace(found=(*kept, (cell, value)))
                    here = here._replace(cpu=cpu._replace(routine=routine))
                yield here, found
            case "Use":
                for stale in self._stale(shared, cpu, routine, step["cell"]):
                    yield here._replace(violated=stale), True
            case "Emulate":
                move = self._emulated(here, routine, step["instruction"])
                for stale in self._stale(shared, cpu, routine, step["cell"]):
                    yield move._replace(violated=move.violated | stale), True
            case "Skip":
                yield self._skipped(here, routine), True
            case "Return":
                back = cpu._replace(routine=None)
                if step["synchronises"]:
                    back = self._synchronised(shared, back)
                yield here._replace(cpu=back), True
            case "NotOurs":
                yield self._unhandled(shared, cpu, routine, step["synchronises"]), True
            case _:
                yield from self._effects(role, shared, cpu, step, False, False)

    def _searched(self, site: int, value: Any) -> bool:
        """Whether a binary search by address finds the site, as if the names were in order."""
        names = list(value) if isinstance(value, tuple) else []
        wanted = self.of.sites[site].address
        while names:
            middle = len(names) // 2
            address = self.of.sites[self.numbers[names[middle]]].address
            if address == wanted:
                return True
            names = names[middle + 1 :] if address < wanted else names[:middle]
        return False

    def _stale(self, shared: Shared, cpu: Cpu, routine: Routine, name: str | None) -> list[frozenset[str]]:
        """What it may violate to use what was looked up in a cell."""
        if name is None:
            return [NOTHING]
        cell = self.cells[name]
        now, found = self._read(shared, cpu, cell), dict(routine.found)
        stale = frozenset({"no-stale-handler-data"})
        if cell not in found or now != found[cell]:
            return [stale]
        many = self.of.counts_to.get(cell)
        return [NOTHING, stale] if many is not None and now in (many, -many) else [NOTHING]

    def _unhandled(self, shared: Shared, cpu: Cpu, routine: Routine, synchronises: bool) -> Move:
        left = cpu._replace(routine=None, spot=None)
        if synchronises:
            left = self._synchronised(shared, left)
        foreign = self.of.sites[routine.site].foreign
        violated = NOTHING if foreign else frozenset({"no-unhandled-trap"})
        return Move("", shared, left, violated=violated)

    def _emulated(self, here: Move, routine: Routine, which: str) -> Move:
        site, spot = self.of.sites[routine.site], here.cpu.spot or self._whole(routine.site)
        data = site.forms[NEW if which == "new" else OLD].at(spot.offset)
        ran = (spot.site, spot.offset, data, "emulated")
        return self._acted(here._replace(ran=ran), spot, _agreeing(site, spot.offset, data))

    def _skipped(self, here: Move, routine: Routine) -> Move:
        site, spot = self.of.sites[routine.site], here.cpu.spot or self._whole(routine.site)
        forms = frozenset(
            number
            for number, form in enumerate(site.forms)
            if form.at(spot.offset) and _is_nop(self.of.isa, form.at(spot.offset))
        )
        if not forms:
            here = here._replace(violated=frozenset({"effect-is-old-or-new"}))
        return self._acted(here._replace(ran=(spot.site, spot.offset, b"", "skipped")), spot, forms)

    def _whole(self, site: int) -> Spot:
        """The beginning of a site, where nothing has been passed yet."""
        return Spot(site, 0, frozenset(range(len(self.of.sites[site].forms))))

    def _acted(self, here: Move, spot: Spot, forms: frozenset[int]) -> Move:
        """The CPU has acted as an instruction that these forms have at a spot."""
        cpu, violated = here.cpu, set(here.violated)
        site = self.of.sites[spot.site]
        if NEW in forms and OLD not in forms:
            cpu = cpu._replace(acted_new=cpu.acted_new | {spot.site})
        elif OLD in forms and NEW not in forms and spot.site in cpu.acted_new:
            violated.add("per-cpu-monotone")
        if site.region:
            agreed = spot.forms & forms
            if not agreed:
                violated.add("no-torn-sequence")
            following = site.forms[min(forms)].onward[spot.offset] if forms else None
            after = None if following is None else Spot(spot.site, following, agreed)
            cpu = cpu._replace(spot=after)
        return here._replace(cpu=cpu, violated=frozenset(violated))

    # Fetching.

    def _fetch(self, role: int, shared: Shared, cpu: Cpu) -> Iterator[Move]:
        if cpu.reading:
            spot, read = cpu.reading
            if None in read:
                yield from self._read_chunk(shared, cpu, spot, read)
            else:
                data = b"".join(part or b"" for part in read)
                after = cpu._replace(reading=None)
                yield self._executed("execute", shared, cpu, after, spot, data)
            return
        for spot in [cpu.spot] if cpu.spot else self._entries(role, cpu):
            if self.of.in_one_step:
                yield from self._whole_fetch(shared, cpu, spot)
            else:
                yield from self._read_chunk(shared, cpu, spot, (None,) * len(self._parts(spot)))

    def _entries(self, role: int, cpu: Cpu) -> list[Spot]:
        """Where a CPU may begin a pass."""
        sites = list(range(len(self.of.sites)))
        if role == CPUS and self.of.cpu_program:
            step = cpu.rest[0]
            sites = [self.numbers[n] for n in step["sites"]] if step.kind == "Execute" else []
        elif role != CPUS and cpu.irqs_off:
            sites = []
        return [
            self._whole(site)._replace(offset=offset)
            for site in sites
            for offset in self.of.sites[site].entries
        ]

    def _parts(self, spot: Spot) -> list[list[int]]:
        """The addresses that a fetch reads, chunk by chunk."""
        site = self.of.sites[spot.site]
        longest = max(len(form.at(spot.offset)) for form in site.forms)
        stop = site.size
        if longest:
            stop = min(stop, spot.offset + max(longest, len(self.of.trap)))
        parts: dict[int, list[int]] = {}
        for address in range(site.address + spot.offset, site.address + stop):
            parts.setdefault(self.chunk_of[address], []).append(address)
        return list(parts.values())

    def _readable(self, shared: Shared, cpu: Cpu, part: list[int]) -> list[tuple[int, bytes]]:
        """The contents of a part that a CPU may read, each with its place in the history."""
        line = self.line_of[part[0]]
        history = self.histories(shared.log)[line]
        oldest = cpu.since[line]
        if self.newest_only and not self.of.in_one_step:
            oldest = len(history) - 1
        return [
            (place, bytes(history[place][address] for address in part))
            for place in range(oldest, len(history))
        ]

    def _moved(self, cpu: Cpu, part: list[int], place: int) -> Cpu:
        line = self.line_of[part[0]]
        return cpu._replace(since=(*cpu.since[:line], place, *cpu.since[line + 1 :]))

    def _begins_with_trap(self, read: tuple[bytes | None, ...]) -> bool:
        begun = b""
        for part in read:
            if part is None:
                break
            begun += part
        return bool(self.of.trap) and begun.startswith(self.of.trap)

    def _read_chunk(
        self, shared: Shared, cpu: Cpu, spot: Spot, read: tuple[bytes | None, ...]
    ) -> Iterator[Move]:
        parts = self._parts(spot)
        unread = [number for number, data in enumerate(read) if data is None]
        for number in unread[:1] if self.ordered else unread:
            for place, data in self._readable(shared, cpu, parts[number]):
                got = (*read[:number], data, *read[number + 1 :])
                after = cpu
                if self.of.fetch in ("store-order", "per-chunk"):
                    after = self._moved(cpu, parts[number], place)
                if self._begins_with_trap(got):
                    after = after._replace(reading=None)
                    yield self._executed("read", shared, cpu, after, spot, self.of.trap)
                else:
                    yield Move("read", shared, after._replace(reading=(spot, got)))

    def _whole_fetch(self, shared: Shared, cpu: Cpu, spot: Spot) -> Iterator[Move]:
        """A fetch and its execution in one step; of several ways to read the same bytes, the one
        that leaves the CPU's places as they are most."""
        parts = self._parts(spot)
        ways: dict[bytes, Places] = {}
        for taken in product(*(self._readable(shared, cpu, part) for part in parts)):
            places = [place for place, _ in taken]
            if self.ordered and places != sorted(places):
                continue
            read = tuple(data for _, data in taken)
            data, used = b"".join(read), parts
            if self._begins_with_trap(read):
                data = self.of.trap
            else:
                data = self._known(spot, data) or data
            used = [part for part in parts if part[0] < parts[0][0] + len(data)]
            if data == self.of.trap and self.newest_only:
                last = [len(self.histories(shared.log)[self.line_of[p[0]]]) - 1 for p in used]
                if not any(place == newest for place, newest in zip(places, last, strict=False)):
                    continue
            after = cpu
            if self.newest_only:
                after = self._settled(shared, cpu)
            elif self.of.fetch in ("store-order", "per-chunk"):
                for part, place in zip(used, places, strict=False):
                    after = self._moved(after, part, place)
            ways[data] = tuple(map(min, ways.get(data, after.since), after.since))
        for data, since in ways.items():
            yield self._executed("fetch", shared, cpu, cpu._replace(since=since), spot, data)

    def _known(self, spot: Spot, data: bytes) -> bytes:
        """The instruction of some form that these bytes begin with."""
        for form in self.of.sites[spot.site].forms:
            if form.at(spot.offset) and data.startswith(form.at(spot.offset)):
                return form.at(spot.offset)
        return b""

    def _executed(
        self, label: str, shared: Shared, before: Cpu, after: Cpu, spot: Spot, data: bytes
    ) -> Move:
        site = self.of.sites[spot.site]
        trapped = bool(self.of.trap) and data.startswith(self.of.trap)
        if not trapped:
            data = self._known(spot, data) or data
        forms = NOTHING if trapped else _agreeing(site, spot.offset, data)
        kind = "trap" if trapped else _kind(forms)
        violated = {"no-torn-instruction", "no-torn-sequence"} if kind == "torn" else set()
        if self.of.fetch == "strict" and self._changed(shared, before, spot, len(data)):
            violated.add("no-unpermitted-modification")
        if shared.returned and kind in ("old", "trap") and not site.foreign:
            violated.add("visible-after-return")
        after = self._settled(shared, after)
        move = Move(label, shared, after, ran=(spot.site, spot.offset, data, kind))
        if trapped:
            inside = Routine(spot.site, False, self.of.handler)
            after = after._replace(routine=inside, spot=spot if site.region else None)
            return move._replace(cpu=after, violated=frozenset(violated))
        move = self._acted(move._replace(violated=frozenset(violated)), spot, forms)
        if kind == "new" and self.of.callee:
            called = Routine(spot.site, True, self.of.callee)
            move = move._replace(cpu=move.cpu._replace(routine=called))
        return move

    def _changed(self, shared: Shared, cpu: Cpu, spot: Spot, length: int) -> bool:
        """Whether a byte to run has changed since the CPU's place, and should not have."""
        start = self.of.sites[spot.site].address + spot.offset
        trap = self.of.trap
        for part in self._parts(spot):
            addresses = [address for address in part if address < start + length]
            if not addresses:
                continue
            line = self.line_of[part[0]]
            history = self.histories(shared.log)[line]
            for place in range(cpu.since[line], len(history) - 1):
                before, after = (
                    bytes(history[p][address] for address in addresses) for p in (place, place + 1)
                )
                permitted = all(_modifiable(self.of.isa, data) for data in (before, after))
                whole = addresses[0] == start and len(addresses) >= len(trap) > 0
                by_trap = whole and (before.startswith(trap) or after.startswith(trap))
                for address, was, now in zip(addresses, before, after, strict=True):
                    in_trap = by_trap and address < start + len(trap)
                    if was != now and not in_trap and not permitted:
                        return True
        return False


def _all(steps: Program) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.then + step.otherwise)


def _same_place(one: Store, other: Store) -> bool:
    if "cell" in (one[0], other[0]):
        return one[:2] == other[:2]
    return bool({address for address, _ in one} & {address for address, _ in other})


def _agreeing(site: Site, offset: int, data: bytes) -> frozenset[int]:
    """The forms of a site that have exactly this instruction at an offset."""
    return frozenset(n for n, form in enumerate(site.forms) if data and form.at(offset) == data)


def _kind(forms: frozenset[int]) -> str:
    match OLD in forms, NEW in forms:
        case True, True:
            return "both"
        case True, False:
            return "old"
        case False, True:
            return "new"
    return "between" if forms else "torn"


# What instructions are, by another disassembler than the package's where there is one.

_CAPSTONE = {
    "x86-64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "arm64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
    "riscv64": (capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC),
    "ppc64": (capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_LITTLE_ENDIAN),
    "s390x": (capstone.CS_ARCH_SYSZ, capstone.CS_MODE_BIG_ENDIAN),
}


@cache
def _mnemonic(isa: str, data: bytes) -> str:
    if isa not in _CAPSTONE:
        return ""
    for *_, mnemonic, _ in capstone.Cs(*_CAPSTONE[isa]).disasm_lite(data, 0, 1):
        return str(mnemonic)
    return ""


def _is_nop(isa: str, data: bytes) -> bool:
    return _mnemonic(isa, data) in ("nop", "c.nop")


def _modifiable(isa: str, data: bytes) -> bool:
    listed = ("b", "bl", "nop", "brk", "svc", "hvc", "smc", "isb")
    return isa == "arm64" and len(data) == 4 and _mnemonic(isa, data) in listed
