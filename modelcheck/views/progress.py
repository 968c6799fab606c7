"""The live progress line of a long run, on a terminal only. Knows progress reports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from modelcheck.explore.verdict import Progress, Watcher

QUIET = 0.5
"""Seconds before the line appears; a run that is shorter shows none."""


@contextmanager
def progress_line(console: Console, what: str) -> Iterator[Watcher | None]:
    """A watcher that shows how far the run of `what` has come; None where nobody looks."""
    if not console.is_terminal:
        yield None
        return
    with console.status("") as status:

        def watch(progress: Progress) -> None:
            if progress.seconds > QUIET:
                rate = progress.states / progress.seconds
                status.update(
                    Text(
                        f"{what}: {progress.states:,} states, {rate:,.0f}/s, "
                        f"frontier {progress.frontier:,}, depth {progress.depth}"
                    )
                )

        yield watch


@contextmanager
def status_line(console: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Something to tell what is being done for `what` now; shown on a terminal only."""
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as status:
        yield lambda text: status.update(Text(f"{what}: {text}"))
