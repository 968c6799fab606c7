"""The browse command: look at counterexamples in a terminal, step by step."""

import sys
from pathlib import Path

import click

from modelcheck.cli.group import cli
from modelcheck.cli.keeping import COMMITTED, cache
from modelcheck.cli.options import overrides_options
from modelcheck.cli.runs import specs_in
from modelcheck.frontends.spec_files import load_suites
from modelcheck.questions.check import Overrides, jobs
from modelcheck.trace.document import TraceError
from modelcheck.trace.replay import ReplayError


@cli.command("browse")
@click.argument("place", type=click.Path(path_type=Path), required=False)
@overrides_options
@click.option(
    "--spec",
    "trusted",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Run this spec, or those of this folder, to show the safe programs beside traces that "
    "name them (repeatable). What only a trace names is not run.",
)
def browse_command(place: Path | None, overrides: Overrides, trusted: tuple[Path, ...]) -> None:
    """Browse counterexamples in the terminal: a SPEC to check, a trace FILE, or a DIR of them.

    Without an argument, the folder counterexamples if there is one, or else what was found last.
    Press ? for help.
    """
    if place is None:
        place = COMMITTED if COMMITTED.is_dir() else cache()
    specs = tuple(
        spec for path in trusted for spec in (specs_in(path) if path.is_dir() else [path])
    )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            'browse needs a terminal; "show FILE" prints a trace, "check SPEC" a comparison'
        )
    # The library takes a while to load, which no other command should wait for.
    from modelcheck.browse.app import Browser
    from modelcheck.browse.entries import of_file, of_folder
    from modelcheck.browse.opened import open_trace

    if place.suffix == ".py":
        todo = tuple(jobs(load_suites(place), overrides))
        for job in todo:
            _ = job.setup  # raises SpecError here rather than on the screen
        spec = place.as_posix()
        app = Browser(f"{spec}: checking ...", todo=todo, spec=spec, specs=(place, *specs))
    elif overrides != Overrides():
        raise click.UsageError("options that choose what to check go with a spec to check")
    elif place.is_dir():
        entries, refused = of_folder(place)
        odd = f"; {len(refused)} files could not be read: {refused[0]}" if refused else ""
        app = Browser(f"{place}: {len(entries)} counterexamples{odd}", entries, specs=specs)
    elif not place.exists():
        raise click.UsageError(f"{place}: not there; name a spec, a trace, or a folder of traces")
    else:
        entry = of_file(place)
        assert entry.trace is not None
        try:
            open_trace(entry.trace, place)
        except ReplayError as error:
            raise TraceError(f"{place}: not a run of this machine: {error}") from error
        app = Browser(place.as_posix(), (entry,), specs=specs)
    app.run()
