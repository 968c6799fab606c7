"""Fuzzing what people write: specs and litmus files, token by token.

Whatever stands in a file, it is read and answered, or refused with exit code 2 and one message:
no traceback, no hang, and no verdict that the naive machine does not give. Damaged traces,
certificates and checkpoints, which programs write, are in test_damaged.py. What has once gone wrong
is in tests/fuzz/, and is tried first. With --nightly, each test draws very many.
"""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.setup import Configuration
from tests.damage import quiet
from tests.random_protocols import random_runs
from tests.test_naive import assert_same
from tests.test_wrong_specs import GOOD, WRONG

HERE = Path(__file__).parent
CORPUS = HERE / "fuzz"
LITMUS = {
    path.name: path.read_text() for path in sorted((HERE.parent / "litmus").rglob("*.litmus"))
}
SPECS = [GOOD.text, *(wrong.text for wrong in WRONG if wrong.text)]

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
ODD = (
    "0",
    "-1",
    "1e9",
    "99999999999999999999",
    "None",
    "''",
    "x" * 300,
    "\u202e",
    "\x00",
    "(",
    "\n",
)

LIMITS = ("--max-states", "2000", "--max-seconds", "5")
HANGS = 300
"""Seconds after which a command that was given a few is taken to hang."""


@st.composite
def edited(draw: st.DrawFn, texts: list[str]) -> str:
    """One of the texts, with a few tokens gone, doubled, exchanged, or from another text."""
    tokens = TOKEN.findall(draw(st.sampled_from(texts)))
    for _ in range(draw(st.integers(1, 3))):
        at, other = (draw(st.integers(0, len(tokens) - 1)) for _ in range(2))
        match draw(st.sampled_from(("gone", "doubled", "exchanged", "another's", "odd"))):
            case "gone":
                tokens[at] = ""
            case "doubled":
                tokens[at] *= 2
            case "exchanged":
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "another's":
                theirs = TOKEN.findall(draw(st.sampled_from(texts)))
                tokens[at] = draw(st.sampled_from(theirs))
            case "odd":
                tokens[at] = draw(st.sampled_from(ODD))
    return "".join(tokens)


@contextmanager
def in_time() -> Iterator[None]:
    """Raises TimeoutError where nothing else would ever end."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def assert_answered(*arguments: str) -> int:
    """The command gives a verdict, or one message and exit code 2. Gives the exit code."""
    with in_time():
        code, out, err = quiet(*arguments, *LIMITS)
    if code == 2:
        assert err.startswith("error: "), err
        assert out == ""
    return code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are written, beside the good spec that the others import."""
    where = tmp_path_factory.mktemp("fuzz")
    (where / "good.py").write_text(GOOD.text, encoding="utf-8")
    return where


def assert_spec_is_answered(text: str, folder: Path) -> None:
    """It is refused; or checked, and the naive machine agrees."""
    file = folder / "spec.py"
    file.write_text(text, encoding="utf-8")
    if assert_answered("check", str(file)) == 2:
        return
    for suite in load_suites(file):
        for variant in suite:
            assert_same(variant.protocol, Configuration(1, suite.fetch[0], suite.chunk), 200)


def assert_litmus_is_answered(text: str, folder: Path) -> None:
    """It is refused or judged."""
    file = folder / "test.litmus"
    file.write_text(text, encoding="utf-8")
    assert_answered("litmus", str(file))


CHECKS = {".py": assert_spec_is_answered, ".litmus": assert_litmus_is_answered}


@pytest.mark.parametrize(
    "file",
    [path for kind in CHECKS for path in sorted(CORPUS.glob(f"*{kind}"))],
    ids=lambda path: path.name,
)
def test_what_was_once_found(file: Path, folder: Path) -> None:
    """The corpus."""
    CHECKS[file.suffix](file.read_text(encoding="utf-8"), folder)


@random_runs(60, 5_000)
@given(edited(SPECS))
def test_specs(folder: Path, text: str) -> None:
    """Specs of newcomers, and what somebody made of them."""
    assert_spec_is_answered(text, folder)


@random_runs(60, 5_000)
@given(edited([*LITMUS.values()]))
def test_litmus_files(folder: Path, text: str) -> None:
    """Litmus tests, and what somebody made of them."""
    assert_litmus_is_answered(text, folder)
