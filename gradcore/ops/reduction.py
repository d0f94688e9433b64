"""Sums, means, products, moments, norms and truth values; the largest and the smallest are in ``extremum.py``.

Each function chooses one of the operations below it, as PyTorch does. The operations take ``dim`` as a tuple
of numbers from the front (:func:`~gradcore.ops._dims.reduced_dims`).
"""

from __future__ import annotations

import builtins
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import conj, op, standard
from gradcore.ops._dims import kept_shape, normalize_dim, normalize_dims, reduced_dims
from gradcore.ops._operands import as_tensor, summed_dtype
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "logsumexp",
    "mean",
    "nansum",
    "norm",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
]

Dims = int | Sequence[int] | None
"""What a user may give as ``dim``: one dimension, several, or ``None`` for all."""

_SHAPES_AND_DIMS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 3), (0,)),
    ((2, 3), (1,)),
    ((2, 3, 2), (2, 0)),
    ((2, 3), (0, 1)),
    ((), ()),
)


def over_dims(make: Make) -> Iterator[Sample]:
    """Samples of a reduction over given dimensions, with and without keeping them."""
    for shape, dim in _SHAPES_AND_DIMS:
        for keepdim in (False, True):
            yield Sample(make(*shape), dim=dim, keepdim=keepdim)


def _over_dims_and_nothing(make: Make) -> Iterator[Sample]:
    yield from over_dims(make)
    yield Sample(make(0, 2), dim=(0,), keepdim=False)
    yield Sample(make(0, 2), dim=(1,), keepdim=False)


# Sums


@numpy_names
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of all elements, or over the dimensions ``dim``. Integers are summed in int64.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice; ``dtype`` would lose the gradient.
    """
    if dtype is not None:
        dtype = summed_dtype("sum", input, dtype)
    if dim is None and not keepdim:
        return sum_all(input, dtype=dtype)  # type: ignore[no-any-return]
    x, dims = _operand("sum", input, dim, keepdim)
    return sum_dim(x, dims, keepdim, dtype=dtype)  # type: ignore[no-any-return]


@op(node="SumBackward0", linear=True, samples=unary())
def sum_all(xp: Any, input: Any, /, *, dtype: Any = None) -> Any:
    """The sum of all elements."""
    return _sum(xp, input, None, False, dtype)


@sum_all.vjp("input")
def sum_all_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.broadcast_to(g, input_shape)


@op(node="SumBackward1", linear=True, samples=_over_dims_and_nothing)
def sum_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over some dimensions."""
    return _sum(xp, input, dim, keepdim, dtype)


