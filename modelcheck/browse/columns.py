"""Rows of the list of traces, and of two programs beside each other, as text. Knows their data."""

from textwrap import wrap

from modelcheck.browse.entries import Entry
from modelcheck.browse.opened import Opened, runners
from modelcheck.browse.programs import Contrast, Section, SideBySide
from modelcheck.browse.titles import ends_in
from modelcheck.protocol.program import Step
from modelcheck.protocol.step_text import phrase

MARKS = {"same": "", "missing": "MISSING", "added": "ADDED", "moved": "MOVED", "changed": "CHANGED"}


def entry_heading() -> str:
    """The names of the columns of the list."""
    return f"  {'spec':<21} {'protocol/variant':<33} {'verdict':<27} steps"


def entry_line(entry: Entry) -> str:
    """A row of the list, in 93 columns."""
    room = max(33 - len(entry.variant) - 1, 6)
    protocol = _cut(entry.protocol, room).rstrip() if len(entry.protocol) > room else entry.protocol
    name = f"{protocol}/{entry.variant}"
    steps = str(len(entry.trace.steps)) if entry.trace else "-"
    bug = " bug" if (run := entry.run) and run.bug else ""
    return f"{_cut(entry.spec, 21)} {_cut(name, 33)} {_cut(entry.verdict, 27)} {steps:>5}{bug}"


def entry_about(entry: Entry, width: int) -> tuple[str, ...]:
    """More about the chosen row, in a few lines."""
    run = entry.run
    title = run.title if run else f"{entry.protocol}, variant {entry.variant}"
    lines = [f"{entry.spec}: {title}"]
    if run is None:
        lines.append(f"{entry.verdict}: nothing to step through.")
        lines += wrap(entry.note, width)
    else:
        lines += wrap(f"{ends_in(run)}: {run.why}", width)
        if entry.note:
            lines += wrap(entry.note, width)
        if run.bug:
            lines += wrap(run.bug.story, width)
    return tuple(lines)


def program_heading(contrast: Contrast, variant: str, width: int) -> str:
    """The names of the two programs' columns."""
    half = _half(width)
    safe = f"SAFE: {contrast.name} (expected)"
    return f"  {'':<8} line {_cut(safe, half)} line {_cut(f'BROKEN: {variant}', half)} at step"


def program_line(opened: Opened, section: Section, row: SideBySide, width: int) -> str:
    """A row of two programs: the mark, both steps, and the first step of the trace that took it."""
    half = _half(width)
    taken = ""
    if row.broken is not None:
        at = [
            frame.number
            for frame in opened.row
            if frame.label == row.broken.label and frame.actor in runners(section, opened)
        ]
        taken = f"{at[0]:>8}" if at else ""
    safe, broken = (_step(step, half, row.mark) for step in (row.safe, row.broken))
    return f"{MARKS[row.mark]:<8}{safe}{broken}{taken}"


def row_about(row: SideBySide, width: int) -> tuple[str, ...]:
    """The two steps of a row in full."""
    lines: list[str] = []
    for name, step in (("safe", row.safe), ("broken", row.broken)):
        what = f"{step.label}: {phrase(step)}" if step else "(not there)"
        at = f"   [{step.source}]" if step and step.source else ""
        lines += wrap(f"{name:>6}: {what}{at}", width, subsequent_indent="        ")
    return tuple(lines)


def _step(step: Step | None, half: int, mark: str) -> str:
    if step is None:
        gap = "....." if mark in ("missing", "added", "moved") else ""
        return f" {'':>4} {_cut(gap, half)}"
    line = str(step.source.line) if step.source else ""
    return f" {line:>4} {_cut(f'{step.label}: {phrase(step)}', half)}"


def _half(width: int) -> int:
    return (width - 2 - 8 - 12 - 8) // 2


def _cut(text: str, width: int) -> str:
    return (text if len(text) <= width else text[: width - 3] + "...").ljust(width)
