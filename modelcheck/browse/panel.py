"""What there is to see after one step, as lines of text: memory, windows, cells, and why.

Knows frames and runs as they are told.
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import NamedTuple

from modelcheck.browse.opened import Opened
from modelcheck.browse.titles import ends_in
from modelcheck.trace.document import Executed
from modelcheck.trace.told import DecodedAt, Frame, Readable, SiteBytes, ToldSite
from modelcheck.trace.words import value_text

NAME = 21
"""Columns of what stands before the bytes."""

MEMORY = "in memory"

BYTES = 8
"""Bytes on one line; half as many where that does not fit, and so on."""


def panel(opened: Opened, number: int, width: int) -> tuple[str, ...]:
    """All lines about a step, the most important first."""
    frame = opened.row[number]
    parts = [_did(opened, frame, width)]
    run = opened.run
    if opened.ends(frame):
        parts.append(tuple(wrap(f"{ends_in(run)}: {run.why}", width)))
    previous = opened.row[max(number - 1, 0)]
    ran = frame.executed.site if frame.executed else ""
    # What the step is about comes first: the place below the lanes is short.
    order = sorted(
        range(len(frame.sites)),
        key=lambda at: not (frame.sites[at].changed or frame.sites[at].name == ran),
    )
    for at in order:
        parts.append(tuple(_site(opened, frame, previous, at, width)))
    parts.append(tuple(_state(frame, width)))
    if opened.ends(frame) and run.meaning:
        text = f"{run.outcome}: {run.meaning}"
        parts.append(tuple(wrap(text, width, subsequent_indent="  ")))
    return tuple(line for part in parts for line in part)


def _did(opened: Opened, frame: Frame, width: int) -> tuple[str, ...]:
    if not frame.number:
        return ("Before the first step: nothing has been written yet.",)
    label = f"{frame.label}: " if frame.source else ""
    text = f"Step {frame.number} of {opened.last}, {frame.actor}: {label}{frame.does}"
    told = ", ".join(f"{a.kind} from {a.sender} (step {a.step})" for a in frame.arrivals)
    found = wrap(text + (f"; takes note of: {told}" if told else ""), width)
    if frame.source:
        source = f"{frame.source}   {opened.lines.get(frame.source, '(source not found)')}"
        found.append(source if len(source) <= width else source[: width - 3] + "...")
    return tuple(found)


# Bytes.


class _Line(NamedTuple):
    """A line of the table of a site: who or what, a cell for each byte, and what they read."""

    name: str
    cells: tuple[str, ...]
    reads: str = ""
    is_window: bool = False


def _site(opened: Opened, frame: Frame, previous: Frame, at: int, width: int) -> Iterator[str]:
    """A site in memory, as each CPU may fetch it, and what a CPU has just run of it.

    Between old and new, if the step is about it or there is no other.
    """
    now, site = frame.sites[at], opened.run.sites[at]
    executed = frame.executed if frame.executed and frame.executed.site == now.name else None
    table = [_Line(MEMORY, _memory(now), _listed(now.listing))]
    table += _seen(frame, previous, at, executed)
    if executed is not None and executed.data:
        table += _ran(site, executed, frame.actor)
    if executed is not None or now.changed or len(frame.sites) == 1:
        old, new = (
            _Line(form.name, _plain(form.data), _listed(form.listing)) for form in site.forms[:2]
        )
        table = [old, *table, new]
    return _laid_out(now.name, len(site.old), table, _widest(opened.row, at), width)


def _widest(row: tuple[Frame, ...], site: int) -> int:
    """Columns for a byte of a site that serve all steps, so that nothing moves between them."""
    windows = [cpu.windows[site] for frame in row for cpu in frame.cpus if cpu.windows]
    most = max((len(values) for window in windows for values in window), default=1)
    return max(3 * most + 2, len(" same  "))  # each value and a bar; brackets, a space


def _laid_out(site: str, length: int, table: list[_Line], size: int, width: int) -> Iterator[str]:
    """The table, with columns of `size`; what bytes read stands behind, or below if too long."""
    step = BYTES
    while step > 1 and step * size > width - NAME:
        step //= 2
    room = width - NAME - length * size - 1
    beside = length <= step and all(len(line.reads) <= room for line in table)
    for start in range(0, length, step):
        stop = min(start + step, length)
        head = "".join(f" +{byte}".ljust(size) for byte in range(start, stop))
        yield f"{site if start == 0 else '':<{NAME}}{head}".rstrip()
        (memory,) = (line.cells[start:stop] for line in table if line.name == MEMORY)
        for name, row, reads, is_window in table:
            # In a long site, what a CPU sees as it is in memory only takes up room.
            if is_window and length > step and row[start:stop] == memory:
                continue
            cells = "".join(cell.ljust(size) for cell in row[start:stop])
            if not row:
                cells = " (serialises before it fetches again)" if start == 0 else ""
            if cells.strip():
                short = name if len(name) < NAME - 2 else name[: NAME - 5] + "..."
                behind = f" {reads}" if beside else ""
                yield f"  {short:<{NAME - 2}}{cells.ljust((stop - start) * size)}{behind}".rstrip()
    if not beside:
        for name, _, reads, _ in table:
            known = name == MEMORY and sum(line.reads == reads for line in table) > 1
            if reads and not known:
                text = f"  {name:<{NAME - 2}} = {reads}"
                yield from wrap(text, width, subsequent_indent=" " * (NAME + 3))


def _plain(data: bytes) -> tuple[str, ...]:
    return tuple(f" {value:02x} " for value in data)


def _memory(now: SiteBytes) -> tuple[str, ...]:
    return tuple(
        f"[{value:02x}]" if at in now.changed else f" {value:02x} "
        for at, value in enumerate(now.data)
    )


def _window(window: Readable, old: Readable | None) -> tuple[str, ...]:
    """The values that each byte may be fetched as, oldest first; in brackets if these are new."""
    return tuple(
        f"[{_values(values)}]" if old is not None and old[at] != values else f" {_values(values)} "
        for at, values in enumerate(window)
    )


def _values(values: tuple[int, ...]) -> str:
    return "|".join(f"{value:02x}" for value in values)


def _seen(frame: Frame, previous: Frame, site: int, executed: Executed | None) -> Iterator[_Line]:
    """What CPUs may see of a site, those for whom it is and was the same as one.

    Of a CPU that fetches in this step, what it could see when it did.
    """
    fetches = executed is not None and bool(executed.origin)
    was = {cpu.name: cpu for cpu in previous.cpus}
    groups: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for cpu in frame.cpus:
        if not cpu.executes:
            continue
        fetching = fetches and frame.actor in (cpu.name, cpu.program)
        now, before = (was[cpu.name] if fetching else cpu).windows, was[cpu.name].windows
        cells = _window(now[site], before[site] if before else None) if now else ()
        groups.setdefault((fetching, cells), []).append(cpu.name)
    for (fetching, cells), names in sorted(groups.items(), key=lambda group: group[0][0]):
        who = "every CPU" if len(names) > 1 and len(groups) == 1 else ", ".join(names)
        verb = "could see" if fetching else "may see"
        yield _Line(f"{who} {verb}" if cells else who, cells, is_window=bool(cells))


def _ran(site: ToldSite, executed: Executed, actor: str) -> list[_Line]:
    """The bytes that were executed, and where each came from."""
    before = ("",) * executed.offset
    reads = f"{executed.disassembly} ({executed.kind})" if executed.disassembly else executed.kind
    lines = [_Line(f"{actor} runs", (*before, *_plain(executed.data)), reads)]
    if executed.origin:
        origins = (
            f" {step} " if step else f" {_unwritten(site, executed.offset + at)} "
            for at, step in enumerate(executed.origin)
        )
        lines.append(_Line("  written in step", (*before, *origins)))
    return lines


def _unwritten(site: ToldSite, byte: int) -> str:
    return "same" if byte in site.alike else "old"


def _listed(found: tuple[DecodedAt, ...]) -> str:
    """Instructions in one line, with the offset of each that does not follow the one before it."""
    if not any(one.text for one in found):
        return ""
    texts, end = [], 0
    for one in found:
        texts.append(one.text if one.offset == end else f"+{one.offset} {one.text}")
        end = one.offset + len(one.data)
    return "; ".join(texts)


# Data.


def _state(frame: Frame, width: int) -> Iterator[str]:
    """Cells, and what CPUs are about."""
    if frame.cells:
        cells = (
            f"{'[' if cell.changed else ''}{cell.name} = {value_text(cell.value)}"
            f"{']' if cell.changed else ''}"
            for cell in frame.cells
        )
        yield from wrap("Data: " + "   ".join(cells), width, subsequent_indent="  ")
    for cpu in frame.cpus:
        if cpu.status:
            who = f"{cpu.name} ({cpu.program})" if cpu.program else cpu.name
            yield from wrap(f"{who}: {'; '.join(cpu.status)}", width, subsequent_indent="  ")
