"""A model checker for cross-modifying code: is it safe to patch this instruction while it runs?

This module has what a spec needs: sites, cells, steps, protocols, and what to expect of them.
`verify` checks a protocol from Python; it loads the checker when it is first used.
"""

from typing import TYPE_CHECKING, Any

from modelcheck.protocol.code import Cell, Site
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.protocol import Handler, Protocol
from modelcheck.protocol.steps import (
    block,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    send_ipi,
    skip,
    store,
    wait_acks,
    write,
)
from modelcheck.protocol.suite import SAFE, Expectation, Suite, Variant, violates

if TYPE_CHECKING:
    from modelcheck.api import Outcome, verify

__version__ = "0.1.0"

__all__ = [
    "SAFE",
    "Cell",
    "Expectation",
    "Handler",
    "Outcome",
    "Protocol",
    "Site",
    "SpecError",
    "Suite",
    "Variant",
    "block",
    "emulate",
    "iret",
    "lookup",
    "on_each_cpu",
    "send_ipi",
    "skip",
    "store",
    "verify",
    "violates",
    "wait_acks",
    "write",
]


def __getattr__(name: str) -> Any:
    """What needs the checker, loaded when asked for: a spec alone is to load at once."""
    if name in ("Outcome", "verify"):
        from modelcheck import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
