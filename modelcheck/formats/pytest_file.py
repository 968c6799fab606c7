"""A counterexample as a pytest file of its own, to keep among one's tests. Knows traces."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from modelcheck.machine.setup import Configuration
from modelcheck.trace.document import Trace
from modelcheck.trace.rerun import rerun
from modelcheck.views.trace_text import to_text

WIDTH = 100

TEXT = '''"""{title}

Made from a {made} by python -m modelcheck emit-test. It passes as long as the protocol
{passes}; needs modelcheck's pytest plugin.

{text}"""

{imports}

PROTOCOL = {protocol}

SETTINGS = {settings}

STEPS = {steps}

WHAT_THEY_DO = {does}


def test_the_{made}_still_runs():
    steps = rerun(PROTOCOL, Configuration(**SETTINGS), STEPS)
    assert tuple(step.does for step in steps) == WHAT_THEY_DO
{asserted}'''

VIOLATES = """

def test_it_is_still_the_shortest(modelcheck):
    modelcheck.assert_violates(PROTOCOL, {property}, steps=len(STEPS), **SETTINGS)
"""

SAFE = """

def test_it_is_still_safe(modelcheck):
    modelcheck.assert_safe(PROTOCOL, **SETTINGS)
"""


def to_pytest(trace: Trace) -> str:
    """The text of the file: the protocol, the configuration and the steps as Python."""
    run = trace.configuration
    steps = tuple((step.actor, step.label, step.choice) for step in trace.steps)
    wrong = trace.violation
    says = f"violates {wrong.property}" if wrong else "is safe"
    title = f"{trace.protocol.name}, variant {trace.variant}, {says}."
    return TEXT.format(
        title=_docstring(title),
        text=_docstring(to_text(trace)),
        imports="\n".join(_imports(trace.protocol)),
        protocol=_code(trace.protocol),
        settings=_code({field.name: getattr(run, field.name) for field in fields(run)}),
        steps=_code(steps),
        does=_code(tuple(step.does for step in trace.steps)),
        made="counterexample" if wrong else "witness",
        passes="below can still go wrong as shown, and not in fewer steps"
        if wrong
        else "below can still do what is shown, and is safe",
        asserted=VIOLATES.format(property=_code(wrong.property)) if wrong else SAFE,
    )


def _docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _imports(value: Any) -> Iterator[str]:
    modules: dict[str, set[str]] = defaultdict(set)
    modules[rerun.__module__].add(rerun.__name__)
    for kind in (Configuration, *_classes(value)):
        modules[kind.__module__].add(kind.__name__)
    for module, names in sorted(modules.items()):
        yield f"from {module} import {', '.join(sorted(names))}"


def _classes(value: Any) -> Iterator[type]:
    """The dataclasses that a value is made of."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _classes(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for _, item in _arguments(value):
            yield from _classes(item)


def _arguments(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields to write: those that count, and are not what they are by default."""
    for field in fields(value):
        item = getattr(value, field.name)
        if field.compare and item != field.default:
            yield field.name, item


def _code(value: Any, depth: int = 0) -> str:
    """A value as Python, on one line if it fits."""
    if isinstance(value, bytes):
        return f'bytes.fromhex("{value.hex(" ")}")'
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, tuple | list):
        first, last = "()" if isinstance(value, tuple) else "[]"
        items = [_code(item, depth + 1) for item in value]
        if isinstance(value, tuple) and len(items) == 1:
            return _joined(first, [items[0] + ","], last, depth)
        return _joined(first, items, last, depth)
    if isinstance(value, dict):
        items = [f"{_code(key)}: {_code(item, depth + 1)}" for key, item in value.items()]
        return _joined("{", items, "}", depth)
    if is_dataclass(value) and not isinstance(value, type):
        items = [f"{name}={_code(item, depth + 1)}" for name, item in _arguments(value)]
        return _joined(f"{type(value).__name__}(", items, ")", depth)
    return repr(value)


def _quoted(text: str) -> str:
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain


def _joined(first: str, items: list[str], last: str, depth: int) -> str:
    short = first + ", ".join(items) + last
    if "\n" not in short and len(short) + 4 * depth + 20 <= WIDTH:
        return short
    indent = "    " * (depth + 1)
    lines = "".join(f"{indent}{item.rstrip(',')},\n" for item in items)
    return f"{first}\n{lines}{'    ' * depth}{last}"
