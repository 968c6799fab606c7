"""Checks a certificate for any number of CPUs by the naive machine and by solvers.

Of the file, only the invariant is taken: which states may occur together. What steps lead where,
what others hear of them, and what they violate, the naive machine is asked anew; then solvers are
asked whether the invariant has the first state, whether steps lead out of it, and whether one of
them violates a property. Each question is for a counterexample, so all answers must be unsat.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import z3

from modelcheck.naive.abstraction import PROPERTIES
from modelcheck.naive.certificate import Document, cpu_form, read, shared_form
from modelcheck.naive.memory import CPUS
from modelcheck.naive.reading import UnknownError
from modelcheck.naive.state import Move, hears

NOT_COVERED = frozenset({"finishes", "patch-completes"})
"""Properties of all that may follow, which no invariant proves."""

COVERED = frozenset(PROPERTIES) - NOT_COVERED

NOWHERE = -1
"""The number of all that the invariant does not have."""


class NotProvedError(ValueError):
    """The certificate proves nothing; the message says which question is answered wrongly."""


class Certified(NamedTuple):
    """How many questions were answered as they should, by which solvers; the properties that are
    proved, and those that were watched and are not covered here."""

    questions: int
    solvers: tuple[str, ...]
    proved: tuple[str, ...]
    not_covered: tuple[str, ...]


def certify(text: str) -> Certified:
    """Check a certificate.

    Raises NotProvedError where it proves nothing, UnknownError where it has what is not known here,
    and KeyboardInterrupt where a solver gave up, as it does on Ctrl-C alone.
    """
    document = read(text)
    watched = document.naive.watched
    if odd := watched - COVERED - NOT_COVERED:
        raise UnknownError(f"property {', '.join(sorted(odd))} is not known here")
    try:
        questions = dict(_Questions(document).all())
    except (LookupError, TypeError, ValueError) as error:
        raise UnknownError(
            f"its states are none that the machine can have: {type(error).__name__}: {error}"
        ) from error
    solvers = {"z3": _by_z3}
    if find_spec("cvc5") is not None:
        solvers["cvc5"] = _by_cvc5
    for solver, ask in solvers.items():
        for name, answer in zip(questions, ask("\n".join(questions.values())), strict=True):
            if answer == "unknown":
                raise KeyboardInterrupt(name)
            if answer != "unsat":
                raise NotProvedError(f"{name}: {solver} says {answer}, not unsat")
    return Certified(
        len(questions),
        tuple(solvers),
        tuple(sorted(watched & COVERED)),
        tuple(sorted(watched & NOT_COVERED)),
    )


Row = tuple[int, ...]


class _Questions:
    """The questions about an invariant, each as SMT-LIB text that stands by itself."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.naive, self.roles = document.naive, document.naive.roles
        self.shared_number = _numbers(enumerate(document.shareds))
        self.cpu_number = [_numbers(cpus.items()) for cpus in document.cpus]
        self.steps: dict[tuple[int, tuple[Any, ...]], set[Row]] = {}
        """For each role and what is said: shared and CPU, before and after."""
        self.bad: dict[int, set[Row]] = {place: set() for place in range(len(self.roles))}
        """For each role the shared and CPU from which a step violates something."""
        for place in range(len(self.roles)):
            for shared, cpu in sorted(self._pairs(place)):
                self._ask(place, shared, cpu)

    def _pairs(self, place: int) -> set[Row]:
        """The shared and CPU of a role that may occur together."""
        may = self.document.may
        if self.roles[place] == CPUS:
            return {(core[0], cpu) for core, cpus in may.items() for cpu in cpus}
        return {(core[0], core[place + 1]) for core, cpus in may.items() if cpus}

    def _ask(self, place: int, shared: int, cpu: int) -> None:
        role, before = self.roles[place], self.document.shareds[shared]
        for move in self.naive.moves(role, before, self.document.cpus[place][cpu]):
            after = self.shared_number.get(shared_form(self.naive, move.shared), NOWHERE)
            there = cpu_form(self.naive, role, move.cpu)
            row = shared, cpu, after, self.cpu_number[place].get(there, NOWHERE)
            self.steps.setdefault((place, move.said), set()).add(row)
            if move.violated & self.naive.watched:
                self.bad[place].add((shared, cpu))

    def _heard(self, place: int, said: tuple[Any, ...]) -> Iterator[Row]:
        """What becomes of another CPU of a role, if the step has not to wait for it."""
        for number, cpu in self.document.cpus[place].items():
            after = hears(cpu, said)
            if after is not None:
                there = cpu_form(self.naive, self.roles[place], after)
                yield number, self.cpu_number[place].get(there, NOWHERE)

    # What the questions are made of. Of each role one CPU is looked at, and of the CPUs that may be
    # many, the one that steps and another; `s` is what all share.

    def _core(self, mark: str = "") -> list[str]:
        return [f"s{mark}", *(f"p{place}{mark}" for place in range(len(self.roles) - 1))]

    def _may(self, other: str, mark: str = "") -> str:
        cases = (
            _and([*map(_is, self._core(mark), core), _among(f"{other}{mark}", cpus)])
            for core, cpus in self.document.may.items()
        )
        return _or(cases)

    def _table(self, names: Iterable[str], rows: Iterable[Row]) -> str:
        names = list(names)
        return _or(_and(map(_is, names, row)) for row in sorted(rows))

    def all(self) -> Iterator[tuple[str, str]]:
        """Each question: what it is about, and its text."""
        yield "the first state", self._question(self._first(), _not(self._may("other")))
        for (place, said), rows in self.steps.items():
            yield from self._consecution(place, said, rows)
        for place, rows in self.bad.items():
            stepping = self._name(place)
            bad = self._table(["s", stepping], rows)
            many = stepping if self.roles[place] == CPUS else "other"
            yield f"safety of {stepping}", self._question(self._may(many), bad)

    def _name(self, place: int) -> str:
        return "stepping" if self.roles[place] == CPUS else f"p{place}"

    def _first(self) -> str:
        naive, numbers = self.naive, []
        for place, role in enumerate(self.roles):
            cpu = cpu_form(naive, role, self._fresh(role))
            numbers.append(self.cpu_number[place].get(cpu, NOWHERE))
        shared = self.shared_number.get(shared_form(naive, naive.shared()), NOWHERE)
        return _and(map(_is, [*self._core(), "other"], [shared, *numbers]))

    def _fresh(self, role: int) -> Any:
        fresh = Move("", self.naive.shared(), self.naive.cpu(self.naive.programs[role]))
        return self.naive.synchronised(fresh).cpu

    def _consecution(
        self, place: int, said: tuple[Any, ...], rows: set[Row]
    ) -> Iterator[tuple[str, str]]:
        stepping = self._name(place)
        step = self._table(["s", stepping, "s'", f"{stepping}'"], rows)
        hearing = [
            self._table([f"p{n}", f"p{n}'"], self._heard(n, said))
            for n in range(len(self.roles) - 1)
            if n != place
        ]
        another = self._table(["other", "other'"], self._heard(len(self.roles) - 1, said))
        what = f"a step of {stepping} that says {said}"
        is_cpu = self.roles[place] == CPUS
        before = [self._may("other"), *([self._may(stepping)] if is_cpu else [])]
        after = _not(self._may("other", "'"))
        yield what, self._question(*before, step, *hearing, another, after)
        if is_cpu:
            itself = _not(self._may(stepping, "'"))
            yield f"{what}, itself", self._question(self._may(stepping), step, *hearing, itself)

    def _question(self, *terms: str) -> str:
        names = sorted(set(re.findall(r"\b(?:s|p\d+|other|stepping)'?(?![\w'])", " ".join(terms))))
        lines = [f"(declare-const |{name}| Int)" for name in names]
        lines += [f"(assert {re.sub(_NAME, _quoted, term)})" for term in terms]
        return "\n".join(["(push 1)", *lines, "(check-sat)", "(pop 1)"])


