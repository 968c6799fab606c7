"""All kinds of runs that are kept in files: of the main machine, and of the litmus machine.

The one place that tells them apart; above it, a run is what `modelcheck.trace.told` says. Knows
all documents of runs.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

from modelcheck.protocol.suite import Suite
from modelcheck.trace import document, frames, litmus_run, replay, stale, tell
from modelcheck.trace.document import Trace
from modelcheck.trace.litmus_run import LitmusRun
from modelcheck.trace.told import ToldRun, Walk

KeptRun = Trace | LitmusRun
"""A run as a document that stands by itself."""


def load(path: Path) -> KeptRun:
    """Read a run from a file. Raises TraceError for anything that is none."""
    read = document.read_document(path)
    if read.get("kind") == litmus_run.KIND:
        return litmus_run.structure(path, read)
    return document.structure(path, read)


def to_json(run: KeptRun) -> str:
    """The run as JSON text; bytes are written in hexadecimal."""
    return json.dumps(_to_document(run), indent=1, ensure_ascii=False) + "\n"


def _to_document(run: KeptRun) -> dict[str, Any]:
    match run:
        case Trace():
            return document.to_document(run)
        case LitmusRun():
            return litmus_run.to_document(run)
        case _:
            assert_never(run)


def told(run: KeptRun) -> ToldRun:
    """The run for a reader."""
    match run:
        case Trace():
            return tell.tell(run)
        case LitmusRun():
            return litmus_run.tell(run)
        case _:
            assert_never(run)


def walk(run: KeptRun) -> Walk:
    """The run again, and all that there is to see after each step.

    Raises ReplayError for a step that its machine does not allow.
    """
    match run:
        case Trace():
            return frames.walk(run)
        case LitmusRun():
            return litmus_run.walk(run)
        case _:
            assert_never(run)


def check(run: KeptRun) -> int:
    """Run it through its machine alone, and give the number of its steps. Raises ReplayError."""
    match run:
        case Trace():
            return replay.replay(run)
        case LitmusRun():
            return litmus_run.replay(run)
        case _:
            assert_never(run)


def changed(
    run: KeptRun,
    near: Path | None = None,
    suites: Sequence[Suite] = (),
    spec: Path | None = None,
) -> str:
    """That what the run is of has changed since, in a sentence, if it has.

    `suites` are those of `spec`, if that was named; without, files are compared.
    """
    match run:
        case Trace():
            if suites and spec:
                return stale.variant_changed(run, suites, spec)
            return stale.file_changed(run, near)
        case LitmusRun():
            return litmus_run.changed(run)
        case _:
            assert_never(run)
