"""The corners of the semantics: for each rule, a protocol that can tell it from its absence.

All of them come from mutants that once survived all tests: see tests/mutants.md.
"""

from dataclasses import replace
from typing import NamedTuple

import pytest

from modelcheck import (
    Cell,
    Form,
    Handler,
    Patcher,
    Protocol,
    Site,
    add,
    caches_clean_inval_pou,
    dc_cvau,
    dsb,
    emulate,
    enter_user,
    execute,
    fence,
    flush,
    ic_ivau,
    iret,
    irq_off,
    irq_on,
    is_equal,
    leave_user,
    lock,
    lookup,
    on_each_cpu,
    pause,
    ret,
    runs,
    send_ipi,
    stop_machine,
    store,
    synchronize_rcu,
    synchronize_rcu_tasks,
    unlock,
    use,
    wait_acks,
    wait_until,
    when,
    write,
)
from modelcheck.axiomatic.verdict import violated
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.program import Element
from modelcheck.protocol.properties import (
    ENDS,
    FINISHES,
    LIVENESS,
    MONOTONE,
    SEQUENCE,
    STALE,
    TORN,
    UNPERMITTED,
)
from modelcheck.questions.prove import not_excluded
from modelcheck.questions.subject import Subject
from tests.protocols import EVERY_PROPERTY
from tests.test_naive import assert_same, deadlocks

SITE = Site("foo", b"\x10\x11", b"\x20\x21")
TAIL_FIRST = replace(SITE, between=(Form("tail", b"\x10\x21", runs(2)),))
"""Torn only where a CPU fetches the new head and then the old tail."""

LONG = Site("foo", b"\x10\x11\x03", b"\x20\x21\x22", 1)

INT3 = b"\xcc"
COUNT, OTHER, LOCK = Cell("count", 0), Cell("other", 0), Cell("lock", 0)
DATA, EACH = Cell("data", "a"), Cell("each", 0, per_cpu=True)
GONE = Cell("gone")
STAYS = Cell("stays", stays="it is asked for ever after")
ARM = Site("foo", bytes.fromhex("1f 20 03 d5"), bytes.fromhex("01 00 00 14"))
"""A no-op that becomes a branch, both of which may be modified while they run."""
ARM_MOV = replace(ARM, old=bytes.fromhex("e0 03 01 aa"))

TEAR = write("new", SITE, SITE.new)
TAIL = write("tail", TAIL_FIRST, b"\x21", at=1)
HEAD = write("head", TAIL_FIRST, b"\x20")
IDLE = (pause("idle"),)


class Corner(NamedTuple):
    """A protocol in one configuration, and whether it violates the property that tells."""

    protocol: Protocol
    run: Configuration
    property: str
    violated: bool


def corner(
    *program: Element,
    site: Site = SITE,
    other: tuple[Element, ...] = (),
    fetch: str = "coherent",
    of: str = TORN,
    violated: bool,
    run: Configuration | None = None,
    cells: tuple[Cell, ...] = (),
    **settings: object,
) -> Corner:
    """A corner; with `other`, a second patcher runs that."""
    protocol = Protocol(
        "corner",
        (site,),
        program,
        cells=cells,
        patchers=(Patcher("other", other),) if other else (),
        **{"patcher_executes": False, **settings},  # type: ignore[arg-type]
    )
    return Corner(protocol, run or Configuration(1, fetch), of, violated)


WEAK = {"stores": "weak"}
INCOHERENT = {"coherent_icache": False, "fetch": "per-chunk", "site": TAIL_FIRST}
CALLING = Site("foo", bytes.fromhex("0f 1f 44 00 00"), bytes.fromhex("e8 00 00 00 01"))
CALLS = {
    "site": CALLING,
    "callee": (lookup("find", DATA), use("use", DATA), ret("ret")),
    "handler": Handler(INT3, (iret("iret"),)),
    "cells": (DATA,),
    "of": STALE,
}
BACK = write("back", CALLING, CALLING.old, order="single")

WITHDRAWN = (
    write("trap", SITE, INT3),
    write("untrap", SITE, SITE.old[:1]),
    synchronize_rcu("grace"),
    store("withdraw", DATA, None),
)
ASKS = {
    "handler": Handler(INT3, (lookup("find", DATA), use("use", DATA), iret("iret"))),
    "cells": (DATA,),
    "of": STALE,
}

