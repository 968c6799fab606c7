"""No step of a shipped protocol can be dropped without a word: what stays safe has two grounds.

Each step of each program, handlers' and CPUs' too, is taken out in turn. Most drops are violated.
A drop that is safe by a search must be so by a second ground, which shares the less with it the
further down it stands in `GROUNDS`; and where no fetch model of the suite needs a step at all, the
reason is written here, and in the spec where it tells something of the protocol.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatch

import pytest

from modelcheck import Protocol, SpecError, Suite
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.verdict import violated
from modelcheck.explore.verdict import Limits, Request, Verdict
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.wellformed import labels
from modelcheck.questions.check import Job, Overrides, check, jobs
from modelcheck.questions.prove import safe_for_any_number
from tests.protocols import SPECS, minimal

QUICK = ("powerpc_prefixed", "s390_mask_byte", "user_liteinst", "user_xray")
"""Specs of a few seconds; the others are dropped with -m slow."""

AGAIN = "a trap that is not acted upon is tried again, until the instruction is there"
NO_DEMAND = "who looks nothing up misses nothing: the step is the demand itself"
NOBODY_TOLD = "nobody is told of the change, so there is no time by which it must be seen"
OWN = "it is for what this CPU fetches, which what comes behind renews as well"
IN_ORDER = "stores are in order here"
UNREACHED = "nobody runs these bytes while they change, nor can fetch them beforehand"
AS_GOOD = "what the sync orders is as good either way, or another sync does the same"
ALONE = "one program alone takes the lock, or another lock keeps the same programs apart"
LESS = "CPUs do less without it, and nothing that they have not done before"

REASONS = {
    "*/handler/emulate": AGAIN,
    "x86_ftrace_2012/*/handler/skip": AGAIN,
    "x86_ftrace_2012/*/handler/call": AGAIN,
    "x86_jump_label/*/handler/jump": AGAIN,
    "x86_text_poke_batch/*/emulate": AGAIN,
    "arm64_call_ops/*/callee/ldr ops": NO_DEMAND,
    "x86_ftrace_2012/*/handler/modifying?": NO_DEMAND,
    "arm64_call_ops/*/caches_clean_inval_pou*": NOBODY_TOLD,
    "arm64_ftrace/ftrace_make_call/caches_clean_inval_pou*": NOBODY_TOLD,
    "arm64_ftrace/jump_label_apply/*/isb": OWN,
    "arm64_patch_text/aarch64_insn_patch_text/*/isb": OWN,
    "powerpc_mprofile/*/isb": OWN,
    "powerpc_prefixed/*/isb": OWN,
    "riscv_ftrace_call_ops/*/local": OWN,
    "arm64_patch_text/*/stop_machine/clean first/dsb-2": "the DSBs of the second word do as well",
    "riscv_ftrace_call_ops/*-by-exception/fence-*/data fence": IN_ORDER,
    "x86_ftrace_2012/trampolines/smp_wmb*": IN_ORDER,
    "x86_text_poke_batch/*/smp_wmb*": IN_ORDER,
    "parisc_trampoline/disable/flush word *": UNREACHED,
    "parisc_trampoline/enable/flush word [012]": UNREACHED,
    "parisc_trampoline/disable-with-more-cpus/flush words*": UNREACHED,
    "x86_bpf_tail_call/remove/target/*": UNREACHED,
    "x86_bpf_tail_call/install/target/*": UNREACHED,
    "x86_bpf_tail_call/remove/bypass/retire": "the next poke publishes and retires the same cell",
    "powerpc_mprofile/disable/grace*": "MFLR alone does no harm: see variant no-grace",
    "riscv_ftrace_call_ops/*/grace-1*": "who is between the slots meets the trap: see no-grace-1",
    "riscv_ftrace_call_ops/enable-by-exception/fence-1*": AS_GOOD,
    "x86_bpf_tail_call/updates/first update/sync-3*": AS_GOOD,
    "x86_ftrace_2012/fails-updating/run_sync-1*": AS_GOOD,
    "x86_int3_minimal/minimal/sync-3*": AS_GOOD,
    "x86_optprobe/unregister/sync-1*": AS_GOOD,
    "x86_optprobe/unregister/synchronize_rcu*": "the sync has drained the handlers: see no-grace",
    "x86_optprobe/unregister/free": "a probe that is never freed is there when it is looked up",
    "x86_optprobe/unoptimise/clear flag": "the detour is right as long as anybody traps",
    "two_patchers/locks-in-order/*lock *": ALONE,
    "x86_bpf_tail_call/updates/*lock *": ALONE,
    "x86_bpf_tail_call/updates/loading/*": "nobody asks for it in this variant",
    "user_membarrier/jit/cpu/switch out": LESS,
    "x86_deferred_ipi/*/cpu/*": LESS,
}
"""Why nothing needs a step, by spec, protocol and label; `*` stands for anything."""


def dropped(protocol: Protocol) -> Iterator[tuple[str, Protocol]]:
    """The protocol without each of its steps and blocks, by what was dropped.

    What is no protocol any more, such as a handler without a return, is refused: no verdict.
    """
    for label in labels(protocol):
        try:
            yield label, protocol.without(label)
        except SpecError:
            continue


def by_axioms(job: Job) -> bool | None:
    """Whether the axioms allow no tear; they share neither states nor the machine."""
    try:
        return not violated(job.variant.protocol, job.setup.configuration) & {*job.setup.watched}
    except NotCoveredError:
        return None


def byte_by_byte(job: Job) -> bool | None:
    """Whether the reference semantics gives the same verdict, where that is quick."""
    job = replace(job, configuration=replace(job.configuration, semantics="bytewise"))
    found = check(job, spec="drops", request=Request(Limits(states=5_000)))
    return None if found.verdict is Verdict.INCONCLUSIVE else found.verdict is Verdict.SAFE


def for_any_number(job: Job) -> bool | None:
    """Whether the abstraction proves it; that it does not, says nothing."""
    return safe_for_any_number(job.subject) or None


GROUNDS: tuple[Callable[[Job], bool | None], ...] = (for_any_number, byte_by_byte, by_axioms)


def ungrounded(job: Job) -> str:
    """What is wrong with a safe verdict: it is contradicted, or rests on one search alone."""
    answers = {ground.__name__: ground(job) for ground in GROUNDS}
    against = [name for name, answer in answers.items() if answer is False]
    return ", ".join(against) or ("" if any(answers.values()) else "nothing confirms it")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(path.stem, marks=[pytest.mark.slow] * (path.stem not in QUICK))
        for path in sorted(SPECS.glob("*.py"))
    ],
)
def test_what_is_safe_without_a_step_has_a_second_ground_or_a_reason(spec: str) -> None:
    """Every step of every protocol, under every fetch model of its suite."""
    needless = []
    for suite in load_suites(SPECS / f"{spec}.py"):
        for label, edited in dropped(suite.protocol):
            name = f"{spec}/{edited.name}/{label}"
            one = Suite(edited, cpus=1, chunk=suite.chunk, fetch=suite.fetch)
            results = [check(job, spec=spec) for job in jobs((one,), Overrides())]
            safe = [result.job for result in results if result.word == "safe"]
            assert [fault for job in safe if (fault := ungrounded(job))] == [], name
            if len(safe) == len(results):
                needless.append(name)
    assert [name for name in needless if not any(fnmatch(name, one) for one in REASONS)] == []
    reasons = [one for one in REASONS if one.startswith(f"{spec}/")]
    assert [one for one in reasons if not any(fnmatch(name, one) for name in needless)] == []


def test_a_verdict_that_is_contradicted_or_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own test: a job that tears is refused by two grounds, and confirmed by none."""
    suite = Suite(minimal().without("sync-1"), cpus=1, fetch=("per-chunk",))
    (torn,) = jobs((suite,), Overrides())
    assert ungrounded(torn) == "byte_by_byte, by_axioms"
    monkeypatch.setattr("tests.test_drops.GROUNDS", (for_any_number,))
    assert ungrounded(torn) == "nothing confirms it"
