"""Litmus tests by axioms, with no machine: a second ground for the verdicts of the first.

A program is a list of operations for each thread. All candidate executions are enumerated (what
each read and fetch reads from, the order of stores to a place, on which side of each store and
fetch a maintenance is), and those kept whose order is acyclic. The clauses are those of Arm's cat
model (herdtools7, herd/libdir/aarch64hwreqs.cat and aarch64.cat, 2026), and for RISC-V those of
RVWMO with the rules of rems-project/litmus-tests-riscv-ifetch. Shares no code with the machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import NamedTuple


class Op(NamedTuple):
    """An operation: its kind, the place or the sort of barrier, and the value stored.

    Kinds: W, R, F (a fetch and execution), DC, IC, and the barriers DMB, DSB, ISB, FENCE, FENCEI.
    `depends` is, for a branch (B) or an address, the number of the R in the thread.
    """

    kind: str
    place: str = ""
    value: int = 0
    depends: int = -1


Program = tuple[tuple[Op, ...], ...]


@dataclass(frozen=True)
class Event:
    """An operation that has an effect on memory, or an initial store (thread -1)."""

    thread: int
    index: int
    op: Op


Edges = set[tuple[int, int]]


class Axioms:
    """The executions of a program under one of the models."""

    def __init__(self, program: Program, model: str) -> None:
        self.program = program
        self.model = model
        self.arm = model.startswith("arm")
        places = sorted({op.place for ops in program for op in ops if op.kind in "WRF"})
        self.events = [Event(-1, n, Op("W", place)) for n, place in enumerate(places)]
        for thread, ops in enumerate(program):
            for index, op in enumerate(ops):
                if op.kind in ("W", "R", "F", "DC", "IC"):
                    self.events.append(Event(thread, index, op))
        self.local = set(self._local())

    # What a thread orders by itself.

    def _local(self) -> Iterator[tuple[int, int]]:
        for a, first in enumerate(self.events):
            for b, then in enumerate(self.events):
                if first.thread < 0 or first.thread != then.thread or first.index >= then.index:
                    continue
                if (self._arm if self.arm else self._riscv)(first, then):
                    yield a, b

    def _between(self, first: Event, then: Event) -> tuple[Op, ...]:
        return self.program[first.thread][first.index + 1 : then.index]

    def _branches(self, first: Event, then: Event) -> bool:
        between = self._between(first, then)
        return any(op.kind == "B" and op.depends == first.index for op in between)

    def _addresses(self, first: Event, ops: tuple[Op, ...]) -> bool:
        return any(op.kind in ("R", "W") and op.depends == first.index for op in ops)

    def _arm(self, first: Event, then: Event) -> bool:
        one, two = first.op, then.op
        between = self._between(first, then)
        if one.kind == "F":
            return two.kind != "F"
        kinds = {(op.kind, op.place) for op in between}
        if two.kind != "F":
            memory = one.kind in "WR" and two.kind in "WR"
            data = one.kind in ("W", "R", "DC") and two.kind in ("W", "R", "DC")
            if two.depends == first.index and two.kind in "WR":
                return True
            if one.place == two.place and (
                (one.kind in "WR" and two.kind == "W") or (data and "DC" in (one.kind, two.kind))
            ):
                return True
            if ("DMB", "full") in kinds and data:
                return True
            if ("DMB", "ld") in kinds and one.kind == "R" and memory:
                return True
            if ("DMB", "st") in kinds and one.kind == "W" and two.kind == "W":
                return True
            if self._dsb(one, kinds):
                return True
            if self._branches(first, then) and two.kind in ("W", "DC", "IC"):
                return True
            if one.kind == "R" and two.kind == "W" and self._addresses(first, between):
                return True
        for number, op in enumerate(between):
            if op.kind == "ISB":
                before = between[:number]
                if self._dsb(one, {(o.kind, o.place) for o in before}):
                    return True
                if one.kind == "R" and (
                    any(o.kind == "B" and o.depends == first.index for o in before)
                    or self._addresses(first, before)
                ):
                    return True
        return False

    def _dsb(self, one: Op, kinds: set[tuple[str, str]]) -> bool:
        return (
            (("DSB", "full") in kinds and one.kind in ("W", "R", "DC", "IC"))
            or (("DSB", "ld") in kinds and one.kind == "R")
            or (("DSB", "st") in kinds and one.kind == "W")
        )

    def _riscv(self, first: Event, then: Event) -> bool:
        one, two = first.op, then.op
        between = self._between(first, then)
        fencei = any(op.kind == "FENCEI" for op in between)
        if one.kind == "F":
            if two.kind == "F":
                return self.model == "Ziccid" or (self.model == "ir3-fetch" and fencei)
            if self.model in ("ir-decode", "Ziccid") or (fencei and self.model == "ir3-fetch"):
                # In the last: before the fetch of what has the later effect.
                return True
            return self.model == "ir-decode-w" and two.kind == "W"
        if fencei:
            return True
        if two.kind == "F":
            return False
        if two.depends == first.index:
            return True
        if two.kind == "W" and (
            one.place == two.place
            or self._branches(first, then)
            or (one.kind == "R" and self._addresses(first, between))
        ):
            return True
        return any(
            op.kind == "FENCE" and self._fenced(op.place, one.kind, two.kind) for op in between
        )

    @staticmethod
    def _fenced(sort: str, one: str, two: str) -> bool:
        if sort == "tso":
            return (one, two) != ("W", "R")
        first, _, then = sort.partition(",")
        return one.lower() in first and two.lower() in then

    # Executions.

    def finals(self) -> set[tuple[tuple[int, ...], ...]]:
        """For each thread the values that its reads and fetches have, in program order."""
        events = self.events
        reads = [n for n, event in enumerate(events) if event.op.kind in "RF"]
        by_place: dict[str, list[int]] = {}
        for n, event in enumerate(events):
            if event.op.kind == "W":
                by_place.setdefault(event.op.place, []).append(n)
        orders = [
            [(writes[0], *rest) for rest in permutations(writes[1:])]
            for writes in by_place.values()
        ]
        found = set()
        for chosen in product(*orders):
            rank = {n: position for order in chosen for position, n in enumerate(order)}
            if not self._stores_in_order(rank):
                continue
            for sources in product(*(by_place[events[n].op.place] for n in reads)):
                rf = dict(zip(reads, sources, strict=True))
                final = tuple(
                    tuple(events[rf[n]].op.value for n in reads if events[n].thread == thread)
                    for thread in range(len(self.program))
                )
                if final not in found and self._internal(rf, rank) and self._possible(rf, rank):
                    found.add(final)
        return found

    def _stores_in_order(self, rank: dict[int, int]) -> bool:
        """coWW."""
        return all(
            rank[a] < rank[b]
            for a, one in enumerate(self.events)
            for b, two in enumerate(self.events)
            if one.op.kind == two.op.kind == "W" and one.op.place == two.op.place
            if one.thread == two.thread >= 0 and one.index < two.index
        )

    def _internal(self, rf: dict[int, int], rank: dict[int, int]) -> bool:
        """coRW and coWR: a read is not of a later store, nor of one before its own last."""
        for read, source in rf.items():
            event = self.events[read]
            if event.op.kind != "R":
                continue
            for n, other in enumerate(self.events):
                if other.op.kind == "W" and other.op.place == event.op.place:
                    if other.thread != event.thread:
                        continue
                    if other.index > event.index and n == source:
                        return False
                    if other.index < event.index and rank[source] < rank[n]:
                        return False
        return True

    def _possible(self, rf: dict[int, int], rank: dict[int, int]) -> bool:
        """Whether some way of placing the maintenance gives an acyclic order."""
        events = self.events
        edges: Edges = set(self.local)
        after: dict[int, list[int]] = {}
        for read, source in rf.items():
            later = [
                n
                for n, event in enumerate(events)
                if event.op.kind == "W" and event.op.place == events[source].op.place
                if rank[n] > rank[source]
            ]
            after[read] = later
        self._observed(edges, rf, rank, after)
        if not self.arm:
            return _acyclic(len(events), edges)
        cleans = [
            (n, w)
            for n, event in enumerate(events)
            if event.op.kind == "DC"
            for w, other in enumerate(events)
            if other.op.kind == "W" and other.op.place == event.op.place and other.thread >= 0
        ]
        drops = [
            (n, f)
            for n, event in enumerate(events)
            if event.op.kind == "IC" and self._completed(event)
            for f, other in enumerate(events)
            if other.op.kind == "F" and other.op.place == event.op.place
        ]
        if self.model == "arm-dic":
            cleans = drops = []
        for sides in product((True, False), repeat=len(cleans) + len(drops)):
            more = set(edges)
            dc = dict(zip(cleans, sides[: len(cleans)], strict=True))
            ic = dict(zip(drops, sides[len(cleans) :], strict=True))
            more |= {pair if side else pair[::-1] for pair, side in (dc | ic).items()}
            self._maintained(more, dc, ic, after)
            if _acyclic(len(events), more):
                return True
        return False

    def _observed(
        self, edges: Edges, rf: dict[int, int], rank: dict[int, int], after: dict[int, list[int]]
    ) -> None:
        events = self.events
        for read, source in rf.items():
            fetch = events[read].op.kind == "F"
            if events[source].thread >= 0 and (
                fetch or events[source].thread != events[read].thread
            ):
                edges.add((source, read))
            for later in after[read]:
                mine = events[later].thread == events[read].thread
                if (fetch and (not self.arm or self.model == "arm-dic")) or (
                    not fetch and not mine
                ):
                    edges.add((read, later))
                if not fetch and not self.arm and mine:
                    edges.add((read, later))
        for a, one in enumerate(events):
            for b, two in enumerate(events):
                same = one.op.place == two.op.place
                stores = one.op.kind == two.op.kind == "W" and one.thread >= 0
                if stores and same and one.thread != two.thread and rank[a] < rank[b]:
                    edges.add((a, b))
                if one.thread != two.thread or one.index >= two.index or one.thread < 0:
                    continue
                if one.op.kind == two.op.kind == "R" and same:
                    self._reads_hazard(edges, a, b, rf, after)
                if one.op.kind == two.op.kind == "F" and self.model == "arm-dic":
                    edges |= {(a, later) for later in after[b]}

    def _reads_hazard(
        self, edges: Edges, a: int, b: int, rf: dict[int, int], after: dict[int, list[int]]
    ) -> None:
        events = self.events
        if self.arm:
            thread = events[b].thread
            edges |= {(a, later) for later in after[b] if events[later].thread != thread}
        elif rf[a] != rf[b]:
            between = self._between(events[a], events[b])
            if not any(op.kind == "W" and op.place == events[a].op.place for op in between):
                edges.add((a, b))

    def _completed(self, drop: Event) -> bool:
        rest = self.program[drop.thread][drop.index + 1 :]
        return any(op.kind == "DSB" and op.place == "full" for op in rest)

    def _maintained(
        self,
        edges: Edges,
        dc: dict[tuple[int, int], bool],
        ic: dict[tuple[int, int], bool],
        after: dict[int, list[int]],
    ) -> None:
        """IC-coherence-after, and fetches around an invalidation."""
        events = self.events
        for (drop, fetch), dropped_first in ic.items():
            if dropped_first:
                for write in after[fetch]:
                    if self.model == "arm-idc":
                        edges.add((drop, write))
                    else:
                        edges |= {
                            (drop, clean)
                            for (clean, w), clean_first in dc.items()
                            if w == write and not clean_first
                        }
                continue
            for n, other in enumerate(events):
                earlier = other.thread == events[fetch].thread and other.index < events[fetch].index
                if other.op.kind == "F" and earlier:
                    edges |= {(n, then) for then in self._ordered_after(drop)}

    def _ordered_after(self, drop: int) -> set[int]:
        return {b for a, b in self.local if a == drop}


def _acyclic(size: int, edges: Edges) -> bool:
    waiting = [0] * size
    following: list[list[int]] = [[] for _ in range(size)]
    for a, b in edges:
        following[a].append(b)
        waiting[b] += 1
    free = [n for n in range(size) if not waiting[n]]
    gone = 0
    while free:
        gone += 1
        for b in following[free.pop()]:
            waiting[b] -= 1
            if not waiting[b]:
                free.append(b)
    return gone == size
