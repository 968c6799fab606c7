"""The search, level by level, over the tables of a system. Knows all of this folder."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np

from modelcheck.explore.compiled import kernels
from modelcheck.explore.compiled.checkpoint import Checkpoint
from modelcheck.explore.compiled.crew import Crew
from modelcheck.explore.compiled.layout import Packing, fitting
from modelcheck.explore.compiled.path import Paths
from modelcheck.explore.compiled.store import (
    EARLY_GROWTH,
    GROWTH,
    Segment,
    Sizes,
    StateStore,
    slices,
)
from modelcheck.explore.compiled.tables import Query, Tables
from modelcheck.explore.pulse import CUT_SHORT, LimitError, Pulse, why
from modelcheck.explore.system import System, Transition
from modelcheck.explore.verdict import Exploration, Request, Verdict

ROUND = 0.2
"""Seconds between two looks at the limits."""


def search(
    name: str, system: System, request: Request, *, symmetric: bool, sizes: Sizes = Sizes()
) -> Exploration:
    """What the engine of this name answers."""
    reason = None
    saving = request.saving
    with closing(Crew(request.threads or os.cpu_count() or 1)) as crew:
        try:
            run = Search(system, crew, symmetric=symmetric, sizes=sizes, spill=request.spill)
        except CUT_SHORT as stop:
            return Exploration(
                name, Verdict.INCONCLUSIVE, 0, 0, 0, 0.0, reason=why(stop), symmetric=symmetric
            )
        # The clock starts when the machine code is there.
        pulse = Pulse(request.limits, request.watcher)
        try:
            with ExitStack() as stack:
                checkpoint = Checkpoint(saving, run, symmetric=symmetric) if saving else None
                if checkpoint is not None:
                    stack.enter_context(closing(checkpoint))
                run.all_levels(pulse, checkpoint)
        except CUT_SHORT as stop:
            reason = why(stop)
        path: tuple[Transition, ...] = ()
        if run.seen:
            try:
                path = run.path()
            except CUT_SHORT as stop:
                reason = why(stop)
    found = frozenset(name for kind in run.seen for name in run.tables.kinds[kind].violations)
    verdict = Verdict.INCONCLUSIVE if reason else Verdict.SAFE
    return Exploration(
        name,
        Verdict.VIOLATED if found else verdict,
        run.store.states,
        run.transitions,
        run.depth + bool(found),
        pulse.seconds(),
        property=path[-1].row.violations[0] if path else min(found, default=None),
        path=path,
        reason=reason,
        found=found,
        symmetric=symmetric,
    )


class Search:
    """A search that stands still between two rounds of work.

    `levels` has the states by depth: the last but one is being expanded, and the last has what is
    found on the next so far. `todo` is what is still to be expanded. `seen` are the kinds of
    violations met.
    """

    def __init__(
        self,
        system: System,
        crew: Crew,
        *,
        symmetric: bool,
        sizes: Sizes,
        spill: Path | None,
    ) -> None:
        self.tables = Tables(system)
        self.trading = tuple(symmetric and role.replicated for role in system.model.roles)
        self.store = StateStore(self._fitting(), sizes, crew, spill)
        self._spill = spill
        self.transitions = 0
        self.seen: set[int] = set()
        start = self.tables.fields(system.initial())
        assert start is not None
        self.levels = [self.store.add(np.array(self.store.packing.pack(start), np.uint64)), []]
        self.todo = deque(self.levels[0])
        self._crew = crew
        self._sizes = sizes
        self._lock = threading.Lock()
        self._questions: list[Query] = []
        self._full = False

    @property
    def depth(self) -> int:
        """The level that is being expanded."""
        return len(self.levels) - 2

    def start_anew(self, packing: Packing) -> None:
        """Forget all states."""
        self.store = StateStore(packing, self._sizes, self._crew, self._spill)
        self.levels = []
        self.todo.clear()

    def all_levels(self, pulse: Pulse, checkpoint: Checkpoint | None) -> None:
        """Expand level after level, until there is none or one has a violation."""
        try:
            while self.todo:
                pulse.beat(self.store.states, self.transitions, _size(self.todo), self.depth)
                self._round(pulse)
                if not self.todo and self.levels[-1] and not self.seen:
                    self.todo = deque(self.levels[-1])
                    self.levels.append([])
                if checkpoint:
                    checkpoint.save_if_due(border=not self.levels[-1])
        except LimitError:
            if checkpoint:
                checkpoint.save()
            raise
        if checkpoint:
            with suppress(LimitError):  # The search has its answer, whether this is kept or not.
                checkpoint.save()

    def path(self) -> tuple[Transition, ...]:
        """A shortest path to a violation that was met, with the fewest switches."""
        self.store.drop_table()
        expanded = list(_without(self.levels[-2], self.todo))
        levels = [*self.levels[:-2], expanded]
        seen = self.seen
        return Paths(
            self.tables, self.store, levels, seen, crew=self._crew, sizes=self._sizes
        ).best()

    def repack_if_full(self) -> None:
        """Pack states anew if there are more values of a part than the packing can tell apart."""
        capacity = self.store.packing.capacity
        if any(n > most for n, most in zip(self.tables.counts, capacity, strict=True)):
            self.store.repack(self._fitting())

    def _fitting(self) -> Packing:
        return fitting(self.tables.counts, self.tables.system.actors, self.trading)

    def _round(self, pulse: Pulse) -> None:
        """Expand until nothing is to do, time is up, or something is needed to go on; get that."""
        total = _size(self.todo)
        together = total > self._sizes.crowd
        share = total // (8 * self._crew.size) if together else total
        self.todo = deque(slices(self.todo, min(self._sizes.slice_, max(share, 1))))
        self._questions = []
        self._full = False
        deadline = time.monotonic() + ROUND
        self._crew.run(lambda thread: self._work(thread, deadline), together=together)
        for question in dict.fromkeys(self._questions):
            self.tables.answer(question)
        self.repack_if_full()
        if self._full:
            swelling = self.depth < 1 or _size(self.levels[-2]) > _size(self.levels[-3])
            factor = EARLY_GROWTH if swelling else GROWTH
            pulse.room_for(int((factor - 1) * self.store.table.nbytes))
            self.store.grow(factor)

    def _work(self, thread: int, deadline: float) -> None:
        """What one thread does in a round."""
        report = np.zeros(kernels.REPORT, np.int64)
        packing, rules = self.store.packing, self.tables.rules
        scratch = self.tables.scratch(packing.words)
        least = kernels.needed(len(packing.places), rules.most)
        found: list[Segment] = []
        transitions = 0
        try:
            while not self._crew.stop:
                try:
                    part = self.todo.popleft()
                except IndexError:
                    break
                window = self.store.window(thread, least)
                if window is None:
                    self.todo.appendleft(part)
                    self._full = self._crew.stop = True
                    break
                kernels.expand(
                    packing.words,
                    self.store.words(part.chunk),
                    self.store.finders(part.chunk),
                    part.low,
                    part.high,
                    self.store.part(window.chunk, window.low, window.low + window.room),
                    self.store.finders(window.chunk)[window.low : window.low + window.room],
                    self.store.table,
                    self.store.slots,
                    packing.layout,
                    packing.trades,
                    rules,
                    scratch,
                    report,
                )
                transitions += int(report[kernels.TRANSITIONS])
                _join(found, self.store.keep(window, int(report[kernels.NEW])))
                if report[kernels.AT] < part.high:
                    self.todo.appendleft(part._replace(low=int(report[kernels.AT])))
                if report[kernels.STATUS] in kernels.QUESTIONS:
                    about, *question = report[[kernels.STATUS, *kernels.ASKED]].tolist()
                    self._questions.append(Query(about, *question))
                    self._crew.stop = True
                if time.monotonic() > deadline:
                    self._crew.stop = True
        finally:
            with self._lock:
                self.transitions += transitions
                self.levels[-1] += found
                self.seen.update(np.flatnonzero(scratch.kinds).tolist())


def _size(segments: Iterable[Segment]) -> int:
    return sum(high - low for _, low, high in segments)


def _join(segments: list[Segment], new: Segment) -> None:
    """Add a segment to others, the last of which it may continue."""
    if segments and (segments[-1].chunk, segments[-1].high) == (new.chunk, new.low):
        segments[-1] = segments[-1]._replace(high=new.high)
    elif new.low < new.high:
        segments.append(new)


def _without(segments: Iterable[Segment], removed: Iterable[Segment]) -> Iterator[Segment]:
    """The states of some segments that are not in others, each of which lies within one."""
    holes = sorted(removed)
    for chunk, low, high in segments:
        for hole in holes:
            if hole.chunk == chunk and low <= hole.low < high:
                if low < hole.low:
                    yield Segment(chunk, low, hole.low)
                low = hole.high
        if low < high:
            yield Segment(chunk, low, high)
