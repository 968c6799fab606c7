"""Our explorers by name, one run in a process of its own: python -m benchmarks.explorers NAME CPUS.

Prints a run as JSON. Exits with 2 where the explorer is not there.
"""

import importlib
import json
import resource
import runpy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from modelcheck.explore.system import System
from modelcheck.explore.verdict import Exploration, Limits
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration

SPEC = Path(__file__).parent.parent / "specs" / "x86_int3_minimal.py"

EXPLORERS: dict[str, tuple[str, dict[str, int | bool]]] = {
    "reference": ("modelcheck.explore.reference", {}),
    "compiled": ("modelcheck.explore.compiled", {"threads": 1}),
    "compiled-4-threads": ("modelcheck.explore.compiled", {"threads": 4}),
    "symmetric": ("modelcheck.explore.compiled", {"threads": 1, "symmetric": True}),
}
"""For each name, the module whose explore() it is, and its arguments."""

ABSENT = 2


def minimal(cpus: int) -> Machine:
    """The twelve-step instance, byte-wise and coherent: the model whose counts are known."""
    protocol = runpy.run_path(str(SPEC))["minimal"]
    return Machine(protocol, Configuration(cpus, "coherent", semantics="bytewise"))


def load(name: str) -> Callable[[System], Exploration] | None:
    """The explorer of this name, or None if it is not there."""
    module, arguments = EXPLORERS[name]
    try:
        explore = importlib.import_module(module).explore
    except ImportError:
        return None
    return partial(explore, limits=Limits(), watcher=None, **arguments)


def memory() -> int:
    """The most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(name: str, cpus: int) -> int:
    """Run one explorer once."""
    explore = load(name)
    if explore is None:
        return ABSENT
    system = System(minimal(cpus))
    before = memory()
    result = explore(system)
    print(
        json.dumps(
            {
                "verdict": result.verdict,
                "states": result.states,
                "transitions": result.transitions,
                "seconds": result.seconds,
                "memory_before": before,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
