"""The limits of a search, looked at now and then. Knows what an exploration is limited by."""

import time

import psutil

from modelcheck.explore.verdict import Limits, Progress, Watcher


class LimitError(Exception):
    """The search met a limit."""


class Pulse:
    """Looks at the limits now and then, and tells the watcher. `spent`: seconds already used."""

    def __init__(self, limits: Limits, watcher: Watcher | None, spent: float = 0) -> None:
        self._limits = limits
        self._watcher = watcher
        self._start = time.monotonic() - spent
        self._process = psutil.Process()

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def beat(self, states: int, transitions: int, frontier: int, depth: int) -> None:
        """Say how far the search has come. Raises LimitError if it has met a limit."""
        limits, seconds = self._limits, self.seconds()
        if limits.states is not None and states > limits.states:
            raise LimitError(f"more than {limits.states} states")
        if limits.seconds is not None and seconds > limits.seconds:
            raise LimitError(f"more than {limits.seconds:g} seconds")
        self.room_for(0)
        if self._watcher:
            self._watcher(Progress(states, transitions, frontier, depth, seconds))

    def room_for(self, size: int) -> None:
        """Raises LimitError if so many bytes more would exceed the memory limit."""
        limit = self._limits.memory
        if limit is not None and (self._process.memory_info().rss + size) // 2**20 > limit:
            raise LimitError(f"more than {limit} MiB of memory")
