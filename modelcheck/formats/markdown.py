"""All verdicts as tables in Markdown, for documents. Knows results."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from modelcheck.explore.verdict import Verdict
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.names import printable
from modelcheck.questions.check import Result

BySpec = Sequence[tuple[Path, Sequence[Result]]]


def to_markdown(checked: BySpec) -> str:
    """An overview of all specs, and a table of all their verdicts."""
    return f"# Verdicts\n\n{overview(checked)}\n## Every variant\n\n{_all_verdicts(checked)}"


def overview(checked: BySpec) -> str:
    """A line for each spec: the verdict on its main protocol under each fetch model, and how many
    of its other variants are violated under some model."""
    models = _models(checked)
    lines = _header(("spec", *models, "others violated"))
    for spec, results in checked:
        main, *others = _grouped(results)
        by_model = {result.job.configuration.fetch: result for result in main}
        cells = [by_model[model].word if model in by_model else "" for model in models]
        violated = sum(any(r.verdict is Verdict.VIOLATED for r in some) for some in others)
        lines.append(_line((_text(spec.stem), *cells, f"{violated} of {len(others)}")))
    return "\n".join(lines) + "\n"


def _all_verdicts(checked: BySpec) -> str:
    """Protocol and variant by fetch model, with the length of the shortest counterexample."""
    models = _models(checked)
    lines = _header(("protocol", "variant", *models))
    for spec, results in checked:
        lines.append(_line((f"**{_text(spec.stem)}**", "", *("" for _ in models))))
        lines += _rows(results, models)
    return "\n".join(lines) + "\n"


def _models(checked: BySpec) -> list[str]:
    found = {r.job.configuration.fetch for _, results in checked for r in results}
    return [model for model in MODELS if model in found]


def _grouped(results: Sequence[Result]) -> list[list[Result]]:
    """The results of each variant of each protocol."""
    keyed = groupby(results, key=lambda r: (r.job.suite.protocol.name, r.job.variant.name))
    return [list(group) for _, group in keyed]


def _header(names: Sequence[str]) -> list[str]:
    return [_line(names), "|" + "---|" * len(names)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


ACTIVE = str.maketrans({c: f"\\{c}" for c in "\\`*[]<>|~"} | {"&": "&amp;", "\n": " "})
"""What Markdown (CommonMark 0.31, 2.4) and its tables take for something else in a line."""


def _text(text: str) -> str:
    """Text that a spec chose, as text; an underscore within a word is one."""
    return printable(text).translate(ACTIVE)


def _rows(results: Sequence[Result], models: Sequence[str]) -> Iterator[str]:
    for group in _grouped(results):
        job = group[0].job
        by_model = {result.job.configuration.fetch: result for result in group}
        cells = [_cell(by_model[model]) if model in by_model else "" for model in models]
        yield _line((_text(job.suite.protocol.name), _text(job.variant.name), *cells))


def _cell(result: Result) -> str:
    if result.verdict is Verdict.VIOLATED:
        return f"{result.violated}, {len(result.trace.steps) if result.trace else result.depth}"
    return result.word
