"""The commonest slips of the pen, and how to mend each. Knows parts of a protocol by name only."""

from collections.abc import Iterator, Set
from reprlib import Repr
from typing import Any, NamedTuple

from modelcheck.protocol.errors import nearest

_short = Repr()
_short.maxstring = _short.maxother = 60
_short.maxtuple = _short.maxlist = 4


class Slip(NamedTuple):
    """A value where another is wanted: the field, the value, the names of the kinds that would do,
    and of those of the items of a tuple that would; the words that would."""

    field: str
    value: Any
    kinds: Set[str]
    items: Set[str]
    words: tuple[str, ...]


def shown(value: object) -> str:
    """A value and its kind, in one short line, whatever it is."""
    kind = type(value).__name__
    name = _name(value)
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and name:
        return f"the function {name}"
    if _is_part(value):
        return f"{kind} {name!r}" if name else a(kind)
    if isinstance(value, str | bytes | bytearray | int | float | tuple | list | dict | set):
        try:
            return f"{_short.repr(value)}, {a(kind)}"
        except Exception:  # a number of thousands of digits, an item that cannot be shown
            return a(kind)
    return a(kind)


def a(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"


def _is_part(value: object) -> bool:
    return hasattr(value, "made") or hasattr(value, "label")


def _name(value: object) -> str:
    """How a part of a spec, or a function, is called."""
    parts = ("label", "name") if _is_part(value) else ("__name__",)
    found = [getattr(value, part, None) for part in parts]
    return next((name for name in found if isinstance(name, str)), "")


def remedy(slip: Slip) -> str:
    """How to mend it, as a sentence; empty where it looks like no slip that is known."""
    return next(_remedies(slip), "")


def _remedies(slip: Slip) -> Iterator[str]:
    value, name = slip.value, _name(slip.value)
    kind = type(value).__name__
    if slip.field == "label" and not isinstance(value, str):
        yield 'The label comes first, the name of the step: write("head", site, ...)'
    if callable(value) and name:
        steps = {"Element", "Step"} & (slip.kinds | slip.items)
        yield f'Call it, with a label: {name}("label")' if steps else f"Call it: {name}(...)"
    if isinstance(value, str):
        yield from _of_text(value, slip)
    if "tuple" in slip.kinds:
        yield from _to_tuple(value, slip)
    if "bytes" in slip.kinds:
        yield from _to_bytes(value)
    if "bool" in slip.kinds and value in ("yes", "no", "true", "false", 0, 1):
        yield f"Write {value in ('yes', 'true', 1)}"
    if "int" in slip.kinds:
        if isinstance(value, bool):
            yield f"Write {int(value)}"
        if isinstance(value, float) and value.is_integer():
            yield f"Write {int(value)}"
    if "str" in slip.kinds and name and _is_part(value):
        yield f"Give its name, {name!r}"
    if "Protocol" in slip.kinds and kind in ("Suite", "Variant"):
        yield f"Give the protocol in it, .protocol of the {kind}"
    if "Element" in slip.kinds:
        if isinstance(value, tuple | list):
            yield "Put a star before it, which spreads it: *steps"
        if value is None:
            yield "None comes of a function without return, or of print(...)"
        if value is ...:
            yield "Write the steps where the dots are"


def _of_text(value: str, slip: Slip) -> Iterator[str]:
    """A text where it must be another, or something else."""
    for one in slip.words:
        rest = value.removeprefix(one)
        if rest != value and rest in slip.words:
            yield f"Put a comma between {one!r} and {rest!r}"
    if near := nearest(value, slip.words):
        yield f"Did you mean {near!r}?"
    for part in sorted(slip.kinds & {"Site", "Cell", "Protocol"}):
        yield f"Give the {part} itself, not its name"
    if "Expectation" in slip.kinds:
        yield "Write SAFE" if value.casefold() == "safe" else f"Write violates({value!r})"
    if "int" in slip.kinds and "str" not in slip.kinds and value.strip().isdecimal():
        yield f"Write {value.strip()}, without quotes"
    if "Element" in slip.kinds:
        yield "A step is made by a function: write(...), store(...), on_each_cpu(...)"


def _to_tuple(value: Any, slip: Slip) -> Iterator[str]:
    """One thing, or another collection, where a tuple is wanted."""
    if isinstance(value, list | set | frozenset):
        yield "Write (...) for [...], with a comma behind an only one"
    elif isinstance(value, dict) or hasattr(value, "__next__"):
        yield "Put tuple(...) around what gives the items"
    elif {kind.__name__ for kind in type(value).__mro__} & slip.items:
        yield "A tuple of one has a comma: (one,), not (one)"
    if slip.field.endswith("runs"):
        yield "Write runs(1, 3, 1), the lengths of the instructions"


def _to_bytes(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        digits = value.removeprefix("0x").replace("\\x", " ")
        try:
            bytes.fromhex(digits)
            yield f'Write bytes.fromhex("{digits.strip()}")'
        except ValueError:
            yield 'Put a b before the quotes: b"..."'
    if isinstance(value, int) and 0 <= value < 256:
        yield f'Write b"\\x{value:02x}"'
    if isinstance(value, bytearray | memoryview):
        yield "Put bytes(...) around it"
    if isinstance(value, tuple | list):
        if value and all(isinstance(one, bytes) for one in value):
            yield 'Give one of them; where they are parts of one, join them: b"..." + b"..."'
        else:
            yield "Put bytes(...) around the numbers of the bytes"
    if type(value).__name__ == "Site":
        yield "Give its bytes: site.old, site.new, or a part such as site.new[:1]"
