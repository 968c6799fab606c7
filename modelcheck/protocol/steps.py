"""The step vocabulary: what a patcher and a trap handler can do, one frozen dataclass each.

Specs use the lower-case functions, which note the source line they were called from. Knows only
sites and cells.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from modelcheck.protocol.code import Cell, Site, Value
from modelcheck.protocol.errors import SpecError

Order = Literal["ascending", "any", "single"]
"""How the bytes of one write reach memory: one by one from the lowest address, one by one in an
order nobody promises (a memcpy), or all in one atomic store."""

Instruction = Literal["old", "new"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """The line of the spec that made a step."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @staticmethod
    def parse(text: str) -> "Source":
        """The source that `str` wrote. Raises ValueError for any other text."""
        file, _, line = text.rpartition(":")
        return Source(file=file, line=int(line))


@dataclass(frozen=True)
class Element:
    """A part of a program; `label` names it in edits, traces and reports."""

    label: str
    source: Source | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, words in _choices(kind).items():
            if getattr(self, name) not in words:
                raise SpecError(
                    f"step {self.label!r}: {name} {getattr(self, name)!r} is none of "
                    + ", ".join(words)
                )


@cache
def _choices(kind: type[Element]) -> dict[str, tuple[str, ...]]:
    """The fields of a kind of step that take one of a few words, and these words."""
    hints = get_type_hints(kind)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


@dataclass(frozen=True)
class Step(Element):
    """Something one actor does in one go."""


@dataclass(frozen=True)
class Write(Step):
    """Write `data` to the code bytes of `site` from offset `at` on.

    Each byte is a step of its own unless `order` is "single".
    """

    site: str
    data: bytes
    at: int = 0
    order: Order = "ascending"


@dataclass(frozen=True)
class Store(Step):
    """Store `value` to a data cell; every CPU sees it at once."""

    cell: str
    value: Value


@dataclass(frozen=True)
class SendIpi(Step):
    """Interrupt all other CPUs to make them serialise, and serialise this CPU.

    Another CPU takes the IPI at an instruction boundary with interrupts enabled. Taking it,
    serialising and acknowledging are one step, since nobody can see in between.
    Source: Linux kernel/smp.c, on_each_cpu() with do_sync_core() of arch/x86/kernel/alternative.c.
    """


@dataclass(frozen=True)
class WaitAcks(Step):
    """Wait until every CPU has acknowledged the IPIs this program sent (wait=1 of on_each_cpu)."""


@dataclass(frozen=True)
class Lookup(Step):
    """Handler: read a cell to find out what to do; if it is None or 0 the trap is unhandled."""

    cell: str


@dataclass(frozen=True)
class Emulate(Step):
    """Handler: act as the old or new instruction would, with what `cell` held when looked up.

    If `cell` has changed since the look-up, the handler uses stale data.
    """

    instruction: Instruction = "new"
    cell: str | None = None


@dataclass(frozen=True)
class Skip(Step):
    """Handler: step over the instruction, which is to act as a no-op."""


@dataclass(frozen=True)
class Return(Step):
    """Handler: return to the interrupted code. On x86 IRET serialises (AMD APM vol. 2, 7.6.4)."""

    synchronises: bool = True


@dataclass(frozen=True)
class Block(Element):
    """Steps that belong together under one name, so that one edit can take all of them away."""

    steps: tuple[Element, ...]


HANDLER_ONLY = (Lookup, Emulate, Skip, Return)


def flatten(program: tuple[Element, ...], prefix: str = "") -> Iterator[Step]:
    """The steps of a program in order, each labelled with the path of the blocks around it."""
    for element in program:
        label = prefix + element.label
        if isinstance(element, Block):
            yield from flatten(element.steps, label + "/")
        elif isinstance(element, Step):
            yield replace(element, label=label)


def _here() -> Source | None:
    """The innermost frame outside this package: the line of the spec that calls."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("modelcheck."):
        frame = frame.f_back
    return Source(file=Path(frame.f_code.co_filename).name, line=frame.f_lineno)


def block(label: str, *steps: Element) -> Block:
    """Several steps under one name."""
    return Block(label, steps, source=_here())


def write(label: str, site: Site, data: bytes, *, at: int = 0, order: Order = "ascending") -> Write:
    """Write code bytes: `data` to `site` from byte `at` on."""
    return Write(label, site.name, data, at, order, source=_here())


def store(label: str, cell: Cell, value: Value) -> Store:
    """Store a value to a data cell."""
    return Store(label, cell.name, value, source=_here())


def send_ipi(label: str) -> SendIpi:
    """Send a serialising IPI to all other CPUs, and serialise this one."""
    return SendIpi(label, source=_here())


def wait_acks(label: str) -> WaitAcks:
    """Wait until all other CPUs have acknowledged."""
    return WaitAcks(label, source=_here())


def on_each_cpu(label: str) -> Block:
    """Make every CPU serialise, and wait for it: on_each_cpu(do_sync_core, NULL, 1)."""
    source = _here()
    steps = (SendIpi("send", source=source), WaitAcks("wait", source=source))
    return Block(label, steps, source=source)


def lookup(label: str, cell: Cell) -> Lookup:
    """Handler: look up what is published in `cell`."""
    return Lookup(label, cell.name, source=_here())


def emulate(label: str, cell: Cell | None = None, *, instruction: Instruction = "new") -> Emulate:
    """Handler: emulate the old or new instruction with the data found in `cell`."""
    return Emulate(label, instruction, cell.name if cell else None, source=_here())


def skip(label: str) -> Skip:
    """Handler: step over the instruction."""
    return Skip(label, source=_here())


def iret(label: str, *, synchronises: bool = True) -> Return:
    """Handler: return from the exception, serialising."""
    return Return(label, synchronises, source=_here())
