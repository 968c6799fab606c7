"""Random small systems of several roles, with broadcasts, guards and violations, as plain data."""

from hypothesis import strategies as st

from modelcheck.explore.table_models import TableModel, TableMove, TableRole

SHARED, LOCALS, SIGNALS = 4, 4, 2


@st.composite
def table_models(draw: st.DrawFn) -> TableModel:
    """Models of a few roles whose rows mean nothing."""
    roles = [TableRole("one", 1, replicated=False)]
    roles += [
        TableRole(f"many{number}", draw(st.integers(1, 3)), replicated=True)
        for number in range(draw(st.integers(1, 2)))
    ]
    locals_ = st.integers(0, LOCALS - 1)
    rarely = st.sampled_from((None, None, None, *range(SIGNALS)))
    move = st.builds(
        TableMove,
        st.integers(0, SHARED - 1),
        locals_,
        rarely,
        rarely,
        st.sampled_from(((),) * 15 + (("first",), ("second",), ("second", "first"))),
        st.booleans(),
    )
    moves = st.lists(move, max_size=2).map(tuple)
    table = {
        (role.name, shared, local): draw(moves)
        for role in roles
        for shared in range(SHARED)
        for local in range(LOCALS)
    }
    signals = st.tuples(st.integers(0, SIGNALS - 1), locals_)
    return TableModel(
        tuple(roles),
        table,
        draw(st.dictionaries(signals, locals_)),
        frozenset(draw(st.sets(signals))),
    )
