"""The state graph, reduced to what a person can read: the phases that patching goes through.

A phase is all states in which the programs stand at the same steps. What CPUs can execute in it is
joined over those states. Knows protocols, machine, system and explorers; knows nothing of views.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import networkx as nx

from modelcheck.explore.pulse import Pulse, in_time
from modelcheck.explore.system import State, System
from modelcheck.explore.verdict import NO_LIMITS, Limits, Watcher
from modelcheck.machine.actors import Machine
from modelcheck.machine.state import Execution, Move
from modelcheck.questions.check import Job

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


@in_time
def phases(
    job: Job, limits: Limits = NO_LIMITS, watcher: Watcher | None = None
) -> "nx.DiGraph[Position]":
    """The phases of a job, each node's as `phase`; edges have the `step` that leads on.

    Nodes are in the order in which a search meets them. Raises LimitError if a limit is met before
    all states have been searched.
    """
    machine = Machine(job.variant.protocol, job.configuration)
    system = System(machine)
    pulse = Pulse(limits, watcher)
    graph: nx.DiGraph[Any] = nx.DiGraph()
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
        for step in system.successors(state):
            role, local = system.actors[step.actor], state[step.actor + 1]
            key = (role, state[0], local)
            if key not in moves:
                value = system.locals.values[local]
                moves[key] = tuple(machine.moves(machine.roles[role], shared, value))
            move = moves[key][step.row.number]
            if move.execution is not None:
                phase.executions[move.execution] = None
            phase.violations.update(dict.fromkeys(move.violations))
            if move.violations:
                continue
            there = _position(machine, system, step.target)
            if there != here:
                _phase(graph, there)
                graph.add_edge(here, there, step=move.label)
            if step.target not in seen:
                seen.add(step.target)
                todo.append(step.target)
    return graph


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