_NAME = r"(?<=[( ])(?:s|p\d+|other|stepping)'?(?=[ )])"


def _quoted(found: re.Match[str]) -> str:
    return f"|{found[0]}|"


def _numbers(values: Iterable[tuple[int, Any]]) -> dict[Any, int]:
    """The numbers of states. Raises UnknownError where two numbers mean the same."""
    found: dict[Any, int] = {}
    for number, value in values:
        if value in found:
            raise UnknownError(f"states {found[value]} and {number} mean the same")
        found[value] = number
    return found


def _is(name: str, value: int) -> str:
    return f"(= {name} {value})" if value >= 0 else f"(= {name} (- {-value}))"


def _among(name: str, values: Iterable[int]) -> str:
    return _or(_is(name, value) for value in values)


def _not(term: str) -> str:
    return f"(not {term})"


def _and(terms: Iterable[str]) -> str:
    return f"(and true {' '.join(terms)})"


def _or(terms: Iterable[str]) -> str:
    return f"(or false {' '.join(terms)})"


def _by_z3(text: str) -> list[str]:
    context = z3.Context()
    return str(z3.Z3_eval_smtlib2_string(context.ref(), f"(set-logic QF_LIA)\n{text}")).split()


def _by_cvc5(text: str) -> list[str]:
    import cvc5

    solver = cvc5.Solver()
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    whole = f"(set-logic QF_LIA)\n{text}"
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, whole, "questions")
    answers: list[str] = []
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols)
        answers += (answer.decode() if isinstance(answer, bytes) else str(answer)).split()
    return answers
