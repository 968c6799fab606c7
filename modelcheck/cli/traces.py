"""The commands about counterexamples: show and replay."""

import sys
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import MINIMUM_WIDTH, NOT_AS_EXPECTED, cli, err, out
from modelcheck.frontends.spec_files import load_suites
from modelcheck.trace.kinds import KeptRun, changed, check, load, told
from modelcheck.trace.replay import ReplayError
from modelcheck.views import trace_text

_named_spec = click.option(
    "--spec",
    type=click.Path(path_type=Path),
    help="Run this spec, and say whether it still has the variant as it was. Without it, only the "
    "bytes of the file that the trace names are compared.",
)


@cli.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@_named_spec
def show_command(file: Path, spec: Path | None) -> None:
    """Show a kept run: who did what, the bytes at each step, and what went wrong."""
    out.width = max(out.width, MINIMUM_WIDTH)
    trace = load(file)
    out.print(trace_text.render(told(trace)))
    _warn(trace, file, spec)


@cli.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@_named_spec
def replay_command(file: Path, spec: Path | None) -> None:
    """Run a kept run through its machine alone, step by step."""
    trace = load(file)
    try:
        steps = check(trace)
    except ReplayError as error:
        err.print(Text(f"{file}: not a run of this machine: {error}"), soft_wrap=True)
        sys.exit(NOT_AS_EXPECTED)
    run = told(trace)
    last = f"the last {run.ending}: " if run.verb else ""
    out.print(Text(f"{file}: all {steps} steps replay, and {last}{run.why}"), soft_wrap=True)
    _warn(trace, file, spec)


def _warn(trace: KeptRun, file: Path, spec: Path | None) -> None:
    """Say if the spec has changed since the trace was found; only a spec that is given is run."""
    if spec is not None and told(trace).protocol is None:
        raise click.UsageError("--spec is for runs of protocols, and this is one of a litmus test")
    if warning := changed(trace, file, load_suites(spec) if spec else (), spec):
        out.print(Text(warning, "bold yellow"), soft_wrap=True)
