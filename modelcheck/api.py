r"""Checking from Python: one call, and a result that shows itself in a terminal and a notebook.

    from modelcheck import Protocol, Site, on_each_cpu, verify, write

    site = Site("foo", old=b"\x66\x90", new=b"\xeb\x00")
    one_by_one = Protocol("one-by-one", (site,), (write("both", site, site.new),))
    at_once = write("both", site, site.new, order="single"), on_each_cpu("sync")

    outcome = verify(one_by_one, cpus=1, fetch="coherent")
    print(outcome)                                    # the verdict, and the trace
    assert outcome.violated == "no-torn-instruction"
    # If two bytes are fetched in one read.
    assert verify(Protocol("at-once", (site,), at_once), cpus=1, chunk=2).safe

Knows checking and the views of results; `import modelcheck` loads this only when it is used.
"""

import os
from dataclasses import dataclass
from typing import Any, assert_never

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from modelcheck.explore.verdict import NO_LIMITS, Limits, Request, Verdict
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.names import plural
from modelcheck.protocol.suite import SAFE, Suite, Variant
from modelcheck.questions.answer import Grounds
from modelcheck.questions.check import Job, Result, check
from modelcheck.trace.document import Trace
from modelcheck.trace.kinds import told
from modelcheck.views import trace_text

HTML = '<pre style="line-height: 1.3; overflow-x: auto">{code}</pre>'


@dataclass(frozen=True)
class Outcome:
    """What became of a protocol in one configuration; prints itself, with the trace if any."""

    protocol: Protocol
    result: Result

    @property
    def verdict(self) -> Verdict:
        """Safe, violated or inconclusive."""
        return self.result.verdict

    @property
    def safe(self) -> bool:
        """Whether all reachable states were searched and none violates anything, though some CPU
        ran the code meanwhile."""
        return self.result.verdict is Verdict.SAFE and not self.result.is_vacuous

    @property
    def vacuous(self) -> tuple[str, ...]:
        """Why the verdict rests on nothing, if it is safe only because nobody ran the code."""
        return self.result.vacuity.nothing

    @property
    def violated(self) -> str | None:
        """The property that the shortest counterexample violates."""
        return self.result.violated

    @property
    def trace(self) -> Trace | None:
        """The shortest counterexample."""
        return self.result.trace

    @property
    def grounds(self) -> Grounds:
        """What the verdict rests on, each of it independent of the others."""
        return self.result.grounds

    @property
    def as_expected(self) -> bool:
        """Whether the protocol is safe: nothing else is stated of it."""
        return self.result.as_expected

    @property
    def states(self) -> int:
        """How many states were reached."""
        return self.result.states

    @property
    def summary(self) -> str:
        """The verdict, and for what, in one line."""
        run = self.result.job.configuration
        own = " and the patcher's own" if self.protocol.patcher_executes else ""
        for_what = (
            f"{plural(run.cpus, 'CPU')}{own}, fetch model {run.fetch}, chunks of "
            f"{plural(run.chunk, 'byte')}, {run.semantics}: {self.states:,} states"
        )
        match self.verdict:
            case Verdict.SAFE:
                verdict = "; ".join((self.result.word, *self.vacuous))
            case Verdict.VIOLATED:
                verdict = f"violates {self.violated} in {plural(self.result.depth, 'step')}"
            case Verdict.INCONCLUSIVE:
                verdict = f"inconclusive ({self.result.reason})"
            case _:
                assert_never(self.verdict)
        return f"{self.protocol.name}: {verdict}; {for_what}"

    def __str__(self) -> str:
        if self.trace is None:
            return self.summary
        return f"{self.summary}\n\n{trace_text.to_text(self.trace)}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            console = Console(record=True, width=trace_text.WIDTH, file=nowhere)
            console.print(self.summary, markup=False, highlight=False, soft_wrap=True)
            if self.trace is not None:
                console.print()
                console.print(trace_text.render(told(self.trace)))
            return console.export_html(
                theme=DEFAULT_TERMINAL_THEME, code_format=HTML, inline_styles=True
            )


def verify(protocol: Protocol, *, limits: Limits = NO_LIMITS, **settings: Any) -> Outcome:
    """Search all that a protocol can do in one configuration.

    `settings` are the fields of Configuration: `cpus` (2) run the site besides the patcher's own;
    `fetch` ("per-chunk") is the fetch model; `chunk` (1) the bytes fetched in one atomic read;
    `offset`, `semantics` and `properties` are as there. Raises SpecError for a value out of range.
    """
    configuration = Configuration(**settings)
    variant = Variant("base", protocol, SAFE)
    job = Job(Suite(protocol), variant, configuration, protocol.name)
    return Outcome(protocol, check(job, spec=_file(protocol), request=Request(limits)))


def _file(protocol: Protocol) -> str:
    """The file that the protocol's steps were made in, as far as is known."""
    sources = (step.source for step in protocol.program if step.source)
    return next((source.file for source in sources), "python")
