"""Cache maintenance takes time, and barriers say how much: DC, IC, DSB, DMB, ISB, FENCE.I.

Shapes that others have published, public bug reports, and the second machine (modelcheck/litmus/),
whose verdicts are those published for all its tests, on every short sequence of maintenance.
"""

from collections.abc import Callable
from itertools import product

import pytest

from modelcheck import (
    Cell,
    Element,
    Form,
    Handler,
    Protocol,
    Site,
    SpecError,
    Suite,
    caches_clean_inval_pou,
    dc_cvau,
    dmb,
    dsb,
    emulate,
    execute,
    fence_i,
    ic_ivau,
    iret,
    irq_off,
    irq_on,
    is_equal,
    isb,
    on_each_cpu,
    pause,
    ret,
    runs,
    store,
    sync_core,
    when,
    write,
)
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import judge
from modelcheck.machine.memory import parts
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.properties import SEQUENCE, TORN, VISIBLE
from modelcheck.questions.check import Overrides, check, jobs
from tests.checks import walk

NOP, BL = bytes.fromhex("1f 20 03 d5"), bytes.fromhex("00 04 00 94")
FUNC = Site("func", NOP, BL, 0xFFFF800080010004)
UNMAINTAINED = ("per-chunk", "incoherent")
"""The fetch models of cores whose instruction caches need maintenance."""


def under(protocol: Protocol, *, chunk: int = 4) -> dict[str, str | None]:
    """What is violated under each default fetch model, with one CPU."""
    found = jobs((Suite(protocol, cpus=1, chunk=chunk),), Overrides())
    return {job.configuration.fetch: check(job, spec="s.py").violated for job in found}


def bad(protocol: Protocol, *, chunk: int = 4) -> tuple[str, ...]:
    """The fetch models under which it is violated."""
    return tuple(fetch for fetch, name in under(protocol, chunk=chunk).items() if name)


# One store, published to all by an IPI.

DC, IC, ISB = dc_cvau("dc"), ic_ivau("ic"), isb("isb")
D1, D2, D3 = dsb("dsb-1"), dsb("dsb-2"), dsb("dsb-3")
M1, M2 = dmb("dmb-1"), dmb("dmb-2")

SEQUENCES: dict[str, tuple[tuple[Element, ...], tuple[str, ...]]] = {
    "the manual's": ((DC, D1, IC, D2, ISB), ()),
    "no DSB between": ((D1, DC, IC, D2, ISB), UNMAINTAINED),
    "no DSB at the end": ((D1, DC, D2, IC, ISB), UNMAINTAINED),
    "neither": ((D1, DC, IC, ISB), UNMAINTAINED),
    "DMB between": ((DC, M1, IC, D1, ISB), UNMAINTAINED),
    "DMB at the end": ((DC, D1, IC, M1, ISB), UNMAINTAINED),
    "IC before DC": ((D1, IC, D2, DC, D3, ISB), UNMAINTAINED),
    "no IC": ((DC, D1, ISB), UNMAINTAINED),
    "no DC": ((D1, IC, D2, ISB), UNMAINTAINED),
    "no DSB at all": ((DC, IC, ISB), ("coherent", "store-order", *UNMAINTAINED)),
}
"""Steps between STR and the IPI, and where a CPU that has taken it fetches the old."""


def published(*steps: Element, caches_cleaned: bool = False) -> Protocol:
    """A store, these steps, and an IPI to all."""
    program = (write("str", FUNC, BL, order="single"), *steps, on_each_cpu("kick"))
    return Protocol("one word", (FUNC,), program, arch="arm64", coherent_dcache=caches_cleaned)


@pytest.mark.parametrize(("steps", "where"), SEQUENCES.values(), ids=SEQUENCES)
def test_what_publishes_a_store_on_arm(steps: tuple[Element, ...], where: tuple[str, ...]) -> None:
    """The manual's sequence alone; a DSB is no DMB, and stands behind DC and behind IC.

    Of kernel/arm64_dc_order, arm64_missing_dsb and arm64_badcachesync in ../shared/cases.
    """
    assert bad(published(*steps)) == where


