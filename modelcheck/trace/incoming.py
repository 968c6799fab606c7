"""Files from anywhere, taken as data: so much of them and no more, and no text that acts.

Knows files and JSON. Every fault is a ValueError that names the place.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

from modelcheck.protocol.names import LAYOUT, hidden

MOST = 256 << 20
"""Bytes of a file that are read at most."""


def read(path: Path) -> str:
    """The text of a regular file. Raises ValueError where it cannot be read, or is too large."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("not a regular file")
            data = file.read(MOST + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if len(data) > MOST:
        raise ValueError(f"larger than {MOST >> 20} MiB")
    return data.decode("utf-8")


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe, too, without waiting for a writer, only to refuse it."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse(text: str) -> Any:
    """JSON as data, without text that acts on a terminal. Raises ValueError."""
    try:
        document = json.loads(text)
        check(document, "")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def check(part: Any, place: str) -> None:
    """Raise ValueError for a string with a character that is acted on; lines are as they are."""
    if isinstance(part, str) and (character := hidden(part, LAYOUT)):
        raise ValueError(f"{place or 'text'} has {character!r}, which is acted on, not shown")
    if isinstance(part, list):
        for number, item in enumerate(part):
            check(item, f"{place}[{number}]")
    if isinstance(part, dict):
        for key, item in part.items():
            check(key, f"a key of {place or 'all'}")
            check(item, f"{place}.{key}" if place else key)
