"""The comparison of a protocol's variants: a table for people, a document for programs.

Knows results; knows nothing of how they were come by.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, assert_never

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelcheck.explore.verdict import Verdict
from modelcheck.machine.setup import Setup
from modelcheck.protocol.code import Site, runs
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import LIVENESS, PROPERTIES
from modelcheck.questions.check import VACUOUS, Job, Result
from modelcheck.questions.findings import findings
from modelcheck.trace.document import to_document as to_trace_document
from modelcheck.views.trace_text import plural

SCHEMA = 2

HEADINGS = {
    "coherent": "co-\nherent",
    "coherent-any-order": "coherent-\nany-order",
    "store-order": "store-\norder",
    "per-chunk": "per-\nchunk",
    "incoherent": "inco-\nherent",
}

HOW = {
    "compiled": "searched by compiled code",
    "symmetric": "searched by compiled code, states counted up to a permutation of CPUs",
}

Kept = Mapping[int, Path]
"""The files that counterexamples were written to, by the place of their result in the list."""


def to_document(spec: str, results: list[Result], kept: Kept) -> dict[str, Any]:
    """The results as JSON data."""
    return {
        "schema": SCHEMA,
        "spec": spec,
        "results": [_entry(result, kept.get(number)) for number, result in enumerate(results)],
    }


def _entry(result: Result, kept: Path | None) -> dict[str, Any]:
    job, run = result.job, result.job.configuration
    return {
        "protocol": job.suite.protocol.name,
        "variant": job.variant.name,
        "cpus": run.cpus,
        "fetch": run.fetch,
        "chunk": run.chunk,
        "offset": run.offset,
        "semantics": run.semantics,
        "explorer": result.engine,
        "verdict": result.word,
        "property": result.violated,
        "properties": list(job.setup.watched),
        "not_held_to": job.setup.unwatched,
        "rests_on_nothing": list(result.vacuity.nothing),
        "notes": list(result.vacuity.notes),
        "expected": _expected(result),
        "as_expected": result.as_expected,
        "states": result.states,
        "transitions": result.transitions,
        "depth": result.depth,
        "seconds": round(result.seconds, 3),
        "counterexample": kept.as_posix() if kept else None,
        "witness": to_trace_document(result.witness.trace)
        if result.witness and result.witness.trace
        else None,
    }


def _expected(result: Result) -> str:
    """The verdict that the spec states, in a word."""
    if result.expected:
        return str(Verdict.VIOLATED)
    return VACUOUS if result.job.variant.vacuous else str(Verdict.SAFE)


def render(spec: str, results: list[Result], kept: Kept) -> RenderableType:
    """One table for each protocol of the spec, and what stands out below."""
    parts: list[RenderableType] = []
    numbered = list(enumerate(results))
    for _, group in groupby(numbered, key=lambda item: id(item[1].job.suite)):
        rows = list(group)
        parts += [
            heading(spec, rows[0][1].job),
            _table(rows),
            *_engines(rows),
            *_traces(rows, kept),
            Text(),
        ]
    parts += [*remarks(results), _summary(results)]
    return Group(*parts)


def heading(spec: str, job: Job, *, any_number: bool = False) -> Text:
    """What is checked, in which configuration; with `any_number`, for how many CPUs is left out."""
    protocol, run, setup = job.suite.protocol, job.configuration, job.setup
    number = "any number of CPUs" if any_number else plural(run.cpus, "CPU")
    own = " and the patcher's own" if protocol.patcher_executes else ""
    text = Text(f"{spec}: {protocol.name}", style="bold")
    for site in protocol.sites:
        text.append(f"\n  {site.name}: {site.old.hex(' ')} -> {site.new.hex(' ')}", "not bold")
        if site.equal_bytes:
            text.append(f"   (byte {_ranges(site.equal_bytes)}: equal, no tear can show)", "dim")
        text.append(_more_than_one(protocol, site), "bold yellow")
    text.append(
        f"\n  {number}{own}, {place(setup)}, {run.semantics}",
        "not bold",
    )
    text.append(_unlike_architecture(protocol), "yellow")
    if run.properties:
        text.append(f"\n  watching {_watched(setup)}", "yellow")
    else:
        for waiver in protocol.waived:
            text.append(f"\n  not held to {waiver.name}: {waiver.because}", "yellow")
    if not any(Setup(variant.protocol, run).splits() for variant in job.suite):
        text.append(
            "\n  All that changes lies in one chunk, which is fetched atomically: a fetch mixes "
            "old and new\n  only where memory does. That is a promise of the chunk size, not of "
            "the protocol.",
            "bold yellow",
        )
    return text


def _watched(setup: Setup) -> str:
    """The properties that were asked for, as those left out where these are few."""
    held_to = [name for name in PROPERTIES if name not in setup.unwatched]
    left_out = [name for name in held_to if name not in setup.watched]
    if set(setup.watched) <= set(held_to) and len(left_out) <= len(LIVENESS):
        return f"all but {', '.join(left_out)}" if left_out else "all"
    return f"only {', '.join(setup.watched)}"


def _ranges(numbers: tuple[int, ...]) -> str:
    """Ascending numbers as text, those in a row as a range."""
    parts = [
        [number for _, number in group]
        for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def _unlike_architecture(protocol: Protocol) -> str:
    """What a spec says of memory that its architecture does not."""
    said = []
    if protocol.stores != protocol.architecture.stores:
        said.append("stores in order" if protocol.stores == "in-order" else "weak stores")
    if protocol.coherent_icache != protocol.architecture.coherent_icache:
        said.append(f"{'' if protocol.coherent_icache else 'in'}coherent instruction caches")
    if protocol.coherent_dcache and not protocol.coherent_icache:
        said.append("nothing to clean")
    return f"\n  {' and '.join(said)}, unlike {protocol.arch}" if said else ""


def _more_than_one(protocol: Protocol, site: Site) -> str:
    """A warning if the bytes of a site begin with an instruction that is shorter."""
    for form in site.forms[:2]:
        which, data = form.name, form.data
        if form.runs != runs(len(site)):
            continue
        first = protocol.architecture.decode(data, site.address)
        if 0 < first.length < len(data):
            return (
                f"\n  Its {which} bytes begin with a shorter instruction, {first.text}. They are "
                "taken as one: a CPU\n  that stands behind the first when they change is not "
                "modelled."
            )
    return ""


def place(setup: Setup) -> str:
    """How the first site lies in the chunks that CPUs fetch."""
    chunk = plural(setup.configuration.chunk, "byte")
    return f"chunks of {chunk}, site at offset {setup.offset} of its line"


def _engines(rows: list[tuple[int, Result]]) -> list[Text]:
    """Who searched, where it was not the reference."""
    lines = []
    for engine, how in HOW.items():
        names = dict.fromkeys(r.job.variant.name for _, r in rows if r.engine == engine)
        if names:
            lines.append(Text(f"{how}: {' '.join(names)}", "dim"))
    return lines


def _traces(rows: list[tuple[int, Result]], kept: Kept) -> list[Text]:
    """Where the traces are: the folder, and the names in it."""
    paths = [kept[number] for number, _ in rows if number in kept]
    if not paths:
        return []
    names = " ".join(path.name for path in paths)
    return [Text(f"traces in {paths[0].parent.as_posix()}/: {names}", "dim")]


def _table(rows: list[tuple[int, Result]]) -> Table:
    models = list(dict.fromkeys(result.job.configuration.fetch for _, result in rows))
    widest = max(len(result.violated or "") for _, result in rows)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("variant", no_wrap=True)
    for model in models:
        table.add_column(HEADINGS.get(model, model), no_wrap=True)
    table.add_column("any\nN", no_wrap=True)
    table.add_column("violated property", overflow="fold", min_width=min(widest, 27))
    table.add_column("states", justify="right")
    table.add_column("time", justify="right")
    for name, group in groupby(rows, key=lambda item: item[1].job.variant.name):
        results = [result for _, result in group]
        properties = dict.fromkeys(result.violated for result in results if result.violated)
        table.add_row(
            Text(name),
            *(_verdict(result) for result in results),
            any_number(results),
            "\n".join(properties),
            f"{sum(result.states for result in results):,}",
            f"{sum(result.seconds for result in results):.2f}s",
        )
    return table


def _verdict(result: Result) -> Text:
    """The verdict in a cell; a counterexample's number of steps; an exclamation if unexpected."""
    match result.verdict:
        case Verdict.SAFE:
            text = Text(result.word, style="yellow" if result.is_vacuous else "green")
        case Verdict.VIOLATED:
            text = Text(f"BAD {result.depth}", style="red")
        case Verdict.INCONCLUSIVE:
            return Text("?", style="yellow")
        case _:
            assert_never(result.verdict)
    if not result.as_expected:
        text = Text.assemble(text, " !", style="bold reverse")
    return text


