"""For all tests: garbage is collected less often; what is kept for a user goes elsewhere;
--nightly draws many more random protocols; and with MODELCHECK_NO_SKIPS, as in CI, a test that is
skipped fails the run, unless its reason is one of MAY_BE_SKIPPED."""

import gc
import os

import pytest
from hypothesis import Phase, settings

from modelcheck.cli.keeping import VARIABLE
from tests import random_protocols

# States are many, and never in a circle.
gc.set_threshold(200_000, 20, 20)

pytest_plugins = ["pytester"]

# For tools/mutate.py: the same examples each time, and the first that fails is enough.
settings.register_profile("mutants", derandomize=True, database=None, phases=[Phase.generate])


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


MAY_BE_SKIPPED = (
    "needs tlc",  # it is in no package registry
    "the tests of others are not beside this checkout",  # third-party data, not ours to ship
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were skipped that should not have been."""
    for report in _amiss(terminalreporter):
        terminalreporter.write_line(f"SKIPPED IN CI: {report.nodeid}: {report.longrepr}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which something was skipped that should not have been."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _amiss(reporter) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _amiss(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    if not os.environ.get("MODELCHECK_NO_SKIPS"):
        return []
    skipped = reporter.stats.get("skipped", [])
    return [
        report
        for report in skipped
        if not any(reason in str(report.longrepr) for reason in MAY_BE_SKIPPED)
    ]
