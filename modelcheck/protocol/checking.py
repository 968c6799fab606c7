"""Checks each field of what a spec builds against its type hint, once, when it is built.

A hint says all that is wanted: a type, words, or a type with a Rule. Pydantic compares, strictly
and to the last item; what it finds is told in a spec's words: what was given, what is wanted, and
the remedy of the slip that this looks like. Knows hints and values, and no part of a protocol.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, wraps
from types import GenericAlias
from typing import Annotated, Any, NamedTuple, ParamSpec, TypeVar, get_type_hints

from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.hints import items, kinds, wanted, words
from modelcheck.protocol.names import hidden
from modelcheck.protocol.slips import Slip, remedy, shown
from modelcheck.protocol.source import Source, here

P = ParamSpec("P")
R = TypeVar("R")


class Rule(NamedTuple):
    """What a value must be besides its type; it stands in `Annotated`, behind the type.

    `noun` and `detail` are that in words; `words` are all that would do, if they are few.
    """

    noun: str
    detail: str
    holds: Callable[[Any], object]
    words: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self._held, handler(source))

    def _held(self, value: Any) -> Any:
        if not self.holds(value):
            raise ValueError(self.detail)
        return value


def one_of(noun: str, known: tuple[str, ...]) -> Rule:
    """One of these words."""
    return Rule(noun, ", ".join(known), known.__contains__, known)


def _can_be_shown(text: str) -> bool:
    return not hidden(text) and bool(text.strip())


NAME = Rule("name", "at least one character, all of which can be shown", _can_be_shown)

Name = Annotated[str, NAME]
"""How something is called in traces, tables and files. It has none of the characters that move a
cursor, end a line, or have no width."""

ReasonText = Annotated[str, Rule("reason", "at least one character, in one line", _can_be_shown)]

Text = Annotated[
    str,
    Rule("text", "all of its characters can be shown", lambda text: not hidden(text)),
]

Natural = Annotated[int, Rule("whole number", "0 or more", lambda number: number >= 0)]

Positive = Annotated[int, Rule("whole number", "1 or more", lambda number: number >= 1)]


class SpecValue:
    """What specs build: frozen dataclasses. All fields are checked when one is made.

    `made` is the line of the spec that made it. It is no field: parts of two lines are equal.
    """

    made: Source

    def __post_init__(self) -> None:
        if not hasattr(self, "source"):
            object.__setattr__(self, "made", here())
        kind: Any = type(self)
        for one in checks_of(kind):
            one.check(getattr(self, one.name), lambda: _called(kind.__name__, vars(self)))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """As a field of another it was checked before; it is not looked into once more."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which first checks what it is given: for all that specs call."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # Python says what is wrong with the call, but for a label left out
            given = dict(zip(signature.parameters, args, strict=False))
            if isinstance(given.get("label", ""), str):
                return function(*args, **kwargs)
        for one in checks_of(function):
            if one.name in given:
                one.check(given[one.name], lambda: _called(function.__name__, given))
        return function(*args, **kwargs)

    return call


def _called(kind: str, given: dict[str, Any]) -> str:
    """How a part, or a call, is named in a message."""
    name = given.get("label", given.get("name"))
    return f"{kind} {name!r}" if isinstance(name, str) else kind


@dataclass(frozen=True)
class _Check:
    """A field or an argument: its hint, and what it is if nobody says."""

    name: str
    hint: Any
    default: Any

    def check(self, value: Any, whose: Callable[[], str]) -> None:
        """Raises SpecError unless the value is what the hint says, or the default."""
        if value is not self.default and (fault := self._compare(value)) is not None:
            raise SpecError(self._told(value, fault, whose()))

    @cached_property
    def _compare(self) -> "_Compare":
        return _comparing(self.hint)

    def _told(self, value: Any, path: tuple[int | str, ...], whose: str) -> str:
        """The fault: what was given, what is wanted, and how to mend it."""
        hint, place = self.hint, self.name
        for number in path:
            if not isinstance(number, int) or not items(hint):
                break  # in one choice of several: all of them are told
            inner = items(hint)
            hint, value = inner[min(number, len(inner) - 1)], value[number]
            place += f"[{number}]"
        of = kinds(items(hint)[0]) if items(hint) else frozenset()
        mended = remedy(Slip(self.name, value, kinds(hint), of, words(hint), bool(path)))
        told = f"{whose}: {place} is {shown(value, kinds(hint))}; wanted is {wanted(hint)}"
        return f"{told}. {mended}" if mended else told


_Compare = Callable[[Any], tuple[int | str, ...] | None]
"""What finds where in a value the first fault is; None if there is none."""


@cache
def _comparing(hint: Any) -> _Compare:
    """What compares values with a hint; one for all fields that have it."""
    from pydantic import TypeAdapter, ValidationError  # here: it takes a while to import

    validate = TypeAdapter[Any](hint).validate_python

    def compare(value: Any) -> tuple[int | str, ...] | None:
        try:
            validate(value, strict=True)  # no True for 1, no list for a tuple
        except ValidationError as error:
            return error.errors(include_url=False, include_context=False)[0]["loc"]
        return None

    return compare


@cache
def checks_of(annotated: Any) -> tuple[_Check, ...]:
    """The fields of a part, or the arguments of a function, as far as they have hints."""
    hints = get_type_hints(annotated, include_extras=True)
    found = []
    for name, parameter in inspect.signature(annotated).parameters.items():
        if name in hints:
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            hint = GenericAlias(tuple, (hints[name], ...)) if several else hints[name]
            found.append(_Check(name, hint, parameter.default))
    return tuple(found)
