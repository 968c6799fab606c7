"""An ablation as tables: what each step is for, which syncs suffice, what may be swapped.

Knows ablations.
"""

from collections.abc import Callable, Iterable
from typing import assert_never

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.explore.verdict import Verdict
from modelcheck.questions.ablate import Ablation, Edited, Labels
from modelcheck.questions.judge import Judgement
from modelcheck.views.comparison import HEADINGS, heading

Wording = Callable[[Judgement], Text]


def render(spec: str, ablation: Ablation) -> RenderableType:
    """All that is known of a protocol's steps."""
    job = ablation.jobs[0]
    title = heading(spec, job, any_number=True)
    if job.variant.name != "base":
        title.append(f"\n  variant {job.variant.name}", "not bold")
    parts: list[RenderableType] = [title, *_base(ablation), Text()]
    shown = [step for step in ablation.steps if not _as_its_block(ablation, step)]
    both = [pair for pair in ablation.pairs if _more_than_each(ablation, pair)]
    parts += [_title("What each step is needed for"), _table(ablation, [*shown, *both], _needed)]
    parts += [*_never(ablation, shown), *_pairs(ablation, both), *_notes(ablation, shown)]
    if ablation.joined:
        names = ", ".join(ablation.joined)
        parts.append(Text(f"Not tried, for the others do not fit together without: {names}"))
    if ablation.minimal:
        parts += [Text(), _title("The fewest syncs that keep every property"), *_minimal(ablation)]
    if ablation.swaps:
        parts += [Text(), _title("Which neighbours may be swapped")]
        parts += [_table(ablation, ablation.swaps, _may, joint=" <-> ")]
        parts += _notes(ablation, ablation.swaps, joint=" <-> ")
    if not ablation.settled:
        parts += [Text(), _unsettled(ablation)]
    return Group(*parts)


def _title(text: str) -> Text:
    return Text(text, "bold")


def _base(ablation: Ablation) -> list[Text]:
    """The properties that the protocol does not have in the first place."""
    lines: list[Text] = []
    failing: dict[tuple[str, Verdict], list[str]] = {}
    for (fetch, name), judgement in ablation.base.verdicts.items():
        if judgement.verdict is not Verdict.SAFE:
            failing.setdefault((name, judgement.verdict), []).append(fetch)
    for (name, verdict), models in failing.items():
        under = ", ".join(models)
        if verdict is Verdict.VIOLATED:
            text = f"  It does not keep {name} itself under {under}: nothing is said of it."
        else:
            text = f"  Whether it keeps {name} itself under {under} is unknown."
        lines.append(Text(text, "yellow"))
    return lines


def _table(ablation: Ablation, edits: Iterable[Edited], word: Wording, joint: str = " + ") -> Table:
    models = [job.configuration.fetch for job in ablation.jobs]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("without" if word is _needed else "swapped", overflow="fold")
    table.add_column("property", overflow="fold")
    for model in models:
        table.add_column(HEADINGS.get(model, model), no_wrap=True)
    for edited in edits:
        label = _label(ablation, edited, joint)
        for name in _touched(ablation, edited) or [""]:
            effects = (_effect(ablation, edited, model, name) for model in models)
            table.add_row(
                Text(label),
                name or Text("none", "dim"),
                *(Text() if effect is None else word(effect) for effect in effects),
            )
            label = ""
    return table


def _label(ablation: Ablation, edited: Edited, joint: str = "") -> str:
    """The steps edited, marked if the edit changes what is left behind."""
    return joint.join(edited.labels) + " *" * (edited.end_state != ablation.base.end_state)


def _effect(ablation: Ablation, edited: Edited, fetch: str, name: str) -> Judgement | None:
    """What the edit does to a property (all, if it is ""); None where nothing can be said."""
    questions = [q for q in edited.verdicts if q[0] == fetch and name in ("", q[1])]
    effects = [ablation.effect(edited, question) for question in questions]
    said = [effect for effect in effects if effect is not None]
    if not said or len(said) < len(effects):
        return None
    return min(said, key=lambda effect: effect.verdict is Verdict.SAFE)


def _touched(ablation: Ablation, edited: Edited) -> list[str]:
    """The properties that the edit is not proved to keep."""
    names = (
        question[1]
        for question in edited.verdicts
        if (effect := ablation.effect(edited, question)) and effect.verdict is not Verdict.SAFE
    )
    return list(dict.fromkeys(names))


