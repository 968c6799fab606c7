"""For all tests: garbage is collected less often, and what is kept for a user goes elsewhere."""

import gc

import pytest

from modelcheck.cli.keeping import VARIABLE

# States are many, and never in a circle.
gc.set_threshold(200_000, 20, 20)

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _kept_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test writes to the cache of whoever runs it."""
    monkeypatch.setenv(VARIABLE, str(tmp_path_factory.getbasetemp() / "cache"))
