"""The convert command: a counterexample in the formats of other tools."""

from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import cli, err
from modelcheck.trace.trace import load
from modelcheck.views.files import write_text
from modelcheck.views.itf import to_itf
from modelcheck.views.mermaid import to_mermaid

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
    """Write a counterexample in the format of another tool."""
    text = FORMATS[form](load(file))
    if output is None:
        click.echo(text, nl=False)
        return
    write_text(output, text)
    err.print(Text(f"Wrote {output}"), soft_wrap=True)
