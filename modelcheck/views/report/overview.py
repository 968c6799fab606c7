"""The tables of the report: verdicts by variant and fetch model, and what it took to reach them.

Knows results; makes plain HTML that needs no script.
"""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from modelcheck.explore.verdict import Verdict
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.names import plural
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.suite import Bug
from modelcheck.questions.check import VACUOUS, Job, Result
from modelcheck.questions.findings import expected
from modelcheck.views.comparison import any_number, heading, remarks
from modelcheck.views.report.page import Links

Numbered = list[tuple[int, Result]]


def summary(results: Sequence[Result]) -> str:
    """All verdicts in one line of figures."""
    counted = [
        (len(results), "verdicts", ""),
        (sum(result.word == Verdict.SAFE for result in results), "safe", "safe"),
        (sum(result.is_vacuous for result in results), VACUOUS, "open"),
        (sum(result.verdict is Verdict.VIOLATED for result in results), "violated", "bad"),
        (sum(result.verdict is Verdict.INCONCLUSIVE for result in results), "inconclusive", "open"),
        (sum(not result.as_expected for result in results), "not as expected", "surprise"),
    ]
    shown = [entry for entry in counted if entry[0] or entry[1] in ("verdicts", "safe", "violated")]
    if not counted[-1][0]:
        shown.append((0, "all as expected", "safe"))
    figures = "".join(
        f'<li class="{kind}">'
        + (f"<b>{number:,}</b> {what}" if number or "as" not in what else f"<b>✓</b> {what}")
        + "</li>"
        for number, what, kind in shown
    )
    took = sum(result.seconds for result in results)
    states = sum(result.states for result in results)
    transitions = sum(result.transitions for result in results)
    return (
        f'<ul class="figures">{figures}</ul>'
        f'<p class="dim">{states:,} states and {transitions:,} transitions in {took:,.1f} s</p>'
    )


def contents(specs: Sequence[tuple[str, Sequence[Result]]]) -> str:
    """Links to the specs, with their verdicts in short; nothing for a single one."""
    if len(specs) < 2:
        return ""
    items = []
    for spec, results in specs:
        bad = sum(result.verdict is Verdict.VIOLATED for result in results)
        safe = sum(result.word == Verdict.SAFE for result in results)
        mark = "" if all(result.as_expected for result in results) else ' <b class="surprise">!</b>'
        items.append(
            f'<li><a href="#{_anchor(spec)}">{escape(_stem(spec))}</a>{mark} '
            f'<span class="safe">{safe} safe</span> <span class="bad">{bad} violated</span></li>'
        )
    return f'<nav class="contents" aria-label="Specs"><ul>{"".join(items)}</ul></nav>'


def section(spec: str, about: str, results: Sequence[Result], links: Links) -> str:
    """A spec: what it says of itself, and a table for each of its protocols."""
    head, _, rest = about.partition("\n\n")
    more = f"<details><summary>About this spec</summary><pre>{escape(rest)}</pre></details>"
    tables = [
        _protocol(spec, list(group), links)
        for _, group in groupby(enumerate(results), key=lambda item: id(item[1].job.suite))
    ]
    return (
        f'<section class="spec" id="{_anchor(spec)}"><h2>{escape(_stem(spec))}'
        f' <code class="dim">{escape(spec)}</code></h2>'
        + (f"<p>{escape(' '.join(head.split()))}</p>" if head else "")
        + (more if rest else "")
        + "".join(f'<p class="note">{escape(one.plain)}</p>' for one in remarks(results))
        + "".join(tables)
        + "</section>"
    )


def _protocol(spec: str, rows: Numbered, links: Links) -> str:
    """One protocol: its sites, the verdict matrix, and statistics."""
    job = rows[0][1].job
    models = list(dict.fromkeys(result.job.configuration.fetch for _, result in rows))
    heads = "".join(f'<th scope="col" title="{_meaning(model)}">{model}</th>' for model in models)
    body = []
    for name, group in groupby(rows, key=lambda item: item[1].job.variant.name):
        body.append(_variant(name, list(group), models, links))
    return (
        f"<h3>{escape(job.suite.protocol.name)}</h3><pre>{_heading(spec, job)}</pre>"
        '<div class="scroll"><table class="matrix"><caption class="hidden">Verdicts of '
        f"{escape(job.suite.protocol.name)} by variant and fetch model</caption>"
        f'<thead><tr><th scope="col">variant</th>{heads}'
        '<th scope="col" title="proved for any number of CPUs, where not violated">any N</th>'
        '<th scope="col">violated property</th>'
        '<th scope="col" class="number">states</th><th scope="col" class="number">time</th></tr>'
        f"</thead><tbody>{''.join(body)}</tbody></table></div>{_statistics(rows)}"
    )


def _heading(spec: str, job: Job) -> str:
    """The sites, the configuration and warnings, without the line that names the protocol."""
    _, *lines = heading(spec, job).split("\n")
    return "\n".join(
        f'<span class="warn">{escape(line.plain.strip())}</span>'
        if any("yellow" in str(span.style) for span in line.spans)
        else escape(line.plain.strip())
        for line in lines
    )


