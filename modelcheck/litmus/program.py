"""A litmus test made ready to run: code at addresses, registers and variables with values.

Knows texts, architectures and what instructions do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

from modelcheck.litmus.aarch64 import AArch64
from modelcheck.litmus.condition import Equals, Faulted, Location, Proposition, Quantifier, atoms
from modelcheck.litmus.disassembly import instruction_of
from modelcheck.litmus.errors import NOWHERE, LitmusError, Spot
from modelcheck.litmus.instruction import Address, Datum, InstructionEffect, LitmusInstruction
from modelcheck.litmus.instruction_set import InstructionSet, assemble
from modelcheck.litmus.registers import read_registers, written_registers
from modelcheck.litmus.riscv import RiscV
from modelcheck.litmus.text import LitmusText, SourceLine, Written, instruction, numeral
from modelcheck.litmus.x86 import X86

ARCHITECTURES: Mapping[str, InstructionSet] = {isa.name: isa for isa in (AArch64(), RiscV(), X86())}


@dataclass(frozen=True)
class Thread:
    """A thread: where it begins, and what its registers hold then."""

    name: str
    registers: Mapping[str, Datum]


@dataclass(frozen=True)
class LitmusTest:
    """A litmus test that is ready to run. `ends` has, for each column, where its code ends."""

    text: LitmusText
    isa: InstructionSet
    threads: tuple[Thread, ...]
    code: Mapping[Address, LitmusInstruction]
    lines: Mapping[Address, SourceLine]
    labels: Mapping[str, Mapping[str, Address]]
    ends: Mapping[str, int]
    variables: Mapping[Address, Datum]

    @property
    def name(self) -> str:
        """The test's own name."""
        return self.text.name

    @property
    def quantifier(self) -> Quantifier:
        """Of which final states the condition speaks."""
        return self.text.quantifier

    @property
    def condition(self) -> Proposition:
        """What is asked of them."""
        return self.text.condition

    @property
    def asked(self) -> str:
        """The condition as text."""
        return self.text.asked

    @property
    def idc(self) -> bool:
        """Whether the header says that data caches need no cleaning; DIC includes it."""
        return self.dic or "IDC" in self.text.attributes.get("CacheType", "").split()

    @property
    def dic(self) -> bool:
        """Whether the header says that instruction caches need no invalidation."""
        return "DIC" in self.text.attributes.get("CacheType", "").split()

    @cached_property
    def observed(self) -> tuple[Location, ...]:
        """The locations whose final values tell final states apart, in the order of print."""
        found = {
            (location.thread, self.canonical(location)): location
            for location in (*self.text.shown, *_locations(self.condition))
        }

        def key(item: tuple[tuple[int | None, str], Location]) -> tuple[int, int, str]:
            (thread, name), _ = item
            if thread is None:
                return len(self.threads), 0, name
            return thread, self.isa.order_key(name), name

        return tuple(location for _, location in sorted(found.items(), key=key))

    @cached_property
    def watches_faults(self) -> bool:
        """Whether faults tell final states apart."""
        return any(isinstance(atom, Faulted) for atom in atoms(self.condition))

    def canonical(self, location: Location) -> str:
        """The one name of a location's register, or the variable."""
        if location.thread is None:
            return location.name
        found = self.isa.register(location.name)
        assert found is not None
        return found

    def value(self, written: Written) -> Datum:
        """A value as the file writes it. Raises LitmusError."""
        match written.kind:
            case "number":
                return _number(self.isa, numeral(written.text))
            case "instruction":
                return self._instruction(written)
            case "label":
                return self._label(written.text, written.spot)
            case "alias":
                return self._label(written.text, written.spot).alias()
            case "word":
                if written.text.upper() == "NOP":
                    return self._instruction(written)
                return Address(written.text)
            case _:
                assert_never(written.kind)

    def initial(self, place: Address) -> Datum:
        """What memory holds at the beginning."""
        if place.base in self.ends:
            return self.code[place]
        return self.variables.get(place, 0)

    @cached_property
    def machine_code(self) -> Mapping[str, tuple[int | None, ...]]:
        """The bytes of each column; None for those of instructions that have none here."""
        found: dict[str, list[int | None]] = {name: [] for name in self.ends}
        for place, made in self.code.items():
            data = self.isa.encode(instruction(made.text, NOWHERE))
            found[place.base] += [None] * made.size if data is None else list(data)
        return {name: tuple(data) for name, data in found.items()}

    def where(self, place: Address) -> str:
        """How a reader calls a place: P1:L0, P1+8, x."""
        place = place.physical()
        if place.base not in self.ends:
            return place.base + (f"+{place.offset}" if place.offset else "")
        before = [
            (address.offset, label)
            for label, address in self.labels[place.base].items()
            if address.offset <= place.offset
        ]
        offset, label = max(before, key=lambda found: found[0], default=(0, ""))
        distance = f"+{place.offset - offset}" if place.offset > offset or not label else ""
        return f"{place.base}:{label}{distance}" if label else f"{place.base}{distance}"

    def told(self, value: Datum) -> str:
        """A value in print: numbers in decimal, labels and instructions by name."""
        match value:
            case LitmusInstruction():
                return self.isa.spelling(value.text)
            case Address(base, _):
                return f'label:"{self.where(value)}"' if base in self.ends else self.where(value)
            case int():
                return str(value)
            case _:
                raise AssertionError(value)

    def equal(self, value: Datum, wanted: Datum) -> bool:
        """Whether a final value is the one that a condition names."""
        if isinstance(wanted, LitmusInstruction) and wanted.towards is not None:
            # It names a label; the value has come to be a distance. Where from is not said: from
            # where the test has this instruction, or else from anywhere.
            column = [place for place in self.code if place.base == wanted.towards.base]
            alike = [place for place in column if self.lines[place].text == wanted.text]
            return any(wanted.at(place) is value for place in alike or column)
        return value == wanted

    def _instruction(self, written: Written) -> Datum:
        line = instruction(written.text, written.spot)
        data = self.isa.encode(line)
        if data is not None:
            return int.from_bytes(data, "little")
        return assemble(self.isa, line, None, self._any_label)

    def _any_label(self, name: str) -> Address | None:
        if ":" in name:
            thread, _, label = name.partition(":")
            return self.labels.get(thread, {}).get(label)
        found = {labels[name] for labels in self.labels.values() if name in labels}
        return found.pop() if len(found) == 1 else None

    def _label(self, text: str, where: Spot) -> Address:
        text, _, distance = text.partition("+")
        thread, _, label = text.partition(":")
        if thread not in self.labels:
            raise LitmusError(f"label {text!r}: there is no thread {thread!r}", where)
        found = self.labels[thread].get(label)
        if found is None:
            raise LitmusError(f"label {text!r}: thread {thread} has no label {label!r}", where)
        return found.plus(int(distance or 0))


