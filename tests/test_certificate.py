"""Certificates: two solvers accept them, and whatever is missing or changed is refused."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import cvc5
import pytest
import z3

from modelcheck import Cell, Patcher, Protocol, Site, SpecError, Suite, add, write
from modelcheck.certificate.certify import certify_text, solve
from modelcheck.certificate.invariant import CertificateError, Invariant, invariant_of, read
from modelcheck.certificate.smtlib import to_smtlib
from modelcheck.cli import main
from modelcheck.explore.any_number import abstract
from modelcheck.explore.system import System
from modelcheck.explore.verdict import Verdict
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.properties import LIVENESS, TORN, UNEXPECTED
from modelcheck.questions.check import Job, Overrides, jobs
from modelcheck.questions.prove import prove, safe_for_any_number
from tests.checks import each

ROOT = Path(__file__).parent.parent
SPECS = sorted((ROOT / "specs").glob("*.py"))
INT3 = ROOT / "specs" / "x86_int3.py"

COMMANDS = {
    "set-logic",
    "declare-const",
    "declare-fun",
    "define-fun",
    "assert",
    "push",
    "pop",
    "check-sat",
}
"""The commands of SMT-LIB 2.6 that a certificate is made of."""


def shipped(spec: Path, **overrides: tuple[str, ...]) -> Iterator[Job]:
    """The jobs of a spec."""
    return jobs(load_suites(spec), Overrides(**overrides))  # type: ignore[arg-type]


def without_liveness(job: Job) -> Job:
    """The job, watching all but what no invariant can prove."""
    watched = tuple(name for name in job.setup.watched if name not in LIVENESS)
    return replace(job, configuration=replace(job.configuration, properties=watched))


@cache
def certificate(name: str = "base", fetch: str = "coherent", spec: Path = INT3) -> str:
    """The certificate of a shipped variant, made once."""
    job = next(shipped(spec, variants=(name,), fetch=(fetch,)))
    proof = prove(job, spec=spec.as_posix())
    assert proof.verdict is Verdict.SAFE
    assert proof.certificate is not None
    assert proof.obligations == proof.certificate.count("(check-sat)")
    return proof.certificate


def by_cvc5(text: str) -> list[str]:
    """What cvc5 answers, reading nothing but the standard."""
    solver = cvc5.Solver()
    solver.setOption("strict-parsing", "true")
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "certificate")
    answers = []
    while not (command := parser.nextCommand()).isNull():
        answer = command.invoke(solver, symbols)
        answers += (answer.decode() if isinstance(answer, bytes) else str(answer)).split()
    return answers


def assert_two_solvers_accept(text: str) -> None:
    """Both answer unsat to each obligation."""
    answers = by_cvc5(text)
    assert set(answers) == {"unsat"}
    assert len(answers) == text.count("(check-sat)") == solve(text)


@pytest.mark.parametrize("fetch", ["coherent", "store-order", "per-chunk", "incoherent", "strict"])
def test_two_solvers_accept_the_proof_of_the_protocol(fetch: str) -> None:
    """Z3 and cvc5 agree on each obligation, under each fetch model."""
    assert_two_solvers_accept(certificate(fetch=fetch))


@pytest.mark.parametrize("spec", each(SPECS), ids=lambda path: path.stem)
def test_two_solvers_accept_a_proof_of_every_spec(spec: Path) -> None:
    """One proof of each spec, and the invariant read back from it is the one written."""
    job = next(job for job in map(without_liveness, shipped(spec)) if proved(job))
    text = prove(job, spec=spec.as_posix()).certificate
    assert text is not None
    assert_two_solvers_accept(text)
    assert certify_text(text).invariant == read(text)


@pytest.mark.slow
@pytest.mark.parametrize("spec", each(SPECS), ids=lambda path: path.stem)
def test_two_solvers_accept_all_proofs_of_shipped_specs(spec: Path) -> None:
    """Each proof of each variant, in two solvers that share no code."""
    texts = [prove(job, spec=spec.as_posix()).certificate for job in shipped(spec) if proved(job)]
    assert texts
    for text in texts:
        assert text is not None
        assert_two_solvers_accept(text)


def proved(job: Job) -> bool:
    """Whether the abstraction proves the job's variant."""
    return safe_for_any_number(job.subject)


