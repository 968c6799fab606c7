"""Results for tools that read SARIF 2.1.0, such as code hosts. Knows results."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.source import Source
from modelcheck.questions.check import Result
from modelcheck.questions.findings import (
    INCONCLUSIVE,
    UNEXPECTEDLY_SAFE,
    UNEXPECTEDLY_VACUOUS,
    Finding,
    findings,
)
from modelcheck.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "modelcheckFinding/v1"
"""What the fingerprint is called; another number is another way to make it (SARIF 3.27.17)."""

OTHER = {
    UNEXPECTEDLY_SAFE: "A variant that the spec expects to be violated is safe.",
    UNEXPECTEDLY_VACUOUS: "A verdict is safe only because nobody ran what it is about.",
    INCONCLUSIVE: "A search was cut short.",
    "not-checked": "A spec could not be loaded.",
}


def to_sarif(checked: Sequence[tuple[Path, Sequence[Result]]], errors: Sequence[str]) -> str:
    """One result for each finding, at the last line of the spec that its trace comes from.

    Its fingerprint stays the same while the spec's file has its name, and the protocol, the variant
    and what is wrong theirs: lines and fetch models may change.
    """
    rules = [
        {"id": name, "shortDescription": {"text": meaning}}
        for name, meaning in (PROPERTIES | OTHER).items()
    ]
    results = [_result(spec, one) for spec, found in checked for one in findings(found)]
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


def _result(spec: Path, finding: Finding) -> dict[str, Any]:
    result, job = finding.result, finding.result.job
    message = f"{finding.where}: {finding.said}"
    if result.trace is not None:
        message += f". {result.trace.why}"
    level = "error" if finding.surprising else "warning"
    parts = (spec.name, job.suite.protocol.name, job.variant.name, finding.kind)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    located = _located(finding.kind, level, message, spec, _line(spec, result))
    return located | {"partialFingerprints": {FINGERPRINT: digest}}


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
