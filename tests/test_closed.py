"""Closed worlds: what a part does not know it refuses by name; nothing is ignored by default."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "modelcheck"


def open_matches(source: str) -> list[int]:
    """The lines of matches whose last case is neither assert_never nor a refusal."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Match) and not _is_closed(node.cases[-1])
    ]


def _is_closed(case: ast.match_case) -> bool:
    anything = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
    (first, *_) = case.body
    refuses = isinstance(first, ast.Raise) or "assert_never" in ast.unparse(first)
    return anything and case.guard is None and refuses


@pytest.mark.parametrize(
    "file",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda file: file.relative_to(PACKAGE).as_posix(),
)
def test_every_match_ends_in_a_refusal(file: Path) -> None:
    """A kind of action, verdict, model or format that comes later is not ignored anywhere."""
    assert open_matches(file.read_text(encoding="utf-8")) == []


def test_a_match_that_ignores_the_rest_is_found() -> None:
    """Both ways to let a new kind slip through are seen: no last case, or an idle one."""
    silent = "match x:\n    case 1:\n        pass\n    case _:\n        pass\n"
    assert open_matches(silent) == [1]
    assert open_matches(silent.replace("case _:", "case 2:")) == [1]
    assert open_matches(silent.replace("case _:\n        pass", "case _:\n        raise E")) == []
