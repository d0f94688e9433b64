"""Sums, means, products, truth values; see also ``extremum.py``, ``moments.py``, ``norms.py`` and ``cumulative.py``.

Each function chooses one of the operations below it, as PyTorch does. The operations take ``dim`` as a tuple of numbers
from the front (:func:`~gradcore.ops._dims.reduced_dims`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import conj, op, standard
from gradcore.ops._batching import along, element_dims, over, rows
from gradcore.ops._dims import normalize_dim
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor, summed_dtype
from gradcore.ops._reducing import (
    SHAPES_AND_DIMS,
    Dims,
    as_dtype,
    averaged,
    axes,
    count,
    operand,
    over_dims,
    restored,
    squeezed,
)
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["all", "any", "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "prod", "sum"]


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
    x, dims = operand("sum", input, dim, keepdim)
    return sum_dim(x, dims, keepdim, dtype=dtype)  # type: ignore[no-any-return]


@op(node="SumBackward0", linear=True, samples=unary())
def sum_all(xp: Any, input: Any, /, *, dtype: Any = None) -> Any:
    """The sum of all elements."""
    return _sum(xp, input, None, False, dtype)


@sum_all.vjp("input")
def sum_all_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.broadcast_to(g, input_shape)


@sum_all.vmap
def sum_all_vmap(input: Any, dtype: Any) -> Any:
    return sum_dim(input, element_dims(input), dtype=dtype)


@op(node="SumBackward1", linear=True, samples=_over_dims_and_nothing)
def sum_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over some dimensions."""
    return _sum(xp, input, dim, keepdim, dtype)


@sum_dim.vjp("input")
def sum_dim_vjp(xp: Any, g: Any, input_shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return xp.broadcast_to(restored(xp, g, input_shape, dim, keepdim), input_shape)


@sum_dim.vmap
def sum_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool, dtype: Any) -> Any:
    return over(sum_dim, input, dim, keepdim, dtype=dtype)


@numpy_names
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of the elements that are not NaN.

    Raises:
        As :func:`sum`.
    """
    if dtype is not None:
        dtype = summed_dtype("nansum", input, dtype)
    x, dims = operand("nansum", input, dim, keepdim)
    if x.dtype.kind == "c":
        raise RuntimeError("nansum does not support complex inputs")
    return nansum_dim(x, dims, keepdim, dtype=dtype)  # type: ignore[no-any-return]


def _with_nan(make: Make) -> Iterator[Sample]:
    for shape, dim in SHAPES_AND_DIMS[:4]:
        values = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
        values[0, 1] = math.nan
        yield Sample(make.of(values, requires_grad=make.requires_grad), dim=dim)
    yield Sample(make(3), dim=(0,), keepdim=True)


@op(node="NansumBackward0", samples=_with_nan)
def nansum_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over some dimensions of what is not NaN."""
    numbers = input if kind_of(xp, input) in "biu" else xp.where(xp.isnan(input), 0, input)
    return _sum(xp, numbers, dim, keepdim, dtype)


@nansum_dim.vjp("input")
def nansum_dim_vjp(xp: Any, g: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return xp.where(xp.isnan(input), 0, restored(xp, g, input.shape, dim, keepdim))


@nansum_dim.vmap
def nansum_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool, dtype: Any) -> Any:
    return over(nansum_dim, input, dim, keepdim, dtype=dtype)


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
    x, dims = operand("mean", input, dim, keepdim)
    return mean_dim(x, dims, keepdim, dtype=dtype)  # type: ignore[no-any-return]


@numpy_names
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of the elements that are not NaN; NaN where there is none.

    Raises:
        As :func:`nansum`; integers.
    """
    x, dims = operand("nanmean", input, dim, keepdim)
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{dtypes.scalar_type_name(x.dtype)}; cast it, with .to(dtype)"
        )
    numbers = x.isnan().logical_not().sum(dims, keepdim)
    return nansum(x, dim, keepdim, dtype=dtype) / numbers  # type: ignore[no-any-return]


@op(node="MeanBackward0", linear=True, samples=unary())
def mean_all(xp: Any, input: Any, /, *, dtype: Any = None) -> Any:
    """The mean of all elements."""
    return averaged(xp, input, None, False, dtype)


@mean_all.vjp("input")
def mean_all_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.broadcast_to(xp.divide(g, xp.number(math.prod(input_shape), g.dtype)), input_shape)


@mean_all.vmap
def mean_all_vmap(input: Any, dtype: Any) -> Any:
    return mean_dim(input, element_dims(input), dtype=dtype)


@op(node="MeanBackward1", linear=True, samples=over_dims)
def mean_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over some dimensions."""
    return averaged(xp, input, dim, keepdim, dtype)


