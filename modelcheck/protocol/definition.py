"""A protocol, and the named edits that make its variants. Knows the rest of this folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

from modelcheck.arch import ARCHITECTURES
from modelcheck.arch.architecture import Architecture, Stores
from modelcheck.protocol.actions import Leave, first
from modelcheck.protocol.checking import Name, SpecValue, checked
from modelcheck.protocol.code import Cell, Site
from modelcheck.protocol.errors import SpecError, meant
from modelcheck.protocol.program import Block, Element, If, Step, flatten
from modelcheck.protocol.watched import Waiver, applicable
from modelcheck.protocol.wellformed import check_protocol, labels

HANDLER_PREFIX = "handler/"
CPU_PREFIX = "cpu/"
CALLEE_PREFIX = "callee/"


@dataclass(frozen=True)
class Handler(SpecValue):
    """What a CPU does when it executes the trap instruction.

    `trap` is that instruction's bytes. The steps of `program` interleave with everything else, and
    each way through them ends with a Return or NotOurs. With `interrupts` off (an x86 interrupt
    gate) no IPI is taken until then.
    """

    trap: bytes
    program: tuple[Element, ...]
    interrupts: bool = False

    @property
    def synchronises(self) -> bool:
        """Whether the CPU is serialised when it comes out of the handler."""
        returns = [first(Leave, step.actions()) for step in flatten(self.program)]
        return all(leave.synchronises for leave in returns if leave)


@dataclass(frozen=True)
class Patcher(SpecValue):
    """Another program that runs beside the patcher's, on a CPU of its own."""

    name: Name
    program: tuple[Element, ...]


