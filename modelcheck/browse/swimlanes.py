"""The swim lanes of a trace as lines of text, a column for each actor. Knows frames and diffs."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from modelcheck.browse.opened import Opened
from modelcheck.browse.programs import Contrast, Row, Section, grouped
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
    marks = _marks(opened.contrast)
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


def actor_of(prefix: str) -> str:
    """Who runs a program, by what begins the labels of its steps."""
    return prefix.rstrip("/") or "patcher"


def _marks(contrast: Contrast | None) -> dict[tuple[str, str], str]:
    """By actor and label, a mark for steps that are not in the safe program, or not there."""
    signs = {"added": "(+) ", "moved": "(moved) ", "changed": "(changed) "}
    return {
        (actor_of(section.prefix), row.broken.label): signs[row.mark]
        for section in (contrast.sections if contrast else ())
        for row in section.rows
        if row.broken is not None and row.mark in signs
    }


def _gaps(opened: Opened) -> dict[int, list[tuple[str, str]]]:
    """By the step that it comes before, who should have done what there in the safe program.

    Only for actors that run one program of their own once; what comes behind all that they have
    done is not missed yet.
    """
    found: dict[int, list[tuple[str, str]]] = {}
    if opened.contrast is None:
        return found
    for section in opened.contrast.sections:
        actor = actor_of(section.prefix)
        if actor not in opened.actors:
            continue
        pending: list[Row] = []
        for row in section.rows:
            if row.broken is None:
                pending.append(row)
                continue
            at = next(
                (
                    frame.number
                    for frame in opened.row
                    if (frame.actor, frame.label) == (actor, row.broken.label)
                ),
                None,
            )
            if at is None:
                continue
            name = opened.contrast.name
            found.setdefault(at, []).extend((actor, text) for text in _told(pending, section, name))
            pending = []
    return found


def _told(pending: list[Row], section: Section, name: str) -> Iterator[str]:
    for mark, words in (("missing", "MISSING, present"), ("moved", "MOVED, it is here")):
        labels = [row.safe.label for row in pending if row.safe and row.mark == mark]
        for label in grouped(labels, section):
            yield f"!! {label}: {words} in {name}"
