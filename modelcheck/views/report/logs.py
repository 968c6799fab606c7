"""The report of logs: what each is a run of, and its run to step through.

Knows answers; the text of sources is handed to it.
"""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from modelcheck.questions.conform import SCOPE, Conformance
from modelcheck.views.logged import cell, sentence
from modelcheck.views.report import page, traces
from modelcheck.views.sources import Sources


def render(spec: str, answers: Sequence[Conformance], found: Sources) -> str:
    """The answers as one HTML document."""
    documents: dict[str, str] = {}
    rows = []
    for answer in answers:
        said = escape(sentence(answer))
        if answer.trace is not None:
            name = quote(f"{answer.log.path}/{answer.job.variant.name}", safe="")
            base = answer.job.suite.protocol
            data = traces.document(answer.trace, found, base)
            documents[name] = traces.embedded(data | {"search": "a kernel's log"})
            said = f'<a href="#trace={name}">{said}</a>'
        rows.append(f"<tr><td>{said}</td><td>{escape(cell(answer).plain)}</td></tr>")
    body = f'<div class="scroll"><table class="matrix"><tbody>{"".join(rows)}</tbody></table></div>'
    return page.render(
        title=f"{spec}: logs",
        summary=f'<p class="dim">{escape(SCOPE)}</p>',
        sections=f'<section class="spec"><h2>{escape(spec)}</h2>{body}</section>',
        documents=documents,
    )
