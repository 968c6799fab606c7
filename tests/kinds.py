"""What must know a kind of step, and whether it does: the list that nobody may overlook.

Each kind stands in a small protocol in which a run comes to it. `forgotten` names the places that
do not know the kind, or know it wrongly.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import modelcheck
from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    add,
    dmb,
    dsb,
    emulate,
    enter_user,
    execute,
    fence,
    flush,
    increment_unless_zero,
    iret,
    irq_off,
    irq_on,
    is_equal,
    leave_user,
    lock,
    lookup,
    not_ours,
    pause,
    ret,
    send_ipi,
    skip,
    stop_machine,
    store,
    sync_core,
    synchronize_rcu,
    unlock,
    use,
    wait_acks,
    wait_until,
    when,
    write,
)
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.verdict import violated
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import Verdict
from modelcheck.export.languages import LANGUAGES
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Element, Step, flatten
from modelcheck.protocol.properties import TORN
from modelcheck.protocol.vocabulary.program import (
    CleanDcache,
    InvalidateIcache,
    ReleaseCpus,
    StartGrace,
    StopCpus,
    WaitGrace,
    WaitStopped,
)
from modelcheck.trace.converter import converter
from modelcheck.trace.run import Run
from tests.random_protocols import generated_kinds

PAGE = Path(__file__).parent.parent / "docs" / "writing-a-spec.md"

SITE = Site("foo", b"\x90\x90", b"\x66\x90")
CALL = Site("foo", b"\x90\x90\x90\x90\x90", b"\xe8\x01\x02\x03\x04")
COUNT = Cell("count", 0)
ENTRY = Cell("entry", "foo")
INT3 = b"\xcc"
HEAD = write("head", SITE, b"\x66")
TRAP = write("trap", SITE, INT3)


def _patching(*steps: Element) -> Protocol:
    return Protocol("patching", (SITE,), (*steps, HEAD), cells=(COUNT, ENTRY))


def _handling(*steps: Element) -> Protocol:
    return Protocol("handling", (SITE,), (TRAP,), Handler(INT3, steps), (COUNT, ENTRY))


def _running(*steps: Element) -> Protocol:
    return replace(_patching(send_ipi("send", deferred=True)), cpu_program=steps)


FIND = lookup("find", ENTRY)
IRET = iret("iret")

IN_AND_OUT = (enter_user("out"), leave_user("in"), flush("flush"), execute("run", SITE))

SAMPLES: dict[str, Protocol] = {
    "Test": _patching(when(is_equal("zero?", COUNT, 0), pause("yes"))),
    "Store": _patching(store("store", COUNT, 1)),
    "Add": _patching(add("add", COUNT)),
    "IncrementUnlessZero": _patching(when(increment_unless_zero("get", COUNT), pause("got"))),
    "Fence": _patching(fence("fence")),
    "Dmb": _patching(dmb("dmb")),
    "Dsb": _patching(dsb("dsb")),
    "Pause": _patching(pause("pause")),
    "WaitUntil": _patching(wait_until("zero", COUNT, 0)),
    "Lock": _patching(lock("lock", COUNT), unlock("unlock", COUNT)),
    "Unlock": _patching(lock("lock", COUNT), unlock("unlock", COUNT)),
    "IrqOff": _patching(irq_off("off"), irq_on("on")),
    "IrqOn": _patching(irq_off("off"), irq_on("on")),
    "Serialise": _patching(sync_core("sync")),
    "CleanDcache": _patching(CleanDcache("clean")),
    "InvalidateIcache": _patching(CleanDcache("clean"), InvalidateIcache("drop")),
    "SendIpi": _patching(send_ipi("send"), wait_acks("wait")),
    "WaitAcks": _patching(send_ipi("send"), wait_acks("wait")),
    "StopCpus": _patching(StopCpus("stop"), WaitStopped("stopped"), ReleaseCpus("release")),
    "WaitStopped": _patching(StopCpus("stop"), WaitStopped("stopped"), ReleaseCpus("release")),
    "ReleaseCpus": _patching(StopCpus("stop"), WaitStopped("stopped"), ReleaseCpus("release")),
    "StartGrace": _patching(StartGrace("begin"), WaitGrace("end")),
    "WaitGrace": _patching(StartGrace("begin"), WaitGrace("end")),
    "Write": _patching(),
    "Execute": _running(execute("run", SITE)),
    "EnterUser": _running(
        enter_user("out"), leave_user("in"), flush("flush"), execute("run", SITE)
    ),
    "LeaveUser": _running(
        enter_user("out"), leave_user("in"), flush("flush"), execute("run", SITE)
    ),
    "Flush": _running(*IN_AND_OUT),
    "Lookup": _handling(FIND, IRET),
    "Use": _handling(FIND, use("use", ENTRY), IRET),
    "Emulate": _handling(FIND, emulate("emulate", ENTRY), IRET),
    "Skip": _handling(skip("skip"), IRET),
    "Return": Protocol(
        "calling",
        (CALL,),
        (write("call", CALL, CALL.new, order="single"),),
        callee=(pause("there"), ret("ret")),
    ),
    "NotOurs": _handling(not_ours("not ours")),
}
"""For each kind of step, by its name, a protocol in which some run comes to one."""


@dataclass(frozen=True)
class Kind:
    """A kind of step as the places that must know it see it: a protocol that has one, the page that
    tells how to write one, and what the random protocols have."""

    step: type[Step]
    sample: Protocol | None
    page: str
    public: tuple[Callable[..., Element], ...]
    generated: frozenset[type[Step]]


def of_vocabulary(step: type[Step]) -> Kind:
    """A kind of step of the vocabulary."""
    page = PAGE.read_text(encoding="utf-8")
    sample = SAMPLES.get(step.__name__)
    functions = (getattr(modelcheck, name) for name in modelcheck.__all__ if name.islower())
    return Kind(step, sample, page, tuple(functions), generated_kinds())


def forgotten(kind: Kind) -> tuple[str, ...]:
    """The places that do not know the kind, each in a few words; none if all is well."""
    if kind.sample is None:
        return ("tests: no sample protocol",)
    places: dict[str, Callable[[Kind, Protocol], str]] = {
        "actions": _actions,
        "machine": _machine,
        "axioms": _axioms,
        "JSON": _json,
        "words": _words,
        "docs": _docs,
        "export": _export,
        "generators": _generators,
    }
    found: list[str] = []
    for place, fault in places.items():
        said = fault(kind, kind.sample)
        if said:
            found.append(f"{place}: {said}")
            if place == "actions":
                break  # without them nothing else can be asked
    return tuple(found)


RUN = Configuration(cpus=1, fetch="per-chunk", properties=(TORN,))


def steps_of(kind: type[Step], protocol: Protocol) -> list[Step]:
    """The steps of a kind that a protocol has."""
    every = [step for program in protocol.programs.values() for step in flatten(program)]
    return [step for step in every if type(step) is kind]


def _actions(kind: Kind, protocol: Protocol) -> str:
    if kind.step.actions is Step.actions:
        return "it does not say what it is made of"
    return "" if steps_of(kind.step, protocol) else "the sample has no such step"


def _told(protocol: Protocol, kind: type[Step]) -> str | None:
    """What a trace says of a step of this kind, in a shortest run that comes to one; or None."""
    system = System(Machine(protocol, RUN))
    machine = system.model
    first = system.initial()
    paths: dict[State, tuple[Transition, ...]] = {first: ()}
    todo = [first]
    for state in todo:
        for transition in system.successors(state):
            path = (*paths[state], transition)
            local = system.locals.values[state[transition.actor + 1]]
            role = machine.roles[system.actors[transition.actor]]
            moves = tuple(machine.moves(role, system.shareds.values[state[0]], local))
            step = moves[transition.row.number].step
            if type(step) is kind:
                run = Run(machine)
                for taken in path:
                    done = run.take(taken.actor, run.moves(taken.actor)[taken.row.number])
                return done.does
            if transition.target not in paths and not transition.row.violations:
                paths[transition.target] = path
                todo.append(transition.target)
    return None


def _machine(kind: Kind, protocol: Protocol) -> str:
    return "no run comes to the step" if _told(protocol, kind.step) is None else ""


def _words(kind: Kind, protocol: Protocol) -> str:
    told = _told(protocol, kind.step)
    return "" if told is None or told.strip() else "a trace says nothing of it"


def _axioms(kind: Kind, protocol: Protocol) -> str:
    explored = REFERENCE.explore(System(Machine(protocol, RUN)))
    try:
        solved = TORN in violated(protocol, RUN)
    except NotCoveredError as refusal:
        named = any(step.label in str(refusal) for step in steps_of(kind.step, protocol))
        return "" if named else f"the refusal names no step: {refusal}"
    same = solved == (explored.verdict is Verdict.VIOLATED)
    return "" if same else f"search says {explored.verdict}, the axioms {solved}"


def _json(kind: Kind, protocol: Protocol) -> str:
    try:
        written = json.dumps(converter.unstructure(protocol))
        again = converter.structure(json.loads(written), Protocol)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if again == protocol else "it comes back as another protocol"


def _docs(kind: Kind, protocol: Protocol) -> str:
    makers = [maker.__name__ for maker in kind.public if _makes(kind, maker)]
    if not makers:
        return "no public function makes one"
    missing = [name for name in makers if not re.search(rf"^\| `{name}` \|", kind.page, re.M)]
    return f"docs/writing-a-spec.md has no line on {', '.join(missing)}" if missing else ""


BLOCKS = {
    StopCpus: stop_machine,
    WaitStopped: stop_machine,
    ReleaseCpus: stop_machine,
    StartGrace: synchronize_rcu,
    WaitGrace: synchronize_rcu,
}
"""What makes the steps that come in blocks alone."""


def _makes(kind: Kind, maker: Callable[..., Element]) -> bool:
    """Whether a function makes such a step, by what it says it returns."""
    return maker is BLOCKS.get(kind.step) or maker.__annotations__.get("return") is kind.step


def _export(kind: Kind, protocol: Protocol) -> str:
    for name, language in LANGUAGES.items():
        try:
            language.files(Machine(protocol, RUN), protocol.name, Path(f"sample{language.suffix}"))
        except SpecError:
            continue
        except Exception as error:
            return f"{name}: {type(error).__name__}: {error}"
    return ""


def _generators(kind: Kind, protocol: Protocol) -> str:
    return "" if kind.step in kind.generated else "no random protocol has one"
