"""A protocol, and how it is run, from JSON as traces and certificates have it. Knows JSON alone.

What is not known here is refused by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]

OLD, NEW = 0, 1
"""The first two forms of a site."""


class UnknownError(ValueError):
    """The JSON has something that this machine does not know, or is none of its kind."""


STEPS: dict[str, Json] = {
    "Write": {"order": "ascending", "at": 0, "expects": "", "through": None},
    "Store": {},
    "Add": {},
    "IncrementUnlessZero": {},
    "Test": {},
    "WaitUntil": {},
    "Lock": {},
    "Unlock": {},
    "Fence": {},
    "Pause": {},
    "IrqOff": {},
    "IrqOn": {},
    "Serialise": {},
    "CleanDcache": {},
    "InvalidateIcache": {},
    "SendIpi": {"synchronises": True, "deferred": False},
    "WaitAcks": {},
    "StopCpus": {},
    "WaitStopped": {},
    "ReleaseCpus": {"synchronises": True},
    "StartGrace": {"regions": True},
    "WaitGrace": {},
    "Execute": {},
    "EnterUser": {},
    "LeaveUser": {},
    "Flush": {},
    "Lookup": {"search": False},
    "Use": {},
    "Emulate": {"instruction": "new", "cell": None},
    "Skip": {},
    "Return": {"synchronises": True},
    "NotOurs": {"synchronises": True},
}
"""All kinds of steps, and what their fields are where the JSON leaves them out."""

NEEDED = {
    "Write": {"site", "data"},
    "Store": {"cell", "value"},
    "Add": {"cell", "amount"},
    "Test": {"cell", "value"},
    "WaitUntil": {"cell", "value"},
    "Execute": {"sites"},
} | dict.fromkeys(("IncrementUnlessZero", "Lock", "Unlock", "Lookup", "Use"), {"cell"})
"""The fields that a kind of step has in any case, besides its label."""


@dataclass(frozen=True, eq=False)
class Step:
    """A step of a program, or an If, whose test is its first step."""

    kind: str
    label: str
    fields: Json
    test: "Step | None" = None
    then: "Program" = ()
    otherwise: "Program" = ()

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


Program = tuple[Step, ...]
"""What is still to be done. A step is itself alone, so that places in a program are told apart."""


class Form(NamedTuple):
    """What a site may be: its bytes, and for each instruction's offset its length and the next."""

    data: bytes
    length: dict[int, int]
    onward: dict[int, int | None]

    def at(self, offset: int) -> bytes:
        """The instruction at an offset; none if there is none."""
        return self.data[offset : offset + self.length.get(offset, 0)]


@dataclass(frozen=True)
class Site:
    """Code: its forms, old and new first, where CPUs enter, and whether it is a region."""

    name: str
    address: int
    forms: tuple[Form, ...]
    entries: tuple[int, ...]
    foreign: bool
    region: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.forms[OLD].data)


@dataclass(frozen=True)
class Setting:
    """A protocol in one configuration."""

    sites: tuple[Site, ...]
    cells: tuple[str, ...]
    initial: tuple[Any, ...]
    per_cpu: frozenset[int]
    patchers: tuple[Program, ...]
    cpu_program: Program
    handler: Program
    callee: Program
    trap: bytes
    masked: bool
    """Whether interrupts are masked in the handler."""
    patcher_executes: bool
    weak: bool
    coherent_icache: bool
    isa: str
    cpus: int
    fetch: str
    chunk: int
    shift: int
    """What to add to an address to know its place in a line."""
    in_one_step: bool
    """Whether a fetch is one step."""
    counts_to: dict[int, int] = field(default_factory=dict)
    """For each cell that counts, from where on it is many, if the number of CPUs is left open."""
    watched: tuple[str, ...] = ()


def _take(data: Any, what: str, needed: set[str], known: Json) -> Json:
    """An object's fields, with what it leaves out."""
    if not isinstance(data, dict):
        raise UnknownError(f"{what} is no object: {data!r}")
    if unknown := set(data) - needed - set(known):
        raise UnknownError(f"{what} has {sorted(unknown)}, which is not known here")
    if missing := needed - set(data):
        raise UnknownError(f"{what} lacks {sorted(missing)}")
    return {**known, **data}


def value_of(value: Any) -> Any:
    """What a cell holds."""
    return tuple(value) if isinstance(value, list) else value


def _step(data: Json, label: str) -> Step:
    kind = data.get("step")
    if kind not in STEPS:
        raise UnknownError(f"step {label!r}: kind {kind!r} is not known here")
    needed = {"label", "step"} | NEEDED.get(kind, set())
    fields = _take(data, f"step {label!r}", needed, {"source": None, **STEPS[kind]})
    for name in ("data", "expects"):
        if name in fields:
            fields[name] = bytes.fromhex(fields[name])
    if "value" in fields:
        fields["value"] = value_of(fields["value"])
    return Step(kind, label, fields)


def program(elements: list[Json], path: str = "") -> Program:
    """A program: the steps of blocks in their places."""
    found: list[Step] = []
    for data in elements:
        label = path + data["label"]
        match data.get("step"):
            case "Block":
                _take(data, f"block {label!r}", {"label", "steps", "step"}, {"source": None})
                found += program(data["steps"], label + "/")
            case "If":
                needed = {"label", "test", "then", "step"}
                data = _take(data, f"if {label!r}", needed, {"source": None, "otherwise": []})
                ways = [program(data[way], label + "/") for way in ("then", "otherwise")]
                found.append(Step("If", label, {}, _step(data["test"], label), *ways))
            case _:
                found.append(_step(data, label))
    return tuple(found)