def _needed(judgement: Judgement) -> Text:
    match judgement.verdict:
        case Verdict.VIOLATED:
            return Text("needed", "red")
        case Verdict.SAFE:
            return Text("-", "dim")
        case Verdict.INCONCLUSIVE:
            return Text("?", "yellow")
        case _:
            assert_never(judgement.verdict)


def _may(judgement: Judgement) -> Text:
    match judgement.verdict:
        case Verdict.VIOLATED:
            return Text("no", "red")
        case Verdict.SAFE:
            return Text("may", "green")
        case Verdict.INCONCLUSIVE:
            return Text("?", "yellow")
        case _:
            assert_never(judgement.verdict)


def _as_its_block(ablation: Ablation, step: Edited) -> bool:
    """Whether taking the step away does what taking its block away does."""
    (path,) = step.labels
    block = path.rpartition("/")[0]
    return any(
        other.labels == (block,)
        and step.end_state == other.end_state
        and all(
            judgement.verdict is other.verdicts[question].verdict
            for question, judgement in step.verdicts.items()
        )
        for other in ablation.steps
    )


def _more_than_each(ablation: Ablation, pair: Edited) -> bool:
    """Whether the two are needed for something that neither is needed for."""
    alone = [step for step in ablation.steps if step.labels[0] in pair.labels]
    return any(
        set(ablation.broken(pair, fetch))
        - {name for step in alone for name in ablation.broken(step, fetch)}
        for fetch, _ in pair.verdicts
    )


def _notes(ablation: Ablation, edits: list[Edited], joint: str = " + ") -> list[Text]:
    """What an edit leaves behind that the protocol does not."""
    lines: list[Text] = []
    protocol, base = ablation.protocol, ablation.base.end_state
    for edited in edits:
        if edited.end_state is None or base is None:
            if edited.end_state != base:
                ends = "can never end" if edited.end_state is None else "ends, as it does not with"
                lines.append(Text(f" * {joint.join(edited.labels)}: {ends}"))
            continue
        left = [
            f"incomplete, {site.name} ends as {code.hex(' ')}"
            for site, code, usual in zip(
                protocol.sites, edited.end_state.code, base.code, strict=True
            )
            if code != usual
        ]
        left += [
            f"{cell.name} ends as {'empty' if value is None else value}"
            for cell, value, usual in zip(
                protocol.cells, edited.end_state.data, base.data, strict=True
            )
            if value != usual
        ]
        if left:
            lines.append(Text(f" * {joint.join(edited.labels)}: {'; '.join(left)}"))
    if lines:
        lines.append(Text("   What then holds may hold for the wrong reason.", "dim"))
    return lines


def _pairs(ablation: Ablation, both: list[Edited]) -> list[Text]:
    if both or not ablation.pairs:
        return []
    text = "Taking two syncs away violates nothing that taking one of them away does not."
    return [Text(text)]


def _never(ablation: Ablation, shown: list[Edited]) -> list[Text]:
    labels = [_label(ablation, step) for step in shown if ablation.harmless(step)]
    if not labels:
        return []
    return [Text(f"Never needed for the properties that it keeps: {', '.join(labels)}")]


def _minimal(ablation: Ablation) -> list[Text]:
    """The answers, for the fetch models that share them."""
    answers: dict[tuple[tuple[Labels, ...], tuple[Labels, ...]], list[str]] = {}
    for fetch, sets in ablation.minimal.items():
        key = (tuple(sets), tuple(ablation.undecided[fetch]))
        answers.setdefault(key, []).append(fetch)
    lines: list[Text] = []
    for (minimal, undecided), models in answers.items():
        text = " or ".join(_set(labels) for labels in minimal) or "none does, not even all of them"
        if undecided:
            text += "; undecided: " + " or ".join(_set(labels) for labels in undecided)
        lines.append(Text(f"  {', '.join(models)}: {text}"))
    return lines


def _set(labels: Labels) -> str:
    return " + ".join(labels) or "no sync at all"


def _unsettled(ablation: Ablation) -> Text:
    if not ablation.complete:
        return Text(f"CUT SHORT ({ablation.reason}): this is what was settled by then.", "yellow")
    text = "?: the abstraction does not prove it, and no counterexample was found."
    return Text(text, "yellow")