REGION = replace(
    SITE,
    old_runs=runs(1, 1),
    new_runs=runs(1, 1),
    between=(Form("branch", b"\x30\x11", runs(1)),),
)
"""Two instructions, the first of which may be a branch that leads out."""
BRANCHED = (
    write("branch", REGION, b"\x30"),
    on_each_cpu("sync"),
    synchronize_rcu_tasks("grace"),
    write("tail", REGION, b"\x21", at=1),
    write("head", REGION, b"\x20"),
)
PASSES = {"site": REGION, "of": SEQUENCE}

RUNS = execute("run", TAIL_FIRST)
RUNS_TOO = execute("run too", TAIL_FIRST)
GOES_OUT = (RUNS, enter_user("out"), leave_user("in"))
DEFERS = (TAIL, on_each_cpu("sync", deferred=True), HEAD)
SEES_OLD = {"site": TAIL_FIRST, "fetch": "per-chunk"}

CORNERS: dict[str, Corner] = {
    "an add waits for the store before it": corner(
        store("one", COUNT, 1),
        add("two", COUNT),
        wait_until("is two", COUNT, 2),
        of=FINISHES,
        violated=False,
        cells=(COUNT,),
        **WEAK,
    ),
    "an unlock waits for all stores before it": corner(
        lock("take", LOCK),
        add("taken", OTHER),
        store("set", COUNT, 1),
        unlock("release", LOCK),
        other=(
            wait_until("is taken", OTHER, 1),
            lock("take", LOCK),
            when(is_equal("unset?", COUNT, 0), TEAR),
        ),
        violated=False,
        cells=(COUNT, OTHER, LOCK),
        **WEAK,
    ),
    "a CPU reads its newest store": corner(
        store("one", COUNT, 1),
        store("three", COUNT, 3),
        when(is_equal("one?", COUNT, 1), TEAR),
        violated=False,
        cells=(COUNT,),
        **WEAK,
    ),
    "stores to one cell stay in order": corner(
        store("one", COUNT, 1),
        store("three", COUNT, 3),
        fence("fence"),
        when(is_equal("one?", COUNT, 1), TEAR),
        violated=False,
        cells=(COUNT,),
        **WEAK,
    ),
    "weak stores to two bytes do not": corner(
        TAIL, HEAD, site=TAIL_FIRST, fetch="store-order", violated=True, **WEAK
    ),
    "what was not cleaned is not dropped": corner(
        TAIL,
        ic_ivau("drop"),
        dsb("dropped"),
        on_each_cpu("sync"),
        HEAD,
        violated=True,
        **INCOHERENT,
    ),
    "what is dropped after the sync does not count": corner(
        TAIL,
        dc_cvau("clean"),
        dsb("cleaned"),
        on_each_cpu("sync"),
        ic_ivau("drop"),
        dsb("dropped"),
        HEAD,
        violated=True,
        **INCOHERENT,
    ),
    "what is dropped before the sync counts": corner(
        TAIL,
        caches_clean_inval_pou("publish"),
        on_each_cpu("sync"),
        HEAD,
        violated=False,
        **INCOHERENT,
    ),
    "a sync brings nothing older back": corner(
        write("new", SITE, SITE.new, order="single"),
        on_each_cpu("sync"),
        of=MONOTONE,
        violated=False,
        run=Configuration(1, "per-chunk", chunk=8),
        coherent_icache=False,
    ),
    "an IPI that does not synchronise cancels none that does": corner(
        TAIL,
        send_ipi("first"),
        on_each_cpu("second", synchronises=False),
        HEAD,
        site=TAIL_FIRST,
        fetch="per-chunk",
        violated=False,
    ),
    "pending IPIs are taken together": corner(
        TAIL,
        send_ipi("first"),
        store("sent", COUNT, 1),
        other=(
            wait_until("is sent", COUNT, 1),
            on_each_cpu("second", synchronises=False),
            HEAD,
        ),
        site=TAIL_FIRST,
        fetch="per-chunk",
        violated=False,
        cells=(COUNT,),
    ),
    "a patcher waits for its own IPIs alone": corner(
        TAIL,
        store("written", COUNT, 1),
        wait_until("is sent", COUNT, 2),
        wait_acks("wait"),
        HEAD,
        other=(
            wait_until("is written", COUNT, 1),
            send_ipi("send"),
            store("sent", COUNT, 2),
        ),
        site=TAIL_FIRST,
        fetch="per-chunk",
        violated=True,
        cells=(COUNT,),
    ),
    "a stop waits for all to leave the last one": corner(
        stop_machine("first", TEAR, synchronises=False),
        stop_machine("second", synchronises=False),
        fetch="coherent-any-order",
        violated=False,
    ),
    "a stop ends a fetch": corner(
        stop_machine("stop", TEAR, synchronises=False),
        violated=False,
        run=Configuration(1, "coherent", semantics="bytewise"),
    ),
    "no grace period waits for a callee": corner(
        write("call", CALLING, CALLING.new, order="single"),
        BACK,
        on_each_cpu("sync"),
        synchronize_rcu("grace"),
        store("withdraw", DATA, None),
        violated=True,
        **CALLS,
    ),
    "a callee is interrupted": corner(
        write("call", CALLING, CALLING.new, order="single"),
        BACK,
        on_each_cpu("sync"),
        store("withdraw", DATA, None),
        violated=True,
        **CALLS,
    ),
    "a trap may come onto the first byte alone": corner(
        write("trap", SITE, INT3, at=1),
        fetch="strict",
        of=UNPERMITTED,
        violated=True,
        handler=Handler(INT3, (iret("iret"),)),
    ),
    "a long trap may come onto the first bytes alone": corner(
        write("trap", LONG, b"\xcd\x03", at=1, order="single"),
        site=LONG,
        of=UNPERMITTED,
        violated=True,
        run=Configuration(1, "strict", chunk=2),
        handler=Handler(b"\xcd\x03", (iret("iret"),)),
    ),
    "to emulate the old one is not to act as new": corner(
        write("trap", SITE, INT3),
        write("untrap", SITE, SITE.old[:1]),
        of=MONOTONE,
        violated=False,
        handler=Handler(INT3, (emulate("emulate", instruction="old"), iret("iret"))),
    ),
    "a handler changes the copy of its own CPU": corner(
        write("trap", SITE, INT3),
        wait_until("all are marked", EACH, 1),
        TEAR,
        violated=False,
        cells=(EACH,),
        handler=Handler(INT3, (store("mark", EACH, 1), iret("iret"))),
        patcher_executes=True,
        cpu_program=IDLE,
    ),
    "a pass remembers its first instruction": corner(
        write("new", Site("foo", b"\x10\x11\x12", b"\x20\x11\x22"), b"\x20\x11\x22"),
        site=Site(
            "foo",
            b"\x10\x11\x12",
            b"\x20\x11\x22",
            old_runs=runs(1, 1, 1),
            new_runs=runs(1, 1, 1),
        ),
        of=SEQUENCE,
        violated=True,
    ),
    "a patcher's CPU fetches with interrupts on alone": corner(
        irq_off("off"),
        TEAR,
        irq_on("on"),
        violated=False,
        patcher_executes=True,
        cpu_program=IDLE,
    ),
    "a handler is not interrupted": corner(
        write("trap", SITE, INT3),
        write("untrap", SITE, b"\x10"),
        on_each_cpu("sync"),
        store("late", COUNT, 1),
        site=Site("foo", b"\x10\x11\x12", b"\x20\x21\x22", old_runs=runs(3), new_runs=runs(1, 2)),
        fetch="per-chunk",
        violated=False,
        cells=(COUNT,),
        handler=Handler(
            INT3,
            (
                when(
                    is_equal("late?", COUNT, 1),
                    emulate("new", instruction="new"),
                    otherwise=(emulate("old", instruction="old"),),
                ),
                iret("iret"),
            ),
        ),
    ),
    "an IPI may be sent while another is pending": corner(
        TAIL,
        send_ipi("first"),
        store("sent", COUNT, 1),
        other=(wait_until("is sent", COUNT, 1), send_ipi("second"), HEAD),
        site=TAIL_FIRST,
        fetch="per-chunk",
        violated=True,
        cells=(COUNT,),
    ),
    "an IPI may be sent when another was taken": corner(
        on_each_cpu("first"),
        store("taken", COUNT, 1),
        other=(wait_until("is taken", COUNT, 1), on_each_cpu("second"), TEAR),
        violated=True,
        cells=(COUNT,),
    ),
    "an IPI may be sent when one of a later patcher was taken": corner(
        wait_until("is taken", COUNT, 1),
        on_each_cpu("second"),
        TEAR,
        other=(on_each_cpu("first"), store("taken", COUNT, 1)),
        violated=True,
        cells=(COUNT,),
    ),
    "a stopped CPU goes on": corner(stop_machine("stop"), TEAR, violated=True),
    "a CPU fetches before it is stopped": corner(TEAR, stop_machine("stop"), violated=True),
    "a grace period waits for handlers": corner(*WITHDRAWN, violated=False, **ASKS),
    "a grace period waits for handlers: of a second patcher": corner(
        *IDLE, other=WITHDRAWN, violated=False, **ASKS
    ),
    "without a grace period a handler acts on what is withdrawn": corner(
        *WITHDRAWN[:2], *WITHDRAWN[3:], violated=True, **ASKS
    ),
    "a grace period waits for regions": corner(*BRANCHED, violated=False, **PASSES),
    "a grace period waits for regions: of a second patcher": corner(
        *IDLE, other=BRANCHED, violated=False, **PASSES
    ),
    "a grace period without regions does not": corner(
        *BRANCHED[:2], synchronize_rcu("grace"), *BRANCHED[3:], violated=True, **PASSES
    ),
    "two grace periods are waited for apart": corner(
        synchronize_rcu_tasks("grace"),
        other=BRANCHED,
        violated=False,
        **PASSES,
    ),
    "what stays may be published in the end": corner(
        TEAR,
        store("publish", STAYS, "a"),
        of=ENDS,
        violated=False,
        cells=(STAYS,),
        handler=Handler(INT3, (lookup("find", STAYS), iret("iret"))),
    ),
    "what a handler looks up is withdrawn in the end": corner(
        TEAR,
        store("publish", GONE, "a"),
        of=ENDS,
        violated=True,
        cells=(GONE,),
        handler=Handler(INT3, (lookup("find", GONE), iret("iret"))),
    ),
    "arm64: a no-op may become a branch": corner(
        write("new", ARM, ARM.new, order="single"),
        site=ARM,
        of=UNPERMITTED,
        violated=False,
        run=Configuration(1, "strict", chunk=4),
        arch="arm64",
    ),
    "arm64: no other instruction may": corner(
        write("new", ARM_MOV, ARM_MOV.new, order="single"),
        site=ARM_MOV,
        of=UNPERMITTED,
        violated=True,
        run=Configuration(1, "strict", chunk=4),
        arch="arm64",
    ),
    "a deferred IPI leaves a CPU in user mode alone": corner(
        *DEFERS, cpu_program=GOES_OUT, violated=True, **SEES_OLD
    ),
    "a CPU flushes what was deferred": corner(
        *DEFERS, cpu_program=(*GOES_OUT, flush("flush")), violated=False, **SEES_OLD
    ),
    "a CPU flushes what was deferred before it runs the site alone": corner(
        *DEFERS, cpu_program=(*GOES_OUT, RUNS_TOO, flush("flush")), violated=True, **SEES_OLD
    ),
    "an IPI that is not deferred reaches a CPU in user mode": corner(
        TAIL,
        on_each_cpu("sync"),
        HEAD,
        cpu_program=(*GOES_OUT, flush("flush")),
        violated=False,
        **SEES_OLD,
    ),
    "a CPU that is never in user mode takes what is deferred": corner(
        *DEFERS, cpu_program=(RUNS,), violated=False, **SEES_OLD
    ),
    "a flush is for what was deferred alone": corner(
        TAIL, HEAD, cpu_program=(*GOES_OUT, flush("flush")), violated=True, **SEES_OLD
    ),
    "a patcher sets the copies of all CPUs": corner(
        store("set", EACH, 1),
        wait_until("all are set", EACH, 1),
        TEAR,
        violated=True,
        cells=(EACH,),
    ),
    "a patcher adds to the copies of all CPUs": corner(
        store("set", EACH, 1),
        add("add", EACH),
        wait_until("all are two", EACH, 2),
        TEAR,
        violated=True,
        cells=(EACH,),
    ),
    "a patcher counts what another waits for": corner(
        add("count", COUNT),
        other=(wait_until("is one", COUNT, 1), TEAR),
        violated=True,
        cells=(COUNT,),
    ),
    "a CPU goes back in no chunk": corner(
        write("new", SITE, SITE.new, order="single"),
        site=replace(SITE, old_runs=runs(2), new_runs=runs(1, 1)),
        violated=False,
        run=Configuration(1, "per-chunk", chunk=2),
    ),
}
"""For each rule, what would be otherwise without it."""

