"""One word, one thing: the glossary is true, and no type shares its name with another."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.test_readme import names_of

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "modelcheck"
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

TWICE = {
    "Move": "what a model must answer, and the machine's answer",
    "Role": "what a model must have, and the machine's",
    "Run": "an action, read as do.Run by all who interpret actions, and a run of the machine",
}
"""Names that two types have, and why that does not mislead."""

BY_ITSELF = "naive"
"""The part that says once more, in types of its own, what other parts say: nobody imports them, and
it imports nobody's."""


def types_of(path: Path) -> set[str]:
    """The public classes and aliases that a module defines."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) if not name.isupper():
                found.add(name)
            case _:
                pass
    return {name for name in found if name[0].isupper()}


def test_no_two_types_have_one_name() -> None:
    """Whoever reads a name knows which it is, and finds it."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == BY_ITSELF:
            continue
        for name in types_of(path):
            places[name].append(path.relative_to(PACKAGE).as_posix())
    assert len(places) > 200
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in twice.items() if name not in TWICE} == {}


def test_every_type_of_the_glossary_is_there() -> None:
    """`file:Name` says where to read on."""
    places = re.findall(r"`([\w/]+\.py):(\w+)`", GLOSSARY)
    assert len(places) > 60
    assert [place for place in places if place[1] not in names_of(PACKAGE / place[0])] == []


def test_every_word_of_the_glossary_stands_there_once() -> None:
    """One word, one line; a line may have two words."""
    words = [
        word
        for row in re.findall(r"^\| ([^|]+) \| [^|]+\|$", GLOSSARY, re.MULTILINE)
        for word in row.split(", ")
        if row not in ("word", "---")
    ]
    assert len(words) > 80
    assert [word for word in words if words.count(word) > 1] == []


def test_questions_and_engines_are_in_the_glossary() -> None:
    """What can be asked, and who searches, has a line for each."""
    from modelcheck.explore.engine import ENGINES
    from tests.test_answers import QUESTIONS

    words = set(re.split(r"\W*\n\| |, | \| ", GLOSSARY))
    assert {name.replace("_", " ") for name in (*QUESTIONS, *ENGINES)} - words == set()
