"""Damaged files: traces, certificates, checkpoints. What is damaged is refused, and never believed.

Each test does a few of a kind, and with -m slow many.
"""

import contextlib
import json
import random
import shutil
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from modelcheck.browse.entries import of_file
from modelcheck.browse.opened import open_trace
from modelcheck.certificate.certify import certify
from modelcheck.certificate.invariant import read
from modelcheck.certificate.smtlib import to_smtlib
from modelcheck.explore.compiled import COMPILED
from modelcheck.explore.compiled.saving import CheckpointError
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Limits, Request, Saving, Verdict
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.questions.check import Overrides, jobs
from modelcheck.questions.prove import prove
from modelcheck.trace.document import Trace, TraceError, load
from modelcheck.trace.replay import ReplayError
from modelcheck.trace.rerun import rerun
from modelcheck.views.report import traces
from tests.damage import chance, damaged, damaged_bytes, damaged_json, few, quiet

ROOT = Path(__file__).parent.parent
INT3 = ROOT / "specs" / "x86_int3.py"
MINIMAL = ROOT / "specs" / "x86_int3_minimal.py"
SHIPPED = sorted((ROOT / "counterexamples").rglob("*.json"))


class _Markup(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


@few(60, 2000)
def test_a_damaged_trace_is_refused_or_shown_and_never_believed(
    number: int, tmp_path: Path
) -> None:
    """All that opens a trace says what is wrong; what replays is a run of the machine."""
    draw = chance(number)
    small = [path for path in SHIPPED if path.stat().st_size < 20_000]
    refused = shown = replayed = 0
    for count in range(number):
        original = draw.choice(small)
        file = tmp_path / "t.json"
        file.write_bytes(damaged(original.read_text(), draw))
        try:
            trace = load(file)
        except TraceError:
            refused += 1
            for command in ("show", "replay", "emit-test"):
                code, out, err = quiet(command, str(file))
                assert (code, out) == (2, "")
                assert "t.json" in err
            continue
        shown += 1
        assert quiet("show", str(file))[0] == 0, (count, original)
        for form in ("itf", "mermaid"):
            assert quiet("convert", str(file), "--to", form)[0] == 0, (count, original)
        code, _, err = quiet("replay", str(file))
        assert code in (0, 1), err
        if code == 0:
            replayed += 1
            _assert_a_run(trace)
            data = traces.embedded(traces.document(trace, trace.protocol, {}))
            page = _Markup()
            page.feed(f'<script type="application/json">{data}</script>')
            assert page.tags == ["script"]
            assert quiet("emit-test", str(file), "-o", str(tmp_path / "test_t.py"))[0] == 0
            compile((tmp_path / "test_t.py").read_text(), "test_t.py", "exec")
        with contextlib.suppress(ReplayError):
            entry = of_file(file)
            assert entry.trace is not None
            open_trace(entry.trace, file)
    assert refused
    assert shown
    print(f"{number} damaged traces: {refused} refused, {shown} shown, {replayed} replay")


def _assert_a_run(trace: Trace) -> None:
    """By what does not look at the trace: its choices alone lead to its steps and violation."""
    choices = [(step.actor, step.label, step.choice) for step in trace.steps]
    assert rerun(trace.protocol, trace.configuration, choices) == trace.steps
    watched = trace.configuration.properties or trace.protocol.properties
    assert trace.violation.property in (*watched, "no-unpermitted-modification")


@cache
def certificate(variant: str) -> str:
    """A proof of a variant of the minimal protocol."""
    (job, *_) = jobs(load_suites(MINIMAL), Overrides(variants=(variant,), fetch=("coherent",)))
    text = prove(job, spec=MINIMAL.as_posix()).certificate
    assert text is not None
    return text


@few(25, 400)
def test_a_damaged_certificate_proves_nothing_that_is_not_so(number: int, tmp_path: Path) -> None:
    """It is refused, or what was hit is what a certificate is not believed in."""
    draw = chance(number)
    text = certificate("base")
    whole = read(text)
    file = tmp_path / "c.smt2"
    refused = 0
    for _ in range(number):
        file.write_bytes(_damaged_certificate(text, draw))
        code, _, err = quiet("certify", str(file), str(MINIMAL))
        if code == 0:
            # The path of the spec is the one thing that nobody relies on.
            assert replace(certify(file).invariant, spec=whole.spec) == whole
        else:
            refused += 1
            assert code == 2
            assert "c.smt2" in err
    assert refused > number * 0.8
    print(f"{number} damaged certificates: {refused} refused")


def _damaged_certificate(text: str, draw: random.Random) -> bytes:
    if draw.random() < 0.5:
        return damaged_bytes(text.encode(), draw)
    lines = text.split("\n")
    at = draw.choice([n for n, line in enumerate(lines) if line.startswith(";; ")])
    name, _, value = lines[at].partition(": ")
    (found,) = damaged_json([json.loads(value)], draw)[:1] or [None]
    lines[at] = f"{name}: {json.dumps(found)}"
    return "\n".join(lines).encode()


def test_no_certificate_of_the_protocol_becomes_one_of_a_broken_variant(tmp_path: Path) -> None:
    """Not even where all of its text is what the invariant gives with the other protocol."""
    file = tmp_path / "c.smt2"
    for job in jobs(load_suites(MINIMAL), Overrides(fetch=("coherent",))):
        if job.expected:
            invariant = read(certificate("base"))
            file.write_text(certificate("base").replace('"base"', json.dumps(job.variant.name)))
            assert quiet("certify", str(file), str(MINIMAL))[0] == 2
            forged = replace(invariant, protocol=job.variant.protocol, variant=job.variant.name)
            with contextlib.suppress(AssertionError, LookupError, ValueError):
                file.write_text(to_smtlib(forged))
            assert quiet("certify", str(file), str(MINIMAL))[0] == 2


def broken() -> Machine:
    """A protocol whose violation lies many levels down."""
    (suite, *_) = load_suites(INT3)
    protocol = suite.protocol.without("sync-3")
    return Machine(protocol, Configuration(1, "per-chunk"))


SUBJECT = {"protocol": "broken"}


@few(12, 50)
def test_a_damaged_checkpoint_never_makes_a_broken_protocol_safe(
    number: int, tmp_path: Path
) -> None:
    """It is refused, or, where what was hit does not count, leads to the violation."""
    draw = chance(number)
    whole = COMPILED.explore(System(broken()), Request(threads=1))
    assert whole.verdict is Verdict.VIOLATED
    saved = tmp_path / "saved"
    COMPILED.explore(
        System(broken()),
        Request(Limits(states=whole.states // 2), threads=1, saving=Saving(saved, SUBJECT)),
    )
    refused = 0
    for count in range(number):
        here = tmp_path / str(count)
        shutil.copytree(saved, here)
        damage = DAMAGES[count % len(DAMAGES)]
        damage(here, draw)
        try:
            saving = Saving(here, SUBJECT, resume=True)
            found = COMPILED.explore(System(broken()), Request(threads=1, saving=saving))
        except CheckpointError:
            refused += 1
        else:
            assert (found.verdict, found.path) == (Verdict.VIOLATED, whole.path), damage
    assert refused > number * 0.8
    print(f"{number} damaged checkpoints: {refused} refused")


def _hit_log(folder: Path, draw: random.Random) -> None:
    (log,) = folder.glob("states-*")
    log.write_bytes(damaged_bytes(log.read_bytes(), draw))


def _hit_search(folder: Path, draw: random.Random) -> None:
    file = folder / "search.json"
    file.write_bytes(damaged_bytes(file.read_bytes(), draw))


def _mean_search(folder: Path, draw: random.Random) -> None:
    file = folder / "search.json"
    file.write_text(json.dumps(damaged_json(json.loads(file.read_text()), draw)))


def _emptied_todo(folder: Path, _: random.Random) -> None:
    file = folder / "search.json"
    document = json.loads(file.read_text())
    document["content"]["search"]["todo"] = []
    file.write_text(json.dumps(document))


def _lost_log(folder: Path, _: random.Random) -> None:
    (log,) = folder.glob("states-*")
    log.unlink()


DAMAGES = (_hit_log, _hit_search, _mean_search, _emptied_todo, _lost_log)


def test_a_checkpoint_has_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run is refused, and does not touch what the first has saved."""
    COMPILED.explore(
        System(broken()), Request(Limits(states=500), threads=1, saving=Saving(tmp_path, SUBJECT))
    )
    before = (tmp_path / "search.json").read_bytes()
    with FileLock(tmp_path / "lock"), pytest.raises(CheckpointError, match="another run"):
        COMPILED.explore(System(broken()), Request(saving=Saving(tmp_path, SUBJECT)))
    assert (tmp_path / "search.json").read_bytes() == before
    saving = Saving(tmp_path, SUBJECT, resume=True)
    assert COMPILED.explore(System(broken()), Request(saving=saving)).verdict is Verdict.VIOLATED
