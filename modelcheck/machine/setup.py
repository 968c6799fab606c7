"""A protocol in one configuration: what the rules of all CPUs have in common.

Knows protocols, fetch models and memory; knows nothing of who moves when.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from modelcheck.machine.fetch import MODELS, FetchModel, Staleness
from modelcheck.machine.memory import LINE, Layout, View, join
from modelcheck.machine.region import Region
from modelcheck.machine.state import Local, Shared
from modelcheck.protocol.actions import Action, Ask, Find, Need, Put, Set
from modelcheck.protocol.code import Value
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import flatten, flow
from modelcheck.protocol.properties import MONOTONE, PROPERTIES, UNPERMITTED
from modelcheck.protocol.suite import Semantics
from modelcheck.protocol.watched import inapplicable, waived

MOST_CPUS = 1024
"""More than any state space has room for."""


@dataclass(frozen=True)
class Configuration:
    """How a protocol is run: all that a verdict depends on besides the protocol itself.

    `cpus` (1 to MOST_CPUS) run the site besides the patcher's own CPU. `chunk`, a power of two, is
    the bytes fetched in one atomic read; `offset` is where the first site begins in a cache line
    (None: where its address says). `properties` are watched (none: those it is held to).
    With `any_number`, counters go 0, 1, ... many, so that they are right for any number of CPUs.
    Raises SpecError for a value out of range.
    """

    cpus: int = 2
    fetch: str = "per-chunk"
    chunk: int = 1
    offset: int | None = None
    semantics: Semantics = "windowed"
    properties: tuple[str, ...] = ()
    any_number: bool = False

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


def published(protocol: Protocol) -> tuple[int, ...]:
    """The numbers of the cells that are to be empty in the end, since they were so at first and a
    trap handler looks them up."""
    handler = protocol.handler.program if protocol.handler else ()
    looked_up = {
        action.cell
        for step in flatten(handler)
        for action in step.actions()
        if isinstance(action, Find)
    }
    return tuple(
        number
        for number, cell in enumerate(protocol.cells)
        if cell.name in looked_up and not cell.initial and not cell.stays
    )


def inapplicable_under(fetch: FetchModel) -> dict[str, str]:
    """The properties that a fetch model gives CPUs the freedom to break, each with the reason."""
    if fetch.staleness is Staleness.SINCE_SYNC:
        reason = f"under {fetch.name} a CPU may fetch older code again until it serialises"
        return {MONOTONE: reason}
    return {}


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
        self.programs = tuple(
            flow(program)
            for program in (
                protocol.program,
                *(patcher.program for patcher in protocol.patchers),
                protocol.cpu_program,
            )
        )
        """The program of each role."""
        self.program = tuple(line.step for line in self.programs[0])
        """The patcher's program."""
        self.cpu_role = len(self.programs) - 1
        self.all_programs = (1 << self.cpu_role) - 1
        """What Shared.returned and Shared.ended are when all patchers are done."""
        self.handler = protocol.handler
        self.routines = {
            False: flow(protocol.handler.program) if protocol.handler else (),
            True: flow(protocol.callee),
        }
        """What a CPU runs in a trap, and what it runs in the function called (see Trap)."""
        self.trap = self.handler.trap if self.handler else b""
        self.regions = tuple(
            Region(number, site, self.trap) for number, site in enumerate(protocol.sites)
        )
        self.return_synchronises = self.handler is not None and self.handler.synchronises
        """Then what a CPU could fetch before a trap matters no more once it is in the handler."""
        self.published = published(protocol)
        self.sites = {site.name: number for number, site in enumerate(protocol.sites)}
        self.cells = {cell.name: number for number, cell in enumerate(protocol.cells)}
        self._many = self._bounds()
        self.coherent_icache = protocol.coherent_icache or self.fetch.coherent
        self.cleans = not self.coherent_icache and not protocol.coherent_dcache
        """Whether instruction caches see of memory only what was cleaned."""
        self.orders_fetches = (
            not (self.coherent_icache or self.fetch.strict)
            and protocol.architecture.drops_order_fetches
        )
        """Whether a fetch of something newer than an invalidation comes after it. Not for strict,
        where what is fetched without a sync is an error in itself."""
        self.weak_stores = protocol.stores == "weak"
        self.inapplicable = inapplicable(protocol)
        """The properties that cannot be violated, each with the reason."""
        if self.fetch.strict:
            del self.inapplicable[UNPERMITTED]
        self.unwatched = self.inapplicable | inapplicable_under(self.fetch) | waived(protocol)
        """The properties that the protocol is not held to, each with the reason."""
        self.watched = configuration.properties or tuple(
            name for name in PROPERTIES if name not in self.unwatched
        )

    def ends_as_new(self, shared: Shared, local: Local) -> bool:
        """Whether code and data are as they are to be when all programs have ended."""
        layout, cells = self.layout, self.protocol.cells
        return all(
            layout.contents(shared.memory, number) == site.new
            for number, site in enumerate(self.protocol.sites)
            if not site.foreign
        ) and not any(
            local.own[cell] if cells[cell].per_cpu else shared.cells[cell]
            for cell in self.published
        )

    def splits(self, of: tuple[int, ...] = ()) -> bool:
        """Whether the bytes that the patch changes (those of `of`, if any) lie in several chunks.

        Otherwise one atomic read fetches all of them, and a fetch mixes old and new only where
        memory itself does.
        """
        changed = {
            (self.sites[put.site], put.at + i)
            for put in self.puts()
            for i, byte in enumerate(put.data)
            if byte != self.protocol.sites[self.sites[put.site]].old[put.at + i]
            and (not of or put.at + i in of)
        }
        for site, chunks in enumerate(self.layout.chunks):
            end, touched = 0, 0
            for chunk in chunks:
                begin, end = end, end + chunk.stop - chunk.start
                touched += any((site, byte) in changed for byte in range(begin, end))
            if touched > 1:
                return True
        return False

    def puts(self) -> Iterator[Put]:
        """All that programs write to code."""
        return (action for action in self._actions() if isinstance(action, Put))

    def _actions(self) -> Iterator[Action]:
        """All that programs, the handler and the callee are made of."""
        for lines in (*self.programs, *self.routines.values()):
            for line in lines:
                yield from line.actions

    def initial_shared(self) -> Shared:
        """Memory before the patch."""
        cells = tuple(cell.initial for cell in self.protocol.cells)
        oldest = tuple(0 for _ in self.layout.initial)
        over = sum(1 << role for role in range(self.cpu_role) if not self.programs[role])
        cleaned = oldest if self.cleans else ()
        dropped = () if self.coherent_icache else oldest
        return Shared(self.layout.initial, cells, over, over, cleaned, dropped)

    def initial_local(self, shared: Shared) -> Local:
        """A CPU before the patch."""
        cells = self.protocol.cells
        own = tuple(cell.initial if cell.per_cpu else None for cell in cells)
        return Local(own=own if any(cell.per_cpu for cell in cells) else ())

    def synchronised(self, local: Local, shared: Shared) -> Local:
        """The CPU after a serialising event: nothing fetched before counts any more.

        This moves the bound of what may still be fetched, and drops a partial fetch. It fetches
        nothing: later stores stay free to be seen or not. Where instruction caches are not
        coherent the bound moves only as far as maintenance has made them drop. Where the CPU's own
        stores count, it is serialised once more when they are in memory, and fetches nothing till
        then.
        """
        return self.fenced(self._seeing_newest(local, shared)._replace(fetch=None), fetches=True)

    def fenced(self, local: Local, *, fetches: bool) -> Local:
        """The CPU after a serialising event as far as its own stores go, and, if it `fetches`, what
        it fetches behind them."""
        if self.protocol.architecture.sync_orders_stores:
            return local.behind_barrier(synchronises=fetches)
        return local

    def floor(self, shared: Shared, history: int, version: int) -> View:
        """What fetches may not be older than behind one of this version: what was dropped before
        it was written, nowhere if that is nothing."""
        found: View = ()
        for newest, dropped in shared.completed:
            if version > newest[history]:
                found = join(found, dropped)
        return found

    def settled(self, local: Local, shared: Shared) -> Local:
        """The CPU after a step that is no fetch: a fetch of newest memory begins after it."""
        return self._seeing_newest(local, shared) if self.newest_only else local

    def _seeing_newest(self, local: Local, shared: Shared) -> Local:
        if not self.tracks_views or self.forgets_view(local):
            return local
        if self.coherent_icache:
            return local._replace(view=self.layout.newest(shared.memory))
        # Instruction caches may still have all that no maintenance has made them drop.
        return local._replace(view=tuple(map(max, local.view or shared.dropped, shared.dropped)))

    def forgets_view(self, local: Local) -> bool:
        """Whether what a CPU could fetch so far matters no more: it serialises before it fetches.

        A reduction and no rule: CPUs in a handler that differ in their views only are one state,
        and nobody can tell (tests/test_semantics_agree.py takes it out and compares). Not where
        the return does not serialise, for an IPI taken in the handler must then count; nor where
        caches are not coherent, for to serialise does not bring all up to date there.
        """
        in_trap = local.trap is not None and not local.trap.in_callee
        return in_trap and self.return_synchronises and self.coherent_icache

    def is_region(self, site: int) -> bool:
        """Whether a CPU can be somewhere inside the site."""
        return self.protocol.sites[site].is_region

    def permits(self, before: bytes, after: bytes) -> bool:
        """Whether the architecture lets an instruction be replaced by another while it runs."""
        return self.protocol.architecture.permits(before, after)

    def _bounds(self) -> tuple[int, ...]:
        """For each cell, the least number that the protocol never sets it to nor asks it for.

        Where the number of CPUs is left open, a counter that holds this, or minus this, holds that
        or more: no question tells these numbers apart.
        """
        named = [{1} for _ in self.protocol.cells]
        for number, cell in enumerate(self.protocol.cells):
            if isinstance(cell.initial, int):
                named[number].add(abs(cell.initial))
        for action in self._actions():
            if isinstance(action, Ask | Need | Set) and isinstance(action.value, int):
                named[self.cells[action.cell]].add(abs(action.value))
        return tuple(max(numbers) + 1 for numbers in named)

    def is_many(self, cell: int, value: Value) -> bool:
        """Whether a counter's value stands for several numbers."""
        left_open = self.configuration.any_number and not self.protocol.cells[cell].per_cpu
        return left_open and isinstance(value, int) and abs(value) == self._many[cell]

    def counted(self, cell: int, value: int, amount: int) -> tuple[int, ...]:
        """What a counter may hold after an amount is added, negative amounts included."""
        if not self.configuration.any_number:
            return (value + amount,)
        many = self._many[cell]
        least = max(-many, min(many, value + amount))
        if value == many and amount < 0:
            return tuple(range(least, many + 1))
        if value == -many and amount > 0:
            return tuple(range(-many, least + 1))
        return (least,)

    def watch(self, *violations: str) -> tuple[str, ...]:
        """Those of the violations that are watched for, in the order in which they are watched."""
        return tuple(name for name in self.watched if name in violations)
