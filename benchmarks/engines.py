"""Our engines by name, one run in a process of its own: python -m benchmarks.engines NAME CPUS.

Prints a run as JSON. Exits with 2 where the engine is not there.
"""

import json
import resource
import runpy
import sys
from pathlib import Path

from modelcheck.explore.engine import ENGINES
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration

SPEC = Path(__file__).parent.parent / "specs" / "x86_int3_minimal.py"

RUNS = {
    "reference": ("reference", 1),
    "compiled": ("compiled", 1),
    "compiled-4-threads": ("compiled", 4),
    "symmetric": ("symmetric", 1),
}
"""For each name, the engine and its threads."""

ABSENT = 2


def minimal(cpus: int) -> Machine:
    """The twelve-step instance, byte-wise and coherent: the model whose counts are known."""
    protocol = runpy.run_path(str(SPEC))["minimal"]
    return Machine(protocol, Configuration(cpus, "coherent", semantics="bytewise"))


def memory() -> int:
    """The most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(name: str, cpus: int) -> int:
    """Run one engine once."""
    engine, threads = RUNS[name]
    if engine not in ENGINES:
        return ABSENT
    system = System(minimal(cpus))
    before = memory()
    result = ENGINES[engine].explore(system, Request(threads=threads))
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
