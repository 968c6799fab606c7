"""What views need of a run, whichever machine made it: who did what, and what changed.

Both machines tell their runs so, and views, formats and the browser read nothing else of a run: a
step has a lane, a label and what is different after it; a frame has all that there is to see then.
Plain data; `modelcheck.trace.kinds` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from modelcheck.machine.setup import Configuration
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.suite import Bug
from modelcheck.trace.document import Executed, Violation


class Version(NamedTuple):
    """A value that a byte has had in memory, and the step that wrote it (0: before the patch)."""

    value: int
    step: int


@dataclass(frozen=True)
class DecodedAt:
    """What a CPU would run that fetched memory from byte `offset` of a site on."""

    offset: int
    data: bytes
    text: str


@dataclass(frozen=True)
class SiteBytes:
    """A site in memory: its newest bytes, those that the step changed, and how each came about.

    `versions` has all that each byte has been, oldest first. `listing` decodes the bytes wherever
    an instruction of some form of the site begins.
    """

    name: str
    data: bytes
    changed: tuple[int, ...]
    versions: tuple[tuple[Version, ...], ...]
    listing: tuple[DecodedAt, ...]


@dataclass(frozen=True)
class CellValue:
    """A cell of data; of a per-CPU cell, the values of all CPUs in their order."""

    name: str
    value: Value | tuple[Value, ...]
    changed: bool


Readable = tuple[tuple[int, ...], ...]
"""For each byte of a site, the values that a CPU may fetch, oldest first, each once."""


@dataclass(frozen=True)
class Cpu:
    """What one CPU has to itself: what it may see of each site, and what it is about.

    `program` is the patcher that runs on it, if one does, and `executes` whether it runs the sites
    too. `windows` is None if it does not, and while what it could fetch matters not, because it
    serialises before it fetches again.
    """

    name: str
    program: str | None
    executes: bool
    windows: tuple[Readable, ...] | None
    status: tuple[str, ...]


SignalKind = Literal["IPI", "acknowledged", "stop", "stopped", "go on", "quiescent"]


class Arrival(NamedTuple):
    """A message that takes effect in a step: what it is, who sent it, and in which step."""

    kind: SignalKind
    sender: str
    step: int


@dataclass(frozen=True)
class Frame:
    """All that there is to see after a step; frame 0 is the state before the first.

    `sends` names the CPUs that the step tells something, `arrivals` what it takes note of.
    `violation` is in the last frame; `in_loop` marks the steps that can repeat for ever.
    """

    number: int
    actor: str
    label: str
    does: str
    source: str | None
    sites: tuple[SiteBytes, ...]
    cells: tuple[CellValue, ...]
    cpus: tuple[Cpu, ...]
    sends: tuple[str, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    executed: Executed | None = None
    violation: Violation | None = None
    in_loop: bool = False


# A run from its begin to its end.


@dataclass(frozen=True)
class ToldForm:
    """Contents that a site can have, by name, and what they read as."""

    name: str
    data: bytes
    listing: tuple[DecodedAt, ...]


@dataclass(frozen=True)
class ToldSite:
    """Bytes that are followed one by one: the old form comes first, the new one second.

    `alike` are the bytes that old and new agree in. Of a region, only what is executed is shown.
    """

    name: str
    address: int
    forms: tuple[ToldForm, ...]
    alike: frozenset[int] = frozenset()
    is_region: bool = False

    @property
    def old(self) -> bytes:
        """What it holds before the first step."""
        return self.forms[0].data


Flow = Literal["stores", "fetches", "tells", "alone"]
"""What a step has to do with others: it sends something to memory, gets something from there, tells
other actors something, or none of these."""


@dataclass(frozen=True)
class ToldStep:
    """A step for a reader: who took it, under what label, what it does, and what it changed.

    `source` is the file and line it was written in. `memory` has the sites that changed, `values`
    all other places. `told` are those whom it tells something.
    """

    lane: str
    label: str
    source: str | None
    does: str
    memory: Mapping[str, bytes]
    values: Mapping[str, Value]
    executed: Executed | None = None
    flow: Flow = "alone"
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToldRun:
    """A run for a reader.

    `file`, `name` and `variant` say of what: a spec, its protocol and variant; or a litmus file,
    its test and the rules; `title` is the last two in words. `settings` are what it was run with.
    It ends in `outcome`; with a `verb` ("violates") it does so wrongly. `why` is a sentence about
    that, `meaning` one about the outcome in general, `then` what would happen next. The last step
    is `marked` if it is what the run is about. `texts` has the lines that steps were written in,
    where they are kept with the run. `protocol` is what ran, if that was one, with its
    configuration.
    """

    file: str
    name: str
    variant: str
    title: str
    settings: tuple[str, ...]
    outcome: str
    verb: str
    why: str
    meaning: str
    marked: bool
    sites: tuple[ToldSite, ...]
    values: Mapping[str, Value]
    steps: tuple[ToldStep, ...]
    loop: int | None = None
    then: str = ""
    bug: Bug | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    protocol: tuple[Protocol, Configuration] | None = None

    @property
    def ending(self) -> str:
        """What it ends in: violates no-torn-instruction, witness, allowed."""
        return f"{self.verb} {self.outcome}".strip()

    @property
    def follows_bytes(self) -> bool:
        """Whether there are sites to show after each step, rather than what it changed."""
        return bool(self.sites)


class Walk(NamedTuple):
    """A run as frames, the first before any step; and its lanes, in the order to show them in."""

    frames: tuple[Frame, ...]
    lanes: tuple[str, ...]
