"""For all tests: garbage is collected less often, for states are many and never in a circle; and
--nightly draws many more random protocols."""

import gc

import pytest

from tests import random_protocols

gc.set_threshold(200_000, 20, 20)


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
