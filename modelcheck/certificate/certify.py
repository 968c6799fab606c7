"""Checking a certificate: against the machine, and by a solver. Trusts nothing in the file.

The invariant is read from the file; all else in it must be what the machine and the invariant give
when written anew. Then every obligation must be unsat. Knows certificates and Z3.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import z3

from modelcheck.certificate.invariant import CertificateError, Invariant, read
from modelcheck.certificate.smtlib import to_smtlib
from modelcheck.explore.pulse import LimitError
from modelcheck.machine.setup import Setup
from modelcheck.protocol.properties import LIVENESS
from modelcheck.solver import possible
from modelcheck.trace import incoming


@dataclass(frozen=True)
class Certified:
    """What a certificate has proved, by how many obligations.

    No run violates `proved`, with any number of CPUs. `open_` are watched too, but of all that may
    follow: no invariant shows them.
    """

    invariant: Invariant
    obligations: int
    proved: tuple[str, ...]
    open_: tuple[str, ...]


def certify(path: Path) -> Certified:
    """Check a certificate file. Raises CertificateError where it proves nothing."""
    try:
        text = incoming.read(path)
    except ValueError as error:
        raise CertificateError(f"{path}: {error}") from error
    try:
        return certify_text(text)
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}") from error


def certify_text(text: str) -> Certified:
    """Check a certificate. Raises CertificateError where it proves nothing."""
    invariant = read(text)
    if not invariant.configuration.any_number:
        raise CertificateError("its counters are those of a fixed number of CPUs")
    watched = Setup(invariant.protocol, invariant.configuration).watched
    proved = tuple(name for name in watched if name not in LIVENESS)
    if not proved:
        raise CertificateError(f"no obligation is about {', '.join(watched)}: it proves nothing")
    _check_numbers(invariant)
    meant = _written_anew(invariant)
    _compare(text, meant)
    open_ = tuple(name for name in watched if name in LIVENESS)
    return Certified(invariant, solve(meant), proved, open_)


def _written_anew(invariant: Invariant) -> str:
    try:
        return to_smtlib(invariant)
    except LimitError:
        raise
    except Exception as error:  # The machine may stumble anywhere over what it could never be in.
        raise CertificateError(
            f"its states are none that the machine can have: {type(error).__name__}: {error}"
        ) from error


def _compare(text: str, meant: str) -> None:
    """Lines end with a line feed alone: to a solver, nothing else ends a comment."""
    said, expected = text.split("\n"), meant.split("\n")
    for number, (line, right) in enumerate(zip(said, expected, strict=False), 1):
        if line != right:
            at = next((i for i, (a, b) in enumerate(zip(line, right, strict=False)) if a != b), 0)
            start = max(0, at - 20)
            raise CertificateError(
                f"line {number} is not what the machine gives: {line[start : start + 60]!r} should "
                f"be {right[start : start + 60]!r}"
            )
    if len(said) != len(expected):
        raise CertificateError(f"it has {len(said)} lines instead of {len(expected)}")


def solve(text: str) -> int:
    """Have Z3 answer all obligations; their number. Raises CertificateError if one is sat.

    Raises LimitError and KeyboardInterrupt where there is no answer, as `possible` does.
    """
    solver = z3.Solver(ctx=z3.Context())
    definitions, *obligations = re.split(r"^; (.*)\n\(push 1\)$", text, flags=re.MULTILINE)
    _tell(solver, definitions)
    for name, obligation in zip(obligations[::2], obligations[1::2], strict=True):
        asked, end, rest = obligation.partition("(check-sat) ; unsat\n(pop 1)\n")
        if not end or rest.strip():
            raise CertificateError(f"obligation {name!r} does not end as it should")
        solver.push()
        _tell(solver, asked)
        if possible(solver):
            raise CertificateError(f"obligation {name!r} is sat, not unsat")
        solver.pop()
    return len(obligations) // 2


def _tell(solver: z3.Solver, text: str) -> None:
    try:
        solver.from_string(text)
    except z3.Z3Exception as error:
        raise CertificateError(f"Z3 cannot read it: {error}") from error


def _check_numbers(invariant: Invariant) -> None:
    shareds, locals_ = len(invariant.shareds), len(invariant.locals)
    for pair in invariant.pairs:
        shared, *rest = pair.core or (-1,)
        if not 0 <= shared < shareds or not all(0 <= n < locals_ for n in (*rest, *pair.locals)):
            raise CertificateError(
                f"pair {list(pair.core)} {pair.role}: a number stands for nothing"
            )
