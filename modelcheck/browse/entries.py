"""The list that the browser opens with: traces and verdicts, a row for each variant.

Knows runs as they are told, jobs and results.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.names import plural
from modelcheck.questions.check import VACUOUS, Result, kept_traces
from modelcheck.questions.findings import rests_on_nothing
from modelcheck.trace.document import TraceError
from modelcheck.trace.kinds import KeptRun, load, told
from modelcheck.trace.told import ToldRun


@dataclass(frozen=True)
class Entry:
    """A variant and the verdict on it; `trace` is what there is to step through.

    `note` has more about it: its real bug, or what the verdict was for.
    """

    spec: str
    protocol: str
    variant: str
    verdict: str
    note: str
    trace: KeptRun | None
    path: Path | None = None

    @cached_property
    def run(self) -> ToldRun | None:
        """The trace for a reader."""
        return told(self.trace) if self.trace is not None else None


def of_file(path: Path) -> Entry:
    """A trace in a file. Raises TraceError for anything that is not one."""
    trace = load(path)
    run = told(trace)
    bug = run.bug
    return Entry(
        spec=Path(run.file).stem,
        protocol=run.name,
        variant=run.variant,
        verdict=run.outcome,
        note=f"bug of {bug.date}: {bug.title}" if bug else "",
        trace=trace,
        path=path,
    )


def of_folder(folder: Path) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The traces in a folder and below it, and a message for each file that is none.

    Raises TraceError if there is no trace at all.
    """
    found: list[Entry] = []
    refused: list[str] = []
    for path in sorted(folder.rglob("*.json")):
        try:
            found.append(of_file(path))
        except TraceError as error:
            refused.append(str(error))
    if not found:
        raise TraceError(
            f"{folder}: no counterexamples here; check a spec first, or name a spec to check"
            + (f" ({refused[0]})" if refused else "")
        )
    return tuple(found), tuple(refused)


def of_results(spec: str, results: list[Result]) -> tuple[Entry, ...]:
    """A row for each variant of a spec that was checked, in their order."""
    return tuple(_rows(spec, results))


def _rows(spec: str, results: list[Result]) -> Iterator[Entry]:
    kept = kept_traces(results)
    numbered = enumerate(results)
    for _, group in groupby(
        numbered, key=lambda each: (each[1].job.suite.protocol.name, each[1].job.variant.name)
    ):
        runs = list(group)
        job = runs[0][1].job
        trace = next((kept[number] for number, _ in runs if number in kept), None)
        yield Entry(
            spec=Path(spec).stem,
            protocol=job.suite.protocol.name,
            variant=job.variant.name,
            verdict=_verdict([result for _, result in runs], trace),
            note=_note([result for _, result in runs]),
            trace=trace,
        )


def _verdict(results: list[Result], trace: KeptRun | None) -> str:
    if trace is not None:
        return told(trace).outcome
    if all(result.verdict is Verdict.SAFE for result in results):
        word = VACUOUS if any(result.is_vacuous for result in results) else "safe"
        return f"{word} for {plural(results[0].job.configuration.cpus, 'CPU')}"
    return "inconclusive"


def _note(results: list[Result]) -> str:
    """The verdict under each fetch model, and whether that is what the spec expects."""
    by_word: dict[str, list[str]] = {}
    for result in results:
        by_word.setdefault(result.word, []).append(result.job.configuration.fetch)
    found = [f"{word} under {', '.join(models)}" for word, models in by_word.items()]
    odd = [] if all(result.as_expected for result in results) else ["NOT AS EXPECTED"]
    return "; ".join([*odd, *found, *rests_on_nothing(results)])