@mean_dim.vjp("input")
def mean_dim_vjp(xp: Any, g: Any, input_shape: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    share = restored(xp, g, input_shape, dim, keepdim) / count(input_shape, dim)
    return xp.broadcast_to(share, input_shape)


@mean_dim.vmap
def mean_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool, dtype: Any) -> Any:
    return over(mean_dim, input, dim, keepdim, dtype=dtype)


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
    if has_no_zero(xp, input):
        return xp.multiply(g, conj(xp, xp.divide(out, input)))
    others = _products_of_others(xp, xp.reshape(input, (-1,)), 0)
    return xp.multiply(g, conj(xp, xp.reshape(others, input.shape)))


@prod_all.vmap
def prod_all_vmap(input: Any, dtype: Any) -> Any:
    return prod_dim(rows(input), 1, dtype=dtype)


@op(node="ProdBackward1", samples=_products_over_dim)
def prod_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over one dimension."""
    return _prod(xp, input, dim, keepdim, dtype)


@prod_dim.vjp("input")
def prod_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: int, keepdim: bool) -> Any:
    g = restored(xp, g, input.shape, (dim,), keepdim)
    if not input.shape:
        return g
    if has_no_zero(xp, input):
        out = restored(xp, out, input.shape, (dim,), keepdim)
        return xp.multiply(g, conj(xp, xp.divide(out, input)))
    return xp.multiply(g, conj(xp, _products_of_others(xp, input, dim)))


@prod_dim.vmap
def prod_dim_vmap(input: Any, dim: int, keepdim: bool, dtype: Any) -> Any:
    return along(prod_dim, input, dim, keepdim, dtype=dtype)


def has_no_zero(xp: Any, x: Any) -> bool:
    """Whether it is known that no element is zero. Inside a function transform it is not: a batch has many answers."""
    return 0 in x.shape or (xp.device.level is None and bool(xp.all(xp.not_equal(x, 0))))


def _products_of_others(xp: Any, x: Any, axis: int) -> Any:
    """For every element the product of the others along ``axis``: of those before, times of those after.

    Without division, so it is right at zeros, for derivatives of any order.
    """
    all_but_last = (slice(None),) * axis + (slice(None, -1),)
    before = xp.cumulative_prod(xp.getitem(x, all_but_last), axis=axis, include_initial=True)
    turned = xp.getitem(xp.flip(x, axis=axis), all_but_last)
    after = xp.flip(xp.cumulative_prod(turned, axis=axis, include_initial=True), axis=axis)
    return xp.multiply(before, after)


@numpy_names
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` over ``dim``, without overflow.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = operand("logsumexp", input, dim, keepdim)
    return logsumexp_dim(x, dims, keepdim)  # type: ignore[no-any-return]


@op(node="LogsumexpBackward0", promote="float", samples=_over_dims_and_nothing)
def logsumexp_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The logarithm of the sum of exponentials over some dimensions."""
    if not dim:
        # A complex number keeps only the angle within pi.
        if kind_of(xp, input) != "c":
            return xp.positive(input)
        size = xp.astype(xp.real(input), input.dtype)
        return xp.add(xp.log(xp.exp(xp.subtract(input, size))), size)
    if count(input.shape, dim) == 0:
        return xp.log(xp.sum(xp.exp(input), axis=dim, keepdims=keepdim))
    top = xp.max(xp.real(input) if kind_of(xp, input) == "c" else input, axis=dim, keepdims=True)
    # An infinite maximum must not be subtracted from itself.
    top = xp.where(xp.isinf(top), 0, top)
    result = xp.log(xp.sum(xp.exp(xp.subtract(input, top)), axis=dim, keepdims=True))
    result = xp.add(result, top)
    return result if keepdim else squeezed(xp, result, dim)


