"""The command line: reads arguments, runs checks, prints, and sets the exit code.

Knows everything; nothing knows it.
"""

import sys
from typing import Any

import click
from rich.text import Text

from modelcheck.certificate.invariant import CertificateError
from modelcheck.cli import (
    browse,
    check,
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
from modelcheck.cli.group import INCONCLUSIVE, NOT_AS_EXPECTED, WRONG_INPUT, cli, err
from modelcheck.explore.choose import DisagreementError
from modelcheck.explore.compiled.saving import CheckpointError
from modelcheck.formats.files import OutputError
from modelcheck.protocol.errors import SpecError
from modelcheck.trace.document import TraceError

__all__ = [
    "browse",
    "check",
    "cli",
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
    """Run the command line and give its exit code."""
    try:
        result: Any = cli.main(arguments, prog_name="modelcheck", standalone_mode=False)
        return int(result or 0)
    except SystemExit as stop:
        return int(stop.code or 0)
    except click.ClickException as error:
        error.show()
        return WRONG_INPUT
    except (SpecError, TraceError, CertificateError, CheckpointError, OutputError) as error:
        err.print(Text(f"error: {error}"), soft_wrap=True)
        return WRONG_INPUT
    except DisagreementError as error:
        err.print(Text(f"INTERNAL ERROR, trust neither answer: {error}", "bold red"))
        return NOT_AS_EXPECTED
    except (click.Abort, KeyboardInterrupt):
        err.print("interrupted")
        return INCONCLUSIVE
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody to tell.
        sys.stderr.close()
        return WRONG_INPUT
