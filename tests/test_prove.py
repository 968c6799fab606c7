"""Proofs for any number of CPUs: never contradicted by exploration, and honest where they fail."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modelcheck import Protocol
from modelcheck.cli import main
from modelcheck.explore import any_number
from modelcheck.explore.any_number import Abstraction, abstract
from modelcheck.explore.model import Model
from modelcheck.explore.reference import REFERENCE
from modelcheck.explore.system import System
from modelcheck.explore.table_models import TableMove, TableRole
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.formats.files import OutputError
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.properties import LIVENESS
from modelcheck.questions import prove
from modelcheck.questions.check import Job, Overrides, jobs
from modelcheck.questions.prove import safe_for_any_number
from tests.checks import TooBigError, by_last, each
from tests.protocols import EVERY_PROPERTY, random_configurations, random_protocols

ROOT = Path(__file__).parent.parent
SPECS = sorted((ROOT / "specs").glob("*.py"))
INT3 = ROOT / "specs" / "x86_int3.py"

# What both sides say of a model, by its values rather than by numbers.

Pair = tuple[object, tuple[object, ...], int, object]
"""A shared value, the locals of the single roles, a replicated role, and a local of it."""


def abstract_pairs(system: System, found: Abstraction) -> set[Pair]:
    """The pairs of an abstraction, by their values."""
    return {
        (
            system.shareds.values[core[0]],
            tuple(system.locals.values[local] for local in core[1:]),
            role,
            system.locals.values[local],
        )
        for core, roles in found.reached.items()
        for role, locals_ in roles.items()
        for local in locals_
    }


def concrete_pairs(system: System, at_most: int | None = None) -> tuple[set[Pair], bool]:
    """All pairs in reachable states, and whether any step violates something."""
    start = system.initial()
    seen, todo = {start}, [start]
    violated = False
    while todo:
        for step in system.successors(todo.pop()):
            if step.row.violations:
                violated = True
            elif step.target not in seen:
                seen.add(step.target)
                todo.append(step.target)
        if at_most is not None and len(seen) > at_most:
            raise TooBigError
    roles = system.model.roles
    pairs: set[Pair] = set()
    for shared, *locals_ in seen:
        values = [system.locals.values[local] for local in locals_]
        actors = list(zip(system.actors, values, strict=True))
        singles = tuple(value for role, value in actors if not roles[role].replicated)
        pairs.update(
            (system.shareds.values[shared], singles, role, value)
            for role, value in actors
            if roles[role].replicated
        )
    return pairs, violated


def assert_sound(model: Model, sizes: list[Model], at_most: int | None = None) -> bool:
    """What the abstraction says holds in models of these sizes. Gives whether it proves safety."""
    system = System(model)
    found = abstract(system)
    assert found.reason is None
    for sized in sizes:
        pairs, violated = concrete_pairs(System(sized), at_most)
        if found.proves_safe:
            assert not violated, f"proved safe, but {sized} violates something"
        missed = pairs - abstract_pairs(system, found)
        # Beyond a suspect nothing is followed, on neither side.
        assert not missed, f"missed in {sized}: {list(missed)[:3]}"
    return found.proves_safe


# Random models, from tables.


@dataclass(frozen=True)
class Toy:
    """A model that looks everything up: moves by (role, shared, local), and two messages."""

    roles: tuple[TableRole, ...]
    table: dict[tuple[int, int, int], tuple[TableMove, ...]]
    told: tuple[tuple[int, ...], ...] = ((0, 1, 2), (0, 1, 2))
    holding: tuple[frozenset[int], ...] = (frozenset(), frozenset())
    properties: tuple[str, ...] = ("bad",)

    def initial(self) -> tuple[int, tuple[int, ...]]:
        return 0, (0,) * len(self.roles)

    def moves(self, role: TableRole, shared: int, local: int) -> tuple[TableMove, ...]:
        return self.table.get((self.roles.index(role), shared, local), ())

    def receive(self, broadcast: int, local: int) -> int:
        return self.told[broadcast][local]

    def holds(self, guard: int, local: int) -> bool:
        return local in self.holding[guard]

    def with_counts(self, *counts: int) -> "Toy":
        """The model with so many replicas in each replicated role, in turn."""
        left = iter(counts)
        roles = tuple(replace(r, count=next(left)) if r.replicated else r for r in self.roles)
        return replace(self, roles=roles)

    def sizes(self, most: int) -> list[Model]:
        """The model with 1 to `most` replicas; with several such roles, one or two of each."""
        many = sum(role.replicated for role in self.roles)
        numbers = range(1, (most if many == 1 else 2) + 1)
        return [self.with_counts(*counts) for counts in product(numbers, repeat=many)]


SHARED, LOCAL = 4, 3
MESSAGES = st.sampled_from((None, None, 0, 1))
MOVES = st.builds(
    TableMove,
    st.integers(0, SHARED - 1),
    st.integers(0, LOCAL - 1),
    MESSAGES,
    MESSAGES,
    st.sampled_from(((),) * 5 + (("bad",),)),
)
TABLES = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, SHARED - 1), st.integers(0, LOCAL - 1)),
    st.lists(MOVES, min_size=1, max_size=2).map(tuple),
    min_size=9,
    max_size=24,
)
ROLES = st.sampled_from(
    tuple(
        tuple(TableRole(f"role{n}", 1, replicated) for n, replicated in enumerate(kinds))
        for kinds in (
            (True,),
            (False, True),
            (True, False),
            (False, True, False),
            (True, False, True),
            (True, True),
        )
    )
)
TOYS = st.builds(
    Toy,
    ROLES,
    TABLES,
    st.tuples(*[st.tuples(*[st.integers(0, LOCAL - 1)] * LOCAL)] * 2),
    st.tuples(*[st.frozensets(st.integers(0, LOCAL - 1))] * 2),
)
random_runs = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def run_random_toys(*phases: Phase) -> tuple[int, int]:
    """How many random models were proved safe, and how many were not."""
    proved: list[bool] = []

    @settings(random_runs, max_examples=520, phases=phases, report_multiple_bugs=False)
    @given(TOYS)
    def run(toy: Toy) -> None:
        proved.append(assert_sound(toy.with_counts(1, 1), toy.sizes(4)))

    run()
    return sum(proved), len(proved) - sum(proved)


def test_no_random_model_contradicts_its_proof() -> None:
    """On random tables: each reachable pair of one to four CPUs is in the abstraction."""
    proved, suspected = run_random_toys(Phase.generate, Phase.shrink)
    assert min(proved, suspected) > 100


def forget_broadcasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: nobody hears a broadcast."""
    monkeypatch.setattr(any_number._Closure, "told", lambda self, row, local: local)


