"""What happens next to a CPU that ran a torn instruction; an emulated CPU does the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import unicorn
from unicorn import x86_const

from modelcheck import Protocol, Site, Suite, violates, write
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace.aftermath import HARMS, aftermath
from modelcheck.trace.document import Trace, load

SHIPPED = Path(__file__).parent.parent / "counterexamples"
ADDRESS = 0x401000

MAPPED, POINTERS = 0x1000_0000, ("RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP")
"""Where these registers of an emulated CPU point."""


def torn_traces() -> Iterator[Trace]:
    """The shipped counterexamples that tear an instruction which a decoder can follow."""
    for path in sorted(SHIPPED.rglob("*.json")):
        if aftermath(trace := load(path)) is not None:
            yield trace


def tear(old: str, new: str) -> Trace:
    """The counterexample of bytes written over others, one by one, under fetches of one byte."""
    site = Site("foo", bytes.fromhex(old), bytes.fromhex(new), ADDRESS)
    protocol = Protocol("p", sites=(site,), program=(write("all", site, site.new),))
    suite = Suite(protocol, expect=violates("no-torn-instruction"))
    for job in jobs(
        [suite], Overrides(cpus=1, fetch=("coherent",), properties=("no-torn-instruction",))
    ):
        result = check(job, spec="spec.py")
        assert result.trace
        return result.trace
    raise AssertionError


@pytest.mark.parametrize(
    ("old", "new", "harm", "then"),
    [
        ("0f1f440000", "e8e7570701", "wild branch", "it calls 0x405424, where no form"),
        ("6690", "eb10", "wild branch", "it branches to 0x400f92, where no form"),
        ("b801000000", "c300020000", "wild branch", "it branches where data say"),
        ("0f1f440000", "0f05440001", "wild branch", "it branches where data say"),
        (
            "7405",
            "eb10",
            "corrupts",
            "it branches to 0x401007, where a form of the site may branch",
        ),
        ("7405", "7510", "corrupts", "it does what no form does, and goes on behind the site"),
        ("b801000000", "b901020000", "corrupts", "it does what no form does, and goes on behind"),
        ("0f1f440000", "0fe7440001", "corrupts", "it touches [rax+rax], and goes on behind"),
        ("0f1f440000", "0f1f440701", "silent", "it does nothing, and goes on behind the site"),
        ("e800000000", "e900010000", "silent", "it does nothing, and goes on"),
        ("488b03", "ff5003", "derailed", "it takes in bytes from behind the site"),
        ("0f1f440000", "555b909090", "derailed", "at +1, in the midst: (bad) 1f 44 00 00"),
        ("0f1f440000", "cc0b440001", "faults", "it raises an exception"),
    ],
    ids=lambda value: value.replace(" ", "-"),
)
def test_harms(old: str, new: str, harm: str, then: str) -> None:
    """Each kind of harm, on the first tear that a search finds."""
    found = aftermath(tear(old, new))
    assert found
    assert (found.harm, found.then[: len(then)]) == (harm, then)


def emulated(data: bytes) -> int | None:
    """How far from itself an instruction leads on an emulated CPU; None if it faults.

    Memory that it touches is lent to it, but none where it leads; behind its bytes are nops.
    """
    cpu = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    cpu.mem_map(ADDRESS, 0x1000)
    cpu.mem_write(ADDRESS, (data + b"\x90" * 0x1000)[:0x1000])
    for name in POINTERS:
        cpu.reg_write(getattr(x86_const, f"UC_X86_REG_{name}"), MAPPED)

    def lend(_: object, access: int, at: int, *__: object) -> bool:
        if access != unicorn.UC_MEM_FETCH_UNMAPPED:
            cpu.mem_map(at & ~0xFFF, 0x2000)
        return access != unicorn.UC_MEM_FETCH_UNMAPPED

    cpu.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, lend)
    try:
        cpu.emu_start(ADDRESS, 0, count=1)
    except unicorn.UcError as error:
        if error.errno != unicorn.UC_ERR_FETCH_UNMAPPED:
            return None
    return int(cpu.reg_read(x86_const.UC_X86_REG_RIP)) - ADDRESS


TORN = {
    f"{trace.protocol.name}-{trace.variant}-{trace.steps[-1].executed.data.hex()}": trace
    for trace in torn_traces()
    if trace.steps[-1].executed
}


@pytest.mark.parametrize("trace", TORN.values(), ids=TORN)
def test_an_emulated_cpu_goes_there(trace: Trace) -> None:
    """Differential: where a decoder says that a CPU goes on is where it does."""
    executed, found = trace.steps[-1].executed, aftermath(trace)
    assert executed
    assert found
    site = next(site for site in trace.protocol.sites if site.name == executed.site)
    memory = site.old
    for step in trace.steps:
        memory = step.memory.get(site.name, memory)
    data = executed.data + memory[executed.offset + len(executed.data) :]
    leads = emulated(data)
    if found.harm == "faults":
        assert leads is None
    elif found.next is None:
        assert leads is None or leads > len(site) - executed.offset
    else:
        assert leads == found.next - site.address - executed.offset


def test_the_shipped_tears_do_all_kinds_of_harm() -> None:
    """None of the kinds is there for nothing."""
    assert {found.harm for trace in TORN.values() if (found := aftermath(trace))} == {*HARMS}
