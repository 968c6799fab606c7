"""python -m modelcheck."""

import os
import signal
import sys
from io import TextIOWrapper


def run() -> None:
    """Run the command line, and leave with its exit code."""
    # Nothing here multiplies matrices; the threads for it would take their memory all the same.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # It was closed: nobody wants to read it.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from modelcheck.cli import main
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        print(f"INTERNAL ERROR: cannot load: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(4)
    code = main()
    # All is said; what Ctrl-C could still do is to spoil the way out.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    run()
