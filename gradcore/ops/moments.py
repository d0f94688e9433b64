"""Variance and standard deviation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op, standard
from gradcore.ops._batching import over
from gradcore.ops._numeric import kind_of
from gradcore.ops._reducing import (
    Dims,
    averaged,
    axes,
    count,
    narrowed,
    operand,
    over_dims,
    restored,
    squeezed,
    widened,
)
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["std", "std_mean", "var", "var_mean"]


@numpy_names
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance, ``sum((x - mean)**2) / (n - correction)``; ``unbiased=False`` means ``correction=0``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: integers.
    """
    return _moments(var_dim, "var", input, dim, unbiased, keepdim, correction)  # type: ignore[no-any-return]


@numpy_names
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation, the square root of :func:`var`.

    Raises:
        As :func:`var`.
    """
    return _moments(std_dim, "std", input, dim, unbiased, keepdim, correction)  # type: ignore[no-any-return]


@numpy_names
def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean; see :func:`var`.

    Raises:
        As :func:`var`.
    """
    return _moments(var_mean_dim, "var_mean", input, dim, unbiased, keepdim, correction)  # type: ignore[no-any-return]


@numpy_names
def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean; see :func:`var`.

    Raises:
        As :func:`var`.
    """
    return _moments(std_mean_dim, "std_mean", input, dim, unbiased, keepdim, correction)  # type: ignore[no-any-return]


def _moments(
    operation: Any,
    name: str,
    input: Any,
    dim: Dims | bool,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
) -> Any:
    if isinstance(dim, bool):
        # var(False): the one argument of PyTorch's oldest form
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}(): unbiased and correction say the same; give one of them")
        correction = 1 if unbiased else 0
    x, dims = operand(name, input, dim, keepdim)
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "std and var only support floating point and complex dtypes, but got "
            f"{dtypes.dtype_name(x.dtype)}; cast it with .to(dtype)"
        )
    correction = 1 if correction is None else correction
    if count(x.shape, dims) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
            "factor (input numel divided by output numel).",
            UserWarning,
            stacklevel=4,
        )
    return operation(x, dims, correction, keepdim)


def _dispersions(make: Make) -> Iterator[Sample]:
    for sample in over_dims(make):
        if sample.operands[0].ndim:
            yield Sample(*sample.operands, correction=0, **sample.params)
    yield Sample(make(4), dim=(0,), correction=1)
    yield Sample(make(2, 3), dim=(1,), correction=0.5, keepdim=True)


@op(node="VarBackward0", samples=_dispersions)
def var_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The variance over some dimensions."""
    return _mean_and_variance(xp, input, dim, correction, keepdim)[1]


@var_dim.vjp("input")
def var_dim_vjp(xp: Any, g: Any, input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return _variance_gradient(xp, restored(xp, g, input.shape, dim, keepdim), input, dim, correction)


@var_dim.vmap
def var_dim_vmap(input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return over(var_dim, input, dim, correction, keepdim)


@op(node="StdBackward0", samples=_dispersions)
def std_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The standard deviation over some dimensions."""
    return xp.sqrt(_mean_and_variance(xp, input, dim, correction, keepdim)[1])


@std_dim.vjp("input")
def std_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    g = restored(xp, _through_sqrt(xp, g, out), input.shape, dim, keepdim)
    return _variance_gradient(xp, g, input, dim, correction)


@std_dim.vmap
def std_dim_vmap(input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return over(std_dim, input, dim, correction, keepdim)


@op(node="VarMeanBackward0", outputs=("var", "mean"), samples=_dispersions)
def var_mean_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The variance and the mean over some dimensions."""
    average, variance = _mean_and_variance(xp, input, dim, correction, keepdim)
    return variance, average if keepdim else squeezed(xp, average, dim)


@var_mean_dim.vjp("input")
def var_mean_dim_vjp(xp: Any, g: Any, input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    g_var, g_mean = (restored(xp, part, input.shape, dim, keepdim) for part in g)
    return xp.add(_variance_gradient(xp, g_var, input, dim, correction), g_mean / count(input.shape, dim))


@var_mean_dim.vmap
def var_mean_dim_vmap(input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return over(var_mean_dim, input, dim, correction, keepdim)


@op(node="StdMeanBackward0", outputs=("std", "mean"), samples=_dispersions)
def std_mean_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The standard deviation and the mean over some dimensions."""
    average, variance = _mean_and_variance(xp, input, dim, correction, keepdim)
    return xp.sqrt(variance), average if keepdim else squeezed(xp, average, dim)


@std_mean_dim.vjp("input")
def std_mean_dim_vjp(
    xp: Any, g: Any, input: Any, std: Any, dim: tuple[int, ...], correction: float, keepdim: bool
) -> Any:
    g_std, g_mean = g
    g_var = restored(xp, _through_sqrt(xp, g_std, std), input.shape, dim, keepdim)
    g_mean = restored(xp, g_mean, input.shape, dim, keepdim) / count(input.shape, dim)
    return xp.add(_variance_gradient(xp, g_var, input, dim, correction), g_mean)


@std_mean_dim.vmap
def std_mean_dim_vmap(input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    return over(std_mean_dim, input, dim, correction, keepdim)


def _mean_and_variance(xp: Any, x: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> tuple[Any, Any]:
    """The mean, with the dimensions kept, and the variance.

    In two passes: the sum of squares minus the squared sum would cancel.
    """
    wide = widened(xp, x)
    average = averaged(xp, wide, dim, True)
    centered = xp.subtract(wide, average)
    squares = xp.multiply(centered, centered) if kind_of(xp, x) != "c" else xp.square(xp.abs(centered))
    total = xp.sum(squares, axis=dim, keepdims=keepdim)
    variance = xp.divide(total, max(count(x.shape, dim) - correction, 0))
    return narrowed(xp, average, x), narrowed(xp, variance, x)


def _variance_gradient(xp: Any, g: Any, x: Any, dim: tuple[int, ...], correction: float) -> Any:
    if 0 in x.shape:
        return xp.zeros(tuple(x.shape), dtype=g.dtype)
    freedom = count(x.shape, dim) - correction
    centered = xp.subtract(x, xp.mean(x, axis=dim, keepdims=True))
    if freedom <= 0:
        return xp.multiply(g, xp.divide(xp.abs(centered), 0.0))  # NaN at the mean, infinite elsewhere
    return xp.multiply(centered, g * (2 / freedom))


def _through_sqrt(xp: Any, g: Any, root: Any) -> Any:
    """The gradient of what ``root`` is the square root of; 0 where that is 0, as in PyTorch."""
    at_zero = xp.equal(root, 0)
    # Nor is 0 divided by: the quotient is not used there, but its derivative would be NaN.
    return xp.where(at_zero, 0, xp.divide(g, 2 * xp.where(at_zero, 1, root)))


# As the Array API spells them.


@standard("var")
def _standard_var(x: Any, /, *, axis: Dims = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return var_dim(x, axes(axis, x), correction, keepdims)


@standard("std")
def _standard_std(x: Any, /, *, axis: Dims = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return std_dim(x, axes(axis, x), correction, keepdims)
