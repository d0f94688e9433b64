"""Reductions and normalisations of the elements that a mask lets through.

As PyTorch records them: what is masked out is replaced by what changes nothing, and then the ordinary operation follows.
Every function takes ``mask``, a tensor of truth values that broadcasts to the shape of ``input``; ``None`` for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import wrap
from gradcore.ops import cumulative, elementwise, extremum, norms, reduction
from gradcore.ops import softmax as softmaxes
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import neg, sub
from gradcore.ops.bounds import maximum
from gradcore.ops.broadcasting import broadcast_to
from gradcore.ops.creation import ones
from gradcore.ops.division import div
from gradcore.ops.masking import where
from gradcore.ops.statistics.order import nanmedian

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]

Dims = int | Sequence[int] | None


# Reductions


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The sum of the elements over the dimensions ``dim``; 0 where there is none.

    Raises:
        IndexError: there is no such dimension; the mask has more dimensions than ``input``.
        RuntimeError: a dimension is named twice; the mask does not broadcast.
    """
    x = as_tensor(input, "sum")
    dims = _dims(dim, x.ndim)
    return reduction.sum(_filled(x, mask, 0), dims, bool(keepdim), dtype=_summed_dtype(x, dtype))


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The product of the elements over the dimensions ``dim``; 1 where there is none.

    Raises:
        As :func:`sum`.
    """
    x = as_tensor(input, "prod")
    dims = _dims(dim, x.ndim)
    found = _filled(x, mask, 1).to(_summed_dtype(x, dtype))
    for d in reversed(dims):
        found = reduction.prod(found, d, bool(keepdim))
    return found


def amax(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The largest element over the dimensions ``dim``; the smallest number of the dtype where there is none.

    Raises:
        As :func:`sum`.
    """
    x = as_tensor(input, "amax")
    dims = _dims(dim, x.ndim)
    return _cast(extremum.amax(_filled(x, mask, _lowest), dims, bool(keepdim)), dtype)


def amin(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The smallest element over the dimensions ``dim``; the largest number of the dtype where there is none.

    Raises:
        As :func:`sum`.
    """
    x = as_tensor(input, "amin")
    dims = _dims(dim, x.ndim)
    return _cast(extremum.amin(_filled(x, mask, _highest), dims, bool(keepdim)), dtype)


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Where the largest element stands; of the dtype of ``input``, if no ``dtype`` is given, as in PyTorch.

    Raises:
        As :func:`gradcore.argmax`.
    """
    x = as_tensor(input, "argmax")
    found = extremum.argmax(_filled(x, mask, _lowest), dim, bool(keepdim))
    return _cast(found, x.dtype if dtype is None else dtype)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Where the smallest element stands; of the dtype of ``input``, if no ``dtype`` is given, as in PyTorch.

    Raises:
        As :func:`gradcore.argmin`.
    """
    x = as_tensor(input, "argmin")
    found = extremum.argmin(_filled(x, mask, _highest), dim, bool(keepdim))
    return _cast(found, x.dtype if dtype is None else dtype)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The mean of the elements over the dimensions ``dim``; NaN where there is none.

    Raises:
        As :func:`sum`.
        ValueError: integers, without a floating-point ``dtype``.
    """
    x = as_tensor(input, "mean")
    target = x.dtype if dtype is None else dtypes.normalize(dtype)
    if target.kind in "biu":
        source = "Input" if dtype is None else "Optional"
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or complex dtype. Got: "
            f"{dtypes.dtype_name(target)}"
        )
    mask = None if mask is None else _input_mask(x, mask)
    return sum(x, dim, keepdim=keepdim, dtype=target, mask=mask) / _count(x, dim, bool(keepdim), mask)  # type: ignore[no-any-return]


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The middle one of the elements along ``dim``, the lower of two; NaN where there is none.

    Raises:
        As :func:`sum`.
        ValueError: there is none, and integers have no NaN.
    """
    x = as_tensor(input, "median")
    target = x.dtype if dtype is None else dtypes.normalize(dtype)
    (dim,) = _dims(dim, x.ndim)[:1] or (0,)
    if x.is_floating_point():
        return nanmedian(_filled(x, mask, math.nan), dim, keepdim).values  # type: ignore[no-any-return]
    found = nanmedian(_filled(x.to(dtypes.float32), mask, math.nan), dim, keepdim).values
    if found._device.level is None and bool(found.isnan().any()):
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(target)  # type: ignore[no-any-return]


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The norm of order ``ord`` of the elements over the dimensions ``dim``; see :func:`gradcore.norm`.

    Raises:
        As :func:`gradcore.norm`.
    """
    x = as_tensor(input, "norm")
    if mask is not None and ord == -math.inf and not x.is_floating_point():
        raise AssertionError(f"input must be floating point, got {dtypes.dtype_name(x.dtype)}")
    kept = _filled(x, mask, math.inf if ord == -math.inf else 0)
    return norms.norm(kept, ord, _dims(dim, x.ndim), bool(keepdim), dtype=x.dtype if dtype is None else dtype)


