"""NumPy's functions with large results in memory from the pool; small ones and unusual cases go the ordinary way.

Results are those of :mod:`gradcore_backends._numpy_functions` to the bit, in shape, dtype and layout too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as compat
import numpy as np

from gradcore_backends import _pool
from gradcore_backends._generic import EXTRA, STANDARD
from gradcore_backends._numpy_blocks import BlockFunctions
from gradcore_backends._numpy_functions import FLOAT32, NumpyFunctions

__all__ = ["LARGE", "LargeNumpyFunctions"]

Array = Any

LARGE = 1 << 14
"""Operands of so many elements may have a result for the pool (64 KB in float32, 128 KB in float64)."""

_POOLED = frozenset("?bBhHiIlLqQefdFD")
_NONE = (None, math.inf)


class LargeNumpyFunctions(BlockFunctions, NumpyFunctions):
    """NumPy's functions as the standard has them, with large results in memory from the pool."""

    def __init__(self) -> None:
        super().__init__()
        for name in STANDARD + EXTRA:
            ufunc = getattr(np, name, None)
            # What array-api-compat wraps (ceil of integers, sign of complex numbers) stays as it made it.
            as_it_is = getattr(compat, name, ufunc) is ufunc and not hasattr(self, name)
            if as_it_is and isinstance(ufunc, np.ufunc) and ufunc.nout == 1 and ufunc.signature is None:
                make = _unary if ufunc.nin == 1 else _binary
                setattr(self, name, make(ufunc, self.broadcast_to))

    def empty(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        dtype = np.dtype(dtype)
        if type(shape) is tuple and dtype.char in _POOLED and math.prod(shape) * dtype.itemsize >= _pool.LEAST:
            return _pool.empty(shape, dtype)
        return np.empty(shape, dtype)

    def full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
        if dtype is None:
            return np.full(shape, fill_value)
        out = self.empty(shape, dtype=dtype)
        np.copyto(out, fill_value, casting="unsafe")
        return out

    # Zeros from the system come with page faults at the first touch, so filling a block is cheaper.

    def zeros(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        return self.full(shape, 0, dtype=np.float64 if dtype is None else dtype)

    def ones(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        return self.full(shape, 1, dtype=np.float64 if dtype is None else dtype)

    def empty_like(self, x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
        if x.flags.c_contiguous:
            return self.empty(x.shape, dtype=x.dtype if dtype is None else dtype)
        return np.empty_like(x, dtype=dtype)

    def full_like(self, x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
        out = self.empty_like(x, dtype=dtype)
        np.copyto(out, fill_value, casting="unsafe")
        return out

    def zeros_like(self, x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
        return self.full_like(x, 0, dtype=dtype)

    def ones_like(self, x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
        return self.full_like(x, 1, dtype=dtype)

    def copy(self, x: Array, /) -> Array:
        out = self.empty(x.shape, dtype=x.dtype)
        np.copyto(out, x)
        return out

    def copy_like(self, x: Array, like: Array, /) -> Array:
        return self.copy(x) if like.flags.c_contiguous and x.shape == like.shape else super().copy_like(x, like)

    def astype(self, x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
        if not x.flags.c_contiguous or (not copy and x.dtype == dtype):
            return x.astype(dtype, copy=copy)
        out = self.empty(x.shape, dtype=dtype)
        np.copyto(out, x, casting="unsafe")
        return out

    def concat(self, arrays: Any, /, *, axis: int | None = 0) -> Array:
        first = arrays[0]
        if axis is None or any(x.dtype is not first.dtype or not x.flags.c_contiguous for x in arrays):
            return np.concatenate(arrays, axis)
        shape = list(first.shape)
        shape[axis] = sum([x.shape[axis] for x in arrays])
        return np.concatenate(arrays, axis, self.empty(tuple(shape), dtype=first.dtype))

    def stack(self, arrays: Any, /, *, axis: int = 0) -> Array:
        return self.concat([self.expand_dims(x, axis) for x in arrays], axis=axis)

    def matmul(self, x: Array, y: Array, /) -> Array:
        if x.ndim < 2 or y.ndim < 2 or x.dtype is not y.dtype or x.shape[:-2] != y.shape[:-2]:
            return np.matmul(x, y)
        return np.matmul(x, y, out=self.empty((*x.shape[:-1], y.shape[-1]), dtype=x.dtype))

    def where(self, condition: Array, x: Any, y: Any, /) -> Array:
        # np.where decides element by element: 304 us for 65536 random decisions. Without any it takes 60 us, by way of
        # the bits: y ^ ((x ^ y) * condition). (In 64 bits the gain is less, and predictable decisions lose.)
        if condition.size >= LARGE and condition.flags.c_contiguous and FLOAT32 in (_dtype(x), _dtype(y)):
            shape = condition.shape
            x, y = (self.number(v, FLOAT32) if v.__class__ is float or v.__class__ is int else v for v in (x, y))
            if all(_dtype(v) is FLOAT32 and v.shape in (shape, ()) and v.flags.c_contiguous for v in (x, y)):
                out = self.empty(shape, dtype=FLOAT32)
                bits, y = out.view(np.int32), y.view(np.int32)
                np.bitwise_xor(x.view(np.int32), y, out=bits)
                np.multiply(bits, condition, out=bits)
                np.bitwise_xor(bits, y, out=bits)
                return out
        return np.where(condition, x, y)


def _dtype(x: Any) -> Any:
    return x.dtype if x.__class__ is np.ndarray else None


def _results(ufunc: np.ufunc) -> dict[Any, tuple[Any, float]]:
    """For operands of one dtype: the dtype of the result, and how many elements it must have for the pool."""
    found: dict[Any, tuple[Any, float]] = {}
    for signature in ufunc.types:
        operands, result = signature.split("->")
        if len(set(operands)) == 1 and {operands[0], result} <= _POOLED:
            dtype = np.dtype(result)
            found.setdefault(np.dtype(operands[0]), (dtype, _pool.LEAST / dtype.itemsize))
    return found


def _one_value(x: Any) -> Any:
    """The one value of an array that only repeats it (the gradient of a sum), as a 0-d array; else ``x`` itself."""
    repeats = x.__class__ is np.ndarray and x.ndim and x.size > 1 and not any(x.strides)
    return x[(0,) * x.ndim + (...,)] if repeats else x


def _unary(ufunc: np.ufunc, broadcast_to: Callable[..., Array]) -> Callable[[Array], Array]:
    results = _results(ufunc)

    def pooled(x: Array, /) -> Array:
        if not x.flags.c_contiguous:
            value = _one_value(x)
            if value is not x:
                return broadcast_to(np.asarray(ufunc(value)), x.shape)
        dtype, least = results.get(x.dtype, _NONE)
        if x.size >= least and x.flags.c_contiguous:
            return ufunc(x, out=_pool.empty(x.shape, dtype))
        return ufunc(x)

    return pooled


def _binary(ufunc: np.ufunc, broadcast_to: Callable[..., Array]) -> Callable[[Any, Any], Array]:
    results = _results(ufunc)

    def pooled(x: Any, y: Any, /) -> Array:
        v, w = _one_value(x), _one_value(y)
        if v is not x or w is not y:
            # Arithmetic with a repeated value costs as much as with as many different ones, or more: use it once.
            shape = np.broadcast_shapes(getattr(x, "shape", ()), getattr(y, "shape", ()))
            if getattr(v, "ndim", 0) == getattr(w, "ndim", 0) == 0:
                return broadcast_to(np.asarray(ufunc(v, w)), shape)
            if shape == (v if w is not y else w).shape:
                return pooled(v, w)
        a, b = (x, y) if x.__class__ is np.ndarray else (y, x)
        if a.__class__ is np.ndarray:
            dtype, least = results.get(a.dtype, _NONE)
            shape, size = a.shape, a.size
            if b.__class__ is np.ndarray:
                if a.dtype is not b.dtype or not b.flags.c_contiguous:
                    return ufunc(x, y)
                if b.shape != shape:
                    try:
                        both = np.broadcast(a, b)
                    except ValueError:
                        return ufunc(x, y)
                    shape, size = both.shape, both.size
            elif (b.__class__ is not float and b.__class__ is not int) or a.dtype.kind not in "fc":
                # NumPy may have to look at the number to know the dtype of the result.
                return ufunc(x, y)
            if size >= least and a.flags.c_contiguous:
                # By keyword: NumPy deprecates a third operand of maximum and minimum by position.
                return ufunc(x, y, out=_pool.empty(shape, dtype))
        return ufunc(x, y)

    return pooled
