"""A trace with all that the browser shows of it. Knows traces, frames and spec files."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from modelcheck.browse.programs import Contrast, Section, find_contrast
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.suite import Suite
from modelcheck.trace.document import Trace
from modelcheck.trace.frames import Frame, frames, lanes
from modelcheck.trace.stale import file_changed, find_spec, variant_changed
from modelcheck.views.sources import line, sources


@dataclass(frozen=True)
class Opened:
    """A trace, its frames, its actors, and the safe protocol beside it, if that was found.

    `lines` has the text at each place of the spec that a step names, where it could be read;
    `unread` says why the spec could not be, if so, and `stale` that it has changed since.
    """

    trace: Trace
    row: tuple[Frame, ...]
    actors: tuple[str, ...]
    contrast: Contrast | None
    lines: dict[str, str]
    unread: str = ""
    stale: str = ""

    @property
    def last(self) -> int:
        """The number of the step that violates."""
        return len(self.row) - 1


def open_trace(trace: Trace, near: Path | None = None) -> Opened:
    """Open a trace; its spec is looked for here, and from where `near` is in counterexamples/.

    The spec is run to load it, as any command does, but only a file that imports modelcheck: which
    file that is, the trace says, and it may have come from anywhere. Raises ReplayError for a trace
    that the machine does not allow.
    """
    row = frames(trace)
    spec = find_spec(trace, near)
    suites, unread = _load(spec) if spec else ((), f"{trace.spec}: no such file")
    contrast = (
        find_contrast(suites, trace.variant, trace.protocol, trace.configuration)
        if suites
        else None
    )
    text = _lines(trace, spec) if spec else {}
    stale = variant_changed(trace, suites, spec) if suites and spec else file_changed(trace, near)
    return Opened(trace, row, lanes(trace, row), contrast, text, unread, stale)


def runners(section: Section, opened: Opened) -> tuple[str, ...]:
    """The actors of a trace that run a program."""
    own = {one.runner for one in opened.contrast.sections} if opened.contrast else set()
    return tuple(
        actor
        for actor in opened.actors
        if (actor not in own if section.shared else actor == section.runner)
    )


@cache
def _load(spec: Path) -> tuple[tuple[Suite, ...], str]:
    try:
        text = spec.read_text(encoding="utf-8")
        if not re.search(r"^\s*(from|import) modelcheck\b", text, re.MULTILINE):
            return (), f"{spec} does not import modelcheck, so it was not run"
        return load_suites(spec), ""
    except (SpecError, OSError, UnicodeDecodeError) as error:
        return (), str(error)


def _lines(trace: Trace, spec: Path) -> dict[str, str]:
    """The text of each place that a step of the trace was written at."""
    found = sources(spec, (trace,))
    texts = {step.source: line(step.source, found) for step in trace.steps if step.source}
    return {place: text for place, text in texts.items() if text is not None}
