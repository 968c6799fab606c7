"""The litmus command: tests of single outcomes, judged by an architecture's rules."""

import json
import sys
from pathlib import Path

import click
from rich.text import Text

from modelcheck.cli.group import (
    AS_EXPECTED,
    INCONCLUSIVE,
    MINIMUM_WIDTH,
    NOT_AS_EXPECTED,
    WRONG_INPUT,
    cli,
    err,
    out,
)
from modelcheck.cli.options import limits_options
from modelcheck.explore.verdict import Limits
from modelcheck.formats.files import check_writable, write_text, write_trace
from modelcheck.litmus import expected
from modelcheck.litmus.errors import LitmusError, Spot
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import RULES, order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import LitmusVerdict, judge
from modelcheck.trace import incoming
from modelcheck.trace.litmus_run import record
from modelcheck.views import litmus
from modelcheck.views.litmus import Judged
from modelcheck.views.report import litmus as report


@cli.command("litmus")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--cache",
    metavar="DIC,IDC",
    help="Arm's cache type, such as 1,0, instead of the one in the header.",
)
@click.option(
    "--rules",
    help=f"Whose rules: {', '.join(f'{n} ({a})' for a, ns in RULES.items() for n in ns)}.",
)
@click.option("--states", "with_states", is_flag=True, help="Of a folder: print final states too.")
@click.option(
    "--expect", "table", type=click.Path(path_type=Path), help="A CSV table of published results."
)
@click.option("--json", "document", help="Write the results as JSON to this file; - for stdout.")
@click.option(
    "--html", "page", help="Write verdicts and runs as a page to this file; - for stdout."
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    help="Write the runs to allowed outcomes here, to show, replay, browse and convert.",
)
@limits_options
def litmus_command(
    path: Path,
    cache: str | None,
    rules: str | None,
    with_states: bool,
    table: Path | None,
    document: str | None,
    page: str | None,
    folder: Path | None,
    limits: Limits,
) -> None:
    """Judge a litmus test, or all those in a folder.

    PATH is a file in herd's format, for AArch64, RISC-V or x86. All runs are explored; printed are
    the final states, and whether the one asked for is allowed, forbidden or required. Of an allowed
    one, a shortest run to it is shown. Without --expect any verdict is as expected.
    """
    dic_idc = _cache(cache)
    published = _load(table) if table is not None else None
    files = sorted(path.rglob("*.litmus")) if path.is_dir() else [path]
    if not files:
        raise click.UsageError(f"{path}: there are no litmus files in this folder")
    if document == page == "-":
        raise click.UsageError("only one format can go to stdout; name a file for the other")
    if folder is not None:
        check_writable(folder)
    console = err if "-" in (document, page) else out
    console.width = max(console.width, MINIMUM_WIDTH)
    with_runs = not path.is_dir() or folder is not None or page is not None
    judged: list[Judged] = []
    wrong = 0
    for file in files:
        try:
            judged.append(_judge(file, dic_idc, rules, limits, published, with_run=with_runs))
        except LitmusError as error:
            err.print(Text(f"error: {error.told(str(file))}"), soft_wrap=True)
            wrong += 1
    if document is not None:
        results = litmus.to_document(judged)
        _write(document, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if page is not None:
        _write(page, report.render(judged))
    if path.is_dir():
        console.print(litmus.summary(judged, path, with_states=with_states))
        console.print(Text(f"\n{litmus.counts(judged, wrong)}"))
    elif judged:
        for line in litmus.render(judged[0]):
            console.print(line, soft_wrap=isinstance(line, Text))
    if folder is not None:
        _keep(judged, path, folder)
    sys.exit(_exit_code(judged, wrong))


def _write(place: str, text: str) -> None:
    click.echo(text, nl=False) if place == "-" else write_text(Path(place), text)


def _keep(judged: list[Judged], path: Path, folder: Path) -> None:
    """Write the runs, each at the place in the folder that its file has. Raises OutputError."""
    root = path if path.is_dir() else path.parent
    for one in judged:
        # Where the search was cut short, not all that runs may do is known to replay one by.
        if one.run is not None and one.judgement.reason is None:
            place = folder / one.file.relative_to(root).parent
            # A test's name may end in what looks like a suffix.
            kept = write_trace(place, one.file.name.removesuffix(".litmus"), one.run)
            err.print(Text(f"Wrote {kept}"), soft_wrap=True)


def _cache(cache: str | None) -> tuple[bool, bool] | None:
    if cache is None:
        return None
    if cache not in ("0,0", "0,1", "1,0", "1,1"):
        raise click.UsageError("--cache takes DIC,IDC as 0 or 1 each: 0,0 or 0,1 or 1,0 or 1,1")
    dic, idc = cache.split(",")
    return dic == "1", idc == "1"


def _load(table: Path) -> expected.Expected:
    try:
        return expected.load(table)
    except LitmusError as error:
        raise click.ClickException(error.told(str(table))) from error


def _judge(
    file: Path,
    cache: tuple[bool, bool] | None,
    rules: str | None,
    limits: Limits,
    published: expected.Expected | None,
    *,
    with_run: bool,
) -> Judged:
    try:
        text = incoming.read(file)
    except UnicodeDecodeError as error:
        before = bytes(error.object[: error.start])
        where = Spot(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise LitmusError("this is no text (in UTF-8)", where) from error
    except ValueError as error:
        raise LitmusError(f"cannot be read: {error}") from error
    test = prepare(read(text))
    judgement = judge(test, order_of(test, cache, rules), limits, with_run=with_run)
    differences = published.differences(file, judgement) if published is not None else None
    return Judged(file, judgement, differences, record(file.as_posix(), text, judgement))


def _exit_code(judged: list[Judged], wrong: int) -> int:
    if wrong:
        return WRONG_INPUT
    conclusive = [one for one in judged if one.judgement.verdict is not LitmusVerdict.INCONCLUSIVE]
    if any(one.differences for one in conclusive):
        return NOT_AS_EXPECTED
    return AS_EXPECTED if len(conclusive) == len(judged) else INCONCLUSIVE