def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance of the elements over the dimensions ``dim``; NaN where there is none.

    ``unbiased=False`` means ``correction=0``; the default is 1.

    Raises:
        As :func:`sum`.
        AssertionError: both ``unbiased`` and ``correction`` are given.
    """
    return _variance(as_tensor(input, "var"), dim, unbiased, correction, bool(keepdim), dtype, mask)


def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The standard deviation of the elements over the dimensions ``dim``, the square root of :func:`var`.

    Raises:
        As :func:`var`.
    """
    return _variance(as_tensor(input, "std"), dim, unbiased, correction, bool(keepdim), dtype, mask).sqrt()  # type: ignore[no-any-return]


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """``log(sum(exp(x)))`` of the elements over the dimensions ``dim``; minus infinity where there is none.

    Raises:
        As :func:`sum`.
    """
    x = as_tensor(input, "logsumexp")
    found = reduction.logsumexp(_filled(x, mask, _lowest), _dims(dim, x.ndim), keepdim)
    return _cast(found, x.dtype if dtype is None else dtype)


# Along a dimension, and between two tensors


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The sum of the elements so far along ``dim``.

    Raises:
        As :func:`sum`.
    """
    x = as_tensor(input, "cumsum")
    return cumulative.cumsum(_filled(x, mask, 0), _dims(dim, x.ndim)[0], dtype=x.dtype if dtype is None else dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """The product of the elements so far along ``dim``.

    Raises:
        As :func:`sum`.
    """
    x = as_tensor(input, "cumprod")
    return cumulative.cumprod(_filled(x, mask, 1), _dims(dim, x.ndim)[0], dtype=x.dtype if dtype is None else dtype)


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """:func:`gradcore.softmax` of the elements along ``dim``; 0 elsewhere, and NaN where there is none.

    Raises:
        As :func:`sum`; NotImplementedError for integers.
    """
    x = as_tensor(input, "softmax")
    return softmaxes.softmax(_filled(x, mask, _lowest), _dims(dim, x.ndim)[0], dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """:func:`gradcore.log_softmax` of the elements along ``dim``; minus infinity elsewhere, and NaN where there is none.

    Raises:
        As :func:`softmax`.
    """
    x = as_tensor(input, "log_softmax")
    return softmaxes.log_softmax(_filled(x, mask, _lowest), _dims(dim, x.ndim)[0], dtype=dtype)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """``softmax(-input)`` of the elements along ``dim``; 0 elsewhere, and NaN where there is none.

    Raises:
        As :func:`softmax`.
    """
    x = as_tensor(input, "softmin")
    return softmaxes.softmax(neg(_filled(x, mask, _highest)), _dims(dim, x.ndim)[0], dtype=dtype)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The elements divided by their norm of order ``ord`` along ``dim``, which counts as ``eps`` at least; 0 elsewhere.

    Raises:
        As :func:`norm`.
    """
    x = as_tensor(input, "normalize")
    size = norm(x, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return div(_filled(x, mask, 0), maximum(size, _constant(size, eps)))


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """``log(exp(input) + exp(other))``, in which what a mask hides counts as minus infinity.

    Raises:
        As :func:`sum`.
    """
    x, y = as_tensor(input, "logaddexp"), as_tensor(other, "logaddexp", "other", 2)
    found = elementwise.logaddexp(_filled(x, input_mask, _lowest), _filled(y, other_mask, _lowest))
    return _cast(found, x.dtype if dtype is None else dtype)


# What they share


def _dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions meant, in order from the front: all for ``None`` and ``()``."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    size, dims = max(ndim, 1), []
    for d in (dim,) if isinstance(dim, int) else dim:
        if d in dims:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        if not -size <= d < size:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {d})")
        dims.append(d % size)
    return tuple(sorted(dims))