def test_the_text_is_standard_and_about_any_number_of_cpus() -> None:
    """Only commands of SMT-LIB 2.6, and nowhere a number of CPUs."""
    text = certificate()
    bare = re.sub(r"^;.*|; unsat$", "", text, flags=re.MULTILINE)
    commands = []
    depth = 0
    for token in re.findall(r"[()]|[^\s()]+", bare):
        if depth == 1 and commands[-1] == "(":
            commands[-1] = token
        if token == "(":
            if depth == 0:
                commands.append("(")
            depth += 1
        elif token == ")":
            depth -= 1
    assert depth == 0
    assert set(commands) == COMMANDS
    assert commands[0] == "set-logic"
    assert re.findall(r"\(set-logic (\S+)\)", bare) == ["QF_UFLIA"]
    assert "(declare-fun cpu (Int) Int)" in bare
    assert "cpus" not in bare


def test_a_proof_has_all_its_parts() -> None:
    """Initiation, each step's consecution and safety, each in its own scope."""
    text = certificate()
    for part in ("initiation: cpu", "safety: patcher", "safety: cpu"):
        assert text.count(f"\n; {part}\n(push 1)") == 1
    steps = set(re.findall(r"^; ((?:patcher|cpu): .*)$", text, re.MULTILINE))
    assert {"patcher: int3", "patcher: sync-1/send", "cpu: ipi", "cpu: fetch"} <= steps
    for step in steps:
        assert f"\n; consecution: {step.replace(':', '', 1)}\n(push 1)" in text


# What is refused. First: a text that is not what its own invariant gives.


def without_line(pattern: str, text: str) -> str:
    """The text without the first line that fits the pattern."""
    lines = text.split("\n")
    at = next(number for number, line in enumerate(lines) if re.search(pattern, line))
    return "\n".join(lines[:at] + lines[at + 1 :])


def relation(name: str, text: str) -> str:
    """The first case of a relation, as it stands in the text."""
    found = re.search(rf"^; {name}\n.*\n(  \(and .*\))$", text, re.MULTILINE)
    assert found
    return found[1]


