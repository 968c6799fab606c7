"""The project's own litmus files under all rules, and what each row of the rules is for."""

from functools import cache
from pathlib import Path

import pytest

from modelcheck.litmus import expected
from modelcheck.litmus.order import RISCV, X86, MemoryOrder, arm
from modelcheck.litmus.program import LitmusTest, prepare
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import LitmusVerdict, judge

ROOT = Path(__file__).parent.parent / "litmus"

ARM = tuple(arm(dic=dic, idc=idc) for dic, idc in ((False, False), (False, True), (True, True)))
ORDERS = {"aarch64": ARM, "riscv": tuple(RISCV.values()), "x86": tuple(X86.values())}

CASES = [(folder, order) for folder, orders in ORDERS.items() for order in orders]
ROWS = sorted({(folder, row.name) for folder, order in CASES for row in order.rows})


@cache
def files_of(folder: str) -> tuple[tuple[Path, LitmusTest], ...]:
    """The tests of a folder, ready to run."""
    files = sorted((ROOT / folder).glob("*.litmus"))
    return tuple((file, prepare(read(file.read_text()))) for file in files)


@cache
def table(folder: str) -> expected.Expected:
    """What is expected of them."""
    return expected.load(ROOT / folder / "expected.csv")


@pytest.mark.parametrize(("folder", "order"), CASES, ids=lambda case: getattr(case, "name", case))
def test_verdicts(folder: str, order: MemoryOrder) -> None:
    """Every test has a row in the table, and the verdict that stands there."""
    for file, test in files_of(folder):
        judgement = judge(test, order)
        assert table(folder).differences(file, judgement) == [], f"{test.name}: {judgement.states}"


@pytest.mark.parametrize(("folder", "row"), ROWS)
def test_each_row_is_for_something(folder: str, row: str) -> None:
    """Without any one row of the rules, some test gets another verdict."""
    for order in ORDERS[folder]:
        if row in {r.name for r in order.rows}:
            weaker = order.without(row)
            for file, test in files_of(folder):
                if table(folder).differences(file, judge(test, weaker)):
                    return
    pytest.fail("no test needs it")


def test_a_table_knows_every_test() -> None:
    """No row of a table is of a test that is not there, and each says where it is from."""
    for folder in ORDERS:
        names = {test.name for _, test in files_of(folder)}
        rows = table(folder).rows
        assert {row["test"] for row in rows} == names
        assert all(row["source"] for row in rows)


def test_a_seeded_bug_is_seen() -> None:
    """A table that says the contrary is not met."""
    file, test = next(t for t in files_of("riscv") if t[1].name == "SM+fencei")
    judgement = judge(test, RISCV["Ziccid"])
    assert judgement.verdict is LitmusVerdict.FORBIDDEN
    lying = expected.Expected(ROOT / "riscv", ({"test": "SM+fencei", "Ziccid": "Allowed"},))
    assert lying.differences(file, judgement) == ["expected allowed"]


def test_the_page_has_the_verdicts_of_the_table() -> None:
    """docs/litmus.md shows every x86 test with its story, its verdicts and its source."""
    page = (ROOT.parent / "docs" / "litmus.md").read_text()
    for row in table("x86").rows:
        text = (ROOT / "x86" / f"{row['test']}.litmus").read_text()
        story = " ".join(text[text.index("(*") + 2 : text.index("*)")].split())
        line = f"| `{row['test']}` | {story} | {row['intel']} | {row['amd']} | {row['source']} |"
        assert line in page
