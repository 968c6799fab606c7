"""What tests the tests: mutants are made, noticed, missed and counted as tools/ says."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from tools.mutants import Mutant, mutants
from tools.mutate import (
    Result,
    Workshop,
    all_mutants,
    known,
    run_sample,
    sample,
    score,
    told,
)
from tools.noticing import PARTS, TESTS, noticing

ROOT = Path(__file__).parent.parent


def edits(source: str) -> list[tuple[str, str]]:
    """What becomes of which part of a source."""
    return [(one.old, one.new) for one in mutants("a.py", source)]


def test_a_mutant_is_one_edit_of_the_text() -> None:
    """All else stays as it is, letters of several bytes before it too."""
    source = "a = 'é'; b = c < d  # é\n"
    (one,) = mutants("a.py", source)
    assert one.applied(source) == "a = 'é'; b = (c <= d)  # é\n"
    assert str(one) == "a.py:1: c < d -> (c <= d)"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a == b", ["(a != b)"]),
        ("a < b <= c", ["(a <= b <= c)", "(a < b < c)"]),
        ("a in b", ["(a not in b)"]),
        ("a and b", ["(a or b)", "(not a)", "(not b)"]),
        ("not a", ["(a)"]),
        ("x if a else y", ["(not a)"]),
        ("[x for x in y if z]", ["(not z)"]),
        ("a + b", ["(a - b)"]),
        ("'a' + b", []),
        ("True", ["False"]),
        ("3", ["4"]),
        ("[a, b]", ["([b])", "([a])"]),
        ("any(a)", ["(all(a))"]),
        ("z3.And(a, b)", ["(z3.Or(a, b))", "(z3.And(b))", "(z3.And(a))"]),
        ("z3.Implies(a, b)", ["(b)"]),
        ("x._replace(a=b)", ["(x._replace())"]),
        ("if a:\n    b()", ["(not a)", "pass"]),
        ("a += b", ["pass"]),
        ("def f():\n    yield a", ["False and (yield a)"]),
        ("match a:\n    case 1 if b:\n        pass", ["(not b)"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_of_edit(source: str, expected: list[str]) -> None:
    """What becomes of an expression or a statement."""
    found = [new for _, new in edits(source) if new != "pass" or "()" in source or "+=" in source]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""A module."""',
        "def f(a: Literal[1] = b) -> Literal[2]:\n    '''It is > 1.'''",
        "raise ValueError(f'{a + 1} is too many')",
        "Kind = Literal[1] | None",
        "isinstance(a, B | C)",
        "from a import b",
        "assert a < b",
        "f'{a + 1}'",
        "assert_never(a)",
    ],
    ids=lambda source: source.split("(")[0].split("\n")[0],
)
def test_what_only_people_or_types_read_is_left_alone(source: str) -> None:
    """No test is to hold what a message says, or a type."""
    assert [new for _, new in edits(source) if new != "pass"] == []


def test_mutants_are_the_same_each_time() -> None:
    """A sample is told by its seed; every mutant is Python, and differs from what it was."""
    once, again = (sorted(all_mutants(ROOT, PARTS)) for _ in range(2))
    assert once == again
    assert len(once) > 2_000
    assert sample(once, 50, 7) == sample(once, 50, 7) != sample(once, 50, 8)
    for one in sample(once, 100, 1):
        source = (ROOT / one.path).read_text(encoding="utf-8")
        assert one.applied(source) != source
        compile(one.applied(source), one.path, "exec")


def test_every_part_has_tests_that_exist() -> None:
    """What is mutated is held by some file of tests."""
    for path in {one.path for one in all_mutants(ROOT, PARTS)}:
        assert noticing(path)
    for test in (test for tests in TESTS.values() for test in tests):
        file, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8") or not function


def test_every_known_edit_can_still_be_made() -> None:
    """Its text stands once in the file that it names; if not, say where its meaning is now."""
    entries = known(ROOT)
    assert len({one.name for one in entries}) == len(entries) >= 28
    for one in entries:
        mutant = one.mutant(ROOT)
        source = (ROOT / one.path).read_text(encoding="utf-8")
        compile(mutant.applied(source), one.path, "exec")
        for test in one.killed_by:
            assert (ROOT / test.partition("::")[0]).is_file()


# A tree of one function, its test, and edits of it.

