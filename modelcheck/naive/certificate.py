"""A certificate as its comment lines have it, and its states in terms of the naive machine.

Two things that the naive machine tells apart may mean the same: the order of stores to bytes that
have no history in common, and what can matter no more. `shared_form` and `cpu_form` forget them.
Knows the naive machine.
"""

import json
from typing import Any, NamedTuple

from modelcheck.naive.abstraction import Abstract
from modelcheck.naive.memory import CPUS
from modelcheck.naive.reading import Json, UnknownError, places, take, value_of
from modelcheck.naive.state import Cpu, Places, Routine, Shared, Spot, Store

PREFIX = ";; "
STOPS = ("no", "asked", "stands", "leaves, synchronising", "leaves")


class Document(NamedTuple):
    """The lines of a certificate, read, and the machine that they speak of."""

    naive: Abstract
    shareds: tuple[Shared, ...]
    cpus: tuple[dict[int, Cpu], ...]
    """For each role, its CPUs by the numbers of the certificate."""
    may: dict[tuple[int, ...], tuple[int, ...]]
    """For each (shared, patchers' CPUs), the other CPUs that may occur with it."""


def read(text: str) -> Document:
    """Read a certificate. Raises UnknownError for what is none, or has what is not known here."""
    found: dict[str, Any] = {"shareds": [], "locals": [], "pairs": []}
    try:
        for line in text.split("\n"):
            if line.startswith(PREFIX):
                name, _, value = line.removeprefix(PREFIX).partition(": ")
                key, _, number = name.partition(" ")
                if number:
                    found.setdefault(key, []).append(json.loads(value))
                else:
                    found[key] = json.loads(value)
        data = take(found, "the certificate", "spec variant protocol configuration schema", found)
        if data["schema"] != 1:
            raise UnknownError(f"schema {data['schema']!r} is not known here")
        naive = Abstract(data["protocol"], data["configuration"])
        if not data["configuration"].get("any_number"):
            raise UnknownError("its counters are those of a fixed number of CPUs")
        return _document(naive, data)
    except UnknownError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnknownError(f"not a certificate: {type(error).__name__}: {error}") from error


def _document(naive: Abstract, data: Json) -> Document:
    names = {"cpu": CPUS}
    may: dict[tuple[int, ...], tuple[int, ...]] = {}
    shareds = tuple(_shared(naive, *values) for values in data["shareds"])
    for pair in data["pairs"]:
        one = take(pair, "a pair", "core role locals", {})
        core = tuple(one["core"])
        if len(core) != len(naive.roles) or one["role"] not in names or core in may:
            raise UnknownError(f"pair {list(core)} {one['role']}: not of the form of one")
        may[core] = tuple(one["locals"])
    by_role = []
    for place, role in enumerate(naive.roles):
        if role == CPUS:
            numbers = {number for others in may.values() for number in others}
        else:
            numbers = {core[place + 1] for core in may}
        by_role.append({n: _cpu(naive, role, data["locals"][_index(n)]) for n in numbers})
    for core in may:
        shareds[_index(core[0])]
    return Document(naive, shareds, tuple(by_role), may)


def _index(number: Any) -> int:
    if not isinstance(number, int) or number < 0:
        raise UnknownError(f"{number!r} is no number of a state")
    return number


# Shared parts.


def _shared(
    naive: Abstract, memory: Any, cells: Any, returned: Any, ended: Any, *caches: Any
) -> Shared:
    """A shared part: the histories with a store for each change, one behind the other."""
    start, log = naive.shared(), list[Store]()
    every = [[a for a in naive.old if naive.line_of[a] == n] for n in range(len(start.cleaned))]
    for addresses, history in zip(every, memory, strict=True):
        before = bytes(naive.old[address] for address in addresses)
        contents = [bytes.fromhex(one) for one in history]
        if keeps_histories(naive) and contents[0] != before:
            raise UnknownError("a history that does not begin with the old bytes")
        for after in contents[1:] if keeps_histories(naive) else contents:
            log.append(Store(_changes(addresses, before, after)))
            before = after
    over = frozenset(_bits(returned)), frozenset(_bits(ended))
    found = Shared(tuple(log), tuple(map(value_of, cells)), start.cleaned, start.dropped, *over)
    cleaned, dropped, completed = caches
    if not naive.coherent_icache:
        found = found._replace(
            cleaned=tuple(cleaned) or start.cleaned,
            dropped=tuple(dropped),
            completed=tuple((tuple(newest), tuple(behind)) for newest, behind in completed),
        )
    if len(found.cells) != len(start.cells):
        raise UnknownError("a shared part with cells that the protocol does not have")
    return shared_form(naive, found)


