# mypy: allow-untyped-defs
"""The inner loops, compiled to machine code once for all models. Knows arrays only.

A state is as many 64-bit words as its fields need: field 0 is the shared part, field f the local
part of actor f - 1. Bit 63 of each word is set, so that 0 marks an empty slot of a hash table.
The argument `words` is a tuple with an element for each word: its length is known when a kernel
is compiled, which makes a kernel of its own for each width.

A step is plain if nobody else notices it: it changes its actor's local part only, tells and asks
nothing, and violates nothing. Two actors' plain steps lead to the same state in either order, so
the search takes one order alone: from a state that was found by a plain step of field f, it
counts the plain steps of the fields before f but need not look at their targets. Such a target is
found from the state where the two steps come in the other order, on the same level, unless it is
skipped there too, in favour of a later field still: so one of them does find it. These are
Godefroid's sleep sets (Partial-Order Methods for the Verification of Concurrent Systems, 1996),
which leave out transitions and never states. Ample or persistent sets, which leave out states,
would spoil the counts that are compared with the reference and with other checkers, and gain
little: nearly every step of a protocol touches the code bytes that all CPUs fetch. With symmetry,
actors change places from state to state, so there the targets of all steps are looked at.
"""

from typing import Any, NamedTuple

import numpy as np

from modelcheck.explore.compiled.machine_code import claim, kernel, load, part, prefetch, store

BATCH = 64
"""Successors that are looked up together."""

RECENT = 1 << 15
"""Successors remembered, a power of two: about half of all come again while they still are."""

BATCHES = 2 * BATCH
"""Successors that wait, the older half of them until their slots have come from memory."""

LAST_FINDER = 255
"""The last field that is remembered as a state's finder, in a byte."""

BUCKET = 8
"""Slots that are tried around one place before the next: with one word, a line of the cache."""

DONE, FULL, ROWS, RECEIVE, HOLDS = range(5)
"""What a kernel says when it returns: all done; no room left; or ask the model first, for the
rows of (role, shared, local), what (broadcast, role, local) becomes, whether (guard, role, local)
holds."""

STATUS, AT, NEW, TRANSITIONS, ASK, REPORT = 0, 1, 2, 3, 4, 8
"""Places in a kernel's report, and its size. From ASK on are three numbers that say what to ask."""

QUESTIONS = (ROWS, RECEIVE, HOLDS)

ASKED = (ASK, ASK + 1, ASK + 2)

TO_SHARED, TO_LOCAL, SPECIAL, BROADCAST, GUARD, KIND, INTERRUPT, COLUMNS = range(8)
"""Columns of a table row. KIND is that of its violation; BROADCAST, GUARD and KIND are -1 for none;
SPECIAL is whether it has any of these."""

COUNT_BITS = 16
"""An entry of the index is the number of the first row, and below it how many there are."""

MARK = np.uint64(1 << 63)
ZERO, ONE, THREE = np.uint64(0), np.uint64(1), np.uint64(3)
HALF = np.uint64(32)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SECOND = np.uint64(0xD6E8FEB86659FD93)


WORD, SHIFT, MASK, ROLE, FIRST, LAST, ASPECTS = range(7)
"""Columns of a layout, which has a row for each field: where it is in a state, the role of its
actor, and from which field to which its actor may trade places with others: their locals are kept
sorted. A field that is not sorted has its own number as both."""

# Numbers that are used as indices are unsigned wherever speed matters: a signed one might count
# from the end, and Numba looks each time.


class Rules(NamedTuple):
    """The model's answers as arrays.

    `index[role, shared, local]` leads to `rows`; `received[broadcast, role, local]` is a local,
    `held[guard, role, local]` 0 or 1. What was not asked yet is -1. `most` is the largest number
    of rows of one entry.
    """

    index: Any
    rows: Any
    received: Any
    held: Any
    most: int


class Scratch(NamedTuple):
    """Memory that a kernel works in, of one thread at a time.

    The fields of a state and of a target; targets and where to look for them; for each, the
    field of the actor that took the step, its field in the target, and the row; by kind, whether
    such a violation was met; by thread, a number of switches; states seen lately; and the finders
    of targets: the field whose plain step leads there, or 0.
    """

    fields: Any
    after: Any
    targets: Any
    starts: Any
    taken: Any
    kinds: Any
    switches: Any
    recent: Any
    finders: Any


