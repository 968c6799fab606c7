"""The version of this package, and a digest of its code, where anything may ask for them."""

import hashlib
from functools import cache
from pathlib import Path

__version__ = "0.1.0"

MODEL_CODE = ("arch", "protocol", "explore", "solver.py", "machine")
"""The parts that say which states there are, and in which order they are met."""


@cache
def code_digest(*parts: str) -> str:
    """A digest of the source of these files, and of those in these folders, of the package."""
    root = Path(__file__).parent
    paths = sorted(path for part in parts for path in ((root / part), *(root / part).rglob("*.py")))
    found = hashlib.blake2b(digest_size=16)
    for path in paths:
        if path.is_file():
            data = path.read_bytes()
            found.update(f"{path.relative_to(root)} {len(data)}\n".encode() + data)
    return found.hexdigest()
