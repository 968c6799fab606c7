"""explain: what it names is needed, and what it says can be read."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from modelcheck import Protocol, on_each_cpu, send_ipi, wait_acks
from modelcheck.axiomatic.events import Unit, unit_names
from modelcheck.axiomatic.reasons import Excluded, Mix, Possible, can_mix, explained_mixes
from modelcheck.cli import main
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Site
from tests.checks import walk
from tests.protocols import SPECS, minimal, on_other_cpus
from tests.test_axiomatic import SHIPPED

INT3 = str(SPECS / "x86_int3.py")
MODELS = ("coherent", "store-order", "per-chunk", "incoherent")
BASES = (
    "x86_int3/nop-to-call/base",
    "x86_int3/call-to-call/base",
    "arm64_call_ops/ftrace_make_call/base",
    "s390_mask_byte/enable/base",
    "x86_optprobe/optimise/base",
    "riscv_ftrace_call_ops/enable-by-exception/base",
    "x86_deferred_ipi/late-site/base",
    "x86_alternatives_early/text_poke_early/base",
    "two_patchers/with-mutex/base",
)


def excluded(protocol: Protocol, configuration: Configuration) -> Iterator[Excluded]:
    """The mixes that cannot be, with their reasons."""
    for answer in explained_mixes(protocol, configuration):
        if isinstance(answer, Excluded):
            yield answer


def possible(protocol: Protocol, configuration: Configuration, answer: Excluded) -> bool:
    """Whether the mix of an answer can be in this protocol."""
    site = next(site for site in protocol.sites if site.name == answer.site)
    return can_mix(protocol, configuration, site, answer.mix.pairs, answer.offset)


def without(protocol: Protocol, units: frozenset[Unit]) -> Protocol:
    """The protocol without the steps of these units."""
    return protocol.without(*(label for unit in units for label in unit.labels))


def ways_to_undo(answer: Excluded) -> list[frozenset[Unit]]:
    """The least sets of named steps that have one of each reason."""
    ways = {frozenset(way) for way in product(*(reason.steps for reason in answer.reasons))}
    return [way for way in ways if not any(other < way for other in ways)]


def assert_each_named_step_is_needed(protocol: Protocol, configuration: Configuration) -> None:
    """Each least set of named steps, taken away, lets the mix happen."""
    for answer in excluded(protocol, configuration):
        assert not possible(protocol, configuration, answer)
        ways = ways_to_undo(answer)
        named = {unit for reason in answer.reasons for unit in reason.steps}
        assert named <= frozenset().union(*ways)
        for way in ways:
            edited = without(protocol, way)
            assert possible(edited, configuration, answer), (answer, way)


@pytest.mark.parametrize("name", BASES)
def test_each_named_step_is_needed(name: str) -> None:
    """Without one step of each reason the tear is possible: the core is minimal."""
    assert_each_named_step_is_needed(SHIPPED[name].protocol, Configuration(1, "per-chunk"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_each_named_step_of_each_variant_is_needed(name: str) -> None:
    """The same of all variants, under each fetch model and several chunks."""
    for fetch in MODELS:
        for chunk, offset in ((1, 0), (2, 1), (4, 2), (8, 0)):
            configuration = Configuration(1, fetch, chunk, offset)
            assert_each_named_step_is_needed(SHIPPED[name].protocol, configuration)


def executes(protocol: Protocol, configuration: Configuration, site: Site, mix: Mix) -> bool:
    """Whether the machine executes torn bytes with one of the pairs among them."""
    for execution in walk(protocol, configuration).survey.executed:
        if execution.kind == "torn" and protocol.sites[execution.site] == site:
            for pair in mix.pairs:
                if all(execution.data[item.byte] == item.value for item in pair):
                    return True
    return False


@pytest.mark.parametrize("fetch", ["coherent", "per-chunk"])
@pytest.mark.parametrize("name", ["x86_int3/nop-to-call/base", "x86_int3/call-to-call/base"])
def test_without_a_named_step_the_machine_executes_the_tear(name: str, fetch: str) -> None:
    """Differential: what the axioms then allow, the machine does."""
    protocol, configuration = on_other_cpus(SHIPPED[name].protocol), Configuration(1, fetch)
    answers = list(excluded(protocol, configuration))
    assert answers
    for answer in answers:
        (reason,) = answer.reasons
        (site,) = protocol.sites
        assert not executes(protocol, configuration, site, answer.mix)
        for unit in reason.steps:
            edited = without(protocol, frozenset({unit}))
            assert executes(edited, configuration, site, answer.mix)


@pytest.mark.parametrize("fetch", ["coherent", "per-chunk"])
@pytest.mark.parametrize("name", BASES[:5])
def test_each_named_order_is_needed(name: str, fetch: str) -> None:
    """Where an order of two steps is the reason, the other order tears."""
    protocol, configuration = SHIPPED[name].protocol, Configuration(1, fetch)
    for answer in excluded(protocol, configuration):
        for reason in answer.reasons:
            for axiom in reason.axioms:
                if axiom.kind == "before" and len(answer.reasons) == 1:
                    edits = list(reversals(protocol, axiom.first, axiom.second))
                    assert any(possible(edit, configuration, answer) for edit in edits), axiom


def reversals(protocol: Protocol, first: str, second: str) -> Iterator[Protocol]:
    """The protocol with the second step before the first, in two ways."""
    names = unit_names(protocol)
    yield protocol.moved(names[first], after=names[second])
    yield protocol.moved(names[second], before=names[first])


@pytest.mark.parametrize("name", [name for name in SHIPPED if "x86_int3/" in name])
def test_what_can_be_mixed_is_executed_by_the_machine(name: str) -> None:
    """A tear told as possible is one that a search finds, byte for byte."""
    protocol, configuration = SHIPPED[name].protocol, Configuration(1, "per-chunk")
    found = [a for a in explained_mixes(protocol, configuration) if isinstance(a, Possible)]
    if found:
        executed = walk(on_other_cpus(protocol), configuration).survey.executed
        assert {answer.data for answer in found} <= {e.data for e in executed if e.kind == "torn"}


def test_two_steps_that_do_the_same_are_two_reasons() -> None:
    """Either of them excludes the tear, so that neither alone is needed."""
    protocol = minimal().inserted(on_each_cpu("again"), after="sync-1")
    first, *_ = (
        answer
        for answer in excluded(protocol, Configuration(1, "coherent"))
        if answer.mix.left == "old"
    )
    steps = [{unit.name for unit in reason.steps} for reason in first.reasons]
    assert steps == [{"int3", "sync-1"}, {"int3", "again"}]


def test_an_ipi_and_its_wait_as_steps_of_their_own_are_both_named() -> None:
    """A sync in two steps is needed in both."""
    protocol = minimal().replaced("sync-1", send_ipi("send"), wait_acks("wait"))
    for answer in excluded(protocol, Configuration(1, "coherent")):
        if answer.mix.left == "old":
            (reason,) = answer.reasons
            assert {unit.name for unit in reason.steps} == {"int3", "send", "wait"}


MODELS_TOLD = ("--fetch", "coherent", "--fetch", "per-chunk", "--fetch", "strict")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and output of explain."""
    code = main(["explain", *arguments])
    return code, capsys.readouterr().out


