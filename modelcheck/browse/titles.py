"""The lines above a trace: what is violated, in what configuration, and what is missing."""

from textwrap import wrap

from modelcheck.browse.opened import Opened
from modelcheck.protocol.names import plural
from modelcheck.trace.told import ToldRun

NOTHING_AKIN = "the spec has none that is like this one"


def verdict(opened: Opened) -> str:
    """What violates what."""
    run = opened.run
    loop = "" if run.loop is None else f", the last {len(run.steps) - run.loop} a loop"
    return f"{run.file}: {run.title}\n{ends_in(run)} in {plural(len(run.steps), 'step')}{loop}"


def ends_in(run: ToldRun) -> str:
    """What a run ends in: VIOLATES no-torn-instruction, witness, allowed."""
    return f"{run.verb.upper()} {run.outcome}".strip()


def why(opened: Opened, width: int) -> str:
    """What goes wrong, and what then, in sentences; and whether the spec has changed since."""
    then = f"Then {opened.run.then}." if opened.run.then else ""
    said = (opened.run.why, then, opened.stale)
    return "\n".join(wrap(" ".join(filter(None, said)), width))


def settings(opened: Opened, width: int) -> str:
    """What it was checked for, and whether it was a real bug."""
    run = opened.run
    text = "; ".join(run.settings)
    if run.bug:
        text += f"; a bug of {run.bug.date}: {run.bug.title} (b: its story)"
    return text if len(text) <= width else text[: width - 3] + "..."


def against(opened: Opened, width: int) -> str:
    """What differs from the safe protocol; at most two lines."""
    contrast = opened.contrast
    if opened.run.protocol is None:
        return ""
    if contrast is None:
        text = f"No safe program to compare with: {opened.unread or NOTHING_AKIN}"
    else:
        text = f"Unlike {contrast.name} (expected safe): " + "; ".join(contrast.summary)
    lines = wrap(text, width, subsequent_indent="  ")
    return "\n".join(lines if len(lines) <= 2 else [lines[0], lines[1][: width - 8] + " ... (p)"])


def bug_story(opened: Opened, width: int) -> str:
    """The real bug that the trace shows."""
    bug = opened.run.bug
    if bug is None:
        return "This variant is not known to have been a real bug.\n"
    head = f"{bug.title} ({bug.project}, {bug.date}, {bug.reference})"
    return "\n".join([*wrap(head, width), "", *wrap(bug.story, width), ""])
