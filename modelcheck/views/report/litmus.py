"""The HTML report of litmus tests: verdicts, final states, and runs to step through.

Knows judgements, and makes plain HTML that needs no script.
"""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from modelcheck.litmus.verdict import LitmusVerdict
from modelcheck.views.litmus import Judged, counts, said
from modelcheck.views.report import page, traces
from modelcheck.views.report.page import Links

KINDS = {
    LitmusVerdict.ALLOWED: "bad",
    LitmusVerdict.FORBIDDEN: "safe",
    LitmusVerdict.REQUIRED: "safe",
    LitmusVerdict.INCONCLUSIVE: "open",
}


def render(judged: Sequence[Judged]) -> str:
    """The report as one HTML document. Raises ReplayError for a run that is none."""
    documents: dict[str, str] = {}
    links: dict[int, str] = {}
    for number, one in enumerate(judged):
        if one.run is not None:
            links[number] = f"{number + 1}/{quote(one.judgement.test.name, safe='')}"
            search = {"search": f"{one.judgement.reached:,} states, {one.judgement.seconds:.3f} s"}
            data = traces.document(one.run, {})
            documents[links[number]] = traces.embedded(data | search)
    title = judged[0].judgement.test.name if len(judged) == 1 else f"{len(judged)} litmus tests"
    return page.render(
        title=title,
        summary=f'<p class="dim">{escape(counts(judged))}</p>',
        sections=_table(judged, links),
        legend=LEGEND,
        documents=documents,
    )


def _table(judged: Sequence[Judged], links: Links) -> str:
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("test", "rules", "verdict", "asked", "final states", "expected")
    )
    rows = "".join(_row(one, links.get(number)) for number, one in enumerate(judged))
    return (
        '<section class="spec"><div class="scroll"><table class="matrix">'
        '<caption class="hidden">Verdicts of litmus tests</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _row(one: Judged, link: str | None) -> str:
    judgement = one.judgement
    kind, text = KINDS[judgement.verdict], escape(judgement.verdict.value)
    says = f"{judgement.test.name}: {judgement.verdict.value}, {said(judgement)}"
    if link is not None:
        label = escape(f"{says}; open the run")
        text = f'<a href="#trace={link}" aria-label="{label}">{text}</a>'
    if one.differences:
        kind, text = f"{kind} surprise", f"{text} !"
    states = "<br>".join(escape(state) for state in judgement.states)
    expected = "" if one.differences is None else "; ".join(one.differences) or "as expected"
    return (
        f'<tr><th scope="row">{escape(judgement.test.name)}</th>'
        f"<td>{escape(judgement.order.name)}</td>"
        f'<td class="{kind}" title="{escape(says)}">{text}</td>'
        f"<td><code>{escape(judgement.test.asked)}</code></td>"
        f"<td><code>{states}</code></td><td>{escape(expected)}</td></tr>"
    )


LEGEND = (
    "<div><h2>Verdicts</h2><dl><dt>allowed</dt><dd>Some run ends as the test asks; follow the link "
    "to step through a shortest one.</dd><dt>forbidden</dt><dd>No run does.</dd><dt>required</dt>"
    "<dd>All runs do.</dd><dt>inconclusive</dt><dd>The search was cut short.</dd>"
    "<dt>!</dt><dd>Not what was expected.</dd></dl></div>"
)
