"""The command line: reads arguments, runs checks, prints, and sets the exit code.

Knows everything; nothing knows it.
"""

import os
import sys
from contextlib import suppress
from typing import TextIO

import click

from modelcheck.cli import (
    browse,
    check,
    conform,
    convert,
    diff,
    edits,
    explain,
    export,
    graph,
    litmus,
    museum,
    prove,
    specs,
    traces,
)
from modelcheck.cli.ending import Ending, ending
from modelcheck.cli.group import WRONG_INPUT, cli
from modelcheck.explore.interrupts import held, listening

__all__ = [
    "browse",
    "check",
    "cli",
    "conform",
    "convert",
    "diff",
    "edits",
    "explain",
    "export",
    "graph",
    "litmus",
    "main",
    "museum",
    "prove",
    "specs",
    "traces",
]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and give its exit code. No error comes through."""
    with listening():
        try:
            code = _run(sys.argv[1:] if arguments is None else arguments)
        except BaseException as error:
            with held():
                code = ending(error).tell()
        with held():
            return _flushed(sys.stdout, _flushed(sys.stderr, code))


def _run(arguments: list[str]) -> int:
    # Not click's own main: to that, a reader who has gone is exit code 1.
    try:
        with cli.make_context("modelcheck", arguments) as context:
            return int(cli.invoke(context) or 0)
    except click.exceptions.Exit as left:
        return left.exit_code
    except SystemExit as stop:
        return int(stop.code or 0)


def _flushed(stream: TextIO, code: int) -> int:
    """The exit code, when all that was printed has gone out; a full disk shows only now."""
    try:
        stream.flush()
    except OSError as error:
        _drop(stream)
        if code == 0 and not isinstance(error, BrokenPipeError):
            where = "stdout" if stream is sys.stdout else "stderr"
            Ending(f"cannot write to {where}: {error.strerror}", WRONG_INPUT, "error: ").tell()
        return code or WRONG_INPUT
    return code


def _drop(stream: TextIO) -> None:
    """Let the interpreter find nothing to complain of when it flushes the stream once more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