each_corner = pytest.mark.parametrize("one", CORNERS.values(), ids=CORNERS)


@each_corner
def test_the_machine_keeps_the_rule(one: Corner) -> None:
    """By what the rule says, and by the naive machine, which shares nothing."""
    assert assert_same(one.protocol, one.run, 20_000)
    if one.property == FINISHES:
        found = deadlocks(one.protocol, one.run)
    else:
        run = replace(one.run, properties=(one.property,))
        system = System(Machine(one.protocol, run))
        found = REFERENCE.explore(system, Request(beyond_violations=True)).found
    assert (one.property in found) is one.violated


BY_AXIOMS = (
    "weak stores to two bytes do not",
    "what was not cleaned is not dropped",
    "what is dropped after the sync does not count",
    "what is dropped before the sync counts",
    "pending IPIs are taken together",
    "an IPI may be sent while another is pending",
    "an IPI may be sent when another was taken",
    "an IPI may be sent when one of a later patcher was taken",
    "a stopped CPU goes on",
    "a CPU fetches before it is stopped",
    "arm64: a no-op may become a branch",
    "arm64: no other instruction may",
    "a patcher waits for its own IPIs alone",
    "a patcher counts what another waits for",
    "a deferred IPI leaves a CPU in user mode alone",
    "a CPU flushes what was deferred",
    "a CPU flushes what was deferred before it runs the site alone",
    "an IPI that is not deferred reaches a CPU in user mode",
    "a CPU that is never in user mode takes what is deferred",
    "a flush is for what was deferred alone",
    "a stop waits for all to leave the last one",
    "a trap may come onto the first byte alone",
    "a long trap may come onto the first bytes alone",
    "a patcher's CPU fetches with interrupts on alone",
    "a handler is not interrupted",
    "a CPU goes back in no chunk",
)


