"""The x86 specs: what their traces tell, and what the machine has for them."""

from pathlib import Path

import pytest

from modelcheck import Cell, Handler, Protocol, Site, Suite, iret, lookup, store, use, when, write
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace.document import load
from tests.protocols import watching

ROOT = Path(__file__).parent.parent
SITE = Site("foo", b"\x90\x01", b"\x91\x02")
CELL = Cell("cell")


@pytest.mark.parametrize(("value", "violated"), [(None, "no-stale-handler-data"), ("foo", None)])
def test_to_follow_what_was_not_found_is_a_null_pointer(
    value: str | None, violated: str | None
) -> None:
    """A handler that uses a cell without asking has stale data, unless it is set."""
    found = lookup("find", CELL)
    protocol = watching(
        Protocol(
            "null",
            sites=(SITE,),
            cells=(CELL,),
            program=(store("publish", CELL, value), write("trap", SITE, b"\xcc")),
            handler=Handler(b"\xcc", (when(found, otherwise=(use("follow", CELL),)), iret("iret"))),
        ),
        "no-stale-handler-data",
    )
    (job,) = jobs((Suite(protocol, fetch=("per-chunk",), cpus=1),), Overrides())
    assert check(job, spec="").violated == violated


# A real bug, and who does what in its trace, in this order: what its commit message tells.
STORIES = [
    (
        "x86_text_poke_batch/two-users.single-unchecked",
        "patcher: queue bar",
        "single: lock single",
        "single: append foo",
        "single: int3 bar (both)",
        "cpu2: find",
        "cpu2: not ours",
    ),
    (
        "x86_text_poke_batch/on-stack.base",
        "patcher: set bp_desc",
        "cpu1: load bp_desc",
        "patcher: clear bp_desc",
        "patcher: drop refs",
        "patcher: stack reused: refs",
        "cpu1: get",
        "cpu1: follow vec",
    ),
    (
        "x86_text_poke_batch/without-counts.entries-first",
        "patcher: clear vec",
        "cpu1: any entries?",
        "cpu1: load vec",
        "cpu1: follow vec",
    ),
    (
        "x86_ftrace_2012/fails-adding.no-sync",
        "patcher: add_breakpoint",
        "patcher: remove_breakpoint",
        "patcher: post_process",
        "cpu1: fetch",
        "cpu1: modifying?",
    ),
    (
        "x86_ftrace_2012/fails-updating.no-sync",
        "patcher: run_sync-1",
        "patcher: remove_breakpoint",
        "patcher: post_process",
        "cpu1: modifying?",
    ),
    (
        "x86_ftrace_2012/trampolines.race-a",
        "patcher: head call",
        "patcher: dec call",
        "cpu1: modifying?",
    ),
    (
        "x86_ftrace_2012/trampolines.race-b",
        "cpu1: modifying?",
        "cpu1: ours?",
        "patcher: dec call",
        "patcher: set regs_call",
        "cpu1: call",
    ),
    ("x86_ftrace_2012/update.skip", "patcher: add_breakpoint foo", "cpu1: fetch", "cpu1: skip"),
    (
        "x86_optprobe/grace-before-sync",
        "patcher: arm",
        "patcher: grace/end",
        "cpu1: fetch",
        "patcher: tail",
        "cpu1: fetch",
    ),
    (
        "x86_optprobe/unregister.no-sync-2",
        "patcher: disarm",
        "patcher: synchronize_rcu/end",
        "patcher: free",
        "cpu1: find",
    ),
    (
        "x86_optprobe/unoptimise.flag-before-text",
        "patcher: clear flag",
        "patcher: int3",
        "cpu1: step",
        "cpu1: fetch",
    ),
    ("x86_static_call/xor-ret", "cpu1: fetch", "patcher: tail", "cpu1: fetch"),
    (
        "x86_alternatives_early/sync-late",
        "patcher: memcpy",
        "patcher: local_irq_restore",
        "cpu0: fetch",
    ),
    ("x86_alternatives_early/irqs-on", "patcher: memcpy", "cpu0: fetch"),
    (
        "x86_uprobe_nop10/restore-all",
        "cpu1: fetch",
        "patcher: nop tail",
        "cpu1: fetch",
    ),
    (
        "x86_bpf_tail_call/updates.poke-lost",
        "patcher: in kallsyms?",
        "loading: bpf_prog_kallsyms_add",
        "patcher: now?",
        "patcher: int3",
    ),
]


@pytest.mark.parametrize(
    ("name", "told"),
    [pytest.param(name, told, id=name) for name, *told in STORIES],
)
def test_the_trace_of_a_real_bug_tells_what_its_commit_does(name: str, told: list[str]) -> None:
    """The shortest counterexample has the events of the commit message, in their order."""
    trace = load(ROOT / "counterexamples" / f"{name}.json")
    assert trace.bug is not None
    steps = iter(trace.steps)
    for event in told:
        actor, label = event.split(": ", 1)
        assert any(s.actor == actor and f"/{label}/" in f"/{s.label}/" for s in steps), (
            f"no {event!r} where the story has it"
        )
    last_actor, last_label = told[-1].split(": ", 1)
    last = trace.steps[-1]
    assert (last.actor, last.label.endswith(last_label)) == (last_actor, True)
