"""A counterexample or a witness as text: actors side by side in 100 columns, the bytes beside them.

Knows traces. The text is the same on every terminal; colour is only added to it.
"""

from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.protocol.code import Form, Site
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.trace.document import Executed, Trace, TraceStep

WIDTH = 100
LANES = 4
"""Actors that are shown side by side; with more, one column serves them all."""

BYTES = 8
"""Bytes of memory on one line."""


def to_text(trace: Trace) -> str:
    """The trace as plain text, as it is kept beside its JSON."""
    return plain(render(trace))


def plain(shown: RenderableType) -> str:
    """What a console shows, as plain text that is the same everywhere."""
    text = StringIO()
    console = Console(
        file=text, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def render(trace: Trace) -> RenderableType:
    """The trace for a console: what was checked, the steps, and what went wrong."""
    wrong = trace.violation
    table = lanes(trace.protocol, trace.steps, trace.loop, marked=wrong is not None)
    parts: list[RenderableType] = [_heading(trace), Text(), table, Text()]
    if wrong is None:
        return Group(*parts, Text(trace.shows, "green"))
    parts.append(Text(wrong.why, style="bold red"))
    parts.append(Text(f"{wrong.property}: {PROPERTIES[wrong.property]}"))
    executed = trace.steps[-1].executed if trace.steps else None
    if executed is not None and executed.origin:
        parts += [Text(), _bytes(trace, executed)]
    return Group(*parts)


def _heading(trace: Trace) -> Text:
    protocol, run = trace.protocol, trace.configuration
    own = " and the patcher's own" if protocol.patcher_executes else ""
    lines = [
        f"{trace.spec}: {protocol.name}, variant {trace.variant}",
        (f"violates {trace.outcome}" if trace.violation else trace.outcome)
        + f" in {len(trace.steps)} steps"
        + (f", the last {len(trace.steps) - trace.loop} of them a loop" if trace.loop else ""),
        f"{plural(run.cpus, 'CPU')}{own}; fetch model {run.fetch}, chunks of "
        f"{plural(run.chunk, 'byte')}, site at offset {run.offset}; {run.semantics}",
    ]
    if trace.bug:
        bug = trace.bug
        lines += ["", f"{bug.title} ({bug.project}, {bug.date}, {bug.reference})", bug.story]
    return Text("\n".join(lines))


def lanes(
    protocol: Protocol,
    steps: tuple[TraceStep, ...],
    loop: int | None = None,
    *,
    marked: bool = True,
) -> Table:
    """The steps of a run, with the memory after each; the last is `marked`, and a loop's begin."""
    sites = protocol.sites
    actors = sorted(
        {step.actor for step in steps}, key=lambda name: (name != "patcher", len(name), name)
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), expand=False, show_edge=False)
    table.add_column("step", justify="right")
    table.add_column("line", justify="right")
    for site in sites:
        table.add_column(Text(f"{site.name} in memory"), no_wrap=True)
    if len(actors) <= LANES:
        for actor in actors:
            table.add_column(Text(actor), overflow="fold")
    else:
        table.add_column("who does what", overflow="fold")
    memory = {site.name: site.old for site in sites}
    table.add_row("0", "", *(_marked(memory[s.name], memory[s.name]) for s in sites))
    for number, step in enumerate(steps, start=1):
        if loop == number - 1:
            table.add_row("", "", *(Text() for _ in sites), Text("from here on, for ever:"))
        before, memory = memory, memory | step.memory
        cells = [_marked(before[s.name], memory[s.name]) for s in sites]
        said = _said(step, last=marked and number == len(steps))
        if len(actors) <= LANES:
            lanes = [said if step.actor == actor else Text() for actor in actors]
        else:
            lanes = [Text.assemble(f"{step.actor}: ", said)]
        line = step.source.rpartition(":")[2] if step.source else ""
        table.add_row(str(number), Text(line), *cells, *lanes)
    return table


def _said(step: TraceStep, *, last: bool) -> Text:
    label = f"{step.label}: " if step.source else ""
    text = Text(label + step.does, style="bold red" if last else "")
    if last:
        text.append("  <==")
    return text


def _marked(before: bytes, after: bytes) -> Text:
    """Bytes in hexadecimal, with brackets around those that have changed."""
    text = Text()
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if i and i % BYTES == 0:
            text.append("\n")
        changed = old != new
        text.append(f"[{new:02x}]" if changed else f" {new:02x} ", "bold yellow" if changed else "")
    return text


def _bytes(trace: Trace, executed: Executed) -> Table:
    """What was executed, between what it was and what it was to become, byte by byte."""
    site = next(site for site in trace.protocol.sites if site.name == executed.site)
    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    at = executed.offset
    end = at + len(executed.data) if site.is_region else len(site)
    for _ in range(end - at + 2):
        table.add_column(no_wrap=True)
    table.add_row("old", *_hex(site.old[at:end]), _decoded(trace, site, site.forms[0], at))
    table.add_row(
        Text("ran", "bold red"), *_hex(executed.data, end - at), Text(executed.disassembly)
    )
    table.add_row("new", *_hex(site.new[at:end]), _decoded(trace, site, site.forms[1], at))
    table.add_row("from", *(_origin(site, at + i, by) for i, by in enumerate(executed.origin)))
    return table


def _hex(data: bytes, width: int = 0) -> list[str]:
    return [f"{byte:02x}" for byte in data] + [""] * (width - len(data))


def _decoded(trace: Trace, site: Site, form: Form, at: int) -> Text:
    """The instruction that a form of a site has at an offset, or around it."""
    for begin, length in form.runs:
        if begin <= at < begin + length:
            data = form.data[begin : begin + length]
            text = trace.protocol.architecture.decode(data, site.address + begin).text
            return Text(text if begin == at else f"inside {text}")
    return Text()


def _origin(site: Site, byte: int, step: int) -> str:
    """Where an executed byte came from: before the patch, or which step wrote it."""
    if step:
        return f"step {step}"
    return "either" if byte in site.equal_bytes else "old"


def plural(number: int, noun: str) -> str:
    """A number and its noun: 1 byte, 2 bytes."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
