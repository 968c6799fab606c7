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


@dataclass(frozen=True)
class Certified:
    """What a certificate has proved, by how many obligations."""

    invariant: Invariant
    obligations: int


def certify(path: Path) -> Certified:
    """Check a certificate file. Raises CertificateError where it proves nothing."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
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
    _check_numbers(invariant)
    expected = to_smtlib(invariant).splitlines()
    for number, (said, meant) in enumerate(zip(text.splitlines(), expected, strict=False), 1):
        if said != meant:
            raise CertificateError(
                f"line {number} is not what the machine gives: {said[:60]!r} should be "
                f"{meant[:60]!r}"
            )
    if len(text.splitlines()) != len(expected):
        raise CertificateError(f"it has {len(text.splitlines())} lines instead of {len(expected)}")
    return Certified(invariant, solve(text))


def solve(text: str) -> int:
    """Have Z3 answer all obligations; their number. Raises CertificateError if one is not unsat."""
    context = z3.Context()
    answers = z3.Z3_eval_smtlib2_string(context.ref(), text).split()
    names = re.findall(r"^; (.*)\n\(push 1\)$", text, re.MULTILINE)
    if len(answers) != len(names):
        raise CertificateError(f"{len(names)} obligations, but {len(answers)} answers")
    for name, answer in zip(names, answers, strict=True):
        if answer == "unknown":
            # Finite constraints are always decided; only Ctrl-C ends the solver early.
            raise KeyboardInterrupt
        if answer != "unsat":
            raise CertificateError(f"obligation {name!r} is {answer}, not unsat")
    return len(answers)


def _check_numbers(invariant: Invariant) -> None:
    shareds, locals_ = len(invariant.shareds), len(invariant.locals)
    for pair in invariant.pairs:
        shared, *rest = pair.core or (-1,)
        if not 0 <= shared < shareds or not all(0 <= n < locals_ for n in (*rest, *pair.locals)):
            raise CertificateError(
                f"pair {list(pair.core)} {pair.role}: a number stands for nothing"
            )
