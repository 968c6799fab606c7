"""A protocol with the bytes and addresses of a log: the same steps, about what was patched there.

A byte of the spec is replaced by what stands in its place: one of the old form by the log's old
byte, and so on. What is neither old, new nor trap is refused by name. Knows protocols and logs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from modelcheck.frontends.logs import LoggedSite, TextLog
from modelcheck.protocol.actions import Put, Set, first
from modelcheck.protocol.code import Cell, Form, Site, Value, runs
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Block, Element, If, Step, flatten
from modelcheck.protocol.suite import Suite, Variant
from modelcheck.protocol.vocabulary.code import Write

LEFT_OUT = ""
"""What a site of the log is called in the protocol if its events are not looked at."""


@dataclass(frozen=True)
class Instance:
    """A variant about a log's sites.

    `sites` has the protocol's name for each site of the log that it has; `cells` has those that are
    cells of the protocol, each with its bytes for each value of that cell.
    """

    variant: Variant
    sites: Mapping[str, str]
    cells: Mapping[str, tuple[str, Mapping[Value, bytes]]] = field(default_factory=dict)


class UnfitError(ValueError):
    """A protocol cannot be about what is in a log; the message says why."""


def instance(suite: Suite, variant: str, log: TextLog, renamed: Mapping[str, str]) -> Instance:
    """The variant of this name of a suite, about a log's sites.

    `renamed` has the spec's names for sites of the log; one that is LEFT_OUT is not looked at. A
    suite of a family is made anew for the log's sites, however many they are; of another the sites
    are paired by name, or else by address. Raises UnfitError where it cannot be about them.
    """
    _check_fits(suite.protocol, log)
    cells = {cell.name for cell in suite.protocol.cells}
    named = _renamed(log, renamed)
    sites = {name: site for name, site in named.items() if name not in cells}
    held = {name: site for name, site in named.items() if name in cells}
    if suite.family is not None:
        made = sorted((_made(name, site) for name, site in sites.items()), key=_address)
        suite = suite.family(*made)
    (chosen,) = (one for one in suite if one.name == variant)
    return _instance(chosen, sites, held)


def _address(site: Site) -> int:
    return site.address


def _check_fits(protocol: Protocol, log: TextLog) -> None:
    if protocol.arch != log.arch:
        raise UnfitError(f"it is for {protocol.arch}, and the log is of {log.arch}")
    if protocol.patchers:
        raise UnfitError("it has several patchers, and a log has one")
    cells = {cell.name: cell for cell in protocol.cells}
    for name in sorted(log.counted):
        if name not in cells:
            raise UnfitError(f"it has no cell {name!r}, which the log counts")
        if cells[name].per_cpu:
            raise UnfitError(f"each CPU has its own {name!r}, and the log has one for all")


def _renamed(log: TextLog, renamed: Mapping[str, str]) -> dict[str, LoggedSite]:
    """The log's sites that are looked at, by what they are called in the spec."""
    known = {site.name for site in log.sites}
    for name in renamed:
        if name not in known:
            raise SpecError(f"--map {name}: the log has no such site; it has {', '.join(known)}")
    found = {renamed.get(site.name, site.name): site for site in log.sites}
    return {name: site for name, site in found.items() if name != LEFT_OUT}


def _made(name: str, site: LoggedSite) -> Site:
    """A site of the log as one of a protocol."""
    size = len(site.old)
    return Site(
        name,
        site.old,
        site.new,
        address=site.address,
        old_runs=runs(*(site.old_runs or (size,))),
        new_runs=runs(*(site.new_runs or (size,))),
        foreign=site.foreign,
    )


def _instance(
    variant: Variant, sites: Mapping[str, LoggedSite], cells: Mapping[str, LoggedSite]
) -> Instance:
    protocol = variant.protocol
    pairs = dict(_paired(protocol, sites))
    trap = protocol.handler.trap if protocol.handler else b""
    rewritten = {
        site.name: _rewritten(site, pairs[site.name], trap)
        for site in protocol.sites
        if site.name in pairs
    }
    added = {name: _made(name, site) for name, site in sites.items() if site not in pairs.values()}
    edit = _Edit({site.name: site for site in protocol.sites}, rewritten, trap)
    about = replace(
        protocol,
        sites=(*rewritten.values(), *added.values()),
        program=edit.program(protocol.program),
        cpu_program=edit.program(protocol.cpu_program),
        callee=edit.program(protocol.callee),
        handler=protocol.handler
        and replace(protocol.handler, program=edit.program(protocol.handler.program)),
        patcher_executes=False,
    )
    names = {site.name: name for name, site in pairs.items()}
    names |= {site.name: name for name, site in sites.items() if name in added}
    held = {site.name: (name, _held(protocol, name, site)) for name, site in cells.items()}
    return Instance(replace(variant, protocol=about), names, held)


