"""The shipped specs give their expected verdicts, and the committed counterexamples are theirs."""

from functools import cache
from itertools import product
from pathlib import Path

import pytest

from modelcheck.formats.markdown import overview, to_markdown
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.fetch import MODELS
from modelcheck.questions.check import Overrides, Result, check, jobs, kept_traces
from modelcheck.trace.document import to_json
from modelcheck.trace.stale import file_digest
from modelcheck.views.trace_text import to_text
from tests import state_counts
from tests.state_counts import Found, Search

ROOT = Path(__file__).parent.parent
SPECS = sorted((ROOT / "specs").glob("*.py"))


@cache
def results(spec: Path, overrides: Overrides = Overrides()) -> list[Result]:
    """The results of a spec, made once."""
    name = spec.relative_to(ROOT).as_posix()
    digest = file_digest(spec)
    todo = jobs(load_suites(spec), overrides)
    return [check(job, spec=name, spec_digest=digest) for job in todo]


def surprises(found: list[Result]) -> list[tuple[str, str, str | None]]:
    """The results that the spec does not expect."""
    return [
        (result.job.variant.name, result.job.configuration.fetch, result.violated)
        for result in found
        if not result.as_expected
    ]


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_every_verdict_is_as_expected(spec: Path) -> None:
    """Each variant, under each fetch model of its spec."""
    assert surprises(results(spec)) == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_what_is_waived_does_happen(spec: Path) -> None:
    """A waiver of what is never violated would only make "safe" say less."""
    for suite in load_suites(spec):
        waived = dict.fromkeys(waiver for variant in suite for waiver in variant.protocol.waived)
        for waiver in waived:
            alone = Overrides(properties=(waiver.name,))
            found = [
                check(job, spec=spec.stem).violated
                for job in jobs((suite,), alone)
                if waiver in job.variant.protocol.waived
            ]
            assert waiver.name in found, f"{suite.protocol.name}: {waiver}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_committed_counterexamples_are_what_the_specs_give(spec: Path) -> None:
    """JSON and text, file by file: none missing, none left over, none changed."""
    folder = ROOT / "counterexamples" / spec.stem
    fresh: dict[str, str] = {}
    found = results(spec)
    for number, trace in kept_traces(found).items():
        fresh[f"{found[number].job.name}.json"] = to_json(trace)
        fresh[f"{found[number].job.name}.txt"] = to_text(trace)
    committed = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert committed == fresh