def test_with_idc_nothing_has_to_be_cleaned_and_a_dsb_stands_before_ic() -> None:
    """CTR_EL0.IDC=1: the store itself must be in memory when IC is done, and DMB does not order
    that."""
    assert bad(published(D1, IC, D2, ISB, caches_cleaned=True)) == ()
    assert bad(published(M1, IC, D2, ISB, caches_cleaned=True)) == UNMAINTAINED
    assert bad(published(IC, D2, ISB, caches_cleaned=True)) == UNMAINTAINED


def test_maintenance_of_another_line_is_none() -> None:
    """Mono on cores of two line sizes (2016): IC misses a line of what was written."""
    other = Site("other", NOP, NOP, FUNC.address + 64)
    for dc, ic, where in (
        (FUNC, FUNC, ()),
        (FUNC, other, UNMAINTAINED),
        (other, FUNC, UNMAINTAINED),
        (None, None, ()),
    ):
        program = (
            write("str", FUNC, BL, order="single"),
            dc_cvau("dc", dc),
            dsb("dsb-1"),
            ic_ivau("ic", ic),
            dsb("dsb-2"),
            on_each_cpu("kick"),
        )
        assert bad(Protocol("lines", (FUNC, other), program, arch="arm64")) == where


def test_each_line_is_done_by_itself() -> None:
    """Code in two lines, of which only one is cleaned; then both."""
    site = Site("func", NOP * 2, BL * 2, 0x103C, old_runs=runs(4, 4), new_runs=runs(4, 4))
    run = Configuration(1, "incoherent", 4, properties=(VISIBLE,))
    for size, found in ((4, {VISIBLE}), (8, set()), (None, set())):
        program = (
            write("str", site, BL, order="single"),
            write("str 2", site, BL, at=4, order="single"),
            caches_clean_inval_pou("flush", site, size=size),
            on_each_cpu("kick"),
        )
        protocol = Protocol("two lines", (site,), program, arch="arm64")
        assert walk(protocol, run, 20_000).survey.found == found


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (dc_cvau("dc", Site("bar", NOP, BL)), "no site named 'bar'"),
        (ic_ivau("ic", FUNC, at=4), "all bytes from byte 4 on are not within site 'func'"),
        (ic_ivau("ic", FUNC, at=2, size=3), "3 bytes from byte 2 on are not within site 'func'"),
        (dc_cvau("dc", at=1), "name it, or leave them out"),
    ],
    ids=["another site", "behind it", "beyond it", "of none"],
)
def test_lines_that_are_none_are_refused(step: Element, said: str) -> None:
    """In one message, with the remedy."""
    with pytest.raises(SpecError, match=said):
        published(step)


# FENCE.I.

LI, J = bytes.fromhex("13 00 00 00"), bytes.fromhex("6f 00 c0 10")
HART = Site("code", LI, J, 0xFFFFFFFF80001000)


def own_code(*steps: Element, arch: str) -> Protocol:
    """A CPU writes code and runs it itself, in an interrupt; all others are elsewhere."""
    old, new = (LI, J) if arch == "riscv64" else (NOP, BL)
    site = Site("code", old, new, 0x1000)
    program = (irq_off("off"), write("sw", site, new, order="single"), *steps, irq_on("on"))
    return Protocol("own", (site,), program, cpu_program=(pause("elsewhere"),), arch=arch)


def test_fence_i_comes_behind_the_harts_own_stores() -> None:
    """SM+fencei is forbidden (kernel/riscv_own_fence_i); SM.B+isb of Arm is allowed."""
    assert bad(own_code(fence_i("fence.i"), arch="riscv64")) == ()
    assert len(bad(own_code(arch="riscv64"))) == 4
    assert len(bad(own_code(isb("isb"), arch="arm64"))) == 4


def test_stores_around_fence_i_are_in_order() -> None:
    """MP+fencei+fence.r.r is forbidden, MP without it allowed."""
    flag = Cell("flag", 0)
    for fences, found in (((fence_i("fence.i"),), False), ((), True)):
        reader = when(is_equal("lw", flag, 1), fence_i("reader"), execute("run", HART))
        protocol = Protocol(
            "publish",
            (HART,),
            (write("sw", HART, J, order="single"), *fences, store("flag", flag, 1)),
            cells=(flag,),
            cpu_program=(reader,),
            arch="riscv64",
            patcher_executes=False,
        )
        survey = walk(protocol, Configuration(1, "incoherent", 4), 5_000).survey
        assert any(one.kind == "old" for one in survey.executed) is found


