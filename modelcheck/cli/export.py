"""The export command: a protocol as a model for another checker."""

import re
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import cli, err
from modelcheck.cli.one import one_job
from modelcheck.cli.options import overrides_options
from modelcheck.export.languages import LANGUAGES
from modelcheck.export.litmus import to_litmus
from modelcheck.formats.files import write_text
from modelcheck.machine.actors import Machine
from modelcheck.protocol.errors import SpecError
from modelcheck.questions.check import Overrides

LITMUS = "litmus"


@cli.command("export")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "language",
    required=True,
    type=click.Choice([*LANGUAGES, LITMUS]),
    help="; ".join(f"{name} for {language.reader}" for name, language in LANGUAGES.items())
    + f"; {LITMUS} for herd and the litmus command.",
)
@overrides_options
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file (for tla, its .cfg beside it) instead of stdout.",
)
def export_command(spec: Path, language: str, overrides: Overrides, file: Path | None) -> None:
    """Export a protocol to another checker, which then counts the same states; or, with one CPU, as
    a litmus test, which another machine judges.

    One variant in one configuration: unless told otherwise, the base variant of the spec's first
    protocol, under per-chunk if its suite checks that.
    """
    job = one_job(spec, overrides)
    title = f"{spec.as_posix()}: {job.suite.protocol.name}, variant {job.variant.name}"
    if language == LITMUS:
        _write({file or Path("-"): to_litmus(job.setup, title=title)}, file)
        return
    path = file or Path(f"Model{LANGUAGES[language].suffix}")
    if language == "tla" and not re.fullmatch(r"[A-Za-z]\w*", path.stem, re.ASCII):
        raise SpecError(
            f"{path.name}: a TLA+ module is named as its file, by letters, digits and _; "
            "choose another name"
        )
    machine = Machine(job.variant.protocol, job.configuration)
    _write(LANGUAGES[language].files(machine, title, path), file)


def _write(files: dict[Path, str], file: Path | None) -> None:
    """Write the files, or print the main one if none is named."""
    if file is None:
        click.echo(next(iter(files.values())), nl=False)
        return
    for place, text in files.items():
        write_text(place, text)
        err.print(Text(f"Wrote {place}"), soft_wrap=True)