def test_the_reason_in_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    """A reader gets the order of events that excludes each mix, in 100 columns."""
    code, out = run(capsys, INT3, *MODELS_TOLD)
    assert code == 0
    told = " ".join(out.split())
    assert (
        "A CPU cannot mix old byte 0 with new bytes 1 to 3, because "
        "- sync-1 begins after int3 is done; "
        "- each CPU acknowledges sync-1 before tail; "
        "- acknowledging sync-1 discards what the CPU had fetched." in told
    )
    assert "under per-chunk and strict:" in out
    assert "can mix" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_tear_in_the_order_of_its_events(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a tear is possible it is told as a run, without a search."""
    code, out = run(capsys, INT3, "--variant", "no-sync-1", "--fetch", "coherent")
    assert code == 0
    told = " ".join(out.split())
    assert "1. int3: foo+0 := cc 2. tail: foo+1 := e7 It executes 0f e7 44 00 00: movntq" in told
    assert "byte 0 as it was at the beginning and bytes 1 to 4 as they were after step 2." in told


STOPPED = """
from modelcheck import *
site = Site("foo", bytes.fromhex("1f 20 03 d5"), bytes.fromhex("00 04 00 94"))
text = write("text", site, site.new)
stopped = Protocol(
    "stopped",
    (site,),
    (stop_machine("stop", text, caches_clean_inval_pou("publish")),),
    arch="arm64",
)
"""


def test_stopped_cpus_weak_stores_and_caches_are_reasons(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each kind of axiom has its sentence, and what it names is needed."""
    spec = tmp_path / "spec.py"
    spec.write_text(STOPPED)
    code, out = run(capsys, str(spec), "--fetch", "per-chunk")
    assert code == 0
    for sentence in (
        "each CPU has stopped for stop before stop/text;",
        "stop lets the CPUs go after stop/publish is done;",
        "stop/text and stop/publish are about one cache line, and stay in order;",
        "the maintenance of stop/publish is done before stop/publish is over;",
        "a CPU that stop lets go discards what it had fetched, after stop/publish emptied the",
        "while stop holds the CPUs, they fetch nothing.",
    ):
        assert out.count(sentence) == 1
    suite, *_ = load_suites(spec)
    assert_each_named_step_is_needed(suite.protocol, Configuration(1, "per-chunk"))


def test_atomic_chunks_are_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Where one read fetches all bytes, no sync is named."""
    _, out = run(capsys, INT3, "--fetch", "per-chunk", "--chunk", "8")
    assert "bytes 0 to 4 are fetched in one atomic read" in out
    assert "sync" not in out


def test_a_tear_that_the_spec_does_not_expect_is_not_as_expected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 1, as for a search that finds it."""
    spec = tmp_path / "spec.py"
    text = Path(INT3).read_text().replace('on_each_cpu("sync-1")', 'store("sync-1", poke, "foo")')
    spec.write_text(text)
    code, out = run(capsys, str(spec), "--fetch", "coherent")
    assert code == 1
    assert "A CPU can mix old byte 0" in out


WEAK = """
from dataclasses import replace
SUITES = (Suite(replace(with_mutex, name="weak", stores="weak"), chunk=4),)
"""


def test_what_is_not_covered_is_inconclusive(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The reason by name, and exit code 3; nothing is called excluded."""
    spec = tmp_path / "spec.py"
    text = (SPECS / "two_patchers.py").read_text()
    spec.write_text(text + WEAK)
    code, out = run(capsys, str(spec))
    assert code == 3
    assert "Not covered by the axioms: weak has several patchers, whose stores are weak." in out


def test_traps_in_a_region_and_grace_periods_are_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who comes by the trap handler, and for whom a grace period waits."""
    optprobe = str(SPECS / "x86_optprobe.py")
    code, out = run(capsys, optprobe, "--fetch", "per-chunk")
    assert code == 0
    for sentence in (
        "new bytes 1 to 3, in the instruction at byte 1, because",
        "each CPU acknowledges sync-1 before grace;",
        "grace waits for each CPU that is inside the site or the trap handler;",
        "grace comes after flag",
        "the trap handler goes by optimized",
    ):
        assert sentence in " ".join(out.split())
    code, out = run(capsys, optprobe, "--variant", "no-grace", "--fetch", "coherent")
    assert code == 0
    assert "It has come by the handler of the trap at byte 0: cc" in out


def test_locks_are_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Of two patchers one waits for the other."""
    code, out = run(capsys, str(SPECS / "two_patchers.py"), "--fetch", "per-chunk")
    assert code == 0
    assert "other/lock text_mutex waits until text_mutex is free;" in out


def test_what_a_cpu_and_the_patcher_do_are_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    """User mode with a deferred IPI, and interrupts that are off."""
    code, out = run(capsys, str(SPECS / "x86_deferred_ipi.py"), "--fetch", "per-chunk")
    assert code == 0
    assert "a CPU in user mode for sync-1 discards what it had fetched when it is back;" in out
    code, out = run(capsys, str(SPECS / "x86_alternatives_early.py"), "--fetch", "per-chunk")
    assert code == 0
    assert "from local_irq_save on it takes no interrupt;" in out
    assert "sync_core discards what the patcher's own CPU had fetched" in out
