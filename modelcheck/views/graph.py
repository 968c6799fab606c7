"""The phases of patching as a picture: SVG, or DOT and GraphML for other tools. Knows phases."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any, NamedTuple

import networkx as nx

from modelcheck.machine.state import Execution
from modelcheck.protocol.names import plural
from modelcheck.protocol.program import flatten
from modelcheck.questions.check import Job
from modelcheck.questions.phases import Phase

Graph = Any
"""A networkx graph of phases."""

KINDS = {
    "old": "old",
    "trap": "trap",
    "emulated": "emulated",
    "skipped": "skipped",
    "new": "new",
    "torn": "TORN",
}
"""What a CPU can execute, in columns, and what the cells say."""

READABLE = 80
"""Phases beyond which a picture helps nobody."""


class Drawing(NamedTuple):
    """What to draw: the phases in order, and what was checked."""

    graph: Graph
    phases: list[Phase]
    job: Job

    @property
    def title(self) -> str:
        """The protocol and its variant."""
        return f"{self.job.suite.protocol.name}, variant {self.job.variant.name}"

    @property
    def subtitle(self) -> str:
        """For what the picture holds."""
        run = self.job.configuration
        own = " and the patcher's own" if self.job.variant.protocol.patcher_executes else ""
        states = sum(phase.states for phase in self.phases)
        return (
            f"{plural(run.cpus, 'CPU')}{own}, fetch model {run.fetch}, chunks of "
            f"{plural(run.chunk, 'byte')}, {run.semantics}; {states:,} states"
        )

    @property
    def kinds(self) -> list[str]:
        """The kinds of execution that occur."""
        found = {execution.kind for phase in self.phases for execution in phase.executions}
        return [kind for kind in KINDS if kind in found]


def drawing(graph: Graph, job: Job) -> Drawing:
    """The phases in an order in which they can follow one another, each branch in one piece."""
    start = next(iter(graph))
    order = reversed(list(nx.dfs_postorder_nodes(graph, start)))
    return Drawing(graph, [graph.nodes[position]["phase"] for position in order], job)


def to_dot(this: Drawing) -> str:
    """The phases in Graphviz's language."""
    lines = [
        "digraph phases {",
        f"  label={_quoted(this.title, this.subtitle)}; labelloc=t;",
        '  node [shape=box, fontname="monospace"]; edge [fontname="monospace"];',
    ]
    ids = {phase.position: f"p{number}" for number, phase in enumerate(this.phases)}
    for phase in this.phases:
        text = [_before(phase), *_memory(this, phase), _kinds(phase), *phase.violations]
        colour = ", color=red" if phase.violations else ""
        lines.append(f"  {ids[phase.position]} [label={_quoted(*text)}{colour}];")
    for here, there, step in this.graph.edges(data="step"):
        lines.append(f"  {ids[here]} -> {ids[there]} [label={_quoted(step)}];")
    return "\n".join([*lines, "}"]) + "\n"


def to_graphml(this: Drawing) -> str:
    """The phases as GraphML, with plain attributes."""
    plain: Graph = nx.DiGraph(title=this.title, subtitle=this.subtitle)
    for phase in this.phases:
        plain.add_node(
            phase.name,
            states=phase.states,
            memory="; ".join(_memory(this, phase)),
            executes=_kinds(phase),
            violates=", ".join(phase.violations),
        )
    for here, there, step in this.graph.edges(data="step"):
        phases = (this.graph.nodes[place]["phase"].name for place in (here, there))
        plain.add_edge(*phases, step=step)
    return "\n".join(nx.generate_graphml(plain)) + "\n"


def _before(phase: Phase) -> str:
    return f"before {phase.name}" if phase.name else "throughout"


def _kinds(phase: Phase) -> str:
    found = {execution.kind for execution in phase.executions}
    return " ".join(KINDS[kind] for kind in KINDS if kind in found) or "nothing is executed"


