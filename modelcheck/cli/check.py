"""The check command: compare a protocol with its variants, or check a folder of specs."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from modelcheck.cli.ending import ending
from modelcheck.cli.group import (
    INTERNAL,
    INTERRUPTED_EARLY,
    MINIMUM_WIDTH,
    WRONG_INPUT,
    cli,
    err,
    exit_code,
    out,
)
from modelcheck.cli.keeping import COMMITTED, Keeping, keeping
from modelcheck.cli.options import engine_options, limits_options, overrides_options
from modelcheck.cli.runs import Settings, SpecRun, run_spec, run_specs, specs_in
from modelcheck.explore.engine import Engine
from modelcheck.explore.interrupts import held
from modelcheck.explore.verdict import Limits, Request
from modelcheck.formats.files import OutputError, check_writable, write_text
from modelcheck.formats.junit import to_junit
from modelcheck.formats.markdown import to_markdown
from modelcheck.formats.sarif import to_sarif
from modelcheck.questions.check import Overrides, Result, kept_traces
from modelcheck.views import comparison, report, summary, trace_text, witnesses
from modelcheck.views.sources import sources

FORMATS = {
    "json": "the results as JSON",
    "html": "verdicts and traces as a page to look at in a browser",
    "junit": "the verdicts as JUnit XML, for CI systems",
    "sarif": "what is not as expected as SARIF 2.1.0, for code hosts",
    "markdown": "a table of all verdicts in Markdown",
}


def _outputs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each format, as `html`, `json` and so on."""
    for name, what in reversed(FORMATS.items()):
        command = click.option(f"--{name}", help=f"Write {what} to this file; - for stdout.")(
            command
        )
    return command


TABLE_WIDTH = 102
"""Columns of the widest table of a shipped spec."""


@cli.command("check")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@limits_options
@engine_options
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    help="Write counterexamples here, in a folder for each spec, and not to the user's cache.",
)
@click.option(
    "--update-counterexamples",
    "update",
    is_flag=True,
    help=f"Write them to {COMMITTED}/, and take away those there of what is safe now.",
)
@click.option(
    "--witness",
    is_flag=True,
    help="Beside each safe verdict, show a shortest run in which a CPU does what it is about.",
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Specs of a folder to check at a time; all cores."
)
@_outputs
def check_command(
    spec: Path,
    overrides: Overrides,
    limits: Limits,
    engine: Engine,
    request: Request,
    folder: Path | None,
    update: bool,
    witness: bool,
    jobs: int | None,
    **files: str | None,
) -> None:
    """Check a protocol and its variants, and compare them in one table.

    SPEC may be a folder: all specs in it are then checked side by side, and summed up.
    """
    wanted = {name: file for name, file in files.items() if file is not None}
    if list(wanted.values()).count("-") > 1:
        raise click.UsageError("only one format can go to stdout; name a file for the other")
    if folder is not None and update:
        raise click.UsageError("--out and --update-counterexamples name two places; take one")
    keep = keeping(folder, update=update)
    settings = Settings(overrides, engine, replace(request, limits=limits), witness)
    specs = specs_in(spec) if spec.is_dir() else [spec]
    if keep.folder is not None:
        check_writable(keep.folder)
    for file in wanted.values():
        if file != "-":
            check_writable(Path(file).absolute().parent)
    runs = run_specs(specs, settings, jobs) if spec.is_dir() else [run_spec(spec, settings)]
    with held():  # What was found is told, whoever presses Ctrl-C now.
        sys.exit(_told(spec, runs, keep, wanted))


