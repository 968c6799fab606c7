"""Protocols as litmus tests: the two machines, which share no rule, give the same verdict."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from modelcheck import (
    Cell,
    Handler,
    Patcher,
    Protocol,
    Site,
    Suite,
    caches_clean_inval_pou,
    dc_cvau,
    dmb,
    dsb,
    emulate,
    execute,
    fence,
    fence_i,
    ic_ivau,
    iret,
    isb,
    lock,
    lookup,
    on_each_cpu,
    ret,
    send_ipi,
    stop_machine,
    store,
    synchronize_rcu,
    unlock,
    wait_until,
    write,
)
from modelcheck.cli import main
from modelcheck.explore.verdict import Limits, Request, Verdict
from modelcheck.export.litmus import ASKED, to_litmus
from modelcheck.export.litmus_parts import rules
from modelcheck.frontends.spec_files import load_suites
from modelcheck.litmus.order import MemoryOrder
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import LitmusVerdict, judge
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Element
from modelcheck.questions.check import Job, Overrides, check, jobs

ROOT = Path(__file__).parent.parent
SPECS = sorted(p for p in (ROOT / "specs").glob("*.py") if re.match("arm64|riscv", p.name))
MODELS = ("incoherent", "store-order")

REFUSED = {
    "as-one-region": "has stores in-order|no rules of litmus tests are those of arm64",
    "ipi-in-stop-machine": "step 'stop_machine/release' is a release that comes not just behind",
    "stop-machine": "has stores in-order, a litmus test weak ones",
    "enable-by-exception": r"riscv_ftrace_call_ops\.py:\d+: .* has a trap handler",
    "retarget-by-exception": r"riscv_ftrace_call_ops\.py:\d+: .* has a trap handler",
}
"""By protocol or variant, why it is none for a litmus test."""


@cache
def all_jobs() -> tuple[Job, ...]:
    """Every variant of the specs for Arm and RISC-V, under the models that correspond."""
    return tuple(
        job
        for spec in SPECS
        for model in MODELS
        for job in jobs(load_suites(spec), Overrides(fetch=(model,)))
    )


@cache
def asked(job: Job) -> tuple[Job, ...]:
    """The job for each property that a litmus test can ask for."""
    suite, variant = job.suite, job.variant.name
    return tuple(
        one
        for name in ASKED
        if name in job.setup.watched
        for one in jobs(
            (suite,),
            Overrides((variant,), fetch=(job.configuration.fetch,), properties=(name,)),
        )
    )


@cache
def main_verdict(job: Job) -> Verdict:
    """What the main machine says."""
    return check(job, spec="x", request=Request(Limits(MOST))).verdict


MOST = 30_000
"""States of either search."""


def both(job: Job, weaken: Callable[[MemoryOrder], MemoryOrder] | None = None) -> tuple[bool, bool]:
    """Whether the main machine finds a violation, and whether the litmus machine does.

    Skips where a search is cut short. Raises SpecError for what is no litmus test.
    """
    test = prepare(read(to_litmus(job.setup, title=job.name)))
    order = order_of(test, rules=rules(job.setup)[1])
    found = judge(test, weaken(order) if weaken else order, Limits(MOST)).verdict
    verdict = main_verdict(job)
    if found is LitmusVerdict.INCONCLUSIVE or verdict is Verdict.INCONCLUSIVE:
        pytest.skip("one of the searches is too long")
    return verdict is Verdict.VIOLATED, found is LitmusVerdict.ALLOWED


@pytest.mark.parametrize(
    "job",
    all_jobs(),
    ids=lambda job: f"{job.suite.protocol.name}-{job.variant.name}-{job.configuration.fetch}",
)
def test_the_machines_agree_on_every_spec_or_it_is_refused(job: Job) -> None:
    """Each property by itself; what is refused is refused by name, and nothing else is."""
    expected = REFUSED.get(job.variant.name) or REFUSED.get(job.suite.protocol.name)
    if expected is not None:
        with pytest.raises(SpecError, match=expected):
            to_litmus(job.setup, title="refused")
        return
    for one in asked(job):
        main_machine, litmus = both(one)
        assert main_machine == litmus, one.setup.watched


def test_both_verdicts_occur() -> None:
    """Some of them are violated, and some are not."""
    found = {both(one) for job in all_jobs() if _is_said(job) for one in asked(job)}
    assert found == {(True, True), (False, False)}


def _is_said(job: Job) -> bool:
    return not REFUSED.get(job.variant.name) and not REFUSED.get(job.suite.protocol.name)


@pytest.mark.parametrize("row", ["DSB", "clean after access", "ISB", "branch before ISB"])
def test_without_a_rule_the_machines_disagree(row: str) -> None:
    """So the comparison would find that one of them lacks it."""
    arm = [job for job in all_jobs() if _is_said(job) and job.suite.protocol.arch == "arm64"]
    pairs = (both(one, lambda order: order.without(row)) for job in arm for one in asked(job))
    assert any(one != other for one, other in pairs)


NOP, BL = bytes.fromhex("1f 20 03 d5"), bytes.fromhex("00 04 00 94")
BRK = bytes.fromhex("00 00 20 d4")
RISCV_NOP, JALR = bytes.fromhex("13 00 00 00"), bytes.fromhex("e7 82 02 10")


def random_protocol(draw: random.Random) -> Protocol:
    """A few stores, with whatever orders them or does not between."""
    arch = draw.choice(("arm64", "arm64", "riscv64"))
    old, new = (NOP, BL) if arch == "arm64" else (RISCV_NOP, JALR)
    count, apart = draw.choice((1, 1, 2)), draw.choice((4, 64))
    sites = tuple(
        Site(f"s{n}", old, new, address=0xFFFF800080010000 + n * apart) for n in range(count)
    )
    cell = Cell("ops")
    looked_up = count == 1 and draw.random() < 0.4
    labels = (f"x{number}" for number in range(100))
    arm: tuple[Callable[[], Element], ...] = (
        lambda: dc_cvau(next(labels)),
        lambda: ic_ivau(next(labels)),
        lambda: dc_cvau(next(labels), draw.choice(sites)),
        lambda: ic_ivau(next(labels), draw.choice(sites)),
        lambda: dsb(next(labels)),
        lambda: dsb(next(labels)),
        lambda: isb(next(labels)),
        lambda: caches_clean_inval_pou(next(labels)),
    )
    any_arch: tuple[Callable[[], Element], ...] = (
        lambda: dmb(next(labels)),
        lambda: fence(next(labels)),
        lambda: send_ipi(next(labels)),
        lambda: on_each_cpu(next(labels)),
    )
    riscv: tuple[Callable[[], Element], ...] = (lambda: fence_i(next(labels)),)
    fillers = (*any_arch, *(arm if arch == "arm64" else riscv))
    steps: list[Element] = []
    puts = [*sites, *([cell] if looked_up else [])]
    draw.shuffle(puts)
    for put in puts:
        steps += [draw.choice(fillers)() for _ in range(draw.randint(0, 2))]
        if isinstance(put, Cell):
            steps.append(store(next(labels), put, "tracer"))
        else:
            steps.append(write(next(labels), put, new, order="single"))
    steps += [draw.choice(fillers)() for _ in range(draw.randint(0, 2))]
    if draw.random() < 0.2:
        steps = [stop_machine("stop", *steps, synchronises=draw.random() < 0.7)]
    return Protocol(
        "random",
        sites=sites,
        program=tuple(steps),
        cells=(cell,) if looked_up else (),
        callee=(lookup("look", cell), ret("ret")) if looked_up else (),
        arch=arch,
        patcher_executes=draw.random() < 0.6,
    )


@pytest.mark.parametrize("seed", range(24))
def test_the_machines_agree_on_random_protocols(seed: int) -> None:
    """Steps in any order, of which most are wrong."""
    draw = random.Random(seed)
    protocol, model = random_protocol(draw), draw.choice(MODELS)
    (job,) = jobs((Suite(protocol, chunk=4, cpus=1, fetch=(model,)),), Overrides())
    for one in asked(job):
        try:
            to_litmus(one.setup, title="random")
        except SpecError:
            continue
        main_machine, litmus = both(one)
        assert main_machine == litmus, one.setup.watched


SITE = Site("func", NOP, BL, address=0x10000)
CELL = Cell("cell")
LOCK = Cell("lock", 0)
PLAIN = Protocol(
    "plain", (SITE,), (write("word", SITE, BL, order="single"),), cells=(CELL,), arch="arm64"
)
RUN = Suite(PLAIN, chunk=4, cpus=1, fetch=("incoherent",))


def made(*steps: Element, **changes: object) -> Suite:
    """The plain protocol with other steps, or other parts."""
    parts = {"program": (*PLAIN.program, *steps), **changes}
    return replace(RUN, protocol=replace(PLAIN, **parts))


HERE = r"test_export_litmus\.py:\d+: "
REFUSALS = {
    "handler": (
        lambda: made(handler=Handler(BRK, (emulate("act"), iret("iret")))),
        HERE + "protocol 'plain' has a trap handler",
    ),
    "patchers": (
        lambda: made(patchers=(Patcher("other", (fence("dsb"),)),)),
        HERE + "protocol 'plain' has several patchers",
    ),
    "cpu program": (
        lambda: made(cpu_program=(execute("run", SITE),)),
        HERE + "protocol 'plain' has a program that CPUs run",
    ),
    "bytes one by one": (
        lambda: made(write("again", SITE, BL)),
        HERE + "step 'again' is a store of code, but not of 4 bytes at once",
    ),
    "a byte": (
        lambda: made(write("again", SITE, BL[:1], order="single")),
        HERE + "step 'again' is a store of code, but not of 4 bytes at once",
    ),
    "lock": (
        lambda: made(lock("take", LOCK), unlock("give", LOCK), cells=(LOCK,)),
        HERE + "step 'take' is a Lock",
    ),
    "wait": (
        lambda: made(store("set", CELL, 1), wait_until("wait", CELL, 1)),
        HERE + "step 'wait' is a WaitUntil",
    ),
    "grace period": (
        lambda: made(synchronize_rcu("grace")),
        HERE + "step 'grace/begin' is a StartGrace",
    ),
    "deferred": (
        lambda: made(send_ipi("later", deferred=True)),
        HERE + "step 'later' is a SendIpi as this one",
    ),
    "CPUs": (lambda: replace(RUN, cpus=2), "'plain' is for 2 CPUs, a litmus test for one"),
    "chunks": (lambda: replace(RUN, chunk=1), "'plain' is for chunks of 1; say --chunk 4"),
    "in order": (lambda: made(stores="in-order"), "has stores in-order, a litmus test weak ones"),
    "fetch model": (
        lambda: replace(RUN, fetch=("per-chunk",)),
        "no rules of litmus tests are those of arm64 under per-chunk",
    ),
    "many words": (
        lambda: made(sites=tuple(Site(f"s{n}", NOP, BL, 64 * n) for n in range(9)), program=()),
        "no registers for so many words",
    ),
    "many interrupts": (
        lambda: made(*(send_ipi(f"ipi-{n}") for n in range(20))),
        "no registers for so many words",
    ),
    "architecture": (
        lambda: made(arch="ppc64"),
        "no rules of litmus tests are those of ppc64 under incoherent",
    ),
}


@pytest.mark.parametrize(("suite", "said"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_no_litmus_test_can_say_is_refused(suite: Callable[[], Suite], said: str) -> None:
    """By name, and by the line of the spec where it is a step."""
    (job, *_) = jobs((suite(),), Overrides())
    with pytest.raises(SpecError, match=said):
        to_litmus(job.setup, title="refused")


def test_properties_that_are_no_final_states() -> None:
    """Those that are asked for alone are refused; beside others, the test says so."""
    (job,) = jobs((RUN,), Overrides(properties=("finishes",)))
    with pytest.raises(SpecError, match="can ask for none of the properties watched: finishes"):
        to_litmus(job.setup, title="liveness")
    (job,) = jobs((RUN,), Overrides())
    assert "(* not asked for: ends-as-new, finishes, patch-completes. *)" in to_litmus(
        job.setup, title="all"
    )


def test_cache_types_are_in_the_header() -> None:
    """Of Arm; IDC is what the protocol says of data caches."""
    found = {}
    for coherent in (False, True):
        for model in MODELS:
            suite = made(caches_clean_inval_pou("all"), coherent_dcache=coherent)
            (job,) = jobs((replace(suite, fetch=(model,)),), Overrides())
            test = prepare(read(to_litmus(job.setup, title="header")))
            found[coherent, model] = test.dic, test.idc
    assert found == {
        (False, "incoherent"): (False, False),
        (True, "incoherent"): (False, True),
        (False, "store-order"): (True, True),
        (True, "store-order"): (True, True),
    }


def test_the_command_writes_a_test_that_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a spec to a run of the other machine."""
    file = tmp_path / "no-dsb.litmus"
    spec = str(ROOT / "specs" / "arm64_ftrace.py")
    arguments = ["--to", "litmus", "--variant", "no-dsb-1", "--fetch", "incoherent"]
    assert main(["export", spec, *arguments, "-o", str(file)]) == 0
    capsys.readouterr()
    assert main(["litmus", str(file)]) == 0
    assert "Allowed" in capsys.readouterr().out
    assert main(["export", spec, *arguments]) == 0
    assert capsys.readouterr().out == file.read_text()
    assert main(["export", str(ROOT / "specs" / "x86_int3.py"), "--to", "litmus"]) == 2
    assert "no rules of litmus tests are those of x86-64" in capsys.readouterr().err
