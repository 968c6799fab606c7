"""Passes through a region that mix instructions of its forms, each of them whole.

What no mix of bytes shows: a CPU stands between two instructions while both are replaced, and goes
on in the other form. Knows the axioms.
"""

from collections.abc import Iterator

import z3

from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.cases import Case, cases
from modelcheck.axiomatic.stories import Story, shortest
from modelcheck.axiomatic.terms import constants
from modelcheck.machine.region import Region
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol
from modelcheck.solver import possible


def mixed_sequences(protocol: Protocol, configuration: Configuration) -> tuple[Story, ...]:
    """For each instruction that a CPU can go on with in another form than it began with, how.

    What a trap handler acts out in the wrong form is not among them. Raises NotCoveredError.
    """
    found: dict[tuple[str, int, bytes], Story] = {}
    for site in protocol.sites:
        if site.is_region:
            for case in cases(protocol, site):
                for data in _of_other_forms(protocol, site, case):
                    key = site.name, case.offset, data
                    if key not in found and (
                        story := _story(Axioms(protocol, configuration, site, case=case), data)
                    ):
                        found[key] = story
    return tuple(found.values())


def _of_other_forms(protocol: Protocol, site: Site, case: Case) -> Iterator[bytes]:
    """The instructions where a CPU is that belong to no form which it agrees with so far."""
    region = Region(0, site)
    trap = protocol.handler.trap if protocol.handler else b""
    for data in region.known(case.offset):
        is_trap = bool(trap) and data.startswith(trap)
        if case.forms and not is_trap and not region.agreeing(case.offset, data) & case.forms:
            yield data


def _story(way: Axioms, data: bytes) -> Story | None:
    solver = z3.Solver()
    solver.add(*way.named.values(), *way.has.values(), way.begins_with(constants(data)))
    if not possible(solver):
        return None
    return shortest(solver, way)
