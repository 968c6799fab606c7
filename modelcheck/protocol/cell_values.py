"""Whether what cells hold fits what is done with them. Knows the parts of a protocol.

A counter that is stored a name, a search among names of no sites: the machine could do nothing
with these, and the author meant another cell or another value.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from modelcheck.protocol.actions import Action, Ask, Change, Find, Need, Put, Set
from modelcheck.protocol.code import Value
from modelcheck.protocol.errors import SpecError, meant
from modelcheck.protocol.program import flatten
from modelcheck.protocol.source import Source

if TYPE_CHECKING:
    from modelcheck.protocol.definition import Protocol


class _Uses(NamedTuple):
    """The cells that are counted, searched, and written through."""

    counted: frozenset[str]
    searched: frozenset[str]
    mappings: frozenset[str]


class _Held(NamedTuple):
    """A value that a cell holds, or is compared with, and who says so."""

    cell: str
    value: Value
    where: str
    source: Source | None


def check_values(protocol: "Protocol") -> None:
    """Raise SpecError where a cell holds, or is compared with, what means nothing there."""
    uses = _uses(protocol)
    sites = [site.name for site in protocol.sites]
    for held in _held(protocol):
        if fault := _fault(held, uses, sites):
            raise SpecError(f"{held.where}: {fault}", held.source)


def _uses(protocol: "Protocol") -> _Uses:
    actions = [action for _, _, action in _actions(protocol)]
    counting = (a for a in actions if isinstance(a, Change) or (isinstance(a, Set) and a.at_once))
    return _Uses(
        frozenset(action.cell for action in counting),
        frozenset(a.cell for a in actions if isinstance(a, Find) and a.search),
        frozenset(a.through for a in actions if isinstance(a, Put) and a.through is not None),
    )


def _actions(protocol: "Protocol") -> Iterator[tuple[str, Source | None, Action]]:
    for program in protocol.programs.values():
        for step in flatten(program):
            for action in step.actions():
                yield f"step {step.label!r}", step.source, action


def _held(protocol: "Protocol") -> Iterator[_Held]:
    for cell in protocol.cells:
        yield _Held(cell.name, cell.initial, f"cell {cell.name!r}", cell.made)
    for where, source, action in _actions(protocol):
        if isinstance(action, Set | Ask | Need):
            yield _Held(action.cell, action.value, where, source)


def _fault(held: _Held, uses: _Uses, sites: list[str]) -> str:
    """What is wrong with a value; empty if nothing is."""
    value = held.value
    if held.cell in uses.counted and not isinstance(value, int):
        return f"{value!r} is no number, but cell {held.cell!r} counts, or is a lock"
    if held.cell in uses.searched and isinstance(value, str):
        return f"cell {held.cell!r} is searched; give it a tuple of names of sites: ({value!r},)"
    if held.cell in uses.mappings and value is not None and value not in sites:
        return f"cell {held.cell!r} names the site to write, not {value!r}; {_sites(value, sites)}"
    for name in value if isinstance(value, tuple) else ():
        if name not in sites:
            return f"{name!r} in the tuple is no site; {_sites(name, sites)}"
    return ""


def _sites(value: Value, sites: list[str]) -> str:
    return meant(str(value), sites, "the sites are")
