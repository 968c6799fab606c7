# mypy: disable-error-code="untyped-decorator"
"""What Numba lacks: atomic access to table words, and prefetch; and how kernels are compiled.

Knows Numba only.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD = ir.IntType(64)


# Kernels allocate nothing, so that no references need be counted, which costs as much as the rest.
_OPTIONS = {"nogil": True, "_nrt": False}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when first called, to run without the interpreter's lock.

    It must not allocate. The machine code is kept on disk, unless there is no place to write to.
    """
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        return numba.njit(**_OPTIONS)(function)


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
