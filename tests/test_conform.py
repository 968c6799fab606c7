"""Logs of real kernels: runs of what they run and of nothing else, and damaged ones refused."""

import json
import pickle
import random
import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modelcheck import on_each_cpu, write
from modelcheck.cli import main
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.frontends import logs as front_end
from modelcheck.frontends.logs import LogError, TextLog, load_log
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.suite import Suite
from modelcheck.questions.answer import Ground, Means
from modelcheck.questions.check import Overrides, jobs
from modelcheck.questions.conform import Conformance, conform
from modelcheck.questions.recorded.instantiate import UnfitError, instance
from modelcheck.trace.document import WITNESS, load
from modelcheck.trace.replay import replay
from tests.damage import damaged, few, quiet

ROOT = Path(__file__).parent.parent
LOGS = Path(__file__).parent / "logs"
SCHEMA = json.loads((Path(front_end.__file__).parent / front_end.SCHEMA_FILE).read_text())

Line = dict[str, Any]

BATCH = ("x86_text_poke_batch", "one-count")
KNOWN_AS = {"literal": "ops"}
"""What arm64's literal is in the spec: a cell."""


@cache
def suite_of(spec: str, protocol: str) -> Suite:
    """A protocol of a shipped spec, with its variants."""
    suites = load_suites(ROOT / "specs" / f"{spec}.py")
    return next(suite for suite in suites if suite.protocol.name == protocol)


def asked(
    suite: Suite, log: TextLog, *, exact: bool = False, variants: tuple[str, ...] = ()
) -> dict[str, Conformance]:
    """The answers for the variants that can be about the log."""
    renamed = {site.name: KNOWN_AS[site.name] for site in log.sites if site.name in KNOWN_AS}
    found = {}
    for job in jobs((suite,), Overrides(variants, fetch=("per-chunk",))):
        try:
            found[job.variant.name] = conform(job, log, renamed=renamed, exact=exact)
        except UnfitError:
            continue
    return found


def word(answer: Conformance) -> str:
    """An answer as the matrix has it: run, run !, or @ the event that is forbidden."""
    if answer.refusal is not None:
        return f"@{answer.refusal.event.number}"
    assert answer.verdict is Verdict.SAFE
    return "run !" if answer.violated else "run"


# The matrix: which protocol does this kernel run?

VARIANTS = ("base", "no-sync-1", "no-sync-2", "no-sync-3", "no-wait", "open-late")

MATRIX = {
    "x86-ftrace-enable-rr": ("run", "@5", "@24", "@40", "run", "@3"),
    "x86-ftrace-disable-rr": ("run", "@5", "@18", "@34", "run", "@3"),
    "x86-ftrace-enable-mttcg-4cpu": ("run", "@5", "@25", "@48", "run", "run"),
    "x86-ftrace-disable-mttcg-4cpu": ("run", "@5", "@19", "@30", "run", "run"),
    "x86-ftrace-with-kprobe-rr": ("run", "@25", "@56", "@84", "run", "@3"),
    "x86-static-key-batch3-rr": ("run", "@6", "@12", "@18", "run", "@2"),
    "x86-ftrace-enable-kernel-without-sync-1": ("@5", "run", "@5", "@5", "@5", "@3"),
    "x86-ftrace-enable-kernel-without-sync-2": ("@24", "@5", "run", "@24", "@24", "@3"),
    "x86-ftrace-enable-kernel-without-sync-3": ("@39", "@5", "@21", "run", "@39", "@3"),
    "x86-ftrace-disable-kernel-without-sync-3-oops": ("@41", "@5", "@24", "run !", "@41", "@3"),
}
"""Counted exactly. The prototype that the logs came with had the same."""


@pytest.mark.parametrize(("name", "row"), MATRIX.items(), ids=MATRIX)
def test_the_matrix_tells_which_protocol_a_kernel_runs(name: str, row: tuple[str, ...]) -> None:
    """Genuine logs are runs of the protocol; each kernel without a sync, of its own variant."""
    answers = asked(suite_of(*BATCH), load_log(LOGS / f"{name}.jsonl"), exact=True)
    assert {variant: word(answer) for variant, answer in answers.items()} == dict(
        zip(VARIANTS, row, strict=True)
    )


