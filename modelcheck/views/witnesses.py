"""The witnesses of safe verdicts, as text. Knows results and traces."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from modelcheck.questions.check import Result
from modelcheck.trace.kinds import told
from modelcheck.views import trace_text


def render(results: Sequence[Result]) -> Iterator[RenderableType]:
    """Each witness once, with the fetch models whose verdicts it stands beside; and what has none,
    with the reason."""
    alike: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        if result.witness is not None:
            job, trace = result.job, result.witness.trace
            steps = trace.steps if trace else ()
            taken = [(step.actor, step.label, step.choice) for step in steps]
            names = job.suite.protocol.name, job.variant.name
            alike.setdefault((*names, result.witness.why_not, *taken), []).append(result)
    for (protocol, variant, *_), some in alike.items():
        models = ", ".join(result.job.configuration.fetch for result in some)
        witnessed = some[0].witness
        assert witnessed is not None
        yield Text()
        if witnessed.trace is None:
            text = f"NO WITNESS    {protocol}, {variant} ({models}): {witnessed.why_not}"
            yield Text(text, "yellow")
            continue
        yield Text(f"WITNESS       {protocol}, {variant} ({models})", "bold")
        yield trace_text.render(told(witnessed.trace))
