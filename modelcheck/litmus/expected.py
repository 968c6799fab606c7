"""What others have published of tests, read from a table, and held against what was found.

The table is CSV with a header. Each row has `file` (its path from the table's folder) or `test`
(the test's name). `kind_published` or a column named as the rules has a verdict, by its first
letters; `final_states` has the whole set, as `state | state`. Empty cells say nothing. Knows
verdicts.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.verdict import LitmusJudgement, LitmusVerdict

_VERDICTS = (
    ("allow", LitmusVerdict.ALLOWED),
    ("forbid", LitmusVerdict.FORBIDDEN),
    ("require", LitmusVerdict.REQUIRED),
)


@dataclass(frozen=True)
class Expected:
    """The rows of a table."""

    folder: Path
    rows: tuple[Mapping[str, str], ...]

    def of(self, file: Path, name: str) -> Mapping[str, str] | None:
        """The row of a test, if it has one."""
        for row in self.rows:
            if row.get("file") and (self.folder / row["file"]).resolve() == file.resolve():
                return row
            if row.get("test") and row["test"] in (name, file.stem):
                return row
        return None

    def differences(self, file: Path, judgement: LitmusJudgement) -> list[str] | None:
        """How a judgement differs from what is published; None if nothing is."""
        row = self.of(file, judgement.test.name)
        if row is None:
            return None
        found: list[str] = []
        known = False
        published = row.get(judgement.order.name) or row.get("kind_published") or ""
        if published:
            known = True
            wanted = _verdict(published)
            if judgement.verdict is not wanted:
                found.append(f"expected {wanted}")
        if row.get("final_states"):
            known = True
            wanted_states = {_parts(state) for state in row["final_states"].split(" | ")}
            states = {_parts(state): state for state in judgement.states}
            found += [f"not expected: {states[s]}" for s in states if s not in wanted_states]
            found += [f"expected: {' '.join(sorted(s))}" for s in wanted_states if s not in states]
        return found if known else None


def load(file: Path) -> Expected:
    """Read a table. Raises LitmusError."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            rows = tuple(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError) as error:
        raise LitmusError(f"cannot be read: {getattr(error, 'strerror', error)}") from error
    if not {"file", "test"} & set(columns):
        raise LitmusError("this table has no column 'file' and none 'test'")
    for row in rows:
        if row.get("kind_published"):
            _verdict(row["kind_published"])
    return Expected(file.parent, rows)


def _verdict(text: str) -> LitmusVerdict:
    for begin, verdict in _VERDICTS:
        if text.lower().startswith(begin):
            return verdict
    raise LitmusError(f"{text!r} is no verdict; write Allowed, Forbidden or Required")


def _parts(state: str) -> frozenset[str]:
    """A state as a set, whichever the order and the quotes that its parts are written in."""
    parts = re.findall(r'\S+?=(?:\w+:"[^"]*"|\S+)', state)
    plain = (re.sub(r'label:"([^"]*)"', r"\1", part) for part in parts)
    return frozenset(part.replace('instr:"NOP"', "NOP") for part in plain)
