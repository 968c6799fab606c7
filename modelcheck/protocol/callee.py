"""Callees: what a CPU runs when it has executed a call. Knows sites and programs."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelcheck.protocol.checking import Name, SpecValue, Text
from modelcheck.protocol.code import Site
from modelcheck.protocol.program import Element

CALLEE_PREFIX = "callee/"


@dataclass(frozen=True)
class Callee(SpecValue):
    """What a CPU runs when it has executed a call: the function, or the trampoline, called.

    It is that of the calls in `form` ("old", "new", or one between) of `site`, both by name; of
    all forms, or of all sites, where that is empty.
    """

    name: Name
    program: tuple[Element, ...]
    site: Text = ""
    form: Text = ""

    @property
    def words(self) -> str:
        """What to call it in a message."""
        return self.name if self.name == "callee" else f"callee {self.name!r}"


def callee_of(callees: Mapping[str, Callee], site: Site, form: str) -> str:
    """Which callee the calls in a form of a site lead to: the first that is of them, by what begins
    the labels of its steps; nothing if there is none."""
    for prefix, one in callees.items():
        if one.site in ("", site.name) and one.form in ("", form):
            return prefix
    return ""
