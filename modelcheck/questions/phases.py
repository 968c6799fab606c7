"""The state graph, reduced to what a person can read: the phases that patching goes through.

A phase is all states in which the programs stand at the same steps. What CPUs can execute in it is
joined over those states. Knows protocols, machine, system and engines; knows nothing of views.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import networkx as nx

from modelcheck.explore.pulse import LimitError, Pulse, in_time
from modelcheck.explore.system import State, System
from modelcheck.explore.verdict import NO_LIMITS, Limits, Verdict, Watcher
from modelcheck.machine.actors import Machine
from modelcheck.machine.state import Execution, Move
from modelcheck.protocol.properties import LIVENESS
from modelcheck.questions.answer import Ground, Grounds, Means
from modelcheck.questions.check import Job
from modelcheck.questions.subject import Subject

FINISHED = "finished"

Position = tuple[str, ...]
"""For each actor that runs a program, the label of its next step."""


@dataclass
class Phase:
    """What can be while the programs stand at `position`.

    `memory` has the contents that the sites can have, in the order in which they come about;
    `executions` what CPUs can execute, and `violations` which properties that or any other step
    violates. Violating steps are not followed.
    """

    position: Position
    states: int = 0
    memory: dict[tuple[bytes, ...], None] = field(default_factory=dict)
    executions: dict[Execution, None] = field(default_factory=dict)
    violations: dict[str, None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The next steps, or that there are none."""
        return ", ".join(self.position)


@dataclass(frozen=True)
class Phases:
    """The phases of a job, as the nodes of a graph: each has its Phase as `phase`, and edges have
    the `step` that leads on. Nodes are in the order in which a search meets them.

    If `reason` is set, it says what cut the search short; phases are missing then.
    """

    job: Job
    graph: "nx.DiGraph[Position]"
    reason: str | None = None

    @property
    def violated(self) -> frozenset[str]:
        """The properties violated in some phase."""
        phases = (self.graph.nodes[position]["phase"] for position in self.graph)
        return frozenset(name for phase in phases for name in phase.violations)

    @property
    def verdict(self) -> Verdict:
        """Whether no step of any phase violates anything."""
        if self.violated:
            return Verdict.VIOLATED
        return Verdict.INCONCLUSIVE if self.reason else Verdict.SAFE

    @property
    def grounds(self) -> Grounds:
        """The search that met the phases."""
        decided = self.verdict is not Verdict.INCONCLUSIVE
        return (Ground(Means.SEARCH, "phases"),) if decided else ()

    @property
    def as_expected(self) -> bool:
        """Whether that is what the spec states, but for what may go on for ever."""
        expected = set(self.job.expected) - set(LIVENESS)
        if self.verdict is Verdict.VIOLATED:
            return bool(expected & self.violated)
        return self.verdict is Verdict.SAFE and not expected


@in_time
def phases(job: Job, limits: Limits = NO_LIMITS, watcher: Watcher | None = None) -> Phases:
    """Search all states of a job, and put together those in which the programs stand alike."""
    graph: nx.DiGraph[Any] = nx.DiGraph()
    try:
        _search(job.subject, graph, Pulse(limits, watcher))
    except LimitError as limit:
        return Phases(job, graph, str(limit))
    return Phases(job, graph)


def _search(subject: Subject, graph: "nx.DiGraph[Any]", pulse: Pulse) -> None:
    machine, system = subject.machine, subject.system
    moves: dict[tuple[int, int, int], tuple[Move, ...]] = {}
    start = system.initial()
    seen = {start}
    todo = deque([start])
    for done in count():
        if not todo:
            break
        if done % 256 == 0:
            pulse.beat(len(seen), 0, len(todo), 0)
        state = todo.popleft()
        here = _position(machine, system, state)
        phase = _phase(graph, here)
        phase.states += 1
        shared = system.shareds.values[state[0]]
        sites = range(len(machine.setup.protocol.sites))
        phase.memory[tuple(machine.setup.layout.contents(shared.memory, n) for n in sites)] = None
        for transition in system.successors(state):
            role, local = system.actors[transition.actor], state[transition.actor + 1]
            key = (role, state[0], local)
            if key not in moves:
                value = system.locals.values[local]
                moves[key] = tuple(machine.moves(machine.roles[role], shared, value))
            move = moves[key][transition.row.number]
            if move.execution is not None:
                phase.executions[move.execution] = None
            phase.violations.update(dict.fromkeys(move.violations))
            if move.violations:
                continue
            there = _position(machine, system, transition.target)
            if there != here:
                _phase(graph, there)
                graph.add_edge(here, there, step=move.label)
            if transition.target not in seen:
                seen.add(transition.target)
                todo.append(transition.target)


def _phase(graph: "nx.DiGraph[Any]", position: Position) -> Phase:
    if position not in graph:
        graph.add_node(position, phase=Phase(position))
    phase: Phase = graph.nodes[position]["phase"]
    return phase


def _position(machine: Machine, system: System, state: State) -> Position:
    found = []
    for role, local in zip(system.actors, state[1:], strict=True):
        if machine.roles[role].patches:
            program = machine.setup.programs[role]
            pc = system.locals.values[local].pc
            found.append(program[pc].step.label if pc < len(program) else FINISHED)
    return tuple(found)
