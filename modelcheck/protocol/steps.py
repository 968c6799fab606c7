"""The step vocabulary: what a patcher and a trap handler can do, one frozen dataclass each.

Specs use the lower-case functions, which note the source line they were called from. Knows only
sites and cells.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from modelcheck.protocol.code import Cell, Site, Value
from modelcheck.protocol.errors import SpecError

Order = Literal["ascending", "any", "single"]
"""How the bytes of one write reach memory: one by one from the lowest address, one by one in an
order nobody promises (a memcpy), or all in one atomic store."""

Instruction = Literal["old", "new"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """The line of the spec that made a step."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @staticmethod
    def parse(text: str) -> "Source":
        """The source that `str` wrote. Raises ValueError for any other text."""
        file, _, line = text.rpartition(":")
        return Source(file=file, line=int(line))


@dataclass(frozen=True)
class Element:
    """A part of a program; `label` names it in edits, traces and reports."""

    label: str
    source: Source | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, words in _choices(kind).items():
            if getattr(self, name) not in words:
                raise SpecError(
                    f"step {self.label!r}: {name} {getattr(self, name)!r} is none of "
                    + ", ".join(words)
                )


@cache
def _choices(kind: type[Element]) -> dict[str, tuple[str, ...]]:
    """The fields of a kind of step that take one of a few words, and these words."""
    hints = get_type_hints(kind)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


@dataclass(frozen=True)
class Step(Element):
    """Something one actor does in one go."""


@dataclass(frozen=True)
class Test(Step):
    """A question that leads one of two ways; see If. Is the cell's value `value`?"""

    cell: str
    value: Value


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


@dataclass(frozen=True)
class Store(Step):
    """Store `value` to a data cell; every CPU sees it at once, unless stores are weak."""

    cell: str
    value: Value


@dataclass(frozen=True)
class Add(Step):
    """Add `amount` to a cell that counts, atomically."""

    cell: str
    amount: int


@dataclass(frozen=True)
class IncrementUnlessZero(Step):
    """Add 1 to a cell unless it is 0, atomically; a test of whether it was not (inc_not_zero)."""

    cell: str


@dataclass(frozen=True)
class WaitUntil(Step):
    """Wait until a cell holds `value`; of a cell that each CPU has, until all of them do."""

    cell: str
    value: Value


@dataclass(frozen=True)
class Lock(Step):
    """Wait until the lock is free, and take it. The cell is 0 while nobody has it."""

    cell: str


@dataclass(frozen=True)
class Unlock(Step):
    """Release the lock."""

    cell: str


@dataclass(frozen=True)
class Fence(Step):
    """Wait until all stores of this CPU have reached memory (smp_wmb, smp_mb, FENCE W, DSB)."""


@dataclass(frozen=True)
class Pause(Step):
    """Do nothing for some time. Time orders nothing: others may do all, or nothing, meanwhile."""


@dataclass(frozen=True)
class IrqOff(Step):
    """Disable interrupts on this CPU: it takes no IPI until IrqOn."""


@dataclass(frozen=True)
class IrqOn(Step):
    """Enable interrupts on this CPU."""


@dataclass(frozen=True)
class Serialise(Step):
    """Serialise this CPU alone: sync_core, ISB, FENCE.I."""


@dataclass(frozen=True)
class CleanDcache(Step):
    """Make what is in memory visible to instruction caches: DC CVAU, completed by DSB.

    Only where instruction caches are not coherent; Arm ARM, Caches and memory hierarchy.
    """


@dataclass(frozen=True)
class InvalidateIcache(Step):
    """Make all instruction caches drop what is older than the last CleanDcache: IC IVAU, DSB.

    A CPU may have fetched it before, and sees the new only once it has serialised (ISB).
    """


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


@dataclass(frozen=True)
class WaitAcks(Step):
    """Wait until every CPU has acknowledged the IPIs this program sent (wait=1 of on_each_cpu)."""


@dataclass(frozen=True)
class StopCpus(Step):
    """Ask all other CPUs to stop at an instruction boundary, with interrupts off.

    Source: Linux kernel/stop_machine.c, multi_cpu_stop().
    """


@dataclass(frozen=True)
class WaitStopped(Step):
    """Wait until all other CPUs have stopped, and disable interrupts here too."""


