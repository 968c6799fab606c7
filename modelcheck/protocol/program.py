"""Programs: named steps, blocks of them, and tests that lead one of two ways.

A step says once what it is made of; see actions. Knows actions; knows no kind of step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from modelcheck.protocol.actions import Actions, Owner, synchronises
from modelcheck.protocol.checking import Name, SpecValue, Text, checked
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.source import Source, here


@dataclass(frozen=True)
class Element(SpecValue):
    """A part of a program; `label` names it in edits, traces and reports."""

    label: Text
    source: Source | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class Step(Element):
    """Something that one actor does in one go."""

    def actions(self) -> Actions:
        """What the step is made of, one after the other, with nobody in between.

        A Put stands alone; there is at most one Tell. Raises SpecError where a kind does not say.
        """
        raise SpecError(
            f"step {self.label!r}: {type(self).__name__} does not say what it is made of"
        )

    @property
    def words(self) -> str:
        """What is done, in a few words; empty where what comes of the actions says it."""
        return ""

    @property
    def owners(self) -> frozenset[Owner]:
        """Whose programs it may stand in: those that all of its actions may."""
        found = frozenset(Owner)
        return found.intersection(*(action.owners for action in self.actions()))


@dataclass(frozen=True)
class Block(Element):
    """Steps that belong together under one name, so that one edit can take all of them away."""

    steps: tuple[Element, ...]


@dataclass(frozen=True)
class If(Element):
    """A test, and what to do when it holds, and otherwise. It is named after the test."""

    test: Step
    then: tuple[Element, ...]
    otherwise: tuple[Element, ...] = ()


def flatten(program: tuple[Element, ...], prefix: str = "") -> Iterator[Step]:
    """The steps of a program in order, each labelled with the path of the blocks around it."""
    for element in program:
        label = prefix + element.label
        if isinstance(element, Block):
            yield from flatten(element.steps, label + "/")
        elif isinstance(element, If):
            yield replace(element.test, label=label)
            yield from flatten((*element.then, *element.otherwise), label + "/")
        elif isinstance(element, Step):
            yield replace(element, label=label)


def is_sync(element: Element) -> bool:
    """Whether an element only synchronises; a block does if all of its steps do."""
    steps = tuple(flatten((element,)))
    return bool(steps) and all(synchronises(step.actions()) for step in steps)


def units(program: tuple[Element, ...], prefix: str = "") -> Iterator[Element]:
    """A program in the smallest parts that stand for themselves, labelled with their paths.

    Blocks that do more than to synchronise are taken apart.
    """
    for element in program:
        path = prefix + element.label
        if isinstance(element, Block) and not is_sync(element):
            yield from units(element.steps, path + "/")
        else:
            yield replace(element, label=path)


class Line(NamedTuple):
    """A step in its place, and what it is made of: the lines it leads to, the second one where a
    test does not hold."""

    step: Step
    actions: Actions
    then: int
    otherwise: int


def flow(program: tuple[Element, ...]) -> tuple[Line, ...]:
    """A program as lines; one that leads to their number leads to the end."""
    steps = tuple(flatten(program))
    return tuple(
        Line(steps[number], steps[number].actions(), then, otherwise)
        for number, (then, otherwise) in enumerate(_leading(program, 0, len(steps)))
    )


def _leading(program: tuple[Element, ...], at: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each line of a part of a program leads: it begins at line `at` and goes on at `end`."""
    for number, element in enumerate(program):
        after = at + len(tuple(flatten((element,))))
        following = end if number == len(program) - 1 else after
        if isinstance(element, Block):
            yield from _leading(element.steps, at, following)
        elif isinstance(element, If):
            otherwise = at + 1 + len(tuple(flatten(element.then)))
            yield (
                at + 1 if element.then else following,
                otherwise if element.otherwise else following,
            )
            yield from _leading(element.then, at + 1, following)
            yield from _leading(element.otherwise, otherwise, following)
        else:
            yield following, following
        at = after


@checked
def block(label: Name, *steps: Element) -> Block:
    """Several steps under one name."""
    return Block(label, steps, source=here())


@checked
def when(test: Step, *then: Element, otherwise: tuple[Element, ...] = ()) -> If:
    """Do `then` if the test holds, and `otherwise` if it does not."""
    return If(test.label, test, then, otherwise, source=test.source)
