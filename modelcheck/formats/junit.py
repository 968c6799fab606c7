"""Results for CI systems that read JUnit's XML: a suite for each spec. Knows results."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.names import printable
from modelcheck.questions.check import Result


def to_junit(checked: Sequence[tuple[Path, Sequence[Result]]], errors: Sequence[str]) -> str:
    """One test case for each verdict: it fails if it is not as expected, and an inconclusive one is
    an error."""
    root = ElementTree.Element("testsuites", name="modelcheck")
    for spec, results in checked:
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=spec.as_posix(),
            tests=str(len(results)),
            failures=str(sum(result.surprising for result in results)),
            errors=str(sum(result.verdict is Verdict.INCONCLUSIVE for result in results)),
            time=f"{sum(result.seconds for result in results):.3f}",
        )
        for result in results:
            _case(suite, spec, result)
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


def _case(suite: ElementTree.Element, spec: Path, result: Result) -> None:
    job = result.job
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{spec.stem}.{job.suite.protocol.name}",
        name=f"{job.variant.name} under {job.configuration.fetch}",
        time=f"{result.seconds:.3f}",
    )
    if result.verdict is Verdict.INCONCLUSIVE:
        ElementTree.SubElement(case, "error", message=f"inconclusive: {result.reason}")
    elif result.surprising:
        ElementTree.SubElement(case, "failure", message=said(result))


def said(result: Result) -> str:
    """What was found, and what was expected."""
    expected = " or ".join(result.expected) + " violated" if result.expected else "safe"
    if result.trace is not None:
        return f"{result.violated}: {result.trace.violation.why} Expected: {expected}."
    return f"{result.word}; expected: {expected}."
