"""Traces as compact JSON data for the report's script: each frame has only what is new in it.

Knows runs as they are told, and their frames.
"""

import json
from collections.abc import Sequence
from typing import Any

from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.suite import Bug
from modelcheck.trace.document import Executed
from modelcheck.trace.kinds import KeptRun, told, walk
from modelcheck.trace.told import Cpu, Frame, Readable, SiteBytes, ToldSite
from modelcheck.views.report.programs import compared
from modelcheck.views.sources import Sources, line

Data = dict[str, Any]


def document(trace: KeptRun, found: Sources, base: Protocol | None = None) -> Data:
    """A run as JSON data; its protocol, if it has one, beside the one that that was made from.

    Raises ReplayError for a run that its machine does not allow.
    """
    run, (row, columns) = told(trace), walk(trace)
    places = dict.fromkeys(frame.source for frame in row if frame.source)
    texts = {place: run.texts.get(place) or line(place, found) for place in places}
    return {
        "spec": run.file,
        "title": run.title,
        "setting": run.settings,
        "property": run.outcome,
        "verb": run.verb,
        "meaning": run.meaning,
        "why": run.why,
        "then": run.then,
        "loop": run.loop,
        "bug": _bug(run.bug) if run.bug else None,
        "programs": compared(base, run.protocol[0]) if base and run.protocol else [],
        "lanes": columns,
        "lines": {place: text for place, text in texts.items() if text},
        "sites": [_site(site) for site in run.sites],
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


def _site(site: ToldSite) -> Data:
    return {
        "name": site.name,
        "address": f"{site.address:#x}",
        "forms": [
            {
                "name": form.name,
                "data": form.data.hex(" "),
                "listing": [(one.offset, one.text) for one in form.listing],
            }
            for form in site.forms
        ],
    }


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
