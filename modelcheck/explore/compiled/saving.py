"""Checkpoints on disk: a search as it stood between two rounds. Knows files and numbers only.

A folder has `search.json`, replaced as a whole, and the log of states that it names, which is only
ever appended to: what lies beyond the length in `search.json` does not count. So a process may be
killed at any moment.
"""

import itertools
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 1

NAME = "search.json"


class CheckpointError(Exception):
    """A checkpoint cannot be written, or cannot be resumed from. The message says why."""


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint in this folder, whole or damaged."""
    return (folder / NAME).exists()


class Log:
    """The file of states: appended to, with a checksum."""

    def __init__(self, folder: Path, name: str, size: int = 0, checksum: int = 0) -> None:
        self.name = name
        self.size = size
        self.checksum = checksum
        self._path = folder / name

    def append(self, parts: Iterable[npt.NDArray[np.uint64]]) -> None:
        """Write arrays behind what counts so far, and bring them to the disk.

        Raises OSError.
        """
        with open(self._path, "r+b" if self.size else "wb") as file:
            file.truncate(self.size)
            file.seek(self.size)
            for part in parts:
                data = part.tobytes()
                file.write(data)
                self.size += len(data)
                self.checksum = zlib.crc32(data, self.checksum)
            file.flush()
            os.fsync(file.fileno())

    def read(self, at_a_time: int) -> Iterator[bytes]:
        """Yield the bytes that count, some at a time. Raises CheckpointError if damaged."""
        checksum = 0
        left = self.size
        if not self._path.exists() or self._path.stat().st_size < self.size:
            raise CheckpointError(f"{self._path}: damaged, too short; begin anew")
        with open(self._path, "rb") as file:
            while left:
                data = file.read(min(left, at_a_time))
                left -= len(data)
                checksum = zlib.crc32(data, checksum)
                yield data
        if checksum != self.checksum:
            raise CheckpointError(f"{self._path}: damaged, wrong checksum; begin anew")


class Files:
    """The folder of a checkpoint."""

    def __init__(self, folder: Path, subject: dict[str, str]) -> None:
        self.folder = folder
        self._subject = subject
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{folder}: {error.strerror}") from None

    def new_log(self) -> Log:
        """A log that nothing on disk refers to yet."""
        taken = {path.name for path in self.folder.glob("states-*")}
        number = next(n for n in itertools.count() if f"states-{n}" not in taken)
        return Log(self.folder, f"states-{number}")

    def write(self, log: Log, data: dict[str, Any]) -> None:
        """Replace `search.json`, and then remove the logs that it no longer names.

        Raises OSError.
        """
        document = {
            "format": FORMAT,
            "subject": self._subject,
            "log": [log.name, log.size, log.checksum],
            "search": data,
        }
        temporary = self.folder / f"{NAME}.new"
        with open(temporary, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / NAME)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        for path in self.folder.glob("states-*"):
            if path.name != log.name:
                path.unlink()

    def read(self) -> tuple[Log, dict[str, Any]]:
        """What was written last. Raises CheckpointError if it is of something else, or damaged."""
        path = self.folder / NAME
        try:
            document = json.loads(path.read_bytes())
            subject, (name, size, checksum) = document["subject"], document["log"]
            search: dict[str, Any] = document["search"]
        except FileNotFoundError:
            raise CheckpointError(f"{self.folder}: there is no checkpoint here") from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise CheckpointError(f"{path}: damaged ({error}); begin anew") from None
        if document.get("format") != FORMAT:
            raise CheckpointError(f"{path}: of another version of modelcheck; begin anew")
        for what, here in self._subject.items():
            there = subject.get(what)
            if there != here:
                raise CheckpointError(
                    f"{path}: of another {what}: {there}, not {here}; resume it with what it was "
                    "made with, or choose another folder"
                )
        return Log(self.folder, name, size, checksum), search