def keep_only_the_mover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the locals of all others are forgotten."""
    monkeypatch.setattr(any_number._Closure, "surviving", lambda self, core, role, row: [])


def ask_the_guard_of_the_mover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the mover itself is asked too."""
    original = any_number._Closure.can_hold

    def can_hold(self: any_number._Closure, core: object, mover: int, row: object) -> bool:
        return original(self, core, -1, row)  # type: ignore[arg-type]

    monkeypatch.setattr(any_number._Closure, "can_hold", can_hold)


def never_expand_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a local that comes late is not combined with what is there."""

    def join(
        self: any_number._Closure, core: tuple[int, ...], role: int, locals_: Collection[int]
    ) -> None:
        self.found.reached[core][role].update(locals_)

    monkeypatch.setattr(any_number._Closure, "join", join)


@pytest.mark.parametrize(
    "bug", [forget_broadcasts, keep_only_the_mover, ask_the_guard_of_the_mover, never_expand_again]
)
def test_random_models_catch_bugs_of_the_abstraction(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded: each rule of the abstraction, left out, is found on random tables."""
    bug(monkeypatch)
    with pytest.raises(AssertionError, match=r"missed|proved safe"):
        run_random_toys(Phase.generate)


# Models made by hand.

PATCHER, CPU = TableRole("patcher", 1, False), TableRole("cpu", 1, True)


