"""Who runs: SPIN on the exported model, and each of our engines that is there."""

import json
import re
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import CommandError, measure, succeed
from benchmarks.engines import ABSENT, minimal
from modelcheck.export.promela import to_promela

CLOCK = 0.01
"""The least time that SPIN reports, in seconds."""

CFLAGS = ("-O3", "-march=native", "-w", "-DSAFETY", "-DNOREDUCE", "-DMEMLIM=60000")


@dataclass(frozen=True)
class Run:
    """One run. `seconds` are of the search alone, `wall` of the whole process.

    `peak` is the most memory resident, and `grown` how much of it the search took; both in KiB.
    """

    states: int
    transitions: int
    wall: float
    seconds: float
    peak: int
    grown: int


class Contestant(ABC):
    """Somebody who can search the model."""

    name: str

    @abstractmethod
    def run(self) -> Run | None:
        """Search once, in a process of its own; None if not there."""


class Explorer(Contestant):
    """One of our engines."""

    def __init__(self, name: str, cpus: int) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "benchmarks.engines", name, str(cpus)]

    def run(self) -> Run | None:
        """Search once."""
        child = measure(self._command)
        if child.code == ABSENT:
            return None
        if child.code:
            raise CommandError(f"{self.name} exits with {child.code}")
        result = json.loads(child.output)
        if result["verdict"] != "safe":
            raise CommandError(f"{self.name} finds the model {result['verdict']}")
        return Run(
            result["states"],
            result["transitions"],
            child.seconds,
            result["seconds"],
            child.memory,
            child.memory - result["memory_before"],
        )


class Spin(Contestant):
    """SPIN, compiled for this model, with a hash table and a stack that fit it.

    What fits is found out by a first run that does not count.
    """

    name = "spin"

    def __init__(self, cpus: int, directory: Path) -> None:
        self._directory = directory
        model = to_promela(minimal(cpus), title=f"minimal, {cpus} CPUs")
        (directory / "model.pml").write_text(model)
        succeed(["spin", "-a", "-o2", "model.pml"], directory)
        succeed(["cc", *CFLAGS, "-o", "pan", "pan.c"], directory)
        self.options = [f"-m{10**7}", "-w26"]
        while "max search depth too small" in (report := self._search()):
            self.options[0] = f"-m{10 * int(self.options[0][2:])}"
        # As many slots as states, rounded up to a power of two; a stack for the depth reached.
        slots = _number(r"(\d+) states, stored", report).bit_length()
        depth = _number(r"depth reached (\d+)", report)
        self.options = [f"-m{depth + 10}", f"-w{slots}"]
        self.vector = _number(r"State-vector (\d+)", report)

    def _search(self) -> str:
        return succeed(["./pan", *self.options], self._directory).output

    def run(self) -> Run:
        """Search once."""
        child = succeed(["./pan", *self.options], self._directory)
        report = child.output
        if "max search depth too small" in report or _number(r"errors: (\d+)", report):
            raise CommandError(f"spin does not find the model safe: {report}")
        elapsed = re.search(r"elapsed time ([\d.]+) seconds", report)
        assert elapsed, report
        return Run(
            _number(r"(\d+) states, stored", report),
            # SPIN counts the initial state as a transition, and prints eight digits.
            _number(r"([\d.e+]+) transitions", report) - 1,
            child.seconds,
            max(float(elapsed[1]), CLOCK),
            child.memory,
            child.memory,
        )


def _number(pattern: str, report: str) -> int:
    found = re.search(pattern, report)
    if not found:
        raise CommandError(f"no {pattern} in what spin reports: {report}")
    return int(float(found[1]))
