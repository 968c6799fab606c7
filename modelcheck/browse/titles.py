"""The lines above a trace: what is violated, in what configuration, and what is missing."""

from textwrap import wrap

from modelcheck.browse.opened import Opened
from modelcheck.views.trace_text import plural

NOTHING_AKIN = "the spec has none that is like this one"


def verdict(opened: Opened) -> str:
    """What violates what."""
    trace = opened.trace
    loop = "" if trace.loop is None else f", the last {len(trace.steps) - trace.loop} a loop"
    verb = "VIOLATES " if trace.violation else ""
    return (
        f"{trace.spec}: {trace.protocol.name}, variant {trace.variant}\n"
        f"{verb}{trace.outcome} in {plural(len(trace.steps), 'step')}{loop}"
    )


def why(opened: Opened, width: int) -> str:
    """What goes wrong, in a sentence; and whether the spec has changed since."""
    return "\n".join(wrap(f"{opened.trace.why} {opened.stale}".rstrip(), width))


def settings(opened: Opened, width: int) -> str:
    """What it was checked for, and whether it was a real bug."""
    trace, run = opened.trace, opened.trace.configuration
    own = " + the patcher's" if trace.protocol.patcher_executes else ""
    text = f"{plural(run.cpus, 'CPU')}{own}, fetch {run.fetch}, chunks of {run.chunk}"
    if trace.bug:
        text += f"; a bug of {trace.bug.date}: {trace.bug.title} (b: its story)"
    return text if len(text) <= width else text[: width - 3] + "..."


def against(opened: Opened, width: int) -> str:
    """What differs from the safe protocol; at most two lines."""
    contrast = opened.contrast
    if contrast is None:
        text = f"No safe program to compare with: {opened.unread or NOTHING_AKIN}"
    else:
        text = f"Unlike {contrast.name} (expected safe): " + "; ".join(contrast.summary)
    lines = wrap(text, width, subsequent_indent="  ")
    return "\n".join(lines if len(lines) <= 2 else [lines[0], lines[1][: width - 8] + " ... (p)"])


def bug_story(opened: Opened, width: int) -> str:
    """The real bug that the trace shows."""
    bug = opened.trace.bug
    if bug is None:
        return "This variant is not known to have been a real bug.\n"
    head = f"{bug.title} ({bug.project}, {bug.date}, {bug.reference})"
    return "\n".join([*wrap(head, width), "", *wrap(bug.story, width), ""])
