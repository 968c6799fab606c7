"""Real bugs as a table: when, where, what it was called, and what it violates. Knows results."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.protocol.names import plural
from modelcheck.questions.check import Result
from modelcheck.trace.aftermath import HARMS, Harm, aftermath


class Exhibit(NamedTuple):
    """A variant that was a real bug, and what a check of it found."""

    spec: Path
    result: Result

    @property
    def harm(self) -> Harm | None:
        """What a torn instruction does to the CPU that ran it, where the bug tears one."""
        follows = aftermath(self.result.trace) if self.result.trace else None
        return follows.harm if follows else None


def render(exhibits: Sequence[Exhibit], *, by_harm: bool = False) -> RenderableType:
    """The bugs, oldest first, or `by_harm`, what is hardest to notice first; the counterexamples
    have their stories."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("date", no_wrap=True)
    table.add_column("project and title", ratio=1)
    table.add_column("violates", overflow="fold")
    table.add_column("then", no_wrap=True)
    table.add_column("steps", justify="right")
    for exhibit in sorted(exhibits, key=_by_harm if by_harm else _bug_date):
        spec, result = exhibit
        bug = result.job.variant.bug
        assert bug is not None
        title = Text(f"{bug.project}: ", "dim")
        title.append(bug.title, "not dim")
        title.append(f" ({bug.reference})\n", "dim")
        title.append(f"{spec.stem}/{result.job.name}.json", "dim")
        steps = str(len(result.trace.steps)) if result.trace else ""
        violated = result.violated or Text("nothing", "bold red")
        table.add_row(bug.date, title, violated, exhibit.harm or "", steps)
    return Group(
        table,
        Text(
            f"\n{plural(len(exhibits), 'bug')}. Their stories: python -m modelcheck show "
            "counterexamples/FILE"
        ),
    )


def _by_harm(exhibit: Exhibit) -> tuple[int, str]:
    place = len(HARMS) if exhibit.harm is None else HARMS.index(exhibit.harm)
    return place, _bug_date(exhibit)


def _bug_date(exhibit: Exhibit) -> str:
    bug = exhibit.result.job.variant.bug
    return bug.date if bug else ""
