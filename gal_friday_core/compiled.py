"""How this house compiles Python to machine code: strictly, and kept on disk.

No fast-math: the compiler may not reorder arithmetic, so the same numbers come out of every driver, bit for
bit. Numba's cache notices a change only in the file that defines a function, so a kernel and all the compiled
functions it calls stand in one file.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Machine code from the first call on. Division by zero gives inf or NaN, as in numpy."""
    return cast("Callable[_P, _R]", njit(cache=True, fastmath=False, error_model="numpy")(function))


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `compiled`, and made part of its caller, for what runs on every bar.

    Passing an array to a function counts references with atomic instructions, which the compiler removes
    only inside one small enough function: keep what runs rarely `compiled`, and watch the benchmark.
    """
    inline = njit(cache=True, fastmath=False, error_model="numpy", forceinline=True)
    return cast("Callable[_P, _R]", inline(function))