TAMPERINGS: dict[str, tuple[Callable[[str], str], str]] = {
    "a pair's line removed": (lambda t: without_line(r"^;; pairs 3", t), r"line \d+ is not what"),
    "a conjunct removed": (lambda t: without_line(r"^  \(and \(= shared 2\)", t), r"line \d+ is"),
    "a transition removed": (
        lambda t: t.replace(relation("patcher: int3", t) + "\n", "", 1),
        r"line \d+ is not what the machine gives",
    ),
    "a transition's only case removed": (
        lambda t: t.replace(relation("patcher: publish", t), "  ", 1),
        r"line \d+ is not what the machine gives",
    ),
    "a transition changed": (
        lambda t: t.replace(case := relation("cpu: ipi", t), re.sub(r"\d+\)\)$", "0))", case), 1),
        r"line \d+ is not what the machine gives",
    ),
    "a kind of step removed": (
        lambda t: t.replace(t[(i := t.index("; consecution: cpu")) : t.index("(push 1)", i)], ""),
        r"line \d+ is not what the machine gives",
    ),
    "no bad pair": (lambda t: without_line(r"^\(define-fun bad.cpu", t), r"line \d+ is not what"),
    "an assumption added": (
        lambda t: t.replace("(push 1)", "(push 1)\n(assert false)", 1),
        r"line \d+ .*\(assert false\)",
    ),
    "safety left out": (
        lambda t: t[: t.index("\n; safety")] + "\n",
        r"line \d+ is not what .*'; safety: patcher'",
    ),
    "the last lines left out": (lambda t: t[: t.rindex("(pop 1)")], r"line \d+ is not what"),
    "more at the end": (lambda t: t + "(check-sat)\n", r"line \d+ is not|lines instead"),
    "another logic": (lambda t: t.replace("QF_UFLIA", "ALL"), "'.set-logic ALL.' should be"),
    "cut off in the middle": (lambda t: t[: len(t) // 2], r"line \d+ is not|lines instead of"),
    "cut off in the invariant": (lambda t: t[:300], "line 3: not a line of a certificate"),
    "another schema": (lambda t: t.replace(";; schema : 1", ";; schema : 2"), "of schema 1"),
    "no schema": (lambda t: without_line("^;; schema", t), "of schema 1"),
    "empty": (lambda t: "", "of schema 1"),
    "no certificate at all": (lambda t: "(set-logic ALL)\n(check-sat)\n", "of schema 1"),
    "an unknown field": (lambda t: ";; more : 1\n" + t, "more"),
    "no protocol": (lambda t: without_line("^;; protocol", t), "protocol"),
    "a state of another kind": (
        lambda t: re.sub(r"^;; locals 2: .*", ";; locals 2: 7", t, flags=re.MULTILINE),
        "locals",
    ),
    "a state the machine cannot have": (
        lambda t: re.sub(r"^(;; locals 0: \[)0", r"\g<1>-99", t, flags=re.MULTILINE),
        "none that the machine can have|is not what the machine gives",
    ),
    "a view of what was never written": (
        lambda t: re.sub(r"^(;; locals 0: \[0, 0, 0, \[)0", r"\g<1>9", t, flags=re.MULTILINE),
        "none that the machine can have|is not what the machine gives",
    ),
    "a pair of unknown states": (
        lambda t: re.sub(
            r"^;; pairs 0: .*",
            ';; pairs 0: {"core": [99, 0], "role": "cpu", "locals": [0]}',
            t,
            flags=re.MULTILINE,
        ),
        "a number stands for nothing",
    ),
    "a pair of half a core": (
        lambda t: re.sub(
            r"^;; pairs 0: .*",
            ';; pairs 0: {"core": [0], "role": "cpu", "locals": [0]}',
            t,
            flags=re.MULTILINE,
        ),
        "none that the machine can have|is not what the machine gives",
    ),
    "a pair of no core": (
        lambda t: re.sub(r'^(;; pairs 0: {"core": )[^]]*', r"\1[", t, flags=re.MULTILINE),
        "a number stands for nothing",
    ),
    "deeply nested": (lambda t: ";; pairs 0: " + "[" * 100_000 + "\n" + t, "not a line"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_changed_text_is_refused(what: str) -> None:
    """Seeded: whatever is left out, added or bent, certify does not accept it."""
    tamper, message = TAMPERINGS[what]
    text = tamper(certificate())
    assert text != certificate()
    with pytest.raises(CertificateError, match=message):
        certify_text(text)


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_what_only_some_take_for_the_end_of_a_line_hides_no_command(separator: str) -> None:
    """A solver reads on in the comment: the first (pop 1) would be lost, and all else unsat."""
    weaker = to_smtlib(without_pair(read(certificate()), -1))
    hidden = weaker.replace(
        "(check-sat) ; unsat\n(pop 1)", f"(check-sat) ; unsat{separator}(pop 1)"
    )
    for text in (hidden, hidden.replace("; unsat", ";", 1)):
        with pytest.raises(CertificateError, match=r"line \d+ is not what"):
            certify_text(text)


def test_an_answer_that_ctrl_c_cut_short_is_neither_proof_nor_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer of unknown after an interrupt is the interrupt, and no verdict."""
    text = certificate()
    left = [z3.unsat] * (text.count("(check-sat)") - 1) + [z3.unknown]
    monkeypatch.setattr(z3.Solver, "check", lambda *_: left.pop(0))
    with pytest.raises(KeyboardInterrupt):
        solve(text)
    assert left == []


# Then: a text that is right for its invariant, which is not inductive.


def without_pair(invariant: Invariant, number: int) -> Invariant:
    """The invariant with one local less in one of its pairs."""
    pair = invariant.pairs[number]
    less = replace(pair, locals=pair.locals[:-1])
    pairs = list(invariant.pairs)
    pairs[number : number + 1 or None] = [less] if less.locals else []
    return replace(invariant, pairs=tuple(pairs))


def places(invariant: Invariant, number: int) -> range:
    """A few places of the invariant, evenly."""
    return range(0, len(invariant.pairs), max(1, len(invariant.pairs) // number))


def test_an_invariant_with_one_pair_less_is_refused() -> None:
    """The text may be right and the invariant not inductive: the solver has to notice."""
    invariant = read(certificate())
    for number in places(invariant, 12):
        with pytest.raises(CertificateError, match=r"obligation '(initiation|consecution): .* sat"):
            certify_text(to_smtlib(without_pair(invariant, number)))


@pytest.mark.slow
@pytest.mark.parametrize("fetch", ["coherent", "store-order", "per-chunk"])
def test_an_invariant_with_any_pair_less_is_refused(fetch: str) -> None:
    """No pair is there for nothing, under three fetch models."""
    invariant = read(certificate(fetch=fetch))
    for number in range(len(invariant.pairs)):
        with pytest.raises(CertificateError, match="obligation"):
            certify_text(to_smtlib(without_pair(invariant, number)))


def test_an_invariant_without_its_first_pair_does_not_begin() -> None:
    """The initial state itself has to be in the invariant."""
    invariant = read(certificate())
    with pytest.raises(CertificateError, match="obligation 'initiation: cpu' is sat"):
        certify_text(to_smtlib(replace(invariant, pairs=invariant.pairs[1:])))


def test_an_invariant_without_one_of_its_states_is_refused() -> None:
    """A step to what has no number at all leads out of the invariant, too."""
    invariant = read(certificate())
    last = len(invariant.locals) - 1
    pairs = (
        replace(pair, locals=tuple(local for local in pair.locals if local != last))
        for pair in invariant.pairs
        if last not in pair.core[1:]
    )
    less = replace(
        invariant,
        locals=invariant.locals[:last],
        pairs=tuple(pair for pair in pairs if pair.locals),
    )
    with pytest.raises(CertificateError, match=r"obligation 'consecution: .* is sat"):
        certify_text(to_smtlib(less))


def invariant_watching(protocol: Protocol, *properties: str, any_number: bool = True) -> Invariant:
    """All that can occur, whatever it violates of these properties."""
    configuration = Configuration(1, "coherent", properties=properties, any_number=any_number)
    system = System(Machine(protocol, configuration))
    return invariant_of(
        system,
        abstract(system, beyond_violations=True),
        protocol=protocol,
        configuration=configuration,
        spec="spec",
        variant="base",
    )


def test_an_invariant_of_which_a_patcher_violates_something_is_refused() -> None:
    """What a patcher finds is no CPU's: each role's steps are asked for."""
    site = Site("foo", b"\x90", b"\xcc")
    surprised = Protocol("p", (site,), (write("patch", site, site.new, expects=b"\x91"),))
    text = to_smtlib(invariant_watching(surprised, UNEXPECTED))
    with pytest.raises(CertificateError, match="obligation 'safety: patcher' is sat"):
        certify_text(text)


def test_counters_of_a_fixed_number_of_cpus_are_refused() -> None:
    """All else would be right: but a counter of one CPU is no counter of any number."""
    site = Site("foo", b"\x90", b"\xcc")
    protocol = Protocol("p", (site,), (write("patch", site, site.new),))
    assert certify_text(to_smtlib(invariant_watching(protocol, TORN))).proved == (TORN,)
    text = to_smtlib(invariant_watching(protocol, TORN, any_number=False))
    with pytest.raises(CertificateError, match="counters are those of a fixed number of CPUs"):
        certify_text(text)


def test_an_invariant_is_no_proof_of_a_broken_variant() -> None:
    """The pairs of the protocol, and a program that lacks a step."""
    invariant = read(certificate(fetch="per-chunk"))
    for edit in ("sync-1", "sync-2", "sync-3", "publish"):
        broken = replace(invariant, protocol=invariant.protocol.without(edit))
        with pytest.raises(CertificateError):
            certify_text(to_smtlib(broken))


def test_an_invariant_of_one_property_is_no_proof_of_another() -> None:
    """Safe of tears alone: read as a proof of what traps find, its safety fails."""
    job = next(shipped(INT3, variants=("no-sync-3",), properties=("no-torn-instruction",)))
    text = prove(job, spec="spec").certificate
    assert text is not None
    invariant = certify_text(text).invariant
    both = ("no-torn-instruction", "no-unhandled-trap")
    every = replace(invariant, configuration=replace(invariant.configuration, properties=both))
    with pytest.raises(CertificateError, match=r"obligation 'safety: .* is sat"):
        certify_text(to_smtlib(every))


def test_a_label_cannot_smuggle_a_command_in() -> None:
    """What a step is called ends with the comment that it stands in: no label ends a line."""
    with pytest.raises(SpecError, match=r"Take out '\\n'"):
        replace(read(certificate()).protocol.element("int3"), label="int3\n(assert false)")
    sly = certificate().replace('"label": "int3"', r'"label": "int3\n(assert false)"')
    assert sly != certificate()
    with pytest.raises(CertificateError, match="can be shown"):
        certify_text(sly)


ODD_NAMES = ("x y", "a|b", "a!7cb", "a\\b", "m", "shared", "and", ") (assert (", "é")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_whatever_a_patcher_is_called_two_solvers_read_its_proof(name: str) -> None:
    """Its name is one quoted symbol: it neither ends early nor is taken for another."""
    site = Site("foo", b"\x90", b"\xcc")
    cell = Cell("count", 0)
    protocol = Protocol(
        "named",
        (site,),
        (write("patch", site, site.new, order="single"),),
        cells=(cell,),
        patchers=tuple(Patcher(one, (add("add", cell, 1),)) for one in {name, "other", "a!b"}),
    )
    suite = Suite(protocol, fetch=("coherent",))
    (job,) = jobs((suite,), Overrides(properties=("no-torn-instruction",)))
    text = prove(job, spec="spec").certificate
    assert text is not None
    assert_two_solvers_accept(text)
    assert certify_text(text).proved == ("no-torn-instruction",)


@pytest.mark.parametrize("name", ["patcher", "cpu", "cpu0", "handler", "callee"])
def test_a_patcher_is_not_named_as_another_actor(name: str) -> None:
    """In proofs and traces, names tell actors apart."""
    site = Site("foo", b"\x90", b"\xcc")
    with pytest.raises(SpecError, match="names another actor"):
        Protocol("p", (site,), (), patchers=(Patcher(name, ()),))


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    code = main(list(arguments))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    return code, captured.out, captured.err


PROVE = ("--variant", "base", "--fetch", "coherent", "--out", "proofs")


def test_what_prove_writes_certify_accepts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stands for itself: its protocol, configuration and properties are read from it."""
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "prove", str(INT3), *PROVE)
    assert code == 0
    assert "Certificates in proofs/x86_int3/" in out
    kept = {path.name for path in Path("proofs/x86_int3").iterdir()}
    names = ("base", "call-to-nop.base", "call-to-call.base")
    assert kept == {f"{name}.coherent.smt2" for name in names}
    code, out, _ = run(capsys, "certify", "proofs/x86_int3/base.coherent.smt2", str(INT3))
    assert code == 0
    assert "Protocol nop-to-call, variant base; fetch model coherent, chunks of 1 byte" in out
    assert "site at offset 0 of its line, windowed" in out
    assert f"Spec {INT3}, sha256 {hashlib.sha256(INT3.read_bytes()).hexdigest()}" in out
    assert "Proved for every number of CPUs: no-torn-instruction, no-unhandled-trap" in out


WAITS = """from modelcheck import *
site = Site("foo", b"\\x90", b"\\xcc")
flag = Cell("flag", 0)
p = Protocol(
    "p",
    (site,),
    (wait_until("wait", flag, 1), write("patch", site, site.new, order="single")),
    cells=(flag,),
)
"""


def test_only_what_the_obligations_show_is_claimed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A protocol waits for ever, and the invariant does not exclude it."""
    monkeypatch.chdir(tmp_path)
    Path("spec.py").write_text(WAITS)
    (suite,) = load_suites(Path("spec.py"))
    properties = ("no-torn-instruction", "finishes")
    (job,) = jobs((suite,), Overrides(fetch=("coherent",), properties=properties))
    assert prove(job, spec="spec.py").violation is not None
    half = replace(job.configuration, cpus=1, any_number=True)
    machine = Machine(suite.protocol, half)
    system = System(machine)
    forged = to_smtlib(
        invariant_of(
            system,
            abstract(system),
            protocol=suite.protocol,
            configuration=half,
            spec="spec.py",
            variant="base",
        )
    )
    Path("forged.smt2").write_text(forged)
    code, out, _ = run(capsys, "certify", "forged.smt2", "spec.py")
    assert code == 0
    assert "Proved for every number of CPUs: no-torn-instruction.\n" in out
    assert "Not proved: finishes, which no invariant can show" in out
    only = replace(half, properties=("finishes",))
    Path("forged.smt2").write_text(to_smtlib(replace(read(forged), configuration=only)))
    code, out, err = run(capsys, "certify", "forged.smt2", "spec.py")
    assert (code, out) == (2, "")
    assert "no obligation is about finishes: it proves nothing" in err


def test_a_certificate_names_no_file_to_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec is the caller's: a file that a certificate brings along is not looked at."""
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text("open('ran', 'w')\n")
    Path("c.smt2").write_text(certificate().replace(INT3.as_posix(), "evil.py"))
    code, out, err = run(capsys, "certify", "c.smt2")
    assert (code, out) == (2, "")
    assert "name the spec that the proof is to be about: certify c.smt2 SPEC" in err
    assert run(capsys, "certify", "c.smt2", str(INT3))[0] == 0
    assert not Path("ran").exists()


def test_other_settings_do_not_replace_a_certificate(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings are part of a file's name where they are not the spec's own."""
    monkeypatch.chdir(tmp_path)
    run(capsys, "prove", str(INT3), *PROVE)
    run(capsys, "prove", str(INT3), *PROVE, "--chunk", "4", "--property", "no-torn-instruction")
    kept = {path.name for path in Path("proofs/x86_int3").glob("base.*")}
    assert kept == {
        "base.coherent.smt2",
        "base.coherent.chunk-4.no-torn-instruction.smt2",
    }


def test_a_certificate_of_an_edited_spec_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof is of the protocol in the spec as it stands now; moved lines do not matter."""
    monkeypatch.chdir(tmp_path)
    text = INT3.read_text(encoding="utf-8")
    Path("spec.py").write_text(text, encoding="utf-8")
    assert run(capsys, "prove", "spec.py", *PROVE)[0] == 0
    file = "proofs/spec/base.coherent.smt2"
    assert run(capsys, "certify", file, "spec.py")[0] == 0
    Path("spec.py").write_text("\n\n" + text, encoding="utf-8")
    assert run(capsys, "certify", file, "spec.py")[0] == 0
    Path("spec.py").write_text(text.replace("e8 e7 57 07 00", "e8 e7 57 08 00"), encoding="utf-8")
    code, out, err = run(capsys, "certify", file, "spec.py")
    assert (code, out) == (2, "")
    assert "it proves a protocol that spec.py does not have as variant 'base'" in err
    Path("spec.py").unlink()
    code, out, err = run(capsys, "certify", file, "spec.py")
    assert (code, out) == (2, "")
    assert "spec.py: no such file" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "not a certificate of schema 1"),
        (b"\xff\xfe", "can't decode"),
        (b";; schema : [\n", "line 1: not a line of a certificate"),
    ],
)
def test_a_file_that_is_no_certificate_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, message: str
) -> None:
    """One message with the file and the reason, and exit code 2."""
    file = tmp_path / "file.smt2"
    if content is not None:
        file.write_bytes(content)
    code, out, err = run(capsys, "certify", str(file), str(INT3))
    assert (code, out) == (2, "")
    assert "file.smt2: " in err
    assert message in err
