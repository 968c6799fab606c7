"""The browser as an application: its screens, and checks that run while it is open."""

from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from modelcheck.browse.entries import Entry, of_results
from modelcheck.browse.screens import HELP, ListScreen, TextScreen, TraceScreen
from modelcheck.explore.verdict import Progress, Request
from modelcheck.questions.check import Job, Result, check


class _LeftError(Exception):
    """The browser was left while a check was running."""


class Browser(App[None]):
    """Browse `entries`, or check `todo` of `spec` and browse what comes out.

    A single entry is opened at once. `specs` may be run, to show safe programs beside traces.
    """

    TITLE = "modelcheck"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", priority=True)]
    CSS = """
    #title { padding: 0 1; text-style: bold; height: auto; }
    .heading { padding: 0 1; text-style: underline; height: 1; }
    #keys { dock: bottom; padding: 0 1; height: 1; text-style: reverse; }
    Rows { border: none; padding: 0 1; height: 1fr; background: $background; }
    Rows:focus { border: none; background-tint: $background 0%; }
    Rows > .option-list--option-disabled { color: $foreground; }
    Rows:focus > .option-list--option-highlighted {
        color: $foreground; background: $foreground 18%; text-style: bold;
    }
    Rows, Scrolled { scrollbar-size-vertical: 1; scrollbar-color: $foreground 40%; }
    Rows > .option-list--option-disabled { color: $foreground; }
    Scrolled { border-top: solid $foreground; padding: 0 1; height: auto; }
    TraceScreen Rows { height: auto; }
    #panel { height: 1fr; }
    #about { height: 20%; min-height: 6; }
    TextScreen { align: center middle; }
    #text { border: solid $foreground; padding: 1 2; width: auto; max-width: 96; height: auto; }
    """

    def __init__(
        self,
        title: str,
        entries: tuple[Entry, ...] = (),
        todo: tuple[Job, ...] = (),
        spec: str = "",
        specs: tuple[Path, ...] = (),
    ) -> None:
        super().__init__()
        self._list = ListScreen(title, entries, specs)
        self._todo, self._spec = todo, spec

    def on_mount(self) -> None:
        """Open the list; with one trace, that."""
        self.push_screen(self._list)
        if len(self._list.entries) == 1 and not self._todo:
            (entry,) = self._list.entries
            if entry.trace is not None:
                self.push_screen(TraceScreen(self._list.open_trace(entry)))
        if self._todo:
            self._check()

    @work(thread=True)
    def _check(self) -> None:
        worker = get_current_worker()

        def watch(_: Progress) -> None:
            if worker.is_cancelled:
                raise _LeftError

        results: list[Result] = []
        for number, job in enumerate(self._todo, start=1):
            if worker.is_cancelled:
                return
            try:
                results.append(check(job, spec=self._spec, request=Request(watcher=watch)))
            except _LeftError:
                return
            done = number == len(self._todo)
            title = f"{self._spec}: {number} of {len(self._todo)} checks " + (
                "done" if done else "... still checking"
            )
            last_of_variant = done or self._todo[number].name != job.name
            if last_of_variant:
                self.call_from_thread(self._list.fill, title, of_results(self._spec, results))

    def action_leave(self) -> None:
        """To the screen before this one; from the list, out."""
        if self.screen is self._list:
            self.exit()
        else:
            self.pop_screen()

    def action_help(self) -> None:
        """What the keys do, and what the marks mean."""
        self.push_screen(TextScreen(HELP))
