"""Protocols, configurations and states as JSON data, and back. Knows what they are made of."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from cattrs import BaseValidationError, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_union_passthrough
from cattrs.v import format_exception

from modelcheck.arch.architecture import Stores
from modelcheck.protocol import vocabulary  # noqa: F401, so that all kinds of steps exist
from modelcheck.protocol.code import Site, Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.program import Element, Step
from modelcheck.protocol.source import Source


def faults(error: BaseValidationError, root: str) -> str:
    """What is wrong with data that could not be structured, each with its place below `root`."""
    return "; ".join(transform_error(error, path=root, format_exception=_fault))


def _fault(error: BaseException, kind: type | None) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, AttributeError | TypeError):
        return f"not of the form of a {getattr(kind, '__name__', kind)}"
    return format_exception(error, kind)


def _bytes_from_hex(text: Any, _: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"bytes are written in hexadecimal, not as {text!r}")
    return bytes.fromhex(text)


def _value(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _value_from(value: Any) -> Value:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError(f"a cell holds a number, a name, names or nothing, not {value!r}")


converter = make_converter(forbid_extra_keys=True, detailed_validation=True, omit_if_default=True)
"""Writes bytes in hexadecimal, the kind of a step beside its fields, and leaves out what is as it
is by default; refuses unknown keys."""


def write_defaults(kind: type) -> None:
    """Let the converter write all fields of a class, those too that are as they are by default."""
    hook: Any = make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=False)
    converter.register_unstructure_hook(kind, hook)


converter.register_unstructure_hook(bytes, lambda data: data.hex(" "))
converter.register_structure_hook(bytes, _bytes_from_hex)
converter.register_unstructure_hook(Source, str)
converter.register_structure_hook(Source, lambda text, _: Source.parse(text))
configure_union_passthrough(str | int | None, converter)
converter.register_unstructure_hook(Value, _value)
converter.register_structure_hook(Value, lambda value, _: _value_from(value))


# Steps: each kind by its name, whichever kinds there are.


def _kinds(base: type[Element]) -> dict[str, type[Element]]:
    """All kinds of elements below one, by name."""
    found: dict[str, type[Element]] = {}
    for kind in base.__subclasses__():
        found |= {kind.__name__: kind} | _kinds(kind)
    return found


def _element_from(data: Any, base: type[Element]) -> Element:
    if not isinstance(data, dict):
        raise ValueError(f"a step is an object with its kind, not {data!r}")
    name = data.get("step")
    kind = _kinds(base).get(name) if isinstance(name, str) else None
    if kind is None or kind is Step:
        raise ValueError(f"there is no kind of step named {name!r}")
    return converter.structure({key: data[key] for key in data if key != "step"}, kind)


def _element(element: Element) -> dict[str, Any]:
    kind = type(element)
    return {**converter.unstructure(element, kind), "step": kind.__name__}


converter.register_structure_hook_func(lambda kind: kind in (Element, Step), _element_from)
converter.register_unstructure_hook_func(lambda kind: kind in (Element, Step), _element)


# Sites: what is said to a spec's author of its bytes is not part of a document.
_unsaid = override(omit=True)
converter.register_unstructure_hook(
    Site,
    make_dict_unstructure_fn(Site, converter, _cattrs_omit_if_default=True, undecoded=_unsaid),
)
converter.register_structure_hook(
    Site,
    make_dict_structure_fn(
        Site,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        undecoded=_unsaid,
    ),
)

# Protocols.

MEMORY: Mapping[str, Any] = {"stores": "in-order", "coherent_icache": True}
"""How memory behaves where a document says nothing of it. That is a matter of the form alone: what
is written is what held, so that it stays true when an architecture is described anew."""


def _one_of(*values: Any) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:
        if value not in values:
            raise ValueError(f"{value!r} is none of {', '.join(map(str, values))}")
        return value

    return hook


_protocol_to = make_dict_unstructure_fn(
    Protocol,
    converter,
    _cattrs_omit_if_default=True,
    arch=override(rename="isa"),  # its name in documents of schema 1
)
_protocol_from = make_dict_structure_fn(
    Protocol,
    converter,
    _cattrs_forbid_extra_keys=True,
    _cattrs_detailed_validation=True,
    arch=override(rename="isa"),
    stores=override(struct_hook=_one_of(*get_args(Stores))),
    coherent_icache=override(struct_hook=_one_of(True, False)),
    coherent_dcache=override(struct_hook=_one_of(True, False)),
)


def _protocol(protocol: Protocol) -> dict[str, Any]:
    data = _protocol_to(protocol)
    return {key: value for key, value in data.items() if (key, value) not in MEMORY.items()}


converter.register_unstructure_hook(Protocol, _protocol)
converter.register_structure_hook(
    Protocol, lambda data, kind: _protocol_from({**MEMORY, **data}, kind)
)
