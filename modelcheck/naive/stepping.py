"""Who may do what next, in the words of docs/semantics.md, and nothing clever. Knows fetching."""

from collections.abc import Iterator
from typing import Any

from modelcheck.naive.fetching import NOPS, Fetching, agreeing, decoded
from modelcheck.naive.memory import CPUS
from modelcheck.naive.reading import NEW, OLD, Program, Step
from modelcheck.naive.state import Cpu, Move, Routine, Shared, Store

AT_ONCE = ("Add", "IncrementUnlessZero", "Test", "WaitUntil", "Lock", "Unlock")
"""What reads a cell, or acts on memory at once, so that barriers order it."""
ROUTINE = ("Lookup", "Use", "Emulate", "Skip", "Return", "NotOurs")


class Naive(Fetching):
    """A protocol in one configuration: all that each CPU can do next."""

    def runs_sites(self, role: int) -> bool:
        """Whether CPUs of a role do."""
        return role == CPUS or self.patcher_executes

    def moves(self, role: int, shared: Shared, cpu: Cpu) -> Iterator[Move]:
        """The steps of a CPU of a role; some have to wait for others, as `hears` says."""
        for move in self._moves(role, Move("", shared, cpu)):
            move = move._replace(cpu=move.cpu.calm())
            yield move if role == CPUS else self._ending(role, move)

    def _ending(self, role: int, move: Move) -> Move:
        """The move, and what it violates if nothing is left to do for any program with it."""
        ended = move.shared.ended | {role}
        if ended == move.shared.ended or move.cpu.rest or move.cpu.buffer:
            return move
        move = move._replace(shared=move.shared._replace(ended=ended))
        if ended != self.patchers or self._as_new(move):
            return move
        return move.violating("ends-as-new")

    def _as_new(self, here: Move) -> bool:
        """Whether all code is new, and nothing that the handler looks up is published."""
        for one in self.sites:
            new = one.forms[NEW].data
            there = self.read_code(here, range(one.address, one.address + len(new)))
            if there != new and not one.foreign:
                return False
        return not any(self.read(here, cell) for cell in self.retired)

    def _moves(self, role: int, here: Move) -> Iterator[Move]:
        cpu, runs_sites = here.cpu, self.runs_sites(role)
        yield from self.drains(here)
        if cpu.stop.startswith("leaves"):
            left = here._replace(label="leave stop").me(stop="no")
            yield self.synchronised(left) if runs_sites and "sync" in cpu.stop else left
        if cpu.stop not in ("no", "asked"):
            return
        if not cpu.irqs_off and not (cpu.in_handler and self.masked):
            yield from self._interrupts(here, runs_sites)
        if cpu.routine:
            yield from self._routine(role, here, cpu.routine)
            return
        if cpu.rest and not cpu.reading and not cpu.spot:
            yield from self._program(role, here, runs_sites)
        if runs_sites:
            yield from self.fetches(role, here)

    def _interrupts(self, here: Move, runs_sites: bool) -> Iterator[Move]:
        if here.cpu.pending:
            taken = here._replace(label="ipi").me(pending=frozenset(), serialise=False)
            yield self.synchronised(taken) if here.cpu.serialise and runs_sites else taken
        if here.cpu.stop == "asked":
            yield here._replace(label="stop").me(stop="stands", reading=None)

    # Programs.

    def _program(self, role: int, here: Move, runs_sites: bool) -> Iterator[Move]:
        head, *rest = here.cpu.rest
        step = head.test or head
        here = here._replace(label=step.label)
        moves = self._effects(role, here, step, runs_sites, for_all=role != CPUS)
        for move in self._write(here, step) if step.kind == "Write" else moves:
            left: Program = (*(head.then if move.holds else head.otherwise), *rest)
            if move.cpu.written:
                left = here.cpu.rest
            if role == CPUS and not left:
                left = self.programs[CPUS]
            if role != CPUS and not left:
                returned = move.shared.returned | {role}
                move = move._replace(shared=move.shared._replace(returned=returned))
            yield move.me(rest=left)

    def _write(self, here: Move, step: Step) -> Iterator[Move]:
        name, data, written = step["site"], step["data"], here.cpu.written
        if step["through"] is not None:
            named = self.read(here, self.cells[step["through"]])
            name = named if named in self.numbers else name
        at = self.sites[self.numbers[name]].address + step["at"]
        there = self.read_code(here, range(at, at + len(step["expects"])))
        if there != step["expects"] and not written:
            here = here.violating("no-unexpected-bytes")
        if (step["expects"] or step["through"] is not None) and here.cpu.reads_wait:
            return
        left = [i for i in range(len(data)) if i not in written]
        ways = [part for part in self._parts_of(at, len(data), step["order"]) if part[0] in left]
        for some in ways[:1] if step["order"] == "ascending" else ways:
            done = written.union(some)
            after = here.me(written=frozenset() if len(done) == len(data) else done)
            yield from self.store(after, Store(tuple((at + i, data[i]) for i in some)))

    def _parts_of(self, at: int, size: int, order: str) -> list[range]:
        """The bytes of a write that are stored at once, counted from its first."""
        if order != "single":
            return [range(i, i + 1) for i in range(size)]
        begin = at + self.shift
        if self.arch == "x86-64" and begin // 8 == (begin + size - 1) // 8:
            return [range(size)]
        found, i = list[range](), 0
        while i < size:
            aligned = (
                n for n in (64, 32, 16, 8, 4, 2, 1) if (begin + i) % n == 0 and i + n <= size
            )
            found.append(range(i, i + next(aligned)))
            i = found[-1].stop
        return found

    def _effects(
        self, role: int, here: Move, step: Step, runs_sites: bool, for_all: bool
    ) -> Iterator[Move]:
        """What any step does that programs may have; all but a Write."""
        cpu, shared, serialised = here.cpu, here.shared, here
        if step.fields.get("synchronises", True):
            serialised = self.synchronised(here, runs_sites)
        if step.kind in AT_ONCE and cpu.reads_wait:
            return
        cell = self.cells.get(step.fields.get("cell"), -1)
        own = cell in self.per_cpu
        match step.kind:
            case "Store" if own and cpu.reads_wait:
                return
            case "Store" if own:
                after = here._replace(cpu=cpu.owning(cell, step["value"]))
                yield after._replace(said=("set", cell, step["value"]) if for_all else ())
            case "Store":
                yield from self.store(here, Store(cell=cell, value=step["value"]))
            case "Add":
                yield from self._added(here, cell, step["amount"], for_all)
            case "IncrementUnlessZero" if self.read(here, cell) == 0:
                yield here._replace(holds=False)
            case "IncrementUnlessZero":
                yield from self._added(here, cell, 1, for_all)
            case "Test":
                yield here._replace(holds=self.read(here, cell) == step["value"])
            case "WaitUntil":
                if self.read(here, cell) == step["value"]:
                    asked = ("holds?", cell, step["value"])
                    yield here._replace(said=asked if own and for_all else ())
            case "Lock":
                if shared.cells[cell] == 0 and not self.under_way(cpu, cell):
                    yield here._replace(shared=self.stored(shared, Store(cell=cell, value=1)))
            case "Unlock":
                if not cpu.stores:
                    yield here._replace(shared=self.stored(shared, Store(cell=cell, value=0)))
            case "Fence":
                if not cpu.stores:
                    yield here
            case "Dsb":
                if not cpu.buffer:
                    yield self.completed(here)
            case "Dmb":
                yield self.behind(here, "dmb")
            case "Pause" | "Execute":
                yield here
            case "IrqOff" | "IrqOn":
                yield here.me(irqs_off=step.kind == "IrqOff")
            case "Serialise":
                yield serialised
            case "CleanDcache" | "InvalidateIcache":
                yield here._replace(cpu=self.maintaining(cpu, step))
            case "SendIpi":
                yield serialised._replace(
                    said=("ipi", role, step["synchronises"], step["deferred"])
                )
            case "WaitAcks":
                yield here._replace(said=("acknowledged?", role))
            case "StopCpus":
                if cpu.stop == "no":
                    yield here._replace(said=("stop",))
            case "WaitStopped":
                yield here.me(irqs_off=True)._replace(said=("stands?",))
            case "ReleaseCpus":
                yield serialised.me(irqs_off=False)._replace(said=("go", step["synchronises"]))
            case "StartGrace":
                yield here._replace(said=("grace", role, step["regions"]))
            case "WaitGrace":
                yield here._replace(said=("grace over?", role))
            case "EnterUser" | "LeaveUser":
                yield here.me(in_user=step.kind == "EnterUser")
            case "Flush":
                yield serialised.me(deferred=False) if cpu.deferred else here
            case kind:
                raise AssertionError(f"{step.label}: {kind} is not for this program")

    def _added(self, here: Move, cell: int, amount: int, for_all: bool) -> Iterator[Move]:
        if cell in self.per_cpu:
            after = here._replace(cpu=here.cpu.owning(cell, here.cpu.own[cell] + amount))
            yield after._replace(said=("add", cell, amount) if for_all else ())
        elif not self.under_way(here.cpu, cell):
            for total in self.sums(cell, here.shared.cells[cell], amount):
                yield here._replace(shared=self.stored(here.shared, Store(cell=cell, value=total)))

    # Handlers and callees.

    def _routine(self, role: int, here: Move, routine: Routine) -> Iterator[Move]:
        head, *rest = routine.rest
        step = head.test or head
        here = here._replace(label=step.label)
        acts = self._effects(role, here, step, runs_sites=True, for_all=False)
        for move in self._acts(here, routine, step) if step.kind in ROUTINE else acts:
            left = (*(head.then if move.holds else head.otherwise), *rest)
            if not move.holds and step.kind == "Lookup" and head.then == head.otherwise:
                move = self._unhandled(here, routine, self.all_ways_synchronise)
            elif move.cpu.routine:
                move = move.me(routine=move.cpu.routine._replace(rest=left))
            yield move

    def _acts(self, here: Move, routine: Routine, step: Step) -> Iterator[Move]:
        site, spot = self.sites[routine.site], here.cpu.spot or self.whole(routine.site)
        if step.fields.get("cell") is not None and here.cpu.reads_wait:
            return
        match step.kind:
            case "Lookup":
                cell = self.cells[step["cell"]]
                value = self.read(here, cell)
                found = self._searched(routine.site, value) if step["search"] else bool(value)
                if found:
                    kept = tuple(one for one in routine.found if one[0] != cell)
                    here = here.me(routine=routine._replace(found=(*kept, (cell, value))))
                yield here._replace(holds=found)
            case "Use":
                yield from self._stale(here, routine, step["cell"])
            case "Emulate":
                data = site.forms[NEW if step["instruction"] == "new" else OLD].at(spot.offset)
                here = here._replace(ran=(spot.site, spot.offset, data, "emulated"))
                here = self.acted(here, spot, agreeing(site, spot.offset, data))
                yield from self._stale(here, routine, step["cell"])
            case "Skip":
                called = [decoded(self.arch, form.at(spot.offset)) for form in site.forms]
                forms = frozenset(n for n, (name, _) in enumerate(called) if name in NOPS)
                here = here._replace(ran=(spot.site, spot.offset, b"", "skipped"))
                here = self.acted(here, spot, forms)
                yield here if forms else here.violating("effect-is-old-or-new")
            case "Return":
                back = here.me(routine=None)
                yield self.synchronised(back) if step["synchronises"] else back
            case "NotOurs":
                yield self._unhandled(here, routine, step["synchronises"])
            case kind:
                raise AssertionError(f"{step.label}: {kind} is not for a routine")

    def _searched(self, site: int, value: Any) -> bool:
        """Whether a binary search by address finds the site, as if the names were in order."""
        names = list(value) if isinstance(value, tuple) else []
        wanted = self.sites[site].address
        while names:
            middle = len(names) // 2
            address = self.sites[self.numbers[names[middle]]].address
            if address == wanted:
                return True
            names = names[middle + 1 :] if address < wanted else names[:middle]
        return False

    def _stale(self, here: Move, routine: Routine, name: str | None) -> Iterator[Move]:
        """What it violates to rely on what was looked up in a cell."""
        fresh = {name is None}
        for cell, value in routine.found:
            if name is not None and cell == self.cells[name]:
                fresh = self.same(cell, value, self.read(here, cell))
        if True in fresh:
            yield here
        if False in fresh:
            yield here.violating("no-stale-handler-data")

    def _unhandled(self, here: Move, routine: Routine, synchronises: bool) -> Move:
        if synchronises:
            here = self.synchronised(here)
        if not self.sites[routine.site].foreign:
            here = here.violating("no-unhandled-trap")
        return here.me(routine=None, spot=None)
