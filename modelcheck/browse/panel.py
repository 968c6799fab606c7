"""What there is to see after one step, as lines of text: memory, windows, cells, and why.

Knows frames and traces.
"""

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap

from modelcheck.browse.opened import Opened
from modelcheck.isa import decode
from modelcheck.protocol.code import Form, Site, Value
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.trace.frames import Cpu, Frame, SiteBytes, Window
from modelcheck.trace.trace import Executed

NAME = 21
"""Columns of what stands before the bytes."""

BYTES = 8
"""Bytes on one line; half as many where that does not fit, and so on."""


def panel(opened: Opened, number: int, width: int) -> tuple[str, ...]:
    """All lines about a step, the most important first."""
    frame = opened.row[number]
    parts = [_did(opened, frame, width)]
    if frame.violation:
        parts.append(_violation(frame, width))
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
    if frame.violation:
        name = frame.violation.property
        parts.append(tuple(wrap(f"{name}: {PROPERTIES[name]}", width, subsequent_indent="  ")))
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


def _violation(frame: Frame, width: int) -> tuple[str, ...]:
    assert frame.violation is not None
    wrong = frame.violation
    return tuple(wrap(f"VIOLATION of {wrong.property}: {wrong.why}", width))


# Bytes.


def _site(opened: Opened, frame: Frame, previous: Frame, at: int, width: int) -> Iterator[str]:
    """A site in memory, as each CPU may fetch it, and what a CPU has just run of it."""
    site, now = opened.trace.protocol.sites[at], frame.sites[at]
    table: list[tuple[str, list[str]]] = [("in memory", _memory(now))]
    for names, cpu in _alike(frame.cpus, at):
        if cpu.windows is None:
            if cpu.executes:
                table.append((names, []))
            continue
        old = next((one.windows for one in previous.cpus if one.name == cpu.name), None)
        table.append((f"{names} may see", _window(cpu.windows[at], old[at] if old else None)))
    executed = frame.executed if frame.executed and frame.executed.site == now.name else None
    if executed is not None and executed.data:
        table += _ran(site, executed, frame.actor)
    widest = max(len(cell) for _, row in table for cell in row) + 1
    step = BYTES
    while step > 1 and step * widest > width - NAME:
        step //= 2
    for start in range(0, len(site), step):
        stop = min(start + step, len(site))
        size = max((len(cell) for _, row in table for cell in row[start:stop]), default=2) + 1
        head = "".join(f" +{byte}".ljust(size) for byte in range(start, stop))
        yield f"{now.name if start == 0 else '':<{NAME}}{head}".rstrip()
        for name, row in table:
            cells = "".join(cell.ljust(size) for cell in row[start:stop])
            if not row:
                cells = " (serialises before it fetches again)" if start == 0 else ""
            if cells.strip():
                short = name if len(name) < NAME - 2 else name[: NAME - 5] + "..."
                yield f"  {short:<{NAME - 2}}{cells}".rstrip()
    yield from _listing(opened, site, now, executed, width)


def _memory(now: SiteBytes) -> list[str]:
    return [
        f"[{value:02x}]" if at in now.changed else f" {value:02x} "
        for at, value in enumerate(now.data)
    ]


def _window(window: Window, old: Window | None) -> list[str]:
    """The values that each byte may be fetched as, oldest first; in brackets if these are new."""
    return [
        f"[{_values(values)}]" if old is not None and old[at] != values else f" {_values(values)} "
        for at, values in enumerate(window)
    ]


def _values(values: tuple[int, ...]) -> str:
    return "|".join(f"{value:02x}" for value in values)


def _alike(cpus: tuple[Cpu, ...], site: int) -> Iterator[tuple[str, Cpu]]:
    """CPUs that may see the same of a site, as one; with their names."""

    def seen(cpu: Cpu) -> tuple[bool, str]:
        return not cpu.executes, str(cpu.windows and cpu.windows[site])

    for _, group in groupby(sorted(cpus, key=seen), key=seen):
        same = list(group)
        everyone = len(same) > 1 and len(same) == sum(cpu.executes for cpu in cpus)
        yield "every CPU" if everyone else ", ".join(cpu.name for cpu in same), same[0]


def _ran(site: Site, executed: Executed, actor: str) -> list[tuple[str, list[str]]]:
    """The bytes that were executed, and where each came from."""
    before = [""] * executed.offset
    rows = [(f"{actor} runs", [*before, *(f" {byte:02x} " for byte in executed.data)])]
    if executed.origin:
        origins = [
            f"{step}" if step else _unwritten(site, executed.offset + at)
            for at, step in enumerate(executed.origin)
        ]
        rows.append(("  written in step", [*before, *(f" {origin} " for origin in origins)]))
    return rows


def _unwritten(site: Site, byte: int) -> str:
    return "same" if byte in site.equal_bytes else "old"


def _listing(
    opened: Opened, site: Site, now: SiteBytes, executed: Executed | None, width: int
) -> Iterator[str]:
    """Disassembly: of what was run, or of what is in memory, between old and new."""
    isa, at = opened.trace.protocol.isa, 0
    ran = executed is not None and bool(executed.data)
    if executed is not None and ran:
        at = executed.offset
        texts = [f"{executed.kind}: {executed.disassembly}"]
    elif site.is_region:
        texts = [" ".join(f"+{one.offset} {one.text};" for one in now.listing)]
    else:
        texts = [one.text for one in now.listing]
    if not any(one.text for one in now.listing):
        return
    ends = [(form.name, _decoded(isa, site, form, at)) for form in site.forms[:2]]
    texts += [f"({name}: {text})" for name, text in ends if ran or not site.is_region]
    title = f"  {'it ran' if ran else 'memory reads':<{NAME - 2}} "
    yield from wrap("  ".join([title + texts[0], *texts[1:]]), width, subsequent_indent=" " * 22)


def _decoded(isa: str, site: Site, form: Form, at: int) -> str:
    """The instruction of a form at a byte, or the one whose middle that byte is."""
    begin = max((start for start, length in form.runs if start <= at < start + length), default=at)
    text = decode(isa, form.data[begin:], site.address + begin).text
    return text if begin == at else f"inside {text}"


# Data.


def _state(frame: Frame, width: int) -> Iterator[str]:
    """Cells, and what CPUs are about."""
    if frame.cells:
        cells = (
            f"{'[' if cell.changed else ''}{cell.name} = {_told(cell.value)}"
            f"{']' if cell.changed else ''}"
            for cell in frame.cells
        )
        yield from wrap("Data: " + "   ".join(cells), width, subsequent_indent="  ")
    for cpu in frame.cpus:
        if cpu.status:
            who = f"{cpu.name} ({cpu.program})" if cpu.program else cpu.name
            yield from wrap(f"{who}: {'; '.join(cpu.status)}", width, subsequent_indent="  ")


def _told(value: Value | tuple[Value, ...]) -> str:
    match value:
        case None | ():
            return "empty"
        case tuple():
            return ", ".join(map(str, value))
    return str(value)
