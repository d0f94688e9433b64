"""The most frequent elements, and the middle ones of those that are not NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import op
from gradcore.ops._batching import along, rows
from gradcore.ops._dims import check_not_empty, normalize_dim
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import widened
from gradcore.ops._scans import part, places_along, running_max
from gradcore.ops.extremum import over_dim, put_back, require_order, selected
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["mode", "nanmedian"]


@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> return_types.mode:
    """The most frequent element along ``dim``, the smallest of several, and where the last such stands: ``(values, indices)``.

    Raises:
        IndexError: there is no such dimension, or it has size 0.
        NotImplementedError: complex numbers have no order.
    """
    x = as_tensor(input, "mode")
    if x.dtype.kind == "c":
        refuse_dtype("mode_cpu", x.dtype)
    dim = normalize_dim(dim, x.ndim)
    check_not_empty("mode", x.shape, (dim,) if x.ndim else ())
    return return_types.mode(*mode_dim(x, dim, keepdim))


def _repeated(make: Make) -> Iterator[Sample]:
    yield from over_dim(make)
    for keepdim in (False, True):
        values = [[1.0, 2.0, 2.0, 0.5], [3.0, 1.0, 3.0, 1.0]]
        yield Sample(make.of(values, requires_grad=False), dim=1, keepdim=keepdim)


@op(node="ModeBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_repeated)
def mode_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False) -> Any:
    """The most frequent elements along a dimension, and where they stand."""
    return selected(xp, input, _most_frequent(xp, input, dim) if input.shape else None, dim, keepdim)


@mode_dim.vjp("input")
def mode_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    return put_back(xp, g, input_shape, indices, dim, keepdim)


@mode_dim.vmap
def mode_dim_vmap(input: Any, dim: int, keepdim: bool) -> Any:
    return along(mode_dim, input, dim, keepdim)


def _most_frequent(xp: Any, x: Any, dim: int) -> Any:
    """Where the most frequent element along ``dim`` stands."""
    x = xp.astype(x, dtypes.uint8) if kind_of(xp, x) == "b" else widened(xp, x)
    order = xp.argsort(x, axis=dim, stable=True)
    if math.prod(x.shape) == 0:
        return xp.sum(order, axis=dim, keepdims=True)
    ordered = xp.take_along_axis(x, order, axis=dim)
    starts = xp.not_equal(part(xp, ordered, dim, 1, None), part(xp, ordered, dim, 0, -1))
    starts = xp.concat([xp.ones_like(part(xp, ordered, dim, 0, 1), dtype=dtypes.bool_), starts], axis=dim)
    places = places_along(xp, x, dim)
    start = running_max(xp, xp.where(starts, places, 0), dim)
    # How many equal elements end at each place; of the longest runs the first is that of the smallest element.
    last = xp.argmax(xp.subtract(places, start), axis=dim, keepdims=True)
    return xp.take_along_axis(order, last, axis=dim)


@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle one of the elements that are not NaN, the lower of two; with ``dim``, ``(values, indices)`` along it.

    Raises:
        IndexError: there is no such dimension, or it has size 0.
        NotImplementedError: complex numbers and truth values.
    """
    require_order("median_cpu", input)
    if dim is None:
        return nanmedian_all(input)
    x = as_tensor(input, "nanmedian")
    dim = normalize_dim(dim, x.ndim)
    check_not_empty("median", x.shape, (dim,) if x.ndim else ())
    return return_types.nanmedian(*nanmedian_dim(x, dim, keepdim))


def _with_nan(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3))
    yield Sample(make())
    yield Sample(make.of([math.nan, 2.0, -1.0, math.nan, 0.5], requires_grad=make.requires_grad))


def _with_nan_over_dim(make: Make) -> Iterator[Sample]:
    yield from over_dim(make)
    values = [[math.nan, 2.0, -1.0], [1.0, 0.5, math.nan]]
    yield Sample(make.of(values, requires_grad=make.requires_grad), dim=1)


@op(node="NanmedianBackward0", samples=_with_nan)
def nanmedian_all(xp: Any, input: Any, /) -> Any:
    """The middle one of all elements that are not NaN."""
    if math.prod(input.shape) == 0:
        return xp.full((), math.nan if kind_of(xp, input) == "f" else 0, dtype=input.dtype)
    flat = xp.reshape(input, (-1,))
    return selected(xp, flat, _middle_of_numbers(xp, flat, 0), 0, False)[0]


@nanmedian_all.vjp("input")
def nanmedian_all_vjp(xp: Any, g: Any, input: Any, out: Any) -> Any:
    both_nan = xp.logical_and(xp.not_equal(input, input), xp.not_equal(out, out))
    tied = xp.logical_or(xp.equal(input, out), both_nan)
    return xp.where(tied, xp.divide(g, xp.sum(xp.astype(tied, g.dtype))), 0)


@nanmedian_all.vmap
def nanmedian_all_vmap(input: Any) -> Any:
    return nanmedian_dim(rows(input), 1)[0]


@op(
    node="NanmedianBackward1",
    outputs=("values", "indices"),
    nondifferentiable=("indices",),
    samples=_with_nan_over_dim,
)
def nanmedian_dim(xp: Any, input: Any, /, dim: int, keepdim: bool = False) -> Any:
    """The middle ones of the elements along a dimension that are not NaN, and where they stand."""
    return selected(xp, input, _middle_of_numbers(xp, input, dim) if input.shape else None, dim, keepdim)


@nanmedian_dim.vjp("input")
def nanmedian_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    return put_back(xp, g, input_shape, indices, dim, keepdim)


@nanmedian_dim.vmap
def nanmedian_dim_vmap(input: Any, dim: int, keepdim: bool) -> Any:
    return along(nanmedian_dim, input, dim, keepdim)


def _middle_of_numbers(xp: Any, x: Any, dim: int) -> Any:
    """Where the median of the numbers along ``dim`` stands; the first NaN, if there is no number."""
    order = xp.argsort(widened(xp, x), axis=dim)  # NaN goes to the end
    count = xp.sum(xp.astype(xp.equal(x, x), dtypes.int64), axis=dim, keepdims=True)
    return xp.take_along_axis(order, xp.maximum(xp.subtract(count, 1), 0) // 2, axis=dim)
