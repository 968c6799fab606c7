"""Two protocols compared, as text: their steps, and what each can do alone. Knows comparisons."""

from rich.console import Group, RenderableType
from rich.text import Text

from modelcheck.protocol.names import plural
from modelcheck.questions.check import Job
from modelcheck.questions.diff import Comparison, Distinction, Seen
from modelcheck.trace.tell import tell_sites, tell_steps
from modelcheck.views.trace_text import lanes

STYLES = {"-": "red", "+": "green", " ": ""}


def render(comparison: Comparison) -> RenderableType:
    """The edits, then what each protocol can do that the other cannot, or that there is nothing."""
    one, other = _names(comparison.first, comparison.second)
    run, setup = comparison.first.configuration, comparison.first.setup
    parts: list[RenderableType] = [Text(f"--- {one}\n+++ {other}", "bold")]
    parts += [Text(line, STYLES[line[0]]) for line in comparison.edits]
    own = " and the patcher's own" if comparison.first.variant.protocol.patcher_executes else ""
    what = (
        f"{plural(run.cpus, 'CPU')}{own}, fetch model {run.fetch}, chunks of "
        f"{plural(run.chunk, 'byte')}, site at offset {setup.offset}, {run.semantics}"
    )
    parts += [
        Text(),
        Text(f"With {what}:\nwhat all CPUs execute, in its order, up to the first violation."),
    ]
    for name, rest, job, found in (
        (one, other, comparison.first, comparison.only_first),
        (other, one, comparison.second, comparison.only_second),
    ):
        if found is not None:
            parts += [Text(), *_distinction(name, rest, job, found)]
        elif not comparison.same_behaviours and comparison.reason is None:
            parts += [Text(), Text(f"{name} can do nothing that {rest} cannot.")]
    if (comparison.only_first or comparison.only_second) and comparison.reason is None:
        parts += [Text(), Text(_alone(comparison.alone), "bold")]
    compared = f"{comparison.states[0]:,} and {comparison.states[1]:,} states"
    if comparison.same_behaviours:
        parts += [
            Text(),
            Text("Same behaviours: each can do exactly what the other can.", "bold green"),
        ]
    if comparison.reason is not None:
        cut = f"INCONCLUSIVE: {comparison.reason}; what was not found may still exist"
        parts += [Text(), Text(cut, "yellow")]
    sets = f"{comparison.pairs:,} pairs of sets of states compared"
    parts += [Text(), Text(f"{compared}; {sets}.", "dim")]
    return Group(*parts)


def _alone(actors: tuple[str, ...]) -> str:
    if actors:
        return f"Told apart also by what one CPU alone executes: {', '.join(actors)}."
    return "Each CPU by itself executes the same in both: only the order between CPUs differs."


def _names(first: Job, second: Job) -> tuple[str, str]:
    """What to call the two: their variants, with the protocols if those differ."""
    names = [first.suite.protocol.name, second.suite.protocol.name]
    if names[0] == names[1]:
        return first.variant.name, second.variant.name
    return f"{names[0]}/{first.variant.name}", f"{names[1]}/{second.variant.name}"


def _distinction(name: str, rest: str, job: Job, found: Distinction) -> list[RenderableType]:
    *before, last = found.seen
    protocol = job.variant.protocol
    told = ", then ".join(_seen(seen) for seen in before)
    after = f" after {told}" if told else ""
    violated = f" It violates {found.violation.property}." if found.violation else ""
    return [
        Text(f"Only {name}{after}: {_seen(last)}.", "bold"),
        Text(f"{rest} cannot go on so.{violated}"),
        lanes(tell_sites(protocol), tell_steps(protocol, job.configuration, found.steps)),
    ]


def _seen(seen: Seen) -> str:
    if not seen.kind:
        return f"{seen.actor} violates {', '.join(seen.violations)}"
    at = f"{seen.site}+{seen.offset}" if seen.offset else seen.site
    if seen.kind in ("emulated", "skipped"):
        acts = f"acts as {seen.data.hex(' ')}" if seen.data else "steps over it"
        return f"{seen.actor} {acts} at {at} in its handler"
    return f"{seen.actor} runs {seen.data.hex(' ')} at {at} ({seen.kind})"
