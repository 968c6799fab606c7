"""Public bug reports that are no spec of their own here, each with what is true of it."""

import pytest

from modelcheck import Protocol, Site, Suite, fence, on_each_cpu, runs, without_property, write
from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.actions import Order
from modelcheck.protocol.properties import VISIBLE
from modelcheck.protocol.suite import FETCH_MODELS
from modelcheck.questions.check import Overrides, Result, check, jobs

ADDI = bytes.fromhex("13 05 15 00 93 85 15 00")
"""addi a0, a0, 1; addi a1, a1, 1."""

AUIPC_JALR = bytes.fromhex("97 5e b5 ff e7 8f ce 79")
JUMP = bytes.fromhex("6f 00 00 10")


def invalidated(site: Site, data: bytes, order: Order) -> Protocol:
    """OFFTKP/felix86, issue 567 (2026): a block of translated code is invalidated by its first
    instructions being replaced by a jump."""
    program = (write("block", site, data, order=order), fence("fence"), on_each_cpu("flush_icache"))
    waived = without_property(VISIBLE, because="a thread inside the block may run it to its end")
    return Protocol(
        "invalidate", (site,), program, waived=(waived,), arch="riscv64", patcher_executes=False
    )


def judged(protocol: Protocol, fetch: str) -> Result:
    """The verdict with one CPU and chunks of four bytes."""
    suite = Suite(protocol, fetch=(fetch,), chunk=4, cpus=1)
    (job,) = jobs((suite,), Overrides())
    return check(job, spec="spec.py")


@pytest.mark.parametrize("fetch", FETCH_MODELS)
def test_one_atomic_store_of_two_instructions_tears_a_pass(fetch: str) -> None:
    """The fix that was merged, ahead of which this tool was: a thread that has run the old first
    instruction comes to the new JALR, and jumps by a register that no AUIPC has set."""
    pair = runs(4, 4)
    site = Site("block", ADDI, AUIPC_JALR, 0x3F71218B40, old_runs=pair, new_runs=pair)
    found = judged(invalidated(site, AUIPC_JALR, "single"), fetch)
    assert (found.violated, found.depth) == (
        "no-torn-sequence",
        4,
    )  # the store reaches memory in a step


@pytest.mark.parametrize("fetch", FETCH_MODELS)
def test_one_jump_of_one_instruction_does_not(fetch: str) -> None:
    """What mends it: a jump that replaces one instruction alone."""
    new = JUMP + ADDI[4:]
    site = Site("block", ADDI, new, 0x3F71218B40, old_runs=runs(4, 4), new_runs=runs(4))
    found = judged(invalidated(site, JUMP, "single"), fetch)
    assert found.verdict is Verdict.SAFE, found.violated
    assert not found.is_vacuous