# Instructions that serialise.

BL_OLD, BL_STUB = bytes.fromhex("00 08 00 94"), bytes.fromhex("01 00 00 94")
MOV, UDF = bytes.fromhex("40 00 80 52"), bytes.fromhex("00 00 00 00")
ISB_WORD = bytes.fromhex("df 3f 03 d5")


def stub(first: bytes, *, flushed: bool) -> Protocol:
    """OpenJDK's static call stub, JDK-8363620 (2025): MOV is written, then BL is made to lead to
    it; the stub begins with `first`."""
    site = Site(
        "call",
        BL_OLD + first + UDF,
        BL_STUB + first + MOV,
        0x40001000,
        old_runs=((0, 4),),
        new_runs=runs(4, 4, 4),
    )
    maintenance = (dc_cvau("dc"), dsb("dsb-1"), ic_ivau("ic"), *((dsb("dsb-2"),) * flushed))
    program = (
        write("mov", site, MOV, at=8, order="single"),
        *maintenance,
        dmb("dmb"),
        write("bl", site, BL_STUB, order="single"),
        caches_clean_inval_pou("flush"),
    )
    return Protocol("stub", (site,), program, arch="arm64", patcher_executes=False)


@pytest.mark.parametrize("fetch", UNMAINTAINED)
def test_an_isb_in_the_code_serialises_who_runs_it(fetch: str) -> None:
    """user/jdk_stub_isb: who has taken the new BL runs ISB, and then no old MOV. Without the ISB
    none either, as Arm's model has it, if the first flush is complete when BL is written
    (IC-ob; MP.FF+dsb.ish-ic.ivau-dsb.ish+po is forbidden); else it runs one."""
    run = Configuration(1, fetch, 4, properties=(TORN, SEQUENCE))
    for first, flushed, found in (
        (ISB_WORD, True, False),
        (NOP, True, False),
        (NOP, False, True),
    ):
        assert bool(walk(stub(first, flushed=flushed), run, 20_000).survey.found) is found


def called(*steps: Element) -> Protocol:
    """A new call whose callee runs these steps; then the second half of the patch is run."""
    words = runs(4, 4)
    middle = Form("second new", NOP + BL, words)
    site = Site("s", NOP * 2, BL * 2, 0x1000, words, words, between=(middle,))
    program = (
        write("second", site, BL, at=4, order="single"),
        dsb("dsb"),
        write("first", site, BL, order="single"),
    )
    return Protocol(
        "callee",
        (site,),
        program,
        callee=(*steps, ret("ret")),
        arch="arm64",
        patcher_executes=False,
        coherent_icache=True,
    )


def test_an_isb_in_a_callee_serialises() -> None:
    """missing/callee_isb: what the callee's caller runs next is as new as memory was then."""
    run = Configuration(1, "per-chunk", 4, properties=(SEQUENCE,))
    assert walk(called(pause("elsewhere")), run, 5_000).survey.found == {SEQUENCE}
    assert walk(called(isb("isb")), run, 5_000).survey.found == set()


def test_a_serialising_step_in_a_handler_serialises() -> None:
    """Where the return does not: the handler acts as the new first instruction, and the second is
    then as new as memory was (CPUID, on x86)."""
    pair = runs(1, 1)
    middle = Form("second new", b"\x90\xf8", pair)
    site = Site("s", b"\x90\x91", b"\xf9\xf8", 0x1000, pair, pair, between=(middle,))
    program = (write("second", site, b"\xf8", at=1), write("int3", site, b"\xcc"))
    run = Configuration(1, "per-chunk", properties=(SEQUENCE,))
    for steps, found in (((), {SEQUENCE}), ((sync_core("cpuid"),), set())):
        ways = (*steps, emulate("new"), iret("iret", synchronises=False))
        protocol = Protocol("handler", (site,), program, Handler(b"\xcc", ways))
        assert walk(protocol, run, 5_000).survey.found == found


