"""A run of a litmus test as a document that stands by itself: its JSON form, replay and frames.

Knows the litmus machine, and nothing of the main one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cattrs import BaseValidationError

from modelcheck.litmus.condition import Quantifier
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.machine import Litmus
from modelcheck.litmus.program import LitmusTest, prepare
from modelcheck.litmus.rules import named_order
from modelcheck.litmus.run import LitmusStep, LitmusWalk
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import LitmusJudgement, explored, is_shown
from modelcheck.litmus.verdict import told as final_told
from modelcheck.trace.converter import converter, faults, write_defaults
from modelcheck.trace.document import TraceError
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.told import Arrival, CellValue, Cpu, Frame, ToldRun, ToldStep, Walk

SCHEMA = 1

KIND = "litmus-run"


@dataclass(frozen=True)
class LitmusRun:
    """A run of a litmus test from its begin to a final state.

    `test` is the text of the `file`, and `rules` the name of the order that judged it; `final` is
    the final state, as text.
    """

    file: str
    rules: str
    test: str
    final: str
    steps: tuple[LitmusStep, ...]
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Raises TraceError where the parts speak of what is not there."""
        names = {thread.name for thread in self.prepared.threads}
        lines = self.test.count("\n") + 1
        for number, step in enumerate(self.steps, start=1):
            if not {step.thread, *step.told} <= names:
                others = ", ".join(sorted({step.thread, *step.told} - names))
                raise TraceError(f"step {number}: the test has no thread {others}")
            if not 0 <= step.line <= lines:
                raise TraceError(f"step {number}: the test has no line {step.line}")

    @cached_property
    def prepared(self) -> LitmusTest:
        """The test, ready to run. Raises TraceError if it is none."""
        try:
            test = prepare(read(self.test))
            named_order(test, self.rules)
        except LitmusError as error:
            raise TraceError(f"its test: {error.told(self.file)}") from error
        return test

    @property
    def outcome(self) -> str:
        """What the final state is to the test: allowed; or of a forall, that it is not required."""
        return "not required" if self.prepared.quantifier is Quantifier.FORALL else "allowed"

    @property
    def digest(self) -> str:
        """SHA-256 of the test and the rules, in hexadecimal."""
        return hashlib.sha256(f"{self.rules}\n{self.test}".encode()).hexdigest()


write_defaults(LitmusRun)


def record(file: str, text: str, judgement: LitmusJudgement) -> LitmusRun | None:
    """The run that a judgement of a file has, if it has one."""
    if judgement.final is None:
        return None
    final = final_told(judgement.test, judgement.final)
    return LitmusRun(file, judgement.order.name, text, final, judgement.run)


def to_document(run: LitmusRun) -> dict[str, Any]:
    """The run as JSON data, with its kind and its digest."""
    return {"kind": KIND, **converter.unstructure(run), "digest": run.digest}


def structure(path: Path, document: dict[str, Any]) -> LitmusRun:
    """JSON data as a run. Raises TraceError for anything that is none."""
    if document["schema"] != SCHEMA:
        raise TraceError(
            f"{path}: schema {document['schema']!r} of a {KIND}; this version reads {SCHEMA}"
        )
    rest = {key: value for key, value in document.items() if key not in ("kind", "digest")}
    try:
        run = converter.structure(rest, LitmusRun)
    except BaseValidationError as error:
        raise TraceError(f"{path}: {faults(error, 'run')}") from error
    if document.get("digest") != run.digest:
        raise TraceError(f"{path}: its test or rules are not those of its digest")
    return run


def changed(run: LitmusRun) -> str:
    """That the file has changed since the run was found, in a sentence, if it has."""
    try:
        same = Path(run.file).suffix != ".litmus" or Path(run.file).read_text() == run.test
    except (OSError, ValueError):
        return ""
    return "" if same else f"The test has changed since: {run.file} is not what this was found in."


# For a reader.


def tell(run: LitmusRun) -> ToldRun:
    """A run for a reader."""
    test = run.prepared
    asks = "which is not as" if test.quantifier is Quantifier.FORALL else "as"
    lines = run.test.splitlines()
    return ToldRun(
        file=run.file,
        name=test.name,
        variant=run.rules,
        title=f"{test.name}, rules {run.rules}",
        settings=(test.isa.name,),
        outcome=run.outcome,
        verb="",
        why=f"{run.final or 'A final state'} comes out, {asks} the test asks: {test.asked}.",
        meaning="",
        marked=True,
        sites=(),
        values=_at_first(run),
        steps=tuple(_told(run, step) for step in run.steps),
        texts={
            f"{run.file}:{step.line}": lines[step.line - 1].strip()
            for step in run.steps
            if step.line
        },
    )


