"""Widgets of the browser: a list that marks its place without colour. Knows no protocol."""

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class Rows(OptionList):
    """Rows of one or several lines; a > stands before the chosen one. It does not wrap round."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down"),
        Binding("k", "cursor_up"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id, markup=False)
        self._texts: list[str] = []
        self._marked: int | None = None

    def show(self, rows: Iterable[tuple[str, bool]], chosen: int | None = None) -> None:
        """Show rows, each with whether it can be chosen."""
        self.clear_options()
        self._marked = None
        self._texts = []
        for text, open_ in rows:
            self._texts.append(text)
            self.add_option(Option(_plain(text), disabled=not open_))
        if chosen is not None:
            self.highlighted = chosen

    def action_cursor_down(self) -> None:
        """To the next row that can be chosen, if there is one."""
        if self.highlighted is None or any(
            not option.disabled for option in self.options[self.highlighted + 1 :]
        ):
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """To the row before that can be chosen, if there is one."""
        if self.highlighted is None or any(
            not option.disabled for option in self.options[: self.highlighted]
        ):
            super().action_cursor_up()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Move the mark."""
        if self._marked is not None and self._marked < len(self._texts):
            self.replace_option_prompt_at_index(self._marked, _plain(self._texts[self._marked]))
        self._marked = event.option_index
        self.replace_option_prompt_at_index(
            event.option_index, _chosen(self._texts[event.option_index])
        )


class Scrolled(VerticalScroll):
    """Text that can be scrolled."""

    def compose(self) -> Iterable[Static]:
        """The text."""
        yield Static(id=f"{self.id}-text", markup=False)

    def show(self, lines: Iterable[str]) -> None:
        """Show lines from the first on."""
        self.query_one(Static).update(styled("\n".join(lines)))
        self.scroll_home(animate=False)


def styled(text: str) -> Text:
    """Text with what brackets and capitals mark in bold; nothing is said by style alone."""
    shown = Text(text, no_wrap=True)
    shown.highlight_regex(r"\[[0-9a-f|]+\]", "bold yellow")
    shown.highlight_regex(
        r"VIOLATI?ON|VIOLATES|(?s:!! [^│\n]*)|MISSING|MOVED|CHANGED|ADDED", "bold red"
    )
    return shown


def _plain(text: str) -> Text:
    return styled("  " + text.replace("\n", "\n  "))


def _chosen(text: str) -> Text:
    return styled("> " + text.replace("\n", "\n  "))
