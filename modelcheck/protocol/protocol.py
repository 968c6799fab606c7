"""A protocol, and the named edits that make its variants. Knows the rest of this folder."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from modelcheck.isa import ISAS
from modelcheck.protocol.code import Cell, Site
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.steps import (
    HANDLER_ONLY,
    Block,
    Element,
    Emulate,
    Lookup,
    Return,
    Step,
    Store,
    Write,
    flatten,
)


@dataclass(frozen=True)
class Handler:
    """What a CPU does when it executes the trap instruction.

    `trap` is that instruction's bytes. The steps of `program` interleave with everything else and
    end with a Return. With `interrupts` off (an x86 interrupt gate) no IPI is taken until then.
    """

    trap: bytes
    program: tuple[Step, ...]
    interrupts: bool = False

    @property
    def synchronises(self) -> bool:
        """Whether the CPU is serialised when it comes out of the handler."""
        return all(step.synchronises for step in self.program if isinstance(step, Return))


@dataclass(frozen=True)
class Protocol:
    """A patching protocol: sites, cells, the patcher's program, and the trap handler.

    `properties` are the names of what must hold. With `patcher_executes`, the patcher's own CPU
    runs the sites too, in its interrupts. Raises SpecError where the parts do not fit together.
    """

    name: str
    sites: tuple[Site, ...]
    program: tuple[Element, ...]
    handler: Handler | None = None
    cells: tuple[Cell, ...] = ()
    properties: tuple[str, ...] = ("no-torn-instruction",)
    patcher_executes: bool = True
    isa: str = "x86-64"

    def __post_init__(self) -> None:
        _check_sites(self)
        _check_steps(self, flatten(self.program), in_handler=False)
        if self.handler:
            _check_handler(self, self.handler)
        if not self.properties:
            raise SpecError(f"protocol {self.name!r} watches no property; name at least one")
        for name in self.properties:
            if name not in PROPERTIES:
                raise SpecError(
                    f"protocol {self.name!r}: unknown property {name!r}; known: "
                    + ", ".join(PROPERTIES)
                )
        if self.isa not in ISAS:
            raise SpecError(
                f"protocol {self.name!r}: unknown instruction set {self.isa!r}; known: "
                + ", ".join(ISAS)
            )

    # Edits: each gives another protocol. They raise SpecError when a label names no step.

    def without(self, *labels: str) -> "Protocol":
        """The protocol with the named steps or blocks taken out."""
        edited = self
        for label in labels:
            edited = edited.replaced(label)
        return edited

    def replaced(self, label: str, *elements: Element) -> "Protocol":
        """The protocol with the named step replaced by `elements` (by nothing, if none)."""
        return self._edit({label: lambda _: elements})

    def inserted(self, *elements: Element, before: str = "", after: str = "") -> "Protocol":
        """The protocol with `elements` put in before, or after, the named step."""
        if bool(before) == bool(after):
            raise SpecError("say where to by either before= or after=, the label of a step")
        if before:
            return self._edit({before: lambda anchor: (*elements, anchor)})
        return self._edit({after: lambda anchor: (anchor, *elements)})

    def moved(self, label: str, *, before: str = "", after: str = "") -> "Protocol":
        """The protocol with the named step moved to before, or after, another."""
        element, anchor = self.element(label), before or after
        if label == anchor:
            raise SpecError(f"{label!r} cannot be moved to before or after itself")
        _check_apart(label, anchor)
        return self.without(label).inserted(element, before=before, after=after)

    def swapped(self, first: str, second: str) -> "Protocol":
        """The protocol with two steps exchanged."""
        one, other = self.element(first), self.element(second)
        if first == second:
            raise SpecError(f"{first!r} cannot be swapped with itself")
        _check_apart(first, second)
        _check_apart(second, first)
        return self._edit({first: lambda _: (other,), second: lambda _: (one,)})

    def with_handler(self, handler: Handler | None) -> "Protocol":
        """The protocol with another trap handler, or none."""
        return replace(self, handler=handler)

    def element(self, label: str) -> Element:
        """The step or block of the program with this label; blocks nest as "block/step"."""
        found: list[Element] = []

        def keep(element: Element) -> tuple[Element, ...]:
            found.append(element)
            return (element,)

        self._edit({label: keep})
        return found[0]

    def _edit(self, edits: Mapping[str, "_Edit"]) -> "Protocol":
        missed = set(edits)

        def walk(elements: tuple[Element, ...], prefix: str) -> Iterator[Element]:
            for element in elements:
                path = prefix + element.label
                if path in edits:
                    missed.discard(path)
                    yield from edits[path](element)
                elif isinstance(element, Block):
                    yield replace(element, steps=tuple(walk(element.steps, path + "/")))
                else:
                    yield element

        program = tuple(walk(self.program, ""))
        for label in sorted(missed):
            raise SpecError(
                f"protocol {self.name!r} has no step named {label!r}; its steps are: "
                + ", ".join(_labels(self.program))
            )
        return replace(self, program=program)


def _check_apart(label: str, other: str) -> None:
    """Raises SpecError if `other` names a part of the block that `label` names."""
    if other.startswith(label + "/"):
        raise SpecError(f"{other!r} is a part of {label!r}; name a step outside it")


_Edit = Callable[[Element], tuple[Element, ...]]
"""What an edit puts in the place of an element."""


def _labels(program: tuple[Element, ...], prefix: str = "") -> Iterable[str]:
    for element in program:
        yield prefix + element.label
        if isinstance(element, Block):
            yield from _labels(element.steps, prefix + element.label + "/")


def _check_sites(protocol: Protocol) -> None:
    if not protocol.sites:
        raise SpecError(f"protocol {protocol.name!r} has no site; give it at least one Site")
    for kind, names in (
        ("site", [site.name for site in protocol.sites]),
        ("cell", [cell.name for cell in protocol.cells]),
        ("step label", [*_labels(protocol.program)]),
        (
            "handler step label",
            [s.label for s in protocol.handler.program] if protocol.handler else [],
        ),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                raise SpecError(
                    f"protocol {protocol.name!r}: {kind} {name!r} is used {count} times; "
                    "give each its own name"
                )
    for one, other in combinations(protocol.sites, 2):
        if one.address < other.address + len(other) and other.address < one.address + len(one):
            raise SpecError(
                f"sites {one.name!r} ({one.address:#x}, {len(one)} bytes) and {other.name!r} "
                f"({other.address:#x}, {len(other)} bytes) overlap; give them addresses that "
                "do not"
            )


def _check_steps(protocol: Protocol, steps: Iterable[Step], *, in_handler: bool) -> None:
    sites = {site.name: site for site in protocol.sites}
    cells = {cell.name for cell in protocol.cells}
    for step in steps:
        where = f"step {step.label!r}" + (f" ({step.source})" if step.source else "")
        if isinstance(step, HANDLER_ONLY) and not in_handler:
            raise SpecError(
                f"{where}: {type(step).__name__} is for trap handlers, not for the patcher"
            )
        if in_handler and not isinstance(step, HANDLER_ONLY):
            raise SpecError(
                f"{where}: a trap handler cannot {type(step).__name__}; it looks up, emulates, "
                "skips and returns"
            )
        if isinstance(step, Write):
            if step.site not in sites:
                raise SpecError(
                    f"{where}: no site named {step.site!r}; add it to the protocol's sites"
                )
            size = len(sites[step.site])
            if not step.data or step.at < 0 or step.at + len(step.data) > size:
                raise SpecError(
                    f"{where}: {len(step.data)} bytes at offset {step.at} are not within site "
                    f"{step.site!r}, which has {size}"
                )
        cell = step.cell if isinstance(step, Store | Lookup | Emulate) else None
        if cell is not None and cell not in cells:
            raise SpecError(f"{where}: no cell named {cell!r}; add it to the protocol's cells")


def _check_handler(protocol: Protocol, handler: Handler) -> None:
    if not handler.trap:
        raise SpecError(f"protocol {protocol.name!r}: the handler's trap has no bytes")
    for site in protocol.sites:
        if len(handler.trap) > len(site):
            raise SpecError(
                f"site {site.name!r} has {len(site)} bytes, fewer than the trap instruction, "
                f"{handler.trap.hex(' ')}; take a shorter trap"
            )
        for which, data in (("old", site.old), ("new", site.new)):
            if data.startswith(handler.trap):
                raise SpecError(
                    f"site {site.name!r}: its {which} instruction is the trap instruction, so a "
                    "trap could not be told from it; patch another instruction or trap"
                )
    _check_steps(protocol, handler.program, in_handler=True)
    returns = [i for i, step in enumerate(handler.program) if isinstance(step, Return)]
    if returns != [len(handler.program) - 1]:
        raise SpecError(
            f"protocol {protocol.name!r}: the handler must end with a Return (iret), "
            "and have no other"
        )
    looked_up: set[str] = set()
    for step in handler.program:
        if isinstance(step, Lookup):
            looked_up.add(step.cell)
        elif isinstance(step, Emulate) and step.cell is not None and step.cell not in looked_up:
            raise SpecError(
                f"step {step.label!r}: the handler uses cell {step.cell!r} before looking it up; "
                "put a lookup before it"
            )
