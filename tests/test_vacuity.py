"""What a verdict may be silent about: steps never taken, properties that could not fail."""

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    iret,
    lookup,
    on_each_cpu,
    runs,
    stop_machine,
    store,
    wait_until,
    write,
)
from modelcheck.protocol.program import Element
from modelcheck.questions.check import Overrides, check, jobs
from tests.protocols import watching

POKE = Cell("poke")
SITE = Site("s", b"\x90\x90", b"\xc3\xc3")
HANDLER = Handler(b"\xcc", (lookup("find", POKE), iret("iret")))


def protocol(*program: Element, properties: tuple[str, ...]) -> Protocol:
    """A program on one site, with a handler that finds its data."""
    return Protocol("p", (SITE,), program, HANDLER, (POKE,), properties)


def findings(one: Protocol) -> tuple[str, ...]:
    """What a check says that the verdict is silent about."""
    (job,) = jobs((Suite(one, cpus=1, fetch=("per-chunk",)),), Overrides())
    return check(job, spec="p.py").vacuous


PATCH = (store("publish", POKE, "s"), write("trap", SITE, b"\xcc"), on_each_cpu("sync"))


def test_a_verdict_that_says_what_it_seems_to_has_no_findings() -> None:
    """A property that could have failed, and steps that were all taken."""
    assert findings(protocol(*PATCH, properties=("no-unhandled-trap",))) == ()


def test_no_trap_was_taken() -> None:
    """Safe because nothing happened is told apart from safe."""
    quiet = protocol(PATCH[0], properties=("no-unhandled-trap", "no-torn-instruction"))
    assert findings(quiet) == (
        "never taken: find, iret",
        "no trap was ever taken, so no-unhandled-trap could not have failed",
    )


def test_steps_behind_one_that_waits_for_ever_are_never_taken() -> None:
    """What never runs is named, with the step that it waits for."""
    stuck = protocol(*PATCH, wait_until("wait", POKE, 7), properties=("no-torn-instruction",))
    behind = stuck.inserted(store("retire", POKE, None), after="wait")
    assert findings(behind) == ("never taken: wait, retire",)


def test_a_wait_whose_guard_never_holds_is_not_taken() -> None:
    """To have been asked is not to have been taken."""
    patch = protocol(*PATCH, stop_machine("stop"), properties=("no-unhandled-trap",))
    nobody_stops = patch.without("stop/stop")
    assert findings(nobody_stops) == ("never taken: stop/stopped, stop/release",)


def test_nobody_inside_a_region_that_is_left_alone() -> None:
    """No CPU between two instructions: nothing could have torn there."""
    region = Site("s", b"\x90\x90", b"\xc3\xc3", old_runs=runs(2), new_runs=runs(1, 1))
    idle = watching(Protocol("p", (region,), ()), "no-torn-sequence")
    assert findings(idle) == (
        "no CPU was ever inside a region, so no-torn-sequence could not have failed",
    )
