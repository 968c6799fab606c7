"""What two systems can be seen to do, compared as automata.

A step is an event or silent. A behaviour is the sequence of the events of a run; a step that
violates something ends the run. All states of a run may be its last, so two systems differ if and
only if a shortest behaviour of one, of which all but the last event is possible in the other too,
goes on there with an event that the other cannot answer. Knows systems only.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from typing import NamedTuple

import networkx as nx

from modelcheck.explore.pulse import CUT_SHORT, Pulse, why
from modelcheck.explore.system import State, System, Transition
from modelcheck.explore.verdict import NO_LIMITS, Limits, Watcher

Letter = Hashable

Observer = Callable[[State, Transition], Letter | None]
"""What can be seen of a step: an event, or None."""

Word = tuple[Letter, ...]

PULSE = 256
"""States or pairs looked at between two looks at the limits."""

END = 0
"""The number of the state that violating steps lead to; nothing follows it."""


class Difference(NamedTuple):
    """The behaviours that only one of two systems has, of those the shortest, all equally long.

    If there are none, the systems differ in none, unless `reason` says what cut the comparison
    short. `states` counts what each system reached, `pairs` the sets of states compared.
    """

    first: tuple[Word, ...]
    second: tuple[Word, ...]
    states: tuple[int, int]
    pairs: int
    reason: str | None


def compare(
    first: tuple[System, Observer],
    second: tuple[System, Observer],
    limits: Limits = NO_LIMITS,
    watcher: Watcher | None = None,
) -> Difference:
    """Look for behaviours of one system that the other does not have, shortest first, both ways.

    Complete unless a limit or Ctrl-C ends it: a subset construction on both systems at once.
    """
    pulse = Pulse(limits, watcher)
    found: tuple[list[Word], list[Word]] = ([], [])
    states, pairs, reason = [0, 0], 0, None
    try:
        automata = []
        for number, (system, observe) in enumerate((first, second)):
            automata.append(_Automaton(system, observe, pulse))
            states[number] = len(automata[-1])
        for pairs, (word, both) in enumerate(_pairs(*automata), start=1):
            if pairs % PULSE == 1:
                pulse.beat(sum(states) + pairs, 0, 0, len(word))
            if all(found) and len(word) > max(len(words[0]) for words in found):
                break
            for number, words in enumerate(found):
                if not both[1 - number] and (not words or len(words[0]) == len(word)):
                    words.append(word)
    except CUT_SHORT as stop:
        reason = why(stop)
    return Difference(tuple(found[0]), tuple(found[1]), (states[0], states[1]), pairs, reason)


def shortest_run(
    system: System, observe: Observer, words: Collection[Word]
) -> tuple[Transition, ...]:
    """A run with one of these behaviours, with as few steps as can be, and few in interrupts.

    Raises ValueError if there is none.
    """
    prefixes = {word[:length] for word in words for length in range(len(word) + 1)}
    start: _Place = (system.initial(), ())
    ways: dict[_Place, _Way] = {start: _Way(0, None, None)}
    seen = {start}
    while ways:
        further: dict[_Place, _Way] = {}
        ends: list[_Way] = []
        for (state, done), way in ways.items():
            for transition in system.successors(state):
                event = observe(state, transition)
                word = done if event is None else (*done, event)
                there = (transition.target, word)
                longer = _Way(way.interrupts + transition.row.interrupt, transition, way)
                if word in words:
                    ends.append(longer)
                elif word not in prefixes or there in seen or transition.row.violations:
                    continue
                elif there not in further or longer.interrupts < further[there].interrupts:
                    further[there] = longer
        if ends:
            return min(ends, key=lambda way: way.interrupts).transitions()
        ways = further
        seen |= further.keys()
    raise ValueError("no run has any of these behaviours")


_Place = tuple[State, Word]


class _Way(NamedTuple):
    """A run: how many of its steps are in interrupts, its last step, and the run before that."""

    interrupts: int
    transition: Transition | None
    before: "_Way | None"

    def transitions(self) -> tuple[Transition, ...]:
        transitions: list[Transition] = []
        way: _Way | None = self
        while way is not None and way.transition is not None:
            transitions.append(way.transition)
            way = way.before
        return tuple(transitions[::-1])


def _pairs(first: "_Automaton", second: "_Automaton") -> Iterator[tuple[Word, tuple[int, int]]]:
    """What the systems can be in after each word, by length.

    Where two words lead to the same in both systems, only one of them comes up; but all that lead
    to nothing in one of them do.
    """
    start = (first.start, second.start)
    seen = {start}
    todo: deque[tuple[Word, tuple[int, int]]] = deque([((), start)])
    while todo:
        word, both = todo.popleft()
        yield word, both
        if not all(both):
            continue
        for event in sorted(first.events(both[0]) | second.events(both[1]), key=repr):
            after = (first.after(both[0], event), second.after(both[1], event))
            if after not in seen or not all(after):
                seen.add(after)
                todo.append(((*word, event), after))


class _Automaton:
    """The reachable states, numbered, and where events lead. A set of states is a bit mask.

    Masks are closed under silent steps.
    """

    def __init__(self, system: System, observe: Observer, pulse: Pulse) -> None:
        number: dict[State | None, int] = {None: END, system.initial(): END + 1}
        silent: nx.DiGraph[int] = nx.DiGraph()
        silent.add_nodes_from((END, END + 1))
        transitions: dict[Letter, list[tuple[int, int]]] = defaultdict(list)
        todo = deque([system.initial()])
        while todo:
            state = todo.popleft()
            here = number[state]
            if here % PULSE == 1:
                pulse.beat(len(number), 0, len(todo), 0)
            for transition in system.successors(state):
                event = observe(state, transition)
                target = None if transition.row.violations else transition.target
                if target not in number:
                    number[target] = len(number)
                    todo.append(transition.target)
                if event is None:
                    silent.add_edge(here, number[target])
                else:
                    transitions[event].append((here, number[target]))
                    silent.add_node(number[target])
        closed = _closures(silent)
        self._count = len(number)
        self._after: dict[Letter, dict[int, int]] = {}
        """For each event, the states that have it, and the mask of what it leads to."""
        for event, pairs in transitions.items():
            leads = self._after[event] = {}
            for here, there in pairs:
                leads[here] = leads.get(here, 0) | closed[there]
        self._sources = {event: _mask(leads) for event, leads in self._after.items()}
        self.start = closed[END + 1]

    def __len__(self) -> int:
        return self._count - 1

    def events(self, states: int) -> set[Letter]:
        """The events that are possible in some of the states."""
        return {event for event, sources in self._sources.items() if states & sources}

    def after(self, states: int, event: Letter) -> int:
        """The states that an event leads to from some of `states`."""
        leads = self._after.get(event, {})
        result = 0
        for state in _members(states & self._sources.get(event, 0)):
            result |= leads[state]
        return result


def _closures(silent: "nx.DiGraph[int]") -> dict[int, int]:
    """For each state, the mask of all that silent steps lead to, itself among them."""
    components = nx.condensation(silent)
    masks: dict[int, int] = {}
    for component in reversed(list(nx.topological_sort(components))):
        mask = _mask(components.nodes[component]["members"])
        for after in components.successors(component):
            mask |= masks[after]
        masks[component] = mask
    return {state: masks[component] for state, component in components.graph["mapping"].items()}


def _mask(states: Iterable[int]) -> int:
    mask = 0
    for state in states:
        mask |= 1 << state
    return mask


def _members(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
