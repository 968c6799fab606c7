"""Whether a trace is still about its spec as that is now.

A trace may come from anywhere, and names a path: so nothing is run because a trace names it. Its
spec is looked for and its bytes are compared, which says that something has changed; what has,
tells the spec that whoever asks has named. Knows traces, suites and files.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from modelcheck.protocol.suite import Suite
from modelcheck.trace.document import Trace


def file_digest(path: Path) -> str:
    """SHA-256 of a spec file, in hexadecimal; nothing if there is no such file."""
    if path.suffix != ".py" or not path.is_file():
        return ""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def find_spec(name: str, near: Path | None = None) -> Path | None:
    """The file that a trace names as its spec, if it is there: seen from here, or from where a
    trace `near` stands in counterexamples/<spec>/."""
    folders = [Path(), *(near.resolve().parents[2:3] if near else ())]
    paths = (folder / name for folder in folders)
    return next((path for path in paths if path.suffix == ".py" and path.is_file()), None)


def file_changed(trace: Trace, near: Path | None = None) -> str:
    """That the spec's file has changed since the trace was found, in a sentence, if it has."""
    spec = find_spec(trace.spec, near)
    if spec is None or not trace.spec_digest or file_digest(spec) == trace.spec_digest:
        return ""
    return (
        f"The spec has changed since: {spec} is not the file that this was found with. Name it "
        "with --spec to see whether this variant has."
    )


def variant_changed(trace: Trace, suites: Iterable[Suite], spec: Path) -> str:
    """That the spec has no such variant now, in a sentence, if it has none."""
    variants = (variant for suite in suites for variant in suite)
    if any(one.name == trace.variant and one.protocol == trace.protocol for one in variants):
        return ""
    return (
        f"The spec has changed since: {spec} has no variant {trace.variant} of "
        f"{trace.protocol.name} that is the same as this one."
    )
