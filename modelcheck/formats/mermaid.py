"""A counterexample as a Mermaid sequence diagram, which renders in a README or an issue.

Knows traces, and of the machine only which actors are one CPU.
"""

from collections.abc import Iterator

from modelcheck.machine.actors import Machine
from modelcheck.protocol.actions import Ipi, Put, Set, told
from modelcheck.protocol.program import Step, flatten
from modelcheck.trace.document import Trace, TraceStep

ALARM = "rgb(255, 200, 200)"

MEMORY = "memory"


def to_mermaid(trace: Trace) -> str:
    """The trace as a sequence diagram: the actors, and the memory that they write and run."""
    return "\n".join(_lines(trace)) + "\n"


def _lines(trace: Trace) -> Iterator[str]:
    yield "sequenceDiagram"
    yield f"    title {_text(f'{trace.spec}: {trace.protocol.name}, variant {trace.variant}')}"
    names = dict.fromkeys(step.actor for step in trace.steps)
    ids = {name: f"a{number}" for number, name in enumerate(names)}
    for number, name in enumerate(ids):
        if number == 1:
            yield f"    participant m as {MEMORY}"
        yield f"    participant {ids[name]} as {_text(name)}"
    if len(ids) == 1:
        yield f"    participant m as {MEMORY}"
    contents = {site.name: site.old for site in trace.protocol.sites}
    yield f"    Note over m: {_contents(contents)}"
    program = {step.label: step for step in flatten(trace.protocol.program)}
    for number, step in enumerate(trace.steps, start=1):
        source = program.get(step.label) if step.source else None
        interrupts = source is not None and isinstance(told(source.actions()), Ipi)
        others = _others(trace, step.actor, ids) if interrupts else []
        lines = [
            *_step(number, step, source, ids[step.actor], [ids[name] for name in others]),
        ]
        if trace.loop == number - 1:
            yield "    loop for ever"
        if number < len(trace.steps):
            yield from (f"    {line}" for line in lines)
            continue
        why = f"Note over {ids[step.actor]}: {_text(trace.outcome, trace.why)}"
        if trace.violation is None:
            yield from (f"    {line}" for line in (*lines, why))
            continue
        yield f"    rect {ALARM}"
        yield from (f"        {line}" for line in (*lines, why))
        yield "    end"
    if trace.loop is not None:
        yield "    end"


def _contents(memory: dict[str, bytes]) -> str:
    return _text(*(f"{site}: {data.hex(' ')}" for site, data in memory.items()))


def _step(
    number: int, step: TraceStep, source: Step | None, actor: str, others: list[str]
) -> Iterator[str]:
    """A step as arrows: stores to memory, what comes back of it, IPIs; or else to itself."""
    what = _text(f"{number}. " + (f"{step.label}: " if step.source else "") + step.does)
    if step.executed is not None and step.executed.origin:
        yield f"m-->>{actor}: {what}"
    elif source is not None and _stores(source):
        yield f"{actor}->>m: {what}"
    elif others:
        yield from (f"{actor}-){other}: {what}" for other in others)
    else:
        yield f"{actor}->>{actor}: {what}"
    if step.memory:
        yield f"Note over m: {_contents(step.memory)}"


def _stores(step: Step) -> bool:
    """Whether a step sends something to memory."""
    return any(
        isinstance(action, Put) or (isinstance(action, Set) and not action.at_once)
        for action in step.actions()
    )


def _others(trace: Trace, sender: str, names: dict[str, str]) -> list[str]:
    """The actors of the trace that are not on the sender's CPU."""
    machine = Machine(trace.protocol, trace.configuration)
    cpus = range(sum(role.count for role in machine.roles))
    own = {
        name
        for cpu in cpus
        for name in (machine.actor_name(cpu), machine.actor_name(cpu, interrupt=True))
        if sender in (machine.actor_name(cpu), machine.actor_name(cpu, interrupt=True))
    }
    return [name for name in names if name not in own]


ESCAPES = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "\n": " "})
"""What Mermaid would take for a comment, the end of a statement, or markup."""


def _text(*lines: str) -> str:
    return "<br/>".join(line.translate(ESCAPES) for line in lines)