def test_a_model_without_replicas_is_explored_too() -> None:
    """With nobody to abstract from, the suspects are the real violations."""
    bad = {(0, 0, 0): (TableMove(1, 1),), (0, 1, 1): (TableMove(0, 0, violations=("bad",)),)}
    toy = Toy((PATCHER, PATCHER), bad)
    assert [suspect.local for suspect in abstract(System(toy)).suspects] == [1, 1]


def test_a_second_replica_is_part_of_the_abstraction() -> None:
    """A CPU finds what another left behind; one alone never does."""
    table = {
        (0, 0, 0): (TableMove(1, 1),),
        (0, 1, 0): (TableMove(1, 0, violations=("bad",)),),
    }
    toy = Toy((CPU,), table)
    assert REFERENCE.explore(System(toy)).verdict is Verdict.SAFE
    assert REFERENCE.explore(System(toy.with_counts(2))).verdict is Verdict.VIOLATED
    assert not abstract(System(toy)).proves_safe


def test_where_sets_of_locals_are_too_coarse_the_abstraction_does_not_say_safe() -> None:
    """One CPU takes a token and gives it back; that nobody else has it, no set can tell."""
    table = {
        (0, 0, 0): (TableMove(1, 1),),
        (0, 1, 1): (TableMove(2, 2),),
        (0, 2, 1): (TableMove(2, 1, violations=("bad",)),),
    }
    toy = Toy((CPU,), table)
    for sized in toy.sizes(4):
        assert REFERENCE.explore(System(sized)).verdict is Verdict.SAFE
    found = abstract(System(toy))
    assert not found.proves_safe
    (suspect,) = found.suspects
    assert (suspect.core, suspect.local, suspect.row.violations) == ((2,), 1, ("bad",))


@by_last(
    ("limits", "reason"),
    [(Limits(states=0), "0 states"), (Limits(seconds=0), "0 seconds"), (Limits(memory=1), "1 MiB")],
)
def test_a_limit_is_no_proof(limits: Limits, reason: str) -> None:
    """An abstraction cut short has not seen all, whatever it has seen."""
    found = abstract(System(Toy((CPU,), {})), limits)
    assert not found.suspects
    assert not found.proves_safe
    assert reason in str(found.reason)


def test_an_interrupt_is_no_proof() -> None:
    """Ctrl-C is a reason like a limit."""

    def watcher(_: object) -> None:
        raise KeyboardInterrupt

    found = abstract(System(Toy((CPU,), {})), watcher=watcher)
    assert (found.reason, found.proves_safe) == ("interrupted", False)


# Protocols: those shipped, and random ones.


def shipped(spec: Path, *variants: str) -> Iterator[Job]:
    """The jobs of a spec, watching all but liveness, which no invariant can prove."""
    for job in jobs(load_suites(spec), Overrides(variants=variants)):
        watched = tuple(name for name in job.setup.watched if name not in LIVENESS)
        yield replace(job, configuration=replace(job.configuration, properties=watched))


def machines(protocol: Protocol, configuration: Configuration, *cpus: int) -> list[Model]:
    """The protocol's machine for each number of CPUs."""
    return [Machine(protocol, replace(configuration, cpus=number)) for number in cpus]


@cache
def proved(job: Job) -> bool:
    """Whether the abstraction proves the job's variant."""
    return safe_for_any_number(job.subject)


def assert_no_contradiction(job: Job, *cpus: int) -> None:
    """A search of so many CPUs is safe where there is a proof, and only there."""
    for machine in machines(job.variant.protocol, job.configuration, *cpus):
        violated = REFERENCE.explore(System(machine)).verdict is Verdict.VIOLATED
        # CPUs change nothing that others see, so that here the abstraction is exact.
        assert violated is not proved(job), f"{job.name} {job.configuration} on {cpus} CPUs"


