"""What makes a protocol fit together; each fault is one message that names place and remedy.

Knows the parts of a protocol.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from modelcheck.arch import ARCHITECTURES, nearest
from modelcheck.protocol.actions import (
    Action,
    Ask,
    Change,
    Clean,
    Drop,
    Find,
    Follow,
    Leave,
    Lines,
    Owner,
    Put,
    Run,
    Set,
    first,
    is_test,
)
from modelcheck.protocol.cell_values import check_values
from modelcheck.protocol.code import Cell, Site
from modelcheck.protocol.errors import SpecError, meant
from modelcheck.protocol.program import Block, Element, If, Step, flatten, flow
from modelcheck.protocol.source import Source

if TYPE_CHECKING:
    from modelcheck.protocol.definition import Handler, Protocol


def check_protocol(protocol: "Protocol") -> None:
    """Raise SpecError where the parts of a protocol do not fit together."""
    _check_names(protocol)
    _check_sites(protocol)
    _check_program(protocol, protocol.program, Owner.PATCHER, "the patcher")
    for patcher in protocol.patchers:
        _check_program(protocol, patcher.program, Owner.PATCHER, f"patcher {patcher.name!r}")
    _check_program(protocol, protocol.cpu_program, Owner.CPU, "a CPU that runs the sites")
    if protocol.handler:
        _check_handler(protocol, protocol.handler)
    if protocol.callee:
        _check_routine(protocol, protocol.callee, "callee")
    check_values(protocol)
    if not protocol.properties:
        raise SpecError(
            f"protocol {protocol.name!r} waives every property that applies; watch one at least"
        )
    waived = [waiver.name for waiver in protocol.waived]
    for name, count in Counter(waived).items():
        if count > 1:
            raise SpecError(
                f"protocol {protocol.name!r}: property {name!r} is waived {count} times"
            )
    if protocol.arch not in ARCHITECTURES:
        near = nearest(protocol.arch)
        raise SpecError(
            f"protocol {protocol.name!r}: unknown architecture {protocol.arch!r}; "
            + (f"did you mean {near!r}? " if near else "")
            + f"known: {', '.join(ARCHITECTURES)}"
        )


def labels(protocol: "Protocol") -> Iterator[str]:
    """The names of all steps and blocks, as edits name them."""
    for prefix, program in protocol.programs.items():
        for label, _ in _labelled(program, prefix):
            yield label


def _labelled(program: tuple[Element, ...], prefix: str) -> Iterator[tuple[str, Source | None]]:
    for element in program:
        path = prefix + element.label
        yield path, element.source
        match element:
            case Block():
                yield from _labelled(element.steps, path + "/")
            case If():
                yield from _labelled((*element.then, *element.otherwise), path + "/")
            case Step():
                pass
            case _:
                raise AssertionError(element)


RESERVED = re.compile(r"patcher|cpu\d*|handler|callee")
"""What other actors, and other programs in edits, are called."""


def _check_names(protocol: "Protocol") -> None:
    for patcher in protocol.patchers:
        if RESERVED.fullmatch(patcher.name):
            raise SpecError(
                f"protocol {protocol.name!r}: a patcher cannot be named {patcher.name!r}, which "
                "names another actor; choose another name",
                patcher.made,
            )
    handler = protocol.handler.program if protocol.handler else ()
    steps = [found for p, program in protocol.programs.items() for found in _labelled(program, p)]
    for kind, named in (
        ("site", [(site.name, site.made) for site in protocol.sites]),
        ("cell", [(cell.name, cell.made) for cell in protocol.cells]),
        ("patcher", [(patcher.name, patcher.made) for patcher in protocol.patchers]),
        ("handler step label", [*_labelled(handler, "")]),
        ("step label", steps),
    ):
        for name, count in Counter(name for name, _ in named).items():
            if count > 1:
                raise SpecError(
                    f"protocol {protocol.name!r}: {kind} {name!r} is used {count} times; "
                    "give each its own name",
                    [source for other, source in named if other == name][-1],
                )


def _check_sites(protocol: "Protocol") -> None:
    if not protocol.sites:
        raise SpecError(f"protocol {protocol.name!r} has no site; give it at least one Site")
    for one, other in combinations(protocol.sites, 2):
        if one.address < other.address + len(other) and other.address < one.address + len(one):
            raise SpecError(
                f"sites {one.name!r} ({one.address:#x}, {len(one)} bytes) and {other.name!r} "
                f"({other.address:#x}, {len(other)} bytes) overlap; give them addresses that "
                "do not",
                other.made,
            )


def _check_program(
    protocol: "Protocol", program: tuple[Element, ...], owner: Owner, whose: str
) -> None:
    for step in flatten(program):
        if owner not in step.owners:
            places = " or ".join(o.value for o in Owner if o in step.owners) or "nobody here"
            raise _fault(step, f"{type(step).__name__} is nothing for {whose}; it is for {places}")
        for action in step.actions():
            _check_action(protocol, action, step)
    _check_tests(program)


def _check_tests(program: tuple[Element, ...]) -> None:
    """A test stands in an If, and only a test does; a look-up may stand alone."""
    for element in program:
        match element:
            case Block():
                _check_tests(element.steps)
            case If():
                if not is_test(element.test.actions()):
                    raise _fault(
                        element.test,
                        f"{type(element.test).__name__} is no test; when() takes is_equal, "
                        "increment_unless_zero or lookup",
                    )
                _check_tests((*element.then, *element.otherwise))
            case Step() if first(Ask, element.actions()):
                raise _fault(element, "a test leads nowhere; put it into when()")
            case Step():
                pass
            case _:
                raise AssertionError(element)


def _check_action(protocol: "Protocol", action: Action, step: Step) -> None:
    sites = {site.name: site for site in protocol.sites}
    for name in _sites_of(action):
        if name not in sites:
            raise _fault(
                step,
                f"no site named {name!r}; add it to the protocol's sites; "
                + meant(name, sites, "they are"),
            )
    if isinstance(action, Put):
        size = len(sites[action.site])
        for data in (action.data, action.expects or action.data):
            if not action.data or action.at < 0 or action.at + len(data) > size:
                raise _fault(
                    step,
                    f"{len(data)} bytes at offset {action.at} are not within site "
                    f"{action.site!r}, which has {size}",
                )
    if isinstance(action, Clean | Drop):
        _check_lines(action.lines, sites, step)
    cells = {cell.name: cell for cell in protocol.cells}
    used = action.through if isinstance(action, Put) else getattr(action, "cell", None)
    if used is None:
        return
    if used not in cells:
        raise _fault(
            step,
            f"no cell named {used!r}; add it to the protocol's cells; "
            + meant(used, cells, "they are"),
        )
    _check_cell(action, cells[used], step)


def _check_lines(lines: Lines, sites: Mapping[str, Site], step: Step) -> None:
    if lines.site is None:
        if lines.at or lines.size is not None:
            raise _fault(step, "at and size count the bytes of a site; name it, or leave them out")
        return
    room = len(sites[lines.site])
    if not 0 <= lines.at < room or not 0 < (lines.size or 1) <= room - lines.at:
        size = "all" if lines.size is None else lines.size
        raise _fault(
            step,
            f"{size} bytes from byte {lines.at} on are not within site {lines.site!r}, which has "
            f"{room}",
        )


def _sites_of(action: Action) -> tuple[str, ...]:
    if isinstance(action, Put):
        return (action.site,)
    if isinstance(action, Clean | Drop):
        return () if action.lines.site is None else (action.lines.site,)
    return action.sites if isinstance(action, Run) else ()


def _check_cell(action: Action, cell: Cell, step: Step) -> None:
    locks = isinstance(action, Set) and action.at_once
    if (locks or isinstance(action, Change)) and not isinstance(cell.initial, int):
        raise _fault(step, f"cell {cell.name!r} begins with {cell.initial!r}, which is no number")
    if locks and cell.per_cpu:
        raise _fault(step, f"a lock is for all CPUs; make cell {cell.name!r} no per-CPU one")


def _fault(step: Step, what: str) -> SpecError:
    """The error in a step, with the line of the step."""
    return SpecError(f"step {step.label!r}: {what}", step.source)


def _check_handler(protocol: "Protocol", handler: "Handler") -> None:
    if not handler.trap:
        raise SpecError(
            f"protocol {protocol.name!r}: the handler's trap has no bytes", handler.made
        )
    for site in protocol.sites:
        if len(handler.trap) > len(site):
            raise SpecError(
                f"site {site.name!r} has {len(site)} bytes, fewer than the trap instruction, "
                f"{handler.trap.hex(' ')}; take a shorter trap",
                site.made,
            )
        for form in site.forms:
            for offset, length in form.runs:
                _check_told_apart(site, form.name, form.data[offset : offset + length], handler)
    _check_routine(protocol, handler.program, "trap handler")


def _check_told_apart(site: Site, form: str, data: bytes, handler: "Handler") -> None:
    """Neither an instruction nor the trap is the beginning of the other."""
    trap = handler.trap
    if data.startswith(trap) and not site.foreign:
        raise SpecError(
            f"site {site.name!r}: its {form} instruction is the trap instruction, so a "
            "trap could not be told from it; patch another instruction or trap",
            site.made,
        )
    if trap.startswith(data) and trap != data:
        raise SpecError(
            f"site {site.name!r}: its {form} instruction {data.hex(' ')} is how the trap "
            f"instruction begins, {trap.hex(' ')}: no CPU tells them apart",
            site.made,
        )


def _check_routine(protocol: "Protocol", program: tuple[Element, ...], what: str) -> None:
    _check_program(protocol, program, Owner.ROUTINE, f"a {what}")
    looked_up: set[str] = set()
    for step in flatten(program):
        for action in step.actions():
            if isinstance(action, Find):
                looked_up.add(action.cell)
            elif isinstance(action, Follow) and action.cell not in looked_up:
                raise _fault(
                    step,
                    f"the handler uses cell {action.cell!r} before looking it up; "
                    "put a lookup before it",
                )
    _check_ends(protocol, program, what)


def _check_ends(protocol: "Protocol", program: tuple[Element, ...], what: str) -> None:
    """Each way through ends with a return, and nothing stands behind one."""
    lines = flow(program)
    todo, reached = [0], set[int]()
    while todo:
        at = todo.pop()
        if at == len(lines):
            raise SpecError(
                f"protocol {protocol.name!r}: the {what} must end with a Return "
                f"({'ret' if what == 'callee' else 'iret'}), whichever way it takes"
            )
        if at not in reached:
            reached.add(at)
            if not first(Leave, lines[at].actions):
                todo += _following(lines[at].then, lines[at].otherwise)
    for number, line in enumerate(lines):
        if number not in reached:
            raise _fault(
                line.step,
                f"it stands behind a Return of the {what}, and is never reached; take it out",
            )


def _following(*lines: int) -> Iterable[int]:
    return dict.fromkeys(lines)
