"""A run of a litmus test as steps that a reader can follow, and as text with a lane a thread.

This is all that views need of a litmus run: who did what, where it stands, what changed.
Knows verdicts, and how the steps of the machine are told.
"""

from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from modelcheck.litmus.program import LitmusTest
from modelcheck.litmus.verdict import LitmusJudgement, RunStep


@dataclass(frozen=True)
class Told:
    """A step for a reader: its lane, the line in the file, the instruction, what it does, and the
    places that changed, with what they hold now."""

    lane: str
    line: int
    instruction: str
    does: str
    changed: dict[str, str]


def steps(judgement: LitmusJudgement) -> list[Told]:
    """The steps of a judgement's run."""
    return [_told(judgement.test, step) for step in judgement.run]


def _told(test: LitmusTest, step: RunStep) -> Told:
    move = step.move
    line = test.lines.get(move.at)
    changed = {}
    if move.does[0] == "write":
        _, place, value = move.does
        changed[test.where(place)] = test.told(value)
    elif move.does[0] == "bytes":
        _, place, value, length = move.does
        changed[test.where(place)] = _hex(value, length)
    return Told(
        test.threads[step.thread].name,
        line.spot.line if line else 0,
        test.isa.shown(move.instruction.text),
        _does(test, step, move.does),
        changed,
    )


def _hex(value: int, length: int) -> str:
    return (value & (1 << 8 * length) - 1).to_bytes(length, "little").hex(" ")


def _does(test: LitmusTest, step: RunStep, does: tuple[Any, ...]) -> str:
    match does:
        case ("bytes", place, value, length):
            return f"{test.where(place)} := {_hex(value, length)}"
        case ("fetch", place, int() as value, newest) if test.isa.decoder == "x86-64":
            stale = "" if newest else ", which is not the newest"
            return f"fetches {_hex(value, step.move.instruction.size)}{stale}"
        case ("read", place, value):
            return f"reads {test.where(place)} = {test.told(value)}"
        case ("read", place, value, source):
            return f"reads {test.where(place)} = {test.told(value)} from {source}"
        case ("write", place, value):
            return f"{test.where(place)} := {test.told(value)}"
        case ("clean", place):
            return f"cleans {test.where(place)}"
        case ("invalidate", None):
            return "invalidates all code"
        case ("invalidate", place):
            return f"invalidates {test.where(place)}"
        case ("fetch", place, value, newest):
            stale = "" if newest else ", which is not the newest"
            return f"fetches {test.where(place)} = {test.told(value)}{stale}"
        case ("guess", place, value):
            return f"takes {test.where(place)} to be {test.told(value)}, to be fetched later"
        case ("signal", what):
            return str(what)
        case ("predict", taken):
            return f"predicts that its condition {'holds' if taken else 'fails'}"
        case _:
            raise AssertionError(does)


def table(told: list[Told]) -> Table:
    """The steps side by side, one column a thread; the last is marked."""
    lanes = sorted({step.lane for step in told}, key=lambda lane: int(lane[1:]))
    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1), expand=False, show_edge=False)
    found.add_column("step", justify="right")
    found.add_column("line", justify="right")
    found.add_column("in memory")
    for lane in lanes:
        found.add_column(lane, overflow="fold")
    for number, step in enumerate(told, start=1):
        last = number == len(told)
        text = Text(f"{step.instruction}: {step.does}", "bold red" if last else "")
        if last:
            text.append("  <==")
        memory = "\n".join(f"{place} = {value}" for place, value in step.changed.items())
        cells = [text if step.lane == lane else Text() for lane in lanes]
        found.add_row(str(number), str(step.line or ""), Text(memory), *cells)
    return found
