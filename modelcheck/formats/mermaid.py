"""A run as a Mermaid sequence diagram, which renders in a README or an issue.

Knows runs as they are told.
"""

from collections.abc import Iterator, Mapping
from typing import assert_never

from modelcheck.protocol.code import Value
from modelcheck.trace.told import ToldRun, ToldStep
from modelcheck.trace.words import value_text

ALARM = "rgb(255, 200, 200)"

MEMORY = "memory"


def to_mermaid(run: ToldRun) -> str:
    """The run as a sequence diagram: the actors, and the memory that they write and run."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: ToldRun) -> Iterator[str]:
    yield "sequenceDiagram"
    yield f"    title {_text(f'{run.file}: {run.title}')}"
    names = dict.fromkeys(step.lane for step in run.steps)
    ids = {name: f"a{number}" for number, name in enumerate(names)}
    for number, name in enumerate(ids):
        if number == 1:
            yield f"    participant m as {MEMORY}"
        yield f"    participant {ids[name]} as {_text(name)}"
    if len(ids) <= 1:
        yield f"    participant m as {MEMORY}"
    first = {site.name: site.old for site in run.sites} if run.follows_bytes else run.values
    if first:
        yield f"    Note over m: {_contents(first)}"
    for number, step in enumerate(run.steps, start=1):
        changed = step.memory if run.follows_bytes else step.values
        lines = [*_step(number, step, ids, changed)]
        if run.loop == number - 1:
            yield "    loop for ever"
        if number < len(run.steps):
            yield from (f"    {line}" for line in lines)
            continue
        why = f"Note over {ids[step.lane]}: {_text(run.outcome, run.why)}"
        if not run.marked:
            yield from (f"    {line}" for line in (*lines, why))
            continue
        yield f"    rect {ALARM}"
        yield from (f"        {line}" for line in (*lines, why))
        yield "    end"
    if run.loop is not None:
        yield "    end"


def _contents(memory: Mapping[str, bytes] | Mapping[str, Value]) -> str:
    return _text(
        *(
            f"{place}: {it.hex(' ') if isinstance(it, bytes) else value_text(it)}"
            for place, it in memory.items()
        )
    )


def _step(
    number: int,
    step: ToldStep,
    ids: Mapping[str, str],
    changed: Mapping[str, bytes] | Mapping[str, Value],
) -> Iterator[str]:
    """A step as arrows: stores to memory, what comes back of it, IPIs; or else to itself."""
    what = _text(f"{number}. " + (f"{step.label}: " if step.source else "") + step.does)
    actor = ids[step.lane]
    match step.flow:
        case "fetches":
            yield f"m-->>{actor}: {what}"
        case "stores":
            yield f"{actor}->>m: {what}"
        case "tells":
            others = [ids[name] for name in step.told if name in ids]
            yield from (f"{actor}-){other}: {what}" for other in others or [actor])
        case "alone":
            yield f"{actor}->>{actor}: {what}"
        case _:
            assert_never(step.flow)
    if changed:
        yield f"Note over m: {_contents(changed)}"


ESCAPES = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "\n": " "})
"""What Mermaid would take for a comment, the end of a statement, or markup."""


def _text(*lines: str) -> str:
    return "<br/>".join(line.translate(ESCAPES) for line in lines)