def _memory(this: Drawing, phase: Phase) -> list[str]:
    """The contents of each site: the first, and how many more."""
    lines = []
    sites = this.job.variant.protocol.sites
    for number, site in enumerate(sites):
        contents = list(dict.fromkeys(memory[number] for memory in phase.memory))
        name = f"{site.name}: " if len(sites) > 1 else ""
        last = f" .. {contents[-1].hex(' ')}" if len(contents) > 1 else ""
        lines.append(f"{name}{contents[0].hex(' ')}{last}")
    return lines


def _quoted(*lines: str) -> str:
    text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return f'"{text}"'


# The picture.

STYLE = """
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; fill: #1c1c1c; }
.title { font-size: 17px; font-weight: bold; }
.small { font-size: 11px; fill: #555; }
.step { font-size: 12px; fill: #174ea6; }
.bad { font-size: 12px; font-weight: bold; fill: #b3261e; }
.page { fill: #ffffff; }
.box { fill: #f4f4f1; stroke: #8a8a86; }
.arrow { stroke: #174ea6; fill: none; stroke-width: 1.5; }
.head { fill: #174ea6; }
.none { fill: none; stroke: #dcdcd8; }
.old, .new { fill: #d9ead9; stroke: #4e8a50; }
.trap, .emulated, .skipped { fill: #fdf0c8; stroke: #b58a17; }
.torn { fill: #b3261e; stroke: #7d1a15; }
.on-torn { fill: #ffffff; font-weight: bold; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6e3; }
  .small { fill: #a8a8a4; }
  .step { fill: #9dbdf5; }
  .bad { fill: #ff8a80; }
  .page { fill: #1b1b1d; }
  .box { fill: #29292c; stroke: #6d6d70; }
  .arrow { stroke: #9dbdf5; }
  .head { fill: #9dbdf5; }
  .none { stroke: #3a3a3d; }
  .old, .new { fill: #234026; stroke: #5f9c62; }
  .trap, .emulated, .skipped { fill: #473a10; stroke: #b58a17; }
  .torn { fill: #d0443b; stroke: #ff8a80; }
}
""".strip()

HEADING = "what a CPU can execute while they are"

LEFT, TOP, LINE, GAP, CELL, CHARACTER = 60, 110, 18, 30, 112, 7.9
"""Lengths in pixels: margins, the height of a line, between boxes, a column, a character."""


