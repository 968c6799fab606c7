"""Loading a spec file: from a Python module to its suites. Knows protocols only."""

import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.names import hidden
from modelcheck.protocol.suite import Suite


def load_suites(path: Path) -> tuple[Suite, ...]:
    """The suites that a spec file defines, in the order of its module's names.

    A suite may be the value of a name, or stand in a tuple or list. In a module without suites,
    each protocol is one. Raises SpecError with the place and the reason.
    """
    if hidden(str(path)):
        raise SpecError(f"{str(path)!r}: steps and traces name their file; give it a plain name")
    if path.is_dir():
        raise SpecError(f"{path} is a folder; name a spec file in it")
    if not path.is_file():
        raise SpecError(f"{path}: no such file; name a spec, such as specs/x86_int3.py")
    suites = _suites_of(_run(path))
    if not suites:
        raise SpecError(f"{path} defines no protocol; give some name a Protocol or a Suite")
    names = [suite.protocol.name for suite in suites]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{path}: two suites have a protocol named {name!r}; rename one")
    for suite in suites:
        try:
            hash(suite)
        except TypeError as error:
            raise SpecError(
                f"{path}: protocol {suite.protocol.name!r} has a part that can be changed "
                f"({error}); take tuples for lists, and bytes for bytearrays"
            ) from error
    return suites


def _run(path: Path) -> dict[str, object]:
    """Execute the file as a module of its own; it may import its neighbours.

    What it prints goes to stderr: stdout is for results. No compiled form of it is read or kept:
    one that is out of date would have another protocol checked than the one that is read.
    """
    if path.suffix != ".py":
        raise SpecError(f"{path} is not a Python file; its name must end in .py")
    module = ModuleType(f"modelcheck_spec_{path.stem}")
    module.__file__ = str(path)
    folder = str(path.resolve().parent)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, folder)
    sys.modules[module.__name__] = module
    try:
        with redirect_stdout(sys.stderr):
            code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            exec(code, vars(module))
    except SyntaxError as error:
        raise SpecError(f"{error.filename}:{error.lineno}: {error.msg}") from error
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror or error}") from error
    except (Exception, SystemExit) as error:
        raise SpecError(_place(path, error)) from error
    finally:
        del sys.modules[module.__name__]
        sys.path.remove(folder)
        sys.dont_write_bytecode = writes_bytecode
    return vars(module)


def _place(path: Path, error: BaseException) -> str:
    """The innermost line of the spec that an error came through, and the error."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    where = f"{path}:{lines[-1]}" if lines else str(path)
    what = str(error) if isinstance(error, SpecError) else f"{type(error).__name__}: {error}"
    return f"{where}: {what}"


def _suites_of(names: dict[str, object]) -> tuple[Suite, ...]:
    suites: list[Suite] = []
    protocols: list[Protocol] = []
    for name, value in names.items():
        if name.startswith("_"):
            continue
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, Suite) and item not in suites:
                suites.append(item)
            elif isinstance(item, Protocol):
                protocols.append(item)
    return tuple(suites or (Suite(protocol) for protocol in protocols))
