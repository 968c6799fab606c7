"""A counterexample or a witness as text: actors side by side in 100 columns, the bytes beside them.

Knows runs as they are told. The text is the same on every terminal; colour is only added to it.
"""

from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.trace.document import Executed
from modelcheck.trace.kinds import KeptRun, told
from modelcheck.trace.told import ToldForm, ToldRun, ToldSite, ToldStep

WIDTH = 100
LANES = 4
"""Actors that are shown side by side; with more, one column serves them all."""

BYTES = 8
"""Bytes of memory on one line."""


def to_text(trace: KeptRun) -> str:
    """The trace as plain text, as it is kept beside its JSON."""
    return plain(render(told(trace)))


def plain(shown: RenderableType) -> str:
    """What a console shows, as plain text that is the same everywhere."""
    text = StringIO()
    console = Console(
        file=text, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def render(run: ToldRun) -> RenderableType:
    """The run for a console: what was checked, the steps, and what it ends in."""
    table = lanes(run.sites, run.steps, run.loop, marked=run.marked)
    parts: list[RenderableType] = [_heading(run), Text(), table, Text()]
    parts.append(Text(run.why, "bold red" if run.verb else "green"))
    if run.meaning:
        parts.append(Text(f"{run.outcome}: {run.meaning}"))
    executed = run.steps[-1].executed if run.steps and run.marked else None
    if executed is not None and executed.origin:
        parts += [Text(), _bytes(run, executed)]
    if run.then:
        parts.append(Text(f"then  {run.then}"))
    return Group(*parts)


def _heading(run: ToldRun) -> Text:
    lines = [
        f"{run.file}: {run.title}",
        f"{run.ending} in {len(run.steps)} steps"
        + (f", the last {len(run.steps) - run.loop} of them a loop" if run.loop else ""),
        "; ".join(run.settings),
    ]
    if run.bug:
        bug = run.bug
        lines += ["", f"{bug.title} ({bug.project}, {bug.date}, {bug.reference})", bug.story]
    return Text("\n".join(lines))


def lanes(
    sites: tuple[ToldSite, ...],
    steps: tuple[ToldStep, ...],
    loop: int | None = None,
    *,
    marked: bool = True,
) -> Table:
    """The steps of a run, with the memory after each; the last is `marked`, and a loop's begin.

    Without sites, what a step changed stands in the place of memory.
    """
    actors = sorted(
        {step.lane for step in steps}, key=lambda name: (name != "patcher", len(name), name)
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), expand=False, show_edge=False)
    table.add_column("step", justify="right")
    table.add_column("line", justify="right")
    for site in sites:
        table.add_column(Text(f"{site.name} in memory"), no_wrap=True)
    if not sites:
        table.add_column("in memory")
    if len(actors) <= LANES:
        for actor in actors:
            table.add_column(Text(actor), overflow="fold")
    else:
        table.add_column("who does what", overflow="fold")
    memory = {site.name: site.old for site in sites}
    if sites:
        table.add_row("0", "", *(_marked(memory[s.name], memory[s.name]) for s in sites))
    for number, step in enumerate(steps, start=1):
        if loop == number - 1:
            blank = (Text() for _ in sites or ("",))
            table.add_row("", "", *blank, Text("from here on, for ever:"))
        before, memory = memory, {**memory, **step.memory}
        cells = [_marked(before[s.name], memory[s.name]) for s in sites]
        if not sites:
            cells = [Text("\n".join(f"{name} = {it}" for name, it in step.values.items()))]
        said = _said(step, last=marked and number == len(steps))
        if len(actors) <= LANES:
            lanes = [said if step.lane == actor else Text() for actor in actors]
        else:
            lanes = [Text.assemble(f"{step.lane}: ", said)]
        line = step.source.rpartition(":")[2] if step.source else ""
        table.add_row(str(number), Text(line), *cells, *lanes)
    return table


def _said(step: ToldStep, *, last: bool) -> Text:
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


def _bytes(run: ToldRun, executed: Executed) -> Table:
    """What was executed, between what it was and what it was to become, byte by byte."""
    site = next(site for site in run.sites if site.name == executed.site)
    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    at = executed.offset
    end = at + len(executed.data) if site.is_region else len(site.old)
    for _ in range(end - at + 2):
        table.add_column(no_wrap=True)
    table.add_row("old", *_hex(site.old[at:end]), _decoded(site.forms[0], at))
    table.add_row(
        Text("ran", "bold red"), *_hex(executed.data, end - at), Text(executed.disassembly)
    )
    table.add_row("new", *_hex(site.forms[1].data[at:end]), _decoded(site.forms[1], at))
    table.add_row("from", *(_origin(site, at + i, by) for i, by in enumerate(executed.origin)))
    return table


def _hex(data: bytes, width: int = 0) -> list[str]:
    return [f"{byte:02x}" for byte in data] + [""] * (width - len(data))


def _decoded(form: ToldForm, at: int) -> Text:
    """The instruction that a form of a site has at an offset, or around it."""
    for one in form.listing:
        if one.offset <= at < one.offset + len(one.data):
            return Text(one.text if one.offset == at else f"inside {one.text}")
    return Text()


def _origin(site: ToldSite, byte: int, step: int) -> str:
    """Where an executed byte came from: before the patch, or which step wrote it."""
    if step:
        return f"step {step}"
    return "either" if byte in site.alike else "old"
