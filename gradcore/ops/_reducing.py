"""What reductions share: the dimensions that a user gives, the dtypes to compute in, the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from gradcore import dtypes
from gradcore.ops._dims import kept_shape, normalize_dims, reduced_dims
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample

__all__ = [
    "SHAPES_AND_DIMS",
    "Dims",
    "as_dtype",
    "averaged",
    "axes",
    "count",
    "narrowed",
    "operand",
    "over_dims",
    "restored",
    "squeezed",
    "widened",
]

Dims = int | Sequence[int] | None
"""What a user may give as ``dim``: one dimension, several, or ``None`` for all."""

SHAPES_AND_DIMS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 3), (0,)),
    ((2, 3), (1,)),
    ((2, 3, 2), (2, 0)),
    ((2, 3), (0, 1)),
    ((), ()),
)


def over_dims(make: Make) -> Iterator[Sample]:
    """Samples of a reduction over given dimensions, with and without keeping them."""
    for shape, dim in SHAPES_AND_DIMS:
        for keepdim in (False, True):
            yield Sample(make(*shape), dim=dim, keepdim=keepdim)


def operand(name: str, input: Any, dim: Any, keepdim: bool) -> tuple[Any, tuple[int, ...]]:
    """The tensor to reduce, and the dimensions meant by ``dim``.

    Raises:
        IndexError, RuntimeError, TypeError: as :func:`~gradcore.ops._dims.normalize_dims`.
        TypeError: ``input`` is no tensor, or ``keepdim`` no bool.
    """
    if keepdim.__class__ is not bool:
        raise TypeError(
            f"{name}(): argument 'keepdim' must be bool, not {type(keepdim).__name__}; several dimensions "
            "are given as one tuple"
        )
    x = as_tensor(input, name)
    return x, reduced_dims(dim, x.ndim)


def axes(axis: Dims, x: Any) -> tuple[int, ...]:
    """The dimensions meant by the standard's ``axis``, in which an empty tuple reduces nothing."""
    return normalize_dims(axis, x.ndim)


def restored(xp: Any, x: Any, shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """A reduction of ``shape`` over ``dim`` with these dimensions as 1: it broadcasts against ``shape``."""
    return x if keepdim or not dim or not shape else xp.reshape(x, kept_shape(shape, dim))


def squeezed(xp: Any, x: Any, dim: tuple[int, ...]) -> Any:
    """``x`` without the dimensions ``dim``, which have size 1."""
    return xp.reshape(x, tuple([n for i, n in enumerate(x.shape) if i not in dim])) if dim else x


def count(shape: Any, dim: tuple[int, ...]) -> int:
    """How many elements are reduced into one."""
    return math.prod([shape[d] for d in dim])


def as_dtype(xp: Any, x: Any, dtype: dtypes.DType) -> Any:
    """``x`` in another dtype; the real part of complex numbers for a real one."""
    return xp.astype(xp.real(x) if kind_of(xp, x) == "c" != dtype.kind else x, dtype)


def widened(xp: Any, x: Any) -> Any:
    """Half precision as float32: sums of squares would overflow."""
    return xp.astype(x, dtypes.float32) if _is_half(xp.np_dtype(x.dtype)) else x


def narrowed(xp: Any, result: Any, x: Any) -> Any:
    """A result of :func:`widened` in the dtype of ``x`` again."""
    return xp.astype(result, x.dtype) if _is_half(xp.np_dtype(x.dtype)) else result


def _is_half(dtype: dtypes.DType) -> bool:
    return dtype.itemsize == 2 and dtype.kind not in "iu"


def averaged(xp: Any, x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The mean of an array.

    Raises:
        RuntimeError: integers.
    """
    given = xp.np_dtype(x.dtype) if dtype is None else dtype
    if given.kind in "biu":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype. Got: {dtypes.scalar_type_name(given)}. Cast it, or pass dtype="
        )
    if dtype is not None:
        x = as_dtype(xp, x, dtype)
    if 0 in x.shape:
        # Libraries warn of the mean of nothing, or refuse it; here it is NaN.
        size = math.prod(x.shape) if axis is None else count(x.shape, axis)
        return xp.sum(x, axis=axis, keepdims=keepdims) / size
    return narrowed(xp, xp.mean(widened(xp, x), axis=axis, keepdims=keepdims), x)
