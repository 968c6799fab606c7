"""Asking Z3: the one place where a question is put to it. Knows limits and Ctrl-C.

An answer is yes or no. Where time is up, Ctrl-C came or memory ran out, there is none: to take
"unknown" for "no" would make an unsafe protocol safe.
"""

import math

import z3

from modelcheck.explore.interrupts import relayed, strike
from modelcheck.explore.pulse import time_left

MOST_MILLISECONDS = 2**31 - 1
"""The longest time that Z3 can be told to take."""


def possible(solver: z3.Solver, *questions: z3.BoolRef) -> bool:
    """Whether something satisfies what the solver knows, and all questions.

    Raises LimitError if the time for the question that this is part of is over, KeyboardInterrupt
    on Ctrl-C, and MemoryError.
    """
    left = time_left()
    # Ctrl-C goes to Python first; what Z3 does with it by itself may come too late, and be lost.
    solver.set("ctrl_c", False)
    if left is not None:
        solver.set("timeout", min(math.ceil(left * 1000), MOST_MILLISECONDS))
    try:
        with relayed(solver.ctx.interrupt):
            answer = solver.check(*questions)
    except z3.Z3Exception as error:
        if "memory" in str(error):
            raise MemoryError from error
        raise
    if answer == z3.unknown:
        reason = solver.reason_unknown()
        if "mem" in reason:
            raise MemoryError(reason)
        time_left()
        # These constraints are always decided: only Ctrl-C is left.
        strike()
    return bool(answer == z3.sat)
