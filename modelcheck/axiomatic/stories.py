"""How a CPU comes to execute something: the fewest happenings after which it does.

Knows the axioms.
"""

from dataclasses import dataclass

import z3

from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.cases import Pass
from modelcheck.axiomatic.terms import Happening
from modelcheck.solver import possible


@dataclass(frozen=True)
class Story:
    """Bytes that a CPU executes at `offset` of a site, and the happenings after which it does.

    It comes there by the instructions of `walk`. Each byte was fetched as it was after the first
    `fetched` of the happenings.
    """

    site: str
    offset: int
    walk: tuple[Pass, ...]
    data: bytes
    happenings: tuple[Happening, ...]
    fetched: tuple[int, ...]


def shortest(solver: z3.Solver, way: Axioms) -> Story:
    """What the solver's constraints on one way come to, with as little as possible before it.

    They must be possible; the solver is left with more constraints.
    """
    moments = list(way.happenings())
    for _, time in reversed(moments):
        _prefer(solver, time > way.end)
    for read in way.read.values():
        _prefer(solver, read == way.end)
    assert possible(solver)
    model = solver.model()

    def when(time: z3.ArithRef) -> int:
        return int(model.eval(time, model_completion=True).as_long())

    end = when(way.end)
    past = sorted((w, n) for n, (_, time) in enumerate(moments) if (w := when(time)) <= end)
    happenings = [moments[number][0] for _, number in past]
    reads = [when(read) for read in way.read.values()]
    fetched = tuple(sum(time <= read for time, _ in past) for read in reads)
    data = [
        next(value.as_long() for seen, value in way.fetched(byte) if model.eval(seen))
        for byte in way.read
    ]
    return Story(way.site.name, way.offset, way.walk, bytes(data), tuple(happenings), fetched)


def _prefer(solver: z3.Solver, wish: z3.BoolRef) -> None:
    if possible(solver, wish):
        solver.add(wish)