def _told(run: LitmusRun, step: LitmusStep) -> ToldStep:
    return ToldStep(
        step.thread,
        step.instruction,
        f"{run.file}:{step.line}" if step.line else None,
        step.does if step.line else f"{step.instruction}: {step.does}",
        {},
        step.changed,
        flow=step.doing,
        told=step.told,
    )


def _at_first(run: LitmusRun) -> Mapping[str, str]:
    """What the places that change hold before the first step."""
    test = run.prepared
    names = {name for step in run.steps for name in step.changed}
    places = (*test.variables, *test.code)
    found = {test.where(place): test.told(test.initial(place)) for place in places}
    return {name: found.get(name, "0") for name in sorted(names)}


# Run again.


def replay(run: LitmusRun) -> int:
    """Run it through the litmus machine, and give the number of its steps.

    Each step must be possible and do what the run says, and the last must lead to the final state
    that it says, which must be one that the test asks for. Raises ReplayError where that fails.
    """
    walk = _walk(run)
    for number in range(1, len(run.steps) + 1):
        _take(run, walk, number)
    final = walk.final
    if final is None:
        raise ReplayError("after the last step, threads have not ended")
    if (told := final_told(run.prepared, final)) != run.final:
        raise ReplayError(f"the run says that it ends in {run.final!r}, the machine in {told!r}")
    if not is_shown(run.prepared, final):
        raise ReplayError(f"it ends in {told!r}, which the test does not ask for")
    return len(run.steps)


def walk(run: LitmusRun) -> Walk:
    """The run again, as frames. Raises ReplayError for a step that the machine does not allow."""
    names = tuple(thread.name for thread in run.prepared.threads)
    return Walk(tuple(_frames(run, names)), names)


def _walk(run: LitmusRun) -> LitmusWalk:
    test = run.prepared
    try:
        model: Litmus = explored(test, named_order(test, run.rules)).model
    except LitmusError as error:
        raise ReplayError(error.told(run.file)) from error
    return LitmusWalk(model)


def _take(run: LitmusRun, walk: LitmusWalk, number: int) -> int:
    """Take a step, and give the number of the thread that did."""
    recorded = run.steps[number - 1]
    where = f"step {number} ({recorded.thread}: {recorded.instruction})"
    threads = [thread.name for thread in run.prepared.threads]
    thread = threads.index(recorded.thread)
    moves = walk.moves(thread)
    if not 0 <= recorded.choice < len(moves):
        raise ReplayError(
            f"{where}: there is no choice {recorded.choice}; {recorded.thread} has {len(moves)}"
        )
    done = walk.take(thread, recorded.choice)
    if done != recorded:
        raise ReplayError(f"{where}: the run says {recorded.does!r}, the machine {done.does!r}")
    return thread


def _frames(run: LitmusRun, names: tuple[str, ...]) -> Iterator[Frame]:
    told, walk = tell(run), _walk(run)
    values = walk.values()
    frame = Frame(
        number=0,
        actor="",
        label="",
        does="before the first step",
        source=None,
        sites=(),
        cells=tuple(CellValue(name, value, False) for name, value in values.items()),
        cpus=_threads(walk, names),
    )
    yield frame
    sent: dict[str, Arrival] = {}
    for number, step in enumerate(told.steps, start=1):
        before, signals = values, walk.pending()
        thread = _take(run, walk, number)
        values = walk.values()
        arrived = signals[thread] and not walk.pending()[thread]
        arrivals = (sent.pop(step.lane),) if arrived else ()
        sent |= {name: Arrival("IPI", step.lane, number) for name in step.told}
        yield replace(
            frame,
            number=number,
            actor=step.lane,
            label=step.label,
            does=step.does,
            source=step.source,
            cells=tuple(
                CellValue(name, value, value != before[name]) for name, value in values.items()
            ),
            cpus=_threads(walk, names),
            sends=step.told,
            arrivals=arrivals,
        )


def _threads(walk: LitmusWalk, names: tuple[str, ...]) -> tuple[Cpu, ...]:
    return tuple(
        Cpu(name, None, False, None, tuple(walk.status(thread)))
        for thread, name in enumerate(names)
    )
