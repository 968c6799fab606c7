"""The conformance kit: what every engine must do, tried on one engine.

    from modelcheck.explore.conformance import check_conformance

    check_conformance(MyEngine())       # raises ConformanceError, which names all that differs

Knows the reference, and what an engine is; anybody's engine can be tried, in the registry or not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from modelcheck.explore.engine import Engine, differences
from modelcheck.explore.model import Model
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.table_models import SMALL_MODELS
from modelcheck.explore.verdict import (
    INTERRUPTED,
    Exploration,
    Extra,
    Limits,
    Progress,
    Request,
    Saving,
    UnsupportedError,
    Verdict,
)


class ConformanceError(Exception):
    """An engine is not one. The message has a line for each thing that it does otherwise."""


def check_conformance(engine: Engine, models: Mapping[str, Model] = SMALL_MODELS) -> None:
    """Raises ConformanceError unless the engine does with all these models what every engine does.

    That is: the reference's verdict, property, states (up to a permutation, if the engine says
    so), transitions, depth, and the very run that it shows: the first of the shortest ones; the
    same on one thread and on two; never safe when cut short; each extra done or refused.
    """
    found = [
        f"{name}: {wrong}"
        for name, model in models.items()
        for wrong in [*_wrong_answers(engine, model), *_wrong_ends(engine, model)]
    ]
    name, model = next(iter(models.items()))
    found += [f"{name}: {wrong}" for wrong in _wrong_refusals(engine, model)]
    if found:
        raise ConformanceError(f"engine {engine.name}:\n" + "\n".join(found))


class _Folded(System):
    """A system up to a permutation of replicas: of those that are alike, the first alone moves."""

    def initial(self) -> State:
        return self._sorted(super().initial())

    def successors(self, state: State) -> Iterator[Transition]:
        for transition in super().successors(state):
            before = [
                other
                for other in range(transition.actor)
                if self.actors[other] == self.actors[transition.actor]
                and state[other + 1] == state[transition.actor + 1]
            ]
            if not (before and self._replicated(transition.actor)):
                yield transition._replace(target=self._sorted(transition.target))

    def _replicated(self, actor: int) -> bool:
        return bool(self.model.roles[self.actors[actor]].replicated)

    def _sorted(self, state: State) -> State:
        """The state whose replicas stand in the order of their local parts."""
        shared, *locals_ = state
        sorted_: list[int] = []
        for role in dict.fromkeys(self.actors):
            of_role = [
                local for local, other in zip(locals_, self.actors, strict=True) if other == role
            ]
            replicated = self.model.roles[role].replicated
            sorted_ += sorted(of_role) if replicated else of_role
        return (shared, *sorted_)


def _expected(model: Model, request: Request, *, symmetric: bool) -> Exploration:
    """What the reference answers, counted as the engine counts."""
    plain = REFERENCE.explore(System(model), request)
    if not symmetric:
        return plain
    folded = REFERENCE.explore(_Folded(model), request)
    return replace(plain, states=folded.states, transitions=folded.transitions, symmetric=True)


def _wrong_answers(engine: Engine, model: Model) -> Iterator[str]:
    """What is wrong with whole searches, asked for in all ways that the engine takes."""
    for how, found in _whole_searches(engine, model):
        request = Request(beyond_violations=how == BEYOND)
        oracle = _expected(model, request, symmetric=found.symmetric)
        wrong = differences(found, oracle)
        if found.engine != engine.name:
            wrong.append(f"the answer is {found.engine}'s")
        if found.reason is not None:
            wrong.append(f"cut short: {found.reason}")
        if how != BEYOND:
            wrong += _not_a_run(model, found)
        yield from (f"{how}: {one}" for one in wrong)


BEYOND = "beyond violations"


def _whole_searches(engine: Engine, model: Model) -> Iterator[tuple[str, Exploration]]:
    """Searches of everything, and what they do differently."""

    def explore(request: Request) -> Exploration:
        return engine.explore(System(model), request)

    yield "on one thread", explore(Request(threads=1))
    yield "on two threads", explore(Request(threads=2))
    if "beyond_violations" in engine.takes:
        yield BEYOND, explore(Request(beyond_violations=True))
    with TemporaryDirectory() as folder:
        if "spill" in engine.takes:
            yield "spilled", explore(Request(spill=Path(folder)))
        if "saving" in engine.takes:
            whole = Saving(Path(folder) / "whole", SUBJECT)
            saved = explore(Request(saving=whole))
            yield "saved", saved
            yield "taken up at the end", explore(Request(saving=replace(whole, resume=True)))
            half = Saving(Path(folder) / "half", SUBJECT)
            explore(Request(Limits(states=max(saved.states // 2, 1)), saving=half))
            yield "cut short and taken up", explore(Request(saving=replace(half, resume=True)))


SUBJECT = {"what is searched": "a small model"}


def _not_a_run(model: Model, found: Exploration) -> Iterator[str]:
    """What keeps a path from being a run of the model whose last transition alone violates."""
    if found.verdict is not Verdict.VIOLATED:
        if found.path or found.property:
            yield f"a path or a property, of a verdict {found.verdict}"
        return
    system = System(model)
    state = system.initial()
    for number, taken in enumerate(found.path, start=1):
        possible = {(t.actor, t.row.number): t for t in system.successors(state)}
        transition = possible.get((taken.actor, taken.row.number))
        if transition is None:
            yield f"transition {number} of its path is not possible"
            return
        last = number == len(found.path)
        if transition.row.violations[:1] != ((found.property,) if last else ()):
            yield f"transition {number} of its path violates {transition.row.violations}"
        state = transition.target


def _wrong_ends(engine: Engine, model: Model) -> Iterator[str]:
    """What is wrong with searches that are cut short: by limits, and by Ctrl-C."""

    def explore(request: Request) -> Exploration:
        return engine.explore(System(model), request)

    whole = explore(Request())
    for most in sorted({1, whole.states // 2, whole.states - 1} - {0}):
        found = explore(Request(Limits(states=most)))
        if found.verdict is Verdict.SAFE and whole.states > most:
            yield f"safe, with more than {most} states"
        if found.verdict is Verdict.VIOLATED and len(found.path) != len(whole.path):
            yield f"a path of {len(found.path)} transitions within {most} states"
    cut: list[tuple[str, Request]] = [
        ("more than 0 seconds", Request(Limits(seconds=0))),
        ("more than 1 MiB of memory", Request(Limits(memory=1))),
        (INTERRUPTED, Request(watcher=_interrupt)),
    ]
    for reason, request in cut:
        found = explore(request)
        if (found.verdict, found.reason) != (Verdict.INCONCLUSIVE, reason):
            yield f"{found.verdict}, {found.reason}, where it is to be inconclusive, {reason}"
        if found.path or found.property:
            yield f"a path or a property, although {reason}"
    heard: list[Progress] = []
    explore(Request(watcher=heard.append))
    if not heard:
        yield "the watcher hears nothing"


def _interrupt(_: Progress) -> None:
    raise KeyboardInterrupt


def _wrong_refusals(engine: Engine, model: Model) -> Iterator[str]:
    """Which extras of a request the engine neither does nor refuses."""
    with TemporaryDirectory() as folder:
        asked: dict[Extra, Any] = {
            "saving": Saving(Path(folder)),
            "spill": Path(folder),
            "beyond_violations": True,
        }
        assert asked.keys() == {*get_args(Extra)}
        for name in asked.keys() - engine.takes:
            try:
                engine.explore(System(model), replace(Request(), **{name: asked[name]}))
            except UnsupportedError:
                continue
            yield f"{name} is neither done nor refused"
