"""Whether what cells hold fits what is done with them. Knows the parts of a protocol.

A counter that is stored a name, a search among names of no sites: the machine could do nothing
with these, and the author meant another cell or another value.
"""

from typing import TYPE_CHECKING, NamedTuple

from modelcheck.protocol.actions import Action, Ask, Change, Find, Need, Put, Set
from modelcheck.protocol.code import Value
from modelcheck.protocol.errors import SpecError, meant
from modelcheck.protocol.program import Step, flatten

if TYPE_CHECKING:
    from modelcheck.protocol.definition import Protocol


class _Uses(NamedTuple):
    """The cells that are counted, searched, and written through."""

    counted: frozenset[str]
    searched: frozenset[str]
    mappings: frozenset[str]


def check_values(protocol: "Protocol") -> None:
    """Raise SpecError where a cell holds, or is compared with, what means nothing there."""
    steps = [step for program in protocol.programs.values() for step in flatten(program)]
    done = [(step, action) for step in steps for action in step.actions()]
    uses = _uses([action for _, action in done])
    sites = [site.name for site in protocol.sites]
    for cell in protocol.cells:
        if fault := _fault(cell.name, cell.initial, uses, sites):
            raise SpecError(f"cell {cell.name!r}: {fault}", cell.made)
    said = [(step, action) for step, action in done if isinstance(action, Set | Ask | Need)]
    for step, action in said:
        if fault := _fault(action.cell, action.value, uses, sites):
            raise SpecError(f"step {step.label!r}: {fault}", step.source)
    _check_mapped(protocol, done)


def _check_mapped(protocol: "Protocol", done: list[tuple[Step, Action]]) -> None:
    """What is written through a cell has room in each site that the cell may name."""
    named = {cell.name: {cell.initial} for cell in protocol.cells}
    for _, action in done:
        if isinstance(action, Set):
            named[action.cell].add(action.value)
    for step, action in done:
        if not isinstance(action, Put) or action.through is None:
            continue
        size = max(len(action.data), len(action.expects))
        for site in protocol.sites:
            if site.name in named[action.through] and action.at + size > len(site):
                raise SpecError(
                    f"step {step.label!r}: {size} bytes at offset {action.at} are not within site "
                    f"{site.name!r}, which has {len(site)}, and which cell {action.through!r} may "
                    "name; write less, or give the site a cell of its own",
                    step.source,
                )


def _uses(actions: list[Action]) -> _Uses:
    counting = (a for a in actions if isinstance(a, Change) or (isinstance(a, Set) and a.at_once))
    return _Uses(
        frozenset(action.cell for action in counting),
        frozenset(a.cell for a in actions if isinstance(a, Find) and a.search),
        frozenset(a.through for a in actions if isinstance(a, Put) and a.through is not None),
    )


def _fault(cell: str, value: Value, uses: _Uses, sites: list[str]) -> str:
    """What is wrong with a value of a cell; empty if nothing is."""
    if cell in uses.counted and not isinstance(value, int):
        return f"{value!r} is no number, but cell {cell!r} counts, or is a lock"
    if cell in uses.searched and isinstance(value, str):
        return f"cell {cell!r} is searched; give it a tuple of names of sites: ({value!r},)"
    if cell in uses.mappings and value and value not in sites:
        return f"cell {cell!r} names the site to write, not {value!r}; {_sites(value, sites)}"
    for name in value if isinstance(value, tuple) else ():
        if name not in sites:
            return f"{name!r} in the tuple is no site; {_sites(name, sites)}"
    return ""


def _sites(value: Value, sites: list[str]) -> str:
    return meant(str(value), sites, "the sites are")
