"""The axiomatic check, held against the explorers."""

from dataclasses import replace
from typing import Any

import pytest
import z3
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from modelcheck import (
    Cell,
    Handler,
    Patcher,
    Protocol,
    Site,
    SpecError,
    add,
    caches_clean_inval_pou,
    dc_cvau,
    emulate,
    enter_user,
    execute,
    fence,
    flush,
    ic_ivau,
    increment_unless_zero,
    iret,
    irq_off,
    irq_on,
    is_equal,
    leave_user,
    lock,
    lookup,
    on_each_cpu,
    pause,
    runs,
    send_ipi,
    skip,
    stop_machine,
    store,
    sync_core,
    synchronize_rcu,
    synchronize_rcu_tasks,
    unlock,
    wait_acks,
    wait_until,
    when,
    write,
)
from modelcheck.arch.architecture import Stores
from modelcheck.axiomatic.axioms import Axioms
from modelcheck.axiomatic.cases import cases
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.verdict import DECIDED, possible, violated
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Request
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.memory import LINE
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.program import Element, Step
from modelcheck.protocol.properties import TORN
from modelcheck.protocol.suite import Semantics
from tests.checks import TooBigError, by_last, walk
from tests.protocols import (
    FETCH,
    INT3,
    ORDERS,
    SPECS,
    minimal,
    on_other_cpus,
    random_configurations,
    random_protocols,
    three_byte_variants,
)

REFUSED = (
    "user_breakpoint",
    "user_fex_backpatch",
    "x86_ftrace_nmi",
    "x86_paravirt_self",
    "x86_uprobe_prepare",
)
"""Specs that the axioms refuse by name: NMIs, a patcher that runs sites, traps as forms."""

SHIPPED = {
    f"{path.stem}/{suite.protocol.name}/{variant.name}": variant
    for path in sorted(SPECS.glob("*.py"))
    if path.stem not in REFUSED
    for suite in load_suites(path)
    for variant in suite
}
LARGE = ("x86_uprobe_nop10/optimise/no-sync-1",)
"""Whose states behind a violation are too many for a quick look."""

THREE = three_byte_variants()
FEW = ("base", "no-sync-1", "no-sync-2", "single-store", "tail-any-order")


def why_not_covered(protocol: Protocol) -> str:
    """The reason why the axioms refuse a protocol, or nothing."""
    try:
        for site in protocol.sites:
            list(cases(protocol, site))
    except NotCoveredError as error:
        return str(error)
    return ""


def explored(protocol: Protocol, configuration: Configuration) -> frozenset[str]:
    """The properties that a search finds violated, of those that the axioms decide."""
    run = replace(configuration, properties=DECIDED)
    return REFERENCE.explore(System(Machine(protocol, run)), Request(beyond_violations=True)).found


def assert_agrees(protocol: Protocol, configuration: Configuration) -> None:
    """The axioms violate what a search violates."""
    assert violated(protocol, configuration) == explored(protocol, configuration), configuration