OTHERS = {
    "x86-kprobe-arm-and-optimize-rr": (
        ("x86_optprobe", "optimise"),
        # Where the grace period is, and when the flag is set, is not recorded.
        {"base": "run", "grace-before-sync": "run", "no-grace": "run", "flag-late": "run"}
        | {"no-second-int3": "@12", "stop-machine": "@3"},
    ),
    "x86-optprobe-unoptimize-rr": (
        ("x86_optprobe", "unoptimise"),
        # Nor is the flag here: but then each CPU that trapped went on in the old displacement.
        {"base": "run", "flag-before-text": "run !"},
    ),
    "arm64-ftrace-call-ops-enable": (
        ("arm64_call_ops", "ftrace_make_call"),
        {"base": "run", "literal-after-bl": "@3", "no-dsb": "run"},
    ),
    "arm64-ftrace-call-ops-disable": (
        ("arm64_call_ops", "ftrace_make_call"),
        {"base": "run", "literal-after-bl": "@5", "no-dsb": "run"},
    ),
    "riscv64-ftrace-stop-machine-enable": (
        ("riscv_ftrace_call_ops", "stop-machine"),
        {"base": "run", "not-stopped": "@5"},
    ),
    "riscv64-ftrace-stop-machine-disable": (
        ("riscv_ftrace_call_ops", "stop-machine"),
        {"base": "run", "not-stopped": "@5"},
    ),
}
"""The logs of other protocols, where there may be more syncs, fences and maintenance."""


@pytest.mark.parametrize(("name", "spec", "row"), [(n, *o) for n, o in OTHERS.items()], ids=OTHERS)
def test_other_kernels_run_their_protocols_too(
    name: str, spec: tuple[str, str], row: dict[str, str]
) -> None:
    """And no variant that the events of the log can tell apart."""
    answers = asked(suite_of(*spec), load_log(LOGS / f"{name}.jsonl"))
    assert {variant: word(answer) for variant, answer in answers.items()} == row


def test_every_log_is_in_a_matrix() -> None:
    """No log lies about that nothing is held against."""
    assert {path.stem for path in LOGS.glob("*.jsonl")} == {*MATRIX, *OTHERS}


def test_more_syncs_than_a_variant_has_are_a_run_of_it_unless_counted() -> None:
    """A kernel with all three syncs refines one without the first; a missing one is missed."""
    suite = suite_of(*BATCH)
    whole = asked(suite, load_log(LOGS / "x86-ftrace-enable-rr.jsonl"))
    assert {v: word(whole[v]) for v in VARIANTS[:4]} == dict.fromkeys(VARIANTS[:4], "run")
    assert {event.do for event in whole["no-sync-1"].extra} == {"sync"}
    lacking = asked(suite, load_log(LOGS / "x86-ftrace-enable-kernel-without-sync-2.jsonl"))
    assert [v for v in VARIANTS[:4] if word(lacking[v]) == "run"] == ["no-sync-2"]


SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.py"))


def logs_named(spec: str) -> list[str]:
    """The logs that a spec's docstring says it was held against."""
    text = " ".join((ROOT / "specs" / f"{spec}.py").read_text(encoding="utf-8").split())
    found = re.search(r"Held against the logs ([\w, -]+) of tests/logs", text)
    return re.findall(r"[\w-]+-[\w-]+", found[1]) if found else []


HELD = [(spec, name) for spec in SPECS for name in logs_named(spec)]


@pytest.mark.parametrize(("spec", "name"), HELD, ids=[f"{spec}-{name}" for spec, name in HELD])
def test_a_log_that_a_spec_names_is_a_run_of_one_of_its_protocols(spec: str, name: str) -> None:
    """What a docstring says the spec was held against, it was."""
    log = load_log(LOGS / f"{name}.jsonl")
    suites = load_suites(ROOT / "specs" / f"{spec}.py")
    found = [asked(suite, log, variants=("base",)) for suite in suites]
    assert Verdict.SAFE in {row["base"].verdict for row in found if row}