def steps_of(elements: Program) -> Iterator[Step]:
    """All steps of a program, tests included, in the order in which they are written."""
    for step in elements:
        if step.test is not None:
            yield step.test
            yield from steps_of(step.then + step.otherwise)
        else:
            yield step


def places(elements: Program, after: Program = ()) -> Iterator[Program]:
    """What is still to be done at each step, in the order in which they are written."""
    for number, step in enumerate(elements):
        rest = elements[number + 1 :] + after
        yield (step, *rest)
        yield from places(step.then, rest)
        yield from places(step.otherwise, rest)


def _form(data: str, runs: list[list[int]]) -> Form:
    contents = bytes.fromhex(data)
    each = runs or [[0, len(contents)]]
    following = [offset for offset, _ in each[1:]] + [None]
    return Form(
        contents,
        {offset: length for offset, length in each},
        {offset: after for (offset, _), after in zip(each, following, strict=True)},
    )


def _site(data: Json) -> Site:
    left_out = {"address": 0, "old_runs": [], "new_runs": [], "between": [], "entries": [0]}
    site = _take(data, "a site", {"name", "old", "new"}, {**left_out, "foreign": False})
    forms = [_form(site["old"], site["old_runs"]), _form(site["new"], site["new_runs"])]
    for between in site["between"]:
        _take(between, "a form", {"name", "data", "runs"}, {})
        forms.append(_form(between["data"], between["runs"]))
    one = all(form.length == {0: len(form.data)} for form in forms)
    entries = tuple(site["entries"])
    inside = entries != (0,) or not one
    return Site(site["name"], site["address"], tuple(forms), entries, site["foreign"], inside)


FETCH = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent", "strict")
"""The fetch models."""

PROTOCOL: Json = {
    "handler": None,
    "cells": [],
    "properties": ["no-torn-instruction"],
    "patcher_executes": True,
    "isa": "x86-64",
    "patchers": [],
    "cpu_program": [],
    "callee": [],
    "stores": "in-order",
    "coherent_icache": True,
}

CONFIGURATION: Json = {
    "cpus": 2,
    "fetch": "per-chunk",
    "chunk": 1,
    "offset": None,
    "semantics": "windowed",
    "properties": [],
    "any_number": False,
}


def setting(protocol: Json, configuration: Json) -> Setting:
    """A protocol in a configuration. Raises UnknownError for what is not known here."""
    data = _take(protocol, "the protocol", {"name", "sites", "program"}, PROTOCOL)
    run = _take(configuration, "the configuration", set(), CONFIGURATION)
    one = _take(data["handler"] or {"trap": "", "program": []}, "the handler", {"trap", "program"},
                {"interrupts": False})
    for what, value, known in (
        ("fetch model", run["fetch"], FETCH),
        ("stores", data["stores"], ("in-order", "weak")),
        ("semantics", run["semantics"], ("windowed", "bytewise")),
    ):
        if value not in known:
            raise UnknownError(f"{what} {value!r} is not known here")
    sites = tuple(_site(site) for site in data["sites"])
    cells = [
        _take(cell, "a cell", {"name"}, {"initial": None, "per_cpu": False})
        for cell in data["cells"]
    ]
    for patcher in data["patchers"]:
        _take(patcher, "a patcher", {"name", "program"}, {})
    programs = [data["program"], *(patcher["program"] for patcher in data["patchers"])]
    first = sites[0].address
    found = Setting(
        sites=sites,
        cells=tuple(cell["name"] for cell in cells),
        initial=tuple(value_of(cell["initial"]) for cell in cells),
        per_cpu=frozenset(number for number, cell in enumerate(cells) if cell["per_cpu"]),
        patchers=tuple(program(steps) for steps in programs),
        cpu_program=program(data["cpu_program"]),
        handler=program(one["program"]),
        callee=program(data["callee"]),
        trap=bytes.fromhex(one["trap"]),
        masked=not one["interrupts"],
        patcher_executes=data["patcher_executes"],
        weak=data["stores"] == "weak",
        coherent_icache=data["coherent_icache"] or run["fetch"].startswith("coherent"),
        isa=data["isa"],
        cpus=run["cpus"],
        fetch=run["fetch"],
        chunk=run["chunk"],
        shift=0 if run["offset"] is None else run["offset"] - first % 64,
        in_one_step=run["semantics"] == "windowed",
        watched=tuple(run["properties"] or data["properties"]),
    )
    if run["any_number"]:
        found.counts_to.update(_bounds(found))
    return found


def _bounds(of: Setting) -> dict[int, int]:
    """For each cell that all share: from where on it is many."""
    programs = (*of.patchers, of.cpu_program, of.handler, of.callee)
    named: dict[int, set[int]] = {cell: {1} for cell in range(len(of.cells))}
    for cell, value in enumerate(of.initial):
        if isinstance(value, int):
            named[cell].add(abs(value))
    for step in (step for steps in programs for step in steps_of(steps)):
        if isinstance(step.fields.get("value"), int):
            named[of.cells.index(step["cell"])].add(abs(step["value"]))
    return {cell: max(numbers) + 1 for cell, numbers in named.items() if cell not in of.per_cpu}
