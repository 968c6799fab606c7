"""Repairs as diffs of a variant's steps, the cheapest first. Knows repairs."""

from collections.abc import Iterator
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.text import Text

from modelcheck.protocol.names import plural
from modelcheck.protocol.program import Element, is_sync, units
from modelcheck.protocol.step_text import phrase
from modelcheck.questions.repair import Rejected, Repair, Repairs, Standing
from modelcheck.views.comparison import heading

STYLES = {"+": "green", "-": "red"}


def render(spec: str, repairs: Repairs, most_edits: int) -> RenderableType:
    """What was found for one variant."""
    job = repairs.jobs[0]
    title = heading(spec, job, any_number=True)
    title.append(f"\n  variant {job.variant.name}", "not bold")
    models = ", ".join(job.configuration.fetch for job in repairs.jobs)
    parts: list[RenderableType] = [title]
    if job.variant.name != "base":
        lines = _stands(repairs.base, "The base protocol itself")
        parts += [Text(f"  {line}", "yellow") for line in lines]
    parts += [Text(), *_answer(repairs, models, most_edits)]
    for number, repair in enumerate(repairs.found, start=1):
        parts += [Text(), *_repair(repairs, repair, number)]
    if not repairs.complete:
        tried = plural(repairs.tried, "program")
        text = f"CUT SHORT after {tried} ({repairs.reason}): there may be more repairs."
        parts += [Text(), Text(text, "yellow")]
    return Group(*parts)


def _answer(repairs: Repairs, models: str, most_edits: int) -> Iterator[Text]:
    if repairs.complete and repairs.stands.proved:
        yield Text(f"Safe as it is under {models}: nothing to repair.", "green")
        return
    yield from map(Text, _stands(repairs.stands, "This variant"))
    if repairs.found:
        found, first = plural(len(repairs.found), "repair"), repairs.found[0]
        edits = plural(len(first.inserted) + len(first.moved), "edit")
        fewer = "" if repairs.undecided else ", and none with fewer"
        proofs = [proof for repair in repairs.found for proof in repair.proofs]
        obligations = sum(proof.obligations for proof in proofs)
        rests = f"{obligations} proof obligations, all confirmed by Z3."
        if not all(repair.proofs for repair in repairs.found):
            rests = "Z3 has not confirmed all of it."
        yield Text(
            f"{found} with {edits}{fewer}. Proved for every number of CPUs under\n"
            f"{models}; {rests}",
            "green",
        )
    elif repairs.complete:
        among = f"with up to {plural(most_edits, 'edit')}"
        tried = f"{plural(repairs.tried, 'program')} that insert syncs or move steps"
        if repairs.undecided:
            text = f"Unknown whether there is a repair {among}: none was found among {tried}."
            yield Text(text, "yellow")
        else:
            yield Text(f"No repair {among} exists among {tried}.", "red")
    counted = ((why, repairs.rejected[why]) for why in Rejected)
    why_not = [f"for {why}: {number:,}" for why, number in counted if number]
    if why_not:
        yield Text(f"Of {plural(repairs.tried, 'program')}, rejected {'; '.join(why_not)}.")


def _stands(standing: Standing, who: str) -> Iterator[str]:
    if standing.violated:
        yield f"{who} is not safe under {', '.join(standing.violated)}."
    if standing.unproved:
        yield f"{who} was neither proved nor refuted under {', '.join(standing.unproved)}."


def _repair(repairs: Repairs, repair: Repair, number: int) -> Iterator[Text]:
    order = ["", *(unit.label for unit in units(repair.protocol.program))]
    behind = {
        label: f" behind {before}" if before else " first" for before, label in pairwise(order)
    }
    edits = [f"insert {label}{behind[label]}" for label in repair.inserted]
    edits += [f"move {label}{behind[label]}" for label in repair.moved]
    text = Text(f"repair {number}: {', '.join(edits)}", "bold")
    if repair.is_base:
        text.append("   (this is the base protocol)", "not bold")
    yield text
    if _only_delays(repair):
        yield Text("It only delays when the programs return.", "yellow")
    for line in program_diff(repairs, repair):
        yield Text(line, STYLES.get(line[0], ""))


def _only_delays(repair: Repair) -> bool:
    """Whether all that is inserted stands behind all that the program changes: that mends what is
    asked for from its return on, and nothing for who goes by what it stored before."""
    order = [(unit.label, is_sync(unit)) for unit in units(repair.protocol.program)]
    last = max((at for at, (_, sync) in enumerate(order) if not sync), default=-1)
    behind = {label for label, _ in order[last + 1 :]}
    return not repair.moved and set(repair.inserted) <= behind


def program_diff(repairs: Repairs, repair: Repair) -> Iterator[str]:
    """A unified diff of the variant and its repair, a line for each step, all of it shown."""
    old, new = tuple(units(repairs.protocol.program)), tuple(units(repair.protocol.program))
    widest = max(len(unit.label) for unit in (*old, *new))
    changed = {*repair.inserted, *repair.moved}
    before, after = iter(old), iter(new)
    yield f"--- {repairs.jobs[0].variant.name}"
    yield "+++ repaired"
    while True:
        # What stays keeps its order, so both sides come to the same step next.
        gone, kept = _until_kept(before, changed)
        come, _ = _until_kept(after, changed)
        for sign, steps in (("-", gone), ("+", come), (" ", kept)):
            yield from (f"{sign}{unit.label:<{widest}}  {phrase(unit)}" for unit in steps)
        if not kept:
            return


def _until_kept(rest: Iterator[Element], changed: set[str]) -> tuple[list[Element], list[Element]]:
    """The changed steps that come next, and the unchanged one behind them, if any."""
    passed: list[Element] = []
    for unit in rest:
        if unit.label not in changed:
            return passed, [unit]
        passed.append(unit)
    return passed, []
