"""A variant's programs beside those of the protocol it was made from: what is missing, what is new.

Knows protocols.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

from modelcheck.protocol.protocol import Protocol
from modelcheck.protocol.steps import Block, Element

Mark = Literal["same", "missing", "new", "changed"]

Program = tuple[Element, ...]


def compared(base: Protocol, variant: Protocol) -> list[tuple[str, list[tuple[Mark, str]]]]:
    """Each program by its name: the labels of both protocols' steps in order, and their marks."""
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
        "handler": protocol.handler.program if protocol.handler else (),
        "callee": protocol.callee,
    }


def _marked(before: Program, after: Program, prefix: str = "") -> Iterator[tuple[Mark, str]]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for _, start, stop, first, last in matcher.get_opcodes():
        old, new = before[start:stop], after[first:last]
        if old == new:
            yield from (("same", prefix + step.label) for step in new)
        elif [step.label for step in old] == [step.label for step in new]:
            for one, other in zip(old, new, strict=True):
                if isinstance(one, Block) and isinstance(other, Block):
                    yield from _marked(one.steps, other.steps, f"{prefix}{one.label}/")
                else:
                    yield "changed", prefix + other.label
        else:
            yield from (("missing", prefix + step.label) for step in old)
            yield from (("new", prefix + step.label) for step in new)
