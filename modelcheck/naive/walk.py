"""All that a protocol can do with some CPUs: every state, and what happens in it. Knows stepping."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelcheck.naive.reading import Json, setting
from modelcheck.naive.stepping import CPUS, Cpu, Move, Naive, Shared, hears

State = tuple[Shared, tuple[Cpu, ...]]


@dataclass(frozen=True)
class Findings:
    """The properties violated anywhere, what is executed, as site, offset, bytes and kind, and how
    many states there are."""

    violated: frozenset[str]
    executed: frozenset[tuple[str, int, bytes, str]]
    states: int


def walk(protocol: Json, configuration: Json, at_most: int) -> Findings | None:
    """Take every step from every state. None if there are more states than `at_most`."""
    naive = Naive(setting(protocol, configuration))
    roles = [*naive.roles()[:-1], *[CPUS] * naive.of.cpus]
    start = naive.shared(), tuple(naive.cpu(naive.program_of(role)) for role in roles)
    before: dict[State, list[State]] = {start: []}
    todo, violated, executed = [start], set[str](), set[tuple[str, int, bytes, str]]()
    while todo:
        state = todo.pop()
        for move, after in successors(naive, roles, state):
            violated |= move.violated
            if move.ran is not None:
                site, *what = move.ran
                executed.add((naive.of.sites[site].name, *what))
            if after not in before:
                before[after] = []
                todo.append(after)
            before[after].append(state)
        if len(before) > at_most:
            return None
    if not _all_can_finish(before, len(naive.of.patchers)):
        violated.add("deadlock-free")
    return Findings(frozenset(violated), frozenset(executed), len(before))


def successors(naive: Naive, roles: list[int], state: State) -> Iterator[tuple[Move, State]]:
    """All steps from a state, and where they lead."""
    shared, cpus = state
    for number, cpu in enumerate(cpus):
        for move in naive.moves(roles[number], shared, cpu):
            others = [
                hears(other, move.others) if move.others and n != number else other
                for n, other in enumerate(cpus)
            ]
            if None not in others:
                after = (one for one in others if one is not None)
                after = (move.cpu if n == number else other for n, other in enumerate(after))
                yield move, (move.shared, tuple(after))


def _all_can_finish(before: dict[State, list[State]], patchers: int) -> bool:
    """Whether from each state one can be reached where all patchers have finished."""
    todo = [
        state
        for state in before
        if not any(cpu.rest or cpu.buffer for cpu in state[1][:patchers])
    ]
    able = set(todo)
    while todo:
        for state in before[todo.pop()]:
            if state not in able:
                able.add(state)
                todo.append(state)
    return len(able) == len(before)
