"""Some threads that do the same work together. Knows Ctrl-C, and nothing of states."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from types import CodeType, FunctionType
from typing import TypeVar

from modelcheck.explore.interrupts import held, raise_noted

T = TypeVar("T")


class Crew:
    """A number of threads; with one, everything happens in the caller's own.

    Until it is closed, Ctrl-C is noted, and raised when the work under way has returned: Numba
    loses it, or fails, where it comes during a compilation.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.stop = False
        """Tells the work under way to return soon."""
        self._pool = ThreadPoolExecutor(size) if size > 1 else None
        self._known: set[CodeType] = set()
        self._holding = ExitStack()
        self._holding.enter_context(held(self._stop_soon))

    def _stop_soon(self) -> None:
        self.stop = True

    def run(self, work: Callable[[int], None], *, together: bool = True) -> None:
        """Call work(number) in each thread, or in the caller's own alone, and wait for all.

        Ctrl-C sets `stop`, and is raised when all have returned.
        """
        raise_noted()
        self.stop = False
        self._run(work, together=together)
        raise_noted()

    def _run(self, work: Callable[[int], None], *, together: bool) -> None:
        if self._pool is None or not together:
            work(0)
            return
        assert isinstance(work, FunctionType)
        if work.__code__ not in self._known:
            # What work compiles when it is first called is compiled here: Numba loads parts of
            # itself then, which several threads must not do at a time.
            self._known.add(work.__code__)
            for number in range(self.size):
                work(number)
            return
        running = [self._pool.submit(work, number) for number in range(self.size)]
        wait(running)
        for future in running:
            future.result()

    def each(self, items: Iterable[T], work: Callable[[T], None], *, together: bool = True) -> None:
        """Call work(item) for each item, by whichever thread is free."""
        todo = deque(items)

        def take(_: int) -> None:
            while todo:
                try:
                    item = todo.popleft()
                except IndexError:
                    return
                work(item)

        self.run(take, together=together)

    def close(self) -> None:
        """End the threads. Raises KeyboardInterrupt if there was one since the last work."""
        if self._pool is not None:
            self._pool.shutdown()
        with self._holding:
            raise_noted()
