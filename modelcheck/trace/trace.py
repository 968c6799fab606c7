"""A counterexample as a document that stands by itself, and its JSON form.

Knows protocols and configurations.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cattrs import BaseValidationError, transform_error
from cattrs.preconf.json import make_converter
from cattrs.strategies import (
    configure_tagged_union,
    configure_union_passthrough,
    include_subclasses,
)
from cattrs.v import format_exception

from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Value
from modelcheck.protocol.protocol import Protocol
from modelcheck.protocol.steps import Element, Source, Step

SCHEMA = 1


class TraceError(ValueError):
    """A file that is no trace this version can read; the message says where and why."""


@dataclass(frozen=True)
class Executed:
    """An instruction that a CPU executed in a step, or that a handler acted out.

    `origin` has, for each byte, the number of the step that wrote the version read; 0 stands for
    what was there before the patch.
    """

    site: str
    kind: str
    data: bytes
    origin: tuple[int, ...]
    disassembly: str


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
    """A run from the initial state to a violation, with all that is needed to run it again."""

    spec: str
    variant: str
    protocol: Protocol
    configuration: Configuration
    steps: tuple[TraceStep, ...]
    violation: Violation
    schema: int = SCHEMA


def to_json(trace: Trace) -> str:
    """The trace as JSON text; bytes are written in hexadecimal."""
    return json.dumps(_converter.unstructure(trace), indent=1, ensure_ascii=False) + "\n"


def load(path: Path) -> Trace:
    """Read a trace from a file. Raises TraceError for anything that is not one."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise TraceError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict) or "schema" not in document or "steps" not in document:
        raise TraceError(f"{path}: not a counterexample of this tool; it lacks schema and steps")
    if document["schema"] != SCHEMA:
        raise TraceError(
            f"{path}: schema {document['schema']!r}; this version reads schema {SCHEMA}"
        )
    try:
        return _converter.structure(document, Trace)
    except BaseValidationError as error:
        faults = transform_error(error, path="trace", format_exception=_fault)
        raise TraceError(f"{path}: " + "; ".join(faults)) from error


def _fault(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, ValueError) else format_exception(error, kind)


def _bytes_from_hex(text: Any, _: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"bytes are written in hexadecimal, not as {text!r}")
    return bytes.fromhex(text)


_converter = make_converter(forbid_extra_keys=True, detailed_validation=True)
_converter.register_unstructure_hook(bytes, lambda data: data.hex(" "))
_converter.register_structure_hook(bytes, _bytes_from_hex)
_converter.register_unstructure_hook(Source, str)
_converter.register_structure_hook(Source, lambda text, _: Source.parse(text))
configure_union_passthrough(str | int | None, _converter)
for _base in (Step, Element):
    include_subclasses(
        _base, _converter, union_strategy=partial(configure_tagged_union, tag_name="step")
    )
