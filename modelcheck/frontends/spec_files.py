"""Loading a spec file: from a Python module to its suites. Knows protocols only."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import GeneratorType, ModuleType

from modelcheck.frontends.mistakes import told
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.instructions import check_instructions
from modelcheck.protocol.names import hidden
from modelcheck.protocol.suite import Suite, Variant


def load_suites(path: Path) -> tuple[Suite, ...]:
    """The suites that a spec file defines, in the order of its module's names.

    A suite may be the value of a name, or stand in a tuple or list. In a module without suites,
    each protocol is one. Raises SpecError with the place and the reason, whatever went wrong.
    """
    if hidden(str(path)):
        raise SpecError(f"{str(path)!r}: steps and traces name their file; give it a plain name")
    if path.is_dir():
        raise SpecError(f"{path} is a folder; name a spec file in it")
    if not path.is_file():
        raise SpecError(f"{path}: no such file; name a spec, such as specs/x86_int3.py")
    if path.suffix != ".py":
        raise SpecError(f"{path} is not a Python file; its name must end in .py")
    try:
        suites = _suites_of(_run(path))
        for suite in suites:
            check_instructions(suite)
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a spec does, it does not end the program
        raise SpecError(told(path, error)) from error
    return suites


def _run(path: Path) -> dict[str, object]:
    """Execute the file as a module of its own; it may import its neighbours.

    What it prints goes to stderr: stdout is for results. No compiled form of it is read or kept:
    one that is out of date would have another protocol checked than the one that is read.
    """
    module = ModuleType(f"modelcheck_spec_{path.stem}")
    module.__file__ = str(path)
    with _imports_from(path.resolve().parent), redirect_stdout(sys.stderr):
        sys.modules[module.__name__] = module
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*perhaps you missed a comma", SyntaxWarning)
            code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        exec(code, vars(module))
    return vars(module)


@contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """Imports find what is in a folder, and leave nothing of it behind for another folder's."""
    paths, modules, writes = [*sys.path], {**sys.modules}, sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:] = paths
        sys.dont_write_bytecode = writes
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None)
            if name not in modules and file and Path(file).resolve().parent == folder:
                del sys.modules[name]


def _suites_of(names: dict[str, object]) -> tuple[Suite, ...]:
    """The suites among a module's values. Raises SpecError where some would be passed over."""
    public = {name: value for name, value in names.items() if not name.startswith("_")}
    found = [item for name, value in public.items() for item in _items(name, value)]
    given = [item for item in found if isinstance(item, Suite)]
    given = given or [Suite(item) for item in found if isinstance(item, Protocol)]
    suites = tuple(suite for at, suite in enumerate(given) if suite not in given[:at])
    if not suites:
        raise SpecError(
            "it defines no protocol; give some name a Protocol or a Suite, a name without _ before"
        )
    known = [suite.protocol.name for suite in suites]
    for name in known:
        if known.count(name) > 1:
            raise SpecError(f"two suites have a protocol named {name!r}; rename one")
    checked = {variant for suite in suites for variant in suite}
    for item in found:
        if isinstance(item, Variant) and item not in checked:
            raise SpecError(
                f"variant {item.name!r} stands in no suite, so that nobody checks it; put it into "
                "variants=(...)",
                item.made,
            )
    return suites


def _items(name: str, value: object) -> tuple[object, ...]:
    """What a name stands for. Raises SpecError for what may hold suites that nobody finds."""
    if isinstance(value, GeneratorType):
        raise SpecError(f"{name} is a generator, which gives its items once; make it a tuple(...)")
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    for item in items:
        inside = item.values() if isinstance(item, dict) else item
        collects = isinstance(item, dict | set | frozenset | tuple | list)
        if collects and any(isinstance(one, Suite) for one in inside):
            kind = type(item).__name__
            raise SpecError(f"{name}: what is in a {kind} is not found; put it into a tuple")
    return items
