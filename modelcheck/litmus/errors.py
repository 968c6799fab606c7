"""What is wrong with a litmus test, and where. Knows nothing."""

from typing import NamedTuple


class Spot(NamedTuple):
    """A place in a litmus file; lines and columns count from 1."""

    line: int
    column: int


NOWHERE = Spot(0, 0)
"""The place of what stands in no file."""


class LitmusError(ValueError):
    """A litmus file that cannot be judged; the message says where and why."""

    def __init__(self, why: str, spot: Spot | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.spot = spot

    def told(self, file: str) -> str:
        """The whole message: file, line and column, and what is wrong there."""
        where = f":{self.spot.line}:{self.spot.column}" if self.spot else ""
        return f"{file}{where}: {self.why}"
