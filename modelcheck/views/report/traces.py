"""Traces as compact JSON data for the report's script: each frame has only what is new in it.

Knows traces and their frames.
"""

import json
from collections.abc import Sequence
from typing import Any

from modelcheck.arch.architecture import Architecture
from modelcheck.protocol.code import Form, Site, Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.suite import Bug
from modelcheck.trace.document import Executed, Trace
from modelcheck.trace.frames import Cpu, Frame, Readable, SiteBytes, frames, lanes
from modelcheck.views.report.programs import compared
from modelcheck.views.sources import Sources, line
from modelcheck.views.trace_text import plural

Data = dict[str, Any]


def document(trace: Trace, base: Protocol, found: Sources) -> Data:
    """A trace as JSON data, its protocol beside the one that the protocol was made from.

    Raises ReplayError for a trace that the machine does not allow.
    """
    row = frames(trace)
    columns = lanes(trace, row)
    protocol, run = trace.protocol, trace.configuration
    places = dict.fromkeys(frame.source for frame in row if frame.source)
    return {
        "spec": trace.spec,
        "protocol": protocol.name,
        "variant": trace.variant,
        "fetch": run.fetch,
        "setting": [
            plural(run.cpus, "CPU") + (" + the patcher's" if protocol.patcher_executes else ""),
            f"chunks of {plural(run.chunk, 'byte')}",
            f"offset {run.offset}",
            run.semantics,
        ],
        "property": trace.outcome,
        "meaning": PROPERTIES.get(trace.outcome, ""),
        "why": trace.why,
        "violated": trace.violation is not None,
        "loop": trace.loop,
        "bug": _bug(trace.bug) if trace.bug else None,
        "programs": compared(base, protocol),
        "lanes": columns,
        "lines": {place: text for place in places if (text := line(place, found))},
        "sites": [_site(protocol.architecture, site) for site in protocol.sites],
        "frames": [
            _frame(frame, before, columns)
            for frame, before in zip(row, (None, *row[:-1]), strict=True)
        ],
    }


def embedded(data: Any) -> str:
    """JSON that may stand inside a script element, whatever the strings in it say."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for unsafe in "<>&\u2028\u2029":
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return text


def _bug(bug: Bug) -> str:
    return f"{bug.title} ({bug.project}, {bug.date}, {bug.reference}). {bug.story}"


def _site(arch: Architecture, site: Site) -> Data:
    return {
        "name": site.name,
        "address": f"{site.address:#x}",
        "forms": [
            {"name": form.name, "data": form.data.hex(" "), "listing": _form(arch, site, form)}
            for form in site.forms
        ],
    }


def _form(arch: Architecture, site: Site, form: Form) -> list[tuple[int, str]]:
    return [
        (at, arch.decode(form.data[at : at + length], site.address + at).text)
        for at, length in form.runs
    ]


def _frame(frame: Frame, before: Frame | None, columns: tuple[str, ...]) -> Data:
    """What is new in a frame; everything in the first."""
    sites, cells, cpus = (before.sites, before.cells, before.cpus) if before else ((), (), ())
    data: Data = {
        "actor": columns.index(frame.actor) if frame.actor else None,
        "label": frame.label if frame.source else "",
        "does": frame.does,
        "source": frame.source,
        "sites": {n: _memory(now) for n, now in enumerate(frame.sites) if _new(n, now, sites)},
        "cells": {
            now.name: _value(now.value) for n, now in enumerate(frame.cells) if _new(n, now, cells)
        },
        "cpus": {n: _cpu(now) for n, now in enumerate(frame.cpus) if _new(n, now, cpus)},
        "to": [columns.index(name) for name in frame.sends],
        "from": [
            (arrival.kind, columns.index(arrival.sender), arrival.step)
            for arrival in frame.arrivals
        ],
        "ran": _executed(frame.executed) if frame.executed else None,
        "loop": frame.in_loop or None,
    }
    return {key: value for key, value in data.items() if value or value == 0}


def _new(number: int, now: object, before: Sequence[object]) -> bool:
    return number >= len(before) or now != before[number]


def _memory(site: SiteBytes) -> Data:
    return {
        "data": site.data.hex(" "),
        "by": [versions[-1].step for versions in site.versions],
        "listing": [(one.offset, one.text) for one in site.listing],
    }


def _value(value: Value | tuple[Value, ...]) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_value, value)) or "empty"
    return "empty" if value is None else str(value)


def _cpu(cpu: Cpu) -> Data:
    windows = None if cpu.windows is None else [_window(window) for window in cpu.windows]
    return {
        "name": cpu.name,
        "program": cpu.program,
        "executes": cpu.executes,
        "windows": windows,
        "status": cpu.status,
    }


def _window(window: Readable) -> str:
    """The values of each byte, oldest first, as in "0f,cc 1f 44"."""
    return " ".join(",".join(f"{value:02x}" for value in values) for values in window)


def _executed(executed: Executed) -> Data:
    return {
        "site": executed.site,
        "kind": executed.kind,
        "data": executed.data.hex(" "),
        "at": executed.offset,
        "by": executed.origin,
        "text": executed.disassembly,
    }
