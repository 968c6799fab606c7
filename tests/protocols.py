"""Protocols for tests: the minimal one, the shipped one on other bytes, and random ones."""

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    send_ipi,
    skip,
    store,
    wait_acks,
    without_property,
    write,
)
from modelcheck.machine.fetch import MODELS
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import Instruction, Order
from modelcheck.protocol.program import Element, Step
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.suite import Semantics
from modelcheck.protocol.watched import inapplicable

SPECS = Path(__file__).parent.parent / "specs"
FETCH = tuple(MODELS)
EVERY_PROPERTY = tuple(PROPERTIES)
SEMANTICS: tuple[Semantics, ...] = ("bytewise", "windowed")
ORDERS: tuple[Order, ...] = ("ascending", "any", "single")
INSTRUCTIONS: tuple[Instruction, ...] = ("old", "new")

INT3 = b"\xcc"
NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 01")
SHORT_NOP = bytes.fromhex("0f 1f 00")
SHORT_MOV = bytes.fromhex("48 89 c3")


def minimal() -> Protocol:
    """The smallest protocol that is right: three writes and three syncs, on five bytes."""
    site = Site("foo", NOP, CALL)
    protocol = Protocol(
        "minimal",
        sites=(site,),
        program=(
            write("int3", site, INT3),
            on_each_cpu("sync-1"),
            write("tail", site, CALL[1:], at=1),
            on_each_cpu("sync-2"),
            write("head", site, CALL[:1]),
            on_each_cpu("sync-3"),
        ),
        handler=Handler(INT3, (iret("leave"),)),
        patcher_executes=False,
    )
    return watching(protocol, "no-torn-instruction")


def spec(name: str) -> dict[str, Any]:
    """The names that a shipped spec defines."""
    return runpy.run_path(str(SPECS / f"{name}.py"))


def suites() -> tuple[Suite, ...]:
    """The suites of the shipped protocol."""
    found: tuple[Suite, ...] = spec("x86_int3")["SUITES"]
    return found


def five_byte_variants() -> dict[str, Protocol]:
    """Every variant of the shipped protocol, on its own bytes."""
    return {
        f"{suite.protocol.name}/{variant.name}": variant.protocol
        for suite in suites()
        for variant in suite
    }


def three_byte_variants() -> dict[str, Protocol]:
    """Every variant of the shipped protocol, on a site of a first, a middle and a last byte."""
    names = spec("x86_int3")
    base: Protocol = names["text_poke_bp"]("three", SHORT_NOP, SHORT_MOV)
    edits: tuple[Variant, ...] = names["variants"](base)
    return {"base": base} | {variant.name: variant.protocol for variant in edits}


def watching(protocol: Protocol, *names: str) -> Protocol:
    """The protocol held to these properties alone."""
    others = {*PROPERTIES} - {*names} - {*inapplicable(protocol)}
    waived = (
        without_property(name, because="not asked here") for name in PROPERTIES if name in others
    )
    return replace(protocol, waived=tuple(waived))


def on_other_cpus(protocol: Protocol) -> Protocol:
    """The protocol whose patcher has a CPU to itself, which keeps byte-wise models small."""
    return replace(protocol, patcher_executes=False)


OTHER = 0x77
CELL = Cell("cell")


@st.composite
def random_sites(draw: st.DrawFn) -> tuple[Site, ...]:
    """One or two sites of two or three bytes, some of which stay as they are."""
    sites: list[Site] = []
    address = draw(st.integers(0, 5))
    for number in range(draw(st.sampled_from((1, 1, 2)))):
        size = draw(st.integers(2, 3))
        old = bytes(draw(st.sampled_from((0x10 + i, 0x90))) for i in range(size))
        new = bytes(draw(st.sampled_from((0x20 + i, 0x20 + i, old[i]))) for i in range(size))
        sites.append(Site(f"site{number}", old, new, address))
        address += size + draw(st.integers(0, 2))
    return tuple(sites) if draw(st.booleans()) else tuple(reversed(sites))


@st.composite
def random_write(draw: st.DrawFn, label: str, sites: tuple[Site, ...], trap: bytes) -> Element:
    """A write into a site: old, new, trap or other bytes, in any of the orders."""
    site = draw(st.sampled_from(sites))
    at = draw(st.integers(0, len(site) - 1))
    size = draw(st.integers(1, len(site) - at))
    order = draw(st.sampled_from(ORDERS))
    data = bytes(
        draw(st.sampled_from((site.old[i], site.new[i], site.new[i], trap[i % len(trap)], OTHER)))
        for i in range(at, at + size)
    )
    if at == 0 and size >= len(trap) and draw(st.booleans()):
        data = trap + data[len(trap) :]
    return write(label, site, data, at=at, order=order)


@st.composite
def random_handler(draw: st.DrawFn, trap: bytes) -> Handler | None:
    """A handler that looks up, acts and returns, each of it perhaps; or none."""
    if draw(st.integers(0, 7)) == 0:
        return None
    body: list[Step] = []
    if draw(st.booleans()):
        body.append(lookup("find", CELL))
    action = draw(st.sampled_from(("emulate", "skip", "none")))
    if action == "emulate":
        which = draw(st.sampled_from(INSTRUCTIONS))
        body.append(emulate("emulate", CELL if body else None, instruction=which))
    elif action == "skip":
        body.append(skip("skip"))
    body.append(iret("iret", synchronises=draw(st.booleans())))
    return Handler(trap, tuple(body), interrupts=draw(st.booleans()))


@st.composite
def random_protocols(draw: st.DrawFn, trap: bytes = INT3) -> Protocol:
    """Programs of a few steps, half of which begin as real ones do."""
    sites = draw(random_sites())
    program: list[Element] = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(("write", "write", "write", "sync", "send", "wait", "store")))
        label = f"{number}-{kind}"
        match kind:
            case "write":
                program.append(draw(random_write(label, sites, trap)))
            case "sync":
                program.append(on_each_cpu(label))
            case "send":
                program.append(send_ipi(label))
            case "wait":
                program.append(wait_acks(label))
            case "store":
                program.append(store(label, CELL, draw(st.sampled_from((None, 0, 1, "a")))))
    if draw(st.booleans()):
        # Half of them begin as real ones do.
        site = draw(st.sampled_from(sites))
        order = draw(st.sampled_from(ORDERS))
        program.insert(0, write("trap", site, trap, order=order))
        program.insert(0, store("publish", CELL, 1))
    if draw(st.booleans()):
        program.append(store("retire", CELL, None))
    return Protocol(
        "random",
        sites,
        tuple(program),
        handler=draw(random_handler(trap)),
        cells=(CELL,),
        patcher_executes=draw(st.booleans()),
    )


@st.composite
def random_configurations(draw: st.DrawFn, cpus: int = 1) -> Configuration:
    """Any fetch model, chunks up to four bytes, all properties."""
    return Configuration(
        cpus=cpus,
        fetch=draw(st.sampled_from(FETCH)),
        chunk=draw(st.sampled_from((1, 2, 4))),
        offset=draw(st.integers(0, 7)),
        properties=EVERY_PROPERTY,
    )
