"""An inductive invariant over (core, local) pairs as a document, and its lines of text.

Knows protocols, the machine's states and abstractions.
"""

import json
from dataclasses import dataclass
from typing import Any

from cattrs import BaseValidationError

from modelcheck.explore.any_number import Abstraction
from modelcheck.explore.system import System
from modelcheck.machine.setup import Configuration
from modelcheck.machine.state import BarrierMark, Buffered, Local, Maintenance, Shared, UnderWay
from modelcheck.protocol.definition import Protocol
from modelcheck.trace import incoming
from modelcheck.trace.converter import converter, faults, write_defaults

SCHEMA = 1
PREFIX = ";; "


class CertificateError(ValueError):
    """A certificate that proves nothing; the message says where and why."""


@dataclass(frozen=True)
class May:
    """With this core (a shared part, and a local part for each single role), which locals occur
    in which replicated role."""

    core: tuple[int, ...]
    role: str
    locals: tuple[int, ...]


@dataclass(frozen=True)
class Invariant:
    """All pairs that may occur, in numbers, and what the numbers stand for."""

    spec: str
    variant: str
    protocol: Protocol
    configuration: Configuration
    shareds: tuple[Shared, ...]
    locals: tuple[Local, ...]
    pairs: tuple[May, ...]
    schema: int = SCHEMA


write_defaults(Invariant)


def _under_way(data: Any, _: object) -> UnderWay:
    """What is under way, told by how many parts it has."""
    kinds: dict[int, type[UnderWay]] = {1: BarrierMark, 2: Maintenance, 5: Buffered}
    if not isinstance(data, list) or len(data) not in kinds:
        raise ValueError(f"{data!r} is nothing that can be under way")
    return converter.structure(data, kinds[len(data)])


converter.register_structure_hook(UnderWay, _under_way)


def invariant_of(
    system: System,
    found: Abstraction,
    *,
    protocol: Protocol,
    configuration: Configuration,
    spec: str,
    variant: str,
) -> Invariant:
    """The invariant that an abstraction found, with numbers of its own from 0 on."""
    shareds = sorted({core[0] for core in found.reached})
    locals_ = sorted(
        {number for core in found.reached for number in core[1:]}
        | {n for roles in found.reached.values() for numbers in roles.values() for n in numbers}
    )
    new_shared = {old: new for new, old in enumerate(shareds)}
    new_local = {old: new for new, old in enumerate(locals_)}
    pairs = sorted(
        (
            (new_shared[core[0]], *(new_local[number] for number in core[1:])),
            system.model.roles[role].name,
            tuple(sorted(new_local[number] for number in numbers)),
        )
        for core, roles in found.reached.items()
        for role, numbers in roles.items()
    )
    return Invariant(
        spec,
        variant,
        protocol,
        configuration,
        tuple(system.shareds.values[number] for number in shareds),
        tuple(system.locals.values[number] for number in locals_),
        tuple(May(core, role, numbers) for core, role, numbers in pairs),
    )


def header(invariant: Invariant) -> str:
    """The invariant as comment lines, from which it can be read again."""
    data = converter.unstructure(invariant)
    lines = []
    for key, value in data.items():
        items = enumerate(value) if isinstance(value, list | tuple) else [("", value)]
        for number, item in items:
            lines.append(f"{PREFIX}{key} {number}: {json.dumps(item)}")
    return "\n".join(lines) + "\n"


def read(text: str) -> Invariant:
    """The invariant in the comment lines of a certificate. Raises CertificateError."""
    data: dict[str, Any] = {"shareds": [], "locals": [], "pairs": []}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith(PREFIX):
            continue
        name, _, value = line.removeprefix(PREFIX).partition(": ")
        key, _, index = name.partition(" ")
        try:
            item = incoming.parse(value)
        except ValueError as error:
            raise CertificateError(
                f"line {number}: not a line of a certificate: {error}"
            ) from error
        if index:
            data.setdefault(key, []).append(item)
        else:
            data[key] = item
    if data.get("schema") != SCHEMA:
        raise CertificateError(f"not a certificate of schema {SCHEMA}")
    try:
        return converter.structure(data, Invariant)
    except BaseValidationError as error:
        raise CertificateError(faults(error, "certificate")) from error
