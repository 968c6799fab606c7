"""The group of commands, the consoles and the exit codes. Knows no command."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from modelcheck import __version__
from modelcheck.questions.answer import Answer, surprising

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_INPUT, INCONCLUSIVE = range(4)
"""Exit codes: all verdicts as expected; some are not; the spec, the command line or the output is
wrong; inconclusive."""

MINIMUM_WIDTH = 100
"""Columns that tables and traces are given even on a narrower terminal."""

out = Console()
err = Console(stderr=True)


def exit_code(answers: Sequence[Answer], planned: int) -> int:
    """The exit code of a command that planned so many answers and has these."""
    if any(surprising(answer) for answer in answers):
        return NOT_AS_EXPECTED
    if len(answers) < planned or not all(answer.as_expected for answer in answers):
        return INCONCLUSIVE
    return AS_EXPECTED


class _CheckByDefault(click.Group):
    """A group in which a first argument that is no command is a spec to check."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names, "--version"):
            first = Path(args[0])
            if not (args[0].startswith("-") or first.suffix or first.exists()):
                commands = ", ".join(self.commands)
                raise click.UsageError(
                    f"{args[0]!r} is neither a command nor a spec; the commands are: {commands}",
                    ctx,
                )
            args = ["check", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CheckByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelcheck")
def cli() -> None:
    """Check protocols that patch code while other CPUs run it.

    "modelcheck SPEC" is short for "modelcheck check SPEC". Exit codes: 0 every verdict is as
    expected, 1 some verdict is not, 2 the spec, the command line or the output is wrong,
    3 inconclusive.
    """