def _changes(addresses: list[int], before: bytes, after: bytes) -> tuple[tuple[int, int], ...]:
    each = zip(addresses, before, after, strict=True)
    return tuple((address, now) for address, was, now in each if was != now)


def keeps_histories(naive: Abstract) -> bool:
    """Whether what memory held before matters."""
    return not naive.newest_only or naive.in_one_step


def shared_form(naive: Abstract, shared: Shared) -> Shared:
    """The shared part with the stores in the order of the bytes, those of one history in theirs;
    without those that changed nothing, and only the last where all else is forgotten."""
    log: list[Store] = []
    for history in naive.histories(shared.log):
        first, *later = history if keeps_histories(naive) else (history[0], history[-1])
        before = first
        for after in later:
            changed = tuple((a, byte) for a, byte in after.items() if byte != before[a])
            log += [Store(changed)] if changed else []
            before = after
    return shared._replace(log=tuple(log))


# CPUs.


def _cpu(naive: Abstract, role: int, values: Any) -> Cpu:
    """A CPU from what a certificate has of it, in the order in which it has that."""
    pc, written, pending, view, fetch, trap, acted, serialise, place, *more = values
    irqs_off, stop, in_user, deferred, grace, own, buffer, dropped = more
    every = list(naive.sites)
    spot = _spot(*place) if place else None
    reading = None
    if fetch:
        site, chunks, offset, floor = fetch
        at = spot or naive.whole(site)._replace(offset=offset)
        got = tuple(None if one is None else bytes.fromhex(one) for one in chunks)
        reading = at, got, tuple(floor) or naive.nowhere
    cpu = Cpu(
        rest=_rest(naive.programs[role], pc),
        written=frozenset(_bits(written)),
        since=tuple(view) or naive.nowhere,
        reading=reading,
        routine=_routine(naive, *trap) if trap else None,
        spot=spot,
        pending=frozenset(naive.roles[bit] for bit in _bits(pending)),
        serialise=serialise,
        deferred=deferred,
        in_user=in_user,
        irqs_off=irqs_off,
        stop=STOPS[stop],
        holds_up=frozenset(
            (naive.roles[bit // 2], ("handler", "region")[bit % 2]) for bit in _bits(grace)
        ),
        own=tuple(map(value_of, own)) or naive.cpu(()).own,
        buffer=tuple(_store([one.address for one in every], *one) for one in buffer),
        acted_new=frozenset(_bits(acted)),
        dropped=tuple(dropped) or naive.nowhere,
    )
    if len(cpu.since) != len(naive.nowhere) or len(cpu.own) != len(naive.initial):
        raise UnknownError("a CPU that does not fit the protocol")
    found = cpu_form(naive, role, cpu)
    if found.acted_new != cpu.acted_new or (found.in_handler and found.since != cpu.since):
        raise UnknownError("a CPU that remembers what cannot matter any more")
    return found


def _bits(number: int) -> list[int]:
    return [bit for bit in range(number.bit_length()) if number >> bit & 1]


def _rest(program: Any, pc: int) -> Any:
    """What is still to be done from a line on."""
    return [*places(program), ()][_index(pc)]


def _routine(naive: Abstract, site: int, pc: int, found: Any, called: bool) -> Routine:
    program = naive.callee if called else naive.handler
    kept = tuple((cell, value_of(value)) for cell, value in found)
    return Routine(_index(site), called, _rest(program, pc), kept)


def _spot(site: int, offset: int, forms: int) -> Spot:
    return Spot(_index(site), offset, frozenset(_bits(forms)))


def _store(addresses: list[int], *parts: Any) -> Store:
    """A store has five parts, a cache line to clean or to drop two, and a barrier one."""
    if len(parts) == 1:
        return Store(does="fence.i" if parts[0] else "dmb")
    if len(parts) == 2:
        return Store(does="drop" if parts[0] else "clean", line=_index(parts[1]))
    site, at, data, cell, value = parts
    if cell >= 0:
        return Store(cell=cell, value=value_of(value))
    start = addresses[_index(site)] + at
    return Store(tuple(enumerate(bytes.fromhex(data), start=start)))


def cpu_form(naive: Abstract, role: int, cpu: Cpu) -> Cpu:
    """The CPU without what cannot matter any more: its places if it runs no site, if it reads the
    newest alone, or if it synchronises before it fetches; what it acted as if nobody asks."""
    nowhere: Places = ()
    runs_sites = role == CPUS or naive.patcher_executes
    leaves = cpu.in_handler and naive.all_ways_synchronise and naive.coherent_icache
    if not runs_sites or not keeps_histories(naive) or leaves:
        nowhere = naive.nowhere
    if "per-cpu-monotone" not in naive.watched:
        cpu = cpu._replace(acted_new=frozenset())
    return cpu._replace(since=nowhere or cpu.since)
