"""python -m benchmarks [CPUS ...]: our engines and SPIN in turns on the minimal protocol."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.child import CommandError, succeed
from benchmarks.contestants import CFLAGS, Contestant, Explorer, Run, Spin
from benchmarks.engines import RUNS

PROBE = Path(__file__).parent / "probe.c"

DIGITS = 1e-7
"""By how much numbers of transitions may differ: spin prints eight digits."""

HEADER = (
    f"{'CPUs':>4}  {'':<18}{'states':>12}{'transitions':>14}{'wall s':>9}{'search s':>10}"
    f"{'states/s':>12}{'peak MiB':>10}{'B/state':>9}{'x spin':>8}"
)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark. Returns 1 if two contestants count differently."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cpus", nargs="*", type=int, default=[5, 6], metavar="CPUS")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each; medians are shown")
    parser.add_argument(
        "--engines",
        default=",".join(RUNS),
        help="which of ours to run, by name, separated by commas (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    names = [name for name in options.engines.split(",") if name]
    unknown = [name for name in names if name not in RUNS]
    if unknown or options.rounds < 1 or min(options.cpus) < 1:
        parser.error(f"take 1 or more CPUS and rounds, and engines among {', '.join(RUNS)}")
    try:
        agreed = [compare(cpus, names, options.rounds) for cpus in options.cpus]
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(agreed) else 1


def compare(cpus: int, names: list[str], rounds: int) -> bool:
    """Run all contestants in turns and print what they took; whether their counts agree."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        contestants: list[Contestant] = []
        print(HEADER)
        if shutil.which("spin") and shutil.which("cc"):
            spin = Spin(cpus, directory)
            contestants.append(spin)
        else:
            spin = None
            print(f"{cpus:>4}  spin is absent: it takes spin and cc")
        contestants += [Explorer(name, cpus) for name in names]
        runs: dict[str, list[Run]] = {one.name: [] for one in contestants}
        for _ in range(rounds):
            for one in list(contestants):
                run = one.run()
                if run is None:
                    contestants.remove(one)
                    print(f"{cpus:>4}  {one.name} is absent")
                else:
                    runs[one.name].append(run)
        base = median(r.states / r.seconds for r in runs["spin"]) if spin else None
        for name, some in runs.items():
            if some:
                print(row(cpus, name, some, base))
        if spin:
            print(f"      spin: cc {' '.join(CFLAGS)}, pan {' '.join(spin.options)}")
            print(f"      spin: state vector of {spin.vector} bytes")
        counted = {
            (run.states, run.transitions)
            for name, some in runs.items()
            for run in some
            if name != "symmetric"
        }
        if shutil.which("cc") and counted:
            print(probe(max(states for states, _ in counted), directory))
    states, transitions = ({run[i] for run in counted} for i in (0, 1))
    if len(states) > 1 or max(transitions, default=0) > min(transitions, default=0) * (1 + DIGITS):
        print(f"      THE COUNTS DIFFER: {sorted(counted)}")
    return len(counted) <= 1


def row(cpus: int, name: str, runs: list[Run], base: float | None) -> str:
    """A line of the table: medians of some runs."""
    states, transitions = runs[0].states, runs[0].transitions
    rate = median(run.states / run.seconds for run in runs)
    return (
        f"{cpus:>4}  {name:<18}{states:>12,}{transitions:>14,}"
        f"{median(run.wall for run in runs):>9.2f}{median(run.seconds for run in runs):>10.2f}"
        f"{rate:>12,.0f}{median(run.peak for run in runs) / 1024:>10,.0f}"
        f"{median(run.grown for run in runs) * 1024 / states:>9,.0f}"
        + (f"{rate / base:>8.2f}" if base else f"{'':>8}")
    )


def probe(states: int, directory: Path) -> str:
    """How fast this machine can fill a table of that many states, as a line of text."""
    succeed(["cc", "-O3", "-march=native", "-o", "probe", str(PROBE)], directory)
    single, batched = succeed(["./probe", str(states)], directory).output.split()
    return (
        f"      this machine: {int(single):,} random inserts/s into a table for {states:,} states, "
        f"{int(batched):,} in batches"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
