"""A protocol in one configuration: what the rules of all CPUs have in common.

Knows protocols, fetch models and memory; knows nothing of who moves when.
"""

from dataclasses import dataclass

from modelcheck.machine.fetch import MODELS, Staleness
from modelcheck.machine.memory import LINE, Layout
from modelcheck.machine.state import Local, Shared
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.properties import PROPERTIES, UNPERMITTED
from modelcheck.protocol.protocol import Protocol
from modelcheck.protocol.steps import Step, Write, flatten
from modelcheck.protocol.suite import Semantics

MOST_CPUS = 1024
"""More than any state space has room for."""


@dataclass(frozen=True)
class Configuration:
    """How a protocol is run: all that a verdict depends on besides the protocol itself.

    `cpus` (1 to MOST_CPUS) run the site besides the patcher's own CPU. `chunk`, a power of two, is
    the bytes fetched in one atomic read; `offset` is where the first site begins in a cache line
    (None: where its address says). `properties` are watched (none: those the protocol names).
    Raises SpecError for a value out of range.
    """

    cpus: int = 2
    fetch: str = "per-chunk"
    chunk: int = 1
    offset: int | None = None
    semantics: Semantics = "windowed"
    properties: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise SpecError(f"{self.cpus} CPUs cannot run anything; take at least 1")
        if self.cpus > MOST_CPUS:
            raise SpecError(
                f"{self.cpus} CPUs are too many to explore; take at most {MOST_CPUS}, or prove the "
                "protocol for any number of CPUs"
            )
        if self.fetch not in MODELS:
            raise SpecError(f"unknown fetch model {self.fetch!r}; known: {', '.join(MODELS)}")
        if self.chunk < 1 or self.chunk & (self.chunk - 1) or self.chunk > LINE:
            raise SpecError(
                f"a chunk of {self.chunk} bytes is not possible; take a power of two from 1 to "
                f"{LINE}"
            )
        if self.offset is not None and not 0 <= self.offset < LINE:
            raise SpecError(
                f"offset {self.offset} is not within a cache line; take 0 to {LINE - 1}"
            )
        for name in self.properties:
            if name not in PROPERTIES:
                raise SpecError(f"unknown property {name!r}; known: {', '.join(PROPERTIES)}")


class Setup:
    """A protocol in one configuration, with what the rules look up in every step."""

    def __init__(self, protocol: Protocol, configuration: Configuration) -> None:
        self.protocol = protocol
        self.configuration = configuration
        self.fetch = MODELS[configuration.fetch]
        self.bytewise = configuration.semantics == "bytewise"
        self.newest_only = self.fetch.staleness is Staleness.NEWEST
        self.offset = (
            protocol.sites[0].address % LINE
            if configuration.offset is None
            else configuration.offset
        )
        self.tracks_views = not (self.bytewise and self.newest_only)
        """Byte-wise fetches of newest memory need no versions but the newest."""
        self.layout = Layout(
            protocol.sites,
            chunk=configuration.chunk,
            offset=self.offset,
            ordered=self.fetch.ordered,
            history=self.tracks_views,
        )
        self.program: tuple[Step, ...] = tuple(flatten(protocol.program))
        self.handler = protocol.handler
        self.trap = self.handler.trap if self.handler else b""
        self.return_synchronises = self.handler is not None and self.handler.synchronises
        """Then what a CPU could fetch before a trap matters no more once it is in the handler."""
        self.sites = {site.name: number for number, site in enumerate(protocol.sites)}
        self.cells = {cell.name: number for number, cell in enumerate(protocol.cells)}
        implied = (UNPERMITTED,) if self.fetch.strict else ()
        self.watched = configuration.properties or (
            *protocol.properties,
            *(name for name in implied if name not in protocol.properties),
        )

    def splits(self, of: tuple[int, ...] = ()) -> bool:
        """Whether the bytes that the patch changes (those of `of`, if any) lie in several chunks.

        Otherwise one atomic read fetches all of them, and no fetch can mix old and new.
        """
        changed = {
            (self.sites[step.site], step.at + i)
            for step in self.program
            if isinstance(step, Write)
            for i, byte in enumerate(step.data)
            if byte != self.protocol.sites[self.sites[step.site]].old[step.at + i]
            and (not of or step.at + i in of)
        }
        for site, chunks in enumerate(self.layout.chunks):
            end, touched = 0, 0
            for chunk in chunks:
                begin, end = end, end + chunk.stop - chunk.start
                touched += any((site, byte) in changed for byte in range(begin, end))
            if touched > 1:
                return True
        return False

    def initial_shared(self) -> Shared:
        """Memory before the patch."""
        cells = tuple(cell.initial for cell in self.protocol.cells)
        return Shared(self.layout.initial, cells, returned=not self.program)

    def synchronised(self, local: Local, shared: Shared) -> Local:
        """The CPU after a serialising event: nothing fetched before counts any more."""
        return self._seeing_newest(local, shared)._replace(fetch=None)

    def settled(self, local: Local, shared: Shared) -> Local:
        """The CPU after a step that is no fetch: a fetch of newest memory begins after it."""
        return self._seeing_newest(local, shared) if self.newest_only else local

    def _seeing_newest(self, local: Local, shared: Shared) -> Local:
        if not self.tracks_views or (local.trap is not None and self.return_synchronises):
            return local
        return local._replace(view=self.layout.newest(shared.memory))

    def watch(self, *violations: str) -> tuple[str, ...]:
        """Those of the violations that are watched for."""
        return tuple(name for name in violations if name in self.watched)
