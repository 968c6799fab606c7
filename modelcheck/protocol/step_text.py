"""A step in a few words, from its kind and its fields. Knows no kind of step by name."""

import re
from dataclasses import MISSING, fields

from modelcheck.protocol.program import Element, Step, flatten


def phrase(element: Element) -> str:
    """What a step does, or what the steps of a block do one after the other."""
    return "; ".join(_step(step) for step in flatten((element,)))


def _step(step: Step) -> str:
    words = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(step).__name__).lower()]
    for part in fields(step):
        value = getattr(step, part.name)
        if part.name in ("label", "source") or value == part.default:
            continue
        text = value.hex(" ") if isinstance(value, bytes) else str(value)
        text = "empty" if value is None else text
        words.append(text if part.default is MISSING else f"{part.name} {text}")
    return " ".join(words)
