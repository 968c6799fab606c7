"""The independent certifier accepts what is proved, refuses the rest, and says what it leaves."""

import ast
import io
import random
import re
import tokenize
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import grimp
import pytest

from modelcheck.cli import main
from modelcheck.naive.certifier import COVERED, NOT_COVERED, NotProvedError, certify
from modelcheck.naive.reading import UnknownError
from modelcheck.protocol.properties import LIVENESS, PROPERTIES
from modelcheck.questions.prove import prove
from tests.checks import each
from tests.protocols import SPECS
from tests.test_certificate import certificate, shipped

ROOT = Path(__file__).parent.parent


def proofs(spec: Path, *, all_: bool) -> Iterator[str]:
    """The certificates of a spec: of its first variant that has one, or of all."""
    for job in shipped(spec):
        text = prove(job, spec=spec.as_posix()).certificate
        if text is not None:
            yield text
            if not all_:
                return


@pytest.mark.parametrize("spec", each(sorted(SPECS.glob("*.py"))), ids=lambda path: path.stem)
def test_a_proof_of_every_spec_is_accepted(spec: Path) -> None:
    """Two machines that share nothing, and two solvers, on the form that `prove` writes."""
    for text in proofs(spec, all_=False):
        assert certify(text).solvers == ("z3", "cvc5")


@pytest.mark.slow
@pytest.mark.parametrize("spec", sorted(SPECS.glob("*.py")), ids=lambda path: path.stem)
def test_all_proofs_of_shipped_specs_are_accepted(spec: Path) -> None:
    """Every variant that is proved, under every fetch model."""
    assert [certify(text) for text in proofs(spec, all_=True)]


def test_a_proof_of_byte_wise_fetches_is_accepted() -> None:
    """Fetches under way are states of the certificate then, and none is taken in one step."""
    spec = SPECS / "x86_int3_minimal.py"
    text = next(proofs(spec, all_=False))
    assert '"semantics": "bytewise"' in text
    assert {*certify(text).proved} == COVERED - {"no-unpermitted-modification"}


# What proves nothing.


def test_an_invariant_without_what_can_occur_is_refused() -> None:
    """A step leads out of what is left, or the first state is missing."""
    lines = certificate(fetch="per-chunk").split("\n")
    pairs = [number for number, line in enumerate(lines) if line.startswith(";; pairs")]
    for number in pairs[:: len(pairs) // 12]:
        with pytest.raises(NotProvedError, match=r"first state|a step of"):
            certify("\n".join(lines[:number] + lines[number + 1 :]))


def test_an_invariant_of_which_a_step_violates_something_is_refused() -> None:
    """Watching something else, the same invariant proves nothing: a step violates that."""
    job = next(shipped(SPECS / "x86_int3.py", variants=("no-syncs",), fetch=("per-chunk",)))
    watching = replace(job.configuration, properties=("effect-is-old-or-new",))
    text = prove(replace(job, configuration=watching), spec="specs/x86_int3.py").certificate
    assert text is not None
    assert certify(text).proved == ("effect-is-old-or-new",)
    configuration = next(line for line in text.split("\n") if line.startswith(";; configuration"))
    torn = configuration.replace("effect-is-old-or-new", "no-torn-instruction")
    with pytest.raises(NotProvedError, match="safety"):
        certify(text.replace(configuration, torn))


def tampered(text: str, times: int) -> Iterator[str]:
    """The certificate with a number changed in one line of states or pairs, or without the line."""
    chance = random.Random(1)
    lines = text.split("\n")
    of_states = [n for n, line in enumerate(lines) if re.match(";; (shareds|locals|pairs) ", line)]
    for _ in range(times):
        number = chance.choice(of_states)
        head, _, value = lines[number].partition(": ")
        places = list(re.finditer(r'(?<!["\w])\d+(?!["\w])', value))
        if not places or chance.random() < 0.1:
            yield "\n".join(lines[:number] + lines[number + 1 :])
            continue
        place = chance.choice(places)
        other = int(place[0]) + chance.choice((1, 2, -1) if place[0] != "0" else (1, 2))
        changed = f"{head}: {value[: place.start()]}{other}{value[place.end() :]}"
        yield "\n".join([*lines[:number], changed, *lines[number + 1 :]])


def assert_refused(times: int) -> None:
    """No tampered certificate is taken for one."""
    for text in tampered(certificate(fetch="per-chunk"), times):
        with pytest.raises((NotProvedError, UnknownError)):
            certify(text)


def test_tampered_certificates_are_refused() -> None:
    """A state, a pair, or a line less: each breaks the invariant, or is no state."""
    assert_refused(40)


@pytest.mark.slow
def test_many_tampered_certificates_are_refused() -> None:
    """The same five hundred times."""
    assert_refused(500)


# What it does not cover.


def test_every_property_is_covered_or_named_as_not_covered() -> None:
    """A property that comes later has to come to one of the two."""
    assert set(PROPERTIES) == COVERED | NOT_COVERED
    assert set(LIVENESS) == NOT_COVERED


def test_what_no_invariant_proves_is_named() -> None:
    """That programs finish, which every spec watches."""
    certified = certify(next(proofs(SPECS / "two_patchers.py", all_=False)))
    assert certified.not_covered == ("finishes", "patch-completes")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"step": "WaitAcks"', '"step": "WaitLonger"', "kind 'WaitLonger' is not known"),
        ('"stores"', '"shops"', "shops is not known"),
        ('"any_number": true', '"any_number": false', "a fixed number of CPUs"),
        (
            '"properties": []',
            '"properties": ["per-cpu-monotone", "no-surprise"]',
            "no-surprise is not known",
        ),
        (";; schema : 1", ";; schema : 2", "schema 2 is not known"),
        (";; shareds 0: [", ";; shareds 0: [[],", "not a certificate"),
    ],
    ids=["step", "field", "counters", "property", "schema", "no state"],
)
def test_what_is_unknown_is_refused_by_name(old: str, new: str, message: str) -> None:
    """Nothing in a certificate is passed over."""
    text = certificate(fetch="per-chunk")
    if old == '"stores"':
        text = text.replace('"handler":', '"stores": "weak", "handler":', 1)
    assert old in text
    with pytest.raises(UnknownError, match=message):
        certify(text.replace(old, new))


