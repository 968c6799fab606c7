"""One fetch: what Z3 says can be read, held against enumeration on random windows."""

from collections.abc import Iterator
from itertools import pairwise, product

import pytest
import z3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelcheck.machine import window as windows
from modelcheck.machine.window import TornRead, Window, fetchable

Positions = tuple[int, ...]
Reads = dict[tuple[str, bytes], set[Positions]]


def classify(data: bytes, window: Window) -> str:
    """What data are: the trap, a known instruction, or torn."""
    if any(map(data.startswith, window.traps)):
        return "trap"
    return "known" if data in window.known else "torn"


def reads(window: Window) -> Iterator[tuple[Positions, bytes]]:
    """Every choice of a version for each chunk that the order allows, and its bytes."""
    for positions in product(*(range(len(versions)) for versions in window.chunks)):
        if window.ordered and any(left > right for left, right in pairwise(positions)):
            continue
        data = b"".join(v[p] for v, p in zip(window.chunks, positions, strict=True))
        yield positions, data


def chunks_of(window: Window, trap: bytes) -> int:
    """How many chunks a trap lies in."""
    size = chunks = 0
    while size < len(trap):
        size += len(window.chunks[chunks][0])
        chunks += 1
    return chunks


def brute_force(window: Window) -> Reads:
    """All that can be fetched, each with every place it can come from."""
    found: Reads = {}
    for positions, data in reads(window):
        kind = classify(data, window)
        if kind == "trap":
            data = next(trap for trap in window.traps if data.startswith(trap))
            positions = positions[: chunks_of(window, data)]
            # A CPU enters the trap in the very step that reads the last of it.
            newest = [len(versions) - 1 for versions in window.chunks]
            if window.newest_trap and all(
                p != last for p, last in zip(positions, newest, strict=False)
            ):
                continue
        found.setdefault((kind, data), set()).add(positions)
    return found


def assert_exact(window: Window) -> None:
    """Z3's readings are those of enumeration, each at its earliest positions."""
    expected = brute_force(window)
    fetched = fetchable(window)
    assert sorted((classify(f.data, window), f.data) for f in fetched) == sorted(expected)
    for data, positions in fetched:
        kind = classify(data, window)
        choices = expected[kind, data]
        assert positions in choices
        if not (kind == "trap" and window.newest_trap):
            assert all(
                mine <= other
                for choice in choices
                for mine, other in zip(positions, choice, strict=True)
            )


@st.composite
def random_windows(draw: st.DrawFn, trap_size: int = 1) -> Window:
    """Windows of a few chunks and versions, most of them of old, new and trap."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    length = sum(sizes)
    trap = b"\xcc\xcd\xce"[: min(trap_size, length)] if draw(st.integers(0, 4)) else b""
    old = bytes(0x10 + i for i in range(length))
    new = bytes(draw(st.sampled_from((0x20 + i, old[i]))) for i in range(length))
    ordered = draw(st.booleans())
    count = draw(st.integers(1, 4))
    chunks: list[tuple[bytes, ...]] = []
    at = 0
    for size in sizes:
        values = [
            st.sampled_from((old[i], new[i], trap[i] if i < len(trap) else new[i], 0x77))
            for i in range(at, at + size)
        ]
        number = count if ordered else draw(st.integers(1, 4))
        likely = {
            old[at : at + size],
            new[at : at + size],
            (trap + old[len(trap) :])[at : at + size],
        }
        contents = st.sampled_from(sorted(likely)) | st.tuples(*values).map(bytes)
        chunks.append(tuple(draw(contents) for _ in range(number)))
        at += size
    known = tuple(dict.fromkeys((old, new)))
    traps = (trap, b"\x77")[: draw(st.integers(1, 2))] if trap else ()
    return Window(tuple(chunks), known, traps, ordered, draw(st.booleans()))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(random_windows())
def test_what_z3_finds_fetchable_is_what_enumeration_finds(window: Window) -> None:
    """Differential: all readings, each at its earliest positions, on random windows."""
    assert_exact(window)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(random_windows(trap_size=2) | random_windows(trap_size=3))
@example(Window(((b"t", b"n"), (b"o", b"p")), (b"oo", b"nn"), (b"tp",), True, True))
@example(Window(((b"o", b"t"), (b"o", b"n", b"p")), (b"oo", b"nn"), (b"tp",), False, True))
def test_a_trap_of_several_bytes_is_fetchable_where_enumeration_finds_it(window: Window) -> None:
    """The same where a trap may lie across chunks."""
    assert_exact(window)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(random_windows())
@example(Window(((b"a", b"b"), (b"b",)), (b"ab", b"bb"), (), False, False))
@example(Window(((b"a", b"b"), (b"a", b"b")), (b"aa", b"bb"), (), False, False))
@example(Window(((b"a", b"b"), (b"a", b"b")), (b"aa", b"bb"), (), True, False))
@example(Window(((b"aa", b"bb"),), (b"aa", b"bb"), (), True, False))
def test_a_torn_read_is_satisfiable_exactly_if_one_exists(window: Window) -> None:
    """The question asked of Z3 is the one meant, and asking twice does not change it."""
    exists = any(classify(data, window) == "torn" for _, data in reads(window))
    read = TornRead(window)
    assert read.possible(read.is_torn) == exists
    assert bool(list(read.torn())) == exists
    assert read.possible(read.is_torn) == exists, "enumerating leaves the question as it was"


def test_bytes_equal_in_old_and_new_betray_no_tear() -> None:
    """A mix that is byte for byte old or new is not called torn."""
    window = Window(((b"a", b"b"), (b"x", b"x")), (b"ax", b"bx"), (), False, False)
    assert [f.data for f in fetchable(window)] == [b"ax", b"bx"]


def test_each_window_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Z3 is the slow part: equal windows share an answer, and settled ones need none."""
    solved: list[Window] = []

    class Counting(TornRead):
        def __init__(self, window: Window) -> None:
            solved.append(window)
            super().__init__(window)

    monkeypatch.setattr(windows, "TornRead", Counting)
    fetchable.cache_clear()
    one = Window(((b"a", b"b"), (b"c", b"d")), (b"ac", b"bd"), (), False, False)
    same = Window(((b"a", b"b"), (b"c", b"d")), (b"ac", b"bd"), (), False, False)
    other = Window(((b"a", b"b"), (b"c", b"d")), (b"ac", b"bd"), (), True, False)
    settled = Window(((b"a",), (b"c",)), (b"ac", b"bd"), (), False, False)
    assert fetchable(one) == fetchable(same)
    fetchable(other)
    fetchable(settled)
    assert solved == [one, other]


def test_a_solver_cut_short_is_an_interrupt_and_never_means_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unknown taken for unsatisfiable would be a missed tear."""
    monkeypatch.setattr(z3.Solver, "check", lambda *_: z3.unknown)
    with pytest.raises(KeyboardInterrupt):
        fetchable(Window(((b"p", b"q"), (b"r", b"s")), (b"pr", b"qs"), (), False, False))