@logsumexp_dim.vjp("input")
def logsumexp_dim_vjp(xp: Any, g: Any, input: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    g = restored(xp, g, input.shape, dim, keepdim)
    out = restored(xp, out, input.shape, dim, keepdim)
    return xp.multiply(g, conj(xp, xp.exp(xp.subtract(input, out))))


@logsumexp_dim.vmap
def logsumexp_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(logsumexp_dim, input, dim, keepdim)


# Truth and counts


@numpy_names
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether an element is not zero. bool, but uint8 for uint8.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = operand("any", input, dim, keepdim)
    return any_dim(x, dims, keepdim)  # type: ignore[no-any-return]


@numpy_names
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are not zero. bool, but uint8 for uint8.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = operand("all", input, dim, keepdim)
    return all_dim(x, dims, keepdim)  # type: ignore[no-any-return]


def _truths(make: Make) -> Iterator[Sample]:
    for shape, dim in SHAPES_AND_DIMS:
        yield Sample(make.bools(*shape), dim=dim)
        yield Sample(make(*shape), dim=dim, keepdim=True)
    yield Sample(make.bools(0, 2), dim=(0,))


@op(node="AnyBackward0", differentiable=False, samples=_truths)
def any_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """Whether some element is not zero, over some dimensions."""
    return _truth(xp, input, xp.any(input, axis=dim, keepdims=keepdim))


@any_dim.vmap
def any_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(any_dim, input, dim, keepdim)


@op(node="AllBackward0", differentiable=False, samples=_truths)
def all_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """Whether every element is not zero, over some dimensions."""
    return _truth(xp, input, xp.all(input, axis=dim, keepdims=keepdim))


@all_dim.vmap
def all_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(all_dim, input, dim, keepdim)


def _truth(xp: Any, input: Any, result: Any) -> Any:
    return xp.astype(result, dtypes.uint8) if xp.np_dtype(input.dtype) == dtypes.uint8 else result


@numpy_names
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero.

    Raises:
        IndexError: there is no such dimension.
    """
    x, dims = operand("count_nonzero", input, dim, False)
    return count_nonzero_dim(x, dims)  # type: ignore[no-any-return]


@op(node="CountNonzeroBackward0", differentiable=False, samples=_truths)
def count_nonzero_dim(xp: Any, input: Any, /, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The number of elements that are not zero, over some dimensions."""
    return xp.astype(xp.count_nonzero(input, axis=dim, keepdims=keepdim), dtypes.int64)


@count_nonzero_dim.vmap
def count_nonzero_dim_vmap(input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return over(count_nonzero_dim, input, dim, keepdim)


# As the Array API spells them; there an empty tuple of axes reduces nothing.


@standard("sum")
def _standard_sum(x: Any, /, *, axis: Dims = None, dtype: Any = None, keepdims: bool = False) -> Any:
    if axis is None and not keepdims:
        return sum_all(x, dtype=dtype)
    return sum_dim(x, axes(axis, x), keepdims, dtype=dtype)


@standard("mean")
def _standard_mean(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return mean_all(x) if axis is None and not keepdims else mean_dim(x, axes(axis, x), keepdims)


@standard("prod")
def _standard_prod(x: Any, /, *, axis: Dims = None, dtype: Any = None, keepdims: bool = False) -> Any:
    if axis is None and not keepdims:
        return prod_all(x, dtype=dtype)
    for a in sorted(axes(axis, x), reverse=True):
        x = prod_dim(x, a, keepdims, dtype=dtype)
    return x


@standard("any")
def _standard_any(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return any_dim(x, axes(axis, x), keepdims).to(dtypes.bool_)


@standard("all")
def _standard_all(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return all_dim(x, axes(axis, x), keepdims).to(dtypes.bool_)


@standard("count_nonzero")
def _standard_count_nonzero(x: Any, /, *, axis: Dims = None, keepdims: bool = False) -> Any:
    return count_nonzero_dim(x, axes(axis, x), keepdims)


# What they share


def _sum(xp: Any, x: Any, axis: Any, keepdims: bool, dtype: Any) -> Any:
    if dtype is None:
        given = xp.np_dtype(x.dtype)
        if given.itemsize > 2 and given.kind in "fc":
            return xp.sum(x, axis=axis, keepdims=keepdims)
        if given.kind not in "biu":
            # The digits of half precision would be lost on the way.
            return xp.astype(xp.sum(xp.astype(x, dtypes.float32), axis=axis, keepdims=keepdims), given)
        dtype = dtypes.int64
    if dtype.kind == "b":
        return xp.any(x, axis=axis, keepdims=keepdims)
    return xp.sum(as_dtype(xp, x, dtype), axis=axis, dtype=dtype, keepdims=keepdims)


def _prod(xp: Any, x: Any, axis: Any, keepdims: bool, dtype: Any) -> Any:
    if dtype is None and kind_of(xp, x) in "biu":
        dtype = dtypes.int64
    axis = axis if x.shape else None
    if dtype is None:
        return xp.prod(x, axis=axis, keepdims=keepdims)
    if dtype.kind == "b":
        return xp.all(x, axis=axis, keepdims=keepdims)
    return xp.prod(as_dtype(xp, x, dtype), axis=axis, dtype=dtype, keepdims=keepdims)
