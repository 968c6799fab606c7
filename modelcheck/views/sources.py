"""The source text of specs, for views that show it beside the steps.

Knows runs as they are told, and paths.
"""

from collections.abc import Iterable
from pathlib import Path

from modelcheck.trace.told import ToldRun

Sources = dict[str, tuple[str, ...]]
"""The lines of each source file that could be read, by its name."""


def sources(spec: Path, runs: Iterable[ToldRun] = ()) -> Sources:
    """The lines of a spec, and of the files beside it that steps of its runs were written in."""
    named = {
        Path(step.source.rpartition(":")[0]).name
        for run in runs
        for step in run.steps
        if step.source
    }
    found: Sources = {}
    for path in (spec, *(spec.parent / name for name in sorted(named - {spec.name}))):
        try:
            found[path.name] = tuple(path.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError):
            continue
    return found


def line(place: str, found: Sources) -> str | None:
    """The text at a place such as spec.py:41, if the file could be read and has that line."""
    file, _, number = place.rpartition(":")
    lines = found.get(Path(file).name, ())
    at = int(number) - 1 if number.isdecimal() else -1
    return lines[at].strip() if 0 <= at < len(lines) else None
