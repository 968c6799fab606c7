"""No step of a shipped protocol can be dropped without a word: what stays safe has two grounds.

Each step of each program, handlers' and CPUs' too, is taken out in turn. Most drops are violated.
A drop that is safe by a search must be so by a second ground, which shares the less with it the
further down it stands in `GROUNDS`; and where no fetch model of the suite needs a step at all, the
reason is written here, and in the spec where it tells something of the protocol.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from modelcheck import Protocol, SpecError
from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.verdict import violated
from modelcheck.explore.verdict import Limits, Request, Verdict
from modelcheck.protocol.wellformed import labels
from modelcheck.questions.check import Job, check
from modelcheck.questions.prove import safe_for_any_number

AGAIN = "a trap that is not acted upon is tried again, until the instruction is there"
NO_DEMAND = "to look nothing up is to miss nothing: the step is the demand itself"
OWN = "it is for what this CPU fetches, which an interrupt's return renews as well"

REASONS = {
    "*/handler/emulate*": AGAIN,
}
"""Why nothing needs a step, by spec, protocol and label; `*` stands for anything."""


def dropped(protocol: Protocol) -> Iterator[tuple[str, Protocol]]:
    """The protocol without each of its steps and blocks, by what was dropped.

    What is no protocol any more, such as a handler without a return, is refused: no verdict.
    """
    for label in labels(protocol):
        try:
            yield label, protocol.without(label)
        except SpecError:
            continue


def by_axioms(job: Job) -> bool | None:
    """Whether the axioms allow no tear; they share neither states nor the machine."""
    try:
        return not violated(job.variant.protocol, job.setup.configuration) & {*job.setup.watched}
    except NotCoveredError:
        return None


def byte_by_byte(job: Job) -> bool | None:
    """Whether the reference semantics gives the same verdict, where that is quick."""
    job = replace(job, configuration=replace(job.configuration, semantics="bytewise"))
    found = check(job, spec="drops", request=Request(Limits(states=20_000)))
    return None if found.verdict is Verdict.INCONCLUSIVE else found.verdict is Verdict.SAFE


def for_any_number(job: Job) -> bool | None:
    """Whether the abstraction proves it; that it does not, says nothing."""
    return safe_for_any_number(job.subject) or None


GROUNDS: tuple[Callable[[Job], bool | None], ...] = (for_any_number, byte_by_byte, by_axioms)


def ungrounded(job: Job) -> str:
    """What is wrong with a safe verdict: it is contradicted, or rests on one search alone."""
    answers = {ground.__name__: ground(job) for ground in GROUNDS}
    against = [name for name, answer in answers.items() if answer is False]
    return ", ".join(against) or ("" if any(answers.values()) else "nothing confirms it")
