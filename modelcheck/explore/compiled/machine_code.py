# mypy: disable-error-code="untyped-decorator"
"""What Numba lacks: atomic access to table words, and prefetch; and how kernels are compiled and
kept.

Machine code that was damaged on disk gives wrong answers, or ends the process; and Numba looks only
at the file that a kernel stands in, not at those that it takes parts from. So what is kept has a
digest, and belongs to the source of this whole folder. Knows Numba only.
"""

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.caching import IndexDataCacheFile
from numba.extending import intrinsic

from modelcheck.version import code_digest

_WORD = ir.IntType(64)


# Kernels allocate nothing, so that no references need be counted, which costs as much as the rest.
_OPTIONS = {"nogil": True, "_nrt": False}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when first called, to run without the interpreter's lock.

    It must not allocate. The machine code is kept on disk, unless there is no place to write to.
    """
    try:
        compiled = numba.njit(cache=True, **_OPTIONS)(function)
    except (RuntimeError, OSError):
        return numba.njit(**_OPTIONS)(function)
    theirs = compiled._cache._cache_file
    compiled._cache._cache_file = _Kept(
        theirs._cache_path,
        theirs._index_name.removesuffix(".nbi"),
        (theirs._source_stamp, code_digest("explore/compiled")),
    )
    return compiled


class _Kept(IndexDataCacheFile):  # type: ignore[misc]
    """Machine code on disk, each file behind a digest of it; what is damaged is not there.

    With the code is kept what it is for: two processes that compile at once may give two codes one
    name. Where nothing can be written, it is compiled again the next time.
    """

    def save(self, key: Any, data: Any) -> None:
        with suppress(OSError):
            super().save(key, (key, data))

    def load(self, key: Any) -> Any:
        found = super().load(key)
        return found[1] if found is not None and found[0] == key else None

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        return hashlib.blake2b(data).digest() + data

    def _save_index(self, overloads: dict[Any, str]) -> None:
        with self._open_for_write(self._index_path) as file:
            file.write(self._dump((self._version, self._source_stamp, overloads)))

    def _load_index(self) -> dict[Any, str]:
        try:
            version, stamp, overloads = self._read(self._index_path)
        except OSError:
            return {}
        fresh = (version, stamp) == (self._version, self._source_stamp)
        return dict(overloads) if fresh else {}

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    @staticmethod
    def _read(path: str) -> Any:
        """What was dumped. Raises OSError where it is not there, or damaged."""
        data = Path(path).read_bytes()
        size = hashlib.blake2b().digest_size
        if hashlib.blake2b(data[size:]).digest() != data[:size]:
            raise OSError(f"{path}: damaged")
        return pickle.loads(data[size:])


def part(function: Callable[..., Any]) -> Any:
    """Compile a function into the kernels that call it: a call would cost more than it does."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The address of a word of a one-dimensional, contiguous array."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return cgutils.gep_inbounds(builder, array.data, args[1])


@intrinsic
def load(typing: Any, table: Any, at: Any) -> Any:
    """load(table, at): the word at a place, which other threads may be writing."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_address(context, builder, signature, args), "acquire", 8)

    return types.uint64(table, types.intp), code


@intrinsic
def store(typing: Any, table: Any, at: Any, word: Any) -> Any:
    """store(table, at, word): write a word that other threads may be reading."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature, args)
        builder.store_atomic(args[2], address, "release", 8)
        return context.get_dummy_value()

    return types.void(table, types.intp, types.uint64), code


@intrinsic
def claim(typing: Any, table: Any, at: Any, word: Any) -> Any:
    """claim(table, at, word): put a word where there is 0. Returns what was there before."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature, args)
        pair = builder.cmpxchg(
            address, ir.Constant(_WORD, 0), args[2], "acq_rel", failordering="acquire"
        )
        return builder.extract_value(pair, 0)

    return types.uint64(table, types.intp, types.uint64), code


@intrinsic
def prefetch(typing: Any, table: Any, at: Any) -> Any:
    """prefetch(table, at): a word of the table will be wanted soon."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]),
            "llvm.prefetch.p0i8" if _typed_pointers() else "llvm.prefetch.p0",
        )
        address = builder.bitcast(_address(context, builder, signature, args), byte)
        # Read, keep in all caches, data.
        builder.call(function, [address, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(table, types.intp), code


def _typed_pointers() -> bool:
    return not getattr(ir.PointerType(), "is_opaque", False)
