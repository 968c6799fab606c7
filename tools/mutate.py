"""Mutation testing: edit the source a little, again and again, and see whether the tests notice.

    python -m tools.mutate --sample 300 --seed 1 --results mutants.jsonl
    python -m tools.mutate --known

Each mutant is put into a copy of the tree, where the tests that ought to notice it are run, those
that are quick to notice first. What is run, and what came of it, is known here alone; the mutants
are made by mutants.py, and those with a verdict are kept in tests/mutants/known.toml.
"""

import argparse
import ast
import compileall
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Literal, NamedTuple

import psutil

from tools.mutants import Mutant, mutants
from tools.noticing import LEFT_OUT, PARTS, noticing

ROOT = Path(__file__).parent.parent
KNOWN = "tests/mutants/known.toml"

HEAVY = (
    *("pytest", "hypothesis", "z3", "cvc5", "numba", "networkx", "cattrs", "rich", "click"),
    *("pydantic", "iced_x86", "capstone", "filelock", "psutil"),
)
"""What the tests import besides the package: once, and not in each process."""

PATIENCE = 3
"""How many times as long as without a mutant the tests may take, in seconds of the processor."""

LEAST = 60
"""... and how many seconds they may take in any case."""

WAITING = 600
"""Seconds without any use of the processor, after which tests wait for what does not come."""

ENOUGH = 0.9
"""The score that a sample has to have."""

MEMORY = 8 << 30
"""Bytes of address space: a mutant that takes more has been noticed."""

Verdict = Literal["killed", "time-out", "survived", "equivalent"]


@dataclass(frozen=True)
class Known:
    """An edit that somebody has thought about: `old`, which stands in the file once, becomes `new`.

    Either `killed_by` names the tests that notice it, or `equivalent` says why none can.
    """

    name: str
    path: str
    old: str
    new: str
    killed_by: tuple[str, ...] = ()
    equivalent: str = ""

    def mutant(self, root: Path) -> Mutant:
        """The mutant; raises ValueError if it is not one edit of the file as it is."""
        source = (root / self.path).read_text(encoding="utf-8")
        if source.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: {self.path} has {self.old!r} {source.count(self.old)} times"
            )
        if bool(self.killed_by) == bool(self.equivalent):
            raise ValueError(f"{self.name}: say either what kills it, or why nothing can")
        before = source[: source.index(self.old)]
        begin, line = len(before.encode()), before.count("\n") + 1
        return Mutant(self.path, line, begin, begin + len(self.old.encode()), self.old, self.new)


def known(root: Path) -> list[Known]:
    """The edits with a verdict."""
    tables = tomllib.loads((root / KNOWN).read_text(encoding="utf-8"))["mutant"]
    return [Known(**{**table, "killed_by": tuple(table.get("killed_by", ()))}) for table in tables]


class Result(NamedTuple):
    """What came of a mutant, and the test that noticed it."""

    mutant: Mutant
    verdict: Verdict
    by: str = ""
    seconds: float = 0.0


