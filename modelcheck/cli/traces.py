"""The commands about counterexamples: show and replay."""

import sys
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import MINIMUM_WIDTH, NOT_AS_EXPECTED, cli, err, out
from modelcheck.trace.document import load
from modelcheck.trace.replay import ReplayError, replay
from modelcheck.views import trace_text


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
