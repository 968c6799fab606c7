"""A counterexample in the Informal Trace Format, which viewers of TLA+ and Quint traces open.

Source: Apalache's ADR-015, "Informal Trace Format in JSON". Knows runs as they are told.
"""

import json
from collections.abc import Mapping
from typing import Any

from modelcheck.protocol.code import Value
from modelcheck.trace.document import Executed
from modelcheck.trace.told import ToldRun

VARIABLES = ("memory", "cells", "step", "actor", "label", "does", "line", "executed", "violation")

BIGGEST = 2**53 - 1
"""The greatest integer that every JSON reader keeps; beyond it the format has its own form."""


def to_itf(run: ToldRun) -> str:
    """The run as ITF: the state before the first step, and the state after each.

    A map's values are the bytes of each site and the contents of each cell or variable; the other
    variables say what the step did that led to the state. Bytes are in hexadecimal.
    """
    memory: Mapping[str, bytes] = {site.name: site.old for site in run.sites}
    cells: Mapping[str, Value] = run.values
    states = [_state(0, memory, cells)]
    for number, step in enumerate(run.steps, start=1):
        memory, cells = {**memory, **step.memory}, {**cells, **step.values}
        state = _state(number, memory, cells)
        state |= {"actor": step.lane, "label": step.label, "does": step.does}
        state |= {"line": step.source or "", "executed": _executed(step.executed)}
        states.append(state)
    states[-1]["violation"] = run.outcome if run.verb else ""
    document: dict[str, Any] = {
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "source": run.file,
            "status": "violation" if run.verb else run.outcome,
            "description": f"{run.title}, {'; '.join(run.settings)}: {run.why}",
        },
        "params": [],
        "vars": list(VARIABLES),
        "states": states,
    }
    if run.loop is not None:
        document["loop"] = run.loop
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _state(number: int, memory: Mapping[str, bytes], cells: Mapping[str, Value]) -> dict[str, Any]:
    """A state that no step has led to yet."""
    return {
        "#meta": {"index": number},
        "memory": _map({name: data.hex(" ") for name, data in memory.items()}),
        "cells": _map({name: _content(value) for name, value in cells.items()}),
        "step": number,
        **dict.fromkeys(("actor", "label", "does", "line"), ""),
        "executed": _executed(None),
        "violation": "",
    }


def _map(items: dict[str, Any]) -> dict[str, Any]:
    # Not a record: the names of sites and cells may be any text, and those of fields may not.
    return {"#map": [[name, value] for name, value in items.items()]}


def _content(value: Value) -> Any:
    if value is None:
        return "empty"
    if isinstance(value, int) and abs(value) > BIGGEST:
        return {"#bigint": str(int(value))}
    return value


def _executed(executed: Executed | None) -> dict[str, str]:
    if executed is None:
        return dict.fromkeys(("site", "bytes", "kind", "disassembly"), "")
    return {
        "site": executed.site,
        "bytes": executed.data.hex(" "),
        "kind": executed.kind,
        "disassembly": executed.disassembly,
    }
