"""Proofs as a table: for every number of CPUs, or the fewest that show the bug. Knows proofs."""

from itertools import groupby
from pathlib import Path
from typing import assert_never

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.explore.verdict import Verdict
from modelcheck.questions.prove import MOST_LIVE, Proof
from modelcheck.views.comparison import HEADINGS, heading


def render(spec: str, proofs: list[Proof], folder: Path | None) -> RenderableType:
    """One table for each protocol of the spec, what was not settled, and where proofs are."""
    parts: list[RenderableType] = []
    for _, group in groupby(proofs, key=lambda proof: id(proof.job.suite)):
        rows = list(group)
        parts += [heading(spec, rows[0].job, any_number=True), _table(rows), Text()]
    for proof in proofs:
        if proof.verdict is Verdict.INCONCLUSIVE:
            job = proof.job
            where = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
            parts.append(Text(f"INCONCLUSIVE  {where}: {proof.reason}", style="yellow"))
    vacuous = dict.fromkeys(
        (proof.job.suite.protocol.name, proof.job.variant.name, why)
        for proof in proofs
        for why in proof.vacuity.nothing
    )
    for protocol, variant, why in vacuous:
        parts.append(Text(f"VACUOUS       {protocol}, {variant}: {why}", style="yellow"))
    unproved = dict.fromkeys(
        name for proof in proofs for name in proof.unproved if proof.verdict is Verdict.SAFE
    )
    if unproved:
        parts.append(
            Text(
                f"* Not proved: {', '.join(unproved)}, which no invariant can show; checked with "
                f"up to {MOST_LIVE} CPUs.",
                style="yellow",
            )
        )
    obligations = sum(proof.obligations for proof in proofs)
    parts.append(
        Text(
            "proved: for every number of CPUs; N = n: the fewest CPUs, besides the patcher's own, "
            f"that show the bug.\n{obligations} proof obligations, all confirmed by Z3."
        )
    )
    if folder is not None:
        parts.append(Text(f"Certificates in {folder.as_posix()}/"))
    return Group(*parts)


def _table(proofs: list[Proof]) -> Table:
    models = list(dict.fromkeys(proof.job.configuration.fetch for proof in proofs))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("variant", no_wrap=True)
    for model in models:
        table.add_column(HEADINGS.get(model, model), no_wrap=True)
    table.add_column("violated property", overflow="fold")
    table.add_column("pairs", justify="right")
    table.add_column("time", justify="right")
    for name, group in groupby(proofs, key=lambda proof: proof.job.variant.name):
        found = list(group)
        properties = [proof.violation.violated for proof in found if proof.violation]
        table.add_row(
            Text(name),
            *(_verdict(proof) for proof in found),
            "\n".join(dict.fromkeys(name for name in properties if name)),
            f"{sum(proof.pairs for proof in found):,}",
            f"{sum(proof.seconds for proof in found):.2f}s",
        )
    return table


def _verdict(proof: Proof) -> Text:
    match proof.verdict:
        case Verdict.SAFE if proof.is_vacuous:
            return Text("vacuous", style="yellow")
        case Verdict.SAFE:
            return Text("proved*" if proof.unproved else "proved", style="green")
        case Verdict.VIOLATED:
            return Text(f"N = {proof.cpus}", style="red")
        case Verdict.INCONCLUSIVE:
            return Text("?", style="yellow")
        case _:
            assert_never(proof.verdict)