@dataclass(frozen=True)
class ReleaseCpus(Step):
    """Let the stopped CPUs go on; each serialises first if it `synchronises`."""

    synchronises: bool = True


@dataclass(frozen=True)
class StartGrace(Step):
    """Begin a grace period: it lasts while a CPU is where it was when the period began.

    That is inside a trap handler, or (with `regions`) inside a region of several instructions,
    where a task may have been preempted.
    """

    regions: bool = True


@dataclass(frozen=True)
class WaitGrace(Step):
    """Wait until every CPU has been in a quiescent state since StartGrace."""


@dataclass(frozen=True)
class Execute(Step):
    """CPU: run the sites named, each any number of times, and go on."""

    sites: tuple[str, ...]


@dataclass(frozen=True)
class EnterUser(Step):
    """CPU: leave the kernel for user mode."""


@dataclass(frozen=True)
class LeaveUser(Step):
    """CPU: enter the kernel from user mode."""


@dataclass(frozen=True)
class Flush(Step):
    """CPU: serialise if a deferred IPI asked for it.

    Source: "context_tracking,x86: Defer kernel text patching IPIs", Schneider 2025.
    """


@dataclass(frozen=True)
class Lookup(Step):
    """Handler: read a cell to find out what to do; it finds nothing if that is None, 0 or ().

    To find nothing leaves the trap unhandled, unless an If says what to do then. With `search`,
    the cell has the names of sites, among which the site trapped at is looked for by a binary
    search over their addresses, as if they were in ascending order.
    """

    cell: str
    search: bool = False


@dataclass(frozen=True)
class Use(Step):
    """Handler: follow what was looked up in the cell.

    It is stale if it has changed since, or if nothing was found: a null pointer.
    """

    cell: str


@dataclass(frozen=True)
class Emulate(Step):
    """Handler: act as the old or new instruction would, with what `cell` held when looked up.

    If `cell` has changed since the look-up, the handler uses stale data.
    """

    instruction: Instruction = "new"
    cell: str | None = None


@dataclass(frozen=True)
class Skip(Step):
    """Handler: step over the instruction, which is to act as a no-op."""


@dataclass(frozen=True)
class Return(Step):
    """Handler: return to the interrupted code. On x86 IRET serialises (AMD APM vol. 2, 7.6.4).

    Where the handler has not acted as the instruction, the CPU fetches it once more.
    """

    synchronises: bool = True


@dataclass(frozen=True)
class NotOurs(Step):
    """Handler: leave the trap to others. There are none for it unless the site is foreign."""

    synchronises: bool = True


@dataclass(frozen=True)
class Block(Element):
    """Steps that belong together under one name, so that one edit can take all of them away."""

    steps: tuple[Element, ...]


@dataclass(frozen=True)
class If(Element):
    """A test, and what to do when it holds, and otherwise. It is named after the test."""

    test: Step
    then: tuple[Element, ...]
    otherwise: tuple[Element, ...] = ()


TESTS = (Test, IncrementUnlessZero, Lookup)
RETURNS = (Return, NotOurs)
HANDLER_ONLY = (Lookup, Use, Emulate, Skip, *RETURNS)
CPU_ONLY = (Execute, EnterUser, LeaveUser, Flush)
SYNCHRONISING = (
    SendIpi,
    WaitAcks,
    Serialise,
    Fence,
    CleanDcache,
    InvalidateIcache,
    StartGrace,
    WaitGrace,
)
"""Steps that change neither code nor data: each only restricts what may happen and be seen, so
that whatever can happen with it can happen without it."""
DATA = (Store, Add, Test, IncrementUnlessZero, Fence, Pause)
"""What a handler can do besides."""


def flatten(program: tuple[Element, ...], prefix: str = "") -> Iterator[Step]:
    """The steps of a program in order, each labelled with the path of the blocks around it."""
    for element in program:
        label = prefix + element.label
        if isinstance(element, Block):
            yield from flatten(element.steps, label + "/")
        elif isinstance(element, If):
            yield replace(element.test, label=label)
            yield from flatten((*element.then, *element.otherwise), label + "/")
        elif isinstance(element, Step):
            yield replace(element, label=label)


def is_sync(element: Element) -> bool:
    """Whether an element only synchronises; a block does if all of its steps do."""
    steps = tuple(flatten((element,)))
    return bool(steps) and all(isinstance(step, SYNCHRONISING) for step in steps)


