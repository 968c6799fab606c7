"""The commands that edit a protocol and judge what becomes of it: ablate and repair."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import (
    AS_EXPECTED,
    INCONCLUSIVE,
    INTERRUPTED_EARLY,
    MINIMUM_WIDTH,
    cli,
    err,
    exit_code,
    out,
)
from modelcheck.cli.options import limits_options, overrides_options
from modelcheck.explore.verdict import INTERRUPTED, Limits
from modelcheck.frontends.spec_files import load_suites
from modelcheck.questions.ablate import ablate
from modelcheck.questions.check import Job, Overrides, jobs
from modelcheck.questions.judge import JUDGED_CPUS, Judge
from modelcheck.questions.repair import Repairs, repair
from modelcheck.views import ablation as ablation_view
from modelcheck.views import repairs as repairs_view
from modelcheck.views.progress import status_line


@cli.command("ablate")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@limits_options
def ablate_command(spec: Path, overrides: Overrides, limits: Limits) -> None:
    """Find out what each step is for, by taking it away.

    Takes away each step and each two syncs, looks for the smallest sets of syncs that suffice,
    and swaps neighbours; for any number of CPUs. Each "needed" and "no" rests on a counterexample
    with up to --cpus CPUs (3, unless given), each "-" and "may" on a proof. Exit code 3 if
    something could not be settled.
    """
    out.width = max(out.width, MINIMUM_WIDTH)
    judge = _judge(overrides, limits)
    chosen = replace(overrides, variants=overrides.variants or ("base",))
    settled, begun = True, False
    for group in _by_variant(spec, chosen):
        with status_line(err, _name(group)) as tell:
            ablation = ablate(group, judge, tell)
        out.print(ablation_view.render(spec.as_posix(), ablation))
        out.print()
        settled = settled and ablation.settled
        begun = begun or bool(ablation.steps)
        if ablation.reason == INTERRUPTED:
            sys.exit(INCONCLUSIVE if begun else INTERRUPTED_EARLY)
    sys.exit(AS_EXPECTED if settled else INCONCLUSIVE)


@cli.command("repair")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@limits_options
@click.option(
    "--edits",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Look for repairs with up to this many edits.",
)
def repair_command(spec: Path, overrides: Overrides, limits: Limits, edits: int) -> None:
    """Find the fewest edits that make a variant safe: steps moved, or syncs put in.

    Without --variant, of every variant that is not proved safe. A repair is safe under all the
    fetch models chosen, and leaves behind the same code and data. Exit code 1 if a variant has no
    repair of that size, 3 if that is unknown.
    """
    out.width = max(out.width, MINIMUM_WIDTH)
    judge = _judge(overrides, limits)
    found: list[Repairs] = []
    for group in _by_variant(spec, overrides):
        with status_line(err, _name(group)) as tell:
            found.append(repair(group, edits, judge, spec=spec.as_posix(), tell=tell))
        if overrides.variants or not (found[-1].complete and found[-1].stands.proved):
            out.print(repairs_view.render(spec.as_posix(), found[-1], edits))
            out.print()
        if found[-1].reason == INTERRUPTED:
            break
    safe = [repairs for repairs in found if repairs.complete and repairs.stands.proved]
    if safe and not overrides.variants:
        names = ", ".join(_name(repairs.jobs) for repairs in safe)
        out.print(Text(f"Nothing to repair in: {names}"), soft_wrap=True)
    sys.exit(_exit_code(found))


def _judge(overrides: Overrides, limits: Limits) -> Judge:
    return Judge(JUDGED_CPUS if overrides.cpus is None else overrides.cpus, limits)


def _by_variant(spec: Path, overrides: Overrides) -> Iterator[tuple[Job, ...]]:
    """The jobs of each variant, which differ in the fetch model alone."""
    every = jobs(load_suites(spec), overrides)
    for _, group in groupby(every, key=lambda job: (id(job.suite), job.variant.name)):
        yield tuple(group)


def _name(group: tuple[Job, ...]) -> str:
    return f"{group[0].suite.protocol.name}, {group[0].variant.name}"


def _exit_code(found: list[Repairs]) -> int:
    if found[-1].reason == INTERRUPTED:
        told = any(repairs.found or repairs.complete for repairs in found)
        return INCONCLUSIVE if told else INTERRUPTED_EARLY
    if any(not repairs.complete for repairs in found):
        return INCONCLUSIVE
    return exit_code(found, len(found))
