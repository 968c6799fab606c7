"""Aftermath: what would happen next to a CPU that has executed a torn instruction, and the harm.

A run ends where a property is violated; the CPU goes on. Knows traces and what decoders say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from modelcheck.arch.architecture import Consequence
from modelcheck.trace.document import Executed, Trace

Harm = Literal["faults", "wild branch", "derailed", "corrupts", "silent"]
"""How bad a torn instruction is: it raises an exception; it leads where neither form does; what is
executed next begins inside an instruction, or behind where one begins; it goes on in the right
place, having done what neither form does; or nothing is different."""

HARMS: tuple[Harm, ...] = ("silent", "corrupts", "derailed", "wild branch", "faults")
"""The one that is hardest to notice first."""


@dataclass(frozen=True)
class Aftermath:
    """The harm of what was executed, and what comes next, in words.

    `length` is that of the instruction, 0 where it has more bytes than are known, or is none.
    `next` is the address that is executed next; None where that is not in the bytes.
    """

    harm: Harm
    then: str
    length: int
    next: int | None


def aftermath(trace: Trace) -> Aftermath | None:
    """What follows on the last step of a trace; None if that tore nothing, or no decoder knows."""
    executed = trace.steps[-1].executed if trace.steps else None
    consequence_of = trace.protocol.architecture.consequence
    if executed is None or executed.kind != "torn" or consequence_of is None:
        return None
    return _Torn(trace, executed, consequence_of).aftermath()


class _Torn:
    """A torn instruction, with the bytes behind it as far as the protocol's sites go."""

    def __init__(
        self, trace: Trace, executed: Executed, consequence_of: Callable[[bytes, int], Consequence]
    ) -> None:
        self._arch, self._consequence_of = trace.protocol.architecture, consequence_of
        self._site = next(site for site in trace.protocol.sites if site.name == executed.site)
        self._at = executed.offset
        self._address = self._site.address + executed.offset
        self._data = executed.data + _behind(trace, self._address + len(executed.data))
        self._does = consequence_of(self._data, self._address)
        # The instructions that forms of the site have there.
        self._whole = tuple(
            form.data[begin : begin + length]
            for form in self._site.forms
            for begin, length in form.runs
            if begin == executed.offset
        )

    def aftermath(self) -> Aftermath:
        """What follows."""
        match self._does.goes:
            case "faults":
                none = "it is no instruction, which faults"
                return self._so("faults", "it raises an exception" if self._does.length else none)
            case "unknown":
                return self._so("derailed", "it takes in bytes from behind the site")
            case "branches by data":
                return self._so("wild branch", "it branches where data say")
            case "branches" | "may branch" | "calls":
                return self._branching()
            case "on":
                return self._onward()
            case _:
                assert_never(self._does.goes)

    def _so(self, harm: Harm, then: str, following: int | None = None) -> Aftermath:
        return Aftermath(harm, then, self._does.length, following)

    def _branching(self) -> Aftermath:
        goes, target = self._does.goes, self._does.target
        if target == self._address + self._does.length and goes != "calls":
            return self._onward()
        said = f"it {goes} {target:#x}" if goes == "calls" else f"it {goes} to {target:#x}"
        of_forms = [self._consequence_of(data, self._address) for data in self._whole]
        leading = [form.goes for form in of_forms if form.target == target]
        if not leading:
            return self._so("wild branch", f"{said}, where no form of the site leads", target)
        if goes not in leading:
            return self._so("corrupts", f"{said}, where a form of the site {leading[0]}", target)
        if goes == "may branch":
            return self._onward()
        return self._so("silent", f"{said}, as a form of the site does", target)

    def _onward(self) -> Aftermath:
        """What follows on an instruction that leads to the next one."""
        length, site = self._does.length, self._site
        offset, following = self._at + length, self._address + length
        beginnings = {begin for form in site.forms for begin, _ in form.runs} | {len(site)}
        if offset > len(site):
            then = f"the next instruction begins {offset - len(site)} bytes behind the site"
            return self._so("derailed", then, following)
        if offset not in beginnings:
            text = self._arch.decode(self._data[length:], following).text
            return self._so("derailed", f"at +{offset}, in the midst: {text}", following)
        goes_on = "and goes on " + (f"at +{offset}" if offset < len(site) else "behind the site")
        this = self._arch.decode(self._data, self._address)
        if this.is_nop or self._does.goes == "branches":
            return self._so("silent", f"it does nothing, {goes_on}", following)
        if this.text in [self._arch.decode(data, self._address).text for data in self._whole]:
            return self._so("silent", f"it does what a form of the site does, {goes_on}", following)
        does = f"touches {self._does.touches}" if self._does.touches else "does what no form does"
        return self._so("corrupts", f"it {does}, {goes_on}", following)


def _behind(trace: Trace, address: int) -> bytes:
    """What is in memory from an address on at the end of a trace, as far as it is in sites."""
    memory = {site.name: site.old for site in trace.protocol.sites}
    for step in trace.steps:
        memory |= step.memory
    there = {
        site.address + i: byte
        for site in trace.protocol.sites
        for i, byte in enumerate(memory[site.name])
    }
    data = bytearray()
    while (byte := there.get(address + len(data))) is not None:
        data.append(byte)
    return bytes(data)
