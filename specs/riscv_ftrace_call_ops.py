"""RISC-V: ftrace's AUIPC+JALR pair, from stop_machine() to a call that is patched in one word.

Source: the thread "[RFC PATCH] riscv: Implement HAVE_DYNAMIC_FTRACE_WITH_CALL_OPS" (linux-riscv,
March 2024), and what was merged in Linux 6.16: b2137c3b6d7a (AUIPC fixed, only JALR and NOP are
exchanged), 5aa4ef955884 (no stop_machine()), ca358692de41 (a data fence before the IPI). Two
instructions of four bytes; a hart may be interrupted between them, and its register t0 has what
AUIPC put there, or not. Left out: the literal before the function, which arm64_call_ops.py has,
compressed instructions, and the reach of JALR.

Held against the logs riscv64-ftrace-stop-machine-enable, riscv64-ftrace-stop-machine-disable of
tests/logs: Linux 6.12, so the old scheme.

What the verdicts mean: the pair can be stored in one go, but not fetched in one. Under
stop_machine() a hart stops where it is, between the two old NOPs; then it runs JALR with a t0 that
nobody set. Going through a trap helps only with a grace period: between AUIPC and JALR, all harts
must have left the trap that they met after another first slot. The other grace period, before
AUIPC is written, is not needed: whoever is between the slots then meets the trap. Where the second
slot was a NOP, nor is the first fence, since to run the NOP is as good as to step over it. To
exchange one word needs none of that. But a fence.i is for one hart alone, so each must run its own
when it has come to hear of the store; an IPI that overtakes the store is of no use.
"""

from modelcheck import (
    Block,
    Bug,
    Element,
    Form,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    block,
    fence,
    fence_i,
    iret,
    runs,
    send_ipi,
    skip,
    stop_machine,
    synchronize_rcu_tasks,
    violates,
    wait_acks,
    without_property,
    write,
)

NOP = bytes.fromhex("13 00 00 00")
AUIPC = bytes.fromhex("97 02 00 00")  # auipc t0, 0
JALR = bytes.fromhex("e7 82 02 10")  # jalr t0, 0x100(t0)
OTHER_AUIPC = bytes.fromhex("97 12 00 00")  # auipc t0, 1
OTHER_JALR = bytes.fromhex("e7 82 42 10")  # jalr t0, 0x104(t0)
EBREAK = bytes.fromhex("73 00 10 00")
FETCH = ("coherent", "per-chunk", "incoherent")
ENTRY = 0xFFFFFFFF80001000


def remote_fence_i(label: str) -> Block:
    """flush_icache_all(): this hart's own fence.i, a data fence, and everybody else's."""
    return block(
        label,
        fence_i("local"),
        fence("data fence"),
        send_ipi("sbi_remote_fence_i"),
        wait_acks("done"),
    )


# The old scheme: both instructions are written while all other harts are stopped. A function may
# lie at a multiple of 2 only, and then copy_to_kernel_nofault() stores two bytes at a time.
pair = Site("func", NOP + NOP, AUIPC + JALR, ENTRY + 2, old_runs=runs(4, 4), new_runs=runs(4, 4))


def halves() -> tuple[Element, ...]:
    """The pair in four stores."""
    return tuple(
        write(f"pair+{at}", pair, pair.new[at : at + 2], at=at, order="single")
        for at in range(0, 8, 2)
    )


stopped = Protocol(
    "stop-machine",
    sites=(pair,),
    program=(stop_machine("stop_machine", *halves()),),
    arch="riscv64",
    stores="in-order",  # without a fence, weak ones would hide what is asked: who stands where
)


# The alternative: the second slot becomes an exception, whose handler steps over it, until no hart
# can be between the slots with what the first one was before.
def by_exception(name: str, old: bytes, new: bytes) -> Protocol:
    (first, second), stepped_over = (new[:4], new[4:]), NOP
    site = Site(
        "func",
        old,
        new,
        ENTRY,
        old_runs=runs(4, 4),
        new_runs=runs(4, 4),
        between=(
            Form("old first, second stepped over", old[:4] + stepped_over, runs(4, 4)),
            Form("new first, second stepped over", first + stepped_over, runs(4, 4)),
        ),
    )
    return Protocol(
        name,
        sites=(site,),
        program=(
            write("ebreak", site, EBREAK, at=4, order="single"),
            remote_fence_i("fence-1"),
            synchronize_rcu_tasks("grace-1"),
            write("first", site, first, order="single"),
            remote_fence_i("fence-2"),
            synchronize_rcu_tasks("grace-2"),
            write("second", site, second, at=4, order="single"),
            remote_fence_i("fence-3"),
        ),
        handler=Handler(EBREAK, (skip("fixup"), iret("sret", synchronises=False))),
        waived=(
            without_property(
                "per-cpu-monotone",
                because="half-way, a pass runs AUIPC, which is new, and steps over the second slot "
                "as over the old NOP, and that is right",
            ),
        ),
        arch="riscv64",
        stores="in-order",  # the question is who stands between the slots
    )


