"""Counterexamples read well, replay, and are refused when somebody has tampered with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelcheck.trace.converter import converter
from modelcheck.trace.document import Trace, TraceError, load, to_json
from modelcheck.trace.replay import ReplayError, replay
from modelcheck.views.trace_text import WIDTH, to_text
from tests.checks import by_last

ROOT = Path(__file__).parent.parent
COMMITTED = sorted((ROOT / "counterexamples").glob("*/*.json"))
SAMPLE = ROOT / "counterexamples" / "x86_int3" / "no-sync-2.json"

Tampering = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_counterexample_replays_and_fits_the_page(path: Path) -> None:
    """The machine alone can do each step, and the text has 100 columns."""
    trace = load(path)
    assert replay(trace) == len(trace.steps)
    assert max(len(line) for line in to_text(trace).splitlines()) <= WIDTH


def test_a_trace_survives_being_written_and_read(tmp_path: Path) -> None:
    """A document is the whole of a trace."""
    trace = load(SAMPLE)
    copy = tmp_path / "copy.json"
    copy.write_text(to_json(trace), encoding="utf-8")
    assert load(copy) == trace


def tampered(tmp_path: Path, tamper: Tampering) -> Path:
    """A counterexample with a change, in a file."""
    document = json.loads(SAMPLE.read_text(encoding="utf-8"))
    tamper(document)
    path = tmp_path / "tampered.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def reconfigured(document: dict[str, Any], **changes: Any) -> None:
    """Another configuration, under its digest."""
    document["configuration"].update(changes)
    content = {key: value for key, value in document.items() if key != "digest"}
    document["digest"] = converter.structure(content, Trace).digest


@by_last(
    ("tamper", "message"),
    [
        (lambda d: d["steps"].pop(4), r"step 5 \(patcher: sync-1/wait\): .* waits for cpu2"),
        (lambda d: d["steps"].pop(1), r"step 2 \(patcher: sync-1/send\)"),
        (lambda d: d["steps"].pop(), "ends without a violation"),
        (lambda d: d["steps"].append(d["steps"][0]), "already violates no-torn-instruction"),
        (lambda d: d["steps"][1].update(actor="cpu7"), "no actor of that name"),
        (lambda d: d["steps"][1].update(actor="cpu1"), r"step 2 \(cpu1: int3\).*not possible"),
        (lambda d: d["steps"][1].update(memory={"foo": "cc 1f 44 00 01"}), "step 2 .* memory"),
        (lambda d: d["steps"][1].update(source="x86_int3.py:1"), "step 2 .* source"),
        (lambda d: d["steps"][-1].update(choice=[0, 2, 9, 0, 0, 0]), "step 12 .* choice"),
        (lambda d: d["steps"][-1]["executed"].update(data="e8 e7 57 07 00"), "step 12"),
        (lambda d: d["violation"].update(property="no-unhandled-trap"), "violation: .* property"),
        (lambda d: d["violation"].update(actor="cpu2"), "violation: .* actor"),
        (lambda d: reconfigured(d, fetch="coherent"), "step 12"),
        (lambda d: reconfigured(d, chunk=8), "step 12"),
        (lambda d: reconfigured(d, properties=["visible-after-return"]), "without"),
    ],
)
def test_a_tampered_trace_does_not_replay(tmp_path: Path, tamper: Tampering, message: str) -> None:
    """Each field of a step is held against the machine, and the message names the step."""
    with pytest.raises(ReplayError, match=message):
        replay(load(tampered(tmp_path, tamper)))


@by_last(
    ("tamper", "message"),
    [
        (lambda d: d.update(schema=3), "schema 3"),
        (lambda d: d["configuration"].update(chunk=8), "not that of its digest"),
        (lambda d: d["protocol"].update(name="another"), "not that of its digest"),
        (lambda d: d.pop("schema"), "not a counterexample"),
        (lambda d: d.pop("violation"), "violation"),
        (lambda d: d.update(more=1), "extra"),
        (lambda d: d["steps"][1].update(memory={"foo": "xx"}), "memory"),
        (lambda d: d["steps"][1].update(memory={"foo": 3}), "hexadecimal"),
        (lambda d: d["steps"][1].update(memory={"bar": "cc"}), "step 2: no site 'bar' of 1 byte"),
        (lambda d: d["steps"][1].update(memory={"foo": "cc"}), "step 2: no site 'foo' of 1 byte"),
        (lambda d: d["steps"][-1]["executed"].update(site="bar"), "step 12: no site 'bar'"),
        (lambda d: d["steps"][-1]["executed"].update(origin=[0] * 6), "step 12: no site 'foo'"),
        (lambda d: d.update(steps=[]), "at least one step"),
        (lambda d: d.update(violation=None), "a violation, or it says what it shows"),
        (lambda d: d.update(shows="much"), "a violation, or it says what it shows"),
        (lambda d: d["violation"].update(property="no-fun"), "unknown property 'no-fun'"),
        (lambda d: d["protocol"]["sites"][0].update(address=1 << 70), "not within 64 bits"),
        (lambda d: d["configuration"].update(cpus=10**9), "too many"),
        (lambda d: d["configuration"].update(cpus=0), "0 CPUs"),
        (lambda d: d["protocol"]["program"][0].update(step="Jump"), "program"),
        (lambda d: d["protocol"]["program"][1].update(site="bar"), "no site named 'bar'"),
    ],
)
def test_a_corrupt_trace_is_refused_with_the_place(
    tmp_path: Path, tamper: Tampering, message: str
) -> None:
    """A document of another form is refused before anything is run."""
    with pytest.raises(TraceError, match=message):
        load(tampered(tmp_path, tamper))
