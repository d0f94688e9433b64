"""Elements of a tensor counted through in row-major order: read and written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.inplace import check_graph
from gradcore.op import op
from gradcore.ops._batched_indices import number_of_element
from gradcore.ops._indices import (
    Place,
    cleared_at,
    index_tensor,
    int_samples,
    run_with_index_errors,
)
from gradcore.ops._operands import as_tensor
from gradcore.ops.index_tensors import index as index_at
from gradcore.ops.index_tensors import values_put
from gradcore.ops.shape import reshape
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["put", "take"]


def _flat_indices(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), int_samples(make, [[5, 0], [0, -1]]))
    yield Sample(make(3), int_samples(make, 1))
    yield Sample(make(), int_samples(make, [0, 0]))


@op(node="TakeBackward0", linear=True, samples=_flat_indices)
def taken(xp: Any, input: Any, index: Any, /) -> Any:
    """The elements at positions counted in row-major order."""
    flat = xp.take(xp.reshape(input, (-1,)), xp.reshape(index, (-1,)), axis=0)
    return xp.reshape(flat, index.shape)


@taken.vjp("input")
def taken_vjp(xp: Any, g: Any, index: Any, input_shape: Any) -> Any:
    return xp.reshape(xp.scatter_add(g, (index,), (math.prod(input_shape),)), tuple(input_shape))


@taken.vmap
def taken_vmap(input: Any, index: Any, size: int) -> Any:
    flat = index_at(_rows(input), number_of_element(size, 1, index), _rows(index), at=(Place(0), Place(1)))
    return reshape(flat, index.shape)


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at positions counted in row-major order, in the shape of ``index``.

    Raises:
        IndexError: a position is out of range.
        RuntimeError: ``index`` has another dtype than int64.
    """
    input = as_tensor(input, "take")
    return run_with_index_errors(taken, IndexError, input, index_tensor("take", index, input, "a long tensor"))


def _flat_writes(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 3), int_samples(make, [[5, 0]]), make(2), accumulate=False)
    yield Sample(make(2, 3), int_samples(make, [1, 1]), make(2), accumulate=True)


@op(node="PutBackward0", linear=True, samples=_flat_writes)
def put_flat(xp: Any, input: Any, index: Any, source: Any, /, accumulate: bool) -> Any:
    """``input`` with values written, or added, at positions counted in row-major order."""
    at, values = (xp.reshape(index, (-1,)),), xp.reshape(source, (-1,))
    if accumulate:
        return xp.add(input, xp.reshape(xp.scatter_add(values, at, (math.prod(input.shape),)), input.shape))
    flat = xp.copy(xp.reshape(input, (-1,)))
    xp.setitem(flat, at, values)
    return xp.reshape(flat, input.shape)


put_flat.op.shares = "none"


@put_flat.vjp("input")
def put_flat_vjp_input(xp: Any, g: Any, index: Any, accumulate: bool) -> Any:
    if accumulate:
        return g
    return xp.reshape(cleared_at(xp, xp.reshape(g, (-1,)), xp.reshape(index, (-1,)), 0), g.shape)


@put_flat.vjp("source")
def put_flat_vjp_source(xp: Any, g: Any, index: Any, source_shape: Any) -> Any:
    return xp.reshape(xp.getitem(xp.reshape(g, (-1,)), (xp.reshape(index, (-1,)),)), tuple(source_shape))


@put_flat.vmap
def put_flat_vmap(input: Any, index: Any, source: Any, accumulate: bool, size: int) -> Any:
    at = (number_of_element(size, 1, index), _rows(index))
    flat = values_put(_rows(input), _rows(source), *at, at=(Place(0), Place(1)), accumulate=accumulate)
    return reshape(flat, input.shape)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with values written, or added, at positions counted in row-major order.

    Raises:
        IndexError: a position is out of range, or there are not as many values as positions.
        RuntimeError: dtypes do not fit.
    """
    return run_with_index_errors(put_flat, IndexError, *_put_operands(input, index, source), accumulate)


def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Write into this tensor; see :func:`put`."""
    check_graph(self, "put_", (self, source))
    return run_with_index_errors(put_flat.inplace, IndexError, *_put_operands(self, index, source), accumulate)


def _put_operands(input: Any, index: Any, source: Any) -> tuple[Tensor, Tensor, Tensor]:
    input, source = as_tensor(input, "put_"), as_tensor(source, "put_", "source", 3)
    index = index_tensor("put_", index, input, "a long tensor")
    if source.dtype != input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{dtypes.scalar_type_name(input.dtype)} and source.dtype = {dtypes.scalar_type_name(source.dtype)}"
        )
    if source.numel() != index.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.numel()}, index.numel() = {index.numel()}"
        )
    return input, index, source


def _rows(x: Any) -> Any:
    return reshape(x, (x.shape[0], math.prod(x.shape[1:])))