# Stores that are not aligned.


@pytest.mark.parametrize(
    ("begin", "size", "within", "lengths"),
    [
        (0x1000, 4, 1, [4]),
        (0x1002, 4, 1, [2, 2]),
        (0x1001, 4, 1, [1, 2, 1]),
        (0x1000, 8, 1, [8]),
        (0x1004, 8, 1, [4, 4]),
        (0x1001, 5, 8, [5]),
        (0x1004, 5, 8, [4, 1]),
        (0x103E, 5, 8, [2, 2, 1]),
    ],
    ids=["word", "halves", "odd", "two words", "words", "x86", "x86, quadword", "x86, line"],
)
def test_a_store_is_one_event_for_each_aligned_part(
    begin: int, size: int, within: int, lengths: list[int]
) -> None:
    """All bytes once, in order of their addresses."""
    found = list(parts(begin, size, within))
    assert [len(part) for part in found] == lengths
    assert [byte for part in found for byte in part] == [*range(size)]


@pytest.mark.parametrize(("address", "torn"), [(0x1000, False), (0x1002, True)])
@pytest.mark.parametrize("fetch", ["coherent", "store-order"])
def test_a_store_that_is_not_aligned_tears(address: int, torn: bool, fetch: str) -> None:
    """A RISC-V jump at 2 mod 4 (Linux 9ddfc3cd8060): its halves come in any order."""
    site = Site("branch", LI, J, address)
    program = (write("sw", site, J, order="single"), fence_i("i"), on_each_cpu("remote"))
    protocol = Protocol("jump label", (site,), program, arch="riscv64", patcher_executes=False)
    run = Configuration(1, fetch, 64, properties=(TORN,))
    assert bool(walk(protocol, run, 5_000).survey.found) is torn


# The second machine.

STEPS: dict[str, tuple[str, Callable[[str], Element]]] = {
    "DC": ("DC CVAU,X1", dc_cvau),
    "IC": ("IC IVAU,X1", ic_ivau),
    "DSB": ("DSB ISH", dsb),
    "DMB": ("DMB ISH", dmb),
}
CACHES: dict[str, tuple[str, str, bool]] = {
    "none": ("", "incoherent", False),
    "IDC": ("CacheType=IDC\n", "incoherent", True),
    "DIC": ("CacheType=DIC\n", "store-order", False),
}
"""By cache type: the header's line, the fetch model, and whether nothing has to be cleaned."""

Sequence = tuple[str, ...]


def allowed(caches: str, initial: str, threads: tuple[list[str], list[str]], asks: str) -> bool:
    """What the second machine says of two threads."""
    longest = max(map(len, threads))
    one, other = (thread + [""] * (longest - len(thread)) for thread in threads)
    rows = "".join(f"{left} | {right} ;\n" for left, right in zip(one, other, strict=True))
    text = f"AArch64 t\n{CACHES[caches][0]}{{ {initial} }}\nP0 | P1 ;\n{rows}exists ({asks})\n"
    test = prepare(read(text))
    return judge(test, order_of(test)).verdict == "allowed"


def elements(sequence: Sequence) -> tuple[Element, ...]:
    """The steps of a sequence, each with a label of its own."""
    return tuple(STEPS[name][1](f"{name} {number}") for number, name in enumerate(sequence))


def flag_by_litmus(sequence: Sequence, caches: str) -> bool:
    """MP.RF: whoever has read the flag, and run ISB, fetches the old."""
    writer = ["STR W0,[X1]", *(STEPS[name][0] for name in sequence), "MOV W2,#1", "STR W2,[X3]"]
    reader = ["LDR W1,[X0]", "CBNZ W1,L00", "L00:", "ISB", "Lself00:", "B L01", "MOV W2,#1", "L01:"]
    initial = "0:X0=NOP; 0:X1=P1:Lself00; 0:X3=x; 1:X0=x;"
    return allowed(caches, initial, (writer, reader), "1:X1=1 /\\ 1:X2=0")