# The command.


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accepted is said with its solvers; what is refused is one message and code 2."""
    monkeypatch.chdir(ROOT)
    file = tmp_path / "base.smt2"
    arguments = ["prove", "specs/x86_int3.py", "--variant", "base", "--fetch", "coherent"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    (file, *_) = sorted((tmp_path / "x86_int3").glob("*.smt2"))
    capsys.readouterr()
    assert main(["certify", str(file), "specs/x86_int3.py", "--independent"]) == 0
    out = capsys.readouterr().out
    assert "By the naive machine: all" in out
    assert "by z3 and by cvc5" in out


def test_the_command_refuses_what_the_naive_machine_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disagreement of the two machines is an error of the certificate, with the reason."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "x86_int3").mkdir()
    file = tmp_path / "x86_int3" / "base.smt2"
    text = certificate(fetch="coherent", spec=Path("specs/x86_int3.py"))
    file.write_text(text)
    monkeypatch.setattr("modelcheck.naive.stepping.Naive.fetches", lambda *_: iter(()))
    assert (
        main(["certify", str(file), "specs/x86_int3.py", "--independent"]) == 0
    )  # Fewer steps lead nowhere else.
    monkeypatch.setattr("modelcheck.naive.state.Cpu.calm", lambda cpu: cpu._replace(stop="asked"))
    assert main(["certify", str(file), "specs/x86_int3.py", "--independent"]) == 2
    assert "by the naive machine: a step of" in capsys.readouterr().err


# The trust base.


def lines_of_code(file: Path) -> int:
    """Lines that are neither empty nor a comment nor a docstring."""
    source = file.read_text(encoding="utf-8")
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    return len(
        {
            line
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type not in nothing | {tokenize.ENDMARKER}
            for line in range(token.start[0], token.end[0] + 1)
        }
        - docstrings
    )


@cache
def trusted(top: str) -> int:
    """The lines of a module and of all that it imports."""
    graph = grimp.build_graph("modelcheck")
    files = [ROOT / name.replace(".", "/") for name in {top, *graph.find_upstream_modules(top)}]
    return sum(
        lines_of_code(file / "__init__.py" if file.is_dir() else file.with_suffix(".py"))
        for file in files
    )


PAGE = ROOT / "docs" / "trust.md"


def test_the_naive_machine_and_its_certifier_stay_small() -> None:
    """So that a person can read all of it: the page has the most that each may have."""
    most = re.search(r"has (\d+) lines at most;.*\) (\d+)\.", PAGE.read_text("utf-8"), re.DOTALL)
    assert most
    machine = trusted("modelcheck.naive.stepping")
    certifier = trusted("modelcheck.naive.certifier") - machine
    assert machine <= int(most[1])
    assert certifier <= int(most[2]) <= 600


def test_the_docs_say_how_many_lines_have_to_be_trusted() -> None:
    """The numbers of docs/trust.md: none is exceeded, and none is far from what is there."""
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"`(modelcheck/[\w/]+)\.py`.*\| ([\d,]+) \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for module, most in rows:
        lines = trusted(module.replace("/", "."))
        if module == "modelcheck/explore/reference":
            lines += trusted("modelcheck.machine.actors")
        number = int(most.replace(",", ""))
        assert 0.8 * number < lines <= number, f"{module}: {lines}"
