"""Code bytes as versions in chunks, held against plain bytearrays on random sites."""

from itertools import groupby, product

from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheck import Site
from modelcheck.machine.memory import LINE, ByteChange, Layout

Write = tuple[int, int, bytes]


@st.composite
def random_sites(draw: st.DrawFn) -> tuple[Site, ...]:
    """Up to three sites in any order, near one another."""
    sites: list[Site] = []
    address = draw(st.integers(0, 200))
    for number in range(draw(st.integers(1, 3))):
        size = draw(st.integers(1, 7))
        old = bytes(draw(st.lists(st.integers(0, 255), min_size=size, max_size=size)))
        sites.append(Site(f"site{number}", old, old, address))
        address += size + draw(st.integers(0, 9))
    return tuple(draw(st.permutations(sites)))


chunk_sizes = st.sampled_from([1, 2, 4, 8, 16, 32, 64])
offsets = st.integers(0, LINE - 1)
quick = settings(max_examples=200, deadline=None, derandomize=True)


def place(sites: tuple[Site, ...], offset: int, site: int, byte: int) -> int:
    """Where a byte lies when the first site begins at `offset` in a line; lines are whole."""
    return sites[site].address - sites[0].address + offset + byte + 100 * LINE


def writes(sites: tuple[Site, ...]) -> st.SearchStrategy[list[Write]]:
    """Up to eight stores into the sites, some of which change nothing."""

    @st.composite
    def one(draw: st.DrawFn) -> Write:
        site = draw(st.integers(0, len(sites) - 1))
        at = draw(st.integers(0, len(sites[site]) - 1))
        size = draw(st.integers(1, len(sites[site]) - at))
        same = sites[site].old[at : at + size]
        return site, at, draw(st.just(same) | st.binary(min_size=size, max_size=size))

    return st.lists(one(), max_size=8)


