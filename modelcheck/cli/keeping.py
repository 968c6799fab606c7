"""Where counterexamples are kept: in a cache of the user's, unless a folder is named.

A checkout has its own in `counterexamples/`, which are written only when that is asked for. Knows
results and files.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from modelcheck.explore.verdict import Verdict
from modelcheck.formats.files import OutputError, write_trace
from modelcheck.questions.check import Result, kept_traces

VARIABLE = "MODELCHECK_CACHE_DIR"
"""The environment variable that names another folder than the user's cache."""

COMMITTED = Path("counterexamples")
"""Where a checkout has its own, in a folder for each spec."""


def cache() -> Path:
    """The folder of the counterexamples that nobody has asked to keep."""
    named = os.environ.get(VARIABLE)
    return (Path(named) if named else user_cache_path("modelcheck")) / "counterexamples"


class Keeping(NamedTuple):
    """Where the counterexamples of a command go: below `folder`, or to the cache if it is None.

    With `clears`, those that earlier checks left there for what is safe now are taken away.
    """

    folder: Path | None
    clears: bool

    def of_spec(self, spec: Path, root: Path) -> Path:
        """The folder for a spec, one of those below `root`."""
        if self.folder is not None:
            return self.folder / spec.relative_to(root).with_suffix("")
        path = hashlib.sha256(str(spec.resolve()).encode()).hexdigest()
        return cache() / f"{spec.stem}-{path[:12]}"

    def write(self, folder: Path, results: Sequence[Result]) -> dict[int, Path]:
        """Write the traces to keep, by the place of their result. Raises OutputError."""
        kept = {
            number: write_trace(folder, results[number].job.name, trace)
            for number, trace in kept_traces(list(results)).items()
        }
        if self.clears:
            # What was not decided says nothing about what is there.
            names = {result.job.name for result in results}
            names -= {r.job.name for r in results if r.verdict is not Verdict.SAFE}
            try:
                for name in names:
                    for ending in ("json", "txt"):
                        (folder / f"{name}.{ending}").unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
        return kept


def keeping(out: Path | None, *, update: bool) -> Keeping:
    """By what the command line says: a folder, the committed ones, or nothing."""
    if update:
        return Keeping(COMMITTED, clears=True)
    return Keeping(out, clears=out is None)
