"""Type hints, as a spec's author would say them: what a field wants. Knows hints."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from modelcheck.protocol.slips import a

NOUNS = {"str": "text", "int": "whole number", "Element": "step", "Step": "test"}
"""What Python calls otherwise."""


def items(hint: Any) -> tuple[Any, ...]:
    """The hints of the items of a tuple; of any number of items, one."""
    only = choices(hint)[0] if len(choices(hint)) == 1 else None
    return tuple(h for h in get_args(only) if h is not ...) if get_origin(only) is tuple else ()


def choices(hint: Any) -> tuple[Any, ...]:
    """The hints any of which would do."""
    if get_origin(hint) is Annotated:
        return choices(get_args(hint)[0])
    return get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)


def kinds(hint: Any) -> frozenset[str]:
    """The names of the types that would do."""
    return frozenset(_kind(choice) for choice in choices(hint))


def _kind(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return _kind(get_args(hint)[0])
    return "str" if get_origin(hint) is Literal else (get_origin(hint) or hint).__name__


def words(hint: Any) -> tuple[str, ...]:
    """The words that would do, where it takes one of a few."""
    if get_origin(hint) is Annotated:
        return tuple(get_args(hint)[1].words)
    found = (get_args(h) for h in choices(hint) if get_origin(h) is Literal)
    return tuple(word for some in found for word in some)


def wanted(hint: Any) -> str:
    """What a hint asks for, in words."""
    *most, last = (word for choice in _said(hint) for word in choice)
    return f"{', '.join(most)} or {last}" if most else last


def _said(hint: Any) -> Iterator[tuple[str, ...]]:
    if get_origin(hint) is Annotated:
        rule = get_args(hint)[1]
        yield (f"{a(rule.noun)}: {rule.detail}",)
        return
    for choice in choices(hint):
        if get_origin(choice) is Literal:
            yield tuple(map(repr, get_args(choice)))
        elif get_origin(choice) is tuple:
            yield (f"a tuple of {_many(choice)}",)
        elif choice is bool:
            yield "True", "False"
        elif choice in (NoneType, bytes):
            yield ("None" if choice is NoneType else "bytes",)
        else:
            yield (a(_noun(choice)),)


def _many(hint: Any) -> str:
    (first, *others) = get_args(hint)
    noun = _noun(first)
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return several if ... in others else f"{1 + len(others)} {several}"


def _noun(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return str(get_args(hint)[1].noun)
    kind = _kind(hint)
    return "pair" if kind == "tuple" else NOUNS.get(kind, kind)