@sum_dim.vjp("input")
def sum_dim_vjp(xp: Any, g: Any, input_shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return xp.broadcast_to(restored(xp, g, input_shape, dim, keepdim), input_shape)


@numpy_names
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of the elements that are not NaN.

    Raises:
        As :func:`sum`.
    """
    if dtype is not None:
        dtype = summed_dtype("nansum", input, dtype)
    x, dims = _operand("nansum", input, dim, keepdim)
    if x.dtype.kind == "c":
        raise RuntimeError("nansum does not support complex inputs")
    return nansum_dim(x, dims, keepdim, dtype=dtype)  # type: ignore[no-any-return]


def _with_nan(make: Make) -> Iterator[Sample]:
    for shape, dim in _SHAPES_AND_DIMS[:4]:
        values = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
        values[0, 1] = math.nan
        yield Sample(make.of(values, requires_grad=make.requires_grad), dim=dim)
    yield Sample(make(3), dim=(0,), keepdim=True)


@op(node="NansumBackward0", samples=_with_nan)
def nansum_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over some dimensions of what is not NaN."""
    numbers = input if _kind(xp, input) in "biu" else xp.where(xp.isnan(input), 0, input)
    return _sum(xp, numbers, dim, keepdim, dtype)


@nansum_dim.vjp("input")
def nansum_dim_vjp(xp: Any, g: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return xp.where(xp.isnan(input), 0, restored(xp, g, input.shape, dim, keepdim))


@numpy_names
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of all elements, or over the dimensions ``dim``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: integers without a floating-point ``dtype``; a dimension is named twice.
    """
    if dtype is not None:
        dtype = summed_dtype("mean", input, dtype)
    if dim is None and not keepdim:
        return mean_all(input, dtype=dtype)  # type: ignore[no-any-return]
    x, dims = _operand("mean", input, dim, keepdim)
    return mean_dim(x, dims, keepdim, dtype=dtype)  # type: ignore[no-any-return]


@op(node="MeanBackward0", linear=True, samples=unary())
def mean_all(xp: Any, input: Any, /, *, dtype: Any = None) -> Any:
    """The mean of all elements."""
    return averaged(xp, input, None, False, dtype)


@mean_all.vjp("input")
def mean_all_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.broadcast_to(g / math.prod(input_shape), input_shape)


@op(node="MeanBackward1", linear=True, samples=over_dims)
def mean_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over some dimensions."""
    return averaged(xp, input, dim, keepdim, dtype)


@mean_dim.vjp("input")
def mean_dim_vjp(xp: Any, g: Any, input_shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    share = restored(xp, g, input_shape, dim, keepdim) / _count(input_shape, dim)
    return xp.broadcast_to(share, input_shape)


# Products


@numpy_names
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product of all elements, or over one dimension. Integers are multiplied in int64.

    Raises:
        IndexError: there is no such dimension.
    """
    if dtype is not None:
        dtype = summed_dtype("prod", input, dtype)
    if dim is None and not keepdim:
        return prod_all(input, dtype=dtype)  # type: ignore[no-any-return]
    x = as_tensor(input, "prod")
    if dim is None:
        return prod_all(x, dtype=dtype).reshape((1,) * x.ndim)  # type: ignore[no-any-return]
    dim = normalize_dim(dim, x.ndim)
    return prod_dim(x, dim, keepdim, dtype=dtype)  # type: ignore[no-any-return]


def with_zeros(make: Make) -> Iterator[Any]:
    """Factors with no, one and two zeros: the gradients of products are computed in different ways there."""
    for shape in ((2, 3), (4,), (0, 2)):
        yield make(*shape, away_from=0.0)
    for zeros in ([(0, 1)], [(0, 1), (0, 2)], [(0, 1), (1, 1)]):
        values = np.array([[1.5, -0.5, 2.0], [0.5, 3.0, -1.0]])
        for at in zeros:
            values[at] = 0.0
        yield make.of(values, requires_grad=make.requires_grad)


def _products(make: Make) -> Iterator[Sample]:
    yield Sample(make())
    for x in with_zeros(make):
        yield Sample(x)


def _products_over_dim(make: Make) -> Iterator[Sample]:
    for x in with_zeros(make):
        yield Sample(x, dim=0, keepdim=False)
        yield Sample(x, dim=x.ndim - 1, keepdim=True)


@op(node="ProdBackward0", samples=_products)
def prod_all(xp: Any, input: Any, /, *, dtype: Any = None) -> Any:
    """The product of all elements."""
    return _prod(xp, input, None, False, dtype)


@prod_all.vjp("input")
def prod_all_vjp(xp: Any, g: Any, input: Any, out: Any) -> Any:
    if _has_no_zero(xp, input):
        return xp.multiply(g, conj(xp, xp.divide(out, input)))
    others = _products_of_others(xp, xp.reshape(input, (-1,)), 0)
    return xp.multiply(g, conj(xp, xp.reshape(others, input.shape)))


@op(node="ProdBackward1", samples=_products_over_dim)
def prod_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over one dimension."""
    return _prod(xp, input, dim, keepdim, dtype)


@prod_dim.vjp("input")
def prod_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: int, keepdim: bool) -> Any:
    g = restored(xp, g, input.shape, (dim,), keepdim)
    if not input.shape:
        return g
    if _has_no_zero(xp, input):
        out = restored(xp, out, input.shape, (dim,), keepdim)
        return xp.multiply(g, conj(xp, xp.divide(out, input)))
    return xp.multiply(g, conj(xp, _products_of_others(xp, input, dim)))


def _has_no_zero(xp: Any, x: Any) -> bool:
    return bool(xp.all(xp.not_equal(x, 0)))


def _products_of_others(xp: Any, x: Any, axis: int) -> Any:
    """For every element the product of the others along ``axis``: of those before, times of those after.

    Without division, so it is right at zeros, for derivatives of any order.
    """
    all_but_last = (slice(None),) * axis + (slice(None, -1),)
    before = xp.cumulative_prod(xp.getitem(x, all_but_last), axis=axis, include_initial=True)
    turned = xp.getitem(xp.flip(x, axis=axis), all_but_last)
    after = xp.flip(xp.cumulative_prod(turned, axis=axis, include_initial=True), axis=axis)
    return xp.multiply(before, after)


# Variance and standard deviation


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
    x, dims = _operand(name, input, dim, keepdim)
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "std and var only support floating point and complex dtypes, but got "
            f"{dtypes.dtype_name(x.dtype)}; cast it with .to(dtype)"
        )
    correction = 1 if correction is None else correction
    if _count(x.shape, dims) <= correction:
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


@op(node="StdBackward0", samples=_dispersions)
def std_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The standard deviation over some dimensions."""
    return xp.sqrt(_mean_and_variance(xp, input, dim, correction, keepdim)[1])


@std_dim.vjp("input")
def std_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    g = restored(xp, _through_sqrt(xp, g, out), input.shape, dim, keepdim)
    return _variance_gradient(xp, g, input, dim, correction)


@op(node="VarMeanBackward0", outputs=("var", "mean"), samples=_dispersions)
def var_mean_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The variance and the mean over some dimensions."""
    average, variance = _mean_and_variance(xp, input, dim, correction, keepdim)
    return variance, average if keepdim else _squeezed(xp, average, dim)


@var_mean_dim.vjp("input")
def var_mean_dim_vjp(xp: Any, g: Any, input: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> Any:
    g_var, g_mean = (restored(xp, part, input.shape, dim, keepdim) for part in g)
    return xp.add(_variance_gradient(xp, g_var, input, dim, correction), g_mean / _count(input.shape, dim))


@op(node="StdMeanBackward0", outputs=("std", "mean"), samples=_dispersions)
def std_mean_dim(xp: Any, input: Any, /, dim: tuple[int, ...], correction: float = 1, keepdim: bool = False) -> Any:
    """The standard deviation and the mean over some dimensions."""
    average, variance = _mean_and_variance(xp, input, dim, correction, keepdim)
    return xp.sqrt(variance), average if keepdim else _squeezed(xp, average, dim)


@std_mean_dim.vjp("input")
def std_mean_dim_vjp(
    xp: Any, g: Any, input: Any, std: Any, dim: tuple[int, ...], correction: float, keepdim: bool
) -> Any:
    g_std, g_mean = g
    g_var = restored(xp, _through_sqrt(xp, g_std, std), input.shape, dim, keepdim)
    g_mean = restored(xp, g_mean, input.shape, dim, keepdim) / _count(input.shape, dim)
    return xp.add(_variance_gradient(xp, g_var, input, dim, correction), g_mean)


def _mean_and_variance(xp: Any, x: Any, dim: tuple[int, ...], correction: float, keepdim: bool) -> tuple[Any, Any]:
    """The mean, with the dimensions kept, and the variance.

    In two passes: the sum of squares minus the squared sum would cancel.
    """
    wide = _widened(xp, x)
    average = averaged(xp, wide, dim, True)
    centered = xp.subtract(wide, average)
    squares = xp.multiply(centered, centered) if _kind(xp, x) != "c" else xp.square(xp.abs(centered))
    total = xp.sum(squares, axis=dim, keepdims=keepdim)
    variance = xp.divide(total, builtins.max(_count(x.shape, dim) - correction, 0))
    return _narrowed(xp, average, x), _narrowed(xp, variance, x)


def _variance_gradient(xp: Any, g: Any, x: Any, dim: tuple[int, ...], correction: float) -> Any:
    if 0 in x.shape:
        return xp.zeros(tuple(x.shape), dtype=g.dtype)
    freedom = _count(x.shape, dim) - correction
    centered = xp.subtract(x, xp.mean(x, axis=dim, keepdims=True))
    if freedom <= 0:
        return xp.multiply(g, xp.divide(xp.abs(centered), 0.0))  # NaN at the mean, infinite elsewhere
    return xp.multiply(centered, g * (2 / freedom))


def _through_sqrt(xp: Any, g: Any, root: Any) -> Any:
    """The gradient of what ``root`` is the square root of; 0 where that is 0, as in PyTorch."""
    return xp.where(xp.equal(root, 0), 0, xp.divide(g, 2 * root))


# Norms


@numpy_names
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The ``p``-norm of all elements, or over the dimensions ``dim``: ``sum(abs(x)**p)**(1/p)``.

    ``"fro"`` and ``None`` mean 2; ``inf`` and ``-inf`` the largest and smallest magnitude; 0 the number of
    nonzeros.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: the nuclear norm.
        RuntimeError: integers; an unknown name of a norm; the norm of nothing, where that is undefined.
    """
    if isinstance(p, str):
        if p == "nuc":
            raise NotImplementedError(
                "norm: the nuclear norm is not implemented; sum the singular values of the matrix"
            )
        if p != "fro":
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported: p is a number or 'fro'")
    order = 2.0 if p is None or p == "fro" else float(p)
    x, dims = _operand("norm", input, dim, keepdim)
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_type_name(x.dtype)}"
        )
    if dtype is not None:
        given = dtypes.normalize(dtype)
        if given.kind in "biu" or x.dtype.kind == "c" != given.kind:
            needed = "complex for complex inputs" if x.dtype.kind == "c" else "floating point or complex"
            raise RuntimeError(
                f"linalg.vector_norm: dtype should be {needed}, but got {dtypes.scalar_type_name(given)}"
            )
        x = x.to(given)
    if _count(x.shape, dims) == 0 and (order < 0 or order == math.inf):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the operation "
            "does not have an identity"
        )
    return vector_norm(x, order, dims, keepdim)  # type: ignore[no-any-return]


def _norms(make: Make) -> Iterator[Sample]:
    for ord in (2.0, 1.0, 3.0, 0.5, 1.5, -1.0, math.inf, -math.inf, 0.0):
        yield Sample(make(2, 3, away_from=0.0), ord=ord, dim=(0, 1))
        yield Sample(make(2, 3, away_from=0.0), ord=ord, dim=(1,), keepdim=True)
        yield Sample(make(away_from=0.0), ord=ord, dim=())
    yield Sample(make(0, 2), ord=2.0, dim=(0,))


@op(node="LinalgVectorNormBackward0", samples=_norms)
def vector_norm(xp: Any, input: Any, /, ord: float, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The norm of order ``ord`` over some dimensions."""
    x = xp.abs(_widened(xp, input))
    if ord == math.inf:
        result = xp.max(x, axis=dim, keepdims=keepdim) if dim else x
    elif ord == -math.inf:
        result = xp.min(x, axis=dim, keepdims=keepdim) if dim else x
    elif ord == 0:
        result = xp.sum(xp.astype(xp.not_equal(x, 0), x.dtype), axis=dim, keepdims=keepdim)
    elif ord == 1:
        result = xp.sum(x, axis=dim, keepdims=keepdim)
    elif ord == 2:
        result = xp.sqrt(xp.sum(xp.multiply(x, x), axis=dim, keepdims=keepdim))
    else:
        result = xp.pow(xp.sum(xp.pow(x, ord), axis=dim, keepdims=keepdim), 1 / ord)
    return _narrowed(xp, result, input)


@vector_norm.vjp("input")
def vector_norm_vjp(xp: Any, g: Any, input: Any, out: Any, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    if ord == 0:
        return None
    g = restored(xp, g, input.shape, dim, keepdim)
    norm = restored(xp, out, input.shape, dim, keepdim)
    if ord == 2:
        return xp.multiply(input, _where_positive(xp, norm, xp.divide(g, norm)))
    if ord == 1:
        return xp.multiply(_sign(xp, input), g)
    size = xp.abs(input)
    if math.isinf(ord):
        found = xp.astype(xp.logical_or(xp.equal(size, norm), xp.not_equal(size, size)), g.dtype)
        share = xp.divide(g, xp.sum(found, axis=dim, keepdims=True))
        return xp.multiply(xp.multiply(_sign(xp, input), found), share)
    if ord < 2:
        # sign(x) * |x|**(ord-1) would be 0 * inf at 0
        scaled = xp.multiply(xp.sign(input), _where_positive(xp, size, xp.pow(size, ord - 1)))
    else:
        scaled = xp.multiply(input, xp.pow(size, ord - 2))
    return xp.multiply(scaled, _where_positive(xp, norm, xp.multiply(g, xp.pow(norm, 1 - ord))))


def _sign(xp: Any, x: Any) -> Any:
    """The sign; 0 for NaN, as in PyTorch."""
    sign = xp.sign(x)
    return xp.where(xp.equal(sign, sign), sign, 0)


def _where_positive(xp: Any, size: Any, value: Any) -> Any:
    """``value``, but 0 where ``size`` is 0: PyTorch's subgradient of a norm at zero."""
    return xp.where(xp.equal(size, 0), 0, value)


@numpy_names
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` over ``dim``, without overflow.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = _operand("logsumexp", input, dim, keepdim)
    return logsumexp_dim(x, dims, keepdim)  # type: ignore[no-any-return]


@op(node="LogsumexpBackward0", promote="float", samples=_over_dims_and_nothing)
def logsumexp_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The logarithm of the sum of exponentials over some dimensions."""
    if not dim:
        return xp.positive(input)
    if _count(input.shape, dim) == 0:
        return xp.log(xp.sum(xp.exp(input), axis=dim, keepdims=keepdim))
    top = xp.max(xp.real(input) if _kind(xp, input) == "c" else input, axis=dim, keepdims=True)
    # An infinite maximum must not be subtracted from itself.
    top = xp.where(xp.isinf(top), 0, top)
    result = xp.log(xp.sum(xp.exp(xp.subtract(input, top)), axis=dim, keepdims=True))
    result = xp.add(result, top)
    return result if keepdim else _squeezed(xp, result, dim)


@logsumexp_dim.vjp("input")
def logsumexp_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    g = restored(xp, g, input.shape, dim, keepdim)
    out = restored(xp, out, input.shape, dim, keepdim)
    return xp.multiply(g, conj(xp, xp.exp(xp.subtract(input, out))))


# Truth and counts


@numpy_names
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether an element is not zero. bool, but uint8 for uint8.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = _operand("any", input, dim, keepdim)
    return any_dim(x, dims, keepdim)  # type: ignore[no-any-return]


@numpy_names
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are not zero. bool, but uint8 for uint8.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = _operand("all", input, dim, keepdim)
    return all_dim(x, dims, keepdim)  # type: ignore[no-any-return]


def _truths(make: Make) -> Iterator[Sample]:
    for shape, dim in _SHAPES_AND_DIMS:
        yield Sample(make.bools(*shape), dim=dim)
        yield Sample(make(*shape), dim=dim, keepdim=True)
    yield Sample(make.bools(0, 2), dim=(0,))


@op(node="AnyBackward0", differentiable=False, samples=_truths)
def any_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """Whether some element is not zero, over some dimensions."""
    return _truth(xp, input, xp.any(input, axis=dim, keepdims=keepdim))


@op(node="AllBackward0", differentiable=False, samples=_truths)
def all_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """Whether every element is not zero, over some dimensions."""
    return _truth(xp, input, xp.all(input, axis=dim, keepdims=keepdim))


def _truth(xp: Any, input: Any, result: Any) -> Any:
    return xp.astype(result, dtypes.uint8) if xp.np_dtype(input.dtype) == dtypes.uint8 else result


@numpy_names
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = _operand("count_nonzero", input, dim, False)
    return count_nonzero_dim(x, dims)  # type: ignore[no-any-return]


@op(node="CountNonzeroBackward0", differentiable=False, samples=_truths)
def count_nonzero_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The number of elements that are not zero, over some dimensions."""
    return xp.astype(xp.count_nonzero(input, axis=dim, keepdims=keepdim), dtypes.int64)


# As the Array API spells them; there an empty tuple of axes reduces nothing.


@standard("sum")
def _standard_sum(x: Any, /, *, axis: Dims = None, dtype: Any = None, keepdims: bool = False) -> Any:
    if axis is None and not keepdims:
        return sum_all(x, dtype=dtype)
    return sum_dim(x, _axes(axis, x), keepdims, dtype=dtype)


@standard("mean")
def _standard_mean(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return mean_all(x) if axis is None and not keepdims else mean_dim(x, _axes(axis, x), keepdims)


@standard("prod")
def _standard_prod(x: Any, /, *, axis: Dims = None, dtype: Any = None, keepdims: bool = False) -> Any:
    if axis is None and not keepdims:
        return prod_all(x, dtype=dtype)
    for a in sorted(_axes(axis, x), reverse=True):
        x = prod_dim(x, a, keepdims, dtype=dtype)
    return x


@standard("var")
def _standard_var(x: Any, /, *, axis: Dims = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return var_dim(x, _axes(axis, x), correction, keepdims)


@standard("std")
def _standard_std(x: Any, /, *, axis: Dims = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return std_dim(x, _axes(axis, x), correction, keepdims)


@standard("any")
def _standard_any(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return any_dim(x, _axes(axis, x), keepdims).to(dtypes.bool_)


@standard("all")
def _standard_all(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return all_dim(x, _axes(axis, x), keepdims).to(dtypes.bool_)


@standard("count_nonzero")
def _standard_count_nonzero(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return count_nonzero_dim(x, _axes(axis, x), keepdims)


def _axes(axis: Dims, x: Any) -> tuple[int, ...]:
    return normalize_dims(axis, x.ndim)


# What the operations share


def restored(xp: Any, x: Any, shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """A reduction of ``shape`` over ``dim`` with these dimensions as 1: it broadcasts against ``shape``."""
    return x if keepdim or not dim or not shape else xp.reshape(x, kept_shape(shape, dim))


def as_dtype(xp: Any, x: Any, dtype: dtypes.DType) -> Any:
    """``x`` in another dtype; the real part of complex numbers for a real one."""
    return xp.astype(xp.real(x) if _kind(xp, x) == "c" != dtype.kind else x, dtype)


def _operand(name: str, input: Any, dim: Any, keepdim: bool) -> tuple[Any, tuple[int, ...]]:
    if keepdim.__class__ is not bool:
        raise TypeError(
            f"{name}(): argument 'keepdim' must be bool, not {type(keepdim).__name__}; several dimensions "
            "are given as one tuple"
        )
    x = as_tensor(input, name)
    return x, reduced_dims(dim, x.ndim)


def _squeezed(xp: Any, x: Any, dim: tuple[int, ...]) -> Any:
    return xp.reshape(x, tuple([n for i, n in enumerate(x.shape) if i not in dim])) if dim else x


def _count(shape: Any, dim: tuple[int, ...]) -> int:
    """How many elements are reduced into one."""
    return math.prod([shape[d] for d in dim])


def _kind(xp: Any, x: Any) -> str:
    return xp.np_dtype(x.dtype).kind  # type: ignore[no-any-return]


def _sum(xp: Any, x: Any, axis: Any, keepdims: bool, dtype: Any) -> Any:
    if dtype is None:
        given = xp.np_dtype(x.dtype)
        if given.itemsize > 2 and given.kind in "fc":
            return xp.sum(x, axis=axis, keepdims=keepdims)
        if given.kind not in "biu":
            # The digits of half precision would be lost on the way.
            return xp.astype(xp.sum(xp.astype(x, dtypes.float32), axis=axis, keepdims=keepdims), given)
        dtype = dtypes.int64
    return xp.sum(as_dtype(xp, x, dtype), axis=axis, keepdims=keepdims)


def _prod(xp: Any, x: Any, axis: Any, keepdims: bool, dtype: Any) -> Any:
    if dtype is None and _kind(xp, x) in "biu":
        dtype = dtypes.int64
    axis = axis if x.shape else None
    return xp.prod(x if dtype is None else as_dtype(xp, x, dtype), axis=axis, keepdims=keepdims)


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
        count = math.prod(x.shape) if axis is None else _count(x.shape, axis)
        return xp.sum(x, axis=axis, keepdims=keepdims) / count
    return xp.mean(x, axis=axis, keepdims=keepdims)


def _widened(xp: Any, x: Any) -> Any:
    """Half precision as float32: sums of squares would overflow."""
    return xp.astype(x, dtypes.float32) if xp.np_dtype(x.dtype).itemsize == 2 else x


def _narrowed(xp: Any, result: Any, x: Any) -> Any:
    """A result of :func:`_widened` in the dtype of ``x`` again."""
    return xp.astype(result, x.dtype) if xp.np_dtype(x.dtype).itemsize == 2 else result
