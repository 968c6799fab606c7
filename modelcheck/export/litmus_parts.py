"""What of a protocol a litmus test can say, and what it is made of: words, cells, rules.

All else is refused, by name and by the line of the spec. Knows protocols and the machine's
settings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from modelcheck.machine.setup import Setup
from modelcheck.protocol import actions as do
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Step, flow

WORD = 4
"""Bytes of an instruction, of a store of code, and of what a fetch reads."""


def rules(setup: Setup) -> tuple[str, str | None]:
    """What corresponds to the fetch model: the line of the header, and the name of the rules.

    Raises SpecError where nothing does.
    """
    protocol, model = setup.protocol, setup.configuration.fetch
    match protocol.arch, model, protocol.coherent_icache:
        case "arm64", "store-order", _:
            return "CacheType=DIC IDC", None
        case "arm64", "incoherent", False:
            return "CacheType=IDC" if protocol.coherent_dcache else "", None
        case "riscv64", "store-order", True:
            return "", "Ziccid"
        case "riscv64", "incoherent", True:
            return "", "ir-decode"
        case _:
            raise SpecError(
                f"protocol {protocol.name!r}: no rules of litmus tests are those of "
                f"{protocol.arch} under {model}, instruction caches "
                f"{'coherent' if protocol.coherent_icache else 'not coherent'}; take arm64 or "
                "riscv64, under incoherent or store-order"
            )


def refused(step: Step, what: str) -> SpecError:
    """What to raise of a step that no litmus test can say."""
    where = f"{step.source}: " if step.source else ""
    return SpecError(f"{where}step {step.label!r} is {what}, which no litmus test can say")


def check(setup: Setup) -> None:
    """Raise SpecError where a protocol or its configuration is none for a litmus test."""
    protocol, run = setup.protocol, setup.configuration
    handler = protocol.handler.program if protocol.handler else ()
    parts = (
        (handler, "a trap handler"),
        (protocol.patchers[0].program if protocol.patchers else (), "several patchers"),
        (protocol.cpu_program, "a program that CPUs run"),
    )
    for program, what in parts:
        if program:
            where = f"{program[0].source}: " if program[0].source else ""
            raise SpecError(
                f"{where}protocol {protocol.name!r} has {what}, which no litmus test can say"
            )
    for wrong, what in (
        (run.cpus != 1, f"is for {run.cpus} CPUs, a litmus test for one; say --cpus 1"),
        (run.chunk != WORD, f"is for chunks of {run.chunk}; say --chunk {WORD}"),
        (protocol.stores != "weak", f"has stores {protocol.stores}, a litmus test weak ones"),
    ):
        if wrong:
            raise SpecError(f"protocol {protocol.name!r} {what}")


@dataclass(frozen=True)
class SiteWord:
    """A word that changes: its site and place, all its contents, the old and the new one first,
    and the cache lines it is in."""

    number: int
    site: str
    at: int
    contents: tuple[bytes, ...]
    lines: frozenset[int]

    @property
    def label(self) -> str:
        """Where it is in the test."""
        return f"w{self.number}"

    def __str__(self) -> str:
        """Which word it is, and what each number stands for."""
        values = ", ".join(f"{n} is {data.hex(' ')}" for n, data in enumerate(self.contents, 1))
        return f"{self.label} is {self.site}+{self.at}: {values}"


def site_words(setup: Setup) -> Iterator[SiteWord]:
    """The words of the sites that change. Raises SpecError for other stores of code."""
    protocol = setup.protocol
    puts = [
        (line.step, action)
        for line in flow(protocol.program)
        for action in line.actions
        if isinstance(action, do.Put)
    ]
    address = {site.name: site.address for site in protocol.sites}
    for step, put in puts:
        if put.order != "single" or len(put.data) != WORD:
            raise refused(step, f"a store of code, but not of {WORD} bytes at once")
        if (address[put.site] + put.at) % WORD or put.expects or put.through:
            raise refused(step, "a store of code, but not of one aligned word")
    number = 0
    for index, site in enumerate(protocol.sites):
        if site.between or any(form.runs != site.forms[0].runs for form in site.forms):
            raise SpecError(f"site {site.name!r} has forms that are not alike word by word")
        changing = 0
        for at in range(0, len(site), WORD):
            stored = [put.data for _, put in puts if (put.site, put.at) == (site.name, at)]
            old, new = site.old[at : at + WORD], site.new[at : at + WORD]
            if stored or old != new:
                lines = frozenset(setup.layout.lines(index, at, WORD))
                contents = tuple(dict.fromkeys((old, new, *stored)))
                yield SiteWord(number, site.name, at, contents, lines)
                number, changing = number + 1, changing + 1
        if changing > 1:
            raise SpecError(
                f"site {site.name!r}: {changing} of its words change, and a CPU may be stopped "
                "between them, which no litmus test can say"
            )


def looked_up(setup: Setup) -> Iterator[str]:
    """The cells that a callee reads. Raises SpecError for what else it does."""
    for line in flow(setup.protocol.callee):
        for action in line.actions:
            if isinstance(action, do.Find) and not action.search:
                yield action.cell
            elif not isinstance(action, do.Leave):
                raise refused(line.step, f"a {type(line.step).__name__} in a callee")


def numbered(protocol: Protocol) -> dict[str, dict[Value, int]]:
    """The values of cells as numbers; empty ones are 0."""
    known: dict[str, dict[Value, int]] = {}
    sets = [a for line in flow(protocol.program) for a in line.actions if isinstance(a, do.Set)]
    for cell in protocol.cells:
        values = (cell.initial, *(one.value for one in sets if one.cell == cell.name))
        known[cell.name] = {None: 0, (): 0}
        for value in values:
            known[cell.name].setdefault(value, len(known[cell.name]) - 1)
    return known


def variable(cell: str) -> str:
    """The variable that a cell is."""
    return "c_" + re.sub(r"\W", "_", cell)
