"""The torn-read question for all instructions at once: bytes that are left open.

Knows the axioms. What a protocol writes is told apart by the bytes that it has: old's, new's, the
trap's, or its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import z3

from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.terms import Bytes
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import Put, first
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import Element, Step, flatten
from modelcheck.protocol.vocabulary.code import Write
from modelcheck.solver import possible

Origin = Literal["old", "new"] | int
"""Where a byte that is written comes from: old, new, or just this value, whatever they are."""

Origins = dict[str, tuple[Origin, ...]]
"""For each write to a site, by its label, the origins of its bytes."""

Instructions = tuple[bytes, bytes]
"""An old and a new instruction."""


def origins(protocol: Protocol, site: Site) -> Origins:
    """The origins of all bytes that are written to a site.

    Where old and new are equal, a byte that stays is new's, for that is what a patch is to leave;
    others go with their neighbours. Raises NotCoveredError where that tells nothing.
    """
    trap = protocol.handler.trap if protocol.handler else b""
    puts = _puts(protocol, site)
    last = {put.at + i: label for label, put in puts.items() for i in range(len(put.data))}
    return {label: _origins(label, put, site, trap, last) for label, put in puts.items()}


def _puts(protocol: Protocol, site: Site) -> dict[str, Put]:
    """What the steps of the patcher write to a site, by their labels."""
    steps = ((step.label, first(Put, step.actions())) for step in flatten(protocol.program))
    return {label: put for label, put in steps if put and put.site == site.name}


def _origins(
    label: str, put: Put, site: Site, trap: bytes, last: dict[int, str]
) -> tuple[Origin, ...]:
    found: list[list[Origin]] = []
    for byte, value in enumerate(put.data, start=put.at):
        may_be: list[Origin] = []
        if value == site.new[byte]:
            may_be.append("new")
        if value == site.old[byte] and not (may_be and last[byte] == label):
            may_be.append("old")
        if trap[byte : byte + 1] == bytes([value]) or not may_be:
            may_be = [value]
        found.append(may_be)
    for order in (1, -1):
        for byte, may_be in list(enumerate(found))[::order]:
            neighbour = found[byte - order] if 0 <= byte - order < len(found) else []
            if len(may_be) > 1 and len(neighbour) == 1 and neighbour[0] in may_be:
                found[byte] = neighbour
    for byte, may_be in enumerate(found, start=put.at):
        if len(may_be) > 1:
            raise NotCoveredError(
                f"step {label!r} writes byte {byte}, which old and new have in common, so "
                "that it may stand for either; take instructions that differ there"
            )
    return tuple(may_be[0] for may_be in found)


def with_instructions(protocol: Protocol, site: Site, pair: Instructions) -> Protocol:
    """The protocol that patches another instruction into another, as this one does its own."""
    changed = replace(site, old=pair[0], new=pair[1])
    sites = tuple(changed if one == site else one for one in protocol.sites)
    edited = replace(protocol, sites=sites)
    puts = _puts(protocol, site)
    for label, of_bytes in origins(protocol, site).items():
        put = puts[label]
        data = bytes(
            pair[("old", "new").index(origin)][byte] if isinstance(origin, str) else origin
            for byte, origin in enumerate(of_bytes, start=put.at)
        )
        edited = edited.replaced(label, _writing(edited.element(label), replace(put, data=data)))
    return edited


def _writing(element: Element, put: Put) -> Step:
    """The step that writes this, in the place of a step that writes something like it."""
    return Write(
        element.label,
        put.site,
        put.data,
        put.at,
        put.order,
        put.expects,
        put.through,
        source=element.source,
    )


class AnyBytes:
    """A site whose old and new instruction may be any bytes but those of the trap.

    Raises NotCoveredError.
    """

    def __init__(self, protocol: Protocol, configuration: Configuration, site: Site) -> None:
        if site.between:
            raise NotCoveredError(f"site {site.name!r} is given bytes between old and new")
        old, new = (
            tuple(z3.BitVec(f"{name} {byte}", 8) for byte in range(len(site)))
            for name in ("old", "new")
        )
        named = {"old": old, "new": new}
        puts = _puts(protocol, site)
        data = {
            label: tuple(
                named[origin][byte] if isinstance(origin, str) else z3.BitVecVal(origin, 8)
                for byte, origin in enumerate(of_bytes, start=puts[label].at)
            )
            for label, of_bytes in origins(protocol, site).items()
        }
        axioms = Axioms(protocol, configuration, site, Bytes(old, new, data))
        self._both = (old, new)
        self._solver = z3.Solver()
        self._solver.add(*axioms.named.values(), *axioms.has.values(), axioms.is_torn())
        if axioms.trap:
            for instruction in self._both:
                self._solver.add(z3.Not(_begins(instruction, axioms.trap)))

    def torn(self, *among: Iterable[bytes]) -> Instructions | None:
        """An old and a new instruction for which a CPU can execute torn bytes; None if there are
        none. If some are given, the old one is among the first of them, the new among the second.
        """
        questions = [
            z3.Or(*(_begins(instruction, data) for data in some))
            for instruction, some in zip(self._both, among, strict=False)
        ]
        if not possible(self._solver, *questions):
            return None
        model = self._solver.model()
        old, new = (
            bytes(model.eval(byte, model_completion=True).as_long() for byte in instruction)
            for instruction in self._both
        )
        return old, new


def _begins(instruction: Sequence[z3.BitVecRef], data: bytes) -> z3.BoolRef:
    return z3.And(*(value == byte for value, byte in zip(instruction, data, strict=False)))
