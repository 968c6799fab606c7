"""How a command ends that cannot go on: what it says, and its exit code. Knows every error."""

import errno
import sys
import traceback
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import click
from rich.text import Text

from modelcheck.certificate.invariant import CertificateError
from modelcheck.cli.group import INCONCLUSIVE, INTERNAL, INTERRUPTED_EARLY, WRONG_INPUT, err
from modelcheck.explore.choose import DisagreementError
from modelcheck.explore.compiled.saving import CheckpointError
from modelcheck.explore.pulse import LimitError
from modelcheck.formats.files import OutputError
from modelcheck.frontends.logs import LogError
from modelcheck.protocol.errors import SpecError
from modelcheck.questions.recorded.instantiate import UnfitError
from modelcheck.trace.document import TraceError

FAULTS = (
    SpecError,
    LogError,
    UnfitError,
    TraceError,
    CertificateError,
    CheckpointError,
    OutputError,
)
"""What is wrong with what we were given; the message says where, and what to do."""

PACKAGE = Path(__file__).parents[1]


class Ending(NamedTuple):
    """What to say, and the exit code."""

    message: str
    code: int
    heading: str = ""

    def about(self, spec: Path) -> "Ending":
        """The same, with the spec named that it is about, which most faults do by themselves."""
        named = self.message.startswith(str(spec)) or self.code == INTERRUPTED_EARLY
        return self if named else self._replace(message=f"{spec}: {self.message}")

    def tell(self) -> int:
        """Say it on stderr, if there is anything to say and anybody to tell; the exit code."""
        if self.message:
            with suppress(OSError):
                err.print(Text(self.heading + self.message), soft_wrap=True)
        return self.code


def ending(error: BaseException) -> Ending:
    """What an error means for whoever called us. With python -X dev, where it came from, too."""
    if isinstance(error, click.ClickException):
        text = StringIO()
        error.show(text)
        return Ending(text.getvalue().rstrip(), WRONG_INPUT)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Ending("interrupted", INTERRUPTED_EARLY)
    if isinstance(error, LimitError):
        return Ending(str(error), INCONCLUSIVE, "inconclusive: ")
    if isinstance(error, MemoryError) or _number(error) == errno.ENOMEM:
        return Ending("out of memory", INCONCLUSIVE, "inconclusive: ")
    if isinstance(error, DisagreementError):
        return Ending(str(error), INTERNAL, "INTERNAL ERROR, trust neither answer: ")
    if isinstance(error, FAULTS):
        return Ending(str(error), WRONG_INPUT, "error: ")
    if isinstance(error, BrokenPipeError):
        return Ending("", WRONG_INPUT)
    if isinstance(error, OSError) and error.errno is not None:
        where = error.filename or "cannot read or write"
        return Ending(f"{where}: {error.strerror}", WRONG_INPUT, "error: ")
    return Ending(_of_our_own(error), INTERNAL)


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _of_our_own(error: BaseException) -> str:
    if sys.flags.dev_mode:
        return "".join(traceback.format_exception(error)).rstrip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    where = f" ({Path(own[-1].filename).relative_to(PACKAGE)}:{own[-1].lineno})" if own else ""
    return (
        f"INTERNAL ERROR{where}: {type(error).__name__}: {error}\n"
        "This is a fault of modelcheck, and no verdict. python -X dev -m modelcheck shows more."
    )
