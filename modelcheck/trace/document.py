"""A counterexample, or a witness, as a document that stands by itself, and its JSON form.

Knows protocols and configurations.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cattrs import BaseValidationError

from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import FINISHES, LIVENESS, PROPERTIES
from modelcheck.protocol.suite import Bug
from modelcheck.trace import incoming
from modelcheck.trace.converter import converter, faults, write_defaults

SCHEMA = 2

TRACE = "trace"
"""The kind of these documents, which they do not name; others do."""


class TraceError(ValueError):
    """A file that is no trace this version can read; the message says where and why."""


@dataclass(frozen=True)
class Executed:
    """An instruction that a CPU executed in a step, or that a handler acted out, at `offset`.

    `origin` has, for each byte, the number of the step that wrote the version read; 0 stands for
    what was there before the patch.
    """

    site: str
    kind: str
    data: bytes
    origin: tuple[int, ...]
    disassembly: str
    offset: int = 0


@dataclass(frozen=True)
class TraceStep:
    """One step: who did what, and what is different after it.

    `choice` tells apart the steps that an actor can take under one label. `memory` and `cells`
    have the sites and cells that changed, with their values after the step.
    """

    actor: str
    label: str
    choice: tuple[int, ...]
    source: str | None
    does: str
    memory: dict[str, bytes]
    cells: dict[str, Value]
    executed: Executed | None


@dataclass(frozen=True)
class Violation:
    """What the last step violates, on which actor, and why in one sentence."""

    property: str
    actor: str
    why: str


@dataclass(frozen=True)
class Trace:
    """A run from the initial state, with all that is needed to run it again.

    A counterexample ends in a `violation`. A witness has none: `shows` says what a CPU does in it.
    Where it is a `loop` that violates, that is the number of the step after which it begins; it
    ends with the last step. `bug` is the real bug that the variant was. `spec_digest` is that of
    the spec's file when it was loaded, if it was one: see modelcheck.trace.stale.
    """

    spec: str
    variant: str
    protocol: Protocol
    configuration: Configuration
    steps: tuple[TraceStep, ...]
    violation: Violation | None
    shows: str = ""
    bug: Bug | None = None
    loop: int | None = None
    spec_digest: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Raises TraceError where the parts speak of what is not there."""
        violated = self.violation.property if self.violation else None
        if not self.steps and violated not in LIVENESS:
            raise TraceError("a trace has at least one step")
        if violated is not None and violated not in PROPERTIES:
            raise TraceError(f"unknown property {violated!r}")
        if (violated is None) is not bool(self.shows):
            raise TraceError(
                "a trace has a violation, or it says what it shows; it has one of them"
            )
        if violated is None and self.loop is not None:
            raise TraceError("a trace without a violation has no loop")
        sizes = {site.name: len(site) for site in self.protocol.sites}
        for number, step in enumerate(self.steps, start=1):
            for name, contents in step.memory.items():
                if len(contents) != sizes.get(name):
                    raise TraceError(f"step {number}: no site {name!r} of {len(contents)} bytes")
            if (done := step.executed) is not None:
                longest = max(len(done.data), len(done.origin))
                if longest > sizes.get(done.site, -1):
                    raise TraceError(f"step {number}: no site {done.site!r} of {longest} bytes")

    @property
    def outcome(self) -> str:
        """What it ends in, in a word: the property violated, or that it is a witness."""
        return self.violation.property if self.violation else WITNESS

    @property
    def why(self) -> str:
        """What goes wrong, or what it shows, in a sentence."""
        return self.violation.why if self.violation else self.shows

    @property
    def digest(self) -> str:
        """Of the protocol and the configuration: equal where a check asks the same."""
        return digest(self.protocol, self.configuration)


WITNESS = "witness"


def digest(protocol: Protocol, configuration: Configuration) -> str:
    """SHA-256 of what is checked, in hexadecimal: all of it but the lines it was written in."""
    asked = converter.unstructure(protocol), converter.unstructure(configuration)
    text = json.dumps(_without_sources(asked), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_sources(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_sources(data[key]) for key in data if key != "source"}
    return [_without_sources(item) for item in data] if isinstance(data, list | tuple) else data


write_defaults(Configuration)
write_defaults(Trace)


def to_json(trace: Trace) -> str:
    """The trace as JSON text; bytes are written in hexadecimal."""
    return json.dumps(to_document(trace), indent=1, ensure_ascii=False) + "\n"


def to_document(trace: Trace) -> dict[str, Any]:
    """The trace as JSON data, with its digest."""
    return {**converter.unstructure(trace), "digest": trace.digest}


def load(path: Path) -> Trace:
    """Read a trace from a file. Raises TraceError for anything that is not one."""
    return structure(path, read_document(path))


def read_document(path: Path) -> dict[str, Any]:
    """A run of any kind as JSON data. Raises TraceError for what is none."""
    try:
        text = incoming.read(path)
    except ValueError as error:
        raise TraceError(f"{path}: {error}") from error
    try:
        document = incoming.parse(text)
    except ValueError as error:
        raise TraceError(f"{path}: not JSON of a trace: {error}") from error
    if not isinstance(document, dict) or "schema" not in document or "steps" not in document:
        raise TraceError(f"{path}: not a counterexample of this tool; it lacks schema and steps")
    return document


def structure(path: Path, document: dict[str, Any]) -> Trace:
    """JSON data as a trace. Raises TraceError for anything that is not one."""
    if document.get("kind", TRACE) != TRACE:
        raise TraceError(f"{path}: a {document['kind']}; this is for runs of protocols")
    if document["schema"] not in (1, SCHEMA):
        raise TraceError(
            f"{path}: schema {document['schema']!r}; this version reads schema 1 and {SCHEMA}"
        )
    said = None
    if document["schema"] == 1:
        _upgrade(document)
    else:
        said = document.pop("digest", "")
    try:
        trace = converter.structure(document, Trace)
    except BaseValidationError as error:
        raise TraceError(f"{path}: {faults(error, 'trace')}") from error
    if said not in (None, trace.digest):
        raise TraceError(f"{path}: its protocol or configuration is not that of its digest")
    return trace


RENAMED = {"deadlock-free": FINISHES}
"""Properties that had another name in schema 1."""


def _upgrade(document: dict[str, Any]) -> None:
    """Make a document of schema 1 one of schema 2.

    A protocol named the properties to watch; now all that apply are watched, and the configuration
    of a trace, which always named them too, is what counts. There were no digests and no witnesses.
    """
    document["schema"] = SCHEMA
    protocol, configuration = document.get("protocol"), document.get("configuration")
    violation = document.get("violation")
    if isinstance(protocol, dict):
        protocol.pop("properties", None)
    if isinstance(configuration, dict) and isinstance(
        named := configuration.get("properties"), list
    ):
        configuration["properties"] = [RENAMED.get(str(name), name) for name in named]
    if isinstance(violation, dict):
        name = violation.get("property")
        violation["property"] = RENAMED.get(str(name), name)
