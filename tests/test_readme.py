"""The README shows what the tool really prints, and its commands exist."""

import re
from pathlib import Path

from modelcheck.cli import cli
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.properties import PROPERTIES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_trace_shown_is_the_committed_one() -> None:
    text = (ROOT / "counterexamples" / "x86_int3" / "no-sync-1.txt").read_text(encoding="utf-8")
    shown = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    assert shown in README


def test_every_model_and_property_is_explained() -> None:
    for name in (*MODELS, *PROPERTIES):
        assert f"`{name}`" in README


def test_every_command_and_option_shown_exists() -> None:
    for line in re.findall(r"^    python -m modelcheck (.*)$", README, re.MULTILINE):
        words = line.partition(" #")[0].split()
        name = words[0] if words[0] in cli.commands else "check"
        known = {flag for parameter in cli.commands[name].params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_the_program_shown_is_the_specs() -> None:
    spec = (ROOT / "specs" / "x86_int3.py").read_text(encoding="utf-8")
    block = README[README.index("    program=(") : README.index("Every step has a label")].rstrip()
    assert "".join(block.split()) in "".join(spec.split())
