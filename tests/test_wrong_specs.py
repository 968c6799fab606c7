"""Each of the wrong specs of `wrong_specs.txt` is told in one message, with its line: no traceback.

They go through the command line, in this process. What a message should say was read by a person.
"""

import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import pytest

import modelcheck
from modelcheck import Protocol, Site, SpecError
from modelcheck.arch import ARCHITECTURES
from modelcheck.cli import main
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.checking import checks_of
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


# What a block of the corpus cannot hold.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = 'caf\xe9'\n", "'utf-8' codec can't decode"),
        (b"# -*- coding: klingon -*-\n", "unknown encoding: klingon"),
        (b"x = 1\x00\n", "source code string cannot contain null bytes"),
        (b"\x7fELF\x02\x01\x01\x00", "source code string cannot contain null bytes"),
        (b"x = " + b"(" * 5_000 + b"\n", "too many nested parentheses"),
        (b"x = " + b"-" * 100_000 + b"1\n", "MemoryError|RecursionError|too complex"),
    ],
    ids=["Latin-1", "an unknown encoding", "a null byte", "a program", "parentheses", "signs"],
)
def test_a_file_that_is_no_text_of_python_is_told(
    data: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Python says of it, with the file, on one line."""
    Path("spec.py").write_bytes(data)
    said = told(capsys, Path("spec.py"))
    assert re.match(rf"error: spec\.py(:\d+)?: .*({message})", said)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nfoo = Site('foo', NOP, 'e8')\n", "near.py:3: Site 'foo': new is 'e8', a str"),
        ("\nx = (\n", "near.py:3: '(' was never closed"),
        ("\nsite.nwe\n", "near.py:3: 'Site' object has no attribute 'nwe'; did you mean 'new'?"),
        ("import nothing\n", "near.py:2: No module named 'nothing'"),
        ("import sys\nsys.exit()\n", "near.py:3: SystemExit: "),
    ],
    ids=["a field", "its form", "an attribute", "an import", "its end"],
)
def test_a_fault_in_a_neighbour_is_told_with_the_line_there(
    text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A spec may import the files beside it: the line is the one to mend."""
    Path("near.py").write_text(FIRST + text, encoding="utf-8")
    Path("spec.py").write_text("from near import *\n", encoding="utf-8")
    assert told(capsys, Path("spec.py")).startswith(f"error: {message}")


def test_a_step_of_a_neighbour_is_told_with_the_line_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where the protocol that it does not fit stands in another file."""
    Path("near.py").write_text(FIRST + "\nlong = write('long', site, CALL, at=1)\n")
    Path("spec.py").write_text("from near import *\nreplace(base, program=(long,))\n")
    assert told(capsys, Path("spec.py")).startswith("error: near.py:3: step 'long': 5 bytes")


def test_neighbours_of_one_name_are_not_taken_for_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two folders, each with a `near.py`: what the second spec imports is its own."""
    for name in ("one", "two"):
        Path(name).mkdir()
        Path(name, "near.py").write_text(Path("good.py").read_text() + f"NAME = '{name}'\n")
        spec = "from near import *\nsuite = Suite(replace(base, name=NAME))\n"
        Path(name, "spec.py").write_text(spec)
        assert main(["list", f"{name}/spec.py"]) == 0
        assert capsys.readouterr().out.startswith(name)


# Nothing that specs may build is left unchecked.


def builders() -> dict[str, Any]:
    """All that specs call: parts, functions, and the edits of a protocol."""
    public = {name: getattr(modelcheck, name) for name in modelcheck.__all__ if name != "verify"}
    edits = {
        f"Protocol.{name}": member
        for name, member in vars(Protocol).items()
        if not name.startswith("_") and inspect.isfunction(member)
    }
    called = {name: value for name, value in (public | edits).items() if callable(value)}
    return {name: value for name, value in called.items() if name not in NOT_CALLED}


NOT_CALLED = {"SpecError", "Outcome", "Runs", "Element", "Block"}
"""An error, a result, and types that specs only name."""


@pytest.mark.parametrize("name", builders())
def test_whatever_a_spec_may_call_checks_each_of_its_arguments(name: str) -> None:
    """Seeded with a value of no kind, in the place of each argument in turn."""
    called = builders()[name]
    for parameter in signature(called).parameters.values():
        if parameter.name == "self":
            continue
        bare = inspect.unwrap(called)
        assert parameter.name in get_type_hints(bare, include_extras=True), parameter
        (check,) = [one for one in checks_of(bare) if one.name == parameter.name]
        with pytest.raises(SpecError, match=f"here: {parameter.name}"):
            check.check(object() if parameter.kind is not VARIADIC else (object(),), lambda: "here")
        assert isinstance(called, type) or called is not bare, "nobody checks what it is given"


VARIADIC = inspect.Parameter.VAR_POSITIONAL


def test_the_names_of_fetch_models_are_those_of_the_machine() -> None:
    """The protocol part knows them by name alone."""
    assert {*EVERY_FETCH_MODEL} == {*MODELS}


def test_checked_values_are_still_values() -> None:
    """Frozen, hashable, equal whichever line made them, copied and pickled as they are."""
    one, other = (
        Site("s", b"\x66\x90", b"\xeb\x00"),
        Site("s", b"\x66\x90", b"\xeb\x00"),
    )
    assert (one, hash(one), one.made) != (other, hash(other), other.made)
    assert (one, hash(one)) == (other, hash(other))
    assert replace(one, address=8).address == 8
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one))
    with pytest.raises(FrozenInstanceError):
        one.name = "t"  # type: ignore[misc]
