"""Choosing one variant in one configuration, for the commands that are about one."""

from dataclasses import replace
from pathlib import Path

from rich.text import Text

from modelcheck.cli.group import err
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.errors import SpecError
from modelcheck.questions.check import DEFAULT_FETCH, Job, Overrides, jobs


def one_job(spec: Path, overrides: Overrides, protocol: str = "") -> Job:
    """The one job that is meant; says on stderr which it took, if several were possible.

    Without a variant, the base variant; without a protocol, the first that has the variant;
    without a fetch model, DEFAULT_FETCH if the suite checks it, otherwise the suite's first.
    Raises SpecError for a protocol or variant that the spec does not have.
    """
    suites = load_suites(spec)
    if protocol:
        known = ", ".join(suite.protocol.name for suite in suites)
        suites = tuple(suite for suite in suites if suite.protocol.name == protocol)
        if not suites:
            raise SpecError(f"{spec}: no protocol named {protocol!r}; it has: {known}")
    variants = overrides.variants or ("base",)
    found = list(jobs(suites, replace(overrides, variants=variants)))
    first = [
        job
        for job in found
        if job.suite is found[0].suite and job.variant.name == found[0].variant.name
    ]
    chosen = next((job for job in first if job.configuration.fetch == DEFAULT_FETCH), first[0])
    if len(found) > 1:
        taken = f"{chosen.suite.protocol.name}, variant {chosen.variant.name}"
        err.print(
            Text(f"Taking {taken}, under {chosen.configuration.fetch}: 1 of {len(found)} choices."),
            soft_wrap=True,
        )
    return chosen
