# mypy: allow-untyped-defs
"""The inner loops, compiled to machine code once for all models. Knows arrays only.

A state is as many 64-bit words as its fields need: field 0 is the shared part, field f the local
part of actor f - 1. Bit 63 of each word is set, so that 0 marks an empty slot of a hash table.
The argument `words` is a tuple with an element for each word: its length is known when a kernel
is compiled, which makes a kernel of its own for each width.
"""

from typing import Any, NamedTuple

import numpy as np

from modelcheck.explore.compiled.machine_code import claim, kernel, load, prefetch, store

BATCH = 64
"""Successors that are looked up together: time for their slots to arrive from memory."""

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

TO_SHARED, TO_LOCAL, BROADCAST, GUARD, KIND, INTERRUPT, COLUMNS = range(7)
"""Columns of a table row; KIND is that of its violation. -1: none."""

COUNT_BITS = 16
"""An entry of the index is the number of the first row, and below it how many there are."""

MARK = np.uint64(1 << 63)
ZERO, ONE, THREE = np.uint64(0), np.uint64(1), np.uint64(3)
HALF = np.uint64(32)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SECOND = np.uint64(0xD6E8FEB86659FD93)


class Layout(NamedTuple):
    """Where each field of a state is: its word, its lowest bit there, and its mask.

    Fields from `first` to `last` belong to actors that may trade places: their locals are kept
    sorted. A field that is not sorted has its own number as both.
    """

    word: Any
    shift: Any
    mask: Any
    role: Any
    first: Any
    last: Any
    sorted: bool


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


@kernel
def _unpack(states, at, layout, fields):
    for f in range(len(fields)):
        word = states[at + layout.word[f]]
        fields[f] = np.int64((word >> layout.shift[f]) & layout.mask[f])


@kernel
def _pack(words, fields, layout, states, at):
    for w in range(len(words)):
        states[at + w] = MARK
    for f in range(len(fields)):
        states[at + layout.word[f]] |= np.uint64(fields[f]) << layout.shift[f]


@kernel
def _settle(fields, layout, f):
    """Move a field to its place among those it may trade places with. Returns the place."""
    local = fields[f]
    while f < layout.last[f] and fields[f + 1] < local:
        fields[f] = fields[f + 1]
        f += 1
    while f > layout.first[f] and fields[f - 1] >= local:
        fields[f] = fields[f - 1]
        f -= 1
    fields[f] = local
    return f


@kernel
def _sort(fields, layout, mover):
    """Sort all fields that may trade places. Returns the first place of the mover's local."""
    local = fields[mover]
    for f in range(1, len(fields)):
        value = fields[f]
        g = f
        while g > layout.first[f] and fields[g - 1] > value:
            fields[g] = fields[g - 1]
            g -= 1
        fields[g] = value
    place = layout.first[mover]
    while fields[place] != local:
        place += 1
    return place


@kernel
def _steps(words, states, at, layout, rules, violating, scratch, targets, to, taken, kinds, report):
    """All steps from a state; their targets go to `targets` from word `to` on.

    Fills `taken` with each step's field, the field that its actor has in the target, and its row.
    With `violating`, only steps that violate are listed, without targets; otherwise only the
    others. Of actors that may trade places and have equal locals, only the first one moves.
    Returns how many are listed, or -1 if the model must be asked; adds to the transitions in the
    report, and marks the kinds of violations met.
    """
    size = len(words)
    fields, after = scratch[0], scratch[1]
    _unpack(states, at, layout, fields)
    shared = fields[0]
    listed = transitions = 0
    for f in range(1, len(fields)):
        local = fields[f]
        if f > layout.first[f] and fields[f - 1] == local:
            continue
        role = layout.role[f]
        entry = rules.index[role, shared, local]
        if entry < 0:
            report[STATUS], report[ASK] = ROWS, role
            report[ASK + 1], report[ASK + 2] = shared, local
            return -1
        start = entry >> COUNT_BITS
        for r in range(start, start + (entry & ((1 << COUNT_BITS) - 1))):
            guard = rules.rows[r, GUARD]
            if guard >= 0:
                held = 1
                for g in range(1, len(fields)):
                    if g != f:
                        held = rules.held[guard, layout.role[g], fields[g]]
                        if held < 0:
                            report[STATUS], report[ASK] = HOLDS, guard
                            report[ASK + 1], report[ASK + 2] = layout.role[g], fields[g]
                            return -1
                        if held == 0:
                            break
                if held == 0:
                    continue
            transitions += 1
            kind = rules.rows[r, KIND]
            if kind >= 0:
                kinds[kind] = 1
            if violating != (kind >= 0):
                continue
            place = f
            if not violating:
                target = to + listed * size
                broadcast = rules.rows[r, BROADCAST]
                if broadcast < 0 and not layout.sorted:
                    for w in range(size):
                        targets[target + w] = states[at + w]
                    targets[target + layout.word[0]] ^= (
                        np.uint64(shared ^ rules.rows[r, TO_SHARED]) << layout.shift[0]
                    )
                    targets[target + layout.word[f]] ^= (
                        np.uint64(local ^ rules.rows[r, TO_LOCAL]) << layout.shift[f]
                    )
                else:
                    after[0] = rules.rows[r, TO_SHARED]
                    for g in range(1, len(fields)):
                        after[g] = fields[g]
                        if broadcast >= 0 and g != f:
                            after[g] = rules.received[broadcast, layout.role[g], fields[g]]
                            if after[g] < 0:
                                report[STATUS], report[ASK] = RECEIVE, broadcast
                                report[ASK + 1], report[ASK + 2] = layout.role[g], fields[g]
                                return -1
                    after[f] = rules.rows[r, TO_LOCAL]
                    if layout.sorted:
                        if broadcast >= 0:
                            place = _sort(after, layout, f)
                        else:
                            place = _settle(after, layout, f)
                    _pack(words, after, layout, targets, target)
            taken[listed, 0], taken[listed, 1], taken[listed, 2] = f, place, r
            listed += 1
    report[TRANSITIONS] += transitions
    return listed