def _input_mask(x: Tensor, mask: Any) -> Tensor:
    """A mask as truth values of the shape of ``x``."""
    mask = as_tensor(mask, "masked", "mask")
    if mask.shape != x.shape:
        if mask.ndim > x.ndim:
            raise IndexError(
                "_input_mask expected broadcastable mask (got mask dimensionality higher than of the input): "
                f"{mask.ndim} and {x.ndim} dimensions"
            )
        mask = broadcast_to(mask, x.shape)
    return mask.to(dtypes.bool_)  # type: ignore[no-any-return]


def _filled(x: Tensor, mask: Any, value: Any) -> Tensor:
    """``x`` with a number where a mask is false: one, or what a function gives for the dtype."""
    if mask is None:
        return x
    mask = _input_mask(x, mask)
    return where(mask, x, _constant(x, value(x.dtype) if callable(value) else value))  # type: ignore[no-any-return]


def _constant(x: Tensor, value: Any) -> Tensor:
    """A 0-d tensor beside ``x``."""
    return wrap(x._device.xp.asarray(value, dtype=x.dtype), x._device)


def _lowest(dtype: dtypes.DType) -> Any:
    """What is smaller than any number of a dtype, or the smallest of its integers."""
    if dtype.kind == "b":
        raise NotImplementedError(f"identity of amax on {dtypes.dtype_name(dtype)} input: cast it")
    return int(np.iinfo(dtype).min) if dtype.kind in "iu" else -math.inf


def _highest(dtype: dtypes.DType) -> Any:
    """What is larger than any number of a dtype, or the largest of its integers."""
    if dtype.kind == "b":
        raise NotImplementedError(f"identity of amin on {dtypes.dtype_name(dtype)} input: cast it")
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else math.inf


def _summed_dtype(x: Tensor, dtype: Any) -> dtypes.DType:
    if dtype is not None:
        return dtypes.normalize(dtype)
    return dtypes.int64 if x.dtype.kind in "biu" else x.dtype


def _cast(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None else x.to(dtype)


def _count(x: Tensor, dim: Dims, keepdim: bool, mask: Tensor | None) -> Tensor:
    """How many elements are reduced into one."""
    counted = ones(x.shape, dtype=dtypes.int64, device=x.device) if mask is None else mask
    return reduction.sum(counted, _dims(dim, x.ndim), keepdim)


def _variance(
    x: Tensor, dim: Dims, unbiased: bool | None, correction: float | None, keepdim: bool, dtype: Any, mask: Any
) -> Tensor:
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 0.0 if unbiased is False else 1.0
    target = dtypes.normalize(dtype) if dtype is not None else dtypes.float32 if x.dtype.kind in "biu" else x.dtype
    computed = dtypes.float32 if target.kind in "biu" else target
    mask = None if mask is None else _input_mask(x, mask)
    count = _count(x, dim, True, mask)
    deviation = sub(x, div(sum(x, dim, keepdim=True, dtype=target, mask=mask), count))
    squares = deviation * (deviation.conj() if deviation.is_complex() else deviation)
    total = sum(squares, dim, keepdim=keepdim, dtype=computed, mask=mask)
    if not keepdim:
        count = count.reshape(total.shape)
    if correction:
        count = count.to(dtypes.real_of(computed)) - correction
        count = maximum(count, _constant(count, 0))
    return div(total, count).to(target)
