"""A variant's programs beside those of the protocol it was made from: what is missing, what is new.

Knows protocols.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import Block, Element
from modelcheck.protocol.step_text import phrase

ElementMark = Literal["same", "missing", "new", "changed"]

Program = tuple[Element, ...]


class Marked(NamedTuple):
    """A step of one protocol or both: its label, and what it does."""

    mark: ElementMark
    label: str
    does: str


def compared(base: Protocol, variant: Protocol) -> list[tuple[str, list[Marked]]]:
    """Each program by its name: the steps of both protocols in order."""
    before, after = _programs(base), _programs(variant)
    marked = [
        (name, list(_marked(before.get(name, ()), after.get(name, ()))))
        for name in dict.fromkeys((*before, *after))
    ]
    return [(name, steps) for name, steps in marked if steps]


def _programs(protocol: Protocol) -> dict[str, Program]:
    return {
        "patcher": protocol.program,
        **{patcher.name: patcher.program for patcher in protocol.patchers},
        "CPUs": protocol.cpu_program,
        "NMI": protocol.nmi,
        "handler": protocol.handler.program if protocol.handler else (),
        **{one.words: one.program for one in protocol.every_callee.values()},
    }


def _marked(before: Program, after: Program, prefix: str = "") -> Iterator[Marked]:
    def marked(mark: ElementMark, element: Element) -> Marked:
        return Marked(mark, prefix + element.label, phrase(element))

    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for _, start, stop, first, last in matcher.get_opcodes():
        old, new = before[start:stop], after[first:last]
        if old == new:
            yield from (marked("same", element) for element in new)
        elif [element.label for element in old] == [element.label for element in new]:
            for one, other in zip(old, new, strict=True):
                if isinstance(one, Block) and isinstance(other, Block):
                    yield from _marked(one.steps, other.steps, f"{prefix}{one.label}/")
                else:
                    yield marked("changed", other)
        else:
            yield from (marked("missing", element) for element in old)
            yield from (marked("new", element) for element in new)
