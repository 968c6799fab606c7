"""The compiled engines: the same search over tables of integers, by machine code.

Numba is imported when a search begins, so that small models never pay for it. Knows systems.
"""

from dataclasses import dataclass

from modelcheck.explore.system import System
from modelcheck.explore.verdict import Exploration, Extra, Request


@dataclass(frozen=True)
class Compiled:
    """An engine in machine code, on one thread or many; small levels take one.

    The answer is that of the reference: the same states, transitions and depth, and a path as
    short and with as few switches, though it may be another such path. With `symmetric`, states
    that differ only in which replica has which local part are one, and of replicas with equal
    local parts one alone moves; states and transitions are counted so, and all else is the same.
    """

    name: str
    symmetric: bool
    takes: frozenset[Extra] = frozenset({"saving", "spill"})

    def explore(self, system: System, request: Request = Request()) -> Exploration:
        """Search all reachable states, level by level, up to the first level with a violation.

        Raises CheckpointError for a checkpoint that cannot be resumed, and UnsupportedError for a
        request to go on beyond violations.
        """
        from modelcheck.explore.compiled.search import search

        request.only(self.takes, self.name)
        return search(self.name, system, request, symmetric=self.symmetric)


COMPILED = Compiled("compiled", symmetric=False)
SYMMETRIC = Compiled("symmetric", symmetric=True)
