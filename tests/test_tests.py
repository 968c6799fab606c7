"""The tests themselves, and what runs them: what can be read of both without running them."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent


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


def hooks() -> dict[str, str]:
    """The commands that pre-commit runs, by their ids."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert local["repo"] == "local"
    return {hook["id"]: hook["entry"] for hook in local["hooks"]}


def test_pre_commit_lints_as_the_ci_does() -> None:
    """Whoever commits learns what CI would say, in the same words and order."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    found = re.search(r"^lint='(.*)'$", script, re.MULTILINE)
    assert found
    *lint, _ = hooks().values()
    assert lint == found[1].split(" && ")


def test_the_commands_of_pre_commit_exist() -> None:
    """A hook that cannot run keeps everybody from committing, or is switched off."""
    for command in hooks().values():
        tool, *arguments = shlex.split(command)
        assert tool.startswith(".venv/bin/")
        assert (Path(sys.executable).parent / Path(tool).name).exists(), tool
        for path in (path for path in arguments if path.startswith("tests/")):
            assert (ROOT / path).is_file(), path
