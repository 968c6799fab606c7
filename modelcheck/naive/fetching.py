"""How a CPU fetches an instruction, and what comes of executing it. Knows memory."""

import re
from collections.abc import Iterator
from functools import cache

import capstone

from modelcheck.naive.memory import CPUS, Memory, later_of
from modelcheck.naive.reading import NEW, OLD, Site
from modelcheck.naive.state import Cpu, Move, Places, Routine, Shared, Spot

Read = tuple[bytes | None, ...]
"""What has been read of an instruction, chunk by chunk."""


class Fetching(Memory):
    """What CPUs do that run the sites, outside handlers and callees."""

    def whole(self, site: int) -> Spot:
        """The beginning of a site, where nothing has been passed yet."""
        return Spot(site, 0, frozenset(range(len(self.sites[site].forms))))

    def fetches(self, role: int, here: Move) -> Iterator[Move]:
        """The steps of a fetch; none while a fence.i waits for stores."""
        if any(one.does == "fence.i" for one in here.cpu.buffer):
            return
        if here.cpu.reading:
            spot, read, floor = here.cpu.reading
            if None in read:
                yield from self._read_chunk(here, spot, read, floor)
            else:
                data = b"".join(part or b"" for part in read)
                since = later_of(here.cpu.since, floor)
                after = here._replace(label="execute").me(reading=None, since=since)
                yield self.executed(after, spot, data, here.cpu.since)
            return
        for spot in [here.cpu.spot] if here.cpu.spot else self._entries(role, here.cpu):
            yield from self.begun(here, spot)

    def begun(self, here: Move, spot: Spot) -> Iterator[Move]:
        """The first steps of a fetch."""
        none = (None,) * len(self.parts(spot))
        yield from self._read_chunk(here, spot, none, self.nowhere)

    def _entries(self, role: int, cpu: Cpu) -> Iterator[Spot]:
        """Where a CPU may begin a pass."""
        sites = list(self.numbers.values())
        if role == CPUS and self.programs[CPUS]:
            step = cpu.rest[0]
            sites = [self.numbers[n] for n in step["sites"]] if step.kind == "Execute" else []
        elif role != CPUS and cpu.irqs_off:
            sites = []
        for site in sites:
            yield from (self.whole(site)._replace(offset=at) for at in self.sites[site].entries)

    def parts(self, spot: Spot) -> list[list[int]]:
        """The addresses that a fetch reads, chunk by chunk."""
        site = self.sites[spot.site]
        size, longest = len(site.forms[OLD].data), max(len(f.at(spot.offset)) for f in site.forms)
        stop = spot.offset + max(longest, len(self.trap)) if longest else size
        parts: dict[int, list[int]] = {}
        for address in range(site.address + spot.offset, site.address + min(stop, size)):
            parts.setdefault(self.chunk_of[address], []).append(address)
        return list(parts.values())

    def oldest(self, here: Move, history: int) -> int:
        """The place in a history from which on a CPU may read."""
        if self.newest_only:
            return self.newest(here.shared)[history]
        return here.cpu.since[history]

    def readable(self, here: Move, part: list[int]) -> list[tuple[int, bytes]]:
        """What a CPU may read of a part, each with its place in the history."""
        history = self.histories(here.shared.log)[self.line_of[part[0]]]
        oldest = self.oldest(here, self.line_of[part[0]])
        places = range(oldest, len(history))
        return [(place, bytes(history[place][address] for address in part)) for place in places]

    def moved(self, since: Places, part: list[int], place: int) -> Places:
        """The CPU's places after a read."""
        if self.fetch not in ("store-order", "per-chunk"):
            return since
        line = self.line_of[part[0]]
        return (*since[:line], place, *since[line + 1 :])

    def complete(self, spot: Spot, data: bytes) -> bytes:
        """The trap, or the instruction of some form, that these bytes begin with; else nothing."""
        known = (self.trap, *(form.at(spot.offset) for form in self.sites[spot.site].forms))
        return next((one for one in known if one and data.startswith(one)), b"")

    def _read_chunk(self, here: Move, spot: Spot, read: Read, floor: Places) -> Iterator[Move]:
        here, parts = here._replace(label="read"), self.parts(spot)
        unread = [number for number, data in enumerate(read) if data is None]
        for number in unread[:1] if self.ordered else unread:
            for place, data in self.readable(here, parts[number]):
                got = (*read[:number], data, *read[number + 1 :])
                since = self.moved(here.cpu.since, parts[number], place)
                least = later_of(floor, self.floor(here.shared, parts[number], place))
                gap = got.index(None) if None in got else len(got)
                begun = b"".join(part or b"" for part in got[:gap])
                if self.trap and begun.startswith(self.trap):
                    after = here.me(reading=None, since=later_of(since, least))
                    yield self.executed(after, spot, begun, here.cpu.since)
                else:
                    yield here.me(reading=(spot, got, least), since=since)

    def executed(self, here: Move, spot: Spot, data: bytes, since: Places) -> Move:
        """Fetched bytes are executed; `since` are the CPU's places before the step."""
        site = self.sites[spot.site]
        data = self.complete(spot, data) or data
        trapped = data == self.trap
        forms = frozenset() if trapped else agreeing(site, spot.offset, data)
        kind = "trap" if trapped else _kind(forms)
        if kind == "torn":
            here = here.violating("no-torn-instruction", "no-torn-sequence")
        if self.fetch == "strict" and self._changed(here.shared, since, spot, data):
            here = here.violating("no-unpermitted-modification")
        if here.shared.returned == self.patchers and kind in ("old", "trap") and not site.foreign:
            here = here.violating("visible-after-return")
        here = here._replace(ran=(spot.site, spot.offset, data, kind))
        if trapped:
            handler = Routine(spot.site, False, self.handler)
            return here.me(routine=handler, spot=spot if site.region else None)
        here = self.acted(here, spot, forms)
        if forms and serialises(self.arch, data):
            here = self.synchronised(here)
        if kind == "new" and self.callee:
            return here.me(routine=Routine(spot.site, True, self.callee))
        return here

    def acted(self, here: Move, spot: Spot, forms: frozenset[int]) -> Move:
        """The CPU acts as an instruction that these forms have at a spot."""
        site, acted_new = self.sites[spot.site], here.cpu.acted_new
        if _kind(forms) == "new":
            here = here.me(acted_new=acted_new | {spot.site})
        elif _kind(forms) == "old" and spot.site in acted_new:
            here = here.violating("per-cpu-monotone")
        if not site.region:
            return here
        agreed = spot.forms & forms
        if not agreed:
            here = here.violating("no-torn-sequence")
        following = site.forms[min(forms)].onward[spot.offset] if forms else None
        return here.me(spot=None if following is None else Spot(spot.site, following, agreed))

    def _changed(self, shared: Shared, since: Places, spot: Spot, data: bytes) -> bool:
        """Whether a byte of the data has changed since, and should not have."""
        start = self.sites[spot.site].address + spot.offset
        for part in self.parts(spot):
            addresses = [address for address in part if address < start + len(data)]
            if not addresses:
                continue
            history = self.histories(shared.log)[self.line_of[part[0]]]
            for place in range(since[self.line_of[part[0]]], len(history) - 1):
                pair = history[place], history[place + 1]
                before, after = (bytes(held[address] for address in addresses) for held in pair)
                if modifiable(self.arch, before) and modifiable(self.arch, after):
                    continue
                room = addresses[0] == start and len(addresses) >= len(self.trap) > 0
                by_trap = room and (before.startswith(self.trap) or after.startswith(self.trap))
                exempt = start + len(self.trap) if by_trap else start
                if any(
                    was != now and address >= exempt
                    for address, was, now in zip(addresses, before, after, strict=True)
                ):
                    return True
        return False


