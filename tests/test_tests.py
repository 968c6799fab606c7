"""The tests themselves: what can be read of them without running them."""

import re

import pytest


def anonymous(item: pytest.Item) -> bool:
    """Whether a parameter of the test is told by its place alone: `protocol0`, or a lambda."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    numbered = (rf"(^|-){re.escape(name)}\d+(-|$)" for name in item.callspec.params)
    return any(re.search(pattern, item.callspec.id) for pattern in (*numbered, "<lambda>"))


def test_every_parametrised_test_says_which_one_it_is(request: pytest.FixtureRequest) -> None:
    """Who reads `[protocol3]` in a report has to count; `ids=`, or `by_last`, gives it a name."""
    assert [item.nodeid for item in request.session.items if anonymous(item)] == []
