"""The frames of a trace: memory, what each CPU may see, who tells whom, and what is refused."""

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from modelcheck import Cell, Patcher, Protocol, Site, Suite, on_each_cpu, wait_until, write
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace.document import Trace, load
from modelcheck.trace.frames import frames, lanes
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.told import Arrival, DecodedAt, Frame, Readable, Version
from tests.protocols import watching

ROOT = Path(__file__).parent.parent
COMMITTED = sorted((ROOT / "counterexamples").glob("*/*.json"))


@cache
def told(path: Path) -> tuple[Trace, tuple[Frame, ...]]:
    """A counterexample and its frames, made once."""
    trace = load(path)
    return trace, frames(trace)


def shipped(spec: str, name: str) -> tuple[Trace, tuple[Frame, ...]]:
    """The same of a shipped one, by name."""
    return told(ROOT / "counterexamples" / spec / f"{name}.json")


def window(frame: Frame, cpu: str) -> Readable:
    """What a CPU may see of the first site."""
    (found,) = [one.windows for one in frame.cpus if one.name == cpu]
    assert found is not None
    return found[0]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_frames_agree_with_the_trace(path: Path) -> None:
    """Memory, versions and violation, step by step, are those that the trace tells."""
    trace, row = told(path)
    memory = {site.name: site.old for site in trace.protocol.sites}
    assert len(row) == len(trace.steps) + 1
    for frame, step in zip(row[1:], trace.steps, strict=True):
        before, memory = memory, memory | step.memory
        for site in frame.sites:
            assert site.data == memory[site.name]
            assert site.changed == tuple(
                i for i, byte in enumerate(site.data) if byte != before[site.name][i]
            )
            assert [of_byte[-1].value for of_byte in site.versions] == list(site.data)
    assert [frame.violation for frame in row] == [None] * len(trace.steps) + [trace.violation]
    assert {step.actor for step in trace.steps} <= set(lanes(trace, row))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_a_cpu_fetches_lies_in_its_window(path: Path) -> None:
    """Each fetched byte was among those that the CPU might see, from the version named."""
    trace, row = told(path)
    names = [site.name for site in trace.protocol.sites]
    for before, frame in pairwise(row):
        done = frame.executed
        if done is None or frame.label != "fetch":
            continue
        (cpu,) = [cpu for cpu in before.cpus if frame.actor in (cpu.name, cpu.program)]
        assert cpu.windows is not None
        site = names.index(done.site)
        for at, (byte, step) in enumerate(zip(done.data, done.origin, strict=True), done.offset):
            assert byte in cpu.windows[site][at]
            assert Version(byte, step) in before.sites[site].versions[at]


def test_a_fetch_under_way_is_told() -> None:
    """Byte-wise, a CPU holds a partial fetch, and the reader sees how far it is."""
    _, row = shipped("x86_int3_minimal", "no-sync-1")
    told = [status for frame in row for cpu in frame.cpus for status in cpu.status]
    assert told[:1] == ["fetching foo: 0f ?? ?? ?? ??"]
    assert told[-1:] == ["fetching foo: 0f e7 44 00 00"]


def test_a_window_grows_with_stores_and_closes_with_a_sync() -> None:
    """The window is the picture of the fetch model: it opens by stores, and a sync shuts it."""
    _, row = shipped("x86_int3", "no-sync-2")
    first = [window(frame, "cpu1")[0] for frame in row[:5]]
    assert first == [(0x0F,), (0x0F,), (0x0F, 0xCC), (0x0F, 0xCC), (0xCC,)]
    assert window(row[4], "cpu2")[0] == (0x0F, 0xCC)
    assert window(row[11], "cpu1") == ((0xCC, 0xE8), (0x1F, 0xE7), (0x44, 0x57), (0, 7), (0,))
    assert "IPI pending" in row[3].cpus[1].status
    assert row[11].sites[0].versions[0] == (Version(0x0F, 0), Version(0xCC, 2), Version(0xE8, 11))
    assert row[2].sites[0].listing == (DecodedAt(0, b"\xcc", "int3"),)
    assert [frame.cells[0].value for frame in row[:2]] == [None, "foo"]
    assert [frame.cells[0].changed for frame in row[:3]] == [False, True, False]


