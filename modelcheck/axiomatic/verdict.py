"""Whether a CPU can execute torn bytes, or bytes changed under it: one question for each site.

Knows the axioms.
"""

from collections.abc import Iterator

import z3

from modelcheck.axiomatic.axioms import Axioms, Walk
from modelcheck.machine.region import Region
from modelcheck.machine.setup import Configuration
from modelcheck.machine.state import Place
from modelcheck.protocol.code import Site
from modelcheck.protocol.properties import TORN, UNPERMITTED
from modelcheck.protocol.protocol import Protocol

DECIDED = (TORN, UNPERMITTED)
"""The properties that the axioms decide."""


def violated(protocol: Protocol, configuration: Configuration) -> frozenset[str]:
    """Which of DECIDED the protocol violates, for every number of CPUs.

    Raises NotCoveredError for a protocol that the axioms do not cover.
    """
    return frozenset(
        name
        for site in protocol.sites
        for offset, walk in walks(site)
        for name in _violated(Axioms(protocol, configuration, site, offset=offset, walk=walk))
    )


def walks(site: Site) -> Iterator[tuple[int, Walk]]:
    """Where CPUs fetch an instruction, and which they may have executed in the site before."""
    region = Region(0, site)
    todo: list[tuple[Place, Walk]] = [(place, ()) for place in region.entries()]
    while todo:
        place, walk = todo.pop()
        yield place.offset, walk
        for data in region.known(place.offset):
            after = region.onward(place, region.agreeing(place.offset, data))
            if after is not None:
                todo.append((after, (*walk, (place.offset, data))))


def _violated(axioms: Axioms) -> list[str]:
    solver = z3.Solver()
    solver.add(*axioms.named.values(), *axioms.has.values())
    questions = {TORN: axioms.is_torn()}
    if axioms.model.strict:
        questions[UNPERMITTED] = axioms.is_unpermitted()
    return [name for name, question in questions.items() if possible(solver, question)]


def possible(solver: z3.Solver, *questions: z3.BoolRef) -> bool:
    """Whether some order of events answers all questions with yes."""
    answer = solver.check(*questions)
    if answer == z3.unknown:
        # These constraints are always decided; only Ctrl-C ends the solver early.
        raise KeyboardInterrupt(solver.reason_unknown())
    return bool(answer == z3.sat)