def test_most_logs_are_named_by_a_spec() -> None:
    """Each genuine log of a kernel that nobody has broken stands in a docstring."""
    genuine = {name for name in (*MATRIX, *OTHERS) if "without" not in name}
    assert genuine <= {name for _, name in HELD}


# Damaged logs: each is refused at the event that one would name.

Edit = Callable[[list[Line]], list[Line]]


def read(name: str) -> list[Line]:
    """The lines of a log, the header first, so that event n is line n."""
    return [json.loads(line) for line in (LOGS / f"{name}.jsonl").read_text().splitlines()]


def written(folder: Path, lines: Iterable[Line]) -> TextLog:
    """A log of these lines."""
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load_log(path)


def without(*events: int) -> Edit:
    """Events that are not there."""
    return lambda lines: [line for n, line in enumerate(lines) if n not in events]


def moved(event: int, before: int) -> Edit:
    """An event earlier than it was."""
    return lambda lines: [
        *lines[:before],
        lines[event],
        *lines[before:event],
        *lines[event + 1 :],
    ]


def changed(event: int, **fields: Any) -> Edit:
    """An event of other bytes, another CPU, or another value."""
    return lambda lines: [line | fields if n == event else line for n, line in enumerate(lines)]


def added(before: int, **fields: Any) -> Edit:
    """One more event."""
    return lambda lines: [*lines[:before], fields, *lines[before:]]


run = partial(dict, do="run", site="foo")
OLD, TORN_BYTES, NEW = "0f1f440000", "0f67440000", "e86719dc3e"
FTRACE, RISCV, ARM = (
    "x86-ftrace-enable-rr",
    "riscv64-ftrace-stop-machine-enable",
    "arm64-ftrace-call-ops-enable",
)

DAMAGED: dict[str, tuple[str, Edit, int]] = {
    "cpu-2-skips-sync-1": (FTRACE, without(13), 19),
    "cpu-1-skips-sync-2": (FTRACE, without(25), 38),
    "cpu-2-skips-sync-3": (FTRACE, without(44), 46),
    "the-patchers-own-cpu-skips-sync-1": (FTRACE, without(5), 19),
    "no-int3": (FTRACE, without(4), 6),
    "tail-before-int3": (FTRACE, moved(20, before=4), 4),
    "another-tail-byte": (FTRACE, changed(20, bytes="05"), 20),
    "a-tail-byte-is-missing": (FTRACE, without(22), 22),
    "tail-bytes-in-another-order": (FTRACE, moved(22, before=21), 21),
    "head-before-the-last-tail-byte": (FTRACE, moved(39, before=23), 23),
    "head-is-never-written": (FTRACE, without(39), 41),
    "old-runs-after-sync-1": (FTRACE, added(7, **run(cpu=1, bytes=OLD)), 7),
    "torn-bytes-run": (FTRACE, added(21, **run(cpu=1, bytes=TORN_BYTES)), 21),
    "new-runs-before-the-head": (FTRACE, added(39, **run(cpu=2, bytes=NEW)), 39),
    "a-trap-after-sync-3": (FTRACE, added(52, **run(cpu=1, bytes="cc")), 52),
    "int3-after-sync-3": (FTRACE, added(52, cpu=0, do="store", site="foo", at=0, bytes="cc"), 52),
    "count-to-0-early": (FTRACE, moved(47, before=40), 40),
    "count-by-two": (FTRACE, changed(8, value=3), 8),
    "a-handler-keeps-its-reference": (FTRACE, without(9), 9),
    "a-handler-without-a-trap": (FTRACE, without(7), 7),
    "a-cpu-does-not-stop": (RISCV, without(10), 11),
    "a-half-is-missing": (RISCV, without(13), 13),
    "one-half-of-other-bytes": (RISCV, changed(14, bytes="e783"), 14),
    "the-call-before-its-literal": (ARM, moved(9, before=3), 3),
    "half-of-a-single-store": (ARM, changed(9, bytes="13a7"), 9),
}


