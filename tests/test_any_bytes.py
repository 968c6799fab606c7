"""prove --any-bytes: verdicts for all instructions, held against the explorers on some."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from modelcheck import Protocol, Site, Suite, pause, write
from modelcheck.arch.x86_64 import X86_64
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.symbolic import AnyBytes, origins, with_instructions
from modelcheck.cli import main
from modelcheck.explore.verdict import Verdict
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.properties import TORN
from modelcheck.questions.any_bytes import ForAllBytes, for_all_bytes, real_instructions
from modelcheck.questions.check import Overrides, jobs
from tests.checks import run
from tests.protocols import CALL, INT3, NOP, SPECS, minimal, on_other_cpus, three_byte_variants

THREE = three_byte_variants()


def decided(protocol: Protocol, fetch: str = "per-chunk") -> ForAllBytes:
    """The answer for all bytes, under one fetch model."""
    (job,) = jobs((Suite(protocol, cpus=1),), Overrides(fetch=(fetch,)))
    return for_all_bytes(job, spec="spec.py")


def test_a_site_that_no_cpu_runs_is_not_covered() -> None:
    """Programs of CPUs are outside this question, and refused rather than called safe."""
    protocol = replace(minimal(), cpu_program=(pause("elsewhere"),))
    answer = decided(protocol)
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert "a program that CPUs run" in answer.reason


def test_the_protocol_holds_for_all_bytes_and_needs_its_syncs() -> None:
    """Without a sync there is a pair of real instructions that tears, confirmed by the machine."""
    assert decided(minimal()).verdict == Verdict.SAFE
    for label, fetch in (("sync-1", "coherent"), ("sync-2", "per-chunk")):
        found = decided(minimal().without(label), fetch)
        assert found.verdict == Verdict.VIOLATED
        assert found.instructions == (NOP, CALL)
        assert found.confirmed is not None
        assert found.confirmed.violated == TORN


def test_bytes_that_happen_to_be_equal_hide_what_others_show() -> None:
    """Written is only what differs between these two; the last byte stays old."""
    old, new = b"\x48\x89\xc3", b"\x31\xc0\xc3"
    site = Site("foo", old, new)
    protocol = minimal()
    short = replace(protocol, sites=(site,), program=())
    short = replace(
        short,
        program=(
            write("int3", site, INT3),
            protocol.element("sync-1"),
            write("tail", site, new[1:2], at=1),
            protocol.element("sync-2"),
            write("head", site, new[:1]),
        ),
    )
    assert run(short, Configuration(1)).verdict == Verdict.SAFE
    found = decided(short)
    assert found.verdict == Verdict.VIOLATED
    assert found.real
    assert found.instructions is not None
    assert all(X86_64.decode(data).length == 3 for data in found.instructions)
    assert found.instructions[0][2] != found.instructions[1][2]


@settings(deadline=None, derandomize=True, max_examples=30, suppress_health_check=[*HealthCheck])
@given(
    st.sampled_from(sorted(THREE)),
    st.sampled_from(("coherent", "per-chunk")),
    st.lists(st.sampled_from(b"\x0f\x48\xc3"), min_size=6, max_size=6).map(bytes),
)
def test_what_holds_for_all_holds_for_each(name: str, fetch: str, data: bytes) -> None:
    """Differential: the constraints for one pair of instructions against a search with it."""
    protocol, pair = on_other_cpus(THREE[name]), (data[:3], data[3:])
    (site,) = protocol.sites
    configuration = Configuration(1, fetch, properties=(TORN,))
    question = AnyBytes(protocol, configuration, site)
    verdict = run(with_instructions(protocol, site, pair), configuration).verdict
    tears = question.torn([pair[0]], [pair[1]]) is not None
    assert (verdict == Verdict.VIOLATED) == tears
    assume(tears)
    assert question.torn() is not None


def test_where_written_bytes_come_from() -> None:
    """A byte is old, new or a constant; of another instruction old and new would differ."""
    site = Site("foo", NOP, CALL)
    protocol = replace(
        minimal(),
        sites=(site,),
        program=(
            write("trap", site, b"\xcc" + NOP[1:]),
            write("typo", site, b"\x17", at=1),
            write("tail", site, CALL[1:], at=1),
            write("head", site, CALL[:1]),
        ),
    )
    assert origins(protocol, site) == {
        "trap": (0xCC, "old", "old", "old", "old"),
        "typo": (0x17,),
        "tail": ("new",) * 4,
        "head": ("new",),
    }


def test_a_byte_that_may_stand_for_either_is_refused() -> None:
    """Where old and new agree, the bytes alone cannot tell which one a step means."""
    site = Site("foo", b"\x10\x11", b"\x20\x11")
    protocol = Protocol("p", (site,), (write("a", site, b"\x11", at=1), write("b", site, site.new)))
    with pytest.raises(NotCoveredError, match="step 'a' writes byte 1, which old and new have in"):
        origins(protocol, site)


def test_instructions_are_real_and_no_traps() -> None:
    """Candidates decode to the site's length and do not begin with the trap."""
    site = Site("foo", NOP, CALL)
    found = real_instructions(minimal(), site)
    assert {NOP, CALL} <= set(found)
    assert all(X86_64.decode(data).length == 5 for data in found)
    assert not any(data.startswith(INT3) for data in found)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what holds, and a pair of instructions in words for what fails."""
    spec = str(SPECS / "x86_int3.py")
    arguments = ["prove", spec, "--any-bytes", "--cpus", "1", "--fetch", "per-chunk"]
    assert main([*arguments, "--variant", "base", "--variant", "no-sync-2"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "base holds" in out
    assert "no-sync-2 fails" in out
    assert "0f 1f 44 00 00 (nop dword [rax+rax]) to e8 e7 57 07 00 (call" in out


def test_a_failure_that_the_spec_does_not_expect_is_not_as_expected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A spec that hides a tear behind equal bytes has exit code 1 here."""
    spec = tmp_path / "spec.py"
    text = (SPECS / "x86_int3_minimal.py").read_text().replace("CALL[1:]", "CALL[1:4]")
    spec.write_text(text.replace('"e8 e7 57 07 01"', '"e8 e7 57 07 00"'))
    assert (
        main(["prove", str(spec), "--any-bytes", "--variant", "base", "--fetch", "coherent"]) == 1
    )
    assert "fails !" in capsys.readouterr().out


def test_what_is_not_covered_is_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    """No verdict is exit code 3, as for a search that was cut short."""
    assert main(["prove", str(SPECS / "x86_optprobe.py"), "--any-bytes"]) == 3
    assert "INCONCLUSIVE" in capsys.readouterr().out
