"""Steps for the programs of patchers and CPUs: locks, IPIs, stops, grace periods, caches.

Knows cells and actions.
"""

from dataclasses import dataclass

from modelcheck.protocol.actions import (
    Actions,
    Await,
    Clean,
    Drained,
    Drop,
    Grace,
    Ipi,
    Lines,
    Mask,
    Need,
    Refresh,
    Release,
    Set,
    Stop,
    Tell,
)
from modelcheck.protocol.checking import Name, Natural, Positive, checked
from modelcheck.protocol.code import Cell, Held, Site
from modelcheck.protocol.program import Block, Element, Step
from modelcheck.protocol.source import here
from modelcheck.protocol.vocabulary.anyone import Dsb


@dataclass(frozen=True)
class WaitUntil(Step):
    """Wait until a cell holds `value`; of a cell that each CPU has, until all of them do."""

    cell: str
    value: Held

    def actions(self) -> Actions:
        return (Need(self.cell, self.value),)


@dataclass(frozen=True)
class Lock(Step):
    """Wait until the lock is free, and take it. The cell is 0 while nobody has it."""

    cell: str

    def actions(self) -> Actions:
        return (Need(self.cell, 0), Set(self.cell, 1, at_once=True))

    @property
    def words(self) -> str:
        return f"takes {self.cell}"


@dataclass(frozen=True)
class Unlock(Step):
    """Release the lock."""

    cell: str

    def actions(self) -> Actions:
        return (Drained(), Set(self.cell, 0, at_once=True))

    @property
    def words(self) -> str:
        return f"releases {self.cell}"


@dataclass(frozen=True)
class IrqOff(Step):
    """Disable interrupts on this CPU: it takes no IPI until IrqOn."""

    def actions(self) -> Actions:
        return (Mask(on=True),)


@dataclass(frozen=True)
class IrqOn(Step):
    """Enable interrupts on this CPU."""

    def actions(self) -> Actions:
        return (Mask(on=False),)


@dataclass(frozen=True)
class Serialise(Step):
    """Serialise this CPU alone: sync_core, ISB, FENCE.I.

    FENCE.I, and nothing else here, comes behind this CPU's own stores too: what it fetches then is
    no older than they are (Architecture.sync_orders_stores).
    """

    def actions(self) -> Actions:
        return (Refresh(),)


@dataclass(frozen=True)
class CleanDcache(Step):
    """Make what is in memory visible to instruction caches: DC CVAU of each line that holds these
    bytes; without a site, of all lines. Only a DSB of the same CPU waits for it.

    It is ordered with this CPU's accesses to the line, so that no barrier has to stand between a
    store and it. Only where instruction caches need it (CTR_EL0.IDC is 0). Source: Arm ARM,
    Ordering and completion of data and instruction cache instructions; Power ISA Book II,
    Instruction Storage, whose DCBST, SYNC and ICBI are the same.
    """

    site: str | None = None
    at: int = 0
    size: int | None = None

    def actions(self) -> Actions:
        return (Clean(Lines(self.site, self.at, self.size)),)


@dataclass(frozen=True)
class InvalidateIcache(Step):
    """Make all instruction caches drop what is older than what was cleaned: IC IVAU of each line
    that holds these bytes; without a site, of all lines. Only a DSB of the same CPU waits for it,
    and only a DSB puts it behind what stands before it.

    A CPU may have fetched it before, and sees the new only once it has serialised (ISB). Only where
    instruction caches need it (CTR_EL0.DIC is 0). Source: as of CleanDcache.
    """

    site: str | None = None
    at: int = 0
    size: int | None = None

    def actions(self) -> Actions:
        return (Drop(Lines(self.site, self.at, self.size)),)


@dataclass(frozen=True)
class SendIpi(Step):
    """Interrupt all other CPUs to make them serialise, and serialise this CPU.

    Another CPU takes the IPI at an instruction boundary with interrupts enabled. Taking it,
    serialising and acknowledging are one step, since nobody can see in between. A `deferred` IPI
    does not interrupt a CPU in user mode, but asks it to serialise when it flushes what was
    deferred. Unless it `synchronises`, it is taken without serialising.
    Source: Linux kernel/smp.c, on_each_cpu() with do_sync_core() of arch/x86/kernel/alternative.c.
    """

    synchronises: bool = True
    deferred: bool = False

    def actions(self) -> Actions:
        told = Tell(Ipi(self.synchronises, self.deferred))
        return (Refresh(), told) if self.synchronises else (told,)

    @property
    def words(self) -> str:
        return "deferred IPI to all" if self.deferred else "IPI to all"


@dataclass(frozen=True)
class WaitAcks(Step):
    """Wait until every CPU has acknowledged the IPIs this program sent (wait=1 of on_each_cpu)."""

    def actions(self) -> Actions:
        return (Await("acknowledged"),)


@dataclass(frozen=True)
class StopCpus(Step):
    """Ask all other CPUs to stop at an instruction boundary, with interrupts off.

    It waits until no stop is under way, an earlier one or another program's; its CPU obeys that
    one meanwhile. Source: Linux kernel/stop_machine.c, multi_cpu_stop(), and stop_cpus_mutex.
    """

    def actions(self) -> Actions:
        return (Await("unstopped"), Tell(Stop()))

    @property
    def words(self) -> str:
        return "asks all to stop"


@dataclass(frozen=True)
class WaitStopped(Step):
    """Wait until all other CPUs have stopped, and disable interrupts here too."""

    def actions(self) -> Actions:
        return (Await("stopped"), Mask(on=True))

    @property
    def words(self) -> str:
        return "all have stopped"