def scratch(words: tuple[int, ...], fields: int, kinds: int, most: int) -> Scratch:
    """Memory for states of so many words and fields, and rules with `kinds` and `most`."""
    room = BATCHES + fields * most
    return Scratch(
        np.zeros(fields, np.uint64),
        np.zeros(fields, np.uint64),
        np.zeros(room * len(words), np.uint64),
        np.zeros(room, np.int64),
        np.zeros((fields * most, 3), np.int64),
        np.zeros(max(kinds, 1), np.uint8),
        np.zeros(2 * fields, np.int64),
        np.zeros(RECENT * len(words), np.uint64),
        np.zeros(room, np.uint8),
    )


def needed(fields: int, most: int) -> int:
    """How many states one state more may need room for."""
    return BATCHES + fields * most


@part
def _word(words, at, layout, f):
    """Where the word of a field is, in a state that begins at a place."""
    return np.uint64(at) if len(words) == 1 else np.uint64(at) + layout[f, WORD]


@part
def _unpack(words, states, at, layout, fields):
    for f in range(len(fields)):
        word = states[_word(words, at, layout, f)]
        fields[f] = (word >> layout[f, SHIFT]) & layout[f, MASK]


@part
def _pack(words, fields, layout, states, at):
    for w in range(len(words)):
        states[at + w] = MARK
    for f in range(len(fields)):
        _change(words, states, at, layout, f, fields[f])


@part
def _change(words, states, at, layout, f, bits):
    states[_word(words, at, layout, f)] ^= bits << layout[f, SHIFT]


@part
def _move(words, states, at, fields, layout, trading, f, local):
    """Give a packed state, unpacked in `fields`, another local in field f. Returns its place.

    Those that f may trade places with stay sorted: the ones between the old and the new place
    move up by one.
    """
    place = f
    if trading:
        first, last = np.int64(layout[f, FIRST]), np.int64(layout[f, LAST])
        while place < last and fields[place + 1] < local:
            _change(words, states, at, layout, place, fields[place] ^ fields[place + 1])
            place += 1
        while place > first and fields[place - 1] >= local:
            _change(words, states, at, layout, place, fields[place] ^ fields[place - 1])
            place -= 1
    _change(words, states, at, layout, place, fields[place] ^ local)
    return place


@part
def _sort(fields, layout, mover):
    """Sort all fields that may trade places. Returns the first place of the mover's local."""
    local = fields[mover]
    for f in range(1, len(fields)):
        value, first = fields[f], np.int64(layout[f, FIRST])
        g = f
        while g > first and fields[g - 1] > value:
            fields[g] = fields[g - 1]
            g -= 1
        fields[g] = value
    place = np.int64(layout[mover, FIRST])
    while fields[place] != local:
        place += 1
    return place


@part
def _ask(report, about, first, second, local):
    """Say what to ask. Returns what _steps returns then."""
    report[STATUS], report[ASK] = about, np.int64(first)
    report[ASK + 1], report[ASK + 2] = np.int64(second), np.int64(local)
    return -1


