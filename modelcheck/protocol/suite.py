"""A suite: a protocol, its variants, and the verdict expected of each. Knows only protocols."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.properties import PROPERTIES, UNPERMITTED
from modelcheck.protocol.watched import unwatched

Semantics = Literal["windowed", "bytewise"]

FETCH_MODELS = ("coherent", "store-order", "per-chunk", "incoherent")
"""The fetch models that a suite checks unless it says otherwise."""

STRICT_TOO = (*FETCH_MODELS, "strict")
"""For suites that promise that nobody runs bytes which changed since they last serialised."""


@dataclass(frozen=True)
class Clause:
    """One expected violation: of any of `properties`, under these fetch models.

    `split` narrows it to configurations where the patched bytes lie in several fetch chunks
    (True) or in one (False); with `of`, where those of its bytes do.
    """

    properties: tuple[str, ...]
    under: tuple[str, ...]
    split: bool | None
    of: tuple[int, ...]


@dataclass(frozen=True)
class Expectation:
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


def violates(
    *properties: str,
    under: tuple[str, ...] = (),
    split: bool | None = None,
    of: tuple[int, ...] = (),
) -> Expectation:
    """Expect one of `properties` to be violated, in the configurations that Clause describes.

    Without `under`, that is under every fetch model; without `split`, for every chunk size.
    """
    return Expectation((Clause(properties, under, split, of),))


@dataclass(frozen=True)
class Bug:
    """A real bug: when it was mended (YYYY or YYYY-MM), where, how that is called there, the commit
    or thread to read, and what happened, in a few sentences."""

    date: str
    project: str
    title: str
    reference: str
    story: str


@dataclass(frozen=True)
class Variant:
    """A protocol made from another by a named edit, and what is expected of it.

    `bug` says which real bug it was, if it was one. `vacuous` is the reason why nobody runs the
    code that the verdict is about, if that is as it should be; otherwise it is a surprise.
    """

    name: str
    protocol: Protocol
    expect: Expectation = SAFE
    bug: Bug | None = None
    vacuous: str = ""

    def __post_init__(self) -> None:
        _check_name("variant", self.name)
        watched = {*self.protocol.properties, UNPERMITTED}
        for clause in self.expect.clauses:
            for name in clause.properties:
                if name not in PROPERTIES:
                    raise SpecError(
                        f"variant {self.name!r}: expected to violate {name!r}, which is no "
                        f"property; known: {', '.join(PROPERTIES)}"
                    )
            if not watched.intersection(clause.properties):
                whys = "; ".join(unwatched(self.protocol)[name] for name in clause.properties)
                raise SpecError(
                    f"variant {self.name!r}: expected to violate {' or '.join(clause.properties)}, "
                    f"which its protocol does not watch: {whys}"
                )


def _check_name(kind: str, name: str) -> None:
    """Names are shown in tables, and files are named after them."""
    if not name or not name.isprintable() or name.startswith(".") or "/" in name or "\\" in name:
        raise SpecError(
            f"{kind} name {name!r} cannot name a file; take letters, digits, and - or _ in between"
        )


@dataclass(frozen=True)
class Suite:
    """A protocol and its variants, with the configurations to check them in.

    `cpus` is the number of CPUs that run the site besides the patcher's own; `chunk` the bytes
    fetched in one atomic read. Each is only a default, which the command line can override. `bug`
    says which real bug the protocol itself was, `vacuous` why nobody runs its code; see Variant.
    """

    protocol: Protocol
    variants: tuple[Variant, ...] = ()
    expect: Expectation = SAFE
    cpus: int = 2
    chunk: int = 1
    fetch: tuple[str, ...] = FETCH_MODELS
    semantics: Semantics = "windowed"
    bug: Bug | None = None
    vacuous: str = ""

    def __post_init__(self) -> None:
        where = f"protocol {self.protocol.name!r}"
        _check_name("protocol", self.protocol.name)
        for name, count in Counter(variant.name for variant in self).items():
            if count > 1:
                raise SpecError(
                    f"{where}: variant {name!r} is used {count} times; give each its own name"
                )
        if self.cpus < 1:
            raise SpecError(f"{where}: {self.cpus} CPUs cannot run it; at least 1 can")
        if not self.fetch or isinstance(self.fetch, str):
            raise SpecError(f"{where}: fetch={self.fetch!r}; take a tuple of fetch models")
        if self.semantics not in get_args(Semantics):
            raise SpecError(
                f"{where}: unknown semantics {self.semantics!r}; known: "
                + ", ".join(get_args(Semantics))
            )

    def __iter__(self) -> Iterator[Variant]:
        """The protocol itself, as variant "base", and then its variants."""
        yield Variant("base", self.protocol, self.expect, self.bug, self.vacuous)
        yield from self.variants