@pytest.mark.parametrize("name", BY_AXIOMS)
def test_the_axioms_keep_the_rule(name: str) -> None:
    """An order of events, without states."""
    one = CORNERS[name]
    assert (one.property in violated(one.protocol, one.run)) is one.violated


def test_many_but_one_may_be_many() -> None:
    """Sound for any number of CPUs: three less one is not one, though a counter of many is."""
    for sign in (1, -1):
        program = (
            add("three", COUNT, 3 * sign),
            add("less one", COUNT, -sign),
            when(is_equal("one?", COUNT, sign), otherwise=(TEAR,)),
        )
        protocol = corner(*program, violated=True, cells=(COUNT,)).protocol
        watched = tuple(name for name in EVERY_PROPERTY if name not in LIVENESS)
        run = Configuration(1, "coherent", properties=watched)
        assert TORN in not_excluded(Subject(protocol, run))


@pytest.mark.parametrize(
    ("steps", "asked"),
    [((1,), 1), ((-1,), -1), ((1, -1), 0), ((-1, 1), 0)],
    ids=["one", "minus one", "up and down", "down and up"],
)
def test_few_are_counted(steps: tuple[int, ...], asked: int) -> None:
    """Precise enough for proofs: what is less than many is what it is."""
    program = (
        *(add(f"add {number}", COUNT, amount) for number, amount in enumerate(steps)),
        when(is_equal("right?", COUNT, asked), otherwise=(TEAR,)),
    )
    protocol = corner(*program, violated=False, cells=(COUNT,)).protocol
    assert TORN not in not_excluded(Subject(protocol, Configuration(1, "coherent")))
