"""The tests themselves: what can be read of them without running them."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def anonymous(item: pytest.Item) -> bool:
    """Whether a parameter of the test is told by its place alone: `protocol0`, or a lambda."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    numbered = (rf"(^|-){re.escape(name)}\d+(-|$)" for name in item.callspec.params)
    return any(re.search(pattern, item.callspec.id) for pattern in (*numbered, "<lambda>"))


def test_every_parametrised_test_says_which_one_it_is(request: pytest.FixtureRequest) -> None:
    """Who reads `[protocol3]` in a report has to count; `ids=`, or `by_last`, gives it a name."""
    assert [item.nodeid for item in request.session.items if anonymous(item)] == []


def test_the_guide_to_the_tests_names_each_file_and_no_other() -> None:
    """Whoever adds a file says in tests/README.md what kind of tests it has."""
    named = set(re.findall(r"`(\w+\.py)`", (HERE / "README.md").read_text(encoding="utf-8")))
    assert named == {path.name for path in HERE.glob("*.py")} - {"__init__.py"}