@pytest.mark.parametrize("spec", each(SPECS), ids=lambda path: path.stem)
def test_no_shipped_verdict_contradicts_its_proof(spec: Path) -> None:
    """Differential: proved is what a search of few CPUs finds safe, and nothing else."""
    for job in shipped(spec):
        assert_no_contradiction(job, 1, *([2] if spec == INT3 else []))


@pytest.mark.slow
@pytest.mark.parametrize("spec", each(SPECS), ids=lambda path: path.stem)
@pytest.mark.parametrize("cpus", [2, 3, 4])
def test_no_shipped_verdict_contradicts_its_proof_on_more_cpus(spec: Path, cpus: int) -> None:
    """The same with two, three and four CPUs."""
    for job in shipped(spec):
        if cpus < 4 or job.configuration.semantics == "windowed":
            assert_no_contradiction(job, cpus)


@pytest.mark.parametrize("spec", each(SPECS), ids=lambda path: path.stem)
def test_all_pairs_of_shipped_protocols_are_in_the_abstraction(spec: Path) -> None:
    """Sound on the machine itself, not only on tables."""
    for job in shipped(spec, "base"):
        one, *more = machines(job.variant.protocol, job.configuration, 1, 2)
        assert_sound(one, [one, *more] if spec == INT3 else [one])


@settings(random_runs, max_examples=60)
@given(random_protocols(), random_configurations())
def test_no_random_protocol_contradicts_its_proof(
    protocol: Protocol, configuration: Configuration
) -> None:
    """Sound on random protocols, watching all properties and one alone."""
    one, two = machines(protocol, configuration, 1, 2)
    for properties in (EVERY_PROPERTY, EVERY_PROPERTY[:1]):
        watching = replace(configuration, properties=properties)
        one, two = machines(protocol, watching, 1, 2)
        try:
            assert_sound(one, [one, two], at_most=5_000)
        except TooBigError:
            assert_sound(one, [one])


# The command.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    code = main(list(arguments))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    return code, captured.out, captured.err


def test_the_protocol_is_proved_under_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped protocol, all its uses, with Z3's confirmation."""
    code, out, _ = run(capsys, "prove", str(INT3), "--variant", "base")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.startswith("base ")]
    assert [row[1:6] for row in rows] == [["proved*"] * 5] * 3
    assert "confirmed by Z3" in out