def prepare(text: LitmusText) -> LitmusTest:
    """Make a test ready to run. Raises LitmusError."""
    isa = ARCHITECTURES.get(text.arch)
    if isa is None:
        known = ", ".join(ARCHITECTURES)
        raise LitmusError(
            f"architecture {text.arch!r} is not covered; these are: {known}", Spot(1, 1)
        )
    _check_attributes(text)
    labels, ends, lines = _layout(text, isa)
    code: dict[Address, LitmusInstruction] = {}
    for address, line in lines.items():
        own = labels[address.base]
        main = labels.get(address.base.removesuffix(".F"), own)
        code[address] = assemble(isa, line, address, (main | own).get)
    bare = LitmusTest(text, isa, (), code, lines, labels, ends, {})
    registers: dict[str, dict[str, Datum]] = {
        name: {} for name in text.columns if not name.endswith(".F")
    }
    variables: dict[Address, Datum] = {}
    for setting in text.settings:
        value = bare.value(setting.value)
        location = setting.location
        if location.thread is None:
            variables[Address(location.name)] = value
            continue
        name = f"P{location.thread}"
        if name not in registers:
            raise LitmusError(f"there is no thread {name}", setting.spot)
        register = isa.register(location.name)
        if register is None:
            raise LitmusError(f"{location.name!r} is no register", setting.spot)
        registers[name][register] = value
    threads = tuple(Thread(name, held) for name, held in registers.items())
    test = LitmusTest(text, isa, threads, code, lines, labels, ends, variables)
    _check_names(test)
    _check_registers(test)
    return test


def _check_attributes(text: LitmusText) -> None:
    """Other attributes are comments; this one changes what a test means."""
    for word in text.attributes.get("CacheType", "").replace(",", " ").split():
        if word not in ("DIC", "IDC"):
            raise LitmusError(f"CacheType {word!r} is unknown; DIC and IDC are", Spot(1, 1))


