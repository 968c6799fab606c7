"""Results for CI systems that read JUnit's XML: a suite for each spec. Knows results."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from modelcheck.protocol.names import printable
from modelcheck.questions.check import Result
from modelcheck.questions.findings import findings, rests_on_nothing


def to_junit(checked: Sequence[tuple[Path, Sequence[Result]]], errors: Sequence[str]) -> str:
    """One test case for each variant, under all its fetch models, with one failure for each way in
    which it is not as expected; a variant that is only inconclusive has an error instead."""
    root = ElementTree.Element("testsuites", name="modelcheck")
    for spec, results in checked:
        cases = [
            (names, list(group))
            for names, group in groupby(
                results, key=lambda one: (one.job.suite.protocol.name, one.job.variant.name)
            )
        ]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=spec.as_posix(),
            tests=str(len(cases)),
            time=f"{sum(result.seconds for result in results):.3f}",
        )
        for (protocol, variant), group in cases:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{spec.stem}.{protocol}",
                name=variant,
                time=f"{sum(result.seconds for result in group):.3f}",
            )
            _say(case, group)
        for kind in ("failure", "error"):
            suite.set(f"{kind}s", str(len(list(suite.iter(kind)))))
    for error in errors:
        suite = ElementTree.SubElement(
            root, "testsuite", name="not checked", tests="1", failures="0", errors="1", time="0"
        )
        case = ElementTree.SubElement(suite, "testcase", name=error.split(":")[0], classname="spec")
        ElementTree.SubElement(case, "error", message=error)
    for element in root.iter():  # XML has no way to write a control character.
        element.attrib.update({name: printable(text) for name, text in element.items()})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _say(case: ElementTree.Element, results: Sequence[Result]) -> None:
    """What is not as expected of a variant, and what its safe verdicts do not rest on."""
    for finding in findings(results):
        failed = "failure" if finding.surprising else "error"
        trace = finding.result.trace
        why = f". {trace.why}" if trace is not None else ""
        message = f"{finding.where}: {finding.said}{why}"
        ElementTree.SubElement(case, failed, type=finding.kind, message=message)
    if nothing := rests_on_nothing(results):
        ElementTree.SubElement(case, "system-out").text = f"vacuous: {'; '.join(nothing)}"
