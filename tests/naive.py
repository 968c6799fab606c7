"""A second opinion on small protocols: every store in one log, and every CPU a place in it.

Shares nothing with the machine or the explorers: it reads a protocol, and follows the words of the
README. It keeps far more than is needed, so that there is nothing clever to get wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from modelcheck import Protocol
from modelcheck.protocol.program import Block, Element
from modelcheck.protocol.vocabulary.anyone import Store
from modelcheck.protocol.vocabulary.patcher import Write
from modelcheck.protocol.vocabulary.program import SendIpi, WaitAcks
from modelcheck.protocol.vocabulary.routine import Emulate, Lookup, Return, Skip

KNOWN = frozenset(
    {
        "no-torn-instruction",
        "no-unhandled-trap",
        "no-stale-handler-data",
        "effect-is-old-or-new",
        "visible-after-return",
        "per-cpu-monotone",
        "no-unpermitted-modification",
    }
)
"""The properties that are judged here."""

Bytes = dict[int, int]
"""What an atomic store wrote: address to value."""


@dataclass(frozen=True)
class Cpu:
    """Of one CPU: when it synchronised, what it has read of a site, and where its handler is."""

    synced: int = 0
    seen: tuple[tuple[int, int], ...] = ()
    pending: bool = False
    reading: tuple[int, tuple[tuple[int, bytes], ...]] | None = None
    trap: tuple[int, int, tuple[tuple[str, Any], ...]] | None = None
    acted_new: frozenset[int] = frozenset()


@dataclass(frozen=True)
class World:
    """The log of stores, the cells, how far the patcher is, and the CPUs, its own first."""

    log: tuple[tuple[tuple[int, int], ...], ...]
    cells: tuple[tuple[str, Any], ...]
    pc: int
    written: frozenset[int]
    cpus: tuple[Cpu, ...]


Step = tuple[frozenset[str], World]


def _steps(program: tuple[Element, ...]) -> list[Any]:
    steps: list[Any] = []
    for element in program:
        steps += _steps(element.steps) if isinstance(element, Block) else [element]
    return steps


class Naive:
    """A protocol with so many CPUs under a fetch model, as the set of all that it can do."""

    def __init__(
        self, protocol: Protocol, cpus: int, fetch: str, chunk: int, offset: int | None
    ) -> None:
        self.protocol, self.cpus, self.fetch, self.chunk = protocol, cpus, fetch, chunk
        first = protocol.sites[0].address
        shift = 0 if offset is None else offset - first % 64
        self.addresses = [site.address + shift for site in protocol.sites]
        self.memory = {
            address + i: byte
            for address, site in zip(self.addresses, protocol.sites, strict=True)
            for i, byte in enumerate(site.old)
        }
        self.program = _steps(protocol.program)
        self.trap = protocol.handler.trap if protocol.handler else None
        self.handler = _steps(protocol.handler.program) if protocol.handler else []
        self.returns_synced = all(s.synchronises for s in self.handler if isinstance(s, Return))

    def violations(self, at_most: int) -> frozenset[str] | None:
        """Every property violated anywhere; None if there are more states than `at_most`."""
        start = World(
            (),
            tuple((cell.name, cell.initial) for cell in self.protocol.cells),
            0,
            frozenset(),
            (Cpu(),) * (self.cpus + 1),
        )
        seen, todo = {start}, [start]
        found: set[str] = set()
        while todo:
            for violated, world in self.steps(todo.pop()):
                found |= violated
                if world not in seen:
                    seen.add(world)
                    todo.append(world)
            if len(seen) > at_most:
                return None
        return frozenset(found)

    def steps(self, world: World) -> Iterator[Step]:
        own = world.cpus[0]
        if world.pc < len(self.program) and own.reading is None and own.trap is None:
            for after in self.patch(world, self.program[world.pc]):
                yield frozenset(), after
        for number in range(0 if self.protocol.patcher_executes else 1, self.cpus + 1):
            cpu = world.cpus[number]
            handler = self.protocol.handler
            if cpu.pending and (cpu.trap is None or (handler and handler.interrupts)):
                taken = replace(self.sync(cpu, world), pending=False)
                yield frozenset(), self.put(world, number, taken)
            if cpu.trap is not None:
                yield self.handle(world, number, cpu)
            else:
                yield from self.run(world, number, cpu)

    def put(self, world: World, number: int, cpu: Cpu) -> World:
        return replace(world, cpus=(*world.cpus[:number], cpu, *world.cpus[number + 1 :]))

    def sync(self, cpu: Cpu, world: World) -> Cpu:
        return replace(cpu, synced=len(world.log), seen=(), reading=None)

    # The patcher.

    def patch(self, world: World, step: Any) -> Iterator[World]:
        done = replace(world, pc=world.pc + 1, written=frozenset())
        match step:
            case Write():
                names = [site.name for site in self.protocol.sites]
                start = self.addresses[names.index(step.site)] + step.at
                stored = [(start + i, byte) for i, byte in enumerate(step.data)]
                if step.order == "single":
                    yield replace(done, log=(*world.log, tuple(stored)))
                    return
                left = [i for i in range(len(stored)) if i not in world.written]
                for i in left if step.order == "any" else left[:1]:
                    after = done if len(left) == 1 else replace(world, written=world.written | {i})
                    yield replace(after, log=(*world.log, (stored[i],)))
            case Store():
                yield replace(
                    done, cells=tuple((dict(world.cells) | {step.cell: step.value}).items())
                )
            case SendIpi():
                own, *others = world.cpus
                if self.protocol.patcher_executes:
                    own = self.sync(own, world)
                yield replace(done, cpus=(own, *(replace(cpu, pending=True) for cpu in others)))
            case WaitAcks():
                if not any(cpu.pending for cpu in world.cpus[1:]):
                    yield done

    # A CPU that runs the sites.

    def at(self, world: World, time: int) -> Bytes:
        memory = dict(self.memory)
        for stored in world.log[:time]:
            memory.update(stored)
        return memory

    def parts(self, site: int) -> list[list[int]]:
        """The addresses of a site, chunk by chunk."""
        parts: dict[int, list[int]] = {}
        for i in range(len(self.protocol.sites[site])):
            address = self.addresses[site] + i
            parts.setdefault(address // self.chunk, []).append(address)
        return [parts[line] for line in sorted(parts)]

    def times(self, world: World, cpu: Cpu, line: int) -> range:
        """When the memory may be from that a CPU reads now."""
        now = len(world.log)
        match self.fetch:
            case "coherent" | "coherent-any-order":
                return range(now, now + 1)
            case "incoherent" | "strict":
                return range(cpu.synced, now + 1)
            case "store-order":
                line = 0
        return range(dict(cpu.seen).get(line, cpu.synced), now + 1)

    def saw(self, cpu: Cpu, line: int, time: int) -> Cpu:
        match self.fetch:
            case "store-order":
                return replace(cpu, seen=((0, time),))
            case "per-chunk":
                return replace(cpu, seen=tuple(sorted((dict(cpu.seen) | {line: time}).items())))
        return cpu

    def run(self, world: World, number: int, cpu: Cpu) -> Iterator[Step]:
        if cpu.reading is None:
            for site in range(len(self.protocol.sites)):
                yield from self.read(world, number, cpu, site, {})
            return
        site, read = cpu.reading
        if len(read) < len(self.parts(site)):
            yield from self.read(world, number, cpu, site, dict(read))
        else:
            data = b"".join(part for _, part in sorted(read))
            yield self.execute(world, number, replace(cpu, reading=None), cpu, site, data)

    def read(
        self, world: World, number: int, cpu: Cpu, site: int, read: dict[int, bytes]
    ) -> Iterator[Step]:
        parts = self.parts(site)
        unread = [i for i in range(len(parts)) if i not in read]
        ascending = self.fetch in ("coherent", "store-order")
        for i in unread[:1] if ascending else unread:
            line = parts[i][0] // self.chunk
            for time in self.times(world, cpu, line):
                memory = self.at(world, time)
                got = read | {i: bytes(memory[address] for address in parts[i])}
                after = replace(
                    self.saw(cpu, line, time), reading=(site, tuple(sorted(got.items())))
                )
                begun = b""
                for n in range(len(parts)):
                    if n not in got:
                        break
                    begun += got[n]
                if self.trap and begun.startswith(self.trap):
                    after = replace(after, reading=None)
                    yield self.execute(world, number, after, cpu, site, self.trap)
                else:
                    yield frozenset(), self.put(world, number, after)

    def execute(
        self, world: World, number: int, after: Cpu, before: Cpu, site: int, data: bytes
    ) -> Step:
        place = self.protocol.sites[site]
        trapped = bool(self.trap) and data.startswith(self.trap or b"?")
        violated: set[str] = set()
        if not trapped and data not in (place.old, place.new):
            violated.add("no-torn-instruction")
        if self.fetch == "strict" and self.changed(world, before.synced, site, len(data)):
            violated.add("no-unpermitted-modification")
        returned = world.pc == len(self.program)
        if returned and (trapped or data == place.old != place.new):
            violated.add("visible-after-return")
        if trapped:
            after = replace(after, trap=(site, 0, ()))
        elif place.old != place.new and data in (place.old, place.new):
            after, back = self.act(after, site, "old" if data == place.old else "new")
            violated |= back
        return frozenset(violated), self.put(world, number, after)

    def act(self, cpu: Cpu, site: int, instruction: str) -> tuple[Cpu, set[str]]:
        if instruction == "new":
            return replace(cpu, acted_new=cpu.acted_new | {site}), set()
        return cpu, {"per-cpu-monotone"} if site in cpu.acted_new else set()

    def changed(self, world: World, since: int, site: int, length: int) -> bool:
        """Whether a byte to run changed since then, other than by a trap put there or taken off."""
        size = len(self.trap or b"")
        start, first = self.addresses[site], self.parts(site)[0]
        for time in range(since, len(world.log)):
            before, after = self.at(world, time), self.at(world, time + 1)
            heads = [bytes(m[a] for a in first[:size]) for m in (before, after)]
            for i in range(length):
                exempt = 0 < size <= len(first) and i < size and self.trap in heads
                if before[start + i] != after[start + i] and not exempt:
                    return True
        return False

    # The trap handler.

    def handle(self, world: World, number: int, cpu: Cpu) -> Step:
        assert cpu.trap is not None
        site, pc, found = cpu.trap
        step, cells = self.handler[pc], dict(world.cells)
        onward = replace(cpu, trap=(site, pc + 1, found))
        violated: set[str] = set()
        match step:
            case Lookup() if not cells[step.cell]:
                violated.add("no-unhandled-trap")
                onward = self.leave(cpu, world)
            case Lookup():
                onward = replace(cpu, trap=(site, pc + 1, (*found, (step.cell, cells[step.cell]))))
            case Emulate():
                if step.cell is not None and cells[step.cell] != dict(found)[step.cell]:
                    violated.add("no-stale-handler-data")
                onward, back = self.act(onward, site, step.instruction)
                violated |= back
            case Skip():
                place = self.protocol.sites[site]
                if self.protocol.architecture.decode(place.old).is_nop:
                    onward, back = self.act(onward, site, "old")
                    violated |= back
                elif self.protocol.architecture.decode(place.new).is_nop:
                    onward, _ = self.act(onward, site, "new")
                else:
                    violated.add("effect-is-old-or-new")
            case Return():
                onward = self.leave(cpu, world)
        return frozenset(violated), self.put(world, number, onward)

    def leave(self, cpu: Cpu, world: World) -> Cpu:
        left = replace(cpu, trap=None)
        return self.sync(left, world) if self.returns_synced else left
