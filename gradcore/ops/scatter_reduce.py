"""Values that meet at an index brought together: ``scatter_reduce`` and ``index_reduce``, by sum, product, mean, or extremum.

The values that go to one place are sorted beside each other, and combined in log(n) steps, each of which combines every
value with the one as far in front of it as the last step has reached. So a rule is a function of the namespace, and needs
no loop over elements.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.inplace import check_graph
from gradcore.op import op
from gradcore.ops._dims import normalize_dim
from gradcore.ops._indices import index_tensor, int_samples, refuse_negative, run_with_index_errors, vector
from gradcore.ops._operands import as_tensor
from gradcore.ops.gathering import check_smaller, check_source, vectors
from gradcore.ops.selecting import spread
from gradcore.ops.shape import ALL, reshape
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["index_reduce", "scatter_reduce"]

_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _reductions(make: Make) -> Iterator[Sample]:
    for reduce in _REDUCTIONS:
        for include_self in (True, False):
            yield Sample(
                make(3, 2, away_from=0.0),
                int_samples(make, [[2, 0], [0, 0], [2, 0]]),
                make(3, 2, away_from=0.0),
                dim=0,
                reduce=reduce,
                include_self=include_self,
            )
        yield Sample(
            make(2, 4),
            int_samples(make, [[3, 0, 3]]),
            make(2, 4, away_from=0.0),
            dim=1,
            reduce=reduce,
            include_self=True,
        )
        yield Sample(make(), int_samples(make, 0), make(away_from=0.0), dim=0, reduce=reduce, include_self=True)


@op(node="ScatterReduceBackward0", standard="scatter_reduce", samples=_reductions)
def reduced_along(xp: Any, input: Any, index: Any, src: Any, /, dim: int, reduce: str, include_self: bool) -> Any:
    """``input`` with the values ``src`` that meet at ``out[index[i][j]][j]`` (for ``dim=0``) brought together there."""
    refuse_negative(xp, index, input.shape, dim)
    return _reduced(xp, input, index, src, dim, reduce, include_self)


reduced_along.op.shares = "none"


@reduced_along.vjp("input", "src")
def reduced_along_vjp(
    xp: Any, g: Any, input: Any, index: Any, src: Any, out: Any, dim: int, reduce: str, include_self: bool, needs: Any
) -> Any:
    shape, src_shape = tuple(input.shape), tuple(src.shape)
    g, input, out, index, src = (vector(xp, x) for x in (g, input, out, index, src))
    whole, src = src, _corner(xp, src, index)
    to_input, to_src = _gradients(xp, g, input, index, src, out, dim, reduce, include_self)
    if tuple(src.shape) != tuple(whole.shape):
        to_src = xp.scatter_add(to_src, tuple([slice(0, n) for n in src.shape]), tuple(whole.shape))
    return xp.reshape(to_input, shape) if needs[0] else None, xp.reshape(to_src, src_shape) if needs[1] else None


@reduced_along.vmap
def reduced_along_vmap(input: Any, index: Any, src: Any, dim: int, reduce: str, include_self: bool) -> Any:
    return reshape(reduced_along(*vectors(input, index, src), dim + 1, reduce, include_self), input.shape)


@numpy_names
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``input`` with values brought together at an index; for ``dim=0``: ``src[i][j]`` goes to ``out[index[i][j]][j]``.

    Args:
        src: values of the dtype of ``input``, at least as large as ``index``.
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the value that ``input`` has there counts, too.

    Raises:
        RuntimeError: an index out of range, one of another dtype than int64 or int32, sizes that do not fit, or another
            ``reduce``.
    """
    operands = _operands(input, dim, index, src, reduce)
    return run_with_index_errors(reduced_along, RuntimeError, *operands, reduce, include_self)


