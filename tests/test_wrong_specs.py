"""Each of the wrong specs of `wrong_specs.txt` is told in one message, with its line: no traceback.

They go through the command line, in this process. What a message should say was read by a person.
"""

from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import NamedTuple

import pytest

from modelcheck import Protocol, Site
from modelcheck.arch import ARCHITECTURES
from modelcheck.cli import main
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.protocol.suite import EVERY_FETCH_MODEL

CORPUS = Path(__file__).with_name("wrong_specs.txt")
FIRST = "from good import *\n"


class Wrong(NamedTuple):
    """A wrong spec, and what its author is told."""

    title: str
    text: str
    message: str


def corpus() -> Iterator[Wrong]:
    """The blocks of the file; the first one is the good spec, which the others use."""
    _, *blocks = CORPUS.read_text(encoding="utf-8").split("\n=== ")
    for block in blocks:
        spec, _, message = block.partition("\n-> ")
        title, _, text = spec.partition("\n")
        whole = title == "good" or title.startswith("file: ")
        yield Wrong(title, text if whole else FIRST + text, message.strip())


GOOD, *WRONG = corpus()

LISTS = {
    "properties": PROPERTIES,
    "fetch models": EVERY_FETCH_MODEL,
    "architectures": ARCHITECTURES,
    "Protocol": signature(Protocol).parameters,
    "Site": signature(Site).parameters,
}
"""What a message lists in full where the corpus has the name of the list in braces."""


def in_full(message: str) -> str:
    """A message of the corpus, as it is printed."""
    for name, known in LISTS.items():
        message = message.replace(f"{{{name}}}", ", ".join(known))
    return message


def told(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    """What the command line says of a spec that it refuses."""
    code = main(["list", str(path)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    return err


@pytest.fixture(autouse=True)
def _beside_the_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.py").write_text(GOOD.text, encoding="utf-8")


def test_the_good_spec_is_good() -> None:
    """What is wrong with the others is what they say beyond it."""
    assert main(["list", "good.py"]) == 0


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.title)
def test_a_wrong_spec_is_told_in_one_message(
    wrong: Wrong, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line, what was given, what is wanted and the remedy; exit code 2 and nothing else."""
    Path("spec.py").write_text(wrong.text, encoding="utf-8")
    assert told(capsys, Path("spec.py")) == f"error: {in_full(wrong.message)}\n"
