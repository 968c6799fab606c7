"""Recorded logs: what a kernel was seen to do while it patched its own text, as data.

The form is `log.schema.json`, beside this file. Knows files, JSON and the schema; knows no
protocol.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelcheck.trace import incoming

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SCHEMA_FILE = "log.schema.json"

LONGEST = 200
"""Characters of what is said of a line that is not as the schema wants it."""

Recorded = Literal[
    "store", "run", "count", "sync", "isb", "dsb", "dmb", "dc cvau", "ic ivau", "fence.i",
    "stop_machine", "stopped", "migrate",
]  # fmt: skip
"""What an event tells."""

ARCHITECTURES: Mapping[str, str] = {"x86": "x86-64", "arm64": "arm64", "riscv": "riscv64"}
"""What a log calls an architecture, and what a protocol does."""


class LogError(ValueError):
    """A file that is no log; the message names the line, and the remedy."""


@dataclass(frozen=True)
class LoggedSite:
    """A place in the text, or of data, that is patched: its bytes before and after, and the lengths
    of the instructions they are where that is not one."""

    name: str
    address: int
    old: bytes
    new: bytes
    old_runs: tuple[int, ...] = ()
    new_runs: tuple[int, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether it is another user's breakpoint, which stays as it is."""
        return self.old == self.new


@dataclass(frozen=True)
class LogEvent:
    """Something that a CPU did. `number` counts events from 1; the event's line is one more.

    `data` is what was stored or executed at byte `at` of a site, `value` what a cell then holds.
    """

    number: int
    cpu: int
    do: Recorded
    site: str = ""
    at: int = 0
    data: bytes = b""
    cell: str = ""
    value: int = 0

    @property
    def record(self) -> str:
        """Of which kind it is, as a header names that."""
        return f"count {self.cell}" if self.do == "count" else self.do

    def __str__(self) -> str:
        what = self.site or self.cell
        return f"cpu {self.cpu}: {deed(self.do, what, self.at, self.data, self.value)}"


def deed(do: str, what: str, at: int, data: bytes, value: int) -> str:
    """What is done, in a few words; `what` is a site or a cell."""
    if do == "count":
        return f"{what} := {value}"
    place = f"{what}+{at}" if at or do == "store" else what
    if do == "store":
        return f"store {place} := {data.hex(' ')}"
    return f"run {data.hex(' ')} at {place}" if do == "run" else do


@dataclass(frozen=True)
class TextLog:
    """A log. `records` are the kinds of events that are complete: what is not there of them did not
    happen. `patcher` is the CPU on which the patching thread is at first."""

    path: str
    isa: str
    cpus: tuple[int, ...]
    patcher: int
    records: frozenset[str]
    sites: tuple[LoggedSite, ...]
    events: tuple[LogEvent, ...]
    source: str = ""

    @property
    def arch(self) -> str:
        """The architecture, as protocols name it."""
        return ARCHITECTURES[self.isa]

    @property
    def counted(self) -> frozenset[str]:
        """The cells whose changes are complete."""
        return frozenset(
            record.removeprefix("count ") for record in self.records if record.startswith("count ")
        )

    def ran_at(self, site: str) -> frozenset[int]:
        """The bytes of a site at which executions are recorded: the first, and those that occur."""
        met = {event.at for event in self.events if (event.do, event.site) == ("run", site)}
        return frozenset({0, *met})


def load_log(path: Path) -> TextLog:
    """Read a log. Raises LogError for anything that is not one, with its line and the remedy."""
    try:
        text = incoming.read(path)
    except ValueError as error:
        raise LogError(f"{path}: {error}; name a log of newline-delimited JSON") from error
    lines = text.splitlines()
    if not lines:
        raise LogError(f"{path}: is empty; its first line is a header, see docs/conform.md")
    cut = 0 if text.endswith("\n") else len(lines)
    documents = [_parsed(path, n, line, cut=n == cut) for n, line in enumerate(lines, start=1)]
    header = documents[0]
    if not isinstance(header, dict) or "log" not in header:
        raise _fault(path, 1, "no header; the first line has log, isa, cpus and sites")
    _check(path, 1, header, "header")
    sites = tuple(_site(path, name, said) for name, said in header["sites"].items())
    if header["patcher"] not in header["cpus"]:
        raise _fault(path, 1, f"the patcher, {header['patcher']}, is none of the cpus; add it")
    if len(documents) < 2:
        raise LogError(f"{path}: has a header and no event; a log has one line for each")
    log = TextLog(
        str(path),
        header["isa"],
        tuple(header["cpus"]),
        header["patcher"],
        frozenset(header["records"]),
        sites,
        tuple(_events(path, documents[1:])),
        header.get("source", ""),
    )
    for event in log.events:
        if fault := _unknown(log, event):
            raise _fault(path, event.number + 1, fault)
    return log


