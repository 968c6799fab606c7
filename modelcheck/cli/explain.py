"""The explain command: which steps keep a protocol from tearing, and how."""

import sys
from itertools import groupby
from pathlib import Path

import click
from rich.text import Text

from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.reasons import Possible, explain
from modelcheck.cli.group import (
    AS_EXPECTED,
    INCONCLUSIVE,
    MINIMUM_WIDTH,
    NOT_AS_EXPECTED,
    cli,
    out,
)
from modelcheck.cli.options import overrides_options
from modelcheck.explore.pulse import LimitError, time_limit, why
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.properties import TORN
from modelcheck.questions.check import Job, Overrides, jobs
from modelcheck.views import explanations as view


@cli.command("explain")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@click.option("--max-seconds", type=click.FloatRange(0), help="Give up after this, per model.")
def explain_command(spec: Path, overrides: Overrides, max_seconds: float | None) -> None:
    """Say why no CPU can execute torn bytes, mix by mix, or how it can.

    The question is put to Z3 as constraints over an order of events, without a search. The steps
    named are those whose removal makes the mix possible. Without --variant, only the protocol
    itself is explained.
    """
    chosen = [
        job
        for job in jobs(load_suites(spec), overrides)
        if overrides.variants or job.variant.name == "base"
    ]
    codes: list[int] = []
    out.width = max(out.width, MINIMUM_WIDTH)
    for _, group in groupby(chosen, key=lambda job: (id(job.suite), job.variant.name)):
        of_variant = list(group)
        answers: list[tuple[Job, view.Answers]] = []
        try:
            for job in of_variant:
                with time_limit(max_seconds):
                    answers.append((job, _answers(job)))
        except KeyboardInterrupt:
            if not codes and not answers:
                raise
            codes.append(INCONCLUSIVE)
        codes += [_exit_code(job, answer) for job, answer in answers]
        by_model = [(job.configuration.fetch, answer) for job, answer in answers]
        if answers:
            out.print(view.render(spec.as_posix(), of_variant[0], by_model))
        if len(answers) < len(of_variant):
            out.print(Text("INTERRUPTED: this is what was explained by then.", "yellow"))
            break
    sys.exit(NOT_AS_EXPECTED if NOT_AS_EXPECTED in codes else max(codes, default=AS_EXPECTED))


def _answers(job: Job) -> view.Answers:
    try:
        return explain(job.variant.protocol, job.configuration)
    except NotCoveredError as error:
        return f"Not covered by the axioms: {error}"
    except (LimitError, MemoryError) as stop:
        return f"Cut short: {why(stop)}"


def _exit_code(job: Job, answers: view.Answers) -> int:
    if isinstance(answers, str):
        return INCONCLUSIVE
    tears = any(isinstance(answer, Possible) for answer in answers)
    as_expected = TORN in job.expected if tears else job.expected != (TORN,)
    return AS_EXPECTED if as_expected else NOT_AS_EXPECTED