TOY = """
def least(numbers):
    found = numbers[0]
    at = 1
    while at < len(numbers):
        if numbers[at] < found:
            found = numbers[at]
        at += 1
    return found
"""

TOY_TEST = """
from modelcheck.toy import least

def test_least():
    assert least([2, 1, 3]) == 1
"""

TOY_KNOWN = """
[[mutant]]
name = "the greatest"
path = "modelcheck/toy.py"
old = "numbers[at] < found"
new = "numbers[at] > found"
killed_by = ["tests/test_toy.py"]

[[mutant]]
name = "the last of equal ones"
path = "modelcheck/toy.py"
old = "numbers[at] < found"
new = "numbers[at] <= found"
killed_by = ["tests/test_toy.py::test_least"]

[[mutant]]
name = "for ever"
path = "modelcheck/toy.py"
old = "at += 1"
new = "pass"
killed_by = ["tests/test_toy.py"]

[[mutant]]
name = "no module"
path = "modelcheck/toy.py"
old = "at = 1"
new = "at = ="
killed_by = ["tests/test_toy.py"]

[[mutant]]
name = "argued"
path = "modelcheck/toy.py"
old = "return found"
new = "return +found"
equivalent = "They are numbers."
"""


def toy(folder: Path) -> Path:
    """The tree of a toy."""
    for path, text in {
        "modelcheck/__init__.py": "",
        "modelcheck/toy.py": TOY,
        "tests/test_toy.py": TOY_TEST,
        "tests/conftest.py": (
            "from hypothesis import settings\nsettings.register_profile('mutants')\n"
        ),
        "tests/mutants/known.toml": TOY_KNOWN,
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-n auto'\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def test_a_toy(tmp_path: Path) -> None:
    """A bug is noticed, a loop without end and a broken module too; who survives is told."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tools.mutate", "--known", "--least", "2"),
            *("--root", str(toy(tmp_path / "tree"))),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (line.split(" s  ") for line in done.stdout.splitlines())
    verdicts = {of[0]: verdict.split()[0] for verdict, *of in lines if of}
    assert verdicts == {
        "the greatest": "killed",
        "the last of equal ones": "survived",
        "for ever": "time-out",
        "no module": "killed",
        "argued": "equivalent",
    }, done.stdout + done.stderr
    assert "Score 75.0%." in done.stdout
    assert "  modelcheck/toy.py:6: numbers[at] < found -> numbers[at] <= found" in done.stdout
    assert done.returncode == 1
    assert (tmp_path / "tree" / "modelcheck" / "toy.py").read_text(encoding="utf-8") == TOY


class Fake:
    """A workshop in which every other mutant is noticed, and each is tested once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[Mutant] = []
        self.usual: dict[tuple[str, ...], float] = {}

    def unmutated(self, tests: tuple[str, ...]) -> float:
        assert tests not in self.usual
        return self.usual.setdefault(tests, 2.5)

    def tested(self, mutant: Mutant, tests: Sequence[str]) -> Result:
        assert mutant not in self.seen
        self.seen.append(mutant)
        return Result(mutant, "killed" if len(self.seen) % 2 else "survived", "test", 1.0)


def test_a_run_goes_on_where_another_ended(tmp_path: Path) -> None:
    """What has a result is not tested again, and the score is of all."""
    shop, results = Fake(ROOT), tmp_path / "results.jsonl"
    chosen = sample(list(all_mutants(ROOT, PARTS[:1])), 6, 1)
    run_sample(cast(Workshop, shop), chosen[:4], results)
    shop.usual.clear()
    found = run_sample(cast(Workshop, shop), chosen, results)
    assert [one.mutant for one in found] == chosen == shop.seen
    kept = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert [line[1] for line in kept if len(line) == 4] == ["killed", "survived"] * 3
    assert score(found) == 0.5
    assert told(found).startswith("6 mutants: 3 killed, 0 time-out, 3 survived, 0 equivalent.")


def test_who_was_shown_to_be_equivalent_does_not_count() -> None:
    """A survivor of a sample that known.toml argues is found there by what it makes of the file."""
    one = next(one for one in known(ROOT) if one.equivalent).mutant(ROOT)
    shop = Fake(ROOT)
    shop.seen = [one._replace(line=0)]
    (found,) = run_sample(cast(Workshop, shop), [one], None)
    assert found.verdict == "equivalent"
    assert score([found]) == 1.0
