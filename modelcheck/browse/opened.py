"""A run with all that the browser shows of it. Knows runs as they are told, and spec files."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from modelcheck.browse.programs import Contrast, Section, find_contrast
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.suite import Suite
from modelcheck.trace.kinds import KeptRun, changed, told, walk
from modelcheck.trace.stale import find_spec
from modelcheck.trace.told import Frame, ToldRun
from modelcheck.views.sources import line, sources


@dataclass(frozen=True)
class Opened:
    """A run, its frames, its actors, and the safe protocol beside it, if that was found.

    `lines` has the text at each place of the spec that a step names, where it could be read;
    `unread` says why the spec could not be, if so, and `stale` that it has changed since.
    """

    run: ToldRun
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

    def ends(self, frame: Frame) -> bool:
        """Whether the run ends in a frame in what it is about."""
        return self.run.marked and frame.number == self.last


def open_trace(trace: KeptRun, near: Path | None = None, specs: tuple[Path, ...] = ()) -> Opened:
    """Open a run, and that of `specs` which has the name of its spec.

    To load a spec is to run it, and a trace may have come from anywhere: so none is run but those
    that the caller names. Without one, the file that the trace names is read as text, to show the
    lines of its steps; it is looked for here, and from where `near` is in counterexamples/. Raises
    ReplayError for a trace that the machine does not allow.
    """
    run, (row, actors) = told(trace), walk(trace)
    name = Path(run.file).name
    named = next((path for path in specs if path.name == name), None)
    suites, unread = _load(named) if named else ((), f"give its spec, {name}, with --spec")
    contrast = None
    if run.protocol is None:
        suites, unread = (), "a litmus test has no protocol"
    elif suites:
        contrast = find_contrast(suites, run.variant, *run.protocol)
    spec = named or find_spec(run.file, near)
    text = dict(run.texts) or (_lines(run, spec) if spec else {})
    stale = changed(trace, near, suites, named)
    return Opened(run, row, actors, contrast, text, unread, stale)


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
        return load_suites(spec), ""
    except SpecError as error:
        return (), str(error)


def _lines(run: ToldRun, spec: Path) -> dict[str, str]:
    """The text of each place that a step of the run was written at."""
    found = sources(spec, (run,))
    texts = {step.source: line(step.source, found) for step in run.steps if step.source}
    return {place: text for place, text in texts.items() if text is not None}