def scatter_reduce_(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Bring values together in this tensor; see :func:`scatter_reduce`."""
    operands = _operands(self, dim, index, src, reduce)
    return run_with_index_errors(reduced_along.inplace, RuntimeError, *operands, reduce, include_self)


def _row_reductions(make: Make) -> Iterator[Sample]:
    for reduce in _REDUCTIONS[1:]:
        for include_self in (True, False):
            yield Sample(
                make(3, 2, away_from=0.0),
                int_samples(make, [2, 0, 2]),
                make(3, 2, away_from=0.0),
                dim=0,
                reduce=reduce,
                include_self=include_self,
            )
        yield Sample(make(2, 3), int_samples(make, [1, 1]), make(2, 2), dim=1, reduce=reduce, include_self=True)


@op(node="IndexReduceBackward0", samples=_row_reductions)
def rows_reduced(xp: Any, input: Any, index: Any, source: Any, /, dim: int, reduce: str, include_self: bool) -> Any:
    """``input`` with the rows of ``source`` brought together at the positions ``index`` of a dimension."""
    refuse_negative(xp, index, input.shape, dim)
    return _reduced(xp, input, _spread(xp, index, source, dim), source, dim, reduce, include_self)


rows_reduced.op.shares = "none"


@rows_reduced.vjp("input", "source")
def rows_reduced_vjp(
    xp: Any,
    g: Any,
    input: Any,
    index: Any,
    source: Any,
    out: Any,
    dim: int,
    reduce: str,
    include_self: bool,
    needs: Any,
) -> Any:
    at = _spread(xp, index, source, dim)
    shape, source_shape = tuple(input.shape), tuple(source.shape)
    g, input, at, source, out = (vector(xp, x) for x in (g, input, at, source, out))
    to_input, to_source = _gradients(xp, g, input, at, source, out, dim, reduce, include_self)
    return xp.reshape(to_input, shape), xp.reshape(to_source, source_shape)


@rows_reduced.vmap
def rows_reduced_vmap(input: Any, index: Any, source: Any, dim: int, reduce: str, include_self: bool) -> Any:
    target, values = vectors(input, source)
    at = spread(index, values.shape, dim + 1)
    return reshape(reduced_along(target, at, values, dim + 1, reduce, include_self), input.shape)


@numpy_names
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``input`` with the rows of ``source`` brought together at the positions ``index`` of a dimension.

    Args:
        reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the value that ``input`` has there counts, too.

    Raises:
        IndexError: ``index`` is no vector, or out of range.
        RuntimeError: dtypes that differ, sizes that do not fit, or another ``reduce``.
    """
    operands = _row_operands(input, dim, index, source, reduce)
    return run_with_index_errors(rows_reduced, IndexError, *operands, reduce, include_self)


def index_reduce_(
    self: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Bring rows together in this tensor; see :func:`index_reduce`."""
    check_graph(self, "index_reduce_", (self, source))
    operands = _row_operands(self, dim, index, source, reduce)
    return run_with_index_errors(rows_reduced.inplace, IndexError, *operands, reduce, include_self)


# What the rules and forward functions share.


def _reduced(xp: Any, input: Any, index: Any, src: Any, dim: int, reduce: str, include_self: bool) -> Any:
    shape = tuple(input.shape)
    input, index, src = vector(xp, input), vector(xp, index), vector(xp, src)
    src = _corner(xp, src, index)
    size = tuple(input.shape)
    if 0 in index.shape:
        return xp.reshape(xp.copy(input), shape)
    times = xp.scatter_add_along(xp.ones(index.shape, dtype=xp.int64), index, dim, size)
    if reduce in ("sum", "mean"):
        total = xp.scatter_add_along(src, index, dim, size)
        if include_self:
            total, times = xp.add(input, total), xp.add(times, 1)
        if reduce == "mean":
            total = _divided(xp, total, xp.where(times > 0, times, 1))
        return xp.reshape(xp.where(times > 0, total, input), shape)
    combine = {"prod": xp.multiply, "amax": xp.maximum, "amin": xp.minimum}[reduce]
    found = xp.scatter_add_along(*_combined(xp, combine, index, src, dim), dim, size)
    if include_self:
        found = combine(input, found)
    return xp.reshape(xp.where(times > 0, found, input), shape)


def _combined(xp: Any, combine: Any, index: Any, src: Any, dim: int) -> tuple[Any, Any]:
    """Values sorted by their index along a dimension: of each index the combination, once, else zeros; and the indices."""
    order = xp.argsort(index, axis=dim, stable=True)
    index, values = xp.take_along_axis(index, order, axis=dim), xp.take_along_axis(src, order, axis=dim)
    count = index.shape[dim]
    reach = 1
    while reach < count:
        late, early = (ALL,) * dim + (slice(reach, None), ...), (ALL,) * dim + (slice(0, count - reach), ...)
        here = xp.getitem(values, late)
        both = combine(xp.getitem(values, early), here)
        same = xp.equal(xp.getitem(index, early), xp.getitem(index, late))
        head = xp.getitem(values, (ALL,) * dim + (slice(0, reach), ...))
        values = xp.concat([head, xp.where(same, both, here)], axis=dim)
        reach *= 2
    if count > 1:
        late, early = (ALL,) * dim + (slice(1, None), ...), (ALL,) * dim + (slice(0, count - 1), ...)
        ends = xp.not_equal(xp.getitem(index, early), xp.getitem(index, late))
        final = xp.ones((*index.shape[:dim], 1, *index.shape[dim + 1 :]), dtype=xp.bool)
        values = xp.where(xp.concat([ends, final], axis=dim), values, xp.zeros_like(values))
    return values, index


def _gradients(
    xp: Any, g: Any, input: Any, index: Any, src: Any, out: Any, dim: int, reduce: str, include_self: bool
) -> tuple[Any, Any]:
    size = tuple(input.shape)
    if 0 in index.shape:
        return g, xp.zeros_like(src)

    def added(values: Any) -> Any:
        return xp.scatter_add_along(values, index, dim, size)

    def there(values: Any) -> Any:
        return xp.gather(values, index, dim)

    ones = xp.ones(index.shape, dtype=g.dtype)
    if reduce == "sum":
        to_input, to_src = g, there(g)
    elif reduce == "mean":
        times = added(ones)
        if include_self:
            times = xp.add(times, 1)
        shared = xp.divide(g, xp.where(times > 0, times, xp.ones_like(times)))
        to_input, to_src = shared, there(shared)
    elif reduce == "prod":
        to_input, to_src = _gradients_of_product(xp, g, input, index, src, out, dim, include_self)
    else:
        # Ties share the gradient.
        mine = xp.astype(xp.equal(input, out), g.dtype)
        theirs = xp.astype(xp.equal(src, there(out)), g.dtype)
        times = xp.add(mine, added(theirs))
        shared = xp.divide(g, times)
        to_input, to_src = xp.multiply(mine, shared), xp.multiply(theirs, there(shared))
    if not include_self:
        to_input = xp.where(added(ones) > 0, 0.0, to_input)
    return to_input, to_src


def _gradients_of_product(
    xp: Any, g: Any, input: Any, index: Any, src: Any, out: Any, dim: int, include_self: bool
) -> tuple[Any, Any]:
    """Each factor gets the product of the others: by division, and where a factor is 0 alone, without it."""

    def product(x: Any, values: Any) -> Any:
        return _reduced(xp, x, index, values, dim, "prod", include_self)

    def there(values: Any) -> Any:
        return xp.gather(values, index, dim)

    without_zeros = xp.where(xp.equal(input, 0), 1.0, input)
    to_input = xp.divide(xp.multiply(g, product(without_zeros, src)), without_zeros)
    is_zero = xp.equal(src, 0)
    zeros = xp.scatter_add_along(xp.astype(is_zero, g.dtype), index, dim, tuple(input.shape))
    alone = xp.logical_and(is_zero, xp.equal(there(zeros), 1))
    rest = product(input, xp.where(alone, 1.0, src))
    divided = xp.divide(there(xp.multiply(g, out)), xp.where(is_zero, 1.0, src))
    return to_input, xp.where(alone, there(xp.multiply(g, rest)), divided)


def _corner(xp: Any, src: Any, index: Any) -> Any:
    """The part of ``src`` that ``index`` is for."""
    if tuple(src.shape) == tuple(index.shape):
        return src
    return xp.getitem(src, (*[slice(0, n) for n in index.shape], ...))


def _spread(xp: Any, index: Any, source: Any, dim: int) -> Any:
    """An index vector as an index for every element of ``source``."""
    if not source.shape:
        return xp.reshape(index, ())
    index = xp.reshape(index, (-1, *[1] * (len(source.shape) - dim - 1)))
    return xp.broadcast_to(index, tuple(source.shape))


def _divided(xp: Any, total: Any, times: Any) -> Any:
    if xp.np_dtype(total.dtype).kind in "iu":
        return xp.floor_divide(total, xp.astype(times, total.dtype))
    return xp.divide(total, xp.astype(times, total.dtype))


def _operands(input: Any, dim: int, index: Any, src: Any, reduce: str) -> tuple[Any, ...]:
    input = as_tensor(input, "scatter_reduce")
    src = as_tensor(src, "scatter_reduce", "src", 4)
    index = index_tensor("scatter_reduce", index, input, any_if_empty=True)
    dim = normalize_dim(dim, input.ndim)
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if reduce in ("amax", "amin") and input.is_complex():
        raise NotImplementedError(
            f'"scatter_reduce" with {reduce} is not implemented for {dtypes.scalar_type_name(input.dtype)!r}'
        )
    check_smaller("scatter_reduce", index, input, "self", dim)
    check_source("scatter_reduce", input, index, src)
    return input, index, src, dim


def _row_operands(input: Any, dim: int, index: Any, source: Any, reduce: str) -> tuple[Any, ...]:
    warnings.warn("index_reduce() is in beta and the API may change at any time.", UserWarning, stacklevel=3)
    input = as_tensor(input, "index_reduce")
    source = as_tensor(source, "index_reduce", "source", 4)
    index = index_tensor("index_reduce", index, input)
    dim = normalize_dim(dim, input.ndim)
    if reduce not in _REDUCTIONS[1:]:
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}")
    if reduce in ("amax", "amin") and input.is_complex():
        raise NotImplementedError(
            f'"index_reduce" with {reduce} is not implemented for {dtypes.scalar_type_name(input.dtype)!r}'
        )
    if index.ndim > 1:
        raise IndexError(f"index_reduce(): Index is supposed to be a vector, but got shape {list(index.shape)}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"index_reduce(): self ({dtypes.scalar_type_name(input.dtype)}) and source "
            f"({dtypes.scalar_type_name(source.dtype)}) must have the same scalar type"
        )
    shape = list(input.shape)
    if shape:
        shape[dim] = index.numel()
    if list(source.shape) != shape:
        raise RuntimeError(
            f"index_reduce(): source has shape {list(source.shape)}, but {index.numel()} indices for dimension {dim} of "
            f"{list(input.shape)} need {shape}"
        )
    return input, index, source, dim