def agreeing(site: Site, offset: int, data: bytes) -> frozenset[int]:
    """The forms of a site that have exactly this instruction at an offset."""
    return frozenset(n for n, form in enumerate(site.forms) if data and form.at(offset) == data)


def _kind(forms: frozenset[int]) -> str:
    if OLD in forms:
        return "both" if NEW in forms else "old"
    return "new" if NEW in forms else "between" if forms else "torn"


DECODERS = {
    "x86-64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "arm64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN),
    "thumb": (capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB),
    "riscv64": (capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC),
    "ppc64": (capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_LITTLE_ENDIAN),
}
"""Of s390x and parisc, no instruction is known by name here."""
NOPS = ("nop", "nop.w", "c.nop")
MODIFIABLE = {
    "arm64": ("b", "bl", "nop", "brk", "svc", "hvc", "smc", "isb"),
    "thumb": ("b", "nop", "bkpt", "svc"),
}
"""Arm ARM, Concurrent modification and execution of instructions; ARMv7-A ARM, A3.5.4."""


@cache
def decoded(arch: str, data: bytes) -> tuple[str, int]:
    """What the first instruction is called, and its length; nothing if that is not known."""
    decoder = capstone.Cs(*DECODERS[arch]) if arch in DECODERS else None
    for _, length, name, _ in decoder.disasm_lite(data, 0, 1) if decoder else ():
        return str(name), int(length)
    return "", 0


SERIALISING = {
    "x86-64": "0fa2|(48|66)?cf|0faa|0f01e8|0f09|0f01([37].|b[89a-f]).*|"
    "(4[0189])?0f2(2(c[0-7]|d[89a-f]|e[0-7])|3([cd].|f.))",
    "arm64": "df3f03d5|e0039fd6",
    "thumb": "bff36f8f",
    "riscv64": "0f100000",
    "ppc64": "2c01004c|2400004c",
    "s390x": "07[ef]0|b2b2....",
}
"""Of each architecture, what discards what was fetched, as hexadecimal."""


def serialises(arch: str, data: bytes) -> bool:
    """Whether an instruction makes the CPU that executes it synchronise."""
    return bool(re.fullmatch(SERIALISING.get(arch, ""), data.hex()))


def modifiable(arch: str, data: bytes) -> bool:
    """Whether an instruction may be replaced, and put in, while others run it."""
    name, length = decoded(arch, data)
    return name in MODIFIABLE.get(arch, ()) and length == len(data)
