"""The commands that turn a counterexample into something else: convert and emit-test."""

from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import cli, err
from modelcheck.formats.files import write_text
from modelcheck.formats.itf import to_itf
from modelcheck.formats.mermaid import to_mermaid
from modelcheck.formats.pytest_file import to_pytest
from modelcheck.trace.document import TraceError
from modelcheck.trace.document import load as load_trace
from modelcheck.trace.kinds import load, told
from modelcheck.trace.replay import ReplayError, replay

FORMATS = {"itf": to_itf, "mermaid": to_mermaid}


@cli.command("convert")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(list(FORMATS)),
    help="itf: for viewers of TLA+ and Quint traces; mermaid: a sequence diagram for a web page.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of stdout.",
)
def convert_command(file: Path, form: str, output: Path | None) -> None:
    """Write a kept run in the format of another tool."""
    _write(FORMATS[form](told(load(file))), output)


@cli.command("emit-test")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of stdout.",
)
def emit_test_command(file: Path, output: Path | None) -> None:
    """Turn a counterexample into a pytest file that fails when it no longer happens so."""
    trace = load_trace(file)
    try:
        replay(trace)
    except ReplayError as error:
        raise TraceError(f"{file}: not a run of this machine: {error}") from error
    _write(to_pytest(trace), output)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    write_text(output, text)
    err.print(Text(f"Wrote {output}"), soft_wrap=True)