@quick
@given(random_sites(), chunk_sizes, offsets, st.booleans())
def test_chunks_are_the_aligned_pieces_of_a_site(
    sites: tuple[Site, ...], chunk: int, offset: int, ordered: bool
) -> None:
    """A chunk is naturally aligned: the address decides, not the site's first byte."""
    layout = Layout(sites, chunk=chunk, offset=offset, ordered=ordered, history=True)
    for number, site in enumerate(sites):
        places = [place(sites, offset, number, byte) for byte in range(len(site))]
        pieces = [len(list(piece)) for _, piece in groupby(places, lambda at: at // chunk)]
        assert [c.stop - c.start for c in layout.chunks[number]] == pieces
        assert layout.contents(layout.initial, number) == site.old


@quick
@given(random_sites(), chunk_sizes, offsets)
def test_sites_in_one_chunk_share_its_history_and_no_others_do(
    sites: tuple[Site, ...], chunk: int, offset: int
) -> None:
    """One atomic read of two sites gives both at one time."""
    layout = Layout(sites, chunk=chunk, offset=offset, ordered=False, history=True)
    history_of: dict[int, int] = {}
    bytes_of: dict[int, list[int]] = {}
    for number in range(len(sites)):
        byte = 0
        for piece in layout.chunks[number]:
            line = place(sites, offset, number, byte) // chunk
            assert history_of.setdefault(line, piece.history) == piece.history
            bytes_of.setdefault(piece.history, []).extend(range(piece.start, piece.stop))
            byte += piece.stop - piece.start
    assert len(set(history_of.values())) == len(history_of) == len(layout.initial)
    for history, indices in bytes_of.items():
        assert sorted(indices) == list(range(len(layout.initial[history][0])))


@quick
@given(random_sites(), chunk_sizes, offsets)
def test_with_ordered_fetches_all_sites_share_one_history(
    sites: tuple[Site, ...], chunk: int, offset: int
) -> None:
    """A monotone index into the global order of stores needs one history for all."""
    layout = Layout(sites, chunk=chunk, offset=offset, ordered=True, history=True)
    assert {c.history for pieces in layout.chunks for c in pieces} == {0}
    assert layout.newest(layout.initial) == (0,)


@quick
@given(st.data(), random_sites(), chunk_sizes, offsets, st.booleans(), st.booleans())
def test_writes_change_the_named_bytes_and_nothing_else(
    data: st.DataObject,
    sites: tuple[Site, ...],
    chunk: int,
    offset: int,
    ordered: bool,
    keep: bool,
) -> None:
    """Against plain bytearrays; a store that changes nothing is no new version."""
    layout = Layout(sites, chunk=chunk, offset=offset, ordered=ordered, history=keep)
    expected = [bytearray(site.old) for site in sites]
    memory = layout.initial
    for site, at, written in data.draw(writes(sites)):
        before = [bytes(contents) for contents in expected]
        expected[site][at : at + len(written)] = written
        after = layout.write(memory, site, at, written)
        assert [layout.contents(after, n) for n in range(len(sites))] == expected
        # Each history has grown by one version if its bytes have changed, and not otherwise.
        changed = {
            piece.history
            for n, pieces in enumerate(layout.chunks)
            for piece, (start, stop) in zip(pieces, spans(layout, n), strict=True)
            if before[n][start:stop] != expected[n][start:stop]
        }
        for number, (was, now) in enumerate(zip(memory, after, strict=True)):
            if number not in changed:
                assert now == was
            elif keep:
                assert now[:-1] == was
            else:
                assert len(now) == len(was) == 1
        memory = after


def spans(layout: Layout, site: int) -> list[tuple[int, int]]:
    """From which byte of the site to which each of its chunks goes."""
    found: list[tuple[int, int]] = []
    for piece in layout.chunks[site]:
        start = found[-1][1] if found else 0
        found.append((start, start + piece.stop - piece.start))
    return found


@quick
@given(st.data(), random_sites(), chunk_sizes, offsets, st.booleans())
def test_versions_of_a_chunk_are_what_the_writes_left_in_it(
    data: st.DataObject, sites: tuple[Site, ...], chunk: int, offset: int, ordered: bool
) -> None:
    """From any point in time, the oldest version still to be seen is what was there then."""
    layout = Layout(sites, chunk=chunk, offset=offset, ordered=ordered, history=True)
    memory = layout.initial
    snapshots = [memory]
    for site, at, written in data.draw(writes(sites)):
        memory = layout.write(memory, site, at, written)
        snapshots.append(memory)
    for snapshot in snapshots:
        view = layout.newest(snapshot)
        for number in range(len(sites)):
            contents = layout.contents(snapshot, number)
            for piece, (start, stop) in zip(
                layout.chunks[number], spans(layout, number), strict=True
            ):
                since = layout.versions(memory, piece, view[piece.history])
                assert since[0] == contents[start:stop]


@quick
@given(st.data(), random_sites(), chunk_sizes, offsets, st.booleans())
def test_changes_name_each_byte_that_a_store_changed(
    data: st.DataObject, sites: tuple[Site, ...], chunk: int, offset: int, ordered: bool
) -> None:
    """Byte by byte, with before and after, and none since the newest version."""
    layout = Layout(sites, chunk=chunk, offset=offset, ordered=ordered, history=True)
    memory = layout.initial
    view = layout.newest(memory)
    expected: list[tuple[int, int, int, int]] = []
    for site, at, written in data.draw(writes(sites)):
        now = layout.contents(memory, site)[at : at + len(written)]
        expected += [
            (site, at + i, old, new)
            for i, (old, new) in enumerate(zip(now, written, strict=True))
            if old != new
        ]
        memory = layout.write(memory, site, at, written)
    found = [
        (site, change.byte, change.before[inside(change)], change.after[inside(change)])
        for site in range(len(sites))
        for change in layout.changes(memory, site, 0, len(sites[site]), view)
    ]
    assert sorted(found) == sorted(expected)
    assert not any(
        list(layout.changes(memory, site, 0, len(sites[site]), layout.newest(memory)))
        for site in range(len(sites))
    )


def inside(change: ByteChange) -> int:
    """Where in its chunk the changed byte is."""
    return change.byte - change.first


def test_a_site_lies_within_a_chunk_or_crosses_one_by_its_offset() -> None:
    """Five bytes in chunks of eight: whole at 0 and 3, two and three at 6."""
    site = Site("foo", b"abcde", b"ABCDE", address=0x1000)
    pieces = {
        (chunk, offset): [
            piece.stop - piece.start
            for piece in Layout(
                (site,), chunk=chunk, offset=offset, ordered=False, history=True
            ).chunks[0]
        ]
        for chunk, offset in product((1, 8), (0, 3, 6))
    }
    assert pieces == {
        (1, 0): [1, 1, 1, 1, 1],
        (1, 3): [1, 1, 1, 1, 1],
        (1, 6): [1, 1, 1, 1, 1],
        (8, 0): [5],
        (8, 3): [5],
        (8, 6): [2, 3],
    }