enable = by_exception("enable-by-exception", NOP + NOP, AUIPC + JALR)
retarget = by_exception("retarget-by-exception", AUIPC + JALR, OTHER_AUIPC + OTHER_JALR)


def passes(protocol: Protocol) -> tuple[Variant, ...]:
    return (
        Variant("no-grace-1", protocol.without("grace-1")),
        Variant("no-grace-2", protocol.without("grace-2"), violates("no-torn-sequence")),
        Variant(
            "no-grace-periods",
            protocol.without("grace-1", "grace-2"),
            violates("no-torn-sequence"),
        ),
    )


# What was merged: the first slot never changes.
slot = Site("func", AUIPC + NOP, AUIPC + JALR, ENTRY, old_runs=runs(4, 4), new_runs=runs(4, 4))

merged = Protocol(
    "merged",
    sites=(slot,),
    program=(write("jalr", slot, JALR, at=4, order="single"), remote_fence_i("flush_icache_all")),
    patcher_executes=False,
    arch="riscv64",
)

SUITES = (
    Suite(
        merged,
        (
            Variant(
                "no-data-fence",
                merged.without("flush_icache_all/data fence"),
                violates("visible-after-return"),
                bug=Bug(
                    "2025-06",
                    "Linux riscv",
                    "riscv: add a data fence for CMODX in the kernel mode",
                    "ca358692de41",
                    "Nothing ordered the store of the instruction before the IPI. The doorbell "
                    "could overtake it: a remote hart ran its fence.i, fetched the old word again, "
                    "and the patcher believed everybody up to date.",
                ),
            ),
            Variant(
                "no-remote-fence_i",
                merged.without("flush_icache_all/sbi_remote_fence_i", "flush_icache_all/done"),
                violates("visible-after-return"),
                bug=Bug(
                    "2024-02",
                    "Linux riscv",
                    "riscv: Re-introduce global icache flush in patch_text_XXX()",
                    "ee9a68394b4b",
                    "A change that flushed right after patching, on this hart alone, dropped the "
                    "flush on the others. They could run the old instruction for ever.",
                ),
            ),
            Variant(
                "ipi-in-stop-machine",
                merged.without("jalr").replaced(
                    "flush_icache_all",
                    stop_machine(
                        "stop_machine",
                        write("jalr", slot, JALR, at=4, order="single"),
                        remote_fence_i("flush_icache_all"),
                    ),
                ),
                violates("finishes"),
                bug=Bug(
                    "2024-03",
                    "Linux riscv",
                    "riscv: Fix text patching when IPI are used",
                    "c97bf629963e",
                    "The patcher sent an IPI for the remote fence.i while stop_machine() held all "
                    "other harts with interrupts off, and waited for answers that never came.",
                ),
            ),
        ),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        stopped,
        (
            Variant(
                "not-stopped",
                stopped.replaced("stop_machine", *halves()),
                violates("no-torn-instruction", "no-torn-sequence"),
            ),
        ),
        expect=violates("no-torn-sequence"),
        chunk=4,
        cpus=1,
        fetch=FETCH,
        bug=Bug(
            "2025-06",
            "Linux riscv",
            "riscv: ftrace: prepare ftrace for atomic code patching",
            "b2137c3b6d7a",
            "A hart took an interrupt after the first old NOP. stop_machine() wrote AUIPC and JALR "
            "while it was stopped there; it went on with JALR, and a t0 that AUIPC had not set.",
        ),
    ),
    Suite(enable, passes(enable), chunk=4, cpus=1, fetch=FETCH),
    Suite(retarget, passes(retarget), chunk=4, cpus=1, fetch=FETCH),
)