def _told(spec: Path, runs: list[SpecRun], keep: Keeping, wanted: dict[str, str]) -> int:
    """Write and print all that was found; the exit code."""
    if not any(run.results for run in runs) and not spec.is_dir() and (end := runs[0].end):
        return end.tell()
    root = spec if spec.is_dir() else spec.parent
    console = err if "-" in wanted.values() else out
    # A table that is cut off says less than one that a narrow terminal wraps.
    console.width = max(console.width, MINIMUM_WIDTH)
    failure: Exception | None = None
    kept: dict[Path, dict[int, Path]] = {}
    for run in runs:
        try:
            kept[run.spec] = keep.write(keep.of_spec(run.spec, root), run.results)
        except OutputError as error:
            if keep.folder is not None:
                failure = failure or error
            else:
                err.print(Text(f"Counterexamples are not kept: {error}", "yellow"), soft_wrap=True)
    for name, file in wanted.items():
        try:
            text = _rendered(name, runs, kept, single=not spec.is_dir())
            click.echo(text, nl=False) if file == "-" else write_text(Path(file), text)
        except Exception as error:  # What cannot be told in one way can be in others.
            failure = failure or error
    if spec.is_dir():
        console.print(summary.render(_pairs(runs), _errors(runs)))
    else:
        _show(console, runs[0], kept.get(spec, {}))
    for run in runs:
        for shown in witnesses.render(run.results):
            console.print(shown)
    missing = sum(run.planned - len(run.results) for run in runs)
    if missing:
        whole = sum(run.planned for run in runs)
        came = any(run.end and run.end.code == INTERRUPTED_EARLY for run in runs)
        heading = "INTERRUPTED  " if came else "CUT SHORT    "
        console.print(Text(f"{heading} {missing} of {whole} were not decided", "yellow"))
    if not spec.is_dir() and (end := runs[0].end) and end.code != INTERRUPTED_EARLY:
        end.tell()
    if failure is not None:
        return ending(failure).tell()
    return _exit_code(runs)


def checked(spec: Path, results: list[Result]) -> report.Checked:
    """A spec's results with all their traces, and the source that the spec can be read from."""
    traces = {n: result.trace for n, result in enumerate(results) if result.trace is not None}
    return report.Checked(spec.as_posix(), results, traces, sources(spec, list(traces.values())))


def _pairs(runs: list[SpecRun]) -> list[tuple[Path, list[Result]]]:
    """What there is to tell of the specs that could be checked, or of those that were in part."""
    return [(run.spec, run.results) for run in runs if run.results or not _errors([run])]


def _errors(runs: list[SpecRun]) -> list[str]:
    """Why specs could not be checked, or not to the end; that Ctrl-C came is no error."""
    return [run.end.message for run in runs if run.end and run.end.code != INTERRUPTED_EARLY]


def _rendered(
    name: str, runs: list[SpecRun], kept: dict[Path, dict[int, Path]], *, single: bool
) -> str:
    match name:
        case "html":
            return report.render([checked(spec, results) for spec, results in _pairs(runs)])
        case "junit":
            return to_junit(_pairs(runs), _errors(runs))
        case "sarif":
            return to_sarif(_pairs(runs), _errors(runs))
        case "markdown":
            return to_markdown(_pairs(runs))
        case "json":
            documents = [
                comparison.to_document(spec.as_posix(), results, kept.get(spec, {}))
                for spec, results in _pairs(runs)
            ]
            return json.dumps(documents[0] if single else documents, indent=1) + "\n"
        case _:
            raise AssertionError(name)


def _show(console: Console, run: SpecRun, kept: dict[int, Path]) -> None:
    width, console.width = console.width, max(console.width, TABLE_WIDTH)
    console.print(comparison.render(run.spec.as_posix(), run.results, kept))
    console.width = width
    if len({result.job.variant.name for result in run.results}) == 1:
        for trace in list(kept_traces(run.results).values())[:1]:
            console.print()
            console.print(trace_text.render(trace))


def _exit_code(runs: list[SpecRun]) -> int:
    ends = {run.end.code for run in runs if run.end}
    if wrong := ends & {INTERNAL, WRONG_INPUT}:
        return max(wrong)
    results = [result for run in runs for result in run.results]
    planned = sum(run.planned for run in runs)
    return exit_code(results, planned, interrupted=INTERRUPTED_EARLY in ends)