def test_every_shipped_variant_is_covered() -> None:
    """No shipped protocol falls back to a search because the axioms lack one of its steps."""
    assert {name: why for name, v in SHIPPED.items() if (why := why_not_covered(v.protocol))} == {}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in SHIPPED],
)
def test_shipped_variants(name: str) -> None:
    """Differential: tears found without a state space are those that a search finds."""
    assert_agrees(on_other_cpus(SHIPPED[name].protocol), Configuration(1, "per-chunk"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_variants_under_every_fetch_model(name: str) -> None:
    """Each fetch rule has its own axiom; with the patcher's CPU, and with two others."""
    for fetch in FETCH:
        for cpus in (1, 2):
            assert_agrees(SHIPPED[name].protocol, Configuration(cpus, fetch))


@pytest.mark.parametrize("name", FEW)
def test_chunks_and_offsets(name: str) -> None:
    """A chunk is read at one time: whole, across its boundary, and across a line's."""
    for fetch in ("coherent", "per-chunk", "strict"):
        for chunk, offset in ((2, 0), (2, LINE - 1), (4, 2), (8, LINE - 1), (8, 0)):
            assert_agrees(on_other_cpus(THREE[name]), Configuration(1, fetch, chunk, offset))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_variants_at_every_chunk_and_offset(name: str) -> None:
    """The same for all of them, against both semantics where bytes are read one by one."""
    semantics: tuple[Semantics, ...] = ("windowed", "bytewise")
    for fetch in FETCH:
        for chunk in (1, 2, 4, 8):
            for offset in (0, 1, 4, LINE - 4, LINE - 1):
                for how in semantics if chunk == 1 else semantics[:1]:
                    configuration = Configuration(1, fetch, chunk, offset, how)
                    assert_agrees(on_other_cpus(SHIPPED[name].protocol), configuration)


@pytest.mark.parametrize("name", FEW)
def test_one_cpu_in_the_axioms_stands_for_two_in_the_machine(name: str) -> None:
    """CPUs do not change what others fetch, so that one of them is enough for the axioms."""
    for fetch in ("store-order", "strict"):
        assert_agrees(on_other_cpus(THREE[name]), Configuration(2, fetch))


random_runs = settings(
    deadline=None, derandomize=True, suppress_health_check=[*HealthCheck], max_examples=40
)


def assert_agrees_on_small(protocol: Protocol, configuration: Configuration) -> None:
    """The same, unless the state space is large."""
    try:
        run = replace(configuration, properties=DECIDED)
        found = walk(protocol, run, at_most=20_000).survey.found
    except TooBigError:
        reject()
    assert violated(protocol, configuration) == found


@random_runs
@given(random_protocols(), random_configurations())
def test_random_protocols(protocol: Protocol, configuration: Configuration) -> None:
    """Differential, on programs and handlers that nobody would write."""
    assert_agrees_on_small(protocol, configuration)


@random_runs
@given(random_protocols(trap=b"\xcd\x03"), random_configurations())
def test_random_protocols_with_a_trap_of_two_bytes(
    protocol: Protocol, configuration: Configuration
) -> None:
    """A trap of several bytes can itself be torn."""
    assert_agrees_on_small(protocol, configuration)


# Stores that are weak, caches that are not coherent, and CPUs that are stopped.

ARM_B, ARM_NOP = bytes.fromhex("01 00 00 14"), bytes.fromhex("1f 20 03 d5")
ARM_ADD, ARM_MOV = bytes.fromhex("00 04 00 91"), bytes.fromhex("e0 03 01 aa")
ARM = (ARM_B, ARM_NOP, ARM_ADD, ARM_MOV)


@st.composite
def random_weak_protocols(draw: st.DrawFn) -> Protocol:
    """Programs with barriers, cache maintenance and stopped CPUs."""
    arm = draw(st.booleans())
    old, new = b"\x10\x11\x12", b"\x20\x21\x22"
    if arm:
        old, new = draw(st.sampled_from(ARM)), draw(st.sampled_from(ARM))
    site = Site("foo", old, new)
    single = arm and draw(st.booleans())

    def write_some(label: str) -> Element:
        begin = 0 if single else draw(st.integers(0, len(site) - 1))
        end = len(site) if single else draw(st.integers(begin + 1, len(site)))
        data = draw(st.sampled_from((site.new, site.new, site.old, INT3 + site.old[1:])))
        order = "single" if single else draw(st.sampled_from(ORDERS))
        return write(label, site, data[begin:end], at=begin, order=order)

    program: list[Element] = []
    for number in range(draw(st.integers(1, 5))):
        label = str(number)
        kind = draw(st.integers(0, 9))
        match kind:
            case 0:
                program.append(fence(label))
            case 1:
                program.append(on_each_cpu(label, synchronises=draw(st.booleans())))
            case 2:
                program.append(send_ipi(label))
            case 3:
                program.append(wait_acks(label))
            case 4:
                program.append(caches_clean_inval_pou(label))
            case 5:
                program.append(draw(st.sampled_from((dc_cvau, ic_ivau)))(label))
            case 6:
                steps = (write_some("inside"), on_each_cpu("ipi"))[: draw(st.integers(0, 2))]
                program.append(stop_machine(label, *steps, synchronises=draw(st.booleans())))
            case _:
                program.append(write_some(label))
    stores: tuple[Stores, ...] = ("in-order", "weak")
    return Protocol(
        "random",
        (site,),
        tuple(program),
        handler=draw(st.sampled_from((None, Handler(INT3, (iret("iret"),))))),
        arch="arm64" if arm else "x86-64",
        stores=draw(st.sampled_from(stores)),
        coherent_icache=draw(st.booleans()),
        patcher_executes=draw(st.booleans()),
    )


@settings(random_runs, max_examples=80)
@given(random_weak_protocols(), random_configurations())
def test_random_protocols_of_weaker_machines(
    protocol: Protocol, configuration: Configuration
) -> None:
    """Weak stores, caches that are not coherent, and stopped CPUs, alone and together."""
    try:
        assert_agrees_on_small(protocol, configuration)
    except NotCoveredError as error:
        pieces = protocol.arch == "arm64" and configuration.fetch == "strict"
        if not pieces or "in pieces" not in str(error):
            raise


# Regions of several instructions, between which a CPU may be interrupted.


@st.composite
def random_regions(draw: st.DrawFn) -> Protocol:
    """A site of several instructions, written and synchronised in pieces."""
    lengths = st.sampled_from(((1, 1, 1), (1, 2), (2, 1), (3,)))
    old_runs, new_runs = draw(lengths), draw(lengths)
    new = draw(st.sampled_from((b"\x20\x21\x22", b"\x20\x11\x22", b"\x10\x21\x22")))
    try:
        site = Site(
            "foo",
            b"\x10\x11\x12",
            new,
            old_runs=runs(*old_runs),
            new_runs=runs(*new_runs),
            entries=draw(st.sampled_from(((0,), (0,), (0, 1)))),
        )
    except SpecError:
        reject()  # One instruction is the beginning of another.
    program: list[Element] = []
    for number in range(draw(st.integers(1, 5))):
        label = str(number)
        begin = draw(st.integers(0, 2))
        text = draw(st.sampled_from((site.new, site.new, site.old)))
        change = write(label, site, text[begin:], at=begin, order=draw(st.sampled_from(ORDERS)))
        sync = draw(st.sampled_from((on_each_cpu, synchronize_rcu_tasks, synchronize_rcu)))
        stop = stop_machine(label, change, synchronises=draw(st.booleans()))
        program.append(draw(st.sampled_from((change, change, sync(label), sync(label), stop))))
    return Protocol(
        "random",
        (site,),
        tuple(program),
        coherent_icache=draw(st.booleans()),
        patcher_executes=draw(st.booleans()),
    )


@settings(random_runs, max_examples=80)
@given(random_regions(), random_configurations())
def test_random_regions(protocol: Protocol, configuration: Configuration) -> None:
    """A CPU may be interrupted between instructions, for as long as it likes."""
    assert_agrees_on_small(protocol, configuration)


@st.composite
def random_traps_in_regions(draw: st.DrawFn) -> Protocol:
    """A region with traps at any offset, whose handler asks for a cell, acts, and goes on."""
    protocol = draw(random_regions())
    (site,) = protocol.sites
    cell = Cell("cell", draw(st.sampled_from((0, 1))))
    changes = [
        write("trap", site, INT3, at=draw(st.integers(0, 2))),
        store("set", cell, draw(st.sampled_from((0, 1, 2)))),
        store("set again", cell, draw(st.sampled_from((0, 1)))),
        write("trap again", site, INT3, at=draw(st.integers(0, 2))),
    ]
    program = list(protocol.program)
    for change in changes[: draw(st.integers(1, 4))]:
        program.insert(draw(st.integers(0, len(program))), change)

    def act(label: str) -> tuple[Element, ...]:
        steps = (emulate(label, instruction="old"), emulate(label, instruction="new"), skip(label))
        return draw(st.sampled_from([(step,) for step in steps] + [()]))

    test = draw(st.sampled_from((is_equal("one?", cell, 1), lookup("any?", cell))))
    ask = when(test, *act("yes"), otherwise=act("no"))
    handler = Handler(
        INT3,
        (draw(st.sampled_from((ask, ask, *act("act")))), iret("iret", synchronises=draw(BOOL))),
        interrupts=draw(BOOL),
    )
    return replace(protocol, program=tuple(program), handler=handler, cells=(cell,))


BOOL = st.booleans()


@settings(random_runs, max_examples=80)
@given(random_traps_in_regions(), random_configurations())
def test_random_traps_in_regions(protocol: Protocol, configuration: Configuration) -> None:
    """A handler that acts by a cell may send the CPU on with either instruction."""
    assert_agrees_on_small(protocol, configuration)


# Several patchers, which share cells, locks and a mapping.


@st.composite
def random_patchers(draw: st.DrawFn) -> Protocol:
    """Two programs that share sites, cells, a lock and a mapping."""
    sites = (Site("foo", b"\x10\x11", b"\x20\x21"), Site("bar", b"\x10\x11", b"\x20\x21", 9))
    mutex, cell, mapping = Cell("mutex", 0), Cell("cell", 0), Cell("map")

    def program(who: str) -> tuple[Element, ...]:
        steps: list[Element] = []
        for number in range(draw(st.integers(1, 3))):
            label = f"{who}{number}"
            site = draw(st.sampled_from(sites[: draw(st.integers(1, 2))]))
            begin = draw(st.integers(0, 1))
            through = draw(st.sampled_from((None, None, mapping)))
            data = draw(st.sampled_from((site.new, site.new, site.old)))[begin:]
            order = draw(st.sampled_from(ORDERS))
            change = write(label, site, data, at=begin, order=order, through=through)
            test = draw(
                st.sampled_from(
                    (is_equal(f"{label}?", cell, 1), increment_unless_zero(f"{label}+", cell))
                )
            )
            kinds: tuple[Element, ...] = (
                change,
                change,
                change,
                store(label, cell, draw(st.sampled_from((0, 1)))),
                store(label, mapping, draw(st.sampled_from(("foo", "bar", None)))),
                add(label, cell, draw(st.sampled_from((1, -1)))),
                wait_until(label, cell, draw(st.sampled_from((0, 1)))),
                when(test, change),
                on_each_cpu(label, synchronises=draw(BOOL)),
                send_ipi(label, synchronises=draw(BOOL)),
            )
            steps.append(draw(st.sampled_from(kinds)))
        if draw(BOOL):
            steps = [lock(f"{who} lock", mutex), *steps, unlock(f"{who} unlock", mutex)]
        return tuple(steps)

    return Protocol(
        "random",
        sites,
        program("a"),
        patchers=(Patcher("other", program("b")),),
        handler=draw(st.sampled_from((None, Handler(INT3, (iret("iret"),))))),
        cells=(mutex, cell, mapping),
        patcher_executes=False,
    )


@settings(random_runs, max_examples=80)
@given(random_patchers(), random_configurations())
def test_random_patchers(protocol: Protocol, configuration: Configuration) -> None:
    """Several programs have no common order but by the cells and locks that they share."""
    assert_agrees_on_small(protocol, configuration)


# CPUs that run a program, and a patcher that is interrupted only now and then.


@st.composite
def random_programs_of_cpus(draw: st.DrawFn) -> Protocol:
    """CPUs that leave and enter the kernel, and a patcher with interrupts off."""
    protocol = draw(st.one_of(random_regions(), random_traps_in_regions(), random_weak_protocols()))
    assume(protocol.stores == "in-order")
    program = list(protocol.program)
    for number in range(draw(st.integers(0, 4))):
        label = f"own {number}"
        step = draw(
            st.sampled_from(
                (
                    irq_off(label),
                    irq_on(label),
                    sync_core(label),
                    on_each_cpu(label, deferred=True),
                    on_each_cpu(label, deferred=True),
                    send_ipi(label, deferred=True),
                )
            )
        )
        program.insert(draw(st.integers(0, len(program))), step)
    (site,) = protocol.sites
    runs_it, user, kernel = execute("run", site), enter_user("exit"), leave_user("entry")
    cpu_program = draw(
        st.sampled_from(
            (
                (pause("elsewhere"),),
                (runs_it,),
                (runs_it, user, kernel),
                (runs_it, user, kernel, flush("flush")),
                (user, kernel, flush("flush"), runs_it),
                (user, kernel, runs_it, flush("flush")),
                (user, kernel, runs_it, flush("flush"), execute("again", site)),
            )
        )
    )
    return replace(
        protocol,
        program=tuple(program),
        cpu_program=cpu_program,
        patcher_executes=draw(BOOL),
    )


@settings(random_runs, max_examples=80)
@given(random_programs_of_cpus(), random_configurations())
def test_random_programs_of_cpus(protocol: Protocol, configuration: Configuration) -> None:
    """User mode, deferred IPIs, and a patcher that is interrupted only now and then."""
    try:
        assert_agrees_on_small(protocol, configuration)
    except NotCoveredError as error:
        if "in pieces" not in str(error):
            raise


# What the axioms leave out.

CELL = Cell("cell", 0)
SITE = Site("foo", b"\x10\x11", b"\x20\x21")
TEAR = write("new", SITE, SITE.new)


def told(*program: Element, **others: object) -> frozenset[str]:
    """What the axioms say of a program, with a handler that changes a cell."""
    handler = Handler(INT3, (add("add", CELL), iret("iret")))
    protocol = Protocol("p", (SITE,), program, handler, (CELL,), **others)  # type: ignore[arg-type]
    return violated(protocol, Configuration(1, "coherent"))


OTHERS = {"patchers": (Patcher("other", (TEAR,)),)}
CPUS = {"cpu_program": (execute("run", SITE),)}


@by_last(
    ("program", "others", "why"),
    [
        ((TEAR,), {**OTHERS, "stores": "weak"}, "several patchers, whose stores are weak"),
        ((TEAR,), {**OTHERS, "coherent_icache": False}, "several patchers, of caches"),
        ((stop_machine("stop"),), OTHERS, "several patchers, one of which stops the CPUs"),
        ((TEAR,), {**OTHERS, **CPUS}, "several patchers, and a program that CPUs run"),
        ((TEAR,), {**CPUS, "stores": "weak"}, "a program that CPUs run, and weak stores"),
        (
            (TEAR,),
            {"cpu_program": (sync_core("sync"),)},
            "a CPU's program: the axioms do not cover Refresh, used by step 'sync'",
        ),
        (
            (TEAR,),
            {"cpu_program": (leave_user("in"), enter_user("out"), execute("run", SITE))},
            "in user mode, at 'run'",
        ),
        (
            (write("w", SITE, b"\x20", through=CELL),),
            {"stores": "weak"},
            "a write through a shared mapping, and weak stores",
        ),
        ((when(is_equal("zero?", CELL, 0), TEAR),), {}, "asks for 'cell', which trap handlers"),
        ((when(increment_unless_zero("get", CELL), TEAR),), {}, "asks for 'cell'"),
        ((wait_until("wait", CELL, 1), TEAR), {}, "waits for 'cell', which trap handlers change"),
    ],
)
def test_the_reason_why_a_protocol_is_not_covered(
    program: tuple[Element, ...], others: dict[str, object], why: str
) -> None:
    """What the axioms do not know they refuse by name; nothing is passed over."""
    with pytest.raises(NotCoveredError, match=why):
        told(*program, **others)


@by_last(
    ("step", "others", "why"),
    [
        (add("put", CELL), {}, "step 'put' does more than to ask and to act"),
        (lookup("find", CELL, search=True), {}, "searches at step 'find'"),
        (lookup("find", CELL), {"stores": "weak"}, "whose handler's data come by weak stores"),
    ],
)
def test_the_reason_why_a_handler_in_a_region_is_not_covered(
    step: Step, others: dict[str, Any], why: str
) -> None:
    """A handler that does more than ask and act is refused with its step."""
    site = replace(SITE, old_runs=runs(1, 1))
    handler = Handler(INT3, (step, iret("iret")))
    protocol = Protocol("p", (site,), (write("trap", site, INT3),), handler, (CELL,), **others)
    with pytest.raises(NotCoveredError, match=why):
        violated(protocol, Configuration(1))


def test_the_newest_is_fetched_from_the_first_instruction_of_an_interrupt_on() -> None:
    """The patcher's CPU, whose program stands still, finds the branch that its program wrote."""
    site = Site(
        "words",
        b"\x10\x11",
        b"\x20\x21",
        old_runs=((1, 1), (0, 1)),
        new_runs=((1, 1),),
        entries=(1,),
    )
    program = (write("branch", site, b"\x21", at=1), write("word", site, b"\x20"))
    alone = Protocol("alone", (site,), program, cpu_program=(pause("idle"),))
    assert_agrees(alone, Configuration(1, "coherent"))
    assert violated(alone, Configuration(1, "coherent")) == frozenset()
    assert violated(alone, Configuration(1, "per-chunk")) == {"no-torn-instruction"}


LOCK = Cell("lock", 0)


@pytest.mark.parametrize(
    ("program", "tears"),
    [
        ((TEAR,), True),
        ((lock("take", LOCK), TEAR, unlock("release", LOCK)), True),
        ((lock("take", LOCK), lock("again", LOCK), TEAR), False),
        ((wait_until("never", CELL, 1), TEAR), False),
        ((store("one", CELL, 1), wait_until("at once", CELL, 1), TEAR), True),
        ((add("one", CELL), when(is_equal("one?", CELL, 1), TEAR)), True),
        ((when(is_equal("one?", CELL, 1), TEAR),), False),
        ((when(increment_unless_zero("get", CELL), TEAR),), False),
    ],
    ids=[
        "alone",
        "in a lock",
        "lock taken twice",
        "waits for ever",
        "waits for its own store",
        "asks for its own store",
        "asks in vain",
        "counts from zero",
    ],
)
def test_a_program_is_followed_as_far_as_it_goes(program: tuple[Element, ...], tears: bool) -> None:
    """What stands behind a wait that never ends, or a lock taken twice, is not done."""
    protocol = Protocol("p", (SITE,), program, None, (CELL, LOCK))
    configuration = Configuration(1, "coherent")
    assert violated(protocol, configuration) == ({TORN} if tears else frozenset())
    assert_agrees(protocol, configuration)


def test_the_axioms_can_always_be_met() -> None:
    """Not vacuous: axioms that exclude every run would call every protocol safe."""
    for name in (name for name in SHIPPED if name.endswith("/base")):
        protocol = SHIPPED[name].protocol
        for site in protocol.sites:
            # Not all ways through several programs, and to an instruction, are possible.
            met = False
            for case in cases(protocol, site):
                system = Axioms(protocol, Configuration(1, "per-chunk"), site, case=case)
                solver = z3.Solver()
                solver.add(*system.named.values(), *system.has.values())
                met = met or any(
                    possible(solver, system.begins_with(data)) for data in system.known()
                )
            assert met, name


@pytest.mark.parametrize("kind", ["waited for", "discards", "before", "ascending fetch"])
def test_each_axiom_counts(kind: str) -> None:
    """Without any one kind of axiom the tear is back: none is implied by the others."""
    # Where bytes are fetched in ascending order, sync 2 is not needed.
    protocol = minimal().without("sync-2")
    system = Axioms(protocol, Configuration(1, "coherent"), protocol.sites[0])
    solver = z3.Solver()
    solver.add(*system.has.values(), system.is_torn())
    solver.add(*(rule for axiom, rule in system.named.items() if axiom.kind != kind))
    assert possible(solver)
    solver.add(*system.named.values())
    assert not possible(solver)
