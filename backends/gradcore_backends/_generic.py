"""What backends share: namespaces as modules, and what gradcore needs beyond the standard, for NumPy-like arrays."""

from __future__ import annotations

import math
import sys
import sysconfig
from types import ModuleType
from typing import Any

import numpy as np

__all__ = [
    "DTYPES",
    "EXACT_COUNTS",
    "EXTRA",
    "STANDARD",
    "NumpyLike",
    "dense_order",
    "is_mask",
    "is_named_only",
    "make_namespace",
    "may_repeat",
]

Array = Any

DTYPES = """
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
""".split()
STANDARD = """
    e inf nan newaxis pi linalg fft
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and
    bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays broadcast_to
    can_cast ceil clip concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide empty
    empty_like equal exp expand_dims expm1 eye finfo flip floor floor_divide from_dlpack full full_like greater
    greater_equal hypot iinfo imag isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2
    logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min
    minimum moveaxis multiply negative nextafter nonzero not_equal ones ones_like permute_dims positive pow prod real
    reciprocal remainder repeat reshape result_type roll round searchsorted sign signbit sin sinh sort sqrt square
    squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc unique_all
    unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like
""".split()
EXTRA = "fmax fmin fmod frexp gcd lcm logaddexp2".split()
"""What the standard lacks and NumPy and CuPy have alike: gradcore takes it where it is there."""


def make_namespace(functions: object, library: ModuleType) -> Any:
    """A namespace: the standard's functions from ``library``, except those that ``functions`` has as methods.

    It is a module object because CPython finds ``xp.add`` in a module in 22 ns, in an instance in 36.
    Few other names are taken, so that a derivative rule that leaves the standard fails on every library.
    """
    namespace = ModuleType(type(functions).__name__, type(functions).__doc__)
    for name in STANDARD + DTYPES + EXTRA:
        if hasattr(library, name):
            setattr(namespace, name, getattr(library, name))
    for name in dir(functions):
        if not name.startswith("_"):
            setattr(namespace, name, getattr(functions, name))
    later = getattr(functions, "_later", None)
    if later is not None:
        # What a module does with a name that it does not have: functions that need a library which is slow to import.
        setattr(namespace, "__getattr__", later)  # noqa: B010 - to a type checker it is no attribute
    return namespace


