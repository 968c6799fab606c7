"""What a test asks of its final states, and what a final state is. Knows errors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from modelcheck.litmus.errors import NOWHERE, LitmusError, Spot


class Quantifier(StrEnum):
    """Of which final states a test speaks."""

    EXISTS = "exists"
    NEVER = "~exists"
    FORALL = "forall"

    @classmethod
    def of(cls, text: str) -> "Quantifier":
        """A quantifier by its text; `not exists` is one too."""
        return cls("".join(text.split()).replace("not", "~"))


@dataclass(frozen=True)
class Location:
    """A register of a thread, or a variable where `thread` is None."""

    thread: int | None
    name: str
    spot: Spot = NOWHERE


@dataclass(frozen=True)
class Equals:
    """A location has a value, as the file writes it."""

    location: Location
    value: Any


@dataclass(frozen=True)
class Faulted:
    """A thread has faulted; at a label, if one is named."""

    thread: int
    label: str | None
    spot: Spot

    @classmethod
    def of(cls, text: str, spot: Spot) -> "Faulted":
        """What stands in fault(...). Raises LitmusError."""
        thread, _, label = text.split(",")[0].strip().partition(":")
        if "," in text:
            raise LitmusError("of a fault only the thread and the label are known", spot)
        if not (thread.startswith("P") and thread[1:].isdigit()):
            raise LitmusError(
                f"fault({text}) names no thread; write fault(P0) or fault(P0:L)", spot
            )
        return cls(int(thread[1:]), label.strip() or None, spot)


@dataclass(frozen=True)
class Truth:
    """True or false."""

    value: bool


@dataclass(frozen=True)
class Not:
    """The contrary."""

    part: "Proposition"


@dataclass(frozen=True)
class And:
    """All of these."""

    parts: tuple["Proposition", ...]


@dataclass(frozen=True)
class Or:
    """Some of these."""

    parts: tuple["Proposition", ...]


Proposition = Equals | Faulted | Truth | Not | And | Or


def evaluate(condition: Proposition, atom: Callable[[Equals | Faulted], bool]) -> bool:
    """Whether a condition holds where `atom` says which atoms do."""
    match condition:
        case Equals() | Faulted():
            return atom(condition)
        case Truth(value):
            return value
        case Not(part):
            return not evaluate(part, atom)
        case And(parts):
            return all(evaluate(part, atom) for part in parts)
        case Or(parts):
            return any(evaluate(part, atom) for part in parts)
        case _:
            assert_never(condition)


def atoms(condition: Proposition) -> Iterator[Equals | Faulted]:
    """The atoms of a condition, from left to right."""
    match condition:
        case Equals() | Faulted():
            yield condition
        case Truth():
            return
        case Not(part):
            yield from atoms(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from atoms(part)
        case _:
            assert_never(condition)
