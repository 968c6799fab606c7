"""The screens of the browser: the list, a trace, two programs, and help."""

from pathlib import Path
from textwrap import dedent
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList, Static

from modelcheck.browse.columns import (
    entry_about,
    entry_heading,
    entry_line,
    program_heading,
    program_line,
    row_about,
)
from modelcheck.browse.entries import Entry
from modelcheck.browse.opened import Opened, open_trace
from modelcheck.browse.panel import panel
from modelcheck.browse.programs import SideBySide
from modelcheck.browse.swimlanes import Lane, heading, rows
from modelcheck.browse.titles import NOTHING_AKIN, against, bug_story, settings, verdict, why
from modelcheck.browse.widgets import Rows, Scrolled, styled
from modelcheck.protocol.names import printable
from modelcheck.trace.replay import ReplayError

HELP = dedent(
    """\
    In the list
      up, down, j, k    choose a variant         enter   open its counterexample

    In a trace: a column for each actor, time runs downwards
      down, right, j    a step forward           v       to the violation
      up, left, k       a step back              Home    before the first step
      p                 the safe program beside  End     the last step
      b                 the bug it was, if any   tab     to the panel below, to scroll it

    What the marks mean
      >                 the step that the panel below shows the state after
      !! ... MISSING    the safe program has that step there, and this one has not
      (+) (changed)     a step that the safe program does not have, or has otherwise
      [e7]              a byte that this step changed, or what a CPU may see of it
      0f|cc             the CPU may still fetch the byte as 0f, or as cc: its window
                        (of a long site, only where that is not what is in memory)
      could see         what a CPU might have fetched when it fetched, in this step
      written in step   which step wrote each byte that was run; old: none has yet;
                        same: it cannot be told, since old and new agree in it

    esc, q   back, and from the list: quit       ctrl+q  quit
    """
)


LIST_KEYS = "j k move   enter open its counterexample   ? help   q quit"
TRACE_KEYS = "j k step   v violation   p safe program beside   tab panel   ? help   esc back"
PROGRAM_KEYS = "j k move   n next difference   p back to the trace   ? help"

BACK: list[BindingType] = [
    Binding("escape,q", "app.leave"),
    Binding("question_mark", "app.help"),
]


