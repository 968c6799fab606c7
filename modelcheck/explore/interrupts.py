"""Ctrl-C: the one way from the key to whatever is being done. Knows signals only.

Python raises KeyboardInterrupt wherever the main thread stands. That is right for our own code, and
wrong in three places: a finaliser loses it, the Python side of Z3 turns it into other errors, and a
compilation of Numba's fails by it; and while Z3 is at work, it does not get through. So it comes
again a little later where it cannot be raised, is held back where it does harm, and is relayed to
foreign code. Whoever answers a question catches KeyboardInterrupt, and nothing else.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any, NoReturn

AGAIN = 0.01
"""Seconds until what could not be raised comes again, and between two calls to stop."""

FRAGILE = "z3."
"""The modules in which it is not raised: their callers would see other errors (ctypes)."""

_held: list[Callable[[], None]] = []
"""Who holds Ctrl-C back now: what to call when it comes."""

_noted = False
"""Whether it came while it was held back."""

_struck = False
"""Whether it was raised: objects may be left half made, and their finalisers stumble over it."""

_again: threading.Timer | None = None
"""What lets it come again."""

_relay: Callable[[], None] | None = None
"""What stops the foreign code that the main thread is in."""


def _take(_: int, frame: FrameType | None) -> None:
    global _noted
    if _held:
        _noted = True
        for call in _held:
            call()
    elif _is_fragile(frame):
        _later()
    else:
        strike()


def _is_fragile(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(FRAGILE):
            return True
        frame = frame.f_back
    return False


def _later() -> None:
    global _again
    # A signal indeed, which also ends a sleep.
    main = threading.main_thread().ident
    assert main is not None
    _again = threading.Timer(AGAIN, signal.pthread_kill, (main, signal.SIGINT))
    _again.daemon = True
    _again.start()


def strike() -> NoReturn:
    """Raise KeyboardInterrupt, once for all that has come so far."""
    global _noted, _struck
    if _again is not None:
        _again.cancel()
    _noted, _struck = False, True
    raise KeyboardInterrupt


def raise_noted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C came while it was held back."""
    if _noted:
        strike()


def _is_ours() -> bool:
    """Whether this is the thread that Ctrl-C strikes, and nobody else has a use for it."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(
        signal.SIGINT
    ) in (signal.default_int_handler, _take)


@contextmanager
def listening() -> Iterator[None]:
    """Within, no Ctrl-C is lost or turned into something else."""
    global _struck
    if not _is_ours():
        yield
        return
    _struck = False
    hook, handler = sys.unraisablehook, signal.signal(signal.SIGINT, _take)

    def unraisable(lost: Any) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            _later()
        elif not _struck:
            hook(lost)

    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        if _again is not None:
            _again.cancel()
        signal.signal(signal.SIGINT, handler)
        sys.unraisablehook = hook


@contextmanager
def held(noted: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within, Ctrl-C only calls `noted`, and `raise_noted` raises it; at the end it is forgotten.

    For what must not end in the middle, and soon ends by itself.
    """
    global _noted
    if not _is_ours():
        yield
        return
    handler = signal.signal(signal.SIGINT, _take)
    _held.append(noted)
    try:
        yield
    finally:
        _held.pop()
        if not _held:
            _noted = False
        signal.signal(signal.SIGINT, handler)


@contextmanager
def relayed(stop: Callable[[], None]) -> Iterator[None]:
    """Within, Ctrl-C calls `stop`, again and again, from another thread, before it is raised.

    For foreign code that the main thread may be in for long.
    """
    global _relay
    if not _is_ours():
        yield
        return
    before = signal.set_wakeup_fd(_ears(), warn_on_full_buffer=False)
    if before == -1:
        _relay = stop
    else:  # An event loop listens; it has its own ways.
        signal.set_wakeup_fd(before)
    try:
        yield
    finally:
        _relay = None
        if before == -1:
            signal.set_wakeup_fd(-1)


@cache
def _ears() -> int:
    """Where signals are written to as they come, for a thread that reads them."""
    read, write = os.pipe()
    os.set_blocking(write, False)

    def listen() -> None:
        nap = threading.Event()
        while True:
            if signal.SIGINT in os.read(read, 1):
                # It may come too early for the foreign code to notice; so more than once.
                while (stop := _relay) is not None:
                    stop()
                    nap.wait(AGAIN)

    threading.Thread(target=listen, daemon=True, name="Ctrl-C").start()
    return write
