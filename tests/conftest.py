"""For all tests: garbage is collected less often, what is kept for a user goes elsewhere, and
--nightly draws many more random protocols."""

import gc

import pytest

from modelcheck.cli.keeping import VARIABLE
from tests import random_protocols

# States are many, and never in a circle.
gc.set_threshold(200_000, 20, 20)

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _kept_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test writes to the cache of whoever runs it."""
    monkeypatch.setenv(VARIABLE, str(tmp_path_factory.getbasetemp() / "cache"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a nightly run be asked for."""
    parser.addoption(
        "--nightly",
        action="store_true",
        help=f"draw {random_protocols.NIGHTLY} random protocols where a test draws some, anew",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Note whether this is one, before tests are read."""
    random_protocols.nightly = bool(config.getoption("--nightly"))
