"""python -m modelcheck."""

import os
import signal
import sys
from io import TextIOWrapper


def run() -> None:
    """Run the command line, and leave with its exit code."""
    try:
        from modelcheck.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # It was closed: nobody wants to read it.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = main()
    # All is said; what Ctrl-C could still do is to spoil the way out.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    run()
