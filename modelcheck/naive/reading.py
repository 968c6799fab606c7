"""A protocol, and how it is run, from JSON as traces and certificates have it. Knows JSON alone.

What is not known here is refused by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

Json = dict[str, Any]

OLD, NEW = 0, 1
"""The first two forms of a site."""


class UnknownError(ValueError):
    """The JSON has something that is not known here, or lacks something."""


SYNC = {"synchronises": True}
STEPS: dict[str, tuple[str, Json]] = {
    "Write": ("site data", {"at": 0, "order": "ascending", "expects": "", "through": None}),
    **dict.fromkeys(("Store", "Test", "WaitUntil"), ("cell value", {})),
    "Add": ("cell amount", {}),
    **dict.fromkeys(("IncrementUnlessZero", "Lock", "Unlock", "Use"), ("cell", {})),
    **dict.fromkeys(("Fence", "Dmb", "Dsb", "Pause", "IrqOff", "IrqOn", "Serialise"), ("", {})),
    **dict.fromkeys(
        ("CleanDcache", "InvalidateIcache"), ("", {"site": None, "at": 0, "size": None})
    ),
    **dict.fromkeys(("WaitAcks", "StopCpus", "WaitStopped"), ("", {})),
    **dict.fromkeys(("WaitGrace", "EnterUser", "LeaveUser", "Flush", "Skip"), ("", {})),
    "SendIpi": ("", {**SYNC, "deferred": False}),
    **dict.fromkeys(("ReleaseCpus", "Return", "NotOurs"), ("", SYNC)),
    "StartGrace": ("", {"regions": True}),
    "Execute": ("sites", {}),
    "Lookup": ("cell", {"search": False}),
    "Emulate": ("", {"instruction": "new", "cell": None}),
}
"""The kinds of steps: the fields that each has, and those that may be left out, with their values
then."""


@dataclass(frozen=True, eq=False)
class Step:
    """A step of a program; one with a `test` is an If. A step is equal to itself alone."""

    kind: str
    label: str
    fields: Json
    test: "Step | None" = None
    then: "Program" = ()
    otherwise: "Program" = ()

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


Program = tuple[Step, ...]
"""What is still to be done."""


class Form(NamedTuple):
    """What a site may be: its bytes, and for each instruction's offset its length and the next."""

    data: bytes
    length: dict[int, int]
    onward: dict[int, int | None]

    def at(self, offset: int) -> bytes:
        """The instruction at an offset; none if there is none."""
        return self.data[offset : offset + self.length.get(offset, 0)]


class Site(NamedTuple):
    """Code: its forms, old and new first, where CPUs enter, and whether it is a region."""

    name: str
    address: int
    forms: tuple[Form, ...]
    entries: tuple[int, ...]
    foreign: bool
    region: bool


def take(data: Any, what: str, needed: str, known: Json) -> Json:
    """An object's fields, with those that it leaves out. Raises UnknownError."""
    if not isinstance(data, dict):
        raise UnknownError(f"{what} is no object: {data!r}")
    names = set(needed.split())
    if odd := (set(data) - names - set(known)) | (names - set(data)):
        raise UnknownError(f"{what}: {', '.join(sorted(odd))} is not known here, or is missing")
    return {**known, **data}


def one_of(what: str, value: Any, known: tuple[str, ...]) -> Any:
    """The value, if it is known. Raises UnknownError."""
    if value not in known:
        raise UnknownError(f"{what} {value!r} is not known here")
    return value


def value_of(value: Any) -> Any:
    """What a cell holds."""
    return tuple(value) if isinstance(value, list) else value


def _step(data: Json, label: str) -> Step:
    kind = one_of(f"step {label!r}: kind", data.get("step"), tuple(STEPS))
    needed, known = STEPS[kind]
    fields = take(data, f"step {label!r}", f"label step {needed}", {"source": None, **known})
    for name in {"data", "expects"} & set(fields):
        fields[name] = bytes.fromhex(fields[name])
    if "value" in fields:
        fields["value"] = value_of(fields["value"])
    one_of("order", fields.get("order", "any"), ("ascending", "any", "single"))
    one_of("instruction", fields.get("instruction", "old"), ("old", "new"))
    return Step(kind, label, fields)


def program(elements: list[Json], path: str = "") -> Program:
    """A program: the steps of blocks in their places."""
    found: list[Step] = []
    for data in elements:
        label = path + data["label"]
        if data.get("step") == "Block":
            take(data, f"block {label!r}", "label steps step", {"source": None})
            found += program(data["steps"], label + "/")
        elif data.get("step") == "If":
            left_out: Json = {"source": None, "otherwise": []}
            one = take(data, f"if {label!r}", "label test then step", left_out)
            ways = [program(one[way], label + "/") for way in ("then", "otherwise")]
            found.append(Step("If", label, {}, _step(one["test"], label), *ways))
        else:
            found.append(_step(data, label))
    return tuple(found)


def places(steps: Program, after: Program = ()) -> Iterator[Program]:
    """What is still to be done at each step, in the order in which they are written."""
    for number, step in enumerate(steps):
        rest = steps[number + 1 :] + after
        yield (step, *rest)
        yield from places(step.then, rest)
        yield from places(step.otherwise, rest)


def _form(data: str, runs: list[list[int]]) -> Form:
    contents = bytes.fromhex(data)
    each = runs or [[0, len(contents)]]
    following = [offset for offset, _ in each[1:]] + [None]
    onward = {offset: after for (offset, _), after in zip(each, following, strict=True)}
    return Form(contents, dict(map(tuple, each)), onward)  # type: ignore[arg-type]


def site(data: Json) -> Site:
    """A site of a protocol."""
    known = {"address": 0, "old_runs": [], "new_runs": [], "between": [], "entries": [0]}
    one = take(data, "a site", "name old new", {**known, "foreign": False})
    forms = [_form(one["old"], one["old_runs"]), _form(one["new"], one["new_runs"])]
    for between in one["between"]:
        take(between, "a form", "name data runs", {})
        forms.append(_form(between["data"], between["runs"]))
    inside = one["entries"] != [0] or any(form.length != {0: len(form.data)} for form in forms)
    entries = tuple(one["entries"])
    return Site(one["name"], one["address"], tuple(forms), entries, one["foreign"], inside)


PROTOCOL: Json = {
    **{name: [] for name in ("cells", "patchers", "cpu_program", "callee")},
    "handler": None,
    "waived": [],
    "patcher_executes": True,
    "isa": "x86-64",
    "stores": "in-order",
    "coherent_icache": True,
    "coherent_dcache": False,
}
"""The fields of a protocol that may be left out."""

CONFIGURATION: Json = {
    "cpus": 2,
    "fetch": "per-chunk",
    "chunk": 1,
    "offset": None,
    "semantics": "windowed",
    "properties": [],
    "any_number": False,
}
"""The fields of a configuration; all may be left out."""

ARCHITECTURES = ("x86-64", "arm64", "thumb", "riscv64", "ppc64", "s390x", "parisc")
FETCH = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent", "strict")