class NumpyLike:
    """The functions beyond the standard, for a library that indexes, copies and strides as NumPy does."""

    def __init__(self, library: Any) -> None:
        self._library = library

    floating_dtypes = tuple(np.dtype(name) for name in ("float16", "float32", "float64", "complex64", "complex128"))

    def np_dtype(self, dtype: Any, /) -> np.dtype[Any]:
        return np.dtype(dtype)  # type: ignore[no-any-return]

    def conj(self, x: Array, /) -> Array:
        # The method gives back a real array as it is; the function copies it.
        return x.conj()

    def getitem(self, x: Array, at: Any, /) -> Array:
        return x[at]

    def setitem(self, x: Array, at: Any, value: Any, /) -> None:
        x[at] = value

    def scatter_add(self, values: Array, at: Any, shape: tuple[int, ...], /) -> Array:
        out = self._library.zeros(shape, dtype=values.dtype)
        if may_repeat(at):
            self._library.add.at(out, at, values)
        else:
            out[at] = values
        return out

    def scatter_add_along(self, values: Array, index: Array, axis: int, shape: tuple[int, ...], /) -> Array:
        return self.scatter_add(values, self._along(index, axis), shape)

    def gather(self, x: Array, index: Array, axis: int, /) -> Array:
        return x[self._along(index, axis)]

    def copy(self, x: Array, /) -> Array:
        return x.copy()

    def copy_like(self, x: Array, like: Array, /) -> Array:
        order = dense_order(like)
        if order is None or x.shape != like.shape:
            return x.copy()
        memory = self._library.empty([like.shape[i] for i in order], dtype=x.dtype)
        out = memory.transpose([order.index(i) for i in range(like.ndim)])
        out[...] = x
        return out

    def may_overlap(self, x: Array, y: Array, /) -> bool:
        return bool(self._library.may_share_memory(x, y))

    def self_overlaps(self, x: Array, /) -> bool:
        if x.flags.c_contiguous or x.size == 0:
            return False
        # From the smallest step on, each step must pass what lies below it. (The few layouts made by as_strided that
        # interleave without overlapping count as overlapping.)
        reach = 0
        for step, n in sorted((abs(s), n) for s, n in zip(x.strides, x.shape, strict=True) if n > 1):
            if step <= reach:
                return True
            reach += step * (n - 1)
        return False

    def view(self, x: Array, shape: tuple[int, ...], /) -> Array | None:
        if x.flags.c_contiguous:
            return x.reshape(shape)
        try:
            return x.reshape(shape, copy=False)
        except ValueError:
            if math.prod(shape) != x.size:
                raise
            return None
        except TypeError:
            # NumPy 2.0 does not know copy=.
            y = x.reshape(shape)
            return y if y.size == 0 or self.may_overlap(x, y) else None

    def as_strided(self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], /) -> Array:
        size = x.itemsize
        return self._library.lib.stride_tricks.as_strided(x, shape, [s * size for s in strides])

    def reinterpret(self, x: Array, dtype: Any, /) -> Array:
        return x.view(self.np_dtype(dtype))

    def view_as_real(self, x: Array, /) -> Array:
        return x[..., None].view(x.real.dtype)

    def view_as_complex(self, x: Array, /) -> Array:
        return x.view(np.result_type(x.dtype, np.complex64))[..., 0]

    def is_contiguous(self, x: Array, /) -> bool:
        return x.flags.c_contiguous  # type: ignore[no-any-return]

    def strides(self, x: Array, /) -> tuple[int, ...]:
        size = x.itemsize
        return tuple([s // size for s in x.strides])

    def _along(self, index: Array, axis: int) -> tuple[Array, ...]:
        """The index arrays by which ``take_along_axis`` reads: ``index`` on its axis, positions on the others."""
        ndim = index.ndim
        if ndim == 0:
            return ()
        axis %= ndim
        arange = self._library.arange
        return tuple(
            [index if i == axis else arange(n).reshape((n,) + (1,) * (ndim - i - 1)) for i, n in enumerate(index.shape)]
        )


def is_mask(i: Any) -> bool:
    """Whether a part of an index is an array of booleans."""
    return getattr(i, "dtype", None) == np.bool_


def may_repeat(at: Any) -> bool:
    """Whether an index may name an element twice, which takes an array of integers."""
    return any(hasattr(i, "dtype") and not is_mask(i) for i in (at if type(at) is tuple else (at,)))


def dense_order(x: Array) -> list[int] | None:
    """The axes of ``x`` from the slowest to the fastest, if its memory has neither holes nor repeats."""
    step = x.itemsize
    order = sorted(range(x.ndim), key=lambda i: (-x.strides[i], -x.shape[i], i))
    for i in reversed(order):
        if x.shape[i] != 1:
            if x.strides[i] != step:
                return None
            step *= x.shape[i]
    return order


EXACT_COUNTS = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
"""Whether ``sys.getrefcount`` tells how many references an object has."""

# From 3.14 on, a name may borrow its reference from another name for the same object, so any number of names counts as
# one or more. numpy/numpy#28681 tells what that broke elsewhere.
_ALL_NAMES_COUNT = sys.version_info < (3, 14)


def is_named_only(x: object, references: int) -> bool:
    """Whether ``x`` has so many names, those in the calling function not counted, and is held by nothing else."""
    return EXACT_COUNTS and sys.getrefcount(x) <= (references if _ALL_NAMES_COUNT else 1) + _ADDED


def _added() -> int:
    """How many references a call of a method that calls :func:`is_named_only` adds."""

    def method(x: object) -> int:
        return named(x)

    def named(x: object) -> int:
        return sys.getrefcount(x)

    x = object()
    return method(x) - 1


_ADDED = _added()
