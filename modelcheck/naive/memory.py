"""A protocol in one configuration: its code, its cells, and how stores reach them.

Knows the reader and states.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from modelcheck.naive import reading
from modelcheck.naive.reading import OLD, Json, Program, Step, one_of, places, program, take
from modelcheck.naive.state import Cpu, Move, Places, Shared, Store

CPUS = -1
"""The role, and the sender, of all CPUs but the patchers'."""


def later_of(one: Places, other: Places) -> Places:
    """For each history, the later of two places."""
    return tuple(map(max, one, other))


class Memory:
    """What a protocol is made of, and its memory.

    Raises UnknownError for what is not known here.
    """

    def __init__(self, protocol: Json, configuration: Json) -> None:
        self.data = data = take(protocol, "the protocol", "name sites program", reading.PROTOCOL)
        self.run = run = take(configuration, "the configuration", "", reading.CONFIGURATION)
        self.fetch: str = one_of("fetch model", run["fetch"], reading.FETCH)
        self.weak = one_of("stores", data["stores"], ("in-order", "weak")) == "weak"
        self.cpus: int = run["cpus"]
        self.arch: str = one_of("architecture", data["isa"], reading.ARCHITECTURES)
        self.patcher_executes: bool = data["patcher_executes"]
        self.ordered = self.fetch in ("coherent", "store-order")
        self.newest_only: bool = self.fetch.startswith("coherent")
        self.coherent_icache = data["coherent_icache"] or self.ordered or self.newest_only
        self.coherent_dcache: bool = data["coherent_dcache"]
        in_order_behind = self.arch == "arm64" and self.fetch in ("per-chunk", "incoherent")
        self.drops_order = in_order_behind and not self.coherent_icache
        self._read_programs(data)
        self._read_code(data, run)
        self._read_cells(data)

    def _read_programs(self, data: Json) -> None:
        others = [take(one, "a patcher", "name program", {}) for one in data["patchers"]]
        self.programs = {
            number: program(steps)
            for number, steps in enumerate([data["program"], *(one["program"] for one in others)])
        }
        self.patchers = frozenset(self.programs)
        self.roles = [*self.programs, CPUS]
        self.programs[CPUS] = program(data["cpu_program"])
        handler = data["handler"] or {"trap": "", "program": []}
        one = take(handler, "the handler", "trap program", {"interrupts": False})
        self.trap = bytes.fromhex(one["trap"])
        self.masked: bool = not one["interrupts"]
        self.handler, self.callee = program(one["program"]), program(data["callee"])
        ends = [at[0] for at in places(self.handler) if at[0].kind in ("Return", "NotOurs")]
        self.all_ways_synchronise = bool(self.trap) and all(end["synchronises"] for end in ends)

    def _read_code(self, data: Json, run: Json) -> None:
        self.sites = tuple(reading.site(one) for one in data["sites"])
        self.numbers = {one.name: number for number, one in enumerate(self.sites)}
        first = self.sites[0].address
        shift = 0 if run["offset"] is None else run["offset"] - first % 64
        self.old: dict[int, int] = {}
        self.chunk_of: dict[int, int] = {}
        for one in self.sites:
            for address, byte in enumerate(one.forms[OLD].data, start=one.address):
                self.old[address] = byte
                self.chunk_of[address] = (address + shift) // run["chunk"]
        self.shift = shift
        self.cache_lines = sorted({(address + shift) // 64 for address in self.old})
        history_of = {a: 0 if self.ordered else chunk for a, chunk in self.chunk_of.items()}
        names = list(dict.fromkeys(history_of.values()))
        self.line_of = {address: names.index(name) for address, name in history_of.items()}
        """For each address its history's number."""
        self.histories = cache(self._histories)

    def _read_cells(self, data: Json) -> None:
        cells = [
            take(c, "a cell", "name", {"initial": None, "per_cpu": False, "stays": ""})
            for c in data["cells"]
        ]
        self.cells = {one["name"]: number for number, one in enumerate(cells)}
        self.initial = tuple(reading.value_of(one["initial"]) for one in cells)
        self.per_cpu = {number for number, one in enumerate(cells) if one["per_cpu"]}
        looked_up = {at[0]["cell"] for at in places(self.handler) if at[0].kind == "Lookup"}
        looked_up |= {
            at[0].test["cell"]
            for at in places(self.handler)
            if at[0].test and at[0].test.kind == "Lookup"
        }
        self.retired = {
            number
            for number, one in enumerate(cells)
            if one["name"] in looked_up and not self.initial[number] and not one["stays"]
        }
        """The cells that are to be empty when all has ended."""

    # States before the first step.

    def shared(self) -> Shared:
        """What all share."""
        none = (0,) * len(set(self.line_of.values()))
        over = frozenset(role for role in self.roles if role != CPUS and not self.programs[role])
        return Shared((), self.initial, none, none, over, over)

    @property
    def nowhere(self) -> Places:
        """The first place in each history."""
        return self.shared().cleaned

    def cpu(self, steps: Program) -> Cpu:
        """A CPU."""
        own = tuple(v if n in self.per_cpu else None for n, v in enumerate(self.initial))
        return Cpu(steps, since=self.nowhere, own=own, dropped=self.nowhere)

    # Code.

    def _histories(self, log: tuple[Store, ...]) -> tuple[tuple[dict[int, int], ...], ...]:
        """For each history, what its bytes were, and after each store that changed them."""
        found: list[list[dict[int, int]]] = [[{}] for _ in self.nowhere]
        for address, byte in self.old.items():
            found[self.line_of[address]][0][address] = byte
        for store in log:
            for history in found:
                after = history[-1] | {a: byte for a, byte in store.code if a in history[-1]}
                if after != history[-1]:
                    history.append(after)
        return tuple(map(tuple, found))

    def newest(self, shared: Shared) -> Places:
        """The places of a CPU that sees what is in memory."""
        return tuple(len(history) - 1 for history in self.histories(shared.log))

    def synchronised(self, here: Move, runs_sites: bool = True) -> Move:
        """After the CPU has synchronised; if it runs no site, that is of its stores alone."""
        if self.arch == "riscv64":
            here = self.behind(here, "fence.i" if runs_sites else "dmb")
        if not runs_sites:
            return here
        newest, dropped = self.newest(here.shared), here.shared.dropped
        since = newest if self.coherent_icache else later_of(here.cpu.since, dropped)
        return here.me(reading=None, since=since)

    # Stores.

    def store(self, here: Move, store: Store) -> Iterator[Move]:
        """A store sets out for memory; in order, it waits for what comes before it."""
        if self.weak:
            yield here.me(buffer=(*here.cpu.buffer, store))
        elif not self._waits(here.cpu.buffer, store):
            yield here._replace(shared=self.stored(here.shared, store))

    def stored(self, shared: Shared, store: Store) -> Shared:
        """A store reaches memory."""
        if store.cell is None:
            return shared._replace(log=(*shared.log, store))
        cells = list(shared.cells)
        cells[store.cell] = store.value
        return shared._replace(cells=tuple(cells))

    def drains(self, here: Move) -> Iterator[Move]:
        """What is under way and may be done now."""
        for number, one in enumerate(here.cpu.buffer):
            before, behind = here.cpu.buffer[:number], here.cpu.buffer[number + 1 :]
            if not one.is_barrier and not self._waits(before, one):
                done = self._done(here._replace(label="drain"), one)
                yield self._lifted(done.me(buffer=()), before + behind)

    def _waits(self, before: tuple[Store, ...], one: Store) -> bool:
        """Whether something before it has to be done first."""
        return one.heeds and any(
            other.is_barrier
            or (one.does == other.does == "store" and other.meets(one))
            or ("clean" in (one.does, other.does) and other.heeds and self._share_line(one, other))
            for other in before
        )

    def line(self, address: int) -> int:
        """The number of the cache line at an address."""
        return self.cache_lines.index((address + self.shift) // 64)

    def _share_line(self, *both: Store) -> bool:
        one, other = ({self.line(a) for a, _ in it.code} or {it.line} - {-1} for it in both)
        return bool(one & other)

    def _of_line(self, line: int, places: Places, others: Places) -> Places:
        """The places, but of the histories of a line the others, if they are later."""
        there = {self.line_of[address] for address in self.old if self.line(address) == line}
        both = enumerate(zip(places, others, strict=True))
        return tuple(max(pair) if number in there else pair[0] for number, pair in both)

    def _done(self, here: Move, one: Store) -> Move:
        shared = here.shared
        if one.does == "store":
            return here._replace(shared=self.stored(shared, one))
        newest = self.newest(shared)
        if one.does == "clean":
            cleaned = self._of_line(one.line, shared.cleaned, newest)
            return here._replace(shared=shared._replace(cleaned=cleaned))
        seen = newest if self.coherent_dcache else shared.cleaned
        dropped = self._of_line(one.line, shared.dropped, seen)
        own = self._of_line(one.line, here.cpu.dropped, dropped)
        here = here._replace(shared=shared._replace(dropped=dropped))
        return here.me(dropped=own) if self.drops_order else here

    def _lifted(self, here: Move, left: tuple[Store, ...]) -> Move:
        """With this under way, but for barriers that hold back nothing any more."""
        kept: list[Store] = []
        for one in left:
            if not one.is_barrier or any(other.heeds for other in kept):
                kept.append(one)
        here = here.me(buffer=tuple(kept))
        if sum(one.does == "fence.i" for one in left) > sum(one.does == "fence.i" for one in kept):
            return self.synchronised(here)
        return here

    def behind(self, here: Move, barrier: str) -> Move:
        """With a barrier behind all that is under way, if it has anything to hold back."""
        held = any(one.heeds for one in here.cpu.buffer)
        return here.me(buffer=(*here.cpu.buffer, Store(does=barrier))) if held else here

    def maintaining(self, cpu: Cpu, step: Step) -> Cpu:
        """The CPU with the lines that a step cleans or drops under way."""
        does, needless = "drop", self.coherent_icache
        if step.kind == "CleanDcache":
            does, needless = "clean", self.coherent_icache or self.coherent_dcache
        lines = set(range(len(self.cache_lines)))
        if step["site"] is not None:
            one = self.sites[self.numbers[step["site"]]]
            begin, end = one.address + step["at"], one.address + len(one.forms[OLD].data)
            size = end - begin if step["size"] is None else step["size"]
            lines = {self.line(address) for address in range(begin, begin + size)}
        asked = () if needless else tuple(Store(does=does, line=line) for line in sorted(lines))
        return cpu._replace(buffer=cpu.buffer + asked)

    def completed(self, here: Move) -> Move:
        """After a Dsb: who fetches what is stored from now on has fetched after these drops."""
        if here.cpu.dropped == self.nowhere:
            return here
        before, newest = dict(here.shared.completed), self.newest(here.shared)
        before[newest] = later_of(before.get(newest, self.nowhere), here.cpu.dropped)
        shared = here.shared._replace(completed=tuple(before.items()))
        return here._replace(shared=shared).me(dropped=self.nowhere)

    def floor(self, shared: Shared, part: list[int], place: int) -> Places:
        """What a CPU fetches from, at the oldest, after it has fetched this place of a part."""
        floor = self.nowhere
        for newest, dropped in shared.completed:
            if place > newest[self.line_of[part[0]]]:
                floor = later_of(floor, dropped)
        return floor

    def under_way(self, cpu: Cpu, cell: int) -> list[Any]:
        """The values that a CPU has stored to a cell, and that are not in memory yet."""
        return [store.value for store in cpu.buffer if store.cell == cell]

    def read(self, here: Move, cell: int) -> Any:
        """What the CPU reads in a cell."""
        if cell in self.per_cpu:
            return here.cpu.own[cell]
        return [here.shared.cells[cell], *self.under_way(here.cpu, cell)][-1]

    def read_code(self, here: Move, addresses: range) -> bytes:
        """What the CPU reads, as data, in code."""
        histories = self.histories(here.shared.log)
        found = {address: histories[self.line_of[address]][-1][address] for address in addresses}
        for store in here.cpu.buffer:
            found |= {address: byte for address, byte in store.code if address in found}
        return bytes(found.values())

    def sums(self, cell: int, value: int, amount: int) -> set[int]:
        """What a cell may hold after an addition."""
        return {value + amount}

    def same(self, cell: int, one: Any, other: Any) -> set[bool]:
        """Whether what a cell held is what it holds."""
        return {one == other}
