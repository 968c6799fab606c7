"""The swim lanes of a trace as lines of text, a column for each actor. Knows frames and diffs."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from modelcheck.browse.opened import Opened, runners
from modelcheck.browse.programs import Row, Section, grouped
from modelcheck.trace.frames import Frame

NUMBERS = 13
"""Columns that no lane has: the step, the line of the spec, and a space at the end."""

MANY = 4
"""Actors side by side; of more, each step names its actor in one column."""


@dataclass(frozen=True)
class Lane:
    """A row of the lanes: the lines of a step, or of what the safe program has there (None)."""

    step: int | None
    lines: tuple[str, ...]


def heading(opened: Opened, width: int) -> str:
    """The names of the columns."""
    names = opened.actors if len(opened.actors) <= MANY else ("who does what",)
    each = _width(len(names), width)
    return (
        f"{'step':>4} {'line':>5}".ljust(NUMBERS - 1)
        + "".join(name.ljust(each) for name in names).rstrip()
    )


def rows(opened: Opened, width: int) -> tuple[Lane, ...]:
    """All rows, in `width` columns: each step, and each gap where the safe program has a step."""
    gaps = _gaps(opened)
    marks = _marks(opened)
    found: list[Lane] = []
    for frame in opened.row:
        for actor, text in gaps.get(frame.number, ()):
            found.append(Lane(None, _line(opened, "", "", actor, text, width)))
        if opened.trace.loop == frame.number - 1:
            found.append(Lane(None, ("      " + "from here on, for ever".center(width - 12, "-"),)))
        number = f"{frame.number:3}"
        line = frame.source.rpartition(":")[2] if frame.source else ""
        found.append(
            Lane(
                frame.number,
                _line(opened, number, line, frame.actor, _said(frame, marks), width),
            )
        )
    for actor, text in gaps.get(len(opened.row), ()):
        found.append(Lane(None, _line(opened, "", "", actor, text, width)))
    if opened.trace.loop is not None:
        found.append(Lane(None, ("      " + "and again".center(width - 12, "-"),)))
    return tuple(found)


def _said(frame: Frame, marks: dict[tuple[str, str], str]) -> str:
    label = f"{frame.label}: " if frame.source else ""
    told = f" -> {', '.join(frame.sends)}" if frame.sends else ""
    mark = marks.get((frame.actor, frame.label), "")
    return f"{mark}{label}{frame.does}{told}" + ("  <==" if frame.violation else "")


def _line(
    opened: Opened, number: str, line: str, actor: str, text: str, width: int
) -> tuple[str, ...]:
    actors = opened.actors
    if len(actors) <= MANY:
        each = _width(len(actors), width)
        column = actors.index(actor) if actor in actors else 0
    else:
        each, column = width - NUMBERS, 0
        text = f"{actor}: {text}" if actor else text
    first = f"{number:>4} {line:>5}".ljust(NUMBERS - 1)
    begin = " " * (each * column)
    lines = wrap(text, max(each - 1, 8), subsequent_indent="  ") or [""]
    rest = [" " * (NUMBERS - 1) + begin + more for more in lines[1:]]
    return (first + begin + lines[0], *rest)


def _width(lanes: int, width: int) -> int:
    return (width - NUMBERS) // max(lanes, 1)


# What the safe program has and this one has not.


def _marks(opened: Opened) -> dict[tuple[str, str], str]:
    """By actor and label, a mark for steps that are not in the safe program, or not there."""
    signs = {"added": "(+) ", "moved": "(moved) ", "changed": "(changed) "}
    contrast = opened.contrast
    return {
        (actor, row.broken.label): signs[row.mark]
        for section in (contrast.sections if contrast else ())
        for actor in runners(section, opened)
        for row in section.rows
        if row.broken is not None and row.mark in signs
    }


def _gaps(opened: Opened) -> dict[int, list[tuple[str, str]]]:
    """By the step that it comes before, who should have done what there in the safe program.

    What comes behind all that an actor has done is not missed yet.
    """
    found: dict[int, list[tuple[str, str]]] = {}
    for section in opened.contrast.sections if opened.contrast else ():
        name = opened.contrast.name if opened.contrast else ""
        for actor in runners(section, opened):
            place = _place_again if section.shared else _place
            for at, pending in place(section, [f for f in opened.row if f.actor == actor]):
                told = ((actor, text) for text in _told(pending, section, name))
                found.setdefault(at, []).extend(told)
    return found


def _place(section: Section, done: list[Frame]) -> Iterator[tuple[int, list[Row]]]:
    """The gaps in a program that runs once: each before the first step behind it that was done."""
    pending: list[Row] = []
    for row in section.rows:
        if row.broken is None:
            pending.append(row)
            continue
        at = next((frame.number for frame in done if frame.label == row.broken.label), None)
        if at is not None:
            yield at, pending
            pending = []


def _place_again(section: Section, done: list[Frame]) -> Iterator[tuple[int, list[Row]]]:
    """The gaps in what runs over and over: each behind the last time of the step before it."""
    before, pending = "", list[Row]()
    for row in (*section.rows, None):
        if row is not None and row.broken is None:
            pending.append(row)
            continue
        times = [at for at, frame in enumerate(done[:-1]) if frame.label == before]
        if pending and times:
            yield done[times[-1] + 1].number, pending
        if row is not None and row.broken is not None:
            before, pending = row.broken.label, []


def _told(pending: list[Row], section: Section, name: str) -> Iterator[str]:
    for mark, words in (("missing", "MISSING, present"), ("moved", "MOVED, it is here")):
        labels = [row.safe.label for row in pending if row.safe and row.mark == mark]
        for label in grouped(labels, section):
            yield f"!! {label}: {words} in {name}"
