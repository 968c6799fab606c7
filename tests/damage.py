"""Faults to test with: damage to bytes as disks do it, to JSON as somebody does who means it."""

import contextlib
import copy
import io
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from modelcheck.cli import main
from tests import random_protocols

CODES = (0, 1, 2, 3, 130)
"""How a command may end, whatever befalls it; 4 would be a fault of ours."""


HOSTILE: tuple[Any, ...] = (
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31m",
    "\x9b31m",
    "a\u202eb",
    "line\u2028break",
    "two\nlines",
    "</script><script>alert(1)</script>",
    "]]><x y='",
    "[/bold][link=x]",
    "| a | `b` | ![c](d)",
    '"""\nimport os\n"""',
    "a|b\\",
    "../../../etc/passwd",
    "%s{0}{x}$y",
    "",
    " ",
    "x" * 100_000,
    "\ud800",
    0,
    -1,
    1,
    2**63,
    10**30,
    1e308,
    float("nan"),
    True,
    None,
    [],
    {},
    [[]],
    {"step": "Write"},
    "cc",
    "zz",
    "c",
)
"""Values that something further on may take for something else."""


def chance(number: int) -> random.Random:
    """Of this seed; or, in a nightly run, of one that a failing test shows."""
    seed = random.SystemRandom().getrandbits(32) if random_protocols.nightly else number
    print(f"seed {seed}")
    return random.Random(seed)


def damaged_bytes(data: bytes, draw: random.Random) -> bytes:
    """One hit of a kind that disks, transfers and editors do."""
    at = draw.randrange(len(data))
    span = draw.choice((1, 1, 1, 8, 64, 512))
    match draw.randrange(7):
        case 0:
            return data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at + span :]
        case 3:
            return data[:at] + draw.randbytes(span) + data[at:]
        case 4:
            return data[:at] + bytes(span) + data[at + span :]
        case 5:
            return data[:at] + data[at : at + span] * 2 + data[at + span :]
        case _:
            other = draw.randrange(len(data))
            return data[:at] + data[other : other + span] + data[at + span :]


def damaged_json(document: Any, draw: random.Random) -> Any:
    """A copy with one or two places changed, taken away, doubled or put elsewhere."""
    document = copy.deepcopy(document)
    for _ in range(draw.choice((1, 1, 1, 2))):
        places = list(_places(document))
        holder, key = draw.choice(places)
        match draw.randrange(6):
            case 0 | 1:
                holder[key] = copy.deepcopy(draw.choice(HOSTILE))
            case 2:
                del holder[key]
            case 3:
                other, there = draw.choice(places)
                if there in other if isinstance(other, dict) else there < len(other):
                    holder[key] = copy.deepcopy(other[there])
            case 4:
                if isinstance(holder, list):
                    holder.insert(key, copy.deepcopy(holder[key]))
                else:
                    holder[str(draw.choice(HOSTILE))[:50]] = copy.deepcopy(holder[key])
            case _:
                holder[key] = _near(holder[key], draw)
        if not list(_places(document)):
            break
    return document


def _near(value: Any, draw: random.Random) -> Any:
    """A value of the same kind that is likely to be taken."""
    match value:
        case bool():
            return not value
        case int():
            return value + draw.choice((-1, 1, 2, 100))
        case str() if value:
            at = draw.randrange(len(value))
            return value[:at] + draw.choice("0123456789abcdef /") + value[at + 1 :]
        case list():
            return draw.sample(value, len(value))
    return value


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """All holders of a value, with the key or number that it has there."""
    todo = [document]
    while todo:
        holder = todo.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                todo.append(holder[key])


def damaged(text: str, draw: random.Random) -> bytes:
    """JSON text, damaged in one way or the other."""
    if draw.random() < 0.3:
        return damaged_bytes(text.encode(), draw)
    return json.dumps(damaged_json(json.loads(text), draw)).encode()


READY = """
import sys
from modelcheck.__main__ import run
print("ready", file=sys.stderr, flush=True)
run()
"""
"""What runs the command line in a child, and says when Ctrl-C is its business and not Python's."""

SEARCHING = f"""
import sys
from modelcheck.explore.pulse import Pulse
beat = Pulse.beat
def first(pulse, states, *others):
    Pulse.beat = beat
    print("searching", file=sys.stderr, flush=True)
    beat(pulse, states, *others)
Pulse.beat = first
{READY}"""
"""The same, and says when its search is under way."""


def few(some: int, many: int) -> pytest.MarkDecorator:
    """So many of a kind, and with -m slow as many as the issue asks for."""
    slow = pytest.param(many, marks=pytest.mark.slow, id=str(many))
    return pytest.mark.parametrize("number", [pytest.param(some, id=str(some)), slow])


def quiet(*arguments: str) -> tuple[int, str, str]:
    """Run the command line here, and give its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    text = out.getvalue() + err.getvalue()
    assert "Traceback" not in text
    assert "INTERNAL" not in text, text
    assert code in CODES
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text), text
    return code, out.getvalue(), err.getvalue()
