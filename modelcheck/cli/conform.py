"""The conform command: is a kernel's log a run of a protocol, and of which?"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import (
    AS_EXPECTED,
    INCONCLUSIVE,
    INTERRUPTED_EARLY,
    NOT_AS_EXPECTED,
    cli,
    err,
    out,
)
from modelcheck.cli.keeping import keeping
from modelcheck.cli.options import limits_options
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.formats.files import OutputError, check_writable, write_text, write_trace
from modelcheck.frontends.logs import TextLog, load_log
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.errors import SpecError, meant
from modelcheck.protocol.suite import Suite
from modelcheck.questions.check import DEFAULT_FETCH, Job, Overrides, jobs
from modelcheck.questions.conform import Conformance, conform
from modelcheck.questions.recorded.instantiate import UnfitError
from modelcheck.trace.kinds import told
from modelcheck.trace.record import SpecFile
from modelcheck.trace.stale import file_digest
from modelcheck.views import logged as view
from modelcheck.views.report import logs as report
from modelcheck.views.sources import sources

ALL = "all"


@cli.command("conform")
@click.argument("spec")
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--variant", default="base", show_default=True, help="The variant, or all: a matrix of them."
)
@click.option(
    "--exact", is_flag=True, help="No more syncs, fences and maintenance than the protocol has."
)
@click.option("--fetch", help=f"Fetch model: {', '.join(MODELS)}.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="LOG=SPEC",
    help="A site of the log is this site, or cell, of the spec (repeatable); LOG= leaves it out.",
)
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Write the runs here.")
@click.option("--html", "page", help="Write the runs as a page to look at in a browser.")
@click.option("--json", "document", help="Write the answers as JSON to this file; - for stdout.")
@limits_options
def conform_command(
    spec: str,
    logs: tuple[Path, ...],
    variant: str,
    exact: bool,
    fetch: str | None,
    pairs: tuple[str, ...],
    folder: Path | None,
    page: str | None,
    document: str | None,
    limits: Limits,
) -> None:
    """Say whether logs of a kernel that patched its text are runs of a protocol.

    SPEC is a spec, or SPEC#PROTOCOL; otherwise each of its protocols is tried that can be about
    what a log has. LOGS are newline-delimited JSON: see docs/conform.md. Exit code 0: each log is a
    run, with --variant all of some variant; 1: an event is forbidden; 2: what is no log, or
    cannot be one of this spec.
    """
    path, _, protocol = spec.partition("#")
    suites = _suites(Path(path), protocol)
    if document == page == "-":
        raise click.UsageError("only one format can go to stdout; name a file for the other")
    chosen = _variants(suites, variant)
    renamed = _renamed(pairs)
    read = [load_log(log) for log in logs]
    if folder is not None:
        check_writable(folder)
    asked = Overrides(chosen, fetch=(fetch or DEFAULT_FETCH,))
    spec_file = SpecFile(Path(path).as_posix(), file_digest(Path(path)))
    rows: list[list[Conformance]] = []
    interrupted = False
    with_runs = variant != ALL or folder is not None
    try:
        for log in read:
            rows += _rows(
                suites, asked, log, renamed, exact, spec_file, limits, pick=variant != ALL
            )
    except KeyboardInterrupt:
        interrupted = True
    answers = [answer for row in rows for answer in row]
    kept = _keep(Path(path), answers, folder) if with_runs else {}
    console = err if "-" in (document, page) else out
    console.width = view.WIDTH
    if variant == ALL and rows:
        console.print(view.matrix(Path(path).as_posix(), rows, exact=exact))
    else:
        for number, answer in enumerate(answers):
            for part in view.render(answer, kept.get(number)):
                console.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))
    if page is not None:
        traces = [told(answer.trace) for answer in answers if answer.trace]
        text = report.render(path, answers, sources(Path(path), traces))
        click.echo(text, nl=False) if page == "-" else write_text(Path(page), text)
    if document is not None:
        results = view.to_document(Path(path).as_posix(), answers, kept, exact=exact)
        text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        click.echo(text, nl=False) if document == "-" else write_text(Path(document), text)
    sys.exit(_exit_code(rows, interrupted=interrupted))


def _suites(spec: Path, protocol: str) -> tuple[Suite, ...]:
    suites = load_suites(spec)
    names = [suite.protocol.name for suite in suites]
    if protocol and protocol not in names:
        raise SpecError(
            f"{spec}: no protocol named {protocol!r}; {meant(protocol, names, 'it has')}"
        )
    return tuple(suite for suite in suites if not protocol or suite.protocol.name == protocol)


def _variants(suites: tuple[Suite, ...], variant: str) -> tuple[str, ...]:
    names = dict.fromkeys(one.name for suite in suites for one in suite)
    if variant != ALL and variant not in names:
        raise SpecError(f"no variant named {variant!r}; {meant(variant, names, 'the spec has')}")
    return () if variant == ALL else (variant,)


def _renamed(pairs: tuple[str, ...]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise click.UsageError(f"--map {pair!r} is no LOG=SPEC, such as literal=ops")
    return {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}


def _rows(
    suites: tuple[Suite, ...],
    asked: Overrides,
    log: TextLog,
    renamed: Mapping[str, str],
    exact: bool,
    spec_file: SpecFile,
    limits: Limits,
    *,
    pick: bool,
) -> Iterator[list[Conformance]]:
    """The answers for one log: a row for each protocol that can be about it.

    With `pick`, only the one that it is a run of, or of which it is the longest.
    """
    rows: list[list[Conformance]] = []
    unfit: dict[str, None] = {}
    for suite in suites:
        row: list[Conformance] = []
        for job in _jobs(suite, asked):
            try:
                row.append(
                    conform(
                        job, log, renamed=renamed, exact=exact, spec_file=spec_file, limits=limits
                    )
                )
            except UnfitError as error:
                unfit[f"{suite.protocol.name}, {job.variant.name}: {error}"] = None
        if row:
            rows.append(row)
        if pick and row and row[0].verdict is Verdict.SAFE:
            rows = [row]
            break
    if not rows:
        whys = "".join(f"\n  {why}" for why in unfit)
        raise UnfitError(
            f"{log.path}: no protocol of {spec_file.path} can be about it; name another spec, or "
            f"pair its sites by --map:{whys}"
        )
    yield from ([max(rows, key=_length)] if pick else rows)


def _jobs(suite: Suite, asked: Overrides) -> Iterator[Job]:
    if not asked.variants or set(asked.variants) & {variant.name for variant in suite}:
        yield from jobs((suite,), asked)


def _length(row: list[Conformance]) -> int:
    """How many events of a log the first answer of a row allows."""
    refusal = row[0].refusal
    return len(row[0].log.events) if refusal is None else refusal.event.number - 1


def _keep(spec: Path, answers: list[Conformance], folder: Path | None) -> dict[int, Path]:
    """Write the runs, as counterexamples are kept; by the place of their answer."""
    place = keeping(folder, update=False).of_spec(spec, spec.parent)
    kept: dict[int, Path] = {}
    try:
        for number, answer in enumerate(answers):
            if answer.trace is not None:
                name = f"{Path(answer.log.path).stem}.{answer.job.variant.name}"
                kept[number] = write_trace(place, name, answer.trace)
    except OutputError as error:
        if folder is not None:
            raise
        err.print(Text(f"Runs are not kept: {error}", "yellow"), soft_wrap=True)
    return kept


def _exit_code(rows: list[list[Conformance]], *, interrupted: bool) -> int:
    """0 if each log is a run of something in one of its rows."""
    if interrupted:
        return INCONCLUSIVE if rows else INTERRUPTED_EARLY
    by_log: dict[str, list[Conformance]] = {}
    for row in rows:
        by_log.setdefault(row[0].log.path, []).extend(row)
    verdicts = [{answer.verdict for answer in answers} for answers in by_log.values()]
    if any(found == {Verdict.VIOLATED} for found in verdicts):
        return NOT_AS_EXPECTED
    return AS_EXPECTED if all(Verdict.SAFE in found for found in verdicts) else INCONCLUSIVE
