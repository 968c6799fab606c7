"""The pytest plugin: the fixture `modelcheck`, which asserts verdicts and prints traces.

Knows the Python interface, and loads it only when a test uses the fixture.
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from modelcheck import Outcome, Protocol


class Checker:
    """Asserts what checking a protocol must give; see modelcheck.verify for the settings."""

    def assert_safe(self, protocol: "Protocol", **settings: Any) -> "Outcome":
        """Fail with the trace unless the protocol is safe; an inconclusive search fails too."""
        __tracebackhide__ = True
        outcome = _verify(protocol, settings)
        if not outcome.safe:
            pytest.fail(f"expected safe\n{outcome}", pytrace=False)
        return outcome

    def assert_violates(
        self, protocol: "Protocol", *properties: str, steps: int | None = None, **settings: Any
    ) -> "Outcome":
        """Fail unless one of the properties (any, if none is named) is violated.

        With `steps`, the shortest counterexample must have that many.
        """
        __tracebackhide__ = True
        outcome = _verify(protocol, settings)
        wanted = " or ".join(properties) or "any property"
        if outcome.trace is None or (properties and outcome.violated not in properties):
            pytest.fail(f"expected a violation of {wanted}\n{outcome}", pytrace=False)
        if steps is not None and len(outcome.trace.steps) != steps:
            pytest.fail(f"expected {steps} steps to a violation\n{outcome}", pytrace=False)
        return outcome


def _verify(protocol: "Protocol", settings: dict[str, Any]) -> "Outcome":
    from modelcheck.api import verify

    return verify(protocol, **settings)


@pytest.fixture
def modelcheck() -> Checker:
    """Check protocols: modelcheck.assert_safe(protocol, cpus=3)."""
    return Checker()