def test_the_tables_of_verdicts_are_those_of_the_specs() -> None:
    """The docs' page of verdicts and the README's overview are made anew and compared."""
    checked = [(spec.relative_to(ROOT), results(spec)) for spec in SPECS]
    assert (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8") == to_markdown(checked)
    assert overview(checked) in (ROOT / "README.md").read_text(encoding="utf-8")


PINNED = state_counts.from_csv(state_counts.FILE.read_text(encoding="utf-8"))


def assert_as_pinned(pinned: state_counts.Counts, found: state_counts.Counts) -> None:
    """Fails with all that has changed, and with what to do about it."""
    changed = state_counts.changes(pinned, found)
    remedy = "If that is meant: python -m tests.state_counts, and read the difference."
    if changed:
        pytest.fail("\n".join([*changed, remedy]), pytrace=False)


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_state_counts_are_as_pinned(spec: Path) -> None:
    """No search becomes another one unseen: its states, transitions, depth and trace are pinned."""
    pinned = {search: found for search, found in PINNED.items() if search.spec == spec.stem}
    assert_as_pinned(pinned, state_counts.counts(spec, results(spec)))


def test_pinned_counts_are_of_specs_that_there_are() -> None:
    """No spec is gone and its counts are still there; and the file is as its command writes it."""
    assert {search.spec for search in PINNED} == {spec.stem for spec in SPECS}
    assert state_counts.to_csv(PINNED) == state_counts.FILE.read_text(encoding="utf-8")


ONE = Search("spec", "protocol", "base", "per-chunk", 2)
SAFE = Found("safe", 100, 200, 10, 0)
TORN = Found("no-torn-instruction", 50, 60, 5, 6)


@pytest.mark.parametrize(
    ("pinned", "found", "message"),
    [
        (SAFE, SAFE._replace(states=99), "FEWER STATES, SAME VERDICT"),
        (SAFE, SAFE._replace(states=101), "other counts, same verdict"),
        (SAFE, SAFE._replace(transitions=199), "other counts, same verdict"),
        (SAFE, SAFE._replace(depth=11), "other counts, same verdict"),
        (TORN, TORN._replace(trace=7), "other counts, same verdict"),
        (SAFE, TORN, "another verdict"),
        (SAFE, None, "no longer searched"),
        (None, SAFE, "new"),
    ],
    ids=["fewer states", "more states", "transitions", "depth", "trace", "verdict", "gone", "new"],
)
def test_a_change_of_counts_is_told_with_its_kind(
    pinned: Found | None, found: Found | None, message: str
) -> None:
    """Fewer states for the same verdict, the worst, are told before all others."""
    before = {ONE: pinned} if pinned else {}
    now = {ONE: found} if found else {}
    (change,) = state_counts.changes(before, now)
    assert change.startswith(message)
    other = ONE._replace(variant="another")
    worst = {other: SAFE._replace(states=1)}
    first, second = state_counts.changes({**before, other: SAFE}, {**now, **worst})
    assert "FEWER STATES" in first
    assert {change} <= {first, second}
    with pytest.raises(pytest.fail.Exception, match=r"python -m tests\.state_counts"):
        assert_as_pinned(before, now)


LARGE = (
    "x86_static_call",
    "x86_deferred_ipi",
    "x86_bpf_tail_call",
    "s390_mask_byte",
    "x86_ftrace_2012",
    "x86_int3",
    "x86_int3_as_mailed",
    "x86_jump_label",
    "x86_optprobe",
    "x86_text_poke_batch",
    "x86_uprobe_nop10",
)
"""Too large for a quick look byte by byte; test_semantics_agree.py has int3 on smaller sites."""


@pytest.mark.parametrize(
    "spec",
    [pytest.param(spec, marks=[pytest.mark.slow] * (spec.stem in LARGE)) for spec in SPECS],
    ids=lambda path: path.stem,
)
def test_every_verdict_is_as_expected_byte_wise_too(spec: Path) -> None:
    """The reference semantics gives the verdicts that the specs state."""
    assert surprises(results(spec, Overrides(cpus=1, semantics="bytewise"))) == []


FEW = ((2, 1), (8, 0), (8, 62))
"""Chunks and offsets for a quick look."""


@pytest.mark.parametrize("name", ["x86_int3", "x86_int3_as_mailed", "x86_ftrace_2012"])
@pytest.mark.parametrize(
    ("chunk", "offset"),
    [
        pytest.param(*place, marks=[pytest.mark.slow] * (place not in FEW))
        for place in product((2, 4, 8, 64), (0, 1, 3, 62))
    ],
)
def test_expectations_hold_for_every_chunk_and_offset(name: str, chunk: int, offset: int) -> None:
    """A spec states its verdicts by rule, which has to be right beyond its own setting."""
    overrides = Overrides(cpus=1, chunk=chunk, offset=offset)
    assert surprises(results(ROOT / "specs" / f"{name}.py", overrides)) == []


@pytest.mark.parametrize("fetch", sorted({*MODELS} - {"strict"}))
@pytest.mark.parametrize("name", ["x86_int3", "x86_int3_as_mailed", "x86_ftrace_2012"])
def test_expectations_hold_for_every_relaxed_fetch_model(name: str, fetch: str) -> None:
    """Also under the models that the spec does not name."""
    for chunk in (1, 8):
        overrides = Overrides(cpus=1, chunk=chunk, fetch=(fetch,), semantics="windowed")
        assert surprises(results(ROOT / "specs" / f"{name}.py", overrides)) == []


@pytest.mark.parametrize("fetch", sorted({*MODELS} - {"strict"}))
def test_the_last_sync_of_the_barest_protocol_is_for_cpus_that_hold_old_bytes(fetch: str) -> None:
    """Its expectations are those of CPUs that fetch from memory; others trap late without it."""
    late = {} if fetch.startswith("coherent") else {"no-sync-3": "visible-after-return"}
    for chunk in (1, 8):
        overrides = Overrides(cpus=1, chunk=chunk, fetch=(fetch,), semantics="windowed")
        found = results(ROOT / "specs" / "x86_int3_minimal.py", overrides)
        assert {name: violated for name, _, violated in surprises(found)} == late


def verdicts(variant: str, **settings: object) -> dict[str, str | None]:
    """What the shipped protocol's variant violates, by fetch model."""
    overrides = Overrides(variants=(variant,), cpus=1, **settings)  # type: ignore[arg-type]
    return {
        result.job.configuration.fetch: result.violated
        for result in results(ROOT / "specs" / "x86_int3.py", overrides)
        if result.job.suite.protocol.name == "nop-to-call"
    }


def test_omitting_sync_1_tears_old_head_from_new_tail() -> None:
    """What exactly goes wrong: an old first byte before new ones, under each fetch model."""
    found = results(ROOT / "specs" / "x86_int3.py", Overrides(variants=("no-sync-1",)))
    for result in found:
        assert result.violated == "no-torn-instruction"
        assert result.trace is not None
        ran = result.trace.steps[-1].executed
        assert ran is not None
        site = result.trace.protocol.sites[0]
        assert ran.data[0] == site.old[0]
        assert any(ran.data[i] == site.new[i] != site.old[i] for i in range(1, len(site)))
        assert ran.disassembly == "movntq [rax+rax], mm0"


def test_omitting_sync_2_tears_only_where_stores_are_seen_out_of_order() -> None:
    """Head and tail in their order need no sync between them."""
    found = verdicts("no-sync-2")
    assert found["per-chunk"] == found["incoherent"] == "no-torn-instruction"
    assert found["coherent"] is found["store-order"] is None


def test_omitting_sync_3_never_tears() -> None:
    """What it keeps from is a CPU that still traps, in a handler whose data are gone."""
    handler = {"no-unhandled-trap", "no-stale-handler-data", "visible-after-return"}
    assert set(verdicts("no-sync-3").values()) <= handler
    alone = verdicts("no-sync-3", properties=("no-torn-instruction",))
    assert set(alone.values()) == {None}


def test_one_atomic_chunk_hides_the_tear_and_a_boundary_shows_it() -> None:
    """Eight bytes in one read cannot tear, unless the site crosses a line."""
    assert verdicts("no-sync-1", chunk=8)["per-chunk"] is None
    assert verdicts("no-sync-1", chunk=8, offset=62)["per-chunk"] == "no-torn-instruction"
