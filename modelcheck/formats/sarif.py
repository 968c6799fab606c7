"""Results for tools that read SARIF 2.1.0, such as code hosts. Knows results."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelcheck.explore.verdict import Verdict
from modelcheck.formats.junit import said
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.source import Source
from modelcheck.questions.check import Result
from modelcheck.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
OTHER = {
    "unexpectedly-safe": "A variant that the spec expects to be violated is safe.",
    "unexpectedly-vacuous": "A verdict is safe only because nobody ran what it is about.",
    "inconclusive": "A search was cut short.",
    "not-checked": "A spec could not be loaded.",
}


def to_sarif(checked: Sequence[tuple[Path, Sequence[Result]]], errors: Sequence[str]) -> str:
    """One result for each verdict that is not as expected, at the last line of the spec that its
    trace comes from."""
    rules = [
        {"id": name, "shortDescription": {"text": meaning}}
        for name, meaning in (PROPERTIES | OTHER).items()
    ]
    results = [
        _result(spec, result)
        for spec, found in checked
        for result in found
        if not result.as_expected
    ]
    results += [
        _located("not-checked", "error", error, Path(error.split(":")[0])) for error in errors
    ]
    driver = {"name": "modelcheck", "version": __version__, "rules": rules}
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _result(spec: Path, result: Result) -> dict[str, Any]:
    job = result.job
    where = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
    if result.verdict is Verdict.INCONCLUSIVE:
        return _located("inconclusive", "warning", f"{where}: {result.reason}", spec)
    rule = result.violated or f"unexpectedly-{result.word}"
    return _located(rule, "error", f"{where}: {said(result)}", spec, _line(spec, result))


def _line(spec: Path, result: Result) -> int:
    """The line of the last step of the trace that has one in the spec."""
    for step in reversed(result.trace.steps if result.trace else ()):
        if step.source is not None:
            source = Source.parse(step.source)
            if source.file == spec.name:
                return source.line
    return 1


def _located(rule: str, level: str, message: str, spec: Path, line: int = 1) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": spec.as_posix()}, "region": {"startLine": line}}
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": place}],
    }
