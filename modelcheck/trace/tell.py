"""The main machine's runs as views read them. Knows traces, protocols and the machine's names."""

from collections.abc import Iterable
from functools import cached_property

from modelcheck.arch.architecture import Architecture
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.actions import Ipi, Put, Set, told
from modelcheck.protocol.code import Form, Site
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.names import plural
from modelcheck.protocol.program import Step, flatten
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.trace.aftermath import aftermath
from modelcheck.trace.document import Trace, TraceStep
from modelcheck.trace.told import DecodedAt, Flow, ToldForm, ToldRun, ToldSite, ToldStep


def tell(trace: Trace) -> ToldRun:
    """A trace for a reader."""
    protocol, run, wrong = trace.protocol, trace.configuration, trace.violation
    own = " and the patcher's own" if protocol.patcher_executes else ""
    return ToldRun(
        file=trace.spec,
        name=protocol.name,
        variant=trace.variant,
        title=f"{protocol.name}, variant {trace.variant}",
        settings=(
            plural(run.cpus, "CPU") + own,
            f"fetch model {run.fetch}, chunks of {plural(run.chunk, 'byte')}, site at offset "
            f"{run.offset}",
            run.semantics,
        ),
        outcome=trace.outcome,
        verb="violates" if wrong else "",
        why=trace.why,
        meaning=PROPERTIES[wrong.property] if wrong else "",
        marked=wrong is not None,
        sites=tell_sites(protocol),
        values={cell.name: cell.initial for cell in protocol.cells},
        steps=tell_steps(protocol, run, trace.steps),
        loop=trace.loop,
        then=follows.text if (follows := aftermath(trace)) else "",
        bug=trace.bug,
        protocol=(protocol, run),
    )


def tell_sites(protocol: Protocol) -> tuple[ToldSite, ...]:
    """The sites of a protocol, with what their forms read as."""
    arch = protocol.architecture
    return tuple(
        ToldSite(
            site.name,
            site.address,
            tuple(ToldForm(form.name, form.data, _read(arch, site, form)) for form in site.forms),
            frozenset(site.equal_bytes),
            site.is_region,
        )
        for site in protocol.sites
    )


def _read(arch: Architecture, site: Site, form: Form) -> tuple[DecodedAt, ...]:
    pieces = ((at, form.data[at : at + length]) for at, length in form.runs)
    return tuple(
        DecodedAt(at, data, arch.decode(data, site.address + at).text) for at, data in pieces
    )


def tell_steps(
    protocol: Protocol, configuration: Configuration, steps: Iterable[TraceStep]
) -> tuple[ToldStep, ...]:
    """Steps of a protocol for a reader."""
    return tuple(map(_Teller(protocol, configuration, tuple(steps)).step, steps))


class _Teller:
    """What there is to know of the actors of a run to tell its steps."""

    def __init__(
        self, protocol: Protocol, configuration: Configuration, steps: tuple[TraceStep, ...]
    ) -> None:
        self._protocol, self._configuration = protocol, configuration
        self._program = {step.label: step for step in flatten(protocol.program)}
        self._actors = tuple(dict.fromkeys(step.actor for step in steps))

    def step(self, step: TraceStep) -> ToldStep:
        source = self._program.get(step.label) if step.source else None
        interrupts = source is not None and isinstance(told(source.actions()), Ipi)
        others = self._others(step.actor) if interrupts else ()
        return ToldStep(
            step.actor,
            step.label,
            step.source,
            step.does,
            step.memory,
            step.cells,
            step.executed,
            _flow(step, source, others),
            others,
        )

    def _others(self, sender: str) -> tuple[str, ...]:
        """The actors of the run that are not on the sender's CPU."""
        own = next((names for names in self._cpus if sender in names), ())
        return tuple(name for name in self._actors if name not in own)

    @cached_property
    def _cpus(self) -> tuple[tuple[str, str], ...]:
        """The names that go by one CPU: its own, and that of the program on it."""
        machine = Machine(self._protocol, self._configuration)
        count = sum(role.count for role in machine.roles)
        return tuple(
            (machine.actor_name(cpu), machine.actor_name(cpu, interrupt=True))
            for cpu in range(count)
        )


def _flow(step: TraceStep, source: Step | None, others: tuple[str, ...]) -> Flow:
    if step.executed is not None and step.executed.origin:
        return "fetches"
    if source is not None and _stores(source):
        return "stores"
    return "tells" if others else "alone"


def _stores(source: Step) -> bool:
    """Whether a step sends something to memory."""
    return any(
        isinstance(action, Put) or (isinstance(action, Set) and not action.at_once)
        for action in source.actions()
    )
