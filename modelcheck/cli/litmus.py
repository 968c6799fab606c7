"""The litmus command: tests of single outcomes, judged by an architecture's rules."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table
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
from modelcheck.formats.files import write_text
from modelcheck.litmus import expected, lanes
from modelcheck.litmus.condition import Quantifier
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import RULES, order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import LitmusJudgement, LitmusVerdict, judge
from modelcheck.views.trace_text import plural

SCHEMA = 1


@dataclass(frozen=True)
class Judged:
    """A file, its judgement, and how that differs from what was expected (None: of nothing)."""

    file: Path
    judgement: LitmusJudgement
    differences: list[str] | None


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
@limits_options
def litmus_command(
    path: Path,
    cache: str | None,
    rules: str | None,
    with_states: bool,
    table: Path | None,
    document: str | None,
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
    console = err if document == "-" else out
    console.width = max(console.width, MINIMUM_WIDTH)
    judged: list[Judged] = []
    wrong = 0
    for file in files:
        try:
            judgement = _judge(file, dic_idc, rules, limits, with_run=not path.is_dir())
            differences = published.differences(file, judgement) if published is not None else None
        except LitmusError as error:
            err.print(Text(f"error: {error.told(str(file))}"), soft_wrap=True)
            wrong += 1
            continue
        judged.append(Judged(file, judgement, differences))
    if document is not None:
        text = json.dumps(_document(judged), indent=1, ensure_ascii=False) + "\n"
        click.echo(text, nl=False) if document == "-" else write_text(Path(document), text)
    if path.is_dir():
        console.print(_summary(judged, path, with_states=with_states))
        console.print(_counts(judged, wrong))
    elif judged:
        for line in _told(judged[0]):
            console.print(line, soft_wrap=isinstance(line, Text))
    sys.exit(_exit_code(judged, wrong))


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
    *,
    with_run: bool,
) -> LitmusJudgement:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LitmusError(f"cannot be read: {getattr(error, 'strerror', error)}") from error
    test = prepare(read(text))
    return judge(test, order_of(test, cache, rules), limits, with_run=with_run)


def _told(judged: Judged) -> list[Text | Table]:
    judgement = judged.judgement
    test = judgement.test
    lines: list[Text | Table] = [
        Text(f"{test.name}: {test.isa.name}, {judgement.order.name}"),
        *(Text(f"note: {note}", "yellow") for note in test.text.notes),
        Text(),
        Text(plural(len(judgement.states), "final state")),
        *(Text(f"  {state}") for state in judgement.states),
        Text(),
        Text(test.asked),
        _verdict_line(judgement),
    ]
    if judgement.run:
        lines += [Text(), lanes.table(lanes.steps(judgement))]
    lines += [Text(f"NOT AS EXPECTED   {what}", "bold red") for what in judged.differences or ()]
    return lines


_STYLES = {
    LitmusVerdict.ALLOWED: "yellow",
    LitmusVerdict.FORBIDDEN: "green",
    LitmusVerdict.REQUIRED: "green",
    LitmusVerdict.INCONCLUSIVE: "magenta",
}


def _verdict_line(judgement: LitmusJudgement) -> Text:
    verdict, matching, states = judgement.verdict, judgement.matching, len(judgement.states)
    said = {
        LitmusVerdict.ALLOWED: f"{matching} of {states} final states are so",
        LitmusVerdict.FORBIDDEN: "no final state is so",
        LitmusVerdict.REQUIRED: "all final states are so",
        LitmusVerdict.INCONCLUSIVE: judgement.reason or "",
    }[verdict]
    shown = ""
    if judgement.run:
        contrary = judgement.test.quantifier is Quantifier.FORALL
        shown = f"; a shortest run to {'another' if contrary else 'one'}:"
    text = Text(verdict.value.capitalize(), f"bold {_STYLES[verdict]}")
    return text.append(
        f"   {said} ({judgement.reached} states, {judgement.seconds:.2f}s){shown}", "default"
    )


def _summary(judged: list[Judged], folder: Path, *, with_states: bool) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for column in ("test", "rules", "verdict", "states", ""):
        table.add_column(column, overflow="fold")
    for one in judged:
        judgement = one.judgement
        said = "\n".join(one.differences or ())
        if one.differences == []:
            said = "as expected"
        table.add_row(
            Text(one.file.relative_to(folder).as_posix()),
            Text(judgement.order.name),
            Text(judgement.verdict.value, _STYLES[judgement.verdict]),
            Text("\n".join(judgement.states) if with_states else str(len(judgement.states))),
            Text(said, "bold red" if one.differences else ""),
        )
    return table


def _counts(judged: list[Judged], wrong: int) -> Text:
    verdicts = [one.judgement.verdict for one in judged]
    parts = [f"{verdicts.count(v)} {v.value}" for v in LitmusVerdict if v in verdicts]
    held = [one for one in judged if one.differences is not None]
    if held:
        right = sum(not one.differences for one in held)
        parts.append(f"{right} of {len(held)} as expected")
    if wrong:
        parts.append(f"{wrong} not read")
    seconds = sum(one.judgement.seconds for one in judged)
    return Text(f"\n{len(judged)} tests: {', '.join(parts)}; {seconds:.2f}s")


def _document(judged: list[Judged]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "results": [
            {
                "file": one.file.as_posix(),
                "name": one.judgement.test.name,
                "arch": one.judgement.test.isa.name,
                "rules": one.judgement.order.name,
                "verdict": one.judgement.verdict.value,
                "states": list(one.judgement.states),
                "seconds": round(one.judgement.seconds, 3),
            }
            for one in judged
        ],
    }


def _exit_code(judged: list[Judged], wrong: int) -> int:
    if wrong:
        return WRONG_INPUT
    conclusive = [one for one in judged if one.judgement.verdict is not LitmusVerdict.INCONCLUSIVE]
    if any(one.differences for one in conclusive):
        return NOT_AS_EXPECTED
    return AS_EXPECTED if len(conclusive) == len(judged) else INCONCLUSIVE