@dataclass(frozen=True)
class Protocol(SpecValue):
    """A patching protocol: sites, cells, the patcher's program, and the trap handler.

    It is held to every property that applies; `waived` are those that it is not, with the reason
    (see without_property). With `patcher_executes`, the patcher's own CPU
    runs the sites too, in its interrupts. `patchers` are other programs beside the patcher's.
    `cpu_program` is what the CPUs run, over and over; if empty, any site at any time. `callee` is
    what a CPU runs when it has executed the new instruction of a site, a call.

    `arch` names the architecture. It decides what decodes the instructions, which of them may be
    modified while they run, and how memory behaves, unless the next two say otherwise; where they
    are None, they become what the architecture says. With `stores` "weak", stores of a CPU reach
    memory in any order but that of a Fence, those to one address excepted. With `coherent_icache`
    false, a CPU can fetch what an instruction cache had before the last InvalidateIcache, however
    often it serialises (Arm: CTR_EL0.DIC is 0); and what that brings it is what CleanDcache has
    cleaned, or with `coherent_dcache` (CTR_EL0.IDC is 1) what is in memory.

    Raises SpecError where the parts do not fit together.
    """

    name: Name
    sites: tuple[Site, ...]
    program: tuple[Element, ...]
    handler: Handler | None = None
    cells: tuple[Cell, ...] = ()
    waived: tuple[Waiver, ...] = ()
    patcher_executes: bool = True
    arch: str = "x86-64"
    patchers: tuple[Patcher, ...] = ()
    cpu_program: tuple[Element, ...] = ()
    callee: tuple[Element, ...] = ()
    stores: Stores | None = None
    coherent_icache: bool | None = None
    coherent_dcache: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_protocol(self)
        # Here alone: all else, traces too, sees what holds, whatever it is that says so.
        if self.stores is None:
            object.__setattr__(self, "stores", self.architecture.stores)
        if self.coherent_icache is None:
            object.__setattr__(self, "coherent_icache", self.architecture.coherent_icache)
        if self.coherent_dcache is None:
            object.__setattr__(self, "coherent_dcache", self.coherent_icache)

    @property
    def architecture(self) -> Architecture:
        """The facts of the architecture."""
        return ARCHITECTURES[self.arch]

    @cached_property
    def properties(self) -> tuple[str, ...]:
        """The properties that the protocol is held to."""
        return applicable(self)

    @property
    def patcher_programs(self) -> dict[str, tuple[Element, ...]]:
        """The programs of all patchers; each by what begins the labels of its steps in edits."""
        return {"": self.program, **{f"{one.name}/": one.program for one in self.patchers}}

    @property
    def programs(self) -> dict[str, tuple[Element, ...]]:
        """All programs; each by what begins the labels of its steps where an edit names them."""
        handler = {HANDLER_PREFIX: self.handler.program} if self.handler else {}
        return {
            **self.patcher_programs,
            CPU_PREFIX: self.cpu_program,
            **handler,
            CALLEE_PREFIX: self.callee,
        }

    def _with_programs(self, programs: Mapping[str, tuple[Element, ...]]) -> "Protocol":
        return replace(
            self,
            program=programs[""],
            patchers=tuple(
                replace(patcher, program=programs[f"{patcher.name}/"]) for patcher in self.patchers
            ),
            cpu_program=programs[CPU_PREFIX],
            handler=self.handler and replace(self.handler, program=programs[HANDLER_PREFIX]),
            callee=programs[CALLEE_PREFIX],
        )

    # Edits: each gives another protocol. They raise SpecError when a label names no step.

    @checked
    def without(self, *labels: str) -> "Protocol":
        """The protocol with the named steps or blocks taken out."""
        edited = self
        for label in labels:
            edited = edited.replaced(label)
        return edited

    @checked
    def replaced(self, label: str, *elements: Element) -> "Protocol":
        """The protocol with the named step replaced by `elements` (by nothing, if none)."""
        return self._edit({label: lambda _: elements})

    @checked
    def inserted(self, *elements: Element, before: str = "", after: str = "") -> "Protocol":
        """The protocol with `elements` put in before, or after, the named step."""
        if bool(before) == bool(after):
            raise SpecError("say where to by either before= or after=, the label of a step")
        if before:
            return self._edit({before: lambda anchor: (*elements, anchor)})
        return self._edit({after: lambda anchor: (anchor, *elements)})

    @checked
    def moved(self, label: str, *, before: str = "", after: str = "") -> "Protocol":
        """The protocol with the named step moved to before, or after, another."""
        element, anchor = self.element(label), before or after
        if label == anchor:
            raise SpecError(f"{label!r} cannot be moved to before or after itself")
        _check_apart(label, anchor)
        return self.without(label).inserted(element, before=before, after=after)

    @checked
    def swapped(self, first: str, second: str) -> "Protocol":
        """The protocol with two steps exchanged."""
        one, other = self.element(first), self.element(second)
        if first == second:
            raise SpecError(f"{first!r} cannot be swapped with itself")
        _check_apart(first, second)
        _check_apart(second, first)
        return self._edit({first: lambda _: (other,), second: lambda _: (one,)})

    @checked
    def with_handler(self, handler: Handler | None) -> "Protocol":
        """The protocol with another trap handler, or none."""
        return replace(self, handler=handler)

    @checked
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
                else:
                    yield _rebuilt(element, partial(into, path + "/"))

        def into(prefix: str, elements: tuple[Element, ...]) -> tuple[Element, ...]:
            return tuple(walk(elements, prefix))

        programs = {
            prefix: tuple(walk(program, prefix)) for prefix, program in self.programs.items()
        }
        for label in sorted(missed):
            raise SpecError(
                f"protocol {self.name!r} has no step named {label!r}; "
                + meant(label, labels(self), "its steps are")
            )
        return self._with_programs(programs)


def _check_apart(label: str, other: str) -> None:
    """Raises SpecError if `other` names a part of the block that `label` names."""
    if other.startswith(label + "/"):
        raise SpecError(f"{other!r} is a part of {label!r}; name a step outside it")


_Edit = Callable[[Element], tuple[Element, ...]]
"""What an edit puts in the place of an element."""


def _rebuilt(
    element: Element, edit: Callable[[tuple[Element, ...]], tuple[Element, ...]]
) -> Element:
    """The element with its parts edited, if it has any."""
    match element:
        case Block():
            return replace(element, steps=edit(element.steps))
        case If():
            return replace(element, then=edit(element.then), otherwise=edit(element.otherwise))
        case Step():
            return element
        case _:
            raise AssertionError(element)
