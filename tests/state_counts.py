"""What each search of the shipped specs comes to, pinned in state_counts.csv, so that no change of
the model goes by unseen. `python -m tests.state_counts` makes the file anew; its difference is to
be read as that of the counterexamples is.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from modelcheck.frontends.spec_files import load_suites
from modelcheck.questions.check import Overrides, Result, check, jobs

FILE = Path(__file__).with_suffix(".csv")
SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.py"))


class Search(NamedTuple):
    """Which search it is: of which variant, under which fetch model, with how many CPUs."""

    spec: str
    protocol: str
    variant: str
    fetch: str
    cpus: int


class Found(NamedTuple):
    """What it came to. `verdict` is safe, or what is violated after the `trace`'s steps."""

    verdict: str
    states: int
    transitions: int
    depth: int
    trace: int


Counts = dict[Search, Found]


def counts(spec: Path, results: Iterable[Result]) -> Counts:
    """The counts of a spec's results."""
    found: Counts = {}
    for one in results:
        job, steps = one.job, len(one.trace.steps) if one.trace else 0
        run = job.configuration
        search = Search(spec.stem, job.suite.protocol.name, job.variant.name, run.fetch, run.cpus)
        assert search not in found, search
        verdict = one.violated or str(one.verdict)
        found[search] = Found(verdict, one.states, one.transitions, one.depth, steps)
    return found


def to_csv(found: Counts) -> str:
    """A line for each search, after the names of the columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*Search._fields, *Found._fields))
    writer.writerows((*search, *one) for search, one in found.items())
    return text.getvalue()


def from_csv(text: str) -> Counts:
    """What `to_csv` wrote."""
    found: Counts = {}
    for row in csv.DictReader(io.StringIO(text)):
        numbers = {name: int(row[name]) for name in ("cpus", *Found._fields[1:])}
        fields = {**row, **numbers}
        search = Search(*(fields[name] for name in Search._fields))
        found[search] = Found(*(fields[name] for name in Found._fields))
    return found


NEWS = (
    "FEWER STATES, SAME VERDICT: is something no longer searched?",
    "another verdict",
    "other counts, same verdict",
    "no longer searched",
    "new",
)
"""Kinds of changes, the worst first."""


def changes(pinned: Counts, found: Counts) -> Sequence[str]:
    """What is not as it was, the worst first."""
    told = []
    for search in {**pinned, **found}:
        before, now = pinned.get(search), found.get(search)
        if before != now:
            kind = NEWS.index(_news(before, now))
            told.append((kind, f"{NEWS[kind]}: {_words(search)}: {_told(before)} -> {_told(now)}"))
    return [text for _, text in sorted(told)]


def _news(before: Found | None, now: Found | None) -> str:
    fewer, verdict, other, gone, new = NEWS
    if before is None:
        return new
    if now is None:
        return gone
    if before.verdict != now.verdict:
        return verdict
    return fewer if now.states < before.states else other


def _words(search: Search) -> str:
    return f"{search.spec}, {search.protocol}, {search.variant}, {search.fetch}, N={search.cpus}"


def _told(found: Found | None) -> str:
    if found is None:
        return "nothing"
    return (
        f"{found.verdict} ({found.states} states, {found.transitions} transitions, "
        f"depth {found.depth}, trace {found.trace})"
    )


def main() -> None:
    """Make the file anew, and say what has changed."""
    pinned = from_csv(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    found: Counts = {}
    for spec in SPECS:
        suites = load_suites(spec)
        found |= counts(spec, (check(job, spec=spec.stem) for job in jobs(suites, Overrides())))
    FILE.write_text(to_csv(found), encoding="utf-8")
    print("\n".join(changes(pinned, found)) or "Nothing has changed.")


if __name__ == "__main__":
    main()
