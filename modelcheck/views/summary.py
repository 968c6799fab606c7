"""Many specs in one table, and what stands out in them. Knows results."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.names import plural
from modelcheck.questions.check import VACUOUS, Result
from modelcheck.questions.findings import findings
from modelcheck.views.comparison import remarks

WORDS = (str(Verdict.SAFE), VACUOUS, str(Verdict.VIOLATED), str(Verdict.INCONCLUSIVE))


def render(
    checked: Sequence[tuple[Path, Sequence[Result]]], errors: Sequence[str]
) -> RenderableType:
    """A line for each spec, then what is not as expected, and what could not be checked."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("spec", no_wrap=True)
    for name in ("verdicts", *WORDS, "surprises", "states", "time"):
        table.add_column(name, justify="right")
    parts: list[RenderableType] = [table, Text()]
    for spec, results in checked:
        count, surprises = _counts(results), _surprises(results)
        table.add_row(
            Text(spec.stem),
            str(len(results)),
            *(str(count[word]) for word in WORDS),
            Text(str(surprises), "bold red" if surprises else ""),
            f"{sum(result.states for result in results):,}",
            f"{sum(result.seconds for result in results):.1f}s",
        )
    for spec, results in checked:
        noted = remarks(results)
        if noted:
            parts += [Text(spec.as_posix(), "bold"), *noted, Text()]
    parts += [Text(f"NOT CHECKED   {error}", "bold red") for error in errors]
    every = [result for _, results in checked for result in results]
    surprises = sum(_surprises(results) for _, results in checked)
    parts.append(
        Text(
            f"{plural(len(checked), 'spec')}, {plural(len(every), 'verdict')}, "
            + (f"{plural(surprises, 'surprise')}." if surprises else "none against expectation.")
        )
    )
    return Group(*parts)


def _counts(results: Sequence[Result]) -> dict[str, int]:
    count: dict[str, int] = dict.fromkeys(WORDS, 0)
    for result in results:
        count[result.word] += 1
    return count


def _surprises(results: Sequence[Result]) -> int:
    return sum(finding.surprising for finding in findings(results))
