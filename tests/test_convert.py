"""Counterexamples in other tools' formats: all that are shipped, and hostile names."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modelcheck import Protocol
from modelcheck.cli import main
from modelcheck.formats.itf import to_itf
from modelcheck.formats.mermaid import to_mermaid
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.suite import Suite, Variant
from modelcheck.questions.check import Job, check
from modelcheck.trace.document import Trace, load
from modelcheck.trace.kinds import KeptRun, told
from tests.test_promela import with_hostile_names

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "counterexamples").glob("*/*.json"))
NO_SYNC_1 = ROOT / "counterexamples" / "x86_int3" / "no-sync-1.json"

EXPRESSION = {"$ref": "#/$defs/expression"}


def only(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with a single key."""
    return {
        "type": "object",
        "properties": {name: value},
        "required": [name],
        "additionalProperties": False,
    }


LIST = {"type": "array", "items": EXPRESSION}
# The rules of Apalache's ADR-015, "Informal Trace Format in JSON".
ITF: dict[str, Any] = {
    "type": "object",
    "required": ["vars", "states"],
    "additionalProperties": False,
    "properties": {
        "#meta": {"type": "object"},
        "params": {"type": "array", "items": {"type": "string"}},
        "vars": {"type": "array", "items": {"type": "string"}},
        "states": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"#meta": {"type": "object"}},
                "additionalProperties": EXPRESSION,
            },
        },
        "loop": {"type": "integer", "minimum": 0},
    },
    "$defs": {
        "expression": {
            "oneOf": [
                {"type": ["string", "boolean"]},
                {"type": "integer", "minimum": -(2**53) + 1, "maximum": 2**53 - 1},
                LIST,
                only("#bigint", {"type": "string", "pattern": "^-?[0-9]+$"}),
                only("#tup", LIST),
                only("#set", LIST),
                only(
                    "#map",
                    {
                        "type": "array",
                        "items": {**LIST, "minItems": 2, "maxItems": 2},
                    },
                ),
                {
                    "type": "object",
                    "propertyNames": {"pattern": "^[^#]"},
                    "additionalProperties": EXPRESSION,
                },
            ]
        }
    },
}

ARROW = re.compile(r"(a\d+|m)(->>|-->>|-\))(a\d+|m): [^;\n]*")
"""What Mermaid ends a statement at is an entity."""


def assert_itf(trace: KeptRun) -> dict[str, Any]:
    """The run's ITF is valid, and ends in its violation, if it has one."""
    run = told(trace)
    document: dict[str, Any] = json.loads(to_itf(run))
    jsonschema.validate(document, ITF)
    for state in document["states"]:
        assert set(state) - {"#meta"} == set(document["vars"])
    assert len(document["states"]) == len(trace.steps) + 1
    assert [state["violation"] for state in document["states"]] == [
        *[""] * len(trace.steps),
        run.outcome if run.verb else "",
    ]
    return document


def assert_mermaid(trace: KeptRun) -> str:
    """The trace's diagram has each step, between participants that it has named."""
    text = to_mermaid(told(trace))
    first, *lines = [line.strip() for line in text.splitlines()]
    assert first == "sequenceDiagram"
    known = set()
    numbers = []
    for line in lines:
        plain = re.sub(r"#(?:35|59|lt|gt);", "", line).replace("<br/>", "")
        assert not set(";#<") & set(plain), line
        word = line.split(" ")[0]
        if word == "participant":
            known.add(line.split(" ")[1])
        elif word not in ("title", "Note", "rect", "end", "loop"):
            arrow = ARROW.fullmatch(plain)
            assert arrow, line
            assert {arrow[1], arrow[3]} <= known
            numbers.append(int(line.split(": ")[1].rstrip(".").partition(".")[0]))
    assert list(dict.fromkeys(numbers)) == list(range(1, len(trace.steps) + 1))
    assert text.count("rect ") == 1
    return text


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_all_shipped_counterexamples(path: Path) -> None:
    """Each is valid ITF by its schema, and Mermaid whose arrows join known participants."""
    trace = load(path)
    assert_itf(trace)
    assert_mermaid(trace)


def hostile() -> Trace:
    """A trace whose names mean something else to the other formats."""
    protocol: Protocol = with_hostile_names()
    site, other = protocol.sites
    protocol = replace(
        protocol,
        sites=(site, replace(other, name="#;end<b>")),
        program=tuple(
            replace(step, site="#;end<b>") if getattr(step, "site", "") == "cpu" else step
            for step in protocol.program
        ),
        cells=(replace(protocol.cells[0], initial=2**60),),
    )
    variant = Variant("a;b#c", protocol)
    job = Job(Suite(protocol), variant, Configuration(2, "incoherent"), "hostile")
    trace = check(job, spec="a.py").trace
    assert trace
    return trace


def test_hostile_names_are_escaped() -> None:
    """Names that end a statement or open a tag, and numbers beyond 2**53."""
    document = assert_itf(hostile())
    assert document["states"][0]["cells"] == {"#map": [["init", {"#bigint": str(2**60)}]]}
    text = assert_mermaid(hostile())
    assert "variant a#59;b#35;c" in text
    assert "#35;#59;end#lt;b#gt;" in text


def test_the_schema_of_the_test_can_fail() -> None:
    """A number too large for ITF is refused, so that the schema means something."""
    document = json.loads(to_itf(told(load(NO_SYNC_1))))
    document["states"][1]["step"] = 2**53
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, ITF)


def test_bytes_and_executions_are_in_the_itf() -> None:
    """Other tools see memory, cells and what was executed, not only labels."""
    first, *_, last = assert_itf(load(NO_SYNC_1))["states"]
    assert first["memory"] == {"#map": [["foo", "0f 1f 44 00 00"]]}
    assert first["cells"] == {"#map": [["poke", "empty"]]}
    assert last["memory"] == {"#map": [["foo", "cc e7 44 00 00"]]}
    assert last["executed"]["bytes"] == "0f e7 44 00 00"
    assert last["executed"]["kind"] == "torn"


def test_ipis_reach_the_other_cpus_only() -> None:
    """An arrow from the sender to each other CPU; a store's goes to memory."""
    text = to_mermaid(told(load(ROOT / "counterexamples" / "x86_int3" / "no-sync-3.json")))
    assert "a0-)a1: 3. sync-1/send: IPI to all\n    a0-)a2: 3. sync-1/send: IPI to all" in text
    assert "a0->>m: 10. tail: foo+4 := 00" in text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To stdout or a file; what is already converted is refused."""
    assert main(["convert", str(NO_SYNC_1), "--to", "mermaid"]) == 0
    assert capsys.readouterr().out == to_mermaid(told(load(NO_SYNC_1)))
    file = tmp_path / "trace.itf.json"
    assert main(["convert", str(NO_SYNC_1), "--to", "itf", "-o", str(file)]) == 0
    assert file.read_text() == to_itf(told(load(NO_SYNC_1)))
    assert main(["convert", str(file), "--to", "itf"]) == 2
    assert "not a counterexample of this tool" in capsys.readouterr().err
