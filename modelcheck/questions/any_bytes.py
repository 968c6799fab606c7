"""Whether a protocol is right for all instructions of its length, or real ones for which it is not.

Knows the axiomatic check, and the search by which a counterexample is confirmed; knows nothing
of views.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from modelcheck.axiomatic.events import NotCoveredError
from modelcheck.axiomatic.symbolic import AnyBytes, Instructions, with_instructions
from modelcheck.explore.pulse import LimitError, in_time, why
from modelcheck.explore.verdict import INTERRUPTED, NO_LIMITS, Limits, Request, Verdict, Watcher
from modelcheck.protocol.code import Site
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import TORN
from modelcheck.questions.answer import Ground, Grounds, Means
from modelcheck.questions.check import Job, Result, check
from modelcheck.questions.explain import tears_as_expected


@dataclass(frozen=True)
class ForAllBytes:
    """Whether no CPU executes torn bytes, for all pairs of instructions of the site's length.

    Violated: `instructions` at `site` show it, and `confirmed` is what a search found. They
    decode in full, unless not `real`. Inconclusive: `reason` says why.
    """

    job: Job
    verdict: Verdict
    seconds: float
    site: str = ""
    instructions: Instructions | None = None
    real: bool = True
    confirmed: Result | None = None
    reason: str = ""

    @property
    def grounds(self) -> Grounds:
        """The axioms; and of a violation also what its search rests on."""
        if self.verdict is Verdict.INCONCLUSIVE:
            return ()
        return (Ground(Means.AXIOMS), *(self.confirmed.grounds if self.confirmed else ()))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search for it."""
        return self.confirmed is not None and self.confirmed.reason == INTERRUPTED

    @property
    def as_expected(self) -> bool:
        """Whether that is what the spec states of its own instructions."""
        return tears_as_expected(self.job, self.verdict)


@in_time
def for_all_bytes(
    job: Job, *, spec: str, limits: Limits = NO_LIMITS, watcher: Watcher | None = None
) -> ForAllBytes:
    """Decide for all instructions whether the variant keeps CPUs from executing torn bytes."""
    started = time.monotonic()
    protocol = job.variant.protocol
    try:
        for site in protocol.sites:
            question = AnyBytes(protocol, job.configuration, site)
            anything = question.torn()
            if anything is None:
                continue
            real = real_instructions(protocol, site)
            pair = question.torn([site.old], [site.new]) or question.torn(real, real)
            shown = pair or anything
            found = _explored(job, with_instructions(protocol, site, shown), spec, limits, watcher)
            agreed = found.violated == TORN
            return ForAllBytes(
                job,
                Verdict.VIOLATED if agreed else Verdict.INCONCLUSIVE,
                time.monotonic() - started,
                site.name,
                shown,
                pair is not None,
                found,
                "" if agreed else f"the engine does not confirm it: {found.reason}",
            )
    except (NotCoveredError, LimitError, MemoryError) as stop:
        seconds = time.monotonic() - started
        return ForAllBytes(job, Verdict.INCONCLUSIVE, seconds, reason=why(stop))
    return ForAllBytes(job, Verdict.SAFE, time.monotonic() - started)


def _explored(
    job: Job, protocol: Protocol, spec: str, limits: Limits, watcher: Watcher | None
) -> Result:
    """What a search finds with other instructions."""
    variant = replace(job.variant, protocol=protocol)
    configuration = replace(job.configuration, properties=(TORN,))
    other = replace(job, variant=variant, configuration=configuration)
    return check(other, spec=spec, request=Request(limits, watcher))


def real_instructions(protocol: Protocol, site: Site) -> tuple[bytes, ...]:
    """Instructions as long as the site, with all first bytes there are and several others."""
    trap = protocol.handler.trap if protocol.handler else b""
    return tuple(
        data
        for data in dict.fromkeys(_candidates(site))
        if protocol.architecture.decode(data, site.address).length == len(site)
        and not (trap and data.startswith(trap))
    )


def _candidates(site: Site) -> Iterator[bytes]:
    size = len(site) - 1
    counted = bytes(range(0x11, 0x11 + size))
    for rest in (site.old[1:], site.new[1:], bytes(size), counted):
        for first in range(256):
            yield bytes([first]) + rest