class ListScreen(Screen[None]):
    """All traces or variants; choosing one opens it."""

    BINDINGS: ClassVar[list[BindingType]] = BACK

    def __init__(
        self, title: str, entries: tuple[Entry, ...], specs: tuple[Path, ...] = ()
    ) -> None:
        super().__init__()
        self._title = printable(title)
        self._specs = specs
        self.entries = entries

    def compose(self) -> ComposeResult:
        """A title, the rows, and a few lines about the chosen one."""
        yield Static(self._title, id="title", markup=False)
        yield Static(entry_heading(), classes="heading", markup=False)
        yield Rows(id="rows")
        yield Scrolled(id="about")
        yield Static(LIST_KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Show what there is."""
        self.fill(self._title, self.entries)

    def fill(self, title: str, entries: tuple[Entry, ...]) -> None:
        """Show other rows, and stay where we are."""
        self.query_one("#title", Static).update(Text(printable(title)))
        table = self.query_one(Rows)
        chosen = table.highlighted or 0
        self.entries = entries
        table.show([(entry_line(entry), True) for entry in entries], chosen if entries else None)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say more about the chosen row."""
        about = entry_about(self.entries[event.option_index], self.app.size.width - 4)
        self.query_one("#about", Scrolled).show(about)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the chosen row."""
        entry = self.entries[event.option_index]
        if entry.trace is None:
            told = f"{entry.variant}: {entry.verdict}; no counterexample to show"
            self.app.notify(told, markup=False)
            return
        try:
            self.app.push_screen(TraceScreen(self.open_trace(entry)))
        except ReplayError as error:
            told = printable(f"not a run of this machine: {error}")
            self.app.notify(told, severity="error", markup=False)

    def open_trace(self, entry: Entry) -> Opened:
        """The trace of an entry. Raises ReplayError for one that the machine does not allow."""
        assert entry.trace is not None
        return open_trace(entry.trace, entry.path, self._specs)


class TraceScreen(Screen[None]):
    """A trace as swim lanes, and the state after the chosen step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,right", "step(1)"),
        Binding("k,left", "step(-1)"),
        Binding("v", "last"),
        Binding("home", "first", priority=True),
        Binding("end", "last", priority=True),
        Binding("p", "programs"),
        Binding("b", "bug"),
        *BACK,
    ]

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened
        self.step = 0
        self._lanes: tuple[Lane, ...] = ()

    def compose(self) -> ComposeResult:
        """What was violated, what differs from the safe program, the lanes, and the state."""
        yield Static(id="title", markup=False)
        yield Static(id="lane-names", classes="heading", markup=False)
        yield Rows(id="rows")
        yield Scrolled(id="panel")
        bug = "b real bug   " if self.opened.run.bug else ""
        yield Static(bug + TRACE_KEYS, id="keys", markup=False)

    def on_resize(self) -> None:
        """Lay all out for the width there is; the first time, before the first step."""
        width = self.app.size.width - 6
        texts = (verdict(self.opened), settings(self.opened, width), against(self.opened, width))
        title = tuple(filter(None, texts))
        self.query_one("#title", Static).update(styled("\n".join(title)))
        self.query_one("#lane-names", Static).update(Text("  " + heading(self.opened, width)))
        self._lanes = rows(self.opened, width)
        shown = [("\n".join(lane.lines), lane.step is not None) for lane in self._lanes]
        table = self.query_one(Rows)
        table.styles.max_height = self._room(sum(text.count("\n") + 1 for text in title))
        table.show(shown, self._index(self.step))

    def _room(self, title: int) -> int:
        """The most lines that the lanes may take: what the panel leaves, and some in any case."""
        width = self.app.size.width - 4
        longest = max(len(panel(self.opened, frame.number, width)) for frame in self.opened.row)
        space = self.app.size.height - title - 3  # the names of lanes, a line between, the keys
        return max(space - longest, space * 2 // 5)

    def _index(self, step: int) -> int:
        return next(at for at, lane in enumerate(self._lanes) if lane.step == step)

    def go(self, step: int) -> None:
        """To a step; beyond the ends, to the nearest."""
        step = min(max(step, 0), self.opened.last)
        self.query_one(Rows).highlighted = self._index(step)

    def action_step(self, by: int) -> None:
        """Some steps forward or back."""
        chosen = self.query_one(Rows).highlighted
        here = self._lanes[chosen].step if chosen is not None else None
        self.go((here or 0) + by)

    def action_first(self) -> None:
        """Before the first step."""
        self.go(0)
        self.query_one(Rows).scroll_home(animate=False)

    def action_last(self) -> None:
        """To the last step: the violation."""
        self.go(self.opened.last)

    def action_programs(self) -> None:
        """The safe program beside this one."""
        if self.opened.contrast is None:
            reason = self.opened.unread or NOTHING_AKIN
            self.app.notify(f"no safe program to compare with: {reason}", markup=False)
            return
        self.app.push_screen(ProgramsScreen(self.opened))

    def action_bug(self) -> None:
        """The story of the real bug that this was."""
        self.app.push_screen(TextScreen(bug_story(self.opened, self.app.size.width - 16)))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the state after the chosen step."""
        step = self._lanes[event.option_index].step
        if step is not None:
            self.step = step
            lines = panel(self.opened, step, self.app.size.width - 4)
            self.query_one("#panel", Scrolled).show(lines)


class ProgramsScreen(Screen[None]):
    """The safe program and the broken one beside each other."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "app.leave"),
        Binding("n", "next"),
        *BACK,
    ]

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        assert opened.contrast is not None
        self.opened, self.contrast = opened, opened.contrast
        self._rows: list[SideBySide | None] = []

    def compose(self) -> ComposeResult:
        """What differs, in words; the two programs; the chosen step in full."""
        width = self.app.size.width - 6
        title = (verdict(self.opened), why(self.opened, width), against(self.opened, width))
        yield Static(styled("\n".join(title)), id="title", markup=False)
        names = program_heading(self.contrast, self.opened.run.variant, width)
        yield Static("  " + names, classes="heading", markup=False)
        yield Rows(id="rows")
        yield Scrolled(id="about")
        yield Static(PROGRAM_KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Show the programs, and begin at the first difference."""
        width = self.app.size.width - 6
        shown: list[tuple[str, bool]] = []
        for section in self.contrast.sections:
            shown.append((f"{section.title}:", False))
            self._rows.append(None)
            for row in section.rows:
                shown.append((program_line(self.opened, section, row, width), True))
                self._rows.append(row)
        for setting in self.contrast.settings:
            shown.append((f"also: {setting}", False))
            self._rows.append(None)
        self.query_one(Rows).show(shown, (self._differences() or [1])[0])

    def _differences(self) -> list[int]:
        return [at for at, row in enumerate(self._rows) if row and row.mark != "same"]

    def action_next(self) -> None:
        """To the next difference; after the last, to the first."""
        table = self.query_one(Rows)
        here = table.highlighted or 0
        if marked := self._differences():
            table.highlighted = next((at for at in marked if at > here), marked[0])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the chosen steps in full."""
        row = self._rows[event.option_index]
        if row is not None:
            self.query_one("#about", Scrolled).show(row_about(row, self.app.size.width - 4))


class TextScreen(ModalScreen[None]):
    """Some text over the screen; any of the keys that leave, leave it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter,b", "app.leave")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text in a frame."""
        yield Static(Text(self._text + "\n(esc: back)"), id="text", markup=False)
