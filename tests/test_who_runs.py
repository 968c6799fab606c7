"""Those who run the code, and what they do besides: callees by form, writes by whoever runs it,
NMIs, patchers that run what they patch, probes whose trap is a form.

The shipped specs have the real bugs; here is the smallest input for each rule.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from modelcheck import (
    Callee,
    Cell,
    Element,
    Handler,
    Protocol,
    Site,
    SpecError,
    Suite,
    Variant,
    add,
    add_and_test,
    compare_and_swap,
    emulate,
    execute,
    iret,
    irq_off,
    irq_on,
    is_code,
    is_equal,
    is_greater,
    lock,
    lookup,
    not_ours,
    on_each_cpu,
    pause,
    ret,
    stop_machine,
    store,
    sync_core,
    synchronize_rcu_tasks,
    unlock,
    wait_until,
    when,
    write,
)
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.verdict import violated as violated_by_axioms
from modelcheck.certificate.certify import certify_text
from modelcheck.explore.system import System
from modelcheck.export.languages import LANGUAGES
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.machine.state import Local, Shared
from modelcheck.naive import certifier
from modelcheck.naive.walk import walk as naive_walk
from modelcheck.protocol.actions import Instruction, Order
from modelcheck.protocol.instructions import check_instructions
from modelcheck.protocol.program import Step
from modelcheck.questions.check import Job
from modelcheck.questions.prove import prove
from modelcheck.trace.converter import converter
from modelcheck.trace.run import Run
from tests.checks import walk
from tests.protocols import EVERY_PROPERTY
from tests.test_naive import assert_same

INT3 = b"\xcc"
CALL, OTHER_CALL = bytes.fromhex("ff d0"), bytes.fromhex("ff d1")
NOP = bytes.fromhex("66 90")


def found(protocol: Protocol, fetch: str = "coherent") -> frozenset[str]:
    """All that one CPU can violate; the naive machine is asked too."""
    run = Configuration(1, fetch, properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    return frozenset(walk(protocol, run, 5_000).survey.found)


TRACER = Cell("tracer", "on")
WAIT = (on_each_cpu("sync"), synchronize_rcu_tasks("grace"))
CALLEE = (lookup("call *tracer", TRACER), ret("ret"))


def exchanged(old: bytes, new: bytes, **parts: object) -> Protocol:
    """One instruction becomes another by a single store, and then what it led to is withdrawn."""
    site = Site("f", old, new)
    return Protocol(
        "exchanged",
        (site,),
        (write("patch", site, new, order="single"), store("off", TRACER, None)),
        cells=(TRACER,),
        patcher_executes=False,
        **{"callee": CALLEE, **parts},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("old", "new", "violated"),
    [
        (NOP, CALL, True),
        (CALL, NOP, True),
        (CALL, OTHER_CALL, True),
        (NOP, bytes.fromhex("89 c0"), False),
    ],
    ids=["the new form calls", "the old form calls", "both call", "none calls"],
)
def test_a_call_leads_to_the_callee_and_nothing_else_does(
    old: bytes, new: bytes, violated: bool
) -> None:
    """Whichever form the instruction is of: what it does counts, and not whether it is new."""
    assert ("no-unhandled-trap" in found(exchanged(old, new))) is violated


def test_who_ran_the_nop_enters_no_callee() -> None:
    """A call becomes a nop; behind a grace period nobody comes to what it led to."""
    disable = exchanged(CALL, NOP)
    waited = disable.inserted(*WAIT, before="off")
    assert "no-unhandled-trap" in found(disable)
    assert "no-unhandled-trap" not in found(waited)


@pytest.mark.parametrize(("form", "violated"), [("old", False), ("new", True)], ids=["old", "new"])
def test_a_callee_is_of_one_form(form: str, violated: bool) -> None:
    """Both forms call. Behind the grace period nobody is where the old one led to."""
    callees = (Callee("tracer", CALLEE, form=form), Callee("other", (ret("return"),)))
    protocol = replace(exchanged(CALL, OTHER_CALL), callee=(), callees=callees)
    waited = protocol.inserted(*WAIT, before="off")
    assert ("no-unhandled-trap" in found(waited)) is violated


def test_a_callee_is_of_one_site() -> None:
    """Of two sites that call, one leads to what is withdrawn."""
    one, other = Site("one", CALL, NOP, 0), Site("other", NOP, CALL, 8)
    protocol = replace(
        exchanged(CALL, NOP), sites=(one, other), program=(store("off", TRACER, None),), callee=()
    )
    for name, violated in (("one", True), ("other", False)):
        callees = (Callee("tracer", CALLEE, site=name),)
        assert ("no-unhandled-trap" in found(replace(protocol, callees=callees))) is violated


@pytest.mark.parametrize(
    ("instruction", "violated"), [("new", True), ("old", False)], ids=["call", "no call"]
)
def test_a_handler_that_acts_as_a_call_leads_to_the_callee(
    instruction: Instruction, violated: bool
) -> None:
    """Nobody ever fetches the call: there is the trap, and it stays."""
    handler = Handler(INT3, (emulate("act", instruction=instruction), iret("iret")))
    protocol = exchanged(NOP, CALL, handler=handler)
    trapped = protocol.replaced("patch", write("trap", protocol.sites[0], INT3))
    assert ("no-unhandled-trap" in found(trapped)) is violated


def test_a_callee_that_nothing_calls_is_refused() -> None:
    """With its line, when the file is loaded."""
    with pytest.raises(SpecError, match="the callee is never called: no instruction of a form"):
        check_instructions(Suite(exchanged(NOP, bytes.fromhex("89 c0"))))


def test_a_call_that_both_forms_share_has_one_callee() -> None:
    """No CPU tells which of the two it has run."""
    callees = (Callee("one", CALLEE, form="old"), Callee("two", CALLEE, form="new"))
    with pytest.raises(SpecError, match="is of several forms"):
        exchanged(CALL, CALL, callee=(), callees=callees)


@pytest.mark.parametrize(
    ("callee", "said"),
    [
        (Callee("one", CALLEE, site="g"), "callee 'one': no site named 'g'"),
        (Callee("one", CALLEE, form="odd"), "callee 'one': no form named 'odd'"),
        (Callee("one", CALLEE[:1]), "the callee 'one' must end with a Return"),
    ],
    ids=["site", "form", "no return"],
)
def test_a_callee_that_does_not_fit_is_refused(callee: Callee, said: str) -> None:
    """Each fault by name."""
    with pytest.raises(SpecError, match=said):
        exchanged(NOP, CALL, callees=(callee,))


def test_steps_of_a_callee_are_edited_by_its_name() -> None:
    """As those of a patcher are."""
    protocol = exchanged(NOP, CALL, callee=(), callees=(Callee("tracer", CALLEE),))
    assert "no-unhandled-trap" in found(protocol)
    assert "no-unhandled-trap" not in found(protocol.without("callee/tracer/call *tracer"))


# Those who run the code write it.

OLD, NEW = b"\x10\x11", b"\x20\x21"
SITE = Site("s", OLD, NEW)
TURN = Cell("turn", 0)
MUTEX = Cell("mutex", 0)


def linking(*steps: Element, order: Order = "single") -> Protocol:
    """Each CPU runs the code and then links it: nobody else patches."""
    link = write("link", SITE, NEW, order=order)
    return Protocol(
        "linking",
        (SITE,),
        (),
        cpu_program=(execute("run", SITE), *steps, link),
        patcher_executes=False,
    )


@pytest.mark.parametrize(
    ("order", "cpus", "violated"),
    [("single", 1, False), ("ascending", 1, False), ("ascending", 2, True)],
    ids=["one store", "two stores, alone", "two stores, and others"],
)
def test_a_cpu_links_the_code_that_it_ran(order: Order, cpus: int, violated: bool) -> None:
    """Lazy linking: while one CPU writes, it runs nothing, but another one does."""
    run = Configuration(cpus, "coherent", chunk=2, properties=EVERY_PROPERTY)
    protocol = linking(order=order)
    assert assert_same(protocol, run, 5_000)
    assert ("no-torn-instruction" in walk(protocol, run, 30_000).survey.found) is violated


def handling(*steps: Element, interrupts: bool = False, **parts: object) -> Protocol:
    """A trap is set, and its handler does something and returns."""
    handler = Handler(INT3, (*steps, iret("iret")), interrupts=interrupts)
    program = (write("trap", SITE, INT3), on_each_cpu("sync"), store("over", TURN, 1))
    return Protocol(
        "handling",
        (SITE,),
        program,
        handler=handler,
        cells=(TURN, MUTEX),
        patcher_executes=False,
        **parts,  # type: ignore[arg-type]
    )


TAIL, HEAD = write("tail", SITE, NEW[1:], at=1), write("head", SITE, NEW[:1])


@pytest.mark.parametrize(
    ("steps", "violated"),
    [
        ((write("patch", SITE, NEW, order="single"),), False),
        ((TAIL, HEAD), False),
        ((HEAD, TAIL), True),
    ],
    ids=["one store", "tail first", "head first"],
)
def test_a_handler_patches_what_it_was_entered_for(
    steps: tuple[Element, ...], violated: bool
) -> None:
    """Fault-driven patching: others run the code meanwhile, and trap until the head is there."""
    run = Configuration(2, "coherent", chunk=2, properties=EVERY_PROPERTY)
    protocol = handling(*steps)
    assert assert_same(protocol, run, 20_000)
    survey = walk(protocol, run, 30_000).survey
    assert {"old", "trap", "new"} <= {one.kind for one in survey.executed}
    assert ("no-torn-instruction" in survey.found) is violated


def test_a_handler_that_waits_with_interrupts_off_hangs_the_patcher() -> None:
    """It waits for what the patcher does behind its IPI; with interrupts on it ends."""
    wait = wait_until("until over", TURN, 1)
    assert "finishes" in finds_stuck(handling(wait))
    assert "finishes" not in finds_stuck(handling(wait, interrupts=True))
    assert "finishes" not in finds_stuck(handling(irq_on("sti"), wait, irq_off("cli")))
    assert "finishes" in finds_stuck(handling(irq_on("sti"), irq_off("cli"), wait))


def finds_stuck(protocol: Protocol) -> frozenset[str]:
    """All that the naive machine finds, which agrees, deadlocks included."""
    run = Configuration(1, "coherent", properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    found = naive_walk(converter.unstructure(protocol), converter.unstructure(run), 5_000)
    assert found is not None
    return found.violated


def test_a_handler_takes_a_lock_that_the_patcher_has() -> None:
    """The patcher waits for the IPI with the lock held, and the handler for the lock."""
    takes = handling(lock("lock", MUTEX), unlock("unlock", MUTEX))
    held = takes.inserted(lock("take", MUTEX), before="sync").inserted(
        unlock("give", MUTEX), after="sync"
    )
    assert "finishes" not in finds_stuck(takes)
    assert "finishes" in finds_stuck(held)


def test_what_a_handler_masks_ends_with_it() -> None:
    """A return brings back what was before: the CPU takes the IPI in its program again."""
    assert "finishes" not in finds_stuck(handling(irq_off("cli")))


def test_an_isb_in_the_callee_serialises() -> None:
    """What the CPU had fetched of the code before counts no more behind the call."""
    site = Site("f", NOP, CALL)
    protocol = Protocol(
        "stub",
        (site,),
        (write("patch", site, CALL, order="single"),),
        callee=(sync_core("isb"), ret("return")),
        patcher_executes=False,
    )
    run = Configuration(1, "incoherent", chunk=2, properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    assert "per-cpu-monotone" not in walk(protocol, run, 30_000).survey.found
    without = protocol.without("callee/isb")
    assert "per-cpu-monotone" in walk(without, run, 30_000).survey.found


@pytest.mark.parametrize(
    "protocol",
    [linking(), handling(write("patch", SITE, NEW)), handling(lock("lock", MUTEX))],
    ids=["a CPU writes", "a handler writes", "a handler waits"],
)
def test_the_axioms_refuse_by_name(protocol: Protocol) -> None:
    """They do not say what comes of it, and say so with the step."""
    with pytest.raises(NotCoveredError, match=r"link|patch|lock"):
        violated_by_axioms(protocol, Configuration(1, "coherent"))


# NMIs.


def with_nmis(*steps: Element, **parts: object) -> Protocol:
    """A write of two stores, and NMIs that run the site."""
    return Protocol(
        "nmis",
        (SITE,),
        steps,
        nmi=(execute("run", SITE),),
        cells=(TURN,),
        **{"patcher_executes": False, **parts},  # type: ignore[arg-type]
    )


PATCH = write("patch", SITE, NEW)
ELSEWHERE = (pause("elsewhere"),)


@pytest.mark.parametrize(
    "protocol",
    [
        with_nmis(stop_machine("stop", PATCH), cpu_program=ELSEWHERE),
        with_nmis(
            irq_off("cli"), PATCH, irq_on("sti"), cpu_program=ELSEWHERE, patcher_executes=True
        ),
    ],
    ids=["stopped", "interrupts off"],
)
def test_nothing_holds_an_nmi_up(protocol: Protocol) -> None:
    """Where no interrupt comes and nobody runs, an NMI runs what is half written."""
    run = Configuration(1, "coherent", chunk=2, properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    assert "no-torn-instruction" in walk(protocol, run, 5_000).survey.found
    calm = replace(protocol, nmi=())
    assert "no-torn-instruction" not in walk(calm, run, 5_000).survey.found


def test_an_nmi_comes_in_a_handler_and_traps_there_once_more() -> None:
    """The handler of the NMI's trap finds what the one that it has interrupted has set."""
    handler = Handler(
        INT3,
        (
            when(is_equal("inside?", TURN, 1), not_ours("twice")),
            store("enter", TURN, 1),
            store("leave", TURN, 0),
            iret("iret"),
        ),
    )
    protocol = with_nmis(write("trap", SITE, INT3), handler=handler)
    run = Configuration(1, "coherent", properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    assert "no-unhandled-trap" in walk(protocol, run, 5_000).survey.found
    assert "no-unhandled-trap" not in walk(replace(protocol, nmi=()), run, 5_000).survey.found


def test_a_return_from_an_nmi_serialises() -> None:
    """Behind one the CPU sees what the NMI has seen, and goes on with no older code."""
    protocol = with_nmis(write("patch", SITE, NEW, order="single"))
    machine = Machine(protocol, Configuration(1, "incoherent", chunk=2))
    shared, locals_ = machine.initial()
    (*_, role) = machine.roles
    patched = shared._replace(memory=machine.setup.layout.write(shared.memory, 0, 0, NEW))
    inside = next(
        move.local for move in machine.moves(role, patched, locals_[-1]) if move.label == "nmi"
    )
    assert inside.nmi is not None
    done = inside._replace(nmi=inside.nmi._replace(pc=1))
    (back,) = [m.local for m in machine.moves(role, patched, done) if m.label == "leave nmi"]
    assert inside.view != machine.setup.layout.newest(patched.memory) == back.view


def test_an_nmi_waits_for_nobody() -> None:
    """What it waits for may be what it has interrupted, so a spec cannot say it."""
    with pytest.raises(SpecError, match=r"'wait': WaitUntil is nothing for an NMI"):
        replace(with_nmis(PATCH), nmi=(wait_until("wait", TURN, 0),))


@pytest.mark.parametrize("refusal", ["axioms", "exports"])
def test_nmis_are_refused_by_name(refusal: str, tmp_path: Path) -> None:
    """By those who do not know them, with the step."""
    protocol, run = with_nmis(PATCH), Configuration(1, "coherent")
    if refusal == "axioms":
        with pytest.raises(NotCoveredError, match="'run'"):
            violated_by_axioms(protocol, run)
    else:
        with pytest.raises(SpecError, match="'run': exports do not know NMIs"):
            LANGUAGES["promela"].files(Machine(protocol, run), "nmis", tmp_path / "x.pml")


def test_a_certificate_with_nmis_and_callees_is_confirmed() -> None:
    """By its own checker and by the independent one, states in an NMI and in a callee included."""
    site = Site("f", NOP, CALL)
    protocol = Protocol(
        "certified",
        (site,),
        (stop_machine("stop", write("patch", site, CALL, order="single")),),
        callee=(pause("there"), ret("return")),
        nmi=(execute("run", site),),
        patcher_executes=False,
    )
    run = Configuration(1, "coherent", chunk=2, properties=("no-torn-instruction",))
    job = Job(Suite(protocol), Variant("base", protocol), run, "who runs")
    certificate = prove(job, spec="who runs").certificate
    assert certificate is not None
    assert certify_text(certificate).invariant.protocol == protocol
    assert certifier.certify(certificate).proved == ("no-torn-instruction",)


# Patchers that run what they patch.


def test_a_patcher_runs_in_its_program_what_it_has_half_written() -> None:
    """No interrupt is needed, and nobody else."""
    halves = (HEAD, execute("call it", SITE), TAIL)
    run = Configuration(1, "coherent", chunk=2, properties=EVERY_PROPERTY)
    for program, violated in ((halves, True), ((HEAD, TAIL, execute("call it", SITE)), False)):
        protocol = Protocol("self", (SITE,), program, cpu_program=ELSEWHERE, patcher_executes=False)
        assert assert_same(protocol, run, 5_000)
        survey = walk(protocol, run, 5_000).survey
        assert survey.executed
        assert ("no-torn-instruction" in survey.found) is violated


# The trap is a form of the site.

PUSH = b"\x55"
AS_IT_WAS = Handler(INT3, (emulate("step", instruction="old"), iret("iret")))


def probe(old: bytes, new: bytes, handler: Handler, *more: Element) -> Protocol:
    """A breakpoint is set, or removed."""
    site = Site("probed", old, new)
    program = (write("poke", site, new), on_each_cpu("sync"), *more)
    return Protocol("probe", (site,), program, handler=handler, patcher_executes=False)


@pytest.mark.parametrize(
    ("more", "violated"),
    [
        ((), set()),
        ((write("out", Site("probed", PUSH, INT3), PUSH),), {"per-cpu-monotone", "ends-as-new"}),
    ],
    ids=["armed", "taken out"],
)
def test_nobody_passes_an_armed_probe_without_trapping(
    more: tuple[Element, ...], violated: set[str]
) -> None:
    """To trap is to act as the new form, and what the handler acts as is a part of that."""
    names = {"per-cpu-monotone", "visible-after-return", "ends-as-new"}
    armed = probe(PUSH, INT3, AS_IT_WAS, *more)
    assert found(armed) & names >= violated
    assert more or not found(armed) & names


def test_a_removed_probe_traps_nobody_once_all_is_over() -> None:
    """The trap is the old form: without the sync a CPU may still trap, and that is too late."""
    acts = Handler(INT3, (emulate("step"), iret("iret")))
    removed = probe(INT3, PUSH, acts)
    run = Configuration(1, "store-order", properties=EVERY_PROPERTY)
    late = removed.without("sync")
    for protocol, violated in ((removed, False), (late, True)):
        assert assert_same(protocol, run, 5_000)
        survey = walk(protocol, run, 5_000).survey
        assert {"trap", "new"} <= {one.kind for one in survey.executed}
        assert ("visible-after-return" in survey.found) is violated


@pytest.mark.parametrize(
    ("site", "instruction", "said"),
    [
        (Site("f", PUSH, INT3), "new", "the new instruction of site 'f' is the trap itself"),
        (Site("f", b"\x66\x90", b"\xcc\x90"), "old", "say so: new_runs=runs\\(1\\)"),
    ],
    ids=["acts as the trap", "one instruction that begins with it"],
)
def test_a_trap_that_fits_nowhere_is_refused(
    site: Site, instruction: Instruction, said: str
) -> None:
    """By name, with the remedy."""
    handler = Handler(INT3, (emulate("act", instruction=instruction), iret("iret")))
    with pytest.raises(SpecError, match=said):
        Protocol("odd", (site,), (), handler=handler)


EBREAK, C_EBREAK = bytes.fromhex("73 00 10 00"), bytes.fromhex("02 90")
ADDI, ADDI_2 = bytes.fromhex("13 05 15 00"), bytes.fromhex("13 05 25 00")


@pytest.mark.parametrize("also", [(C_EBREAK,), ()], ids=["both traps", "one of them"])
@pytest.mark.parametrize("trap", [EBREAK, C_EBREAK], ids=["ebreak", "c.ebreak"])
def test_several_instructions_trap(trap: bytes, also: tuple[bytes, ...]) -> None:
    """A debugger that sets the short breakpoint, or the long one: both lead to the handler."""
    site = Site("f", ADDI, ADDI_2, 0x1000)
    handler = Handler(EBREAK, (emulate("act", instruction="old"), iret("sret")), also=also)
    protocol = Protocol(
        "traps",
        (site,),
        (write("trap", site, trap, order="single"),),
        handler=handler,
        arch="riscv64",
        patcher_executes=False,
    )
    check_instructions(Suite(protocol))
    run = Configuration(1, "coherent", chunk=4, properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    survey = walk(protocol, run, 5_000).survey
    served = trap in handler.traps
    assert ("trap" in {one.kind for one in survey.executed}) is served
    assert ("no-torn-instruction" in survey.found) is not served


def test_one_trap_is_not_how_another_begins() -> None:
    """No CPU would know which of the two it is to take."""
    with pytest.raises(SpecError, match="the trap cc 90 begins with the trap cc"):
        probe(PUSH, b"\x90", Handler(INT3, AS_IT_WAS.program, also=(b"\xcc\x90",)))


def test_code_is_looked_at_as_data() -> None:
    """What a CPU stored itself it reads at once, though it may fetch what was there before."""
    protocol = Protocol(
        "looking",
        (SITE,),
        (PATCH, when(is_code("new?", SITE, NEW), pause("yes"), otherwise=(HEAD,))),
        stores="weak",
        patcher_executes=False,
    )
    run = Configuration(1, "incoherent", chunk=2, properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    machine = Machine(protocol, run)
    labels = {
        move.label
        for state in reachable(System(machine))
        for move in machine.moves(machine.roles[0], *state)
    }
    assert "new?/yes" in labels
    assert "new?/head" not in labels


def reachable(system: System) -> list[tuple[Shared, Local]]:
    """Each shared part with the patcher's local part that occurs with it."""
    seen, todo = {system.initial()}, [system.initial()]
    while todo:
        for _, _, target in system.successors(todo.pop()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return [(system.shareds.values[one[0]], system.locals.values[one[1]]) for one in seen]


# Data.


COUNT = Cell("count", 2)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (is_greater("asks", COUNT, 1), "asks: count is 2"),
        (is_greater("asks", COUNT, 2), "asks: count is 2"),
        (add_and_test("asks", COUNT, -1, 1), "asks: count -= 1, count is 1"),
        (add_and_test("asks", COUNT, -1, 0), "asks: count -= 1, count is 1"),
        (compare_and_swap("asks", COUNT, 2, 5), "asks: count := 5"),
        (compare_and_swap("asks", COUNT, 0, 5), "asks: count is 2"),
    ],
    ids=["greater", "not greater", "the sum", "another sum", "swapped", "not swapped"],
)
def test_a_trace_tells_what_a_test_has_done(test: Step, told: str) -> None:
    """Also where it does not hold: what was added is added."""
    protocol = Protocol("data", (SITE,), (when(test, HEAD),), cells=(COUNT,))
    run = Run(Machine(protocol, Configuration(1, "coherent")))
    (move,) = [move for move in run.moves(0) if move.label == "asks"]
    step = run.take(0, move)
    assert f"{step.label}: {step.does}" == told


def test_a_trylock_is_had_by_one() -> None:
    """Each CPU that has it runs what nobody else may: a counter of who is inside tells."""
    inside = Cell("inside", 0)
    taken = (
        when(
            compare_and_swap("trylock", MUTEX, 0, 1),
            add("in", inside),
            when(is_greater("two?", inside, 1), execute("run", SITE)),
            add("out", inside, -1),
            store("free", MUTEX, 0),
        ),
    )
    protocol = Protocol(
        "trylock", (SITE,), (), cells=(MUTEX, inside), cpu_program=taken, patcher_executes=False
    )
    run = Configuration(2, "coherent", properties=EVERY_PROPERTY)
    assert assert_same(protocol, run, 5_000)
    assert not walk(protocol, run, 5_000).survey.executed
    raced = protocol.replaced("cpu/trylock", *taken[0].then[:3])
    assert walk(raced, run, 5_000).survey.executed


@pytest.mark.parametrize("cpus", [1, 2, 3])
def test_the_last_to_put_a_reference_frees(cpus: int) -> None:
    """atomic_dec_and_test: of all that have one, just one finds 0, and that for any number."""
    refs = Cell("refs", 0)
    protocol = Protocol(
        "refs",
        (SITE,),
        (when(add_and_test("put", refs, -1, 0), HEAD, otherwise=(write("none", SITE, b"\x33"),)),),
        cells=(replace(refs, initial=1),),
        cpu_program=(add("get", refs), add("drop", refs, -1), execute("run", SITE)),
        patcher_executes=False,
    )
    run = Configuration(cpus, "coherent", chunk=2, properties=("no-torn-instruction",))
    survey = walk(protocol, run, 50_000).survey
    assert {one.data for one in survey.executed} >= {b"\x33\x11", b"\x20\x11"}
