"""The group of commands, the consoles and the exit codes. Knows no command."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from modelcheck import __version__
from modelcheck.explore.verdict import Verdict
from modelcheck.protocol.names import printable
from modelcheck.questions.answer import Answer, surprising

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_INPUT, INCONCLUSIVE, INTERNAL = range(5)
"""Exit codes: all verdicts as expected; some are not; the spec, the command line, a file or the
output is wrong; inconclusive, by a limit or an interrupt; an error of modelcheck's own."""

INTERRUPTED_EARLY = 130
"""Exit code: interrupted before there was any verdict, as shells have it: 128 + SIGINT."""

MINIMUM_WIDTH = 100
"""Columns that tables and traces are given even on a narrower terminal."""


class _Plain(Console):
    """A console on which text is what it says: no markup, and nothing in it acts on the terminal.

    Where nobody reads any more, that is an OSError like any other.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of what is printed, with all but styles and control codes of our own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))

    def on_broken_pipe(self) -> None:
        """Let the caller decide what becomes of it."""
        raise BrokenPipeError


out = _Plain()
err = _Plain(stderr=True)


def exit_code(answers: Sequence[Answer], planned: int, *, interrupted: bool = False) -> int:
    """The exit code of a command that planned so many answers and has these."""
    if any(surprising(answer) for answer in answers):
        return NOT_AS_EXPECTED
    if interrupted and all(answer.verdict is Verdict.INCONCLUSIVE for answer in answers):
        return INTERRUPTED_EARLY
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

    "modelcheck SPEC" is short for "modelcheck check SPEC".

    Exit codes: 0 every verdict is as expected; 1 some verdict is not; 2 the spec, the command
    line, a file or the output is wrong; 3 inconclusive: by a limit, or interrupted with some
    verdicts there; 4 an error of modelcheck's own; 130 interrupted before there was any verdict.
    """
