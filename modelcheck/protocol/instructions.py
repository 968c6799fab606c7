"""Whether the bytes of a suite are the instructions that its author means. Knows suites.

Asked when a spec file is loaded, not when a protocol is made: tests and tools make protocols of
bytes that mean nothing, and an edit may leave a write that expects what nobody has written.
"""

from collections.abc import Iterator
from itertools import pairwise

from modelcheck.arch import ARCHITECTURES
from modelcheck.arch.architecture import Architecture
from modelcheck.arch.decoder import opaque
from modelcheck.protocol.actions import Put
from modelcheck.protocol.callee import callee_of
from modelcheck.protocol.code import Form, Site
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Step, flatten
from modelcheck.protocol.properties import UNEXPECTED
from modelcheck.protocol.suite import Suite


def check_instructions(suite: Suite) -> None:
    """Raise SpecError where bytes are no instructions of the architecture, or never found."""
    for variant in suite:
        _check_trap(variant.protocol)
        for site in variant.protocol.sites:
            if not site.undecoded:
                _check_site(site, variant.protocol.architecture)
    _check_called(suite.protocol)
    if not any(UNEXPECTED in clause.properties for clause in suite.expect.clauses):
        _check_expected(suite.protocol)


def _check_trap(protocol: Protocol) -> None:
    arch, handler = protocol.architecture, protocol.handler
    for trap in handler.traps if handler else ():
        if arch.decode(trap).length != len(trap):
            traps = ", ".join(f"{one.name} ({one.data.hex(' ')})" for one in arch.traps)
            raise SpecError(
                f"the handler's trap, {trap.hex(' ')}, is no instruction of {arch.name}, whose "
                f"traps are {traps}",
                handler.made if handler else None,
            )


def _check_called(protocol: Protocol) -> None:
    """Each callee is called by some instruction."""
    called = {
        callee_of(protocol.every_callee, site, form.name)
        for site in protocol.sites
        for form in site.forms
        for offset, length in form.runs
        if protocol.architecture.is_call(form.data[offset : offset + length])
    }
    for prefix, callee in protocol.every_callee.items():
        if prefix not in called:
            raise SpecError(
                f"the {callee.words} is never called: no instruction of a form that leads to it "
                f"is a call of {protocol.architecture.name}",
                next(flatten(callee.program)).source,
            )


def _check_site(site: Site, arch: Architecture) -> None:
    """Each instruction that a form says it has is one, and lies where one may lie."""
    begins = {offset for form in site.forms for offset, _ in form.runs}
    for entry in site.entries:
        if entry not in begins:
            raise SpecError(
                f"site {site.name!r}: CPUs enter at byte {entry}, where no form has an "
                f"instruction begin; they begin at {', '.join(map(str, sorted(begins)))}",
                site.made,
            )
    for form in site.forms:
        for (one, length), (other, _) in pairwise(sorted(form.runs)):
            if one + length > other:
                raise SpecError(
                    f"site {site.name!r}: {form.name} has an instruction of {length} bytes at "
                    f"{one}, and another begins within it, at {other}",
                    site.made,
                )
        for offset, length in form.runs:
            data = form.data[offset : offset + length]
            if arch.decode(data, site.address + offset).length != length:
                raise _no_instruction(site, form, offset, data, arch)
            if (site.address + offset) % arch.alignment:
                raise SpecError(
                    f"site {site.name!r}: instructions of {arch.name} lie at multiples of "
                    f"{arch.alignment}, not at {site.address + offset:#x}; give another address",
                    site.made,
                )


def _no_instruction(
    site: Site, form: Form, offset: int, data: bytes, arch: Architecture
) -> SpecError:
    address = site.address + offset
    longer = arch.decode(form.data[offset:], address)
    if lengths := _lengths(data, address, arch):
        field = f"{form.name}_runs=" if form.name in ("old", "new") else "runs="
        start = f", start={offset}" if offset else ""
        said = (
            f"is {len(lengths)} instructions of {arch.name}, not one; say so: "
            f"{field}runs({', '.join(map(str, lengths))}{start})"
        )
    elif longer.length > len(data):
        said = (
            f"is not all of an instruction of {arch.name}, {longer.text}, of {longer.length} bytes"
        )
    else:
        said = f"is no instruction of {arch.name}" + _of_another(site)
    return SpecError(
        f"site {site.name!r}: {form.name}, at offset {offset}: {data.hex(' ')} {said}. "
        'If it is meant so, say why: undecoded="..."',
        site.made,
    )


def _of_another(site: Site) -> str:
    """The architecture whose instructions all forms are, unless they are so short as to be any."""
    if len(site) >= 4:
        for other in ARCHITECTURES.values():
            if other.decoder is not opaque and _decodes(site, other):
                return f', but of {other.name}: write arch="{other.name}"'
    return ""


def _lengths(data: bytes, address: int, arch: Architecture) -> tuple[int, ...]:
    """The lengths of the instructions that bytes are; none if some are no instruction."""
    found: list[int] = []
    while sum(found) < len(data):
        at = sum(found)
        length = arch.decode(data[at:], address + at).length
        if not length:
            return ()
        found.append(length)
    return tuple(found)


def _decodes(site: Site, arch: Architecture) -> bool:
    return all(
        arch.decode(form.data[at : at + length], site.address + at).length == length
        for form in site.forms
        for at, length in form.runs
    )


# Writes that expect what is never there.


def _check_expected(protocol: Protocol) -> None:
    held = {
        site.name: [{form.data[at] for form in site.forms} for at in range(len(site))]
        for site in protocol.sites
    }
    puts = [*_puts(protocol)]
    for _, put in puts:
        for name in held if put.through else (put.site,):
            for at, byte in enumerate(put.data[: len(held[name]) - put.at], put.at):
                held[name][at].add(byte)
    for step, put in puts:
        for at, byte in enumerate(put.expects, put.at):
            if byte not in held[put.site][at]:
                may = ", ".join(f"{other:02x}" for other in sorted(held[put.site][at]))
                raise SpecError(
                    f"step {step.label!r}: it expects {byte:02x} at offset {at} of site "
                    f"{put.site!r}, which never holds that there, but {may}",
                    step.source,
                )


def _puts(protocol: Protocol) -> Iterator[tuple[Step, Put]]:
    for program in protocol.programs.values():
        for step in flatten(program):
            for action in step.actions():
                if isinstance(action, Put):
                    yield step, action