def any_number(results: Sequence[Result]) -> str:
    """Whether what is not violated is proved for every number of CPUs."""
    proved = [result.any_number for result in results if result.verdict is not Verdict.VIOLATED]
    if not any(proved):
        return "?" if proved else ""
    return "yes" if all(proved) else "part"


def remarks(results: Sequence[Result]) -> list[Text]:
    """What stands out: verdicts that are not as expected, and what safe ones do not rest on."""
    return [*_surprises(results), *_waived(results), *_vacuous(results)]


def _surprises(results: Sequence[Result]) -> list[Text]:
    lines: list[Text] = []
    for finding in findings(results):
        if finding.surprising:
            lines.append(Text(f"SURPRISE      {finding.where}: {finding.said}", "bold red"))
            continue
        states = max(result.states for result in finding.results)
        depth = max(result.depth for result in finding.results)
        text = f"INCONCLUSIVE  {finding.where}: {finding.result.reason}; reached {states:,} states"
        lines.append(Text(f"{text}, depth {depth}", "yellow"))
    return lines


def _waived(results: Sequence[Result]) -> list[Text]:
    """What variants are not held to, though their base is."""
    found: dict[str, None] = {}
    for job in (result.job for result in results):
        name, base = job.suite.protocol.name, job.suite.protocol.waived
        for waiver in job.variant.protocol.waived:
            if waiver not in base and not job.configuration.properties:
                line = f"{name}, {job.variant.name}: not held to {waiver.name}: {waiver.because}"
                found[line] = None
    return [Text(f"WAIVED        {line}", "yellow") for line in found]


