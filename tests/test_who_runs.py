"""Those who run the code, and what they do besides: callees by form.

The shipped specs have the real bugs; here is the smallest input for each rule.
"""

from dataclasses import replace

import pytest

from modelcheck import (
    Callee,
    Cell,
    Handler,
    Protocol,
    Site,
    SpecError,
    Suite,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    ret,
    store,
    synchronize_rcu_tasks,
    write,
)
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import Instruction
from modelcheck.protocol.instructions import check_instructions
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
