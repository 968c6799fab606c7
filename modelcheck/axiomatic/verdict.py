"""Whether a CPU can execute torn bytes, or bytes changed under it: one question for each site.

Knows the axioms.
"""

import z3

from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.cases import cases
from modelcheck.axiomatic.strict import unpermitted
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import TORN, UNPERMITTED
from modelcheck.solver import possible

DECIDED = (TORN, UNPERMITTED)
"""The properties that the axioms decide."""


def violated(protocol: Protocol, configuration: Configuration) -> frozenset[str]:
    """Which of DECIDED the protocol violates, for every number of CPUs.

    Raises NotCoveredError for a protocol that the axioms do not cover.
    """
    return frozenset(
        name
        for site in protocol.sites
        for case in cases(protocol, site)
        for name in _violated(Axioms(protocol, configuration, site, case=case))
    )


def _violated(axioms: Axioms) -> list[str]:
    solver = z3.Solver()
    solver.add(*axioms.named.values(), *axioms.has.values())
    questions = {TORN: axioms.is_torn()}
    if axioms.model.strict:
        questions[UNPERMITTED] = unpermitted(axioms)
    return [name for name, question in questions.items() if possible(solver, question)]
