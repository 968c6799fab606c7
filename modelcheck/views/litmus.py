"""Judgements of litmus tests, as text and as data. Knows judgements, and runs as they are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.litmus.condition import Quantifier
from modelcheck.litmus.verdict import LitmusJudgement, LitmusVerdict
from modelcheck.protocol.names import plural
from modelcheck.trace.litmus_run import LitmusRun, tell
from modelcheck.views.trace_text import lanes

SCHEMA = 1


@dataclass(frozen=True)
class Judged:
    """A file, its judgement, and how that differs from what was expected (None: of nothing).

    `run` is what there is to step through, if there is.
    """

    file: Path
    judgement: LitmusJudgement
    differences: list[str] | None
    run: LitmusRun | None = None


def render(judged: Judged) -> list[RenderableType]:
    """One judgement in full: final states, the verdict, and the run to it."""
    judgement = judged.judgement
    test = judgement.test
    parts: list[RenderableType] = [
        Text(f"{test.name}: {test.isa.name}, {judgement.order.name}"),
        *(Text(f"note: {note}", "yellow") for note in test.text.notes),
        Text(),
        Text(plural(len(judgement.states), "final state")),
        *(Text(f"  {state}") for state in judgement.states),
        Text(),
        Text(test.asked),
        _verdict_line(judged),
    ]
    if judged.run is not None:
        parts += [Text(), lanes((), tell(judged.run).steps)]
    parts += [Text(f"NOT AS EXPECTED   {what}", "bold red") for what in judged.differences or ()]
    return parts


STYLES = {
    LitmusVerdict.ALLOWED: "yellow",
    LitmusVerdict.FORBIDDEN: "green",
    LitmusVerdict.REQUIRED: "green",
    LitmusVerdict.INCONCLUSIVE: "magenta",
}


def said(judgement: LitmusJudgement) -> str:
    """What the verdict rests on, in a few words."""
    return {
        LitmusVerdict.ALLOWED: f"{judgement.matching} of {len(judgement.states)} final states "
        "are so",
        LitmusVerdict.FORBIDDEN: "no final state is so",
        LitmusVerdict.REQUIRED: "all final states are so",
        LitmusVerdict.INCONCLUSIVE: judgement.reason or "",
    }[judgement.verdict]


def _verdict_line(judged: Judged) -> Text:
    judgement = judged.judgement
    shown = ""
    if judged.run is not None:
        contrary = judgement.test.quantifier is Quantifier.FORALL
        shown = f"; a shortest run to {'another' if contrary else 'one'}:"
    text = Text(judgement.verdict.value.capitalize(), f"bold {STYLES[judgement.verdict]}")
    return text.append(
        f"   {said(judgement)} ({judgement.reached} states, {judgement.seconds:.2f}s){shown}",
        "default",
    )


def summary(judged: Sequence[Judged], folder: Path, *, with_states: bool) -> Table:
    """A folder's judgements, a row for each."""
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for column in ("test", "rules", "verdict", "states", ""):
        table.add_column(column, overflow="fold")
    for one in judged:
        judgement = one.judgement
        told = "as expected" if one.differences == [] else "\n".join(one.differences or ())
        table.add_row(
            Text(one.file.relative_to(folder).as_posix()),
            Text(judgement.order.name),
            Text(judgement.verdict.value, STYLES[judgement.verdict]),
            Text("\n".join(judgement.states) if with_states else str(len(judgement.states))),
            Text(told, "bold red" if one.differences else ""),
        )
    return table


def counts(judged: Sequence[Judged], wrong: int = 0) -> str:
    """How many came out how, in one line; `wrong` are those that could not be read."""
    verdicts = [one.judgement.verdict for one in judged]
    parts = [f"{verdicts.count(v)} {v.value}" for v in LitmusVerdict if v in verdicts]
    held = [one for one in judged if one.differences is not None]
    if held:
        right = sum(not one.differences for one in held)
        parts.append(f"{right} of {len(held)} as expected")
    if wrong:
        parts.append(f"{wrong} not read")
    seconds = sum(one.judgement.seconds for one in judged)
    return f"{len(judged)} tests: {', '.join(parts)}; {seconds:.2f}s"


def to_document(judged: Sequence[Judged]) -> dict[str, Any]:
    """The judgements as JSON data."""
    return {
        "schema": SCHEMA,
        "results": [
            {
                "file": one.file.as_posix(),
                "name": one.judgement.test.name,
                "arch": one.judgement.test.isa.name,
                "rules": one.judgement.order.name,
                "verdict": one.judgement.verdict.value,
                "states": list(one.judgement.states),
                "seconds": round(one.judgement.seconds, 3),
            }
            for one in judged
        ],
    }
