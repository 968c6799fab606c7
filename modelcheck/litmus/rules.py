"""Which rules judge a test: by its architecture, its header, and what was asked for.

Knows tests and orders.
"""

from modelcheck.litmus.errors import LitmusError, Spot
from modelcheck.litmus.order import RISCV, X86, MemoryOrder, arm
from modelcheck.litmus.program import LitmusTest

RULES: dict[str, tuple[str, ...]] = {"RISCV": tuple(RISCV), "X86_64": tuple(X86)}
"""The names of rules that can be asked for, the default first. Arm's are the cache type."""


ALSO = {"Ziccif-only": "Ziccif"}
"""Other names of rules, as others publish them."""


CACHE_TYPES = ((False, False), (False, True), (True, True))
"""DIC and IDC of the three types of caches that Arm has."""


def order_of(
    test: LitmusTest, cache: tuple[bool, bool] | None = None, rules: str | None = None
) -> MemoryOrder:
    """The order that judges a test.

    `cache` is DIC and IDC, by default those of the header. Raises LitmusError if `rules` are not of
    the test's architecture.
    """
    name = test.isa.name
    rules = ALSO.get(rules, rules) if rules is not None else None
    known = RULES.get(name, ())
    if rules is not None and rules not in known:
        others = f"; it has {', '.join(known)}" if known else "; its rules are the cache type"
        raise LitmusError(f"{name} has no rules {rules!r}{others}", Spot(1, 1))
    if name == "AArch64":
        dic, idc = cache if cache is not None else (test.dic, test.idc)
        return arm(dic=dic, idc=idc or dic)
    return (RISCV | X86)[rules or known[0]]


def named_order(test: LitmusTest, name: str) -> MemoryOrder:
    """The order of a test's architecture that has this name. Raises LitmusError."""
    if test.isa.name == "AArch64":
        known = {(order := arm(dic=dic, idc=idc)).name: order for dic, idc in CACHE_TYPES}
    else:
        known = {name: (RISCV | X86)[name] for name in RULES[test.isa.name]}
    if name not in known:
        raise LitmusError(f"{test.isa.name} has no rules {name!r}; it has {', '.join(known)}")
    return known[name]
