"""All that a protocol can do with some CPUs: every state, and what happens. Knows stepping."""

from collections.abc import Iterator
from typing import NamedTuple

from modelcheck.naive.abstraction import Abstract
from modelcheck.naive.memory import CPUS
from modelcheck.naive.reading import Json
from modelcheck.naive.state import Cpu, Move, Shared, hears
from modelcheck.naive.stepping import Naive

State = tuple[Shared, tuple[Cpu, ...]]


class Findings(NamedTuple):
    """The properties violated anywhere; what is executed, as site, offset, bytes and kind; and how
    many states there are."""

    violated: frozenset[str]
    executed: frozenset[tuple[str, int, bytes, str]]
    states: int


def walk(protocol: Json, configuration: Json, at_most: int) -> Findings | None:
    """Take every step from every state. None if there are more states than `at_most`."""
    naive = Abstract(protocol, configuration)
    roles = [*naive.roles[:-1], *[CPUS] * naive.cpus]
    start = naive.shared(), tuple(naive.cpu(naive.programs[role]) for role in roles)
    before: dict[State, list[State]] = {start: []}
    todo, violated, executed = [start], set[str](), set[tuple[str, int, bytes, str]]()
    while todo:
        state = todo.pop()
        for move, after in successors(naive, roles, state):
            violated |= move.violated
            if move.ran is not None:
                executed.add((naive.sites[move.ran[0]].name, *move.ran[1:]))
            if after not in before:
                before[after] = []
                todo.append(after)
            before[after].append(state)
        if len(before) > at_most:
            return None
    if not _all_can_finish(before, len(naive.roles) - 1):
        violated.add("finishes")
    return Findings(frozenset(violated), frozenset(executed), len(before))


def successors(naive: Naive, roles: list[int], state: State) -> Iterator[tuple[Move, State]]:
    """All steps from a state, and where they lead."""
    shared, cpus = state
    for number, cpu in enumerate(cpus):
        for move in naive.moves(roles[number], shared, cpu):
            others = [hears(other, move.said) for other in cpus]
            others[number] = move.cpu
            after = tuple(other for other in others if other is not None)
            if len(after) == len(cpus):
                yield move, (move.shared, after)


def _all_can_finish(before: dict[State, list[State]], patchers: int) -> bool:
    """Whether each state leads on to one where all patchers have finished."""
    able = {s for s in before if not any(cpu.rest or cpu.buffer for cpu in s[1][:patchers])}
    todo = list(able)
    while todo:
        for state in before[todo.pop()]:
            if state not in able:
                able.add(state)
                todo.append(state)
    return len(able) == len(before)
