"""The tree as an order: a part knows only what stands below it, and nothing goes round in a circle.

The order itself is in pyproject.toml, where import-linter reads it.
"""

import tomllib
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_no_part_knows_what_stands_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts of pyproject.toml are kept."""
    monkeypatch.chdir(ROOT)
    assert cli.lint_imports(no_cache=True) == 0


def test_every_part_has_a_place_in_the_order() -> None:
    """A new file or folder of the package has to be put into the order before it may exist."""
    (contract,) = SETTINGS["contracts"]
    placed = {part for layer in contract["layers"] for part in layer.split(" : ")}
    parts = {path.stem for path in (ROOT / "modelcheck").iterdir() if path.name[0] not in "_."}
    assert placed == parts