def _variant(name: str, rows: Numbered, models: list[str], links: Links) -> str:
    by_model = {result.job.configuration.fetch: (number, result) for number, result in rows}
    cells = "".join(
        _verdict(name, *by_model[model], links) if model in by_model else "<td></td>"
        for model in models
    )
    violated = dict.fromkeys(result.violated for _, result in rows if result.violated)
    states = sum(result.states for _, result in rows)
    seconds = sum(result.seconds for _, result in rows)
    properties = "<br>".join(
        f'<span title="{escape(PROPERTIES[one])}">{escape(one)}</span>' for one in violated
    )
    return (
        f'<tr><th scope="row">{escape(name)}{_bug(rows[0][1].job.variant.bug)}</th>{cells}'
        f"<td>{any_number([result for _, result in rows])}</td>"
        f'<td class="property">{properties}</td><td class="number">{states:,}</td>'
        f'<td class="number">{seconds:.2f} s</td></tr>'
    )


def _verdict(variant: str, number: int, result: Result, links: Links) -> str:
    """The verdict in a cell; a violation links to its trace."""
    kind, text = {
        Verdict.SAFE: ("open" if result.is_vacuous else "safe", result.word),
        Verdict.VIOLATED: ("bad", f"BAD {result.depth}"),
        Verdict.INCONCLUSIVE: ("open", "?"),
    }[result.verdict]
    nothing = f", but {'; '.join(result.vacuity.nothing)}" if result.is_vacuous else ""
    says = {
        Verdict.SAFE: f"{result.word}: all reachable states were searched{nothing}",
        Verdict.VIOLATED: f"{result.violated}, shortest trace: {plural(result.depth, 'step')}",
        Verdict.INCONCLUSIVE: f"inconclusive: {result.reason}",
    }[result.verdict]
    if not result.as_expected:
        kind, text, says = f"{kind} surprise", f"{text} !", f"{says}; expected {expected(result)}"
    if number in links:
        label = f"{variant}, {result.job.configuration.fetch}: {says}; open the trace"
        text = f'<a href="#trace={links[number]}" aria-label="{escape(label)}">{text}</a>'
    return f'<td class="{kind}" title="{escape(says)}">{text}</td>'


def _bug(bug: Bug | None) -> str:
    if bug is None:
        return ""
    return (
        f'<details class="bug"><summary>{escape(bug.title)}</summary><p>{escape(bug.story)}</p>'
        f"<p>{escape(bug.project)}, {escape(bug.date)}, {escape(bug.reference)}</p></details>"
    )


def _statistics(rows: Numbered) -> str:
    heads = ("variant", "fetch model", "verdict", "expected")
    figures = ("states", "transitions", "depth", "time")
    body = "".join(
        f'<tr><th scope="row">{escape(result.job.variant.name)}</th>'
        f"<td>{result.job.configuration.fetch}</td><td>{result.word}</td>"
        f"<td>{escape(expected(result))}</td>"
        f'<td class="number">{result.states:,}</td><td class="number">{result.transitions:,}</td>'
        f'<td class="number">{result.depth}</td><td class="number">{result.seconds:.3f} s</td>'
        f"<td>{escape(result.engine)}</td></tr>"
        for _, result in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    head += "".join(f'<th scope="col" class="number">{name}</th>' for name in figures)
    return (
        "<details><summary>Statistics of each search</summary>"
        f'<div class="scroll"><table class="statistics"><thead><tr>{head}'
        f'<th scope="col">engine</th></tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def search_as_text(result: Result) -> str:
    """What it took to reach a verdict, in a few words."""
    return (
        f"{result.engine} engine: {result.states:,} states, {result.transitions:,} "
        f"transitions, depth {result.depth}, {result.seconds:.3f} s"
    )


def legend(results: Sequence[Result]) -> str:
    """What the fetch models and the properties mean that occur in the results."""
    used = dict.fromkeys(result.job.configuration.fetch for result in results)
    models = "".join(
        f"<dt>{name}</dt><dd>{escape(MODELS[name].meaning)} "
        f'<span class="dim">{escape(MODELS[name].source)}</span></dd>'
        for name in MODELS
        if name in used
    )
    watched = {name for result in results for name in result.job.setup.watched}
    properties = "".join(
        f"<dt>{name}</dt><dd>{escape(meaning)}</dd>"
        for name, meaning in PROPERTIES.items()
        if name in watched
    )
    return (
        "<div><h2>Verdicts</h2><dl><dt>safe</dt><dd>All reachable states were searched.</dd>"
        "<dt>vacuous</dt><dd>Safe, but that rests on nothing: nobody ran what the verdict is about."
        "</dd>"
        "<dt>BAD n</dt><dd>A property is violated; the shortest trace has n steps. Follow the link "
        "to step through it.</dd><dt>?</dt><dd>Inconclusive: the search was cut short.</dd>"
        "<dt>any N</dt><dd>Whether what is not violated is proved for every number of CPUs.</dd>"
        "<dt>!</dt><dd>Not what the spec expects.</dd></dl>"
        f"<h2>Properties</h2><dl>{properties}</dl></div>"
        f"<div><h2>Fetch models</h2><dl>{models}</dl></div>"
    )


def _meaning(model: str) -> str:
    return escape(MODELS[model].meaning)


def _stem(spec: str) -> str:
    return spec.rpartition("/")[2].removesuffix(".py")


def _anchor(spec: str) -> str:
    return "spec-" + "".join(c if c.isalnum() else "-" for c in spec.removesuffix(".py"))
