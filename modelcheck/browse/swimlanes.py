"""The swim lanes of a trace as lines of text, a column for each actor. Knows frames and diffs."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from modelcheck.browse.opened import Opened, runners
from modelcheck.browse.programs import Section, SideBySide, grouped
from modelcheck.trace.told import Frame

NUMBERS = 13
"""Columns that no lane has: the step, the line of the spec, and a space at the end."""

BAR = "│ "
"""What stands at the left of each lane."""

MANY = 4
"""Actors side by side; of more, each step names its actor in one column."""


@dataclass(frozen=True)
class Lane:
    """A row of the lanes: the lines of a step, or of what the safe program has there (None)."""

    step: int | None
    lines: tuple[str, ...]


Draft = tuple[int | None, str, str, str]
"""A row before it is laid out: the step if it is one, the line of the spec, the actor, the text."""


def heading(opened: Opened, width: int) -> str:
    """The names of the columns."""
    widths = _widths(opened, tuple(_entries(opened)), width)
    names = opened.actors if len(widths) == len(opened.actors) else ("who does what",)
    cells = (f"{BAR}{name}".ljust(each) for name, each in zip(names, widths, strict=True))
    return (f"{'step':>4} {'line':>5}".ljust(NUMBERS - 1) + "".join(cells)).rstrip()


def rows(opened: Opened, width: int) -> tuple[Lane, ...]:
    """All rows, in `width` columns: each step, and each gap where the safe program has a step."""
    entries = tuple(_entries(opened))
    widths = _widths(opened, entries, width)
    begin = opened.run.loop
    found: list[Lane] = []
    for entry in entries:
        if begin is not None and entry[0] == begin + 1:
            found.append(_rule("from here on, for ever", width))
        found.append(Lane(entry[0], tuple(_lines(opened, entry, widths))))
    if begin is not None:
        found.append(_rule("and again", width))
    return tuple(found)


def _rule(text: str, width: int) -> Lane:
    return Lane(None, ("      " + text.center(width - 12, "-"),))


def _entries(opened: Opened) -> Iterator[Draft]:
    gaps, marks = _gaps(opened), _marks(opened)
    for frame in opened.row:
        yield from ((None, "", actor, text) for actor, text in gaps.get(frame.number, ()))
        line = frame.source.rpartition(":")[2] if frame.source else ""
        mark = "  <==" if opened.ends(frame) else ""
        yield frame.number, line, frame.actor, _said(frame, marks) + mark
    yield from ((None, "", actor, text) for actor, text in gaps.get(len(opened.row), ()))


def _said(frame: Frame, marks: dict[tuple[str, str], str]) -> str:
    label = f"{frame.label}: " if frame.source else ""
    told = f" -> {', '.join(frame.sends)}" if frame.sends else ""
    mark = marks.get((frame.actor, frame.label), "")
    return f"{mark}{label}{frame.does}{told}"


def _lines(opened: Opened, entry: Draft, widths: tuple[int, ...]) -> Iterator[str]:
    """The lines of a row, with a bar at the left of each lane."""
    step, line, actor, text = entry
    column = opened.actors.index(actor) if actor in opened.actors and len(widths) > 1 else 0
    if len(widths) == 1 and actor and len(opened.actors) > 1:
        text = f"{actor}: {text}"
    first = f"{'' if step is None else step:>4} {line:>5}"
    room = widths[column] - len(BAR) - 1
    for part in wrap(text, max(room, 8), subsequent_indent="  ") or [""]:
        cells = (
            (BAR + (part if at == column else "")).ljust(each) for at, each in enumerate(widths)
        )
        yield (first.ljust(NUMBERS - 1) + "".join(cells)).rstrip()
        first = ""


def _widths(opened: Opened, entries: tuple[Draft, ...], width: int) -> tuple[int, ...]:
    """The columns of each lane: as many as its texts need, or as many as each can have."""
    room = width - NUMBERS
    if not 1 < len(opened.actors) <= MANY:
        return (room,)
    needs = [
        max(len(text) for _, _, who, text in entries if who == actor) + len(BAR) + 1
        for actor in opened.actors
    ]
    shares = [0] * len(needs)
    for after, lane in zip(
        range(len(needs), 0, -1), sorted(range(len(needs)), key=needs.__getitem__), strict=True
    ):
        shares[lane] = min(needs[lane], (room - sum(shares)) // after)
    spare = (room - sum(shares)) // len(needs)
    return tuple(share + spare for share in shares)


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


def _place(section: Section, done: list[Frame]) -> Iterator[tuple[int, list[SideBySide]]]:
    """The gaps in a program that runs once: each before the first step behind it that was done."""
    pending: list[SideBySide] = []
    for row in section.rows:
        if row.broken is None:
            pending.append(row)
            continue
        at = next((frame.number for frame in done if frame.label == row.broken.label), None)
        if at is not None:
            yield at, pending
            pending = []


def _place_again(section: Section, done: list[Frame]) -> Iterator[tuple[int, list[SideBySide]]]:
    """The gaps in what runs over and over: each behind the last time of the step before it."""
    before, pending = "", list[SideBySide]()
    for row in (*section.rows, None):
        if row is not None and row.broken is None:
            pending.append(row)
            continue
        times = [at for at, frame in enumerate(done[:-1]) if frame.label == before]
        if pending and times:
            yield done[times[-1] + 1].number, pending
        if row is not None and row.broken is not None:
            before, pending = row.broken.label, []


def _told(pending: list[SideBySide], section: Section, name: str) -> Iterator[str]:
    for mark in ("missing", "moved"):
        labels = [row.safe.label for row in pending if row.safe and row.mark == mark]
        for label in grouped(labels, section):
            yield f"!! {name} has {label}: {mark.upper()}"
