"""Checkpoints on disk: a search as it stood between two rounds. Knows files and numbers only.

A folder has `search.json`, replaced as a whole, and the log of states that it names, which is only
ever appended to: what lies beyond the length in `search.json` does not count. So a process may be
killed at any moment. A digest covers all that counts: what is damaged is refused, for a search that
goes on from it would take states for searched that are not. While a search runs, its folder is
locked.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

FORMAT = 2

NAME = "search.json"

LOCK = "lock"


class CheckpointError(Exception):
    """A checkpoint cannot be written, or cannot be resumed from. The message says why."""


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint in this folder, whole or damaged."""
    return (folder / NAME).exists()


class Log:
    """The file of states: appended to, with a digest of what counts of it."""

    def __init__(self, folder: Path, name: str, size: int = 0) -> None:
        self.name = name
        self.size = size
        self._hash = hashlib.blake2b()
        self._path = folder / name

    @property
    def digest(self) -> str:
        """The digest of all that was appended or read."""
        return self._hash.hexdigest()

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
                self._hash.update(data)
            file.flush()
            os.fsync(file.fileno())

    def read(self, at_a_time: int, digest: str) -> Iterator[bytes]:
        """Yield the bytes that count, some at a time. Raises CheckpointError if damaged."""
        left = self.size
        try:
            with open(self._path, "rb") as file:
                while left:
                    data = file.read(min(left, at_a_time))
                    if len(data) < min(left, at_a_time):
                        raise CheckpointError(f"{self._path}: damaged, too short; begin anew")
                    left -= len(data)
                    self._hash.update(data)
                    yield data
        except OSError as error:
            text = f"{self._path}: damaged ({error.strerror or error}); begin anew"
            raise CheckpointError(text) from None
        if digest != self.digest:
            raise CheckpointError(f"{self._path}: damaged, wrong digest; begin anew")


class Files:
    """The folder of a checkpoint, locked until it is closed.

    Raises CheckpointError where there can be no such folder, or another run has it.
    """

    def __init__(self, folder: Path, subject: dict[str, str]) -> None:
        self.folder = folder
        self._subject = subject
        self._lock = FileLock(folder / LOCK, timeout=0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise CheckpointError(
                f"{folder}: another run has this checkpoint; wait for it, or choose another folder"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise CheckpointError(f"{folder}: {error}") from None

    def close(self) -> None:
        """Let others have the folder."""
        self._lock.release()

    def new_log(self) -> Log:
        """A log that nothing on disk refers to yet."""
        taken = {path.name for path in self.folder.glob("states-*")}
        number = next(n for n in itertools.count() if f"states-{n}" not in taken)
        return Log(self.folder, f"states-{number}")

    def write(self, log: Log, data: dict[str, Any]) -> None:
        """Replace `search.json`, and then remove the logs that it no longer names.

        Raises OSError.
        """
        content = {
            "subject": self._subject,
            "log": [log.name, log.size, log.digest],
            "search": data,
        }
        document = {"format": FORMAT, "digest": _digest(content), "content": content}
        temporary = self.folder / f"{NAME}.new"
        with open(temporary, "w") as file:
            file.write(json.dumps(document))
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

    def read(self) -> tuple[Log, str, dict[str, Any]]:
        """What was written last: the log and its digest, and the search.

        Raises CheckpointError if it is of something else, or damaged.
        """
        path = self.folder / NAME
        try:
            document = json.loads(path.read_bytes())
            form, content = document["format"], document.get("content")
        except FileNotFoundError:
            raise CheckpointError(f"{self.folder}: there is no checkpoint here") from None
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            raise CheckpointError(f"{path}: damaged ({error}); begin anew") from None
        if form != FORMAT:
            raise CheckpointError(f"{path}: of another version of modelcheck; begin anew")
        if document.get("digest") != _digest(content):
            raise CheckpointError(f"{path}: damaged, wrong digest; begin anew")
        subject, (name, size, digest) = content["subject"], content["log"]
        search: dict[str, Any] = content["search"]
        for what, here in self._subject.items():
            there = subject.get(what)
            if there != here:
                raise CheckpointError(
                    f"{path}: of another {what}: {there}, not {here}; resume it with what it was "
                    "made with, or choose another folder"
                )
        return Log(self.folder, name, size), digest, search


def _digest(content: object) -> str:
    """A digest of JSON data, however it is laid out."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode()).hexdigest()