@part
def _steps(
    words, states, at, finder, layout, trading, rules, violating, record, scratch, to, report
):
    """All steps from a state; their targets go to the scratch from word `to` on.

    Plain steps of fields before `finder` are counted and not listed. With `violating`, only
    steps that violate are listed, without targets; otherwise only the others. Of actors that
    may trade places and have equal locals, only the first one moves. With `record`, `taken`
    gets each step's field, the field of its actor in the target, and its row. Returns how many
    are listed, or -1 if the model must be asked; adds to the transitions in the report, and
    marks the kinds of violations met.
    """
    size = len(words)
    fields, after, targets, taken = scratch.fields, scratch.after, scratch.targets, scratch.taken
    rows = rules.rows
    _unpack(words, states, at, layout, fields)
    shared = fields[0]
    target = to
    listed = transitions = 0
    for f in range(1, len(fields)):
        local, role = fields[f], layout[f, ROLE]
        if trading and f > np.int64(layout[f, FIRST]) and fields[f - 1] == local:
            continue
        entry = rules.index[role, shared, local]
        if entry < 0:
            return _ask(report, ROWS, role, shared, local)
        row = np.uint64(entry >> COUNT_BITS)
        for _ in range(entry & ((1 << COUNT_BITS) - 1)):
            r = row
            row += ONE
            broadcast = np.int32(-1)
            kind = np.int32(-1)
            if rows[r, SPECIAL] != 0:
                broadcast, guard, kind = rows[r, BROADCAST], rows[r, GUARD], rows[r, KIND]
                if guard >= 0:
                    holds = 1
                    for g in range(1, len(fields)):
                        if g != f:
                            holds = rules.held[guard, layout[g, ROLE], fields[g]]
                            if holds < 0:
                                return _ask(report, HOLDS, guard, layout[g, ROLE], fields[g])
                            if holds == 0:
                                break
                    if holds == 0:
                        continue
                if kind >= 0:
                    scratch.kinds[kind] = 1
            transitions += 1
            if violating != (kind >= 0):
                continue
            place = f
            shared_after, local_after = np.uint64(rows[r, TO_SHARED]), np.uint64(rows[r, TO_LOCAL])
            plain = rows[r, SPECIAL] == 0 and shared_after == shared
            if plain and f < finder:
                continue
            if broadcast >= 0:
                after[0] = shared_after
                for g in range(1, len(fields)):
                    told = rules.received[broadcast, layout[g, ROLE], fields[g]]
                    if g == f:
                        after[g] = local_after
                    elif told < 0:
                        return _ask(report, RECEIVE, broadcast, layout[g, ROLE], fields[g])
                    else:
                        after[g] = np.uint64(told)
                if trading:
                    place = _sort(after, layout, f)
                _pack(words, after, layout, targets, target)
            elif not violating:
                for w in range(size):
                    targets[target + w] = states[at + w]
                _change(words, targets, target, layout, 0, shared ^ shared_after)
                place = _move(words, targets, target, fields, layout, trading, f, local_after)
            if not trading and plain and f <= LAST_FINDER:
                scratch.finders[to // size + listed] = f
            else:
                scratch.finders[to // size + listed] = 0
            if record:
                taken[listed, 0], taken[listed, 1], taken[listed, 2] = f, place, np.int64(r)
            listed += 1
            target += size
    report[TRANSITIONS] += transitions
    return listed


@part
def _slot(words, states, at, slots):
    """Where the search for a state begins in a table of so many slots."""
    h = states[at] * MULTIPLIER
    for w in range(1, len(words)):
        h = ((h ^ (h >> HALF)) + states[at + w]) * MULTIPLIER
    h = (h ^ (h >> HALF)) * SECOND
    bucket = ((h >> HALF) * (np.uint64(slots) >> THREE)) >> HALF
    return np.int64((bucket << THREE) | ((h >> THREE) & np.uint64(BUCKET - 1)))


@part
def _find(words, table, slots, slot, states, at, insert):
    """The slot that a state has in a table, or that it could have.

    With `insert`, the state is put there if it is absent. Returns (slot, whether it was absent).
    """
    size = len(words)
    word = states[at]
    bucket, place = slot & ~(BUCKET - 1), slot & (BUCKET - 1)
    while True:
        for _ in range(BUCKET):
            slot = bucket | place
            seen = load(table, slot * size)
            if seen == ZERO:
                if insert:
                    seen = claim(table, slot * size, word)
                if seen == ZERO:
                    if insert:
                        for w in range(1, size):
                            store(table, slot * size + w, states[at + w])
                    return slot, True
            if seen == word:
                same = True
                for w in range(1, size):
                    seen = load(table, slot * size + w)
                    while seen == ZERO:  # Another thread has claimed the slot and is writing.
                        seen = load(table, slot * size + w)
                    if seen != states[at + w]:
                        same = False
                        break
                if same:
                    return slot, False
            place = (place + 1) & (BUCKET - 1)
        bucket += BUCKET
        if bucket == slots:
            bucket = 0


@part
def _is_recent(words, recent, place, states, at):
    """Whether a state is among those seen lately; it is from now on."""
    size = len(words)
    same = True
    for w in range(size):
        if recent[place * size + w] != states[at + w]:
            same = False
            recent[place * size + w] = states[at + w]
    return same


@part
def _enter(words, scratch, count, out, out_finders, new, table, slots):
    """Look up the first targets that wait; the new ones go to `out`. Returns how many it has."""
    size = len(words)
    targets, starts = scratch.targets, scratch.starts
    for k in range(count):
        if _find(words, table, slots, starts[k], targets, k * size, True)[1]:
            for w in range(size):
                out[new * size + w] = targets[k * size + w]
            out_finders[new] = scratch.finders[k]
            new += 1
    return new


@kernel
def expand(
    words, states, finders, low, high, out, out_finders, table, slots, layout, trading, rules,
    scratch, report,
):  # fmt: skip
    """Take all steps from the states numbered low to high, and put the new states into `out`.

    A target is looked up some states after it was made, when its slot has come from memory.
    """
    size = len(words)
    targets, starts = scratch.targets, scratch.starts
    room = len(out) // size - BATCHES - len(layout) * rules.most
    waiting = new = 0
    report[STATUS], report[TRANSITIONS] = DONE, 0
    at = low
    while at < high:
        if new > room:
            report[STATUS] = FULL
            break
        count = _steps(
            words, states, at * size, finders[at], layout, trading, rules, False, False, scratch,
            waiting * size, report,
        )  # fmt: skip
        if count < 0:
            break
        for k in range(waiting, waiting + count):
            start = _slot(words, targets, k * size, slots)
            if not _is_recent(words, scratch.recent, start & (RECENT - 1), targets, k * size):
                for w in range(size):
                    targets[waiting * size + w] = targets[k * size + w]
                starts[waiting] = start
                scratch.finders[waiting] = scratch.finders[k]
                prefetch(table, start * size)
                waiting += 1
        at += 1
        if waiting >= BATCHES:
            ready = waiting - BATCH
            new = _enter(words, scratch, ready, out, out_finders, new, table, slots)
            for k in range(BATCH):
                starts[k] = starts[ready + k]
                scratch.finders[k] = scratch.finders[ready + k]
                for w in range(size):
                    targets[k * size + w] = targets[(ready + k) * size + w]
            waiting = BATCH
    report[AT] = at
    report[NEW] = _enter(words, scratch, waiting, out, out_finders, new, table, slots)


@kernel
def insert(words, states, low, high, table, slots, scratch, places):
    """Put states into a table that has room for them; `places`, if not empty, gets their slots."""
    size = len(words)
    starts = scratch.starts
    for first in range(low, high, BATCH):
        count = min(BATCH, high - first)
        for k in range(count):
            starts[k] = _slot(words, states, (first + k) * size, slots)
            prefetch(table, starts[k] * size)
        for k in range(count):
            slot = _find(words, table, slots, starts[k], states, (first + k) * size, True)[0]
            if len(places):
                places[first + k] = slot


@kernel
def find(words, states, at, table, slots):
    """The slot of a state in a table, or -1."""
    start = _slot(words, states, at, slots)
    slot, absent = _find(words, table, slots, start, states, at, False)
    return -1 if absent else slot


@kernel
def repack(old_words, states, old, words, new, fields, out):
    """Copy states to `out`, in another layout."""
    for k in range(len(states) // len(old_words)):
        _unpack(old_words, states, k * len(old_words), old, fields)
        _pack(words, fields, new, out, k * len(words))


@kernel
def costs(
    words, states, low, high, ends, wanted, table, slots, ahead,
    layout, trading, rules, scratch, out, out_costs, report,
):  # fmt: skip
    """Which states have a way to a violation, and the fewest switches of context on it.

    With `ends`, a way is a step that violates, of a kind that is `wanted`; otherwise a step to a
    state in `table`, whose costs are `ahead` by slot. Such states go to `out`, and to `out_costs`
    the switches and then, bit by bit, the contexts that begin such a way. A context is an actor's
    field with its interrupts apart; among actors that may trade places and have equal locals, the
    first stands for all. Switching to the first context costs nothing.
    """
    size = len(words)
    targets, taken, from_here = scratch.targets, scratch.taken, scratch.switches
    new = 0
    report[STATUS] = DONE
    for at in range(low, high):
        count = _steps(
            words, states, at * size, 0, layout, trading, rules, ends, True, scratch, 0, report
        )
        if count < 0:
            break
        for thread in range(len(from_here)):
            from_here[thread] = -1
        least = np.int64(-1)
        for k in range(count):
            f, place, r = taken[k, 0], taken[k, 1], taken[k, 2]
            interrupt = rules.rows[r, INTERRUPT]
            cost = np.int64(0)
            if ends:
                if wanted[rules.rows[r, KIND]] == 0:
                    continue
            else:
                start = _slot(words, targets, k * size, slots)
                slot, absent = _find(words, table, slots, start, targets, k * size, False)
                if absent:
                    continue
                thread = 2 * (place - 1) + interrupt
                begins = (ahead[slot, 1 + thread // 64] >> np.uint64(thread % 64)) & ONE
                cost = np.int64(ahead[slot, 0]) + (0 if begins else 1)
            thread = 2 * (f - 1) + interrupt
            if from_here[thread] < 0 or cost < from_here[thread]:
                from_here[thread] = cost
            if least < 0 or cost < least:
                least = cost
        if least >= 0:
            for w in range(size):
                out[new * size + w] = states[at * size + w]
            out_costs[new, 0] = least
            for w in range(1, out_costs.shape[1]):
                out_costs[new, w] = 0
            for thread in range(len(from_here)):
                if from_here[thread] == least:
                    out_costs[new, 1 + thread // 64] |= ONE << np.uint64(thread % 64)
            new += 1
    report[NEW] = new
