"""The diff command: compare two protocols, their steps and what they can do."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from modelcheck.cli.group import (
    MINIMUM_WIDTH,
    cli,
    err,
    exit_code,
    out,
)
from modelcheck.cli.one import one_job
from modelcheck.cli.options import limits_options, overrides_options
from modelcheck.explore.verdict import INTERRUPTED, Limits
from modelcheck.protocol.errors import SpecError
from modelcheck.questions.check import Job, Overrides
from modelcheck.questions.diff import diff
from modelcheck.views import difference
from modelcheck.views.progress import progress_line


@cli.command("diff")
@click.argument("first")
@click.argument("second")
@overrides_options
@limits_options
def diff_command(first: str, second: str, overrides: Overrides, limits: Limits) -> None:
    """Compare two protocols, each SPEC, SPEC#VARIANT or SPEC#PROTOCOL/VARIANT.

    Without SPEC, the second is of the same spec. Shows how their steps differ, and what can be
    seen of the one and not of the other: sequences of executed instructions, each with a shortest
    run. Exit code 0: same behaviours, 1: not the same, 3: inconclusive.
    """
    if overrides.variants:
        raise SpecError("diff takes its variants as SPEC#VARIANT, not by --variant")
    one = _job(first, first, overrides)
    # Both in one configuration: that of the first, where the options leave it open.
    run = one.configuration
    same = replace(
        overrides,
        cpus=run.cpus,
        fetch=(run.fetch,),
        chunk=run.chunk,
        semantics=run.semantics,
        properties=run.properties,
    )
    other = _job(second, first, same)
    with progress_line(err, "diff") as watcher:
        comparison = diff(one, other, limits, watcher)
    out.width = max(out.width, MINIMUM_WIDTH)
    out.print(difference.render(comparison))
    sys.exit(exit_code((comparison,), 1, interrupted=comparison.reason == INTERRUPTED))


def _job(name: str, first: str, overrides: Overrides) -> Job:
    spec, _, place = name.partition("#")
    path = Path(spec or first.partition("#")[0])
    protocol, _, variant = place.rpartition("/")
    return one_job(path, replace(overrides, variants=(variant or "base",)), protocol)
