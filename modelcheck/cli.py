"""The command line: reads arguments, runs checks, prints, and sets the exit code.

Knows everything; nothing knows it. Exit codes: 0 all verdicts as expected, 1 some are not, 2 the
spec, the command line or the output is wrong, 3 inconclusive.
"""

import json
import sys
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modelcheck import __version__
from modelcheck.check import Job, Overrides, Result, check, jobs, with_kept_traces
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.load import load_suites
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.suite import Semantics
from modelcheck.starter import starter
from modelcheck.trace.replay import ReplayError, replay
from modelcheck.trace.trace import TraceError, load
from modelcheck.views import comparison, trace_text
from modelcheck.views.files import OutputError, check_writable, write_text, write_trace
from modelcheck.views.progress import progress_line

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_INPUT, INCONCLUSIVE = range(4)

MINIMUM_WIDTH = 100

_SPLIT = {None: "", True: ", where chunks split the site", False: ", where they do not"}

out = Console()
err = Console(stderr=True)


class _CheckByDefault(click.Group):
    """A group in which a first argument that is no command is a spec to check."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "--version"):
            args = ["check", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CheckByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelcheck")
def cli() -> None:
    """Check protocols that patch code while other CPUs run it.

    "modelcheck SPEC" is short for "modelcheck check SPEC". Exit codes: 0 every verdict is as
    expected, 1 some verdict is not, 2 the spec, the command line or the output is wrong,
    3 inconclusive.
    """


@cli.command("check")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--variant", "variants", multiple=True, help="Only this variant (repeatable).")
@click.option("--cpus", type=int, help="CPUs that run the site, besides the patcher's own.")
@click.option("--fetch", multiple=True, help=f"Fetch model (repeatable): {', '.join(MODELS)}.")
@click.option("--chunk", type=int, help="Bytes fetched in one atomic read, a power of two.")
@click.option("--offset", type=int, help="Where the first site begins in its cache line, 0 to 63.")
@click.option(
    "--semantics", type=click.Choice(get_args(Semantics)), help="How fetches are modelled."
)
@click.option(
    "--property", "properties", multiple=True, help="Watch only this property (repeatable)."
)
@click.option("--max-states", type=click.IntRange(1), help="Give up beyond this many states.")
@click.option("--max-seconds", type=click.FloatRange(0), help="Give up after this long, per run.")
@click.option("--max-memory", type=click.IntRange(1), help="Give up beyond this many MiB.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("counterexamples"),
    show_default=True,
    help="Where counterexamples are written, in a folder for each spec.",
)
@click.option("--json", "json_file", help="Write the results as JSON to this file; - for stdout.")
def check_command(
    spec: Path,
    variants: tuple[str, ...],
    cpus: int | None,
    fetch: tuple[str, ...],
    chunk: int | None,
    offset: int | None,
    semantics: Semantics | None,
    properties: tuple[str, ...],
    max_states: int | None,
    max_seconds: float | None,
    max_memory: int | None,
    folder: Path,
    json_file: str | None,
) -> None:
    """Check a protocol and its variants, and compare them in one table."""
    overrides = Overrides(variants, cpus, fetch, chunk, offset, semantics, properties)
    todo = list(jobs(load_suites(spec), overrides))
    folder = folder / spec.stem
    check_writable(folder)
    if json_file not in (None, "-"):
        check_writable(Path(str(json_file)).absolute().parent)
    results = _run(todo, spec.as_posix(), Limits(max_states, max_seconds, max_memory))

    console = err if json_file == "-" else out
    kept: dict[int, Path] = {}
    failure: OutputError | None = None
    try:
        for result in with_kept_traces(results):
            if result.trace is not None:
                path = write_trace(folder, result.job.name, result.trace)
                kept[results.index(result)] = path
    except OutputError as error:
        failure = error
    document = json.dumps(comparison.to_document(spec.as_posix(), results, kept), indent=1)
    try:
        if json_file == "-":
            click.echo(document)
        elif json_file is not None:
            write_text(Path(json_file), document + "\n")
    except OutputError as error:
        failure = failure or error
    _show(console, spec.as_posix(), results, kept)
    if failure is not None:
        raise failure
    sys.exit(_exit_code(results, len(todo)))


def _run(todo: list[Job], spec: str, limits: Limits) -> list[Result]:
    """Run the jobs in turn. Ctrl-C ends the run under way as inconclusive, and drops the rest."""
    results: list[Result] = []
    for job in todo:
        what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
        with progress_line(err, what) as watcher:
            try:
                results.append(check(job, spec=spec, limits=limits, watcher=watcher))
            except KeyboardInterrupt:
                break
        if results[-1].reason == "interrupted":
            break
    return results


def _show(console: Console, spec: str, results: list[Result], kept: dict[int, Path]) -> None:
    # A table that is cut off says less than one that a narrow terminal wraps.
    console.width = max(console.width, MINIMUM_WIDTH)
    console.print(comparison.render(spec, results, kept))
    shown = [result.trace for result in results if result.trace is not None]
    if len({result.job.variant.name for result in results}) == 1 and kept:
        trace = next(results[number].trace for number in kept)
        if shown and trace is not None:
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


@cli.command("list")
@click.argument("spec", type=click.Path(path_type=Path))
def list_command(spec: Path) -> None:
    """List the protocols and variants of a spec, and what it expects of each."""
    for suite in load_suites(spec):
        table = Table(
            title=suite.protocol.name, title_justify="left", box=None, padding=(0, 2, 0, 0)
        )
        for heading in ("variant", "steps", "expected"):
            table.add_column(heading)
        for variant in suite:
            clauses = [
                " or ".join(clause.properties)
                + (f" under {', '.join(clause.under)}" if clause.under else "")
                + _SPLIT[clause.split]
                for clause in variant.expect.clauses
            ]
            labels = ", ".join(element.label for element in variant.protocol.program)
            table.add_row(variant.name, Text(labels), Text("\n".join(clauses) or "safe"))
        out.print(table)
        out.print()


@cli.command("show")
@click.argument("file", type=click.Path(path_type=Path))
def show_command(file: Path) -> None:
    """Show a counterexample: who did what, the bytes at each step, and what went wrong."""
    out.width = max(out.width, MINIMUM_WIDTH)
    out.print(trace_text.render(load(file)))


@cli.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
def replay_command(file: Path) -> None:
    """Run a counterexample through the machine alone, step by step."""
    trace = load(file)
    try:
        steps = replay(trace)
    except ReplayError as error:
        err.print(Text(f"{file}: not a run of this machine: {error}"), soft_wrap=True)
        sys.exit(NOT_AS_EXPECTED)
    out.print(
        Text(
            f"{file}: all {steps} steps replay, and the last violates {trace.violation.property}: "
            f"{trace.violation.why}"
        ),
        soft_wrap=True,
    )


@cli.command("new")
@click.argument("name")
def new_command(name: str) -> None:
    """Write a commented starter spec to NAME.py, ready to run."""
    path = Path(name).with_suffix(".py")
    if path.exists():
        raise OutputError(f"{path} exists; choose another name")
    write_text(path, starter(path.stem))
    out.print(Text(f"Wrote {path}. Run it: python -m modelcheck {path}"), soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    try:
        result: Any = cli.main(arguments, prog_name="modelcheck", standalone_mode=False)
        return int(result or 0)
    except SystemExit as stop:
        return int(stop.code or 0)
    except click.ClickException as error:
        error.show()
        return WRONG_INPUT
    except (SpecError, TraceError, OutputError) as error:
        err.print(Text(f"error: {error}"), soft_wrap=True)
        return WRONG_INPUT
    except (click.Abort, KeyboardInterrupt):
        err.print("interrupted")
        return INCONCLUSIVE
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody to tell.
        sys.stderr.close()
        return WRONG_INPUT