@dataclass(frozen=True)
class ReleaseCpus(Step):
    """Let the stopped CPUs go on; each serialises first if it `synchronises`."""

    synchronises: bool = True

    def actions(self) -> Actions:
        serialised = (Refresh(),) if self.synchronises else ()
        return (*serialised, Mask(on=False), Tell(Release(self.synchronises)))

    @property
    def words(self) -> str:
        return "all go on" if self.synchronises else "all go on, not serialised"


@dataclass(frozen=True)
class StartGrace(Step):
    """Begin a grace period: it lasts while a CPU is where it was when the period began.

    That is inside a trap handler, or (with `regions`) inside a region of several instructions,
    where a task may have been preempted.
    """

    regions: bool = True

    def actions(self) -> Actions:
        return (Tell(Grace(self.regions)),)


@dataclass(frozen=True)
class WaitGrace(Step):
    """Wait until every CPU has been in a quiescent state since StartGrace."""

    def actions(self) -> Actions:
        return (Await("quiescent"),)


@checked
def wait_until(label: Name, cell: Cell, value: Held) -> WaitUntil:
    """Wait until a cell holds a value."""
    return WaitUntil(label, cell.name, value, source=here())


@checked
def lock(label: Name, cell: Cell) -> Lock:
    """Take a lock."""
    return Lock(label, cell.name, source=here())


@checked
def unlock(label: Name, cell: Cell) -> Unlock:
    """Release a lock."""
    return Unlock(label, cell.name, source=here())


@checked
def irq_off(label: Name) -> IrqOff:
    """Disable interrupts on this CPU."""
    return IrqOff(label, source=here())


@checked
def irq_on(label: Name) -> IrqOn:
    """Enable interrupts on this CPU."""
    return IrqOn(label, source=here())


@checked
def sync_core(label: Name) -> Serialise:
    """Serialise this CPU: sync_core()."""
    return Serialise(label, source=here())


@checked
def isb(label: Name) -> Serialise:
    """Serialise this CPU: ISB."""
    return Serialise(label, source=here())


@checked
def fence_i(label: Name) -> Serialise:
    """Let this hart fetch anew: FENCE.I."""
    return Serialise(label, source=here())


@checked
def dc_cvau(
    label: Name, site: Site | None = None, *, at: Natural = 0, size: Positive | None = None
) -> CleanDcache:
    """Clean data cache lines to the point of unification; a dsb behind it waits for that."""
    return CleanDcache(label, site.name if site else None, at, size, source=here())


@checked
def ic_ivau(
    label: Name, site: Site | None = None, *, at: Natural = 0, size: Positive | None = None
) -> InvalidateIcache:
    """Invalidate lines of all instruction caches; a dsb behind it waits for that."""
    return InvalidateIcache(label, site.name if site else None, at, size, source=here())


@checked
def caches_clean_inval_pou(
    label: Name, site: Site | None = None, *, at: Natural = 0, size: Positive | None = None
) -> Block:
    """Publish code on Arm: DC CVAU, DSB, IC IVAU, DSB, ISB.

    Source: Linux arch/arm64/mm/cache.S; Arm ARM, Synchronization and coherency issues between data
    and instruction accesses.
    """
    source = here()
    lines = site.name if site else None, at, size
    steps = (
        CleanDcache("dc_cvau", *lines, source=source),
        Dsb("dsb-1", source=source),
        InvalidateIcache("ic_ivau", *lines, source=source),
        Dsb("dsb-2", source=source),
        Serialise("isb", source=source),
    )
    return Block(label, steps, source=source)


@checked
def send_ipi(label: Name, *, synchronises: bool = True, deferred: bool = False) -> SendIpi:
    """Send a serialising IPI to all other CPUs, and serialise this one."""
    return SendIpi(label, synchronises, deferred, source=here())


@checked
def wait_acks(label: Name) -> WaitAcks:
    """Wait until all other CPUs have acknowledged."""
    return WaitAcks(label, source=here())


@checked
def on_each_cpu(label: Name, *, synchronises: bool = True, deferred: bool = False) -> Block:
    """Make every CPU serialise, and wait for it: on_each_cpu(do_sync_core, NULL, 1)."""
    source = here()
    send = SendIpi("send", synchronises, deferred, source=source)
    return Block(label, (send, WaitAcks("wait", source=source)), source=source)


@checked
def stop_machine(label: Name, *steps: Element, synchronises: bool = True) -> Block:
    """Run steps while all other CPUs are stopped; see StopCpus."""
    source = here()
    begin = (StopCpus("stop", source=source), WaitStopped("stopped", source=source))
    end = ReleaseCpus("release", synchronises, source=source)
    return Block(label, (*begin, *steps, end), source=source)


@checked
def synchronize_rcu_tasks(label: Name) -> Block:
    """Wait until no task is where it was: neither in a region of instructions nor in a handler."""
    return _grace_period(label, regions=True)


@checked
def synchronize_rcu(label: Name, *, regions: bool = False) -> Block:
    """Wait until all CPUs have left the handlers they were in; tasks may be preempted anywhere.

    With `regions`, the sites are run within RCU read-side sections, and are waited for too.
    """
    return _grace_period(label, regions=regions)


def _grace_period(label: Name, *, regions: bool) -> Block:
    source = here()
    steps = (StartGrace("begin", regions, source=source), WaitGrace("end", source=source))
    return Block(label, steps, source=source)
