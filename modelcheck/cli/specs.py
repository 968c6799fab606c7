"""The commands about spec files: list and new."""

import re
import shlex
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from modelcheck.cli.group import cli, out
from modelcheck.formats.files import OutputError, write_text
from modelcheck.frontends.spec_files import load_suites
from modelcheck.frontends.starter import starter

_SPLIT = {None: "", True: ", where chunks split the site", False: ", where they do not"}


@cli.command("list")
@click.argument("spec", type=click.Path(path_type=Path))
def list_command(spec: Path) -> None:
    """List the protocols and variants of a spec, and what it expects of each."""
    for suite in load_suites(spec):
        table = Table(
            title=Text(suite.protocol.name, style="table.title"),
            title_justify="left",
            box=None,
            padding=(0, 2, 0, 0),
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
            table.add_row(Text(variant.name), Text(labels), Text("\n".join(clauses) or "safe"))
        out.print(table)
        out.print()


@cli.command("new")
@click.argument("name")
def new_command(name: str) -> None:
    """Write a commented starter spec to NAME.py, ready to run."""
    if not re.fullmatch(r"[\w+-][\w .+-]*", Path(name).name):
        raise OutputError(f"{name!r} is no name for a spec; take letters, digits, - and _")
    path = Path(name).with_suffix(".py")
    if path.exists():
        raise OutputError(f"{path} exists; choose another name")
    write_text(path, starter(path.stem))
    out.print(
        Text(f"Wrote {path}. Run it: python -m modelcheck {shlex.quote(str(path))}"), soft_wrap=True
    )