def _fault(path: Path, line: int, what: str) -> LogError:
    return LogError(f"{path}:{line}: {what}")


def _parsed(path: Path, number: int, line: str, *, cut: bool) -> Any:
    try:
        return incoming.parse(line)
    except json.JSONDecodeError as error:
        remedy = "is the file cut off?" if cut else "each line is one object"
        what = f"not JSON: {error.msg}, column {error.colno}; {remedy}"
        raise _fault(path, number, what) from error
    except ValueError as error:
        raise _fault(path, number, f"{error}; take it out") from error


@cache
def _validator(part: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # here: it takes a while to import

    schema = json.loads(files(__package__).joinpath(SCHEMA_FILE).read_text(encoding="utf-8"))
    return Draft202012Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{part}"})


def _check(path: Path, line: int, document: Any, part: str) -> None:
    """Raise LogError unless a line is what the schema says of that part."""
    from jsonschema.exceptions import best_match

    faults = list(_validator(part).iter_errors(document))
    # A field that is written wrongly is missing, too; that it is not known says more.
    unknown = [fault for fault in faults if fault.validator == "additionalProperties"]
    fault = best_match(unknown or faults)
    if fault is None:
        return
    place = "/".join(map(str, fault.absolute_path))
    what = fault.message if len(fault.message) <= LONGEST else fault.message[:LONGEST] + "..."
    where = f"{place}: " if place else ""
    called = part if part != "other" else "event"
    raise _fault(path, line, f"{where}{what}; see {called} in {SCHEMA_FILE}, or docs/conform.md")


def _site(path: Path, name: str, said: dict[str, Any]) -> LoggedSite:
    site = LoggedSite(
        name,
        int(said["address"], 16),
        bytes.fromhex(said["old"]),
        bytes.fromhex(said["new"]),
        tuple(said.get("old_runs", ())),
        tuple(said.get("new_runs", ())),
    )
    if len(site.old) != len(site.new):
        raise _fault(
            path,
            1,
            f"site {name!r}: old has {len(site.old)} bytes and new has {len(site.new)}; give both "
            "the same length",
        )
    for form in ("old", "new"):
        lengths = getattr(site, f"{form}_runs")
        if lengths and sum(lengths) != len(site.old):
            raise _fault(
                path,
                1,
                f"site {name!r}: {form}_runs are {sum(lengths)} bytes, and the site has "
                f"{len(site.old)}; give the lengths of all instructions",
            )
    return site


def _events(path: Path, documents: list[Any]) -> Iterator[LogEvent]:
    for number, document in enumerate(documents, start=1):
        line = number + 1
        do = document.get("do") if isinstance(document, dict) else None
        _check(path, line, document, do if do in ("store", "run", "count") else "other")
        yield LogEvent(
            number,
            document["cpu"],
            document["do"],
            document.get("site", ""),
            document.get("at", 0),
            bytes.fromhex(document.get("bytes", "")),
            document.get("cell", ""),
            document.get("value", 0),
        )


def _unknown(log: TextLog, event: LogEvent) -> str | None:
    """What an event speaks of that the header does not have, if anything, and the remedy."""
    if event.cpu not in log.cpus:
        return f"cpu {event.cpu} is none of the header's cpus; add it there"
    if event.do != "migrate" and event.record not in log.records:
        known = ", ".join(sorted(log.records))
        return (
            f"{event.record!r} is none of the header's records, {known}; add it if it is complete"
        )
    if event.do in ("store", "run"):
        sizes = {site.name: len(site.old) for site in log.sites}
        if event.site not in sizes:
            return f"no site {event.site!r} in the header; it has {', '.join(sizes)}"
        room = sizes[event.site]
        if event.at + (len(event.data) if event.do == "store" else 1) > room:
            return (
                f"{len(event.data)} bytes from byte {event.at} on are not within site "
                f"{event.site!r}, which has {room}; correct at or bytes"
            )
    return None