def _vacuous(results: Sequence[Result]) -> list[Text]:
    """What safe verdicts do not rest on, with the configurations that it was found in."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for result in results:
        job = result.job
        for word, sentences in zip(("VACUOUS", "NOTE"), result.vacuity, strict=True):
            for sentence in sentences:
                key = (word, job.suite.protocol.name, job.variant.name, sentence)
                found.setdefault(key, []).append(job.configuration.fetch)
    return [
        Text(f"{word:14}{protocol}, {variant} ({', '.join(models)}): {sentence}", "yellow")
        for (word, protocol, variant, sentence), models in found.items()
    ]


def _summary(results: list[Result]) -> Text:
    unsettled = sum(result.verdict is Verdict.INCONCLUSIVE for result in results)
    surprising = sum(not result.as_expected for result in results) - unsettled
    text = Text(f"{plural(len(results), 'verdict')}{', ' if results else ''}")
    if surprising:
        text.append(f"{surprising} not as expected", style="bold red")
    if surprising and unsettled:
        text.append(", ")
    if unsettled:
        text.append(f"{unsettled} inconclusive", style="yellow")
    if results and not surprising and not unsettled:
        text.append("all as expected")
    text.append(
        ".\nsafe: all reachable states were searched. BAD n: the shortest trace has n steps; "
        "see it with\npython -m modelcheck show FILE. any N: what must never happen is excluded, "
        "where it is not BAD,\nfor every number of CPUs; that programs finish is checked for the "
        "CPUs named above."
    )
    return text