def units(program: tuple[Element, ...], prefix: str = "") -> Iterator[Element]:
    """A program in the smallest parts that stand for themselves, labelled with their paths.

    Blocks that do more than to synchronise are taken apart.
    """
    for element in program:
        path = prefix + element.label
        if isinstance(element, Block) and not is_sync(element):
            yield from units(element.steps, path + "/")
        else:
            yield replace(element, label=path)


class Line(NamedTuple):
    """A step in its place: the lines it leads to, the second one where a test does not hold."""

    step: Step
    then: int
    otherwise: int


def flow(program: tuple[Element, ...]) -> tuple[Line, ...]:
    """A program as lines; one that leads to their number leads to the end."""
    steps = tuple(flatten(program))
    return tuple(
        Line(steps[number], then, otherwise)
        for number, (then, otherwise) in enumerate(_leading(program, 0, len(steps)))
    )


def _leading(program: tuple[Element, ...], at: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each line of a part of a program leads: it begins at line `at` and goes on at `end`."""
    for number, element in enumerate(program):
        after = at + len(tuple(flatten((element,))))
        following = end if number == len(program) - 1 else after
        if isinstance(element, Block):
            yield from _leading(element.steps, at, following)
        elif isinstance(element, If):
            otherwise = at + 1 + len(tuple(flatten(element.then)))
            yield (
                at + 1 if element.then else following,
                otherwise if element.otherwise else following,
            )
            yield from _leading(element.then, at + 1, following)
            yield from _leading(element.otherwise, otherwise, following)
        else:
            yield following, following
        at = after


def _here() -> Source | None:
    """The innermost frame outside this package: the line of the spec that calls."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("modelcheck."):
        frame = frame.f_back
    return Source(file=Path(frame.f_code.co_filename).name, line=frame.f_lineno)


def block(label: str, *steps: Element) -> Block:
    """Several steps under one name."""
    return Block(label, steps, source=_here())


def when(test: Step, *then: Element, otherwise: tuple[Element, ...] = ()) -> If:
    """Do `then` if the test holds, and `otherwise` if it does not."""
    return If(test.label, test, then, otherwise, source=test.source)


def is_equal(label: str, cell: Cell, value: Value) -> Test:
    """Test whether a cell holds a value."""
    return Test(label, cell.name, value, source=_here())


def increment_unless_zero(label: str, cell: Cell) -> IncrementUnlessZero:
    """Take a reference, unless there is none any more: inc_not_zero()."""
    return IncrementUnlessZero(label, cell.name, source=_here())


def write(
    label: str,
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
    return Write(label, site.name, data, at, order, expects, mapping, source=_here())


def store(label: str, cell: Cell, value: Value) -> Store:
    """Store a value to a data cell."""
    return Store(label, cell.name, value, source=_here())


def add(label: str, cell: Cell, amount: int = 1) -> Add:
    """Add to a cell that counts, atomically."""
    return Add(label, cell.name, amount, source=_here())


def wait_until(label: str, cell: Cell, value: Value) -> WaitUntil:
    """Wait until a cell holds a value."""
    return WaitUntil(label, cell.name, value, source=_here())


def lock(label: str, cell: Cell) -> Lock:
    """Take a lock."""
    return Lock(label, cell.name, source=_here())


def unlock(label: str, cell: Cell) -> Unlock:
    """Release a lock."""
    return Unlock(label, cell.name, source=_here())


def fence(label: str) -> Fence:
    """Let all stores before come before all stores and IPIs behind: smp_wmb(), smp_mb()."""
    return Fence(label, source=_here())


def pause(label: str) -> Pause:
    """Let some time pass."""
    return Pause(label, source=_here())


def irq_off(label: str) -> IrqOff:
    """Disable interrupts on this CPU."""
    return IrqOff(label, source=_here())


def irq_on(label: str) -> IrqOn:
    """Enable interrupts on this CPU."""
    return IrqOn(label, source=_here())


def sync_core(label: str) -> Serialise:
    """Serialise this CPU: sync_core()."""
    return Serialise(label, source=_here())


def isb(label: str) -> Serialise:
    """Serialise this CPU: ISB."""
    return Serialise(label, source=_here())


def fence_i(label: str) -> Serialise:
    """Let this hart fetch anew: FENCE.I."""
    return Serialise(label, source=_here())


def dc_cvau(label: str) -> CleanDcache:
    """Clean the data cache to the point of unification, and wait for it."""
    return CleanDcache(label, source=_here())


def ic_ivau(label: str) -> InvalidateIcache:
    """Invalidate all instruction caches, and wait for it."""
    return InvalidateIcache(label, source=_here())


def caches_clean_inval_pou(label: str) -> Block:
    """Publish code on Arm: DC CVAU, DSB, IC IVAU, DSB, ISB."""
    source = _here()
    steps = (
        Fence("dsb", source=source),
        CleanDcache("dc_cvau", source=source),
        InvalidateIcache("ic_ivau", source=source),
        Serialise("isb", source=source),
    )
    return Block(label, steps, source=source)


def stop_machine(label: str, *steps: Element, synchronises: bool = True) -> Block:
    """Run steps while all other CPUs are stopped; see StopCpus."""
    source = _here()
    begin = (StopCpus("stop", source=source), WaitStopped("stopped", source=source))
    end = ReleaseCpus("release", synchronises, source=source)
    return Block(label, (*begin, *steps, end), source=source)


def synchronize_rcu_tasks(label: str) -> Block:
    """Wait until no task is where it was: neither in a region of instructions nor in a handler."""
    return _grace_period(label, regions=True)


def synchronize_rcu(label: str, *, regions: bool = False) -> Block:
    """Wait until all CPUs have left the handlers they were in; tasks may be preempted anywhere.

    With `regions`, the sites are run within RCU read-side sections, and are waited for too.
    """
    return _grace_period(label, regions=regions)


def _grace_period(label: str, *, regions: bool) -> Block:
    source = _here()
    steps = (StartGrace("begin", regions, source=source), WaitGrace("end", source=source))
    return Block(label, steps, source=source)


def execute(label: str, *sites: Site) -> Execute:
    """CPU: run these sites any number of times."""
    return Execute(label, tuple(site.name for site in sites), source=_here())


def enter_user(label: str) -> EnterUser:
    """CPU: return to user mode."""
    return EnterUser(label, source=_here())


def leave_user(label: str) -> LeaveUser:
    """CPU: enter the kernel."""
    return LeaveUser(label, source=_here())


def flush(label: str) -> Flush:
    """CPU: serialise if that was deferred."""
    return Flush(label, source=_here())


def send_ipi(label: str, *, synchronises: bool = True, deferred: bool = False) -> SendIpi:
    """Send a serialising IPI to all other CPUs, and serialise this one."""
    return SendIpi(label, synchronises, deferred, source=_here())


def wait_acks(label: str) -> WaitAcks:
    """Wait until all other CPUs have acknowledged."""
    return WaitAcks(label, source=_here())


def on_each_cpu(label: str, *, synchronises: bool = True, deferred: bool = False) -> Block:
    """Make every CPU serialise, and wait for it: on_each_cpu(do_sync_core, NULL, 1)."""
    source = _here()
    send = SendIpi("send", synchronises, deferred, source=source)
    return Block(label, (send, WaitAcks("wait", source=source)), source=source)


def lookup(label: str, cell: Cell, *, search: bool = False) -> Lookup:
    """Handler: look up what is published in `cell`."""
    return Lookup(label, cell.name, search, source=_here())


def use(label: str, cell: Cell) -> Use:
    """Handler: follow what was looked up in `cell`."""
    return Use(label, cell.name, source=_here())


def emulate(label: str, cell: Cell | None = None, *, instruction: Instruction = "new") -> Emulate:
    """Handler: emulate the old or new instruction with the data found in `cell`."""
    return Emulate(label, instruction, cell.name if cell else None, source=_here())


def skip(label: str) -> Skip:
    """Handler: step over the instruction."""
    return Skip(label, source=_here())


def iret(label: str, *, synchronises: bool = True) -> Return:
    """Handler: return from the exception, serialising."""
    return Return(label, synchronises, source=_here())


def ret(label: str) -> Return:
    """Callee: return to the caller; nothing serialises."""
    return Return(label, synchronises=False, source=_here())


def not_ours(label: str, *, synchronises: bool = True) -> NotOurs:
    """Handler: leave the trap to other handlers."""
    return NotOurs(label, synchronises, source=_here())
