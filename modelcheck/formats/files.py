"""Writing results to files, whole or not at all. Knows traces and paths."""

import os
import tempfile
from pathlib import Path

from modelcheck.trace.kinds import KeptRun, to_json
from modelcheck.views.trace_text import to_text


class OutputError(Exception):
    """A result could not be written; the message names the file and the reason."""


def write_text(path: Path, text: str) -> None:
    """Write a file in one go: a failure leaves what was there. Raises OutputError.

    What is no regular file, such as a device or a pipe, is written to directly.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; choose another place"
        ) from error


def check_writable(folder: Path) -> None:
    """Raise OutputError unless files can be made in `folder`, which need not exist yet."""
    existing = folder
    while not existing.exists() and existing.parent != existing:
        existing = existing.parent
    if not existing.is_dir():
        raise OutputError(f"cannot write to {folder}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {folder}: no permission for {existing}")


def write_trace(folder: Path, name: str, trace: KeptRun) -> Path:
    """Write a trace as JSON, and its text beside it; the path of the JSON. Raises OutputError."""
    path = folder / f"{name}.json"
    write_text(path, to_json(trace))
    write_text(path.with_suffix(".txt"), to_text(trace))
    return path
