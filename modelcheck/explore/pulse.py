"""What cuts a question short: limits, Ctrl-C, and no memory. Knows what an exploration is limited
by.

A time limit is one for all that is done to answer a question, however many searches that takes and
whoever is asked: see `time_limit`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from typing import NamedTuple, ParamSpec, TypeVar

import psutil

from modelcheck.explore.verdict import (
    INTERRUPTED,
    Limits,
    Progress,
    Request,
    Watcher,
)

P = ParamSpec("P")
R = TypeVar("R")


class LimitError(Exception):
    """A limit was met. The message says which."""


CUT_SHORT = (LimitError, KeyboardInterrupt, MemoryError)
"""What may end a search at any moment, and makes its answer inconclusive."""


def why(stop: BaseException) -> str:
    """The reason that an answer gives for what cut it short."""
    if isinstance(stop, KeyboardInterrupt):
        return INTERRUPTED
    return "out of memory" if isinstance(stop, MemoryError) else str(stop)


class _End(NamedTuple):
    """When time is over, on the monotonic clock, and the limit in seconds that says so."""

    at: float
    seconds: float


_end: ContextVar[_End | None] = ContextVar("end", default=None)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Let everything within end after so many seconds; or sooner, if a limit around it says so."""
    around = _end.get()
    if seconds is None:
        yield
        return
    own = _End(time.monotonic() + seconds, seconds)
    token = _end.set(own if around is None else min(own, around))
    try:
        yield
    finally:
        _end.reset(token)


def in_time(answer: Callable[P, R]) -> Callable[P, R]:
    """Let all that a function does end within the seconds of its argument `limits`, or those of its
    `request`."""
    parameters = signature(answer)

    @wraps(answer)
    def timed(*arguments: P.args, **others: P.kwargs) -> R:
        given = parameters.bind(*arguments, **others).arguments
        limits = given.get("limits", given.get("request", Request()).limits)
        with time_limit(limits.seconds):
            return answer(*arguments, **others)

    return timed


def time_left() -> float | None:
    """The seconds left; None if there is no limit. Raises LimitError if there are none."""
    end = _end.get()
    if end is None:
        return None
    left = end.at - time.monotonic()
    if left <= 0:
        raise LimitError(f"more than {end.seconds:g} seconds")
    return left


def too_many(states: int) -> str:
    """Why a search ends that has more than so many states."""
    return f"more than {states} states"


class Pulse:
    """Looks at the limits now and then, and tells the watcher."""

    def __init__(self, limits: Limits, watcher: Watcher | None) -> None:
        self._limits = limits
        self._watcher = watcher
        self._start = time.monotonic()
        self._process = psutil.Process()

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def beat(self, states: int, transitions: int, frontier: int, depth: int) -> None:
        """Say how far the search has come. Raises LimitError if it has met a limit."""
        limits, seconds = self._limits, self.seconds()
        if limits.states is not None and states > limits.states:
            raise LimitError(too_many(limits.states))
        if limits.seconds is not None and seconds > limits.seconds:
            raise LimitError(f"more than {limits.seconds:g} seconds")
        time_left()
        self.room_for(0)
        if self._watcher:
            self._watcher(Progress(states, transitions, frontier, depth, seconds))

    def room_for(self, size: int) -> None:
        """Raises LimitError if so many bytes more would exceed the memory limit."""
        limit = self._limits.memory
        if limit is not None and (self._process.memory_info().rss + size) // 2**20 > limit:
            raise LimitError(f"more than {limit} MiB of memory")
