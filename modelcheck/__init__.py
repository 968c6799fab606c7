"""A model checker for cross-modifying code: is it safe to patch this instruction while it runs?

This module has what a spec needs: sites, cells, steps, protocols, and what to expect of them.
`verify` checks a protocol from Python; it loads the checker when it is first used.
"""

from typing import TYPE_CHECKING, Any

from modelcheck.protocol.code import Cell, Form, Runs, Site, runs
from modelcheck.protocol.definition import Handler, Patcher, Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.program import Block, Element, block, when
from modelcheck.protocol.suite import SAFE, STRICT_TOO, Bug, Expectation, Suite, Variant, violates
from modelcheck.protocol.vocabulary.anyone import (
    add,
    dmb,
    dsb,
    fence,
    increment_unless_zero,
    is_equal,
    pause,
    store,
)
from modelcheck.protocol.vocabulary.cpu import enter_user, execute, flush, leave_user
from modelcheck.protocol.vocabulary.patcher import write
from modelcheck.protocol.vocabulary.program import (
    caches_clean_inval_pou,
    dc_cvau,
    fence_i,
    ic_ivau,
    irq_off,
    irq_on,
    isb,
    lock,
    on_each_cpu,
    send_ipi,
    stop_machine,
    sync_core,
    synchronize_rcu,
    synchronize_rcu_tasks,
    unlock,
    wait_acks,
    wait_until,
)
from modelcheck.protocol.vocabulary.routine import emulate, iret, lookup, not_ours, ret, skip, use
from modelcheck.protocol.watched import Waiver, without_property
from modelcheck.version import __version__ as __version__

if TYPE_CHECKING:
    from modelcheck.api import Outcome, verify

__all__ = [
    "SAFE",
    "STRICT_TOO",
    "Block",
    "Bug",
    "Cell",
    "Element",
    "Expectation",
    "Form",
    "Handler",
    "Outcome",
    "Patcher",
    "Protocol",
    "Runs",
    "Site",
    "SpecError",
    "Suite",
    "Variant",
    "Waiver",
    "add",
    "block",
    "caches_clean_inval_pou",
    "dc_cvau",
    "dmb",
    "dsb",
    "emulate",
    "enter_user",
    "execute",
    "fence",
    "fence_i",
    "flush",
    "ic_ivau",
    "increment_unless_zero",
    "iret",
    "irq_off",
    "irq_on",
    "is_equal",
    "isb",
    "leave_user",
    "lock",
    "lookup",
    "not_ours",
    "on_each_cpu",
    "pause",
    "ret",
    "runs",
    "send_ipi",
    "skip",
    "stop_machine",
    "store",
    "sync_core",
    "synchronize_rcu",
    "synchronize_rcu_tasks",
    "unlock",
    "use",
    "verify",
    "violates",
    "wait_acks",
    "wait_until",
    "when",
    "without_property",
    "write",
]


def __getattr__(name: str) -> Any:
    """What needs the checker, loaded when asked for: a spec alone is to load at once."""
    if name in ("Outcome", "verify"):
        from modelcheck import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
