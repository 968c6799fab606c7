"""The HTML report: verdicts and traces of any number of specs in one file that needs nothing else.

Knows results and traces; the text of sources is handed to it.
"""

import ast
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from modelcheck.questions.check import Result
from modelcheck.trace.document import Trace
from modelcheck.views.report import overview, page, traces
from modelcheck.views.sources import Sources


@dataclass(frozen=True)
class Checked:
    """A spec with the results of checking it, and the traces to show, by the place of their result.

    `sources` has the lines of the spec and of whatever else its steps were written in, by file
    name; what is not there is not shown.
    """

    spec: str
    results: Sequence[Result]
    kept: Mapping[int, Trace]
    sources: Sources = field(default_factory=dict)

    @property
    def about(self) -> str:
        """What the spec says of itself."""
        lines = self.sources.get(self.spec.rpartition("/")[2], ())
        try:
            return ast.get_docstring(ast.parse("\n".join(lines))) or ""
        except SyntaxError:
            return ""


def render(checked: Sequence[Checked]) -> str:
    """The report as one HTML document. Raises ReplayError for a trace that is none."""
    documents: dict[str, str] = {}
    sections: list[str] = []
    for spec in checked:
        links: dict[int, str] = {}
        for number, trace in spec.kept.items():
            result = spec.results[number]
            links[number] = _name(spec, result, documents)
            data = traces.document(trace, spec.sources, result.job.suite.protocol)
            documents[links[number]] = traces.embedded(
                data | {"search": overview.search_as_text(result)}
            )
        sections.append(overview.section(spec.spec, spec.about, spec.results, links))
    results = [result for spec in checked for result in spec.results]
    return page.render(
        title=_title(checked),
        summary=overview.summary(results),
        contents=overview.contents([(spec.spec, spec.results) for spec in checked]),
        sections="\n".join(sections),
        legend=overview.legend(results),
        documents=documents,
    )


def _title(checked: Sequence[Checked]) -> str:
    return checked[0].spec if len(checked) == 1 else f"{len(checked)} specs"


def _name(spec: Checked, result: Result, taken: Container[str]) -> str:
    """What a link to a trace calls it: the spec, the protocol, the variant and the fetch model."""
    job, stem = result.job, spec.spec.rpartition("/")[2].removesuffix(".py")
    parts = (stem, job.suite.protocol.name, job.variant.name, job.configuration.fetch)
    name = "/".join(quote(part, safe="") for part in parts)
    return name if name not in taken else _name(replace(spec, spec=f"{stem}+"), result, taken)
