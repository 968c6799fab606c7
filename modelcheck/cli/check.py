"""The check command: compare a protocol with its variants."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from modelcheck.check import Job, Overrides, Result, check, jobs, kept_traces
from modelcheck.cli.group import (
    AS_EXPECTED,
    INCONCLUSIVE,
    MINIMUM_WIDTH,
    NOT_AS_EXPECTED,
    cli,
    err,
    out,
)
from modelcheck.cli.options import explorer_options, limits_options, overrides_options
from modelcheck.explore.any_number import INTERRUPTED
from modelcheck.explore.choose import Choice
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.load import load_suites
from modelcheck.prove import safe_for_any_number
from modelcheck.views import comparison, report, trace_text
from modelcheck.views.files import OutputError, check_writable, write_text, write_trace
from modelcheck.views.progress import progress_line
from modelcheck.views.sources import sources


@cli.command("check")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@limits_options
@explorer_options
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("counterexamples"),
    show_default=True,
    help="Where counterexamples are written, in a folder for each spec.",
)
@click.option("--json", "json_file", help="Write the results as JSON to this file; - for stdout.")
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path),
    help="Write verdicts and traces to this file, as a page to look at in a browser.",
)
def check_command(
    spec: Path,
    overrides: Overrides,
    limits: Limits,
    choice: Choice,
    folder: Path,
    json_file: str | None,
    html_file: Path | None,
) -> None:
    """Check a protocol and its variants, and compare them in one table."""
    todo = list(jobs(load_suites(spec), overrides))
    folder = folder / spec.stem
    check_writable(folder)
    if json_file not in (None, "-"):
        check_writable(Path(str(json_file)).absolute().parent)
    if html_file is not None:
        check_writable(html_file.absolute().parent)
    results = _run(todo, spec.as_posix(), limits, choice)

    console = err if json_file == "-" else out
    kept: dict[int, Path] = {}
    failure: OutputError | None = None
    try:
        for number, trace in kept_traces(results).items():
            kept[number] = write_trace(folder, results[number].job.name, trace)
    except OutputError as error:
        failure = error
    document = json.dumps(comparison.to_document(spec.as_posix(), results, kept), indent=1)
    try:
        if json_file == "-":
            click.echo(document)
        elif json_file is not None:
            write_text(Path(json_file), document + "\n")
        if html_file is not None:
            write_text(html_file, report.render([checked(spec, results)]))
    except OutputError as error:
        failure = failure or error
    _show(console, spec.as_posix(), results, kept)
    if len(results) < len(todo):
        missing = len(todo) - len(results)
        console.print(f"INTERRUPTED   {missing} of {len(todo)} were not decided", style="yellow")
    if failure is not None:
        raise failure
    sys.exit(_exit_code(results, len(todo)))


def checked(spec: Path, results: list[Result]) -> report.Checked:
    """A spec's results with all their traces, and the source that the spec can be read from."""
    traces = {n: result.trace for n, result in enumerate(results) if result.trace is not None}
    return report.Checked(spec.as_posix(), results, traces, sources(spec, list(traces.values())))


def _run(todo: list[Job], spec: str, limits: Limits, choice: Choice) -> list[Result]:
    """Run the jobs in turn, and try to prove what is not violated for any number of CPUs.

    Ctrl-C ends the run under way as inconclusive, and drops the rest.
    """
    results: list[Result] = []
    for job in todo:
        what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
        with progress_line(err, what) as watcher:
            try:
                results.append(check(job, spec=spec, limits=limits, watcher=watcher, choice=choice))
                if results[-1].reason == INTERRUPTED:
                    break
                if results[-1].verdict is not Verdict.VIOLATED:
                    run = job.variant.protocol, job.configuration
                    proved = safe_for_any_number(*run, limits, watcher)
                    results[-1] = replace(results[-1], any_number=proved)
            except KeyboardInterrupt:
                break
    return results


def _show(console: Console, spec: str, results: list[Result], kept: dict[int, Path]) -> None:
    # A table that is cut off says less than one that a narrow terminal wraps.
    console.width = max(console.width, MINIMUM_WIDTH)
    console.print(comparison.render(spec, results, kept))
    if len({result.job.variant.name for result in results}) == 1:
        for trace in list(kept_traces(results).values())[:1]:
            console.print()
            console.print(trace_text.render(trace))


def _exit_code(results: list[Result], planned: int) -> int:
    if any(
        not result.as_expected and result.verdict is not Verdict.INCONCLUSIVE for result in results
    ):
        return NOT_AS_EXPECTED
    if len(results) < planned or any(not result.as_expected for result in results):
        return INCONCLUSIVE
    return AS_EXPECTED
