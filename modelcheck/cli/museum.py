"""The museum command: real bugs, each shown by its counterexample."""

import sys
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import (
    AS_EXPECTED,
    INCONCLUSIVE,
    MINIMUM_WIDTH,
    NOT_AS_EXPECTED,
    cli,
    err,
    out,
)
from modelcheck.cli.runs import specs_in
from modelcheck.explore.verdict import INTERRUPTED, Request, Verdict
from modelcheck.frontends.spec_files import load_suites
from modelcheck.questions.check import DEFAULT_FETCH, Job, Overrides, Result, check, jobs
from modelcheck.views.museum import Exhibit, render
from modelcheck.views.progress import progress_line


@cli.command("museum")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("specs"))
@click.option(
    "--sort",
    type=click.Choice(["date", "harm"]),
    default="date",
    help="The oldest first, or what a torn instruction does, if it tears one: the silent first.",
)
def museum_command(folder: Path, sort: str) -> None:
    """List the real bugs that the specs of FOLDER have among their variants.

    Each is checked now: what it violates, what happens then to a CPU that ran a torn instruction,
    and by how many steps.
    """
    exhibits: list[Exhibit] = []
    stopped = False
    try:
        for spec in specs_in(folder) if folder.is_dir() else [folder]:
            exhibits += _exhibits(spec)
    except KeyboardInterrupt:
        if not exhibits:
            raise
        stopped = True
    out.width = max(out.width, MINIMUM_WIDTH)
    out.print(render(exhibits, by_harm=sort == "harm"))
    if stopped:
        out.print(Text("INTERRUPTED: there may be more.", "yellow"))
        sys.exit(INCONCLUSIVE)
    shown = all(exhibit.result.verdict is Verdict.VIOLATED for exhibit in exhibits)
    sys.exit(AS_EXPECTED if shown else NOT_AS_EXPECTED)


def _exhibits(spec: Path) -> list[Exhibit]:
    found: dict[str, list[Job]] = {}
    for job in jobs(load_suites(spec), Overrides()):
        if job.variant.bug is not None:
            found.setdefault(job.name, []).append(job)
    return [Exhibit(spec, _first_violated(spec, some)) for some in found.values()]


def _first_violated(spec: Path, some: list[Job]) -> Result:
    """The result under the first fetch model that shows the bug, the default one first."""
    some = sorted(some, key=lambda job: job.configuration.fetch != DEFAULT_FETCH)
    for job in some:
        with progress_line(err, f"{spec.stem}, {job.variant.name}") as watcher:
            result = check(job, spec=spec.as_posix(), request=Request(watcher=watcher))
        if result.reason == INTERRUPTED:
            raise KeyboardInterrupt
        if result.verdict is Verdict.VIOLATED:
            break
    return result
