"""What normalisations share: statistics over some dimensions, the gradient through them, what operands may be.

``x`` is normalised as ``(x - mean) * rstd`` with ``rstd = 1 / sqrt(variance + eps)``. Half precision is computed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradcore import dtypes
from gradcore.namespace import TensorNamespace
from gradcore.ops._batching import aligned
from gradcore.ops._operands import require_real
from gradcore.ops._reducing import widened

__all__ = [
    "affine",
    "as_shape",
    "centered_by",
    "check_dtypes",
    "check_trailing",
    "in_batch",
    "input_gradient",
    "like_statistics",
    "moments",
    "per_channel",
    "without_statistics",
]


def moments(xp: Any, x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any, Any]:
    """The mean, ``x`` minus it, the variance and ``rstd`` over ``axes``, which are kept.

    In two passes: the mean of squares minus the squared mean would cancel.
    """
    count = math.prod([x.shape[a] for a in axes])
    mean = xp.divide(xp.sum(x, axis=axes, keepdims=True), max(count, 1))
    centered = xp.subtract(x, mean)
    # Of nothing, the mean is 0 and the variance 0 / 0.
    variance = xp.divide(xp.sum(xp.multiply(centered, centered), axis=axes, keepdims=True), count)
    return mean, centered, variance, xp.divide(1.0, xp.sqrt(xp.add(variance, eps)))


def centered_by(xp: Any, x: Any, axes: tuple[int, ...], eps: float, mean: Any, rstd: Any) -> tuple[Any, Any]:
    """``x`` minus its mean, and ``rstd``, in a rule, which saved both.

    What was saved are results without a history. So on tensors, where a derivative of second order must see that they depend
    on ``x``, they are computed anew.
    """
    if isinstance(xp, TensorNamespace):
        _, centered, _, rstd = moments(xp, x, axes, eps)
        return centered, rstd
    return xp.subtract(x, widened(xp, mean)), widened(xp, rstd)


def input_gradient(
    xp: Any, g: Any, centered: Any, rstd: Any, axes: tuple[int, ...], g_mean: Any = None, g_rstd: Any = None
) -> Any:
    """The gradient of ``x``, from that of its normalised values, and those of its mean and ``rstd`` where these have one."""
    count = math.prod([centered.shape[a] for a in axes])
    cubed = xp.multiply(xp.multiply(rstd, rstd), rstd)
    slope = xp.multiply(cubed, xp.sum(xp.multiply(g, centered), axis=axes, keepdims=True))
    offset = xp.multiply(rstd, xp.sum(g, axis=axes, keepdims=True))
    if g_rstd is not None:
        slope = xp.add(slope, xp.multiply(cubed, g_rstd))
    if g_mean is not None:
        offset = xp.subtract(offset, g_mean)
    common = xp.add(xp.multiply(centered, xp.divide(slope, max(count, 1))), xp.divide(offset, max(count, 1)))
    return xp.subtract(xp.multiply(g, rstd), common)


def affine(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    """``x * weight + bias``, where they are given."""
    if weight is not None:
        x = xp.multiply(x, widened(xp, weight))
    return x if bias is None else xp.add(x, widened(xp, bias))


def like_statistics(xp: Any, result: Any, x: Any, *parameters: Any) -> Any:
    """A statistic in the dtype in which it is kept: that of ``x``, or float32 where parameters of half an ``x`` have that."""
    dtype = xp.np_dtype(x.dtype)
    wide = dtype.itemsize > 2 or any(p is not None and xp.np_dtype(p.dtype) == dtypes.float32 for p in parameters)
    return result if wide else xp.astype(result, x.dtype)


def check_dtypes(kernel: str, x: Any, *parameters: Any) -> None:
    """Raise if parameters do not have the dtype of ``x``; beside half precision, all of them may have float32.

    Raises:
        NotImplementedError: ``x`` is not real.
        RuntimeError: the dtypes do not fit.
    """
    require_real(kernel, x.dtype)
    given = [p.dtype for p in parameters if p is not None]
    if all(d == x.dtype for d in given):
        return
    if x.dtype.itemsize == 2:
        if all(d == dtypes.float32 for d in given):
            return
        expected = "all parameters in the dtype of the input, or all in float32"
    else:
        expected = f"parameter to have scalar type of {dtypes.scalar_type_name(x.dtype)}"
    names = ", ".join(dtypes.scalar_type_name(d) for d in given)
    raise RuntimeError(f"mixed dtype: expect {expected}, but got {names} beside {dtypes.scalar_type_name(x.dtype)}")


def as_shape(function: str, shape: Any) -> tuple[int, ...]:
    """``normalized_shape`` as a tuple.

    Raises:
        TypeError: it is no sequence.
        RuntimeError: it is empty.
    """
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise TypeError(
            f"{function}(): argument 'normalized_shape' (position 2) must be tuple of ints, not {type(shape).__name__}"
        )
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    return tuple([int(n) for n in shape])


def check_trailing(x: Any, shape: tuple[int, ...], **parameters: Any) -> None:
    """Raise if the last dimensions of ``x``, or a parameter, do not have ``normalized_shape``.

    Raises:
        RuntimeError: they have another.
    """
    for name, p in parameters.items():
        if p is not None and tuple(p.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(p.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if x.ndim < len(shape) or tuple(x.shape[x.ndim - len(shape) :]) != shape:
        sizes = ", ".join(map(str, ("*", *shape)))
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{sizes}], but got input of size{list(x.shape)}"
        )


def in_batch(parameter: Any, ndim: int, batched: bool) -> Any:
    """A weight or bias, of each element where it is ``batched``, as it broadcasts against a batch of ``ndim`` dimensions."""
    return aligned(parameter, ndim - 1) if batched and parameter is not None else parameter


def without_statistics(out: Any, *statistics: Any) -> Any:
    """The one result that has a gradient, for tests of derivatives; the others depend on the operands as well."""
    return out


def per_channel(xp: Any, values: Any, x: Any) -> Any:
    """A value of each channel as it broadcasts against ``x``, of shape (N, C, ...)."""
    return None if values is None else xp.reshape(values, (-1,) + (1,) * (len(x.shape) - 2))
