"""Where in a spec something was made. Knows nothing."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Source:
    """A line of a spec."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @staticmethod
    def parse(text: str) -> "Source":
        """The source that `str` wrote. Raises ValueError for any other text."""
        file, _, line = text.rpartition(":")
        return Source(file=file, line=int(line))


def here() -> Source:
    """The innermost frame outside this package: the line of the spec that calls."""
    frame = sys._getframe(1)
    while frame.f_back and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return Source(file=Path(frame.f_code.co_filename).name, line=frame.f_lineno)


def _is_ours(module: str) -> bool:
    """Values are also made by `dataclasses.replace`, and by what reads JSON."""
    return module.startswith("modelcheck.") or module == "dataclasses"
