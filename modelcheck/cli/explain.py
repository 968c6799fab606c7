"""The explain command: which steps keep a protocol from tearing, and how."""

import sys
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import MINIMUM_WIDTH, cli, exit_code, out
from modelcheck.cli.options import overrides_options
from modelcheck.explore.verdict import Limits
from modelcheck.frontends.spec_files import load_suites
from modelcheck.questions.check import Overrides, jobs
from modelcheck.questions.explain import Explanation, explain
from modelcheck.views import explanations as view


@cli.command("explain")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@click.option("--max-seconds", type=click.FloatRange(0), help="Give up after this, per model.")
def explain_command(spec: Path, overrides: Overrides, max_seconds: float | None) -> None:
    """Say why no CPU can execute torn bytes, mix by mix, or how it can; and torn sequences.

    The question is put to Z3 as constraints over an order of events, without a search. The steps
    named are those whose removal makes the mix possible. Without --variant, only the protocol
    itself is explained.
    """
    chosen = [
        job
        for job in jobs(load_suites(spec), overrides)
        if overrides.variants or job.variant.name == "base"
    ]
    every: list[Explanation] = []
    out.width = max(out.width, MINIMUM_WIDTH)
    for _, group in groupby(chosen, key=lambda job: (id(job.suite), job.variant.name)):
        of_variant = list(group)
        answers: list[Explanation] = []
        with suppress(KeyboardInterrupt):
            for job in of_variant:
                answers.append(explain(job, Limits(seconds=max_seconds)))
        every += answers
        if answers:
            out.print(view.render(spec.as_posix(), answers))
        if len(answers) < len(of_variant):
            out.print(Text("INTERRUPTED: this is what was explained by then.", "yellow"))
            break
    sys.exit(exit_code(every, len(chosen), interrupted=len(every) < len(chosen)))
