"""The graph command: the phases of patching as a picture."""

from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import INCONCLUSIVE, cli, err
from modelcheck.cli.one import one_job
from modelcheck.cli.options import limits_options, overrides_options
from modelcheck.explore.verdict import Limits
from modelcheck.formats.files import OutputError, check_writable, write_text
from modelcheck.questions.check import Overrides
from modelcheck.questions.phases import phases
from modelcheck.views.graph import FORMATS, READABLE, drawing
from modelcheck.views.progress import progress_line


@cli.command("graph")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@limits_options
@click.option(
    "-o",
    "--output",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The file to write; its name ends in {', '.join(FORMATS)}.",
)
def graph_command(spec: Path, overrides: Overrides, limits: Limits, file: Path) -> int:
    """Draw the phases that patching goes through, and what CPUs can execute in each.

    One variant in one configuration: unless told otherwise, the base variant of the spec's first
    protocol, under per-chunk if its suite checks that.
    """
    if file.suffix not in FORMATS:
        raise OutputError(f"{file}: the name must end in {', '.join(FORMATS)}")
    check_writable(file.absolute().parent)
    job = one_job(spec, overrides)
    with progress_line(err, "graph") as watcher:
        found = phases(job, limits, watcher)
    if found.reason is not None:
        err.print(Text(f"INCONCLUSIVE: {found.reason}; nothing was drawn"))
        return INCONCLUSIVE
    graph = found.graph
    if len(graph) > READABLE and file.suffix == ".svg":
        raise OutputError(
            f"{file}: {len(graph)} phases are more than a person can read ({READABLE}); write "
            ".dot or .graphml for another tool, or draw a shorter protocol"
        )
    write_text(file, FORMATS[file.suffix](drawing(graph, job)))
    err.print(Text(f"Wrote {file}: {len(graph)} phases"), soft_wrap=True)
    return 0
