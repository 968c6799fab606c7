"""Verdicts for all instructions, as a table, and instructions that fail. Knows such verdicts."""

from itertools import groupby
from typing import assert_never

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.names import plural
from modelcheck.questions.any_bytes import ForAllBytes
from modelcheck.views.comparison import HEADINGS


def render(spec: str, found: list[ForAllBytes]) -> RenderableType:
    """One table for each protocol, and below it an example for each variant that fails."""
    parts: list[RenderableType] = []
    for _, group in groupby(found, key=lambda one: id(one.job.suite)):
        rows = list(group)
        job = rows[0].job
        heading = Text(f"{spec}: {job.suite.protocol.name}", "bold")
        for site in job.suite.protocol.sites:
            heading.append(f"\n  {site.name}: any {plural(len(site), 'byte')}", "not bold")
        heading.append(
            f"\n  chunks of {plural(job.configuration.chunk, 'byte')}, "
            f"site at offset {job.setup.offset} of its line",
            "not bold",
        )
        parts += [heading, _table(rows), *_examples(rows), Text()]
    parts.append(
        Text(
            "holds: whatever the old and the new instruction, equal bytes included, no CPU runs "
            "torn bytes;\nfails: for some it does, as the engine confirms."
        )
    )
    return Group(*parts)


def _table(rows: list[ForAllBytes]) -> Table:
    models = list(dict.fromkeys(row.job.configuration.fetch for row in rows))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("variant", no_wrap=True)
    for model in models:
        table.add_column(HEADINGS.get(model, model), no_wrap=True)
    table.add_column("time", justify="right")
    for name, group in groupby(rows, key=lambda row: row.job.variant.name):
        cells = list(group)
        seconds = sum(cell.seconds for cell in cells)
        table.add_row(name, *map(_verdict, cells), f"{seconds:.2f}s")
    return table


def _verdict(row: ForAllBytes) -> Text:
    match row.verdict:
        case Verdict.SAFE:
            text = Text("holds", "green")
        case Verdict.VIOLATED:
            text = Text("fails", "red")
        case Verdict.INCONCLUSIVE:
            return Text("?", "yellow")
        case _:
            assert_never(row.verdict)
    return text if row.as_expected else Text.assemble(text, " !", style="bold reverse")


def _examples(rows: list[ForAllBytes]) -> list[Text]:
    """For each variant, what failed first, and why the rest is not settled."""
    told: dict[str, Text] = {}
    for row in rows:
        name, fetch = row.job.variant.name, row.job.configuration.fetch
        if row.reason:
            told.setdefault(row.reason, Text(f"INCONCLUSIVE  {name}: {row.reason}", "yellow"))
        elif row.instructions is not None and row.confirmed is not None:
            told.setdefault(name, Text(f"{name}, {fetch}: {_example(row)}"))
    return list(told.values())


def _example(row: ForAllBytes) -> str:
    assert row.instructions is not None
    assert row.confirmed is not None
    protocol = row.job.variant.protocol
    address = next(site.address for site in protocol.sites if site.name == row.site)
    old, new = (
        f"{data.hex(' ')} ({protocol.architecture.decode(data, address).text})"
        for data in row.instructions
    )
    text = f"{old}\n  to {new}"
    trace = row.confirmed.trace
    if trace is not None and (ran := trace.steps[-1].executed) is not None:
        text += f"\n  runs {ran.data.hex(' ')} ({ran.disassembly}) in {len(trace.steps)} steps"
    return text if row.real else f"{text}\n  (bytes; no such real instructions were found)"
