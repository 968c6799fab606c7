"""A model checker for cross-modifying code: is it safe to patch this instruction while it runs?

This module has what a spec needs: sites, cells, steps, protocols, and what to expect of them.
"""

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

__version__ = "0.1.0"

__all__ = [
    "SAFE",
    "Cell",
    "Expectation",
    "Handler",
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
    "violates",
    "wait_acks",
    "write",
]