B_1, B_2 = bytes.fromhex("02 00 00 14"), bytes.fromhex("03 00 00 14")


def flag_by_protocol(sequence: Sequence, caches: str) -> bool:
    """The same as a protocol."""
    _, fetch, cleaned = CACHES[caches]
    site, flag = Site("f", B_1, NOP, 0x1000), Cell("x", 0)
    protocol = Protocol(
        "MP.RF",
        (site,),
        (write("str", site, NOP, order="single"), *elements(sequence), store("flag", flag, 1)),
        cells=(flag,),
        arch="arm64",
        patcher_executes=False,
        cpu_program=(when(is_equal("ldr", flag, 1), isb("isb"), execute("run", site)),),
        coherent_dcache=cleaned,
    )
    survey = walk(protocol, Configuration(1, fetch, 4), 20_000).survey
    return any(one.kind == "old" for one in survey.executed)


def pass_by_litmus(sequence: Sequence, caches: str) -> bool:
    """MP.FF: whoever has fetched the new first word fetches the old second one."""
    writer = ["STR W0,[X1]", *(STEPS[name][0] for name in sequence), "STR W0,[X2]"]
    reader = ["Lself01:", "B Lself00", "MOV W10,#1", "Lself00:", "B L01", "MOV W11,#1", "L01:"]
    initial = "0:X0=NOP; 0:X1=P1:Lself00; 0:X2=P1:Lself01;"
    return allowed(caches, initial, (writer, reader), "1:X10=1 /\\ 1:X11=0")


def pass_by_protocol(sequence: Sequence, caches: str) -> bool:
    """The same as a protocol: to run the old first and the new second word is right."""
    _, fetch, cleaned = CACHES[caches]
    words = runs(4, 4)
    middle = Form("second new", B_1 + NOP, words)
    site = Site("f", B_1 + B_2, NOP * 2, 0x1000, words, words, between=(middle,))
    protocol = Protocol(
        "MP.FF",
        (site,),
        (
            write("second", site, NOP, at=4, order="single"),
            *elements(sequence),
            write("first", site, NOP, order="single"),
        ),
        arch="arm64",
        patcher_executes=False,
        coherent_dcache=cleaned,
    )
    run = Configuration(1, fetch, 4, properties=(SEQUENCE,))
    return bool(walk(protocol, run, 20_000).survey.found)


def disagreements(length: int) -> list[tuple[str, Sequence]]:
    """The sequences of a length of which the two machines say different things."""
    return [
        (caches, sequence)
        for caches in CACHES
        for sequence in product(STEPS, repeat=length)
        if flag_by_litmus(sequence, caches) != flag_by_protocol(sequence, caches)
        or pass_by_litmus(sequence, caches) != pass_by_protocol(sequence, caches)
    ]


@pytest.mark.parametrize(
    "length", [0, 1, *(pytest.param(length, marks=pytest.mark.slow) for length in (2, 3))]
)
def test_both_machines_say_the_same_of_every_sequence(length: int) -> None:
    """Differential: DC, IC, DSB and DMB in any order between two stores, in each cache type."""
    assert disagreements(length) == []


MANUAL = ("DC", "DSB", "IC", "DSB")


@pytest.mark.parametrize(
    ("sequence", "flag"),
    [
        (MANUAL, False),
        (("DSB", "DC", "IC", "DSB"), True),
        (("DSB", "DC", "DSB", "IC"), True),
        (("DC", "DMB", "IC", "DSB"), True),
        (("DC", "DSB", "IC", "DMB"), True),
        (("DSB", "IC", "DSB", "DC", "DSB"), True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_both_machines_say_what_was_published(sequence: Sequence, flag: bool) -> None:
    """MP.RF+cachesync+ctrlisb is forbidden; with less it is allowed."""
    assert flag_by_litmus(sequence, "none") is flag_by_protocol(sequence, "none") is flag


def test_the_comparison_of_both_machines_can_fail() -> None:
    """The test's own test: the manual's sequence is told from what it is not."""
    assert pass_by_litmus((), "none")
    assert pass_by_protocol((), "none")
    assert not pass_by_litmus(MANUAL, "none")
    assert not pass_by_protocol(MANUAL, "none")