def test_no_window_while_a_cpu_serialises_before_it_fetches_again() -> None:
    """A CPU in a handler that returns with iret has forgotten what it had fetched."""
    _, row = shipped("x86_int3", "irqs-on-in-handler")
    (trapped,) = (frame for frame in row if frame.executed and frame.executed.kind == "trap")
    cpu = next(cpu for cpu in trapped.cpus if cpu.name == trapped.actor)
    assert (cpu.windows, cpu.status[0]) == (None, "in the handler")


def test_messages_and_their_answers() -> None:
    """An IPI, a stop and their answers are tied to the step that sent them."""
    _, row = shipped("x86_int3", "no-sync-2")
    assert row[3].sends == ("cpu1", "cpu2")
    assert row[4].arrivals == (Arrival("IPI", "patcher", 3),)
    assert row[6].arrivals == (
        Arrival("acknowledged", "cpu1", 4),
        Arrival("acknowledged", "cpu2", 5),
    )
    _, row = shipped("x86_optprobe", "stop-machine")
    kinds = [arrival.kind for frame in row for arrival in frame.arrivals]
    assert kinds == ["stop", "stopped", "go on"]
    _, row = shipped("arm64_patch_text", "first-is-master")
    assert [frame.sends for frame in row if frame.sends] == [("cpu1",)]


def test_a_region_is_decoded_wherever_an_instruction_begins() -> None:
    """The listing has an entry for each instruction of the region."""
    _, row = shipped("powerpc_mprofile", "one-phase")
    assert [(one.offset, one.text) for one in row[-1].sites[0].listing] == [
        (0, "mflr r0"),
        (4, "bl 0xc000000000011004"),
    ]


def test_a_step_that_the_machine_does_not_allow_is_refused() -> None:
    """Frames are made by the machine: no picture of a run that cannot be."""
    trace, _ = shipped("x86_int3", "no-sync-2")
    skipped = replace(trace, steps=(*trace.steps[:4], *trace.steps[5:]))
    with pytest.raises(ReplayError, match=r"step 5 \(patcher: sync-1/wait\) is not possible"):
        frames(skipped)
    unknown = replace(trace, steps=(replace(trace.steps[0], actor="cpu9"),))
    with pytest.raises(ReplayError, match=r"step 1 \(cpu9"):
        frames(unknown)
    lies = replace(trace, steps=(replace(trace.steps[0], does="nothing"), *trace.steps[1:]))
    with pytest.raises(ReplayError, match="step 1: the machine does 'poke := foo'"):
        frames(lies)


def test_a_patchers_cpu_is_told_like_any_other() -> None:
    """With two patchers, each one's IPI reaches the other's CPU too."""
    site = Site("s", b"\x66\x90", b"\xeb\x00")
    program = (on_each_cpu("sync"), write("bytes", site, site.new))
    two = Protocol("two", (site,), program, patchers=(Patcher("other", program),))
    (job,) = jobs((Suite(two, cpus=1, fetch=("per-chunk",)),), Overrides())
    trace = check(job, spec="two.py").trace
    assert trace is not None
    row = frames(trace)
    (sent,) = [frame for frame in row if frame.sends]
    told = [name for name in ("cpu0", "cpu1", "cpu2") if name in sent.sends]
    taken = {frame.actor: frame.arrivals for frame in row if frame.does == "takes the IPI"}
    assert set(taken) == set(told) == {"cpu1", "cpu2"}
    assert set(taken.values()) == {(Arrival("IPI", sent.actor, sent.number),)}
    assert {"cpu1", "cpu2", sent.actor} <= set(lanes(trace, row))


def test_a_loop_is_marked() -> None:
    """Of a lasso the steps that repeat are known."""
    site, never = Site("s", b"\x90\x90", b"\xc3\xc3"), Cell("never", 0)
    waiting = watching(
        Protocol(
            "waits",
            (site,),
            (wait_until("wait", never, 1),),
            cells=(never,),
        ),
        "patch-completes",
    )
    (job,) = jobs((Suite(waiting, cpus=1, fetch=("per-chunk",)),), Overrides())
    loop = check(job, spec="waits.py").trace
    assert loop is not None
    assert loop.loop is not None
    assert [frame.in_loop for frame in frames(loop)] == [
        number > loop.loop for number in range(len(loop.steps) + 1)
    ]
