"""What went wrong in a spec, as one message: its line, what Python or the spec's parts say, and the
name that was meant. Knows the names that specs may use.
"""

import builtins
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

from modelcheck.protocol.errors import SpecError, nearest

LONGEST = 500
"""Characters of what an exception that is not ours may say."""

GONE = {
    "properties": "every property that applies is watched, but those of "
    "waived=(without_property(...),)"
}
"""What parts once took, and what to do instead."""

RENAMED = {"isa": "arch", "steps": "program", "null": "None", "nil": "None", "NULL": "None"}
"""What things were called before, or are called elsewhere."""


def told(path: Path, error: BaseException) -> str:
    """The place in the spec, and what is wrong there, on one line."""
    frames = [*_frames(path, error)]
    what = error.what if isinstance(error, SpecError) else _told(error, frames[-1:])
    return f"{_place(path, error, frames)}: {what}"


def _frames(path: Path, error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames that an error came through, with their lines, of the spec and its neighbours."""
    folder = path.resolve().parent
    for frame, line in walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        ours = frame.f_globals.get("__name__", "").startswith("modelcheck.")
        installed = "site-packages" in file.parts or (not file.is_absolute() and file != path)
        if not ours and not installed and file.resolve().is_relative_to(folder):
            yield frame, line


def _place(path: Path, error: BaseException, frames: list[tuple[FrameType, int]]) -> str:
    file, line = str(path), 0
    if isinstance(error, SpecError) and error.source:
        file, line = error.source.file, error.source.line
    elif isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno or 0
    elif frames:
        file, line = frames[-1][0].f_code.co_filename, frames[-1][1]
    shown = path.with_name(Path(file).name)  # a neighbour is in the same folder
    if not shown.exists():
        shown = Path(file)
    return f"{shown}:{line}" if line else str(shown)


def _told(error: BaseException, frames: list[tuple[FrameType, int]]) -> str:
    known = {**frames[0][0].f_globals, **frames[0][0].f_locals} if frames else {}
    kind = type(error).__name__
    said = _line(error)
    if isinstance(error, SyntaxError):
        return said + ("; save the file as UTF-8" if "codec can't decode" in said else "")
    if isinstance(error, ImportError):
        return said + _of_import(error, said)
    if isinstance(error, NameError):
        return said + _of_name(error, known)
    if isinstance(error, FrozenInstanceError):
        return f"{said}; values of a spec do not change: make another with dataclasses.replace"
    if isinstance(error, AttributeError):
        return said + _of_attribute(error)
    if isinstance(error, TypeError) and (wrong := re.match(r"([\w.]+)\(\) (.*)", said)):
        return _of_call(wrong[1].removesuffix(".__init__"), wrong[2], known)
    if said.endswith("object is not callable"):
        return f"{kind}: {said}; is a comma missing before the parenthesis?"
    if isinstance(error, SystemExit):
        return f"{kind}: {said}; a spec only builds values: take out what ends the program"
    if isinstance(error, RecursionError):
        return f"{kind}: a function of the spec calls itself without end"
    if isinstance(error, MemoryError):
        return f"{kind}: a value of the spec is too large for this machine; make it shorter"
    return f"{kind}: {said}" if said else kind


def _line(error: BaseException) -> str:
    """What an exception says, on one line of characters that can be shown."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # an exception of the spec's own, whose words fail
        return "an error that cannot be shown"
    text = re.sub(r" \(/.*\)$", "", text)  # of an import: where the module is on this machine
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def _meant(name: str | None, known: Iterable[str]) -> str:
    near = nearest(name or "", (other for other in known if not other.startswith("_")))
    return f"; did you mean {near!r}?" if near else ""


def _of_import(error: ImportError, said: str) -> str:
    if isinstance(error, ModuleNotFoundError):
        near = _meant(error.name, ("modelcheck",))
        return near or "; a spec may import modelcheck, Python's library, and files beside it"
    wrong = re.match(r"cannot import name '(\w+)' from '([\w.]+)'", said)
    if not wrong:
        return ""
    module = sys.modules.get(wrong[2])
    return _meant(wrong[1], getattr(module, "__all__", dir(module)))


def _of_attribute(error: AttributeError) -> str:
    near = _meant(error.name, dir(error.obj) if error.obj is not None else ())
    if near or not is_dataclass(error.obj):
        return near
    return f"; it has: {', '.join(field.name for field in fields(error.obj))}"


def _names() -> tuple[str, ...]:
    """What specs may import."""
    return tuple(sys.modules["modelcheck"].__all__)


def _of_name(error: NameError, known: dict[str, Any]) -> str:
    if error.name in RENAMED:
        return f"; write {RENAMED[error.name]}"
    if error.name in _names():
        return f"; import it: from modelcheck import {error.name}"
    return _meant(error.name, (*known, *_names(), *dir(builtins)))


def _of_call(name: str, said: str, known: dict[str, Any]) -> str:
    """A call with wrong arguments: what it takes, and which one was meant."""
    first, *parts = name.split(".")
    called = known.get(first, getattr(sys.modules["modelcheck"], first, None))
    for part in parts:
        called = getattr(called, part, None)
    try:
        parameters = inspect.signature(called).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return f"TypeError: {name}() {said}"
    said = re.sub(r"\. Did you mean .*", "", said)  # Python has begun to say so too
    takes = [p for p in parameters if p.name != "self"]
    words = [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in takes]
    wrong = re.search(r"unexpected keyword argument '(\w+)'", said)
    near = _meant(wrong[1], words) if wrong else ""
    if wrong and RENAMED.get(wrong[1]) in words:
        near = f"; it is called {RENAMED[wrong[1]]!r}"
    elif wrong and name == "Protocol" and wrong[1] in GONE:
        near = f"; {GONE[wrong[1]]}"
    return (
        f"{name}() {said}{near}{' It' if near.endswith('?') else '; it'} takes: {', '.join(words)}"
    )
