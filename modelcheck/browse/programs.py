"""Two protocols' programs beside each other, and how they differ. Knows protocols and suites."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from difflib import SequenceMatcher
from typing import Literal

from modelcheck.machine.setup import Configuration, Setup
from modelcheck.protocol.definition import CALLEE_PREFIX, CPU_PREFIX, HANDLER_PREFIX, Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Step, flatten
from modelcheck.protocol.suite import Suite, Variant

StepMark = Literal["same", "missing", "added", "moved", "changed"]


@dataclass(frozen=True)
class SideBySide:
    """A step of the safe program and one of the broken one, beside each other; None for a gap."""

    safe: Step | None
    broken: Step | None
    mark: StepMark


@dataclass(frozen=True)
class Section:
    """Two programs of one actor; `prefix` begins the labels of its steps in edits."""

    prefix: str
    rows: tuple[SideBySide, ...]

    @property
    def shared(self) -> bool:
        """Whether every CPU runs it, over and over, and not one patcher once."""
        return self.prefix in _SHARED

    @property
    def runner(self) -> str:
        """The patcher that runs it; what all CPUs run has none."""
        return "" if self.shared else self.prefix.rstrip("/") or "patcher"

    @property
    def title(self) -> str:
        """What it is called on the screen."""
        return _SHARED.get(self.prefix, self.runner)


_SHARED = {
    HANDLER_PREFIX: "handler",
    CPU_PREFIX: "every CPU",
    CALLEE_PREFIX: "the function called",
}


@dataclass(frozen=True)
class Contrast:
    """A broken protocol against one that should be safe: `name` says which that is.

    `settings` are sentences about what differs besides the programs.
    """

    name: str
    sections: tuple[Section, ...]
    settings: tuple[str, ...]

    @property
    def summary(self) -> tuple[str, ...]:
        """What is different, a few words for each thing, the programs first."""
        return (*(text for section in self.sections for text in _edits(section)), *self.settings)

    @property
    def is_akin(self) -> bool:
        """Whether most of the broken program is in the safe one, so that what is not says much."""
        rows = [row for section in self.sections for row in section.rows if row.broken]
        return 2 * sum(row.safe is not None for row in rows) >= len(rows)

    @property
    def size(self) -> int:
        """How much is different."""
        rows = [row for section in self.sections for row in section.rows]
        return sum(row.mark != "same" for row in rows) + len(self.settings)


def contrast(name: str, safe: Protocol, broken: Protocol) -> Contrast:
    """Put two protocols beside each other."""
    ours, theirs = broken.programs, safe.programs
    sections = (
        Section(
            prefix,
            align(tuple(flatten(theirs.get(prefix, ()))), tuple(flatten(ours.get(prefix, ())))),
        )
        for prefix in dict.fromkeys((*theirs, *ours))
    )
    shown = tuple(section for section in sections if section.rows)
    return Contrast(name, shown, tuple(_settings(safe, broken)))


def align(safe: tuple[Step, ...], broken: tuple[Step, ...]) -> tuple[SideBySide, ...]:
    """Two programs step by step; what is only in one of them stands beside a gap.

    A step that was only put into a block, or taken out of one, is the same step.
    """
    old, new = [step.label for step in safe], [step.label for step in broken]
    rows: list[SideBySide] = []
    for one, other in _pairs(safe, broken):
        if one is not None and other is not None:
            same = replace(one, label=other.label) == other
            rows.append(SideBySide(one, other, "same" if same else "changed"))
        elif one is not None:
            rows.append(SideBySide(one, None, "moved" if one.label in new else "missing"))
        elif other is not None:
            rows.append(SideBySide(None, other, "moved" if other.label in old else "added"))
    return tuple(rows)


StepPair = tuple[Step | None, Step | None]


def _pairs(safe: tuple[Step, ...], broken: tuple[Step, ...]) -> Iterator[StepPair]:
    """Steps of the same label beside each other; between these, of the same within a block."""
    for equal, here, there in _match(safe, broken, lambda step: step.label):
        if equal:
            yield from zip(here, there, strict=True)
            continue
        for alike, ours, theirs in _match(here, there, lambda step: step.label.split("/")[-1]):
            if alike and all(map(_nested, ours, theirs)):
                yield from zip(ours, theirs, strict=True)
            else:
                yield from ((step, None) for step in ours)
                yield from ((None, step) for step in theirs)


def _match(
    one: tuple[Step, ...], other: tuple[Step, ...], key: Callable[[Step], str]
) -> Iterator[tuple[bool, tuple[Step, ...], tuple[Step, ...]]]:
    """The two cut into pieces, with whether their keys are equal there."""
    keys = [key(step) for step in one], [key(step) for step in other]
    for what, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        yield what == "equal", one[a:b], other[c:d]


def _nested(one: Step, other: Step) -> bool:
    return one.label.endswith("/" + other.label) or other.label.endswith("/" + one.label)


def find_contrast(
    suites: tuple[Suite, ...], variant: str, broken: Protocol, configuration: Configuration
) -> Contrast | None:
    """The protocol of a spec to put beside a broken one: expected safe where that is not.

    That is the base of the same suite, or else what differs least of it, or else of other suites,
    if that is akin. None if there is nothing of the kind.
    """
    named = [suite for suite in suites if any(one.name == variant for one in suite)]
    exact = [suite for suite in named if any(one.protocol == broken for one in suite)]
    own = exact or [suite for suite in named if suite.protocol.name == broken.name]
    found: list[tuple[tuple[bool, bool, int], Contrast]] = []
    for suite in suites:
        for one in suite:
            if one.protocol == broken or not _expected_safe(one, configuration):
                continue
            name = one.name if suite in own else f"{suite.protocol.name}/{one.name}"
            made = contrast(name, one.protocol, broken)
            if suite not in own and not made.is_akin:
                continue
            found.append(((suite not in own, one.name != "base", made.size), made))
    return min(found, key=lambda each: each[0])[1] if found else None


def _expected_safe(variant: Variant, configuration: Configuration) -> bool:
    try:
        setup = Setup(variant.protocol, replace(configuration, properties=()))
    except SpecError:
        return False  # the configuration is none for this protocol
    return not variant.expect.violated(setup.fetch.name, setup.splits)


def _edits(section: Section) -> Iterator[str]:
    """What is different in a program, for each step, or each block if that is gone as a whole."""
    who = "" if section.prefix == "" else f"{section.title}: "
    for mark in ("missing", "moved", "changed", "added"):
        rows = [row for row in section.rows if row.mark == mark and (row.safe or mark == "added")]
        labels = grouped([_label(row) for row in rows], section)
        if mark == "moved":
            yield from (f"{who}{label} {_moved(label, section)}" for label in labels)
        elif labels:
            yield f"{who}{', '.join(labels)} {'is' if len(labels) == 1 else 'are'} {mark}"


def _moved(label: str, section: Section) -> str:
    """Where a step that was moved is in the safe program, by the one before it or behind it."""
    steps = [row.safe.label for row in section.rows if row.safe]
    first = next(at for at, one in enumerate(steps) if _within(one, label))
    if first:
        return f"is moved, it belongs behind {steps[first - 1]}"
    return "is moved, it belongs first"


def grouped(labels: list[str], section: Section) -> list[str]:
    """The labels, with one in place of all steps of a block where all of them are there."""
    every = {_label(row) for row in section.rows}
    found: dict[str, None] = {}
    for label in labels:
        parts = label.split("/")
        blocks = ["/".join(parts[:size]) for size in range(1, len(parts) + 1)]
        whole = (
            name for name in blocks if all(one in labels for one in every if _within(one, name))
        )
        # A test may be there without what it leads to.
        found[next(whole, label)] = None
    return list(found)


def _within(label: str, name: str) -> bool:
    return label == name or label.startswith(name + "/")


def _label(row: SideBySide) -> str:
    step = row.safe or row.broken
    assert step is not None
    return step.label


def _settings(safe: Protocol, broken: Protocol) -> Iterator[str]:
    """What differs between protocols apart from the steps of their programs."""
    for word, mine, other in (
        ("site", broken.sites, safe.sites),
        ("cell", broken.cells, safe.cells),
    ):
        names = {one.name: one for one in other}
        for each in mine:
            if each.name not in names:
                yield f"{word} {each.name} is added"
            elif names[each.name] != each:
                parts = (
                    part.name
                    for part in fields(each)
                    if getattr(each, part.name) != getattr(names[each.name], part.name)
                )
                yield f"{word} {each.name} has another {', '.join(parts)}"
        here = {one.name for one in mine}
        yield from (f"{word} {name} is missing" for name in names if name not in here)
    if safe.handler and broken.handler:
        if safe.handler.interrupts != broken.handler.interrupts:
            yield f"the handler runs with interrupts {_on(broken.handler.interrupts)}"
        if safe.handler.trap != broken.handler.trap:
            yield f"the handler serves {broken.handler.trap.hex(' ')}"
    if safe.stores != broken.stores:
        yield f"stores are {broken.stores}"
    if safe.coherent_icache != broken.coherent_icache:
        yield f"instruction caches are {'' if broken.coherent_icache else 'not '}coherent"
    if safe.coherent_dcache != broken.coherent_dcache:
        yield f"caches {'do not ' if broken.coherent_dcache else ''}need cleaning"
    if safe.patcher_executes != broken.patcher_executes:
        does = "runs" if broken.patcher_executes else "does not run"
        yield f"the patcher's own CPU {does} the sites"


def _on(flag: bool) -> str:
    return "on" if flag else "off"
