"""Steps for any program, trap handlers too: they write code, and look at it.

Knows sites, cells and actions.
"""

from dataclasses import dataclass

from modelcheck.protocol.actions import Actions, Inspect, Order, Put
from modelcheck.protocol.checking import Name, checked
from modelcheck.protocol.code import Cell, Site
from modelcheck.protocol.program import Step
from modelcheck.protocol.source import here


@dataclass(frozen=True)
class Write(Step):
    """Write `data` to the code bytes of `site` from offset `at` on.

    Each byte is a step of its own unless `order` is "single". With `expects`, it is an error if
    the site does not hold these bytes there. With `through`, the site written is the one that this
    cell names: a mapping that several patchers share.
    """

    site: str
    data: bytes
    at: int = 0
    order: Order = "ascending"
    expects: bytes = b""
    through: str | None = None

    def actions(self) -> Actions:
        return (Put(self.site, self.data, self.at, self.order, self.expects, self.through),)


@dataclass(frozen=True)
class CodeTest(Step):
    """A test: does `site` hold `data` from offset `at` on? It is read as data, and not fetched."""

    site: str
    data: bytes
    at: int = 0

    def actions(self) -> Actions:
        return (Inspect(self.site, self.data, self.at),)


@checked
def is_code(label: Name, site: Site, data: bytes, *, at: int = 0) -> CodeTest:
    """Test whether these bytes are in memory, `data` at byte `at` of `site`."""
    return CodeTest(label, site.name, data, at, source=here())


@checked
def write(
    label: Name,
    site: Site,
    data: bytes,
    *,
    at: int = 0,
    order: Order = "ascending",
    expects: bytes = b"",
    through: Cell | None = None,
) -> Write:
    """Write code bytes: `data` to `site` from byte `at` on."""
    mapping = through.name if through else None
    return Write(label, site.name, data, at, order, expects, mapping, source=here())