def _layout(
    text: LitmusText, isa: InstructionSet
) -> tuple[dict[str, dict[str, Address]], dict[str, int], dict[Address, SourceLine]]:
    labels: dict[str, dict[str, Address]] = {}
    ends: dict[str, int] = {}
    lines: dict[Address, SourceLine] = {}
    for number, name in enumerate(n for n in text.columns if not n.endswith(".F")):
        if name != f"P{number}":
            raise LitmusError(
                f"the threads are P0, P1, ... in this order; {name} is not", text.heads[name]
            )
    for name, column in text.columns.items():
        if name.removesuffix(".F") not in text.columns:
            raise LitmusError(f"handler {name} has no thread", text.heads[name])
        labels[name] = {}
        offset = 0
        for line in column:
            address = Address(name, offset)
            for label in line.labels:
                if label in labels[name]:
                    raise LitmusError(f"label {label!r} is there twice", line.spot)
                labels[name][label] = address
            if line.mnemonic:
                lines[address] = line
                offset += isa.size(line)
        ends[name] = offset
    return labels, ends, lines


def _number(isa: InstructionSet, number: int) -> Datum:
    """A number; the instruction that it is the word of, where that is beyond doubt."""
    if isa.decoder == "x86-64":
        return number & (2**64 - 1)
    found = instruction_of(isa, number) if number > 0xFFFF else None
    return found if found is not None else number & (2**64 - 1)


def _locations(condition: Proposition) -> Iterator[Location]:
    for atom in atoms(condition):
        if isinstance(atom, Equals):
            yield atom.location


def _check_names(test: LitmusTest) -> None:
    """All that the condition names is there. Raises LitmusError."""
    held = [value for thread in test.threads for value in thread.registers.values()]
    values = [value for value in (*held, *test.variables.values()) if isinstance(value, Address)]
    variables = {place.base for place in (*test.variables, *values)} | {*test.text.declared}

    def check(name: str, where: Spot) -> None:
        if name not in variables:
            raise LitmusError(f"there is no variable {name!r}: no thread can come to it", where)

    for location in (*test.text.shown, *_locations(test.condition)):
        if location.thread is None:
            check(location.name, location.spot)
            continue
        if location.thread >= len(test.threads):
            raise LitmusError(f"there is no thread P{location.thread}", location.spot)
        if test.isa.register(location.name) is None:
            raise LitmusError(f"{location.name!r} is no register", location.spot)
    for atom in atoms(test.condition):
        if isinstance(atom, Equals):
            value = test.value(atom.value)
            if isinstance(value, Address) and value.physical().base not in test.ends:
                check(value.base, atom.value.spot)
        elif atom.thread >= len(test.threads):
            raise LitmusError(f"there is no thread P{atom.thread}", atom.spot)
        elif atom.label is not None and atom.label not in test.labels[f"P{atom.thread}"]:
            raise LitmusError(f"thread P{atom.thread} has no label {atom.label!r}", atom.spot)


def _check_registers(test: LitmusTest) -> None:
    """Whatever is read is set somewhere: at the beginning, or by some instruction.

    Raises LitmusError.
    """
    values = [value for thread in test.threads for value in thread.registers.values()]
    everywhere = {
        register
        for made in (*test.code.values(), *values, *test.variables.values())
        if isinstance(made, LitmusInstruction)
        for effect in _effects(made)
        for register in written_registers(effect)
    }
    for address, made in test.code.items():
        own = {
            name
            for thread in test.threads
            if thread.name == address.base.removesuffix(".F")
            for name in thread.registers
        }
        for effect in made.effects:
            for register in read_registers(effect):
                if register not in everywhere | own:
                    what = f"register {register} is never set, in {made.text!r}"
                    raise LitmusError(what, test.lines[address].spot)
    for location in _locations(test.condition):
        if location.thread is not None:
            held = test.threads[location.thread].registers
            if test.canonical(location) not in everywhere | set(held):
                raise LitmusError(f"register {location.name} is never set", location.spot)


def _effects(made: LitmusInstruction) -> tuple[InstructionEffect, ...]:
    if made.towards is None:
        return made.effects
    return made.at(Address(made.towards.base)).effects
