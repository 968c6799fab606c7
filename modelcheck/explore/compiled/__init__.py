"""The compiled explorer: the same search over tables of integers, by machine code.

Numba is imported when a search begins, so that small models never pay for it. Knows systems.
"""

import os
from pathlib import Path

from modelcheck.explore.compiled.saving import Saving
from modelcheck.explore.system import System
from modelcheck.explore.verdict import NO_LIMITS, Exploration, Limits, Watcher


def explore(
    system: System,
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
    *,
    threads: int | None = None,
    symmetric: bool = False,
    spill: Path | None = None,
    saving: Saving | None = None,
) -> Exploration:
    """Search all reachable states, level by level, up to the first level with a violation.

    The answer is that of the reference: the same states, transitions and depth, and a path as
    short and with as few switches, though it may be another such path. With `symmetric`, states
    that differ only in which replica has which local part are one, and of replicas with equal
    local parts one alone moves; states and transitions are counted so, and all else is the same.

    `threads` is all cores if not given; small levels take one. `spill` is a folder for nameless
    files that hold the states, so that a search may outgrow the memory. `saving` says where
    checkpoints are kept. Raises CheckpointError for one that cannot be resumed.
    """
    from modelcheck.explore.compiled.search import search

    return search(
        system,
        limits,
        watcher,
        threads=threads or os.cpu_count() or 1,
        symmetric=symmetric,
        spill=spill,
        saving=saving,
    )