def _paired(
    protocol: Protocol, sites: Mapping[str, LoggedSite]
) -> Iterator[tuple[str, LoggedSite]]:
    """Each site of a protocol with the one of the log that it is about."""
    for foreign in (False, True):
        ours = [site for site in protocol.sites if site.foreign is foreign]
        theirs = {name: site for name, site in sites.items() if site.foreign is foreign}
        if foreign:  # breakpoints of others: those that are not there play no part
            yield from ((site.name, theirs[site.name]) for site in ours if site.name in theirs)
            continue
        if len(ours) != len(theirs):
            raise UnfitError(
                f"it patches {', '.join(site.name for site in ours) or 'nothing'}, and the log has "
                f"{', '.join(theirs) or 'nothing'}"
            )
        left = sorted((s for s in ours if s.name not in theirs), key=lambda site: site.address)
        names = {site.name for site in ours}
        rest = sorted(
            (site for name, site in theirs.items() if name not in names),
            key=lambda site: site.address,
        )
        yield from ((site.name, theirs[site.name]) for site in ours if site.name in theirs)
        yield from ((site.name, other) for site, other in zip(left, rest, strict=True))


def _rewritten(site: Site, logged: LoggedSite, trap: bytes) -> Site:
    """A site of a protocol with the bytes, the address and the instructions of the log's."""
    if len(site) != len(logged.old):
        raise UnfitError(
            f"its site {site.name!r} has {len(site)} bytes, and the log's {len(logged.old)}"
        )
    lengths = {
        form: runs(*said)
        if (said := getattr(logged, f"{form}_runs"))
        else getattr(site, f"{form}_runs")
        for form in ("old", "new")
    }
    about = replace(
        site,
        old=logged.old,
        new=logged.new,
        address=logged.address,
        old_runs=lengths["old"],
        new_runs=lengths["new"],
        between=(),
    )
    between = tuple(
        Form(form.name, _bytes(site, about, form.data, 0, trap, f"form {form.name!r}"), form.runs)
        for form in site.between
    )
    return replace(about, between=between)


def _bytes(site: Site, about: Site, data: bytes, at: int, trap: bytes, whose: str) -> bytes:
    """What bytes of a spec's site are in that of a log: the old ones, the new ones, or a trap."""
    end = at + len(data)
    for mine, theirs in ((site.new, about.new), (site.old, about.old)):
        if data == mine[at:end]:
            return theirs[at:end]
    if trap.startswith(data):
        return data
    found = bytearray()
    for place, byte in enumerate(data, start=at):
        if byte == site.new[place]:
            found.append(about.new[place])
        elif byte == site.old[place]:
            found.append(about.old[place])
        elif byte in trap:
            found.append(byte)
        else:
            raise UnfitError(
                f"{whose} has {byte:02x} at byte {place} of site {site.name!r}, which is neither "
                "its old, its new nor the trap's, so that the log has nothing in its place"
            )
    return bytes(found)


@dataclass(frozen=True)
class _Edit:
    """Programs with the bytes that they write exchanged."""

    sites: Mapping[str, Site]
    about: Mapping[str, Site]
    trap: bytes

    def program(self, elements: tuple[Element, ...]) -> tuple[Element, ...]:
        return tuple(map(self._element, elements))

    def _element(self, element: Element) -> Element:
        match element:
            case Block():
                return replace(element, steps=self.program(element.steps))
            case If():
                then, otherwise = self.program(element.then), self.program(element.otherwise)
                return replace(element, then=then, otherwise=otherwise)
            case Write():
                return self._write(element)
            case Step():
                if first(Put, element.actions()):
                    kind = type(element).__name__
                    raise UnfitError(f"step {element.label!r}: what a {kind} writes is not known")
                return element
            case _:
                raise AssertionError(element)

    def _write(self, step: Write) -> Write:
        if step.through is not None:
            raise UnfitError(f"step {step.label!r} writes to whatever site a cell names")
        site, about = self.sites[step.site], self.about[step.site]
        whose = f"step {step.label!r}"
        data = _bytes(site, about, step.data, step.at, self.trap, whose)
        expects = _bytes(site, about, step.expects, step.at, self.trap, whose)
        return replace(step, data=data, expects=expects if step.expects else b"")


def _held(protocol: Protocol, name: str, site: LoggedSite) -> dict[Value, bytes]:
    """The bytes for each value of a cell: the old ones for what it holds first, and the new ones
    for the one other that it is set to."""
    (cell,) = (cell for cell in protocol.cells if cell.name == name)
    values = dict.fromkeys(_set_to(protocol, cell))
    values.pop(cell.initial, None)
    if len(values) > 1:
        raise UnfitError(
            f"cell {name!r} is set to {', '.join(map(str, values))}, and the log has new bytes for "
            "one of them only"
        )
    return {cell.initial: site.old, **dict.fromkeys(values, site.new)}


def _set_to(protocol: Protocol, cell: Cell) -> Iterator[Value]:
    for program in protocol.programs.values():
        for step in flatten(program):
            for action in step.actions():
                if isinstance(action, Set) and action.cell == cell.name:
                    yield action.value
