"""Runs a command and measures it. Knows nothing of what it runs."""

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class CommandError(Exception):
    """A command failed; the message has what it printed."""


class Child(NamedTuple):
    """What a process printed and took. `memory` is the most it had resident, in KiB."""

    code: int
    output: str
    seconds: float
    memory: int


def measure(command: list[str], directory: Path | None = None) -> Child:
    """Run a command to its end, alone."""
    start = time.monotonic()
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Child(process.returncode, output, time.monotonic() - start, usage.ru_maxrss)


def succeed(command: list[str], directory: Path | None = None) -> Child:
    """Run a command that must succeed. Raises CommandError if it does not."""
    child = measure(command, directory)
    if child.code:
        raise CommandError(f"{' '.join(command)} exits with {child.code}: {child.output}")
    return child