class Workshop:
    """A copy of the tree, in which mutants are made and tested one after the other."""

    def __init__(self, root: Path, folder: Path, least: int = LEAST) -> None:
        self.root, self.least = root, least
        self.tree, self.output = folder / "tree", folder / "output"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "counterexamples")
        shutil.copytree(root, self.tree, ignore=ignored)
        shared = root.parent / "shared"
        if shared.is_dir():
            (folder / "shared").symlink_to(shared.resolve())
        # By digest, since a mutant may have the size and the second of its original.
        compileall.compile_dir(
            self.tree, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH
        )
        for name in HEAVY:
            import_module(name)
        self.usual: dict[tuple[str, ...], float] = {}
        """The seconds that tests take without a mutant."""

    def unmutated(self, tests: tuple[str, ...]) -> float:
        """How long tests take without a mutant; ends the program if they fail."""
        code, self.usual[tests] = self.run(tests, "", None)
        if code != 0:
            said = self.output.read_text(encoding="utf-8", errors="replace")
            sys.exit(f"without any mutant, {' '.join(tests)} fails:\n{said}")
        return self.usual[tests]

    def tested(self, mutant: Mutant, tests: tuple[str, ...]) -> Result:
        """What the tests say of a mutant."""
        file = self.tree / mutant.path
        source = file.read_text(encoding="utf-8")
        started = time.monotonic()
        file.write_text(mutant.applied(source), encoding="utf-8")
        most = self.least + int(PATIENCE * self.usual.get(tests, 0))
        try:
            code, _ = self.run(tests, mutant.path, most)
        finally:
            file.write_text(source, encoding="utf-8")
        said = self.output.read_text(encoding="utf-8", errors="replace")
        late = code in (-signal.SIGXCPU, -signal.SIGKILL)
        verdict: Verdict = "time-out" if late else "killed" if code else "survived"
        failed = [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        by = failed[-1].split(" - ")[0].split(" ", 1)[1] if failed and not late else ""
        return Result(mutant, verdict, by, round(time.monotonic() - started, 1))

    def run(self, tests: tuple[str, ...], mutated: str, most: int | None) -> tuple[int, float]:
        """The exit code of pytest on the copy, in a process of its own, and the seconds that it
        took the processor; the code is a negative signal if it took more than `most`."""
        child = os.fork()
        if child == 0:
            try:
                self._in_child(tests, mutated, most)
            finally:
                os._exit(99)
        done, spent, last = 0, 0.0, time.monotonic()
        try:
            while not done and time.monotonic() < last + WAITING:
                done, ended, used = os.wait4(child, os.WNOHANG)
                if not done and (now := _spent(child)) != spent:
                    spent, last = now, time.monotonic()
                time.sleep(0.05)
        finally:
            # It, if it is still there, and whatever it has started.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            if not done:
                _, ended, used = os.wait4(child, 0)
        return os.waitstatus_to_exitcode(ended), used.ru_utime + used.ru_stime

    def _in_child(self, tests: tuple[str, ...], mutated: str, most: int | None) -> None:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if most is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
        out = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(out, stream)
        # What mutated kernels compile to is not for others.
        kernels = "of mutant" if mutated.startswith("modelcheck/explore/compiled/") else "kept"
        cache = self.tree.parent / "machine code" / kernels
        if kernels != "kept":
            shutil.rmtree(cache, ignore_errors=True)
        import numba
        import pytest

        numba.config.CACHE_DIR = str(cache)
        os.environ |= {"PYTHONPATH": str(self.tree), "NUMBA_CACHE_DIR": str(cache)}
        os.chdir(self.tree)
        sys.path[:] = [str(self.tree), *(p for p in sys.path if p not in ("", str(self.root)))]
        options = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist"]
        options += ["-o", "addopts=", "-m", "not slow", "--hypothesis-profile=mutants"]
        code = pytest.main([*options, *tests])
        sys.stdout.flush()
        os._exit(code)


def _spent(child: int) -> float:
    """The seconds that a process and those that it waited for have used of the processor."""
    with suppress(psutil.Error):
        return sum(psutil.Process(child).cpu_times()[:4])
    return 0.0


def all_mutants(root: Path, parts: Sequence[str]) -> Iterator[Mutant]:
    """The mutants of all files of these parts."""
    for part in parts:
        top = root / part
        for file in [top] if top.is_file() else sorted(top.rglob("*.py")):
            path = file.relative_to(root).as_posix()
            if path not in LEFT_OUT:
                yield from mutants(path, file.read_text(encoding="utf-8"))


def sample(every: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """So many of them, the same ones for each seed."""
    return random.Random(seed).sample(every, min(size, len(every)))


def argued(root: Path) -> set[tuple[str, str]]:
    """What the edits that are shown to be equivalent make of their files."""
    return {_meant(one.mutant(root), root) for one in known(root) if one.equivalent}


def _meant(mutant: Mutant, root: Path) -> tuple[str, str]:
    """What a mutant makes of its file: the path, and the program, however it is laid out."""
    source = (root / mutant.path).read_text(encoding="utf-8")
    return mutant.path, ast.dump(ast.parse(mutant.applied(source)))


# What is done.


def run_sample(shop: Workshop, chosen: Sequence[Mutant], results: Path | None) -> list[Result]:
    """Test all mutants that the results do not have yet, and add to them."""
    done: dict[Mutant, Result] = {}
    if results and results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            match json.loads(line):
                case [list(names), float(seconds)]:
                    shop.usual[tuple(names)] = seconds
                case [mutant, *rest]:
                    done[Mutant(*mutant)] = Result(Mutant(*mutant), *rest)
    equivalent = argued(shop.root)
    found: list[Result] = []
    for mutant in chosen:
        result = done.get(mutant)
        if result is None:
            tests = noticing(mutant.path)
            if tests not in shop.usual:
                _keep(results, (tests, shop.unmutated(tests)))
            result = shop.tested(mutant, tests)
            _keep(results, result)
        if result.verdict == "survived" and _meant(mutant, shop.root) in equivalent:
            result = result._replace(verdict="equivalent")
        found.append(result)
        print(f"{result.verdict:10} {result.seconds:6.1f} s  {mutant}  {result.by}", flush=True)
    return found


def _keep(results: Path | None, entry: tuple[object, ...]) -> None:
    if results:
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def run_known(shop: Workshop, entries: Sequence[Known]) -> list[Result]:
    """Test all edits of the list, each by the tests that are to notice it."""
    found = []
    for one in entries:
        mutant = one.mutant(shop.root)
        if one.equivalent:
            result = Result(mutant, "equivalent")
        else:
            result = shop.tested(mutant, one.killed_by)
        found.append(result)
        print(f"{result.verdict:10} {result.seconds:6.1f} s  {one.name}", flush=True)
    return found


def score(found: Sequence[Result]) -> float:
    """The share of those noticed, of those not shown to be equivalent."""
    rest = [result for result in found if result.verdict != "equivalent"]
    return sum(result.verdict != "survived" for result in rest) / len(rest) if rest else 1.0


def told(found: Sequence[Result]) -> str:
    """The score, and who survived."""
    counts = {
        v: sum(r.verdict == v for r in found)
        for v in ("killed", "time-out", "survived", "equivalent")
    }
    numbers = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    survivors = "".join(f"\n  {r.mutant}" for r in found if r.verdict == "survived")
    return f"{len(found)} mutants: {numbers}. Score {score(found):.1%}.{survivors}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if too many mutants survive, or any of the known ones."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help="files or folders to mutate")
    parser.add_argument("--known", action="store_true", help="test the edits of known.toml")
    parser.add_argument("--sample", type=int, default=300, help="how many mutants (300)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree (this one)")
    parser.add_argument(
        "--least",
        type=int,
        default=LEAST,
        help=f"""seconds of the processor that
        the tests of a mutant may take in any case ({LEAST})""",
    )
    parser.add_argument("--results", type=Path, help="where to keep results, and go on from them")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(asked.root, Path(folder), asked.least)
        if asked.known:
            found, enough = run_known(shop, known(asked.root)), 1.0
        else:
            every = sorted(set(all_mutants(asked.root, asked.parts)))
            chosen = sample(every, asked.sample, asked.seed)
            found, enough = run_sample(shop, chosen, asked.results), ENOUGH
    print(told(found))
    return int(score(found) < enough)


if __name__ == "__main__":
    sys.exit(main())
