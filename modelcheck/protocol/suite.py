"""A suite: a protocol, its variants, and the verdict expected of each. Knows only protocols."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from modelcheck.protocol.checking import (
    Name,
    Natural,
    Positive,
    Rule,
    SpecValue,
    Text,
    checked,
    one_of,
)
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.properties import UNPERMITTED, Property
from modelcheck.protocol.watched import unwatched

Semantics = Literal["windowed", "bytewise"]

FETCH_MODELS = ("coherent", "store-order", "per-chunk", "incoherent")
"""The fetch models that a suite checks unless it says otherwise."""

STRICT_TOO = (*FETCH_MODELS, "strict")
"""For suites that promise that nobody runs bytes which changed since they last serialised."""

EVERY_FETCH_MODEL = ("coherent", "coherent-any-order", *STRICT_TOO[1:])
"""All that there are, by name; `machine/fetch.py` says what each means."""

ModelName = Annotated[str, one_of("fetch model", EVERY_FETCH_MODEL)]
ModelNames = Annotated[tuple[ModelName, ...], Rule("tuple of fetch models", "at least one", bool)]
Family = Annotated[
    Callable[..., Any], Rule("function", "it takes sites, and gives a suite", callable)
]
ChunkSize = Annotated[
    int,
    Rule(
        "power of two",
        "1, 2, 4, 8, 16, 32 or 64",
        lambda size: size in map((1).__lshift__, range(7)),
    ),
]
Month = Annotated[
    str, Rule("date", "YYYY or YYYY-MM", re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?").fullmatch)
]


@dataclass(frozen=True)
class Clause(SpecValue):
    """One expected violation: of any of `properties`, under these fetch models.

    `split` narrows it to configurations where the patched bytes lie in several fetch chunks
    (True) or in one (False); with `of`, where those of its bytes do.
    """

    properties: tuple[Property, ...]
    under: tuple[ModelName, ...]
    split: bool | None
    of: tuple[Natural, ...]


@dataclass(frozen=True)
class Expectation(SpecValue):
    """The expected verdict for each configuration: the clauses that apply, or else safe."""

    clauses: tuple[Clause, ...] = ()

    def __or__(self, other: "Expectation") -> "Expectation":
        return Expectation(self.clauses + other.clauses)

    def violated(self, fetch: str, splits: Callable[[tuple[int, ...]], bool]) -> tuple[str, ...]:
        """The properties, any of which is expected to be violated; none if safe is expected.

        `splits` tells whether the given bytes of a site lie in several chunks (none: all bytes).
        """
        return tuple(
            name
            for clause in self.clauses
            if (not clause.under or fetch in clause.under)
            and (clause.split is None or clause.split == splits(clause.of))
            for name in clause.properties
        )


SAFE = Expectation()


@checked
def violates(
    *properties: Property,
    under: tuple[ModelName, ...] = (),
    split: bool | None = None,
    of: tuple[Natural, ...] = (),
) -> Expectation:
    """Expect one of `properties` to be violated, in the configurations that Clause describes.

    Without `under`, that is under every fetch model; without `split`, for every chunk size.
    """
    if not properties:
        raise SpecError("violates() names no property; name at least one, or take SAFE")
    if of and split is None:
        raise SpecError(f"violates: of={of!r} says which bytes split=True or split=False is about")
    return Expectation((Clause(properties, under, split, of),))


@dataclass(frozen=True)
class Bug(SpecValue):
    """A real bug: when it was mended (YYYY or YYYY-MM), where, how that is called there, the commit
    or thread to read, and what happened, in a few sentences."""

    date: Month
    project: Name
    title: Name
    reference: Name
    story: Text


@dataclass(frozen=True)
class Variant(SpecValue):
    """A protocol made from another by a named edit, and what is expected of it.

    `bug` says which real bug it was, if it was one. `vacuous` is the reason why nobody runs the
    code that the verdict is about, if that is as it should be; otherwise it is a surprise.
    """

    name: Name
    protocol: Protocol
    expect: Expectation = SAFE
    bug: Bug | None = None
    vacuous: Text = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name("variant", self.name)
        watched = {*self.protocol.properties, UNPERMITTED}
        longest = max(map(len, self.protocol.sites))
        for clause in self.expect.clauses:
            if not watched.intersection(clause.properties):
                whys = "; ".join(unwatched(self.protocol)[name] for name in clause.properties)
                raise SpecError(
                    f"variant {self.name!r}: expected to violate {' or '.join(clause.properties)}, "
                    f"which its protocol does not watch: {whys}"
                )
            for byte in clause.of:
                if byte >= longest:
                    raise SpecError(
                        f"variant {self.name!r}: no site has a byte {byte} for of={clause.of!r}; "
                        f"the longest has {longest} bytes, 0 to {longest - 1}"
                    )
            if clause.split and (longest == 1 or len(clause.of) == 1):
                raise SpecError(
                    f"variant {self.name!r}: one byte is never split; take out split=True"
                )


def _check_name(kind: str, name: str) -> None:
    """Names are shown in tables, and files are named after them."""
    if name.startswith(".") or "/" in name or "\\" in name:
        raise SpecError(
            f"{kind} name {name!r} cannot name a file; take letters, digits, and - or _ in between"
        )


@dataclass(frozen=True)
class Suite(SpecValue):
    """A protocol and its variants, with the configurations to check them in.

    `cpus` is the number of CPUs that run the site besides the patcher's own; `chunk` the bytes
    fetched in one atomic read. Each is only a default, which the command line can override. `bug`
    says which real bug the protocol itself was, `vacuous` why nobody runs its code; see Variant.
    `family` makes the same suite for other sites, however many: for a batch of any size. Only
    conform asks it, with the sites of a log.
    """

    protocol: Protocol
    variants: tuple[Variant, ...] = ()
    expect: Expectation = SAFE
    cpus: Positive = 2
    chunk: ChunkSize = 1
    fetch: ModelNames = FETCH_MODELS
    semantics: Semantics = "windowed"
    bug: Bug | None = None
    vacuous: Text = ""
    family: Family | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Without the family: a function of a spec cannot be sent to other processes."""
        return {**vars(self), "family": None}

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"protocol {self.protocol.name!r}"
        _check_name("protocol", self.protocol.name)
        for name, count in Counter(variant.name for variant in self).items():
            if count > 1:
                raise SpecError(
                    f"{where}: variant {name!r} is used {count} times; give each its own name"
                )
        for variant in self:
            for clause in variant.expect.clauses:
                if clause.under and not {*clause.under} & {*self.fetch}:
                    raise SpecError(
                        f"{where}, variant {variant.name!r}: what is expected under "
                        f"{', '.join(clause.under)} is never asked; the suite's fetch has "
                        + ", ".join(self.fetch)
                    )

    def __iter__(self) -> Iterator[Variant]:
        """The protocol itself, as variant "base", and then its variants."""
        yield Variant("base", self.protocol, self.expect, self.bug, self.vacuous)
        yield from self.variants