@kernel
def _slot(words, states, at, slots):
    """Where the search for a state begins in a table of so many slots."""
    h = states[at] * MULTIPLIER
    for w in range(1, len(words)):
        h = ((h ^ (h >> HALF)) + states[at + w]) * MULTIPLIER
    h = (h ^ (h >> HALF)) * SECOND
    bucket = ((h >> HALF) * (np.uint64(slots) >> THREE)) >> HALF
    return np.int64((bucket << THREE) | ((h >> THREE) & np.uint64(BUCKET - 1)))


@kernel
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


@kernel
def expand(words, states, low, high, out, table, slots, layout, rules, kinds, report):
    """Take all steps from the states numbered low to high, and put the new states into `out`.

    A target is looked up some states after it was made, when its slot has come from memory.
    """
    size = len(words)
    most = rules.most * (len(layout.word) - 1)
    scratch = np.empty((2, len(layout.word)), np.int64)
    targets = np.empty((BATCH + most) * size, np.uint64)
    starts = np.empty(BATCH + most, np.int64)
    taken = np.empty((most, 3), np.int64)
    room = len(out) // size
    pending = new = 0
    report[STATUS], report[TRANSITIONS] = DONE, 0
    at = low
    while at < high:
        if new + BATCH + most > room:
            report[STATUS] = FULL
            break
        count = _steps(
            words, states, at * size, layout, rules, False,
            scratch, targets, pending * size, taken, kinds, report,
        )  # fmt: skip
        if count < 0:
            break
        for k in range(pending, pending + count):
            starts[k] = _slot(words, targets, k * size, slots)
            prefetch(table, starts[k] * size)
        pending += count
        at += 1
        if pending >= BATCH:
            for k in range(pending):
                if _find(words, table, slots, starts[k], targets, k * size, True)[1]:
                    for w in range(size):
                        out[new * size + w] = targets[k * size + w]
                    new += 1
            pending = 0
    for k in range(pending):
        if _find(words, table, slots, starts[k], targets, k * size, True)[1]:
            for w in range(size):
                out[new * size + w] = targets[k * size + w]
            new += 1
    report[AT], report[NEW] = at, new


@kernel
def insert(words, states, low, high, table, slots, places):
    """Put states into a table that has room for them; `places`, if not empty, gets their slots."""
    size = len(words)
    starts = np.empty(BATCH, np.int64)
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
def repack(old_words, states, old, words, new, out):
    """Copy states to `out`, in another layout."""
    fields = np.empty(len(old.word), np.int64)
    for k in range(len(states) // len(old_words)):
        _unpack(states, k * len(old_words), old, fields)
        _pack(words, fields, new, out, k * len(words))


@kernel
def costs(
    words, states, low, high, ends, wanted, table, slots, ahead, layout, rules, out, out_costs, report
):
    """Which states have a way to a violation, and the fewest switches of thread on it.

    With `ends`, a way is a step that violates, of a kind that is `wanted`; otherwise a step to a
    state in `table`, whose costs are `ahead` by slot. Such states go to `out`, and to `out_costs`
    the switches and then, bit by bit, the threads that begin such a way. A thread is an actor's
    field with its interrupts apart; among actors that may trade places and have equal locals, the
    first stands for all. Switching to the first thread costs nothing.
    """
    size = len(words)
    most = rules.most * (len(layout.word) - 1)
    scratch = np.empty((2, len(layout.word)), np.int64)
    targets = np.empty(most * size, np.uint64)
    taken = np.empty((most, 3), np.int64)
    from_here = np.empty(2 * len(layout.word), np.int64)
    kinds = np.zeros(len(wanted), np.uint8)
    new = 0
    report[STATUS] = DONE
    for at in range(low, high):
        count = _steps(
            words, states, at * size, layout, rules, ends, scratch, targets, 0, taken, kinds, report
        )
        if count < 0:
            break
        from_here[:] = -1
        least = np.int64(-1)
        for k in range(count):
            f, place, r = taken[k]
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
            out_costs[new, 1:] = 0
            for thread in range(len(from_here)):
                if from_here[thread] == least:
                    out_costs[new, 1 + thread // 64] |= ONE << np.uint64(thread % 64)
            new += 1
    report[NEW] = new