def test_a_broken_variant_gives_the_fewest_cpus(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no proof, the smallest number of CPUs that shows why."""
    code, out, _ = run(capsys, "prove", str(INT3), "--variant", "no-sync-2")
    assert code == 0
    (row,) = [line for line in out.splitlines() if line.startswith("no-sync-2")]
    assert row.split()[1:12] == ["proved*"] * 2 + ["N", "=", "1"] * 3
    assert "no-torn-instruction" in row


def test_the_fewest_cpus_may_be_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """N counts up from 1, and the result is that of the first violation."""
    (job,) = (job for job in shipped(INT3, "no-sync-1") if job.configuration.fetch == "strict")
    tried: list[int] = []
    original = prove.check

    def check(job: Job, **rest: object) -> object:
        tried.append(job.configuration.cpus)
        verdict = original(job, **rest)  # type: ignore[arg-type]
        return replace(verdict, verdict=Verdict.SAFE) if tried[-1] < 3 else verdict

    monkeypatch.setattr(prove, "check", check)
    proof = prove.prove(job, spec="spec")
    assert (proof.verdict, proof.cpus, tried) == (Verdict.VIOLATED, 3, [1, 2, 3])


def test_what_is_neither_proved_nor_shown_is_inconclusive(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suspect that no search confirms is told as such; exit code 3."""
    original = prove.check

    def check(job: Job, **rest: object) -> object:
        return replace(original(job, **rest), verdict=Verdict.SAFE)  # type: ignore[arg-type]

    monkeypatch.setattr(prove, "check", check)
    arguments = ("prove", str(INT3), "--variant", "no-sync-1", "--fetch", "coherent")
    code, out, _ = run(capsys, *arguments)
    assert code == 3
    text = " ".join(out.split())
    assert "INCONCLUSIVE nop-to-call, no-sync-1, coherent: with foo " in text
    assert "might violate no-torn-instruction; it does not with N up to 4" in text


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("--max-seconds", "more than 0 seconds"), ("--max-states", "more than 5 states")],
)
def test_a_proof_cut_short_is_inconclusive(
    capsys: pytest.CaptureFixture[str], limit: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits of a search hold for a proof as well."""
    monkeypatch.setattr(any_number, "PULSE", 1)
    value = reason.split()[2]
    arguments = ("prove", str(INT3), "--variant", "base", limit, value)
    code, out, _ = run(capsys, *arguments)
    assert code == 3
    assert reason in out
    assert "proved*" not in out


def test_ctrl_c_reports_the_proofs_that_were_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were confirmed before the interrupt stand."""
    original, calls = prove.solve, iter(range(10))

    def solve(text: str) -> int:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(text)

    monkeypatch.setattr(prove, "solve", solve)
    code, out, _ = run(capsys, "prove", str(INT3), "--variant", "base")
    assert code == 3
    (row,) = [line for line in out.splitlines() if line.startswith("base ")]
    assert row.split().count("proved*") == 2


def test_a_full_disk_loses_no_proof(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What cannot be written as a certificate is still printed."""
    from modelcheck.cli import prove as command

    def write_text(path: Path, text: str) -> None:
        raise OutputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(command, "write_text", write_text)
    arguments = ("--variant", "base", "--fetch", "coherent", "--out", str(tmp_path))
    code, out, err = run(capsys, "prove", str(INT3), *arguments)
    assert code == 2
    assert "proved" in out
    assert "No space left" in err


@by_last(
    ("arguments", "message"),
    [
        (["prove"], "Missing argument 'SPEC'"),
        (["prove", "nosuch.py"], "nosuch.py: no such file"),
        (["prove", str(INT3), "--variant", "no-sync-9"], "no variant named 'no-sync-9'"),
        (["prove", str(INT3), "--chunk", "3"], "power of two"),
        (["prove", str(INT3), "--out", "/dev/null/proofs"], "/dev/null is not a folder"),
    ],
)
def test_wrong_input_is_told_in_one_message(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit code 2 and no traceback, as for check."""
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_the_comparison_says_what_is_proved_for_any_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The column any N of the table, within 100 columns."""
    arguments = ("--variant", "base", "--variant", "no-sync-1", "--variant", "no-sync-2")
    _, out, _ = run(capsys, str(INT3), *arguments, "--cpus", "1", "--out", str(tmp_path))
    rows = {words[0]: words for line in out.splitlines() if (words := line.split())}
    assert rows["base"][1:7] == ["safe"] * 5 + ["yes"]
    assert "yes" not in rows["no-sync-1"]
    assert "yes" in rows["no-sync-2"]
    assert max(len(line) for line in out.splitlines() if not line.startswith("/")) <= 100


def test_the_comparison_does_not_claim_what_is_not_proved(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yes for all models, part for some, a question mark for none."""
    from modelcheck.cli import runs

    answers = iter([True, False, True, True, True, *[False] * 5, *[True] * 5])
    monkeypatch.setattr(runs, "safe_for_any_number", lambda *_: next(answers))
    _, out, _ = run(capsys, str(INT3), "--variant", "base", "--cpus", "1", "--out", str(tmp_path))
    rows = [line.split() for line in out.splitlines() if line.startswith("base ")]
    assert [row[6] for row in rows] == ["part", "?", "yes"]
