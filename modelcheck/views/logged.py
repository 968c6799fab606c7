"""What a log is, or which of its events is forbidden, as text and as JSON data. Knows answers.

All of it fits into 80 columns, so that it can be pasted into a mail.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.names import plural
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.questions.conform import SCOPE, Conformance, Refusal, StepName
from modelcheck.trace.document import to_document as to_trace_document

SCHEMA = 1

WIDTH = 80


def render(answer: Conformance, kept: Path | None) -> Iterator[RenderableType]:
    """One answer: is a run of, or which event is forbidden and what was possible instead.

    A line with a path is not to be wrapped, and says so.
    """
    parts: list[RenderableType] = [Text(sentence(answer), _style(answer), no_wrap=True)]
    parts += [Text(line) for line in _about(answer)]
    if answer.refusal is not None:
        parts += _refused(answer, answer.refusal)
    if answer.verdict is Verdict.SAFE:
        parts += _steps(answer)
        for name in answer.violated:
            parts.append(Text(f"  It violates {name}: {PROPERTIES[name]}", "bold red"))
        if answer.violated and answer.trace is not None and answer.trace.violation:
            parts.append(Text(f"  {answer.trace.violation.why}"))
        if kept is not None:
            parts.append(Text(f"  The run: {kept.as_posix()}", no_wrap=True))
        parts.append(Text(f"  {SCOPE}"))
    yield from parts


def sentence(answer: Conformance) -> str:
    """The answer in a line, with the path of the log."""
    what = f"{answer.job.suite.protocol.name}, variant {answer.job.variant.name}"
    match answer.verdict:
        case Verdict.SAFE:
            return f"{answer.log.path}: is a run of {what}"
        case Verdict.VIOLATED:
            assert answer.refusal is not None
            event = answer.refusal.event.number
            return f"{answer.log.path}: event {event} is forbidden by {what}"
        case Verdict.INCONCLUSIVE:
            return f"{answer.log.path}: INCONCLUSIVE for {what}: {answer.reason}"
        case _:
            assert_never(answer.verdict)


def _style(answer: Conformance) -> str:
    if answer.verdict is Verdict.INCONCLUSIVE:
        return "yellow"
    return "bold red" if answer.refusal or answer.violated else "bold green"


def _about(answer: Conformance) -> list[str]:
    log = answer.log
    fetch = answer.job.configuration.fetch
    lines = [
        f"  {plural(len(log.events), 'event')}, {plural(len(log.cpus), 'CPU')}; fetch model "
        f"{fetch}; syncs and fences {'exactly as in the spec' if answer.exact else 'at least'}"
    ]
    names = answer.actors.items()
    other = [f"{name} is its cpu {cpu}" for cpu, name in names if name != f"cpu{cpu}"]
    if other and answer.trace is not None:
        lines.append(f"  In the trace, {', '.join(other)}, and patcher the thread that patches.")
    if answer.begins is not None:
        lines.append(f"  It begins inside the patch, before {_named(answer.begins)}.")
    if answer.extra:
        kinds = Counter(event.do for event in answer.extra)
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        lines.append(f"  More than the protocol asks for: {told}.")
    return lines


def _refused(answer: Conformance, refusal: Refusal) -> list[RenderableType]:
    event = refusal.event
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    who: dict[tuple[str, StepName | None], list[str]] = {}
    for possible in refusal.possible:
        who.setdefault((possible.what, possible.step), []).append(possible.who)
    for (what, step), names in who.items():
        table.add_row("   ", _together(names), Text(what), Text(_named(step) if step else ""))
    stands = ", ".join(map(_named, refusal.stands))
    told = "Possible instead:" if refusal.possible else "Nothing that is logged was possible."
    strange = (Text(f"  {refusal.strange}."),) if refusal.strange else ()
    return [
        Text(f"  event {event.number}, line {event.number + 1}: {event}", "bold"),
        *strange,
        Text(f"  {told}"),
        table,
        Text(f"  The patcher stands before: {stands}"),
    ]


def _steps(answer: Conformance) -> list[RenderableType]:
    covered = ", ".join(step.label for step in answer.covered)
    never = ", ".join(map(_named, answer.never))
    return [
        Text(f"  Steps it covers: {covered or 'none'}"),
        Text(f"  Never: {never or 'none, it covers all steps'}"),
    ]


def _together(names: list[str]) -> Text:
    """Who could do a thing: cpus 0, 1 and so on."""
    cpus = [name.removeprefix("cpu ") for name in names if name.startswith("cpu ")]
    others = [name for name in names if not name.startswith("cpu ")]
    told = [f"cpu{'s' if len(cpus) > 1 else ''} {', '.join(cpus)}"] if cpus else []
    return Text(", ".join((*others, *told)))


def _named(step: StepName) -> str:
    return f"{step.label} ({step.source})" if step.source else step.label


# The matrix.


def cell(answer: Conformance) -> Text:
    """An answer in a word: run, with ! if every such run violates something; or @ the event."""
    if answer.verdict is Verdict.INCONCLUSIVE:
        return Text("?", "yellow")
    if answer.refusal is not None:
        return Text(f"@{answer.refusal.event.number}", "dim")
    return Text("run !", "bold red") if answer.violated else Text("run", "bold green")


def matrix(spec: str, rows: Sequence[Sequence[Conformance]], *, exact: bool) -> RenderableType:
    """A table for each protocol: logs by variants."""
    parts: list[RenderableType] = []
    for protocol in dict.fromkeys(row[0].job.suite.protocol.name for row in rows):
        some = [row for row in rows if row[0].job.suite.protocol.name == protocol]
        variants = dict.fromkeys(answer.job.variant.name for row in some for answer in row)
        parts.append(Text(f"{spec}: {protocol}", "bold"))
        for columns in _side_by_side(variants):
            parts += [_table(some, columns), Text()]
    parts.append(
        Text(
            "run: the log is a run of the variant; !: and each such run violates something.\n"
            "@n: event n is forbidden. -: the variant cannot be about the log."
        )
    )
    if not exact:
        parts.append(
            Text(
                "A kernel with more syncs or fences than a variant has is a run of it too: --exact "
                "tells them apart."
            )
        )
    parts.append(Text(SCOPE))
    return Group(*parts)


LOG = 20
"""Columns for the names of logs, which are folded."""


def _side_by_side(variants: Iterable[str]) -> list[list[str]]:
    """The variants that fit into the width beside each other."""
    found: list[list[str]] = [[]]
    for name in variants:
        taken = sum(len(other) + 2 for other in (*found[-1], name))
        if found[-1] and LOG + 1 + taken > WIDTH:
            found.append([])
        found[-1].append(name)
    return found


def _table(rows: Sequence[Sequence[Conformance]], variants: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("log", overflow="fold", max_width=LOG)
    for variant in variants:
        table.add_column(variant, no_wrap=True)
    for row in rows:
        found = {answer.job.variant.name: cell(answer) for answer in row}
        name = Text(Path(row[0].log.path).stem)
        table.add_row(name, *(found.get(variant, Text("-")) for variant in variants))
    return table


# JSON.


def to_document(
    spec: str, answers: Sequence[Conformance], kept: Mapping[int, Path], *, exact: bool
) -> dict[str, Any]:
    """The answers as JSON data."""
    return {
        "schema": SCHEMA,
        "spec": spec,
        "exact": exact,
        "scope": SCOPE,
        "answers": [_entry(answer, kept.get(number)) for number, answer in enumerate(answers)],
    }


def _entry(answer: Conformance, kept: Path | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "log": answer.log.path,
        "protocol": answer.job.suite.protocol.name,
        "variant": answer.job.variant.name,
        "fetch": answer.job.configuration.fetch,
        "verdict": _word(answer),
        "reason": answer.reason,
        "grounds": [str(ground) for ground in answer.grounds],
        "events": len(answer.log.events),
        "extra": [event.number for event in answer.extra],
        "most_states": answer.most,
    }
    if (refusal := answer.refusal) is not None:
        entry["forbidden"] = {
            "event": refusal.event.number,
            "line": refusal.event.number + 1,
            "what": str(refusal.event),
            "strange": refusal.strange or None,
            "possible": [
                {"who": p.who, "what": p.what, "step": _step(p.step)} for p in refusal.possible
            ],
            "patcher_before": [_step(step) for step in refusal.stands],
        }
    if answer.verdict is Verdict.SAFE:
        entry |= {
            "violates": list(answer.violated),
            "begins_before": _step(answer.begins),
            "covered": [_step(step) for step in answer.covered],
            "never": [_step(step) for step in answer.never],
            "actors": {str(cpu): name for cpu, name in answer.actors.items()},
            "event_of_step": list(answer.events),
            "run": to_trace_document(answer.trace) if answer.trace else None,
            "kept": kept.as_posix() if kept else None,
        }
    return entry


def _word(answer: Conformance) -> str:
    words = {
        Verdict.SAFE: "is a run of",
        Verdict.VIOLATED: "forbidden",
        Verdict.INCONCLUSIVE: "inconclusive",
    }
    return words[answer.verdict]


def _step(step: StepName | None) -> dict[str, str] | None:
    return None if step is None else {"step": step.label, "source": step.source}
