"""A counterexample as a document that stands by itself, and its JSON form.

Knows protocols and configurations.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from cattrs import BaseValidationError

from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import LIVENESS, PROPERTIES
from modelcheck.protocol.suite import Bug
from modelcheck.trace import incoming
from modelcheck.trace.converter import converter, faults, write_defaults

SCHEMA = 1


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
    """A run from the initial state to a violation, with all that is needed to run it again.

    Where it is a `loop` that violates, that is the number of the step after which it begins; it
    ends with the last step. `bug` is the real bug that the variant was.
    """

    spec: str
    variant: str
    protocol: Protocol
    configuration: Configuration
    steps: tuple[TraceStep, ...]
    violation: Violation
    bug: Bug | None = None
    loop: int | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Raises TraceError where the parts speak of what is not there."""
        if not self.steps and self.violation.property not in LIVENESS:
            raise TraceError("a trace has at least one step")
        if self.violation.property not in PROPERTIES:
            raise TraceError(f"unknown property {self.violation.property!r}")
        sizes = {site.name: len(site) for site in self.protocol.sites}
        for number, step in enumerate(self.steps, start=1):
            for name, contents in step.memory.items():
                if len(contents) != sizes.get(name):
                    raise TraceError(f"step {number}: no site {name!r} of {len(contents)} bytes")
            if (done := step.executed) is not None:
                longest = max(len(done.data), len(done.origin))
                if longest > sizes.get(done.site, -1):
                    raise TraceError(f"step {number}: no site {done.site!r} of {longest} bytes")


write_defaults(Configuration)
write_defaults(Trace)


def to_json(trace: Trace) -> str:
    """The trace as JSON text; bytes are written in hexadecimal."""
    return json.dumps(converter.unstructure(trace), indent=1, ensure_ascii=False) + "\n"


def load(path: Path) -> Trace:
    """Read a trace from a file. Raises TraceError for anything that is not one."""
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
    if document["schema"] != SCHEMA:
        raise TraceError(
            f"{path}: schema {document['schema']!r}; this version reads schema {SCHEMA}"
        )
    try:
        return converter.structure(document, Trace)
    except BaseValidationError as error:
        raise TraceError(f"{path}: {faults(error, 'trace')}") from error
