"""The commonest slips of the pen, and how to mend each. Knows parts of a protocol by name only."""

from collections.abc import Iterator, Set
from reprlib import Repr
from typing import Any, NamedTuple

from modelcheck.protocol.errors import nearest
from modelcheck.protocol.names import hidden

_MOST = 3
"""Items of a collection that are shown."""

_short = Repr()
_short.maxstring = _short.maxother = 60
_short.maxset = _short.maxdict = _MOST


class Slip(NamedTuple):
    """A value where another is wanted: the field, the value, the names of the kinds that would do,
    and of those of the items of a tuple that would; the words that would; whether it is an item."""

    field: str
    value: Any
    kinds: Set[str]
    items: Set[str]
    words: tuple[str, ...]
    is_item: bool


def shown(value: object, kinds: Set[str] = frozenset()) -> str:
    """A value in one short line, and its kind unless that is one of those that would do."""
    kind = type(value).__name__
    brief = _brief(value)
    if brief and isinstance(value, _PLAIN) and kind not in {*kinds, "bool"}:
        return f"{brief}, {kind if kind == 'bytes' else a(kind)}"
    return brief or a(kind)


_PLAIN = (str, bytes, bytearray, int, float, tuple, list, dict, set, frozenset)


def _brief(value: object) -> str:
    """A value as a spec's author knows it; empty where only its kind can be told."""
    name = _name(value)
    if value is None or value is ... or isinstance(value, bool):
        return "..." if value is ... else str(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and name:
        return f"the function {name}"
    if _is_part(value):
        return f"{type(value).__name__} {name!r}" if name else ""
    if isinstance(value, tuple | list | set | frozenset):
        items = [_brief(item) or a(type(item).__name__) for item in [*value][:_MOST]]
        inside = ", ".join(items if isinstance(value, tuple | list) else sorted(items))
        more = ", ..." if len(value) > _MOST else ""
        alone = "," if len(value) == 1 else ""
        if isinstance(value, tuple):
            return f"({inside}{more or alone})"
        return f"[{inside}{more}]" if isinstance(value, list) else f"{{{inside}{more}}}"
    try:
        return _short.repr(value) if isinstance(value, _PLAIN) else ""
    except Exception:  # a number of thousands of digits
        return ""


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
    value, name, wanted = slip.value, _name(slip.value), slip.kinds
    if slip.field == "label" and not isinstance(value, str):
        yield 'The label comes first, the name of the step: write("head", site, ...)'
    if callable(value) and name:
        yield _call(value, name, bool({"Element", "Step"} & (wanted | slip.items)))
    if isinstance(value, str):
        yield from _of_text(value, slip)
    if "tuple" in wanted:
        yield from _to_tuple(value, slip)
    if "bytes" in wanted:
        yield from _to_bytes(value, slip.field)
    if "bool" in wanted and value in (*_YES, *_NO):
        yield f"Write {value in _YES}"
    if "int" in wanted and (isinstance(value, bool) or _is_whole(value)):
        yield f"Write {int(value)}"
    if "str" in wanted and name and _is_part(value):
        yield f"Give its name, {name!r}"
    if "str" in wanted and isinstance(value, tuple) and value and all(map(_is_part, value)):
        yield "Give their names: .name of each"
    if "Protocol" in wanted and type(value).__name__ in ("Suite", "Variant"):
        yield f"Give the protocol in it, .protocol of the {type(value).__name__}"
    if "Expectation" in wanted and isinstance(value, tuple | list):
        yield "Join them: violates(...) | violates(...)"
    if slip.is_item and isinstance(value, tuple | list) and "tuple" not in wanted:
        yield "Put a star before it, which spreads it: *(...)"
    if "Element" in wanted and value is None:
        yield "None comes of a function without return"
    yield from (_MADE.get(part, f"Make one: {part}(...)") for part in sorted(wanted - _PYTHON))


_YES = ("yes", "true", "True", "on", 1)
_NO = ("no", "false", "False", "off", 0)

_PYTHON = {"str", "bytes", "int", "bool", "tuple", "NoneType"}

_MADE = {
    "Callable": "Give it by its name, such as family=batch_of",
    "Element": "A step is made by a function: write(...), store(...), on_each_cpu(...)",
    "Step": "A test is made by is_equal(...), increment_unless_zero(...), is_code(...) or "
    "lookup(...)",
    "Expectation": "Make one: violates(...), or SAFE",
    "Handler": "Make one: Handler(trap, program)",
    "Source": "",
    "Waiver": "Make one: without_property(name, because=...)",
}
"""How a part is made."""


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < 1 << 64


def _call(value: Any, name: str, labelled: bool) -> str:
    if name == "<lambda>":
        return "Write what it gives, without lambda"
    labelled = labelled and value.__module__.startswith("modelcheck.")
    return f'Call it, with a label: {name}("label")' if labelled else f"Call it: {name}(...)"


def _of_text(value: str, slip: Slip) -> Iterator[str]:
    """A text where it must be another, or something else."""
    for one in slip.words:
        rest = value.removeprefix(one)
        if rest != value and rest in slip.words:
            yield f"Put a comma between {one!r} and {rest!r}"
    if near := nearest(value, slip.words):
        yield f"Did you mean {near!r}?"
    if "str" in slip.kinds and (character := hidden(value)):
        yield f"Take out {character!r}, which is acted on, not shown"
    if slip.field == "cell" and value in ("old", "new"):
        yield f"Write instruction={value!r}"
    for part in sorted(slip.kinds & {"Site", "Cell", "Protocol"}):
        yield f"Give the {part} itself, not its name"
    if "Expectation" in slip.kinds:
        yield "Write SAFE" if value.casefold() == "safe" else f"Write violates({value!r})"
    if "int" in slip.kinds and "str" not in slip.kinds:
        number = value.strip()
        if number.isdecimal() or number.startswith("0x"):
            yield f"Write {number}, without quotes"


def _to_tuple(value: Any, slip: Slip) -> Iterator[str]:
    """One thing, or another collection, where a tuple is wanted."""
    if slip.field.endswith("runs"):
        yield "Write runs(1, 3, 1), the lengths of the instructions"
    if value is None:
        yield "For none of them write ()"
    if isinstance(value, list | set | frozenset):
        yield "Write it in (...), with a comma behind an only one"
    elif isinstance(value, dict) or hasattr(value, "__next__"):
        yield "Put tuple(...) around what gives the items"
    elif {kind.__name__ for kind in type(value).__mro__} & slip.items:
        yield "A tuple of one has a comma: (one,), not (one)"


def _to_bytes(value: Any, field: str) -> Iterator[str]:
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
            yield "Give others by also=(...)" if field == "trap" else 'Join them: b"..." + b"..."'
        if value and all(isinstance(one, int) for one in value):
            yield "Put bytes(...) around it"
    if type(value).__name__ == "Site":
        yield "Give its bytes: site.old, site.new, or a part such as site.new[:1]"
