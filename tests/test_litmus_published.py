"""Tests of others, with what they have published of them. Their files are beside the project."""

from pathlib import Path

import pytest

from modelcheck.litmus import expected
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import judge

SHARED = Path(__file__).parent.parent.parent / "shared" / "litmus"

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the tests of others are not beside this checkout"
)

RISCV_RULES = ("Ziccid", "ir-decode")


def test_aarch64_has_the_published_sets_of_final_states() -> None:
    """In all cache types: the whole set, and the kind."""
    table = expected.load(SHARED / "aarch64" / "expected.csv")
    found = {}
    for file in sorted((SHARED / "aarch64").rglob("*.litmus")):
        test = prepare(read(file.read_text()))
        found[file.stem] = table.differences(file, judge(test, order_of(test)))
    assert len(found) == len(table.rows) > 0
    assert {name: what for name, what in found.items() if what != []} == {}


@pytest.mark.parametrize("rules", RISCV_RULES)
def test_riscv_has_the_published_verdicts(rules: str) -> None:
    """All but the one test that is of translation tables, which is refused."""
    table = expected.load(SHARED / "riscv" / "expected.csv")
    found, refused = {}, []
    for file in sorted((SHARED / "riscv").rglob("*.litmus")):
        try:
            test = prepare(read(file.read_text()))
        except LitmusError:
            refused.append(file.stem)
            continue
        found[file.stem] = table.differences(file, judge(test, order_of(test, rules=rules)))
    assert {name: what for name, what in found.items() if what != []} == {}
    assert len(found) == len(table.rows) > 0
    assert refused == ["MP.RT+sfence.vma+fence.i"]