def to_svg(this: Drawing) -> str:
    """The phases from top to bottom, and beside each what a CPU can execute then."""
    texts = [_memory(this, phase) for phase in this.phases]
    lines = {phase.position: len(text) for phase, text in zip(this.phases, texts, strict=True)}
    widest = max(len(line) for text in texts for line in text)
    labels = max((len(str(s)) for _, _, s in this.graph.edges(data="step")), default=0)
    box = int(max(widest + 3, labels + 18, 24) * CHARACTER)
    arcs = sum(not _next(this, here, there) for here, there in this.graph.edges)
    left = LEFT + 12 * min(arcs, 12)
    columns = left + box + 24
    says = columns + CELL * len(this.kinds)
    violated = max((len(_violated(phase)) for phase in this.phases), default=0)
    widths = (
        says + 16 + int(violated * 7.5),
        int(len(this.subtitle) * 7.2) + 60,
        columns + int(len(HEADING) * 7.2),
    )
    width = max(widths)
    top: dict[tuple[str, ...], int] = {}
    y = TOP
    for phase in this.phases:
        top[phase.position] = y
        y += LINE * lines[phase.position] + 14 + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
        f'viewBox="0 0 {width} {y}" role="img">',
        f"<title>{escape(this.title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{y}"/>',
        _label(20, 32, this.title, "title"),
        _label(20, 54, this.subtitle, "small"),
        _label(left, TOP - 16, "bytes in memory", "small"),
        _label(columns, TOP - 16, HEADING, "small"),
    ]
    for phase, text in zip(this.phases, texts, strict=True):
        y = top[phase.position]
        height = LINE * len(text) + 14
        parts.append(
            f'<g><rect class="box" x="{left}" y="{y}" width="{box}" height="{height}" rx="5"/>'
            f"<title>{escape(_hover(phase))}</title>"
        )
        parts += [
            _label(left + 12, y + 21 + LINE * number, line, "") for number, line in enumerate(text)
        ]
        parts.append("</g>")
        parts += [
            _cell(this, phase, kind, columns + CELL * number, y + (height - 26) // 2)
            for number, kind in enumerate(this.kinds)
        ]
        if phase.violations:
            parts.append(_label(says + 8, y + height // 2 + 4, _violated(phase), "bad"))
    bottom = {
        phase.position: top[phase.position] + LINE * lines[phase.position] + 14
        for phase in this.phases
    }
    parts += _arrows(this, left, top, bottom)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _next(this: Drawing, here: Any, there: Any) -> bool:
    """Whether one phase is drawn right below the other."""
    order = [phase.position for phase in this.phases]
    return order.index(there) == order.index(here) + 1


def _arrows(this: Drawing, left: int, top: dict[Any, int], bottom: dict[Any, int]) -> Iterator[str]:
    """Down to the next box; all others in arcs at the left."""
    arc = 0
    for here, there, step in this.graph.edges(data="step"):
        if _next(this, here, there):
            x, y, end = left + 30, bottom[here], top[there]
            yield f'<path class="arrow" d="M{x} {y} V{end - 6}"/>'
            yield f'<path class="head" d="M{x - 4} {end - 7} h8 l-4 7 z"/>'
            yield _label(x + 12, (y + end) // 2 + 4, step + _line(this, step), "step")
            continue
        arc += 1
        if not any(_next(this, before, there) for before in this.graph.predecessors(there)):
            yield _label(left + 12, top[there] - 8, step + _line(this, step), "step")
        x = left - 10 - 12 * min(arc, 12)
        y, end = bottom[here] - 8, top[there] + 8
        turn = 6 if end > y else -6
        yield (
            f'<g><path class="arrow" d="M{left} {y} H{x + 6} Q{x} {y} {x} {y + turn} '
            f'V{end - turn} Q{x} {end} {x + 6} {end} H{left - 6}"/>'
            f'<path class="head" d="M{left - 7} {end - 4} v8 l7 -4 z"/>'
            f"<title>{escape(step)}</title></g>"
        )


def _line(this: Drawing, label: str) -> str:
    """The line of the spec that a step is from."""
    sources = {step.label: step.source for step in flatten(this.job.variant.protocol.program)}
    source = sources.get(label)
    return f"  (line {source.line})" if source else ""


def _cell(this: Drawing, phase: Phase, kind: str, x: int, y: int) -> str:
    found = [execution for execution in phase.executions if execution.kind == kind]
    style = kind if found else "none"
    frame = f'<rect class="{style}" x="{x}" y="{y}" width="{CELL - 8}" height="26" rx="13"/>'
    if not found:
        return frame
    text = KINDS[kind] + (f" ({len(found)})" if len(found) > 1 else "")
    middle = f'x="{x + (CELL - 8) // 2}" y="{y + 17}" text-anchor="middle"'
    hover = "\n".join(_executed(this, execution) for execution in found)
    return (
        f'<g>{frame}<text class="on-{kind}" {middle}>{escape(text)}</text>'
        f"<title>{escape(hover)}</title></g>"
    )


def _executed(this: Drawing, execution: Execution) -> str:
    protocol = this.job.variant.protocol
    site = protocol.sites[execution.site]
    if not execution.data:
        return f"{site.name}: the handler steps over it"
    text = protocol.architecture.decode(execution.data, site.address).text
    return f"{site.name}: {execution.data.hex(' ')}  {text}"


def _hover(phase: Phase) -> str:
    contents = [" | ".join(data.hex(" ") for data in memory) for memory in phase.memory]
    return "\n".join([f"{_before(phase)}: {plural(phase.states, 'state')}", *contents])


def _violated(phase: Phase) -> str:
    return ", ".join(phase.violations)


def _label(x: int, y: int, text: str, style: str) -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x}" y="{y}" xml:space="preserve">{escape(text)}</text>'


FORMATS: dict[str, Callable[[Drawing], str]] = {
    ".dot": to_dot,
    ".graphml": to_graphml,
    ".svg": to_svg,
}
"""How to write a drawing, by the end of the file's name."""
