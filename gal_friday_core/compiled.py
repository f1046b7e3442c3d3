"""How this house compiles Python to machine code: strictly, and kept on disk.

No fast-math: the compiler may not reorder arithmetic, so the same numbers come out of every driver, bit for
bit. Every function with `cache=True` is also `kept`, so that its machine code is thrown away with any change
to what it may have been compiled from.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

_P = ParamSpec("_P")
_R = TypeVar("_R")


_T = TypeVar("_T")


@cache
def sources() -> str:
    """sha256 over every module of this package: compiled code takes in constants as well as functions."""
    files = (path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return hashlib.sha256(b"".join(files)).hexdigest()


def kept(dispatcher: _T) -> _T:
    """Make the machine code on disk valid for exactly these sources.

    Numba looks at the file that defines a function, not at those of the functions it calls: after an upgrade
    that changes `barriers` alone, cached labels would go on with the old barriers.
    """
    dispatcher._cache._cache_file._source_stamp = sources()  # type: ignore[attr-defined]  # noqa: SLF001
    return dispatcher


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Machine code from the first call on. Division by zero gives inf or NaN, as in numpy."""
    return cast("Callable[_P, _R]", kept(njit(cache=True, fastmath=False, error_model="numpy")(function)))


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `compiled`, and made part of its caller: for what runs on every bar."""
    inline = njit(cache=True, fastmath=False, error_model="numpy", forceinline=True)
    return cast("Callable[_P, _R]", kept(inline(function)))


@intrinsic
def _pointer(_typing: Any, array: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(view.data, [arguments[1]])

    address = types.CPointer(array.dtype)  # type: ignore[no-untyped-call]  # numba types it not
    return address(array, offset), generate


pointer = cast("Callable[[NDArray[Any], int], NDArray[Any]]", _pointer)
"""In compiled code: element `offset` of a contiguous array and what follows, without the array.

Handing an array from function to function counts references with atomic instructions, which costs more than
the arithmetic here and goes away or not at the compiler's whim; a pointer counts nothing. The array must
outlive it, and no index is checked.
"""
