"""Litmus files that are damaged: each is refused in one message with its place, or judged."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcheck.explore.verdict import Limits
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import judge
from tests.damage import quiet

FILES = sorted((Path(__file__).parent.parent / "litmus").rglob("*.litmus"))
TEXTS = [file.read_text() for file in FILES]
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
WORDS = sorted({word for text in TEXTS for word in TOKEN.findall(text)})
ODD = (
    *("\0", "\x1b", "é", "(*", "*)", "{", "}", "|", ";", '"', "0x", "007", "-1", "9" * 5000),
    *("P0", "P9", "P1.F", "P7.F", "9:X1", "1:X99", "[zz]", "=", "~" * 500, "(" * 500, "pte_x"),
    *("exists", "forall", "locations [x;]", "/\\", "\\/", "true", "fault(P0:site)", "fault(P9)"),
    *('instr:"', 'label:"P0:x"', 'alias:"P1:site"', "NOP", "UDF #0", "B .", "B .+4", "B .+3"),
    *("LSL #70", "LSL #9999999999", "jmp site", "mov [rdi], 5", "poke rdi, rax, 900", "ack", "ipi"),
)

Edit = tuple[int, int, str]
"""Where, how many tokens go, and what comes."""

EDITS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 8),
        st.one_of(st.just(""), st.sampled_from(WORDS), st.sampled_from(ODD), st.text(max_size=4)),
    ),
    min_size=1,
    max_size=4,
)


def edited(text: str, edits: list[Edit]) -> str:
    """The text with some tokens replaced."""
    tokens = TOKEN.findall(text)
    for at, count, word in edits:
        at %= len(tokens) + 1
        tokens[at : at + count] = [word]
    return "".join(tokens)


def complaint(text: str) -> LitmusError | None:
    """What is wrong with a test, if it cannot be judged."""
    try:
        test = prepare(read(text))
        judge(test, order_of(test), Limits(2000, 5), with_run=True)
    except LitmusError as error:
        return error
    return None


@given(text=st.sampled_from(TEXTS), edits=EDITS)
@settings(max_examples=400, deadline=None)
def test_a_damaged_file_is_refused_with_its_place_or_judged(text: str, edits: list[Edit]) -> None:
    """Never a traceback, and never a message without the line and the column."""
    damaged = edited(text, edits)
    error = complaint(damaged)
    if error is not None:
        assert error.spot is not None, error.why
        line, column = error.spot
        assert 1 <= line <= damaged.count("\n") + 1, error.why
        assert column >= 1, error.why


GARBAGE = {
    "empty": (b"", ":1:1: the text ends too soon"),
    "blank": (b" \n\t\n", ":1:1: the text ends too soon"),
    "zeros": (b"\0" * 64, ":1:1: "),
    "not UTF-8": (b"AArch64 x\n{ }\n\xff\xfe", ":3:1: this is no text"),
    "an ELF header": (b"\x7fELF\x02\x01\x01\0\xf0\x9f", ":1:9: this is no text"),
    "JSON": (b'{"schema": 1}', ":1:1: "),
    "half a test": (TEXTS[0][: len(TEXTS[0]) // 2].encode(), ": "),
}


@pytest.mark.parametrize(("data", "said"), GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    """One message with file, line and column on stderr, nothing on stdout, exit code 2."""
    file = tmp_path / "garbage.litmus"
    file.write_bytes(data)
    code, out, err = quiet("litmus", str(file))
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert re.match(r"error: .*garbage\.litmus:\d+:\d+: ", err)
    assert said in err