@pytest.mark.parametrize(("name", "edit", "event"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_log_is_refused_at_the_event_that_one_would_name(
    name: str, edit: Edit, event: int, tmp_path: Path
) -> None:
    """And what was possible instead is told, by the lines of the spec."""
    spec = BATCH if name == FTRACE else OTHERS[name][0]
    log = written(tmp_path, edit(read(name)))
    answer = asked(suite_of(*spec), log, variants=("base",))["base"]
    assert answer.refusal is not None
    assert answer.refusal.event.number == event
    steps = [possible.step for possible in answer.refusal.possible if possible.step]
    assert all(step.source.startswith(f"{spec[0]}.py:") for step in steps)
    assert answer.refusal.stands


def test_what_was_possible_instead_names_the_step_and_its_line() -> None:
    """Where the tail comes, after a sync is taken out, CPUs had still to synchronise."""
    log = load_log(LOGS / "x86-ftrace-enable-kernel-without-sync-1.jsonl")
    refusal = asked(suite_of(*BATCH), log, variants=("base",))["base"].refusal
    assert refusal is not None
    assert str(refusal.event) == "cpu 0: store foo+1 := 67"
    assert {(p.who, p.what) for p in refusal.possible} >= {("cpu 1", "sync"), ("cpu 2", "sync")}
    assert {step.label for step in refusal.stands} == {"sync-1/send", "sync-1/wait"}


def test_a_byte_that_the_patch_knows_nothing_of_is_named(tmp_path: Path) -> None:
    """Who reads that a store is forbidden learns that it is no matter of order."""
    log = written(tmp_path, changed(20, bytes="05")(read(FTRACE)))
    refusal = asked(suite_of(*BATCH), log, variants=("base",))["base"].refusal
    assert refusal is not None
    assert refusal.strange == (
        "05 at foo+1 is neither the old byte, 1f, nor the new one, 67, nor the trap's"
    )


# What a log may be.


def test_one_store_of_several_bytes_is_so_many_steps_in_a_row(tmp_path: Path) -> None:
    """The tail in one store does no more than in four; what is one store in the spec is not
    split (half-of-a-single-store)."""
    lines = changed(20, bytes="6719dc3e")(read(FTRACE))
    answer = asked(suite_of(*BATCH), written(tmp_path, without(21, 22, 23)(lines)))["base"]
    assert word(answer) == "run"
    assert answer.events.count(20) == 4


@pytest.mark.parametrize("first", [6, 14, 20, 24, 27, 40], ids=lambda first: f"from-event-{first}")
def test_a_log_may_begin_anywhere(first: int, tmp_path: Path) -> None:
    """Inside the patch, and with a CPU inside its handler."""
    log = written(tmp_path, without(*range(1, first))(read(FTRACE)))
    answer = asked(suite_of(*BATCH), log, variants=("base",))["base"]
    assert word(answer) == "run"
    assert answer.begins is not None


def test_a_damaged_log_that_begins_inside_is_refused_where_it_is_damaged(tmp_path: Path) -> None:
    """To begin anywhere is not to forgive anything."""
    lines = without(*range(1, 20))(changed(39, bytes="e9")(read(FTRACE)))
    answer = asked(suite_of(*BATCH), written(tmp_path, lines), variants=("base",))["base"]
    assert answer.refusal is not None
    assert answer.refusal.event.number == 39 - 19


def test_a_patcher_that_migrates_is_a_thread(tmp_path: Path) -> None:
    """It is where it stores, and where the log says that it has gone to."""
    lines = read(FTRACE)
    for event in (20, 21, 22, 23, 39, 47):
        lines[event] = lines[event] | {"cpu": 1}
    suite = suite_of(*BATCH)
    answer = asked(suite, written(tmp_path, lines))["base"]
    assert word(answer) == "run"
    assert answer.trace is not None
    assert {step.actor for step in answer.trace.steps} == {"patcher", "cpu1", "cpu2", "cpu3"}
    assert not answer.instance.variant.protocol.patcher_executes
    alone = changed(47, cpu=1)(read(FTRACE))
    assert word(asked(suite, written(tmp_path, alone))["base"]) == "@47"
    told = added(47, cpu=1, do="migrate")(alone)
    assert word(asked(suite, written(tmp_path, told), exact=True)["base"]) == "run"


def test_an_extra_sync_is_a_note_or_counted(tmp_path: Path) -> None:
    """At least, or exactly."""
    log = written(tmp_path, added(44, cpu=1, do="sync")(read(FTRACE)))
    suite = suite_of(*BATCH)
    assert [event.number for event in asked(suite, log)["base"].extra] == [44]
    assert word(asked(suite, log, exact=True)["base"]) == "@44"


def test_executions_that_a_cpu_repeats_may_be_left_out(tmp_path: Path) -> None:
    """Of those a log keeps two: a hart may be at the second slot though it was last seen at the
    first. One that was seen there once is not."""
    suite = suite_of("riscv_ftrace_call_ops", "stop-machine")
    assert word(asked(suite, load_log(LOGS / f"{RISCV}.jsonl"))["base"]) == "run"
    lines = without(1, 2)(read(RISCV))
    assert word(asked(suite, written(tmp_path, lines))["base"]) == "@18"


def test_a_limit_leaves_the_answer_open() -> None:
    """No time: neither run nor forbidden."""
    (job,) = jobs((suite_of(*BATCH),), Overrides(("base",), fetch=("per-chunk",)))
    log = load_log(LOGS / "x86-ftrace-enable-mttcg-4cpu.jsonl")
    answer = conform(job, log, limits=Limits(states=100))
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert not answer.grounds


# The run.


@pytest.mark.parametrize("name", [*MATRIX, *OTHERS])
def test_the_run_of_a_log_replays_by_the_machine_alone(name: str) -> None:
    """With every event in its order; and it ends with the first step that violates something."""
    suite = suite_of(*OTHERS[name][0]) if name in OTHERS else suite_of(*BATCH)
    log = load_log(LOGS / f"{name}.jsonl")
    runs = [one for one in asked(suite, log).values() if one.trace is not None]
    assert runs
    for answer in runs:
        assert answer.trace is not None
        assert replay(answer.trace) == len(answer.trace.steps) == len(answer.events)
        assert (answer.trace.outcome == WITNESS) is not bool(answer.violated)
        told = [event for event in answer.events if event]
        assert told == sorted(told)
        extra = {event.number for event in answer.extra}
        if not answer.violated:
            assert {*told} == {event.number for event in log.events} - extra
        assert Ground(Means.REPLAY) in answer.grounds


def test_a_run_says_what_it_covers_and_what_never() -> None:
    """With a kprobe, the handler also comes to a trap that is not ours."""
    suite = suite_of(*BATCH)
    never = {
        name: {s.label for s in asked(suite, load_log(LOGS / f"{name}.jsonl"))["base"].never}
        for name in ("x86-ftrace-enable-rr", "x86-ftrace-with-kprobe-rr")
    }
    foreign = {"handler/get/array/find/miss", "handler/get/put after miss", "handler/get/not ours"}
    assert foreign <= never["x86-ftrace-enable-rr"]
    assert not foreign & never["x86-ftrace-with-kprobe-rr"]
    assert "handler/get/array/find/emulate" not in never["x86-ftrace-enable-rr"]


def test_the_kernel_that_died_violates_what_it_died_of() -> None:
    """Oops: int3. No run that fits its log does without."""
    log = load_log(LOGS / "x86-ftrace-disable-kernel-without-sync-3-oops.jsonl")
    answer = asked(suite_of(*BATCH), log)["no-sync-3"]
    assert answer.violated == ("no-unhandled-trap",)
    assert answer.trace is not None
    assert answer.trace.violation is not None
    assert answer.trace.violation.actor == "cpu1"


# The protocol about the log's sites.


def test_the_protocol_has_the_bytes_and_addresses_of_the_log() -> None:
    """And of a batch all sites, with the spec's steps for each."""
    log = load_log(LOGS / "x86-static-key-batch3-rr.jsonl")
    protocol = instance(suite_of(*BATCH), "no-sync-2", log, {}).variant.protocol
    assert [(site.name, site.old.hex(), site.address) for site in protocol.sites] == [
        (site.name, site.old.hex(), site.address) for site in log.sites
    ]
    written_to = [step for step in protocol.program if step.label.startswith("tail")]
    assert [step.label for step in written_to] == ["tail j1", "tail j2", "tail j3"]


def odd(data: bytes) -> Suite:
    """A suite that writes a byte between."""
    site = Site("foo", bytes.fromhex("0f1f440000"), bytes.fromhex("e8e7570700"))
    program = (write("odd", site, data, at=1), on_each_cpu("sync"))
    return Suite(Protocol("odd", (site,), program))


def test_a_byte_that_is_neither_old_new_nor_trap_is_refused_by_name() -> None:
    """The log has nothing in its place; mixed bytes that are known each have something."""
    log = load_log(LOGS / "x86-ftrace-enable-mttcg-4cpu.jsonl")
    with pytest.raises(UnfitError, match=r"step 'odd' has 05 at byte 2 of site 'foo'"):
        instance(odd(b"\xe7\x05"), "base", log, {})
    (step, _) = instance(odd(b"\xe7\x44"), "base", log, {}).variant.protocol.program
    assert step.data.hex() == "6744"


@pytest.mark.parametrize(
    ("spec", "log", "why"),
    [
        (("x86_text_poke_batch", "batch"), FTRACE, "each CPU has its own 'refs'"),
        (("x86_int3", "nop-to-call"), FTRACE, "it has no cell 'refs', which the log counts"),
        (("arm64_call_ops", "ftrace_make_call"), FTRACE, "it is for arm64"),
        (("x86_jump_label", "enable"), "x86-ftrace-enable-mttcg-4cpu", "it patches short, long"),
        (("x86_jump_label", "short-alone"), "x86-ftrace-enable-mttcg-4cpu", "has 2 bytes"),
    ],
    ids=["per-cpu", "no-counter", "architecture", "number-of-sites", "length"],
)
def test_a_protocol_that_cannot_be_about_a_log_says_why(
    spec: tuple[str, str], log: str, why: str
) -> None:
    """Nothing is made to fit."""
    with pytest.raises(UnfitError, match=re.escape(why)):
        instance(suite_of(*spec), "base", load_log(LOGS / f"{log}.jsonl"), {})


def test_a_suite_of_a_family_can_be_sent_to_another_process() -> None:
    """Without its family, which only conform asks."""
    suite = suite_of(*BATCH)
    sent = pickle.loads(pickle.dumps(suite))
    assert suite.family is not None
    assert sent.family is None
    assert sent == suite


# The format.


@pytest.mark.parametrize("path", sorted(LOGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_line_of_every_log_is_of_the_published_schema(path: Path) -> None:
    """By a validator that knows the schema alone."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in path.read_text().splitlines():
        validator.validate(json.loads(line))


MALFORMED: dict[str, tuple[Callable[[str], str], int, str]] = {
    "empty": (lambda text: "", 0, "is empty; its first line is a header"),
    "no-events": (lambda text: text.splitlines()[0], 0, "has a header and no event"),
    "cut-off": (lambda text: text[:-20], 52, "is the file cut off?"),
    "another-version": (lambda text: text.replace('"log": 1', '"log": 2'), 1, "log: 1 was expect"),
    "no-header": (lambda text: text.partition("\n")[2], 1, "no header; the first"),
    "not-json": (lambda text: text.replace('"do": "sync"}', "sync", 1), 6, "not JSON"),
    "a-list": (lambda text: text + "[]\n", 53, "is not of type 'object'"),
    "unknown-kind": (lambda text: text.replace('"sync"}', '"synk"}', 1), 6, "'synk' is not one"),
    "unknown-field": (lambda text: text.replace('"value": 1', '"valeu": 1', 1), 4, "valeu"),
    "odd-hex": (lambda text: text.replace('"bytes": "cc"', '"bytes": "c"', 1), 5, "bytes: 'c'"),
    "unknown-cpu": (
        lambda text: text.replace('{"cpu": 2, "do": "sync"}', '{"cpu": 7, "do": "sync"}', 1),
        14,
        "cpu 7 is none of the header's cpus",
    ),
    "not-recorded": (
        lambda text: text.replace('{"cpu": 2, "do": "sync"}', '{"cpu": 2, "do": "isb"}', 1),
        14,
        "'isb' is none of the header's records",
    ),
    "unknown-site": (lambda text: text.replace('"site": "foo"', '"site": "fo"', 1), 2, "'fo'"),
    "beyond-the-site": (lambda text: text.replace('"at": 4', '"at": 5', 1), 24, "are not within"),
    "two-lengths": (lambda text: text.replace(f'"{OLD}"', '"0f1f"', 1), 1, "the same length"),
    "patcher-elsewhere": (lambda text: text.replace('"patcher": 0', '"patcher": 9'), 1, "none of"),
    "acts-on-a-terminal": (lambda text: text.replace("Linux 6", "\\u001b[2J"), 1, "is acted on"),
}


@pytest.mark.parametrize(("damage", "line", "what"), MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_is_no_log_has_one_message_with_file_and_line(
    damage: Callable[[str], str],
    line: int,
    what: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And exit code 2."""
    path = tmp_path / "log.jsonl"
    path.write_text(damage((LOGS / f"{FTRACE}.jsonl").read_text()))
    with pytest.raises(LogError) as error:
        load_log(path)
    place = f"{path}:{line}: " if line else f"{path}: "
    assert str(error.value).startswith(place)
    assert what in str(error.value)
    assert "\n" not in str(error.value)
    assert main(["conform", "specs/x86_text_poke_batch.py", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {error.value}\n"


@few(60, 2_000)
def test_a_log_that_is_damaged_at_random_gives_no_traceback(number: int, tmp_path: Path) -> None:
    """It is refused as no log, or judged like any other."""
    draw = random.Random(number)
    path = tmp_path / "log.jsonl"
    whole = (LOGS / "x86-ftrace-disable-rr.jsonl").read_text()
    codes = set()
    for _ in range(number):
        lines = whole.splitlines()
        at = draw.randrange(len(lines))
        lines[at] = damaged(lines[at], draw).decode("utf-8", "surrogateescape")
        path.write_text("\n".join(lines), "utf-8", "surrogateescape")
        code, _, _ = quiet("conform", str(ROOT / "specs" / "x86_text_poke_batch.py"), str(path))
        codes.add(code)
    assert {1, 2} <= codes <= {0, 1, 2}


# The command.


def told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str]:
    """The exit code of the command, and what it prints on 80 columns."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("modelcheck.cli.conform.out.width", 80)
    code = main(["conform", *arguments])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out + printed.err


def log_at(name: str) -> str:
    """The path of a log, as from the root."""
    return f"tests/logs/{name}.jsonl"


def test_the_command_says_of_what_a_log_is_a_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 0; the run is kept, and replays from its file; nothing is said of other runs."""
    spec = "specs/x86_text_poke_batch.py"
    code, text = told(capsys, monkeypatch, spec, log_at(FTRACE), "--out", str(tmp_path))
    assert code == 0
    assert f"{log_at(FTRACE)}: is a run of one-count, variant base" in text
    assert "Never: " in text
    assert "shows nothing about other runs" in text
    (kept,) = tmp_path.rglob("*.json")
    assert kept.name == f"{FTRACE}.base.json"
    assert replay(load(kept)) > 51
    assert main(["replay", str(kept)]) == 0
    assert main(["show", str(kept)]) == 0


def test_the_command_says_which_event_is_forbidden(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 1, with what was possible instead, in 80 columns."""
    name = "x86-ftrace-disable-kernel-without-sync-3-oops"
    spec, out = "specs/x86_text_poke_batch.py#one-count", str(tmp_path)
    code, text = told(capsys, monkeypatch, spec, log_at(name), "--out", out)
    assert code == 1
    assert "event 41 is forbidden by one-count, variant base" in text
    assert re.search(r"event 41, line 42: cpu 0: refs := 0", text)
    assert "handler/get" in text
    assert max(map(len, text.splitlines()[1:])) <= 80
    code, text = told(
        capsys, monkeypatch, spec, log_at(name), "--variant", "no-sync-3", "--out", out
    )
    assert code == 0
    assert "violates no-unhandled-trap" in text


def test_the_matrix_fits_into_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All variants side by side; exit code 0, since each log is a run of one."""
    names = ("x86-ftrace-enable-rr", "x86-ftrace-enable-kernel-without-sync-2")
    paths = [log_at(name) for name in names]
    options = ("--variant", "all", "--exact")
    code, text = told(capsys, monkeypatch, "specs/x86_text_poke_batch.py", *paths, *options)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    (row,) = (line for line in text.splitlines() if line.startswith("x86-ftrace-enable-rr"))
    assert row.split()[1:] == ["run", "@5", "@24", "@40", "run", "@3"]


def test_many_variants_are_told_in_several_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No name is broken: thirteen do not fit beside each other."""
    log = log_at("x86-ftrace-disable-mttcg-4cpu")
    spec = "specs/x86_int3.py#nop-to-call"
    code, text = told(capsys, monkeypatch, spec, log, "--variant", "all")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert {"no-sync-1", "no-breakpoint", "irqs-on-in-handler"} <= set(text.split())
    assert text.count("x86-ftrace-disable-m") == 4


def test_the_json_of_the_command_has_all_that_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On stdout alone: run, coverage, what is forbidden and where."""
    paths = [log_at(FTRACE), log_at("x86-ftrace-enable-kernel-without-sync-1")]
    monkeypatch.chdir(ROOT)
    arguments = ["specs/x86_text_poke_batch.py", *paths, "--out", str(tmp_path), "--json", "-"]
    assert main(["conform", *arguments]) == 1
    run_of, forbidden = json.loads(capsys.readouterr().out)["answers"]
    assert run_of["verdict"] == "is a run of"
    assert len(run_of["run"]["steps"]) == len(run_of["event_of_step"])
    assert {step["step"] for step in run_of["covered"]} >= {"int3 foo", "sync-1/send"}
    assert forbidden["verdict"] == "forbidden"
    assert forbidden["forbidden"]["event"] == 5
    assert forbidden["forbidden"]["line"] == 6


def test_the_runs_of_logs_can_be_looked_at_in_a_browser(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A page that links each run, and has it to step through."""
    page = tmp_path / "logs.html"
    logs = [log_at(FTRACE), log_at("x86-ftrace-enable-kernel-without-sync-1")]
    options = ("--html", str(page), "--out", str(tmp_path))
    code, _ = told(capsys, monkeypatch, "specs/x86_text_poke_batch.py", *logs, *options)
    assert code == 1
    text = page.read_text()
    links = re.findall(r'href="#trace=([^"]+)"', text)
    assert links == re.findall(r'class="trace" data-name="([^"]+)"', text)
    assert len(links) == 1
    assert "event 5 is forbidden" in text


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no-such-variant": (("--variant", "no-sync-9"), "no variant named 'no-sync-9'; did you mean"),
    "no-such-site": (("--map", "fo=bar"), "--map fo: the log has no such site; it has foo"),
    "no-pair": (("--map", "foo"), "is no LOG=SPEC"),
    "no-such-model": (("--fetch", "chunky"), "unknown fetch model 'chunky'"),
}


@pytest.mark.parametrize(("options", "what"), WRONG.values(), ids=WRONG)
def test_wrong_options_have_a_message_and_exit_code_2(
    options: tuple[str, ...],
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which one, and what there is."""
    spec = "specs/x86_text_poke_batch.py"
    code, text = told(capsys, monkeypatch, spec, log_at(FTRACE), *options)
    assert code == 2
    assert what in text


def test_a_spec_that_has_no_protocol_for_a_log_says_why_of_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and the remedy."""
    code, text = told(capsys, monkeypatch, "specs/x86_int3.py", log_at(FTRACE))
    assert code == 2
    assert "nop-to-call, base: it has no cell 'refs', which the log counts" in text
    code, text = told(capsys, monkeypatch, "specs/x86_int3.py#nop", log_at(FTRACE))
    assert code == 2
    assert "no protocol named 'nop'" in text
