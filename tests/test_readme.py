"""README and docs show what the tool really prints, and every command line in them runs."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent, indent
from typing import NamedTuple

import pytest

import modelcheck
from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    api,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    store,
    verify,
    write,
)
from modelcheck.cli import cli, main
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.properties import PROPERTIES
from modelcheck.pytest_plugin import Checker

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))

SLOW = (
    r"specs/x86_int3.py --variant base --cpus [45] ",
    r"specs/x86_int3.py --chunk 8",
    r"specs/x86_int3.py --json ",
    r"specs/( |$)",
    r"museum",
    r".* --html ",
)
"""Commands that take several seconds: they run with -m slow only."""

INTERACTIVE = (r"browse",)
"""Commands that wait for somebody to press keys: only their options are looked at."""

PLACEHOLDERS = {
    "SPEC": "specs/x86_optprobe.py",
    "FILE": "counterexamples/x86_int3/no-sync-1.json",
}

ITEM = re.compile(
    r"^    (?P<line>python -m modelcheck .*)$"
    r"|`(?P<inline>python -m modelcheck [^`\n]*)`"
    r"|^    (?P<paste>(?:program=\(|SUITE = ).*\n(?:    .*\n)*)",
    re.MULTILINE,
)
"""What a reader of a page does: run a command, or change the spec."""


class Command(NamedTuple):
    """The arguments of a command line, and the exit code that the page says it has."""

    words: tuple[str, ...]
    code: int

    def among(self, patterns: tuple[str, ...]) -> bool:
        return any(re.match(pattern, " ".join(self.words)) for pattern in patterns)


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """The indented blocks of a page; a blank line ends a block."""
    return [dedent(block) for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)]


def items(text: str) -> Iterator[Command | str]:
    """What to do on a page, from top to bottom: commands, and blocks to paste."""
    for item in ITEM.finditer(text):
        if item["paste"]:
            yield dedent("    " + item["paste"])
            continue
        line, _, comment = (item["line"] or item["inline"]).partition(" #")
        code = re.search(r"exit code (\d)", comment)
        words = line.replace("'", "").split()[3:]
        yield Command(tuple(PLACEHOLDERS.get(w, w) for w in words), int(code[1]) if code else 0)


def paste(block: str, spec: Path) -> None:
    """Put a block in the place of what the spec has there, as the tutorial tells its reader to."""
    text = spec.read_text(encoding="utf-8")
    if block.startswith("program=("):
        new = indent(block, "    ")
        program = re.compile(r"^    program=\(\n.*?^    \),\n", re.DOTALL | re.MULTILINE)
        text = program.sub(lambda _: new, text, count=1)
    else:
        text = text[: text.index("SUITE = ")] + block
    spec.write_text(text, encoding="utf-8")


def plain(line: str) -> str:
    """A line of output without times, and however wide its columns are."""
    return " ".join(re.sub(r"\d+\.\d\ds|─+", "", line).split())


@pytest.fixture
def _copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in a folder with specs, counterexamples, litmus tests and logs of its own."""
    for name in ("specs", "counterexamples", "litmus"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tests" / "logs", tmp_path / "tests" / "logs")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    monkeypatch.chdir(tmp_path)


GIT = (
    "git",
    "-c",
    "user.name=test",
    "-c",
    "user.email=test@localhost",
    "-c",
    "core.autocrlf=false",
)


def git(*arguments: str) -> str:
    """What git prints, in the folder that commands run in."""
    done = subprocess.run([*GIT, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@contextmanager
def clean_after(page: Path) -> Iterator[None]:
    """The commands of the README leave nothing behind that git would see; they are tried often."""
    if page != README:
        yield
        return
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "as checked out")
    yield
    assert git("status", "--porcelain") == ""


def run(command: Command, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints; it must have the exit code that the page says."""
    code = main(list(command.words))
    captured = capsys.readouterr()
    assert code == command.code, f"{' '.join(command.words)}\n{captured.out}{captured.err}"
    return captured.out


def follow(page: Path, capsys: pytest.CaptureFixture[str], left_out: tuple[str, ...]) -> str:
    """Do what a page says, and give all that was printed."""
    printed = ""
    for item in items(read(page)):
        if isinstance(item, Command):
            printed += "" if item.among(left_out) else run(item, capsys)
        elif page.stem == "tutorial":
            paste(item, Path("my_protocol.py"))
    return printed


@pytest.mark.usefixtures("_copy")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a page's top to its end, with the exit code told, and the output shown printed."""
    with clean_after(page):
        printed = follow(page, capsys, INTERACTIVE + SLOW)
    if page.stem in ("tutorial", "reading-a-trace", "litmus", "conform"):
        lines = {plain(line) for line in printed.splitlines()}
        output = [b for b in blocks(read(page)) if not re.match("python -m|program=|SUITE = ", b)]
        assert output
        assert [line for b in output for line in b.splitlines() if plain(line) not in lines] == []


@pytest.mark.slow
@pytest.mark.usefixtures("_copy")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_slow_commands_run_too(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same with the commands of many seconds."""
    with clean_after(page):
        follow(page, capsys, INTERACTIVE)


def test_every_command_and_option_shown_exists() -> None:
    """Also of the commands that cannot be run here."""
    for page in PAGES:
        for item in items(read(page)):
            if isinstance(item, Command):
                name = item.words[0] if item.words[0] in cli.commands else "check"
                known = {flag for option in cli.commands[name].params for flag in option.opts}
                shown = {word for word in item.words if word.startswith("--")}
                assert shown <= known | {"--help"}


def test_every_link_leads_somewhere() -> None:
    """A relative link is a file or folder of this repository."""
    others = (ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "tests" / "README.md")
    for page in (*PAGES, *others, *DECISIONS):
        for link in re.findall(r"\]\(([^)]*)\)", read(page)):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.usefixtures("_copy")
def test_the_table_shown_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of the README's table is a line of the run."""
    printed = {plain(line) for line in run(Command(("specs/x86_int3.py",), 0), capsys).splitlines()}
    table = next(b for b in blocks(read(README)) if "nop-to-call\n" in b)
    assert "tail-any-order" in table
    assert [line for line in table.splitlines() if plain(line) not in printed] == []


def test_the_trace_shown_is_the_committed_one() -> None:
    """The README quotes a counterexample that a test keeps true."""
    text = read(ROOT / "counterexamples" / "x86_int3" / "no-sync-1.txt")
    shown = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    assert shown in read(README)


def test_the_program_shown_is_the_specs() -> None:
    """The README quotes the program of the shipped spec."""
    block = next(b for b in blocks(read(README)) if b.startswith("program=("))
    spec = read(ROOT / "specs" / "x86_int3.py")
    assert "".join(block.split()) in "".join(spec.split())


def test_every_decision_is_in_the_list_of_decisions() -> None:
    """A page that no list names is read by nobody; each has the four parts of a decision."""
    index, *pages = reversed(DECISIONS)
    assert re.findall(r"\((\d{4}-[^)]*)\)", read(index)) == [page.name for page in reversed(pages)]
    for page in pages:
        parts = re.findall(r"^## (.*)$", read(page), re.MULTILINE)
        assert parts == ["Context", "Decision", "Rejected", "Consequences"], page.name


def test_every_model_and_property_is_explained() -> None:
    """No fetch model or property without its words."""
    for name in (*MODELS, *PROPERTIES):
        assert f"`{name}`" in read(README)
    for name in MODELS:
        assert f"**`{name}`**" in read(ROOT / "docs" / "fetch-models.md")


def test_every_name_that_specs_can_use_is_explained() -> None:
    """The vocabulary's page is complete."""
    page = read(ROOT / "docs" / "writing-a-spec.md")
    assert [name for name in modelcheck.__all__ if f"`{name}`" not in page] == []


def test_the_python_shown_runs() -> None:
    """The examples of the page are those of the module, and its test passes."""
    page = read(ROOT / "docs" / "from-python.md")
    example = page[page.index("    from modelcheck") : page.index("The settings are")].rstrip()
    assert example in str(api.__doc__)
    test = next(b for b in blocks(page) if b.startswith("def test_"))
    assert indent(test, "    ") in read(README)
    names = {"protocol": int3()}
    exec(test, names)
    names["test_my_protocol"](Checker())


def int3() -> Protocol:
    """A protocol that the test shown is about."""
    site = Site("foo", b"\x0f\x1f", b"\xe8\xe7")
    entry = Cell("entry")
    return Protocol(
        "int3",
        (site,),
        (
            store("publish", entry, "foo"),
            write("int3", site, b"\xcc"),
            on_each_cpu("sync-1"),
            write("tail", site, b"\xe7", at=1),
            on_each_cpu("sync-2"),
            write("head", site, b"\xe8"),
            on_each_cpu("sync-3"),
            store("retire", entry, None),
        ),
        Handler(b"\xcc", (lookup("find", entry), emulate("emulate", entry), iret("iret"))),
        (entry,),
    )


def test_the_picture_of_the_fetch_models_is_right() -> None:
    """What docs/fetch-models.svg says of its five models, asked of the machine."""
    base = int3().without("sync-2")
    late = base.without("sync-3", "retire")
    (site,) = base.sites
    at_once = Protocol("at once", (site,), (write("both", site, site.new, order="single"),))

    def violated(protocol: Protocol, name: str, model: str, chunk: int) -> bool:
        outcome = verify(protocol, cpus=1, fetch=model, chunk=chunk, properties=(name,))
        return outcome.violated == name

    says = {
        model: (
            violated(late, "visible-after-return", model, 1),  # cc is still fetched
            violated(base, "no-torn-instruction", model, 1),  # e8 1f
            violated(at_once, "per-cpu-monotone", model, 2),  # older after newer
        )
        for model in ("coherent", "store-order", "per-chunk", "incoherent")
    }
    assert says == {
        "coherent": (False, False, False),
        "store-order": (True, False, False),
        "per-chunk": (True, True, False),
        "incoherent": (True, True, True),
    }
    assert violated(at_once, "no-unpermitted-modification", "strict", 2)


def names_of(path: Path) -> set[str]:
    """The names that a module defines or passes on, and those of its classes' members."""
    found: set[str] = set()
    for node in ast.parse(read(path)).body:
        match node:
            case ast.FunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name, body=body):
                found.add(name)
                members = (member for member in body if isinstance(member, ast.FunctionDef))
                found.update(f"{name}.{member.name}" for member in members)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_every_place_named_in_the_architecture_exists() -> None:
    """A page that leads its reader astray is worse than none: `path.py:name` is there."""
    page = read(ROOT / "docs" / "architecture.md")
    places = re.findall(r"`([\w/]+\.py):([\w.]+)`", page)
    assert len(places) > 40
    package = ROOT / "modelcheck"
    gone = [f"{path}:{name}" for path, name in places if name not in names_of(package / path)]
    assert gone == []
    files = re.findall(r"`([\w/]+(?:\.py|/))`", page)
    assert [
        file for file in files if not ((package / file).exists() or (ROOT / file).exists())
    ] == []


def test_the_parts_of_the_architecture_are_those_of_the_linter() -> None:
    """Each part once, in an order that the linter allows: what is known comes first."""
    page = read(ROOT / "docs" / "architecture.md")
    told = re.findall(r"^    (\w+)  +\S", page, re.MULTILINE)
    settings = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]
    (contract,) = settings["contracts"]
    levels = [layer.split(" : ") for layer in reversed(contract["layers"])]
    level = {part: number for number, parts in enumerate(levels) for part in parts}
    assert sorted(told) == sorted(level)
    assert [level[part] for part in told] == sorted(level.values())
