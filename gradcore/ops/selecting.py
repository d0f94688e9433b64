"""Reading and writing at positions of one dimension: ``index_select``, ``index_add``, ``index_copy``, ``index_fill``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.inplace import check_graph
from gradcore.op import is_tensor, op, standard
from gradcore.ops._batched_indices import BatchedIndex, in_front
from gradcore.ops._batching import aligned
from gradcore.ops._dims import normalize_dim
from gradcore.ops._indices import (
    Place,
    added_at,
    as_number,
    cleared_at,
    index_tensor,
    int_samples,
    is_written_at,
    refuse_negative,
    rows_at,
    run_with_index_errors,
    vector,
)
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import fill_value
from gradcore.ops.broadcasting import expand
from gradcore.ops.cast import cast
from gradcore.ops.creation import full
from gradcore.ops.gathering import added_along, gathered, scattered, vectors
from gradcore.ops.index_tensors import index as index_at
from gradcore.ops.index_tensors import values_put
from gradcore.ops.masking import where
from gradcore.ops.shape import ALL, reshape
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["index_add", "index_copy", "index_fill", "index_select"]


def _positions(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), int_samples(make, [0, 2, 2]), dim=0)
    yield Sample(make(2, 3), int_samples(make, [1]), dim=1)
    yield Sample(make(2, 3), int_samples(make, 2), dim=1)
    yield Sample(make(), int_samples(make, [0]), dim=0)
    yield Sample(make(2), make.ints(0), dim=0)


@op(node="IndexSelectBackward0", linear=True, samples=_positions)
def selected(xp: Any, input: Any, index: Any, /, dim: int) -> Any:
    """The positions ``index`` of a dimension."""
    refuse_negative(xp, index, input.shape, dim)
    if not input.shape:
        return xp.reshape(xp.take(vector(xp, input), vector(xp, index), axis=0), ())
    return xp.take(input, vector(xp, index), axis=dim)


@selected.vjp("input")
def selected_vjp(xp: Any, g: Any, index: Any, input_shape: Any, dim: int) -> Any:
    return added_at(xp, g, index, tuple(input_shape), dim)


@selected.vmap
def selected_vmap(input: Any, index: Any, dim: int, batched: Any, size: int) -> Any:
    input = in_front(input, batched[0], size)
    (source,) = vectors(input)
    out = (
        gathered(source, spread(index, source.shape, dim + 1), dim + 1)
        if batched[1]
        else selected(source, index, dim + 1)
    )
    return out if input.ndim > 1 else reshape(out, (size,))


@numpy_names
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The positions ``index`` of a dimension, in that order; a copy.

    Raises:
        IndexError: an index is out of range, or ``index`` is no vector.
        RuntimeError: ``index`` has another dtype than int64 or int32, or not one element for an ``input`` without dimensions.
    """
    input = as_tensor(input, "index_select")
    index = _index_vector("index_select", index, input)
    dim = normalize_dim(dim, input.ndim)
    if not input.ndim and index.numel() != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)")
    return run_with_index_errors(selected, IndexError, input, index, dim)


@standard("take")
def take_standard(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """Positions of an axis, in the standard's spelling; ``indices`` may have any shape."""
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalize_dim(axis, x.ndim)
    return index_at(x, indices, at=(ALL,) * axis + (Place(0),))  # type: ignore[no-any-return]


def _rows(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), int_samples(make, [2, 0]), make(2, 2), dim=0)
    yield Sample(make(2, 3), int_samples(make, [1]), make(2, 1), dim=1)
    yield Sample(make(), int_samples(make, [0]), make(), dim=0)
    yield Sample(make(3), make.ints(0), make(0), dim=0)


def _rows_to_add(make: Make) -> Iterator[Sample]:
    for sample in _rows(make):
        yield Sample(*sample.operands, dim=sample.params["dim"], alpha=1)
    yield Sample(make(3), int_samples(make, [1, 1]), make(2), dim=0, alpha=2)


@op(node="IndexAddBackward0", linear=True, samples=_rows_to_add)
def rows_added(xp: Any, input: Any, index: Any, source: Any, /, dim: int, alpha: Any) -> Any:
    """``input`` with ``alpha * source`` added at the positions ``index`` of a dimension."""
    refuse_negative(xp, index, input.shape, dim)
    return xp.add(input, added_at(xp, source if alpha == 1 else source * alpha, index, input.shape, dim))


rows_added.op.shares = "none"


@rows_added.vjp("input")
def rows_added_vjp_input(xp: Any, g: Any) -> Any:
    return g


@rows_added.vjp("source")
def rows_added_vjp_source(xp: Any, g: Any, index: Any, source_shape: Any, dim: int, alpha: Any) -> Any:
    rows = xp.reshape(rows_at(xp, g, index, dim), tuple(source_shape))
    return rows if alpha == 1 else xp.multiply(rows, alpha)


@rows_added.vmap
def rows_added_vmap(input: Any, index: Any, source: Any, dim: int, alpha: Any, batched: Any, size: int) -> Any:
    input, source = in_front(input, batched[0], size), in_front(source, batched[2], size)
    target, rows = vectors(input, source)
    if batched[1]:
        rows = rows if alpha == 1 else rows * alpha
        return reshape(added_along(target, spread(index, rows.shape, dim + 1), rows, dim + 1), input.shape)
    return reshape(rows_added(target, index, rows, dim + 1, alpha), input.shape)


@numpy_names
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """``input`` with ``alpha * source`` added at the positions ``index`` of a dimension, also at repeated ones.

    Raises:
        RuntimeError: an index out of range (IndexError for a vector), dtypes that differ, or shapes that do not fit.
    """
    operands = _row_operands("index_add_", input, dim, index, source, RuntimeError)
    return run_with_index_errors(rows_added, IndexError if operands[0].ndim < 2 else RuntimeError, *operands, alpha)


def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Add to this tensor; see :func:`index_add`."""
    check_graph(self, "index_add_", (self, source))
    operands = _row_operands("index_add_", self, dim, index, source, RuntimeError)
    return run_with_index_errors(rows_added.inplace, IndexError if self.ndim < 2 else RuntimeError, *operands, alpha)


@op(node="IndexCopyBackward0", linear=True, samples=_rows)
def rows_put(xp: Any, input: Any, index: Any, source: Any, /, dim: int) -> Any:
    """``input`` with ``source`` written at the positions ``index`` of a dimension."""
    out = xp.copy(input)
    rows_put_into(xp, out, index, source, dim)
    return out


@rows_put.into
def rows_put_into(xp: Any, input: Any, index: Any, source: Any, dim: int) -> None:
    refuse_negative(xp, index, input.shape, dim)
    xp.setitem(vector(xp, input), (ALL,) * dim + (vector(xp, index),), vector(xp, source))


rows_put.op.shares = "none"


@rows_put.vjp("input")
def rows_put_vjp_input(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return cleared_at(xp, g, index, dim)


@rows_put.vjp("source")
def rows_put_vjp_source(xp: Any, g: Any, index: Any, source_shape: Any, dim: int) -> Any:
    return xp.reshape(rows_at(xp, g, index, dim), tuple(source_shape))


@rows_put.vmap
def rows_put_vmap(input: Any, index: Any, source: Any, dim: int, batched: Any, size: int) -> Any:
    input, source = in_front(input, batched[0], size), in_front(source, batched[2], size)
    target, rows = vectors(input, source)
    if batched[1]:
        return reshape(scattered(target, spread(index, rows.shape, dim + 1), rows, dim + 1), input.shape)
    return reshape(rows_put(target, index, rows, dim + 1), input.shape)


@numpy_names
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """``input`` with ``source`` written at the positions ``index`` of a dimension.

    Raises:
        IndexError: an index out of range, or shapes that do not fit.
        RuntimeError: dtypes that differ.
    """
    return run_with_index_errors(
        rows_put, IndexError, *_row_operands("index_copy_", input, dim, index, source, IndexError)
    )


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Write into this tensor; see :func:`index_copy`."""
    check_graph(self, "index_copy_", (self, source))
    return run_with_index_errors(
        rows_put.inplace, IndexError, *_row_operands("index_copy_", self, dim, index, source, IndexError)
    )


def _positions_to_fill(make: Make) -> Iterator[Sample]:
    for sample in _positions(make):
        yield Sample(*sample.operands, dim=sample.params["dim"], value=1.5)


@op(node="IndexFillBackward0", samples=_positions_to_fill)
def rows_filled(xp: Any, input: Any, index: Any, /, dim: int, value: Any) -> Any:
    """``input`` with one number at the positions ``index`` of a dimension."""
    out = xp.copy(input)
    rows_filled_into(xp, out, index, dim, value)
    return out


@rows_filled.into
def rows_filled_into(xp: Any, input: Any, index: Any, dim: int, value: Any) -> None:
    xp.setitem(vector(xp, input), (ALL,) * dim + (vector(xp, index),), value)


@rows_filled.vjp("input")
def rows_filled_vjp(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return cleared_at(xp, g, index, dim)


@rows_filled.vmap
def rows_filled_vmap(input: Any, index: Any, dim: int, value: Any, batched: Any, size: int) -> Any:
    input = in_front(input, batched[0], size)
    if not batched[1]:
        return reshape(rows_filled(*vectors(input), index, dim + 1, value), input.shape)
    return _filled_batch(input, index, full((size,), value, dtype=input.dtype, device=input.device), dim, True, size)


def _positions_to_fill_with_tensors(make: Make) -> Iterator[Sample]:
    for sample in _positions(make):
        yield Sample(*sample.operands, make(), dim=sample.params["dim"])


@op(node="IndexFillBackward1", linear=True, samples=_positions_to_fill_with_tensors)
def rows_filled_with(xp: Any, input: Any, index: Any, value: Any, /, dim: int) -> Any:
    """``input`` with a 0-d tensor at the positions ``index`` of a dimension."""
    out = xp.copy(input)
    rows_filled_into(xp, out, index, dim, value)
    return out


rows_filled_with.op.shares = "any"


@rows_filled_with.into
def rows_filled_with_into(xp: Any, input: Any, index: Any, value: Any, dim: int) -> None:
    rows_filled_into(xp, input, index, dim, value)


@rows_filled_with.vjp("input")
def rows_filled_with_vjp_input(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return cleared_at(xp, g, index, dim)


@rows_filled_with.vjp("value")
def rows_filled_with_vjp_value(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return xp.sum(xp.where(is_written_at(xp, g, index, dim), g, 0.0))


@rows_filled_with.vmap
def rows_filled_with_vmap(input: Any, index: Any, value: Any, dim: int, batched: Any, size: int) -> Any:
    input, value = in_front(input, batched[0], size), in_front(value, batched[2], size)
    # Through a mask: a position that is named twice is written once, and counts once for the gradient.
    false = full(tuple(input.shape), False, dtype=dtypes.bool_, device=input.device)
    true = full((size,), True, dtype=dtypes.bool_, device=input.device)
    written = _filled_batch(false, index, true, dim, batched[1], size)
    return where(written, aligned(cast(value, input.dtype), input.ndim - 1), input)


@numpy_names
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """``input`` with one number, or a 0-d tensor, at the positions ``index`` of a dimension.

    Raises:
        IndexError: an index out of range.
        RuntimeError: a value that the dtype cannot hold, or one with dimensions.
    """
    chosen, operands = _index_fill_operands(input, dim, index, value)
    return run_with_index_errors(chosen, IndexError, *operands)


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Fill positions of this tensor; see :func:`index_fill`."""
    chosen, operands = _index_fill_operands(self, dim, index, value)
    return run_with_index_errors(chosen.inplace, IndexError, *operands)


def spread(index: Any, shape: Any, dim: int) -> Any:
    """A batch of index vectors as an index for every element of a batch of a shape."""
    count = math.prod(index.shape[1:])
    wide = reshape(index, (index.shape[0], *[1] * (dim - 1), count, *[1] * (len(shape) - dim - 1)))
    return expand(wide, (*shape[:dim], count, *shape[dim + 1 :]))


def _filled_batch(input: Any, index: Any, value: Any, dim: int, batched: Any, size: int) -> Any:
    """A batch with one value of each element at positions of a dimension."""
    if input.ndim == 1:
        return reshape(_filled_batch(reshape(input, (size, 1)), index, value, dim, batched, size), input.shape)
    place = BatchedIndex((ALL,) * dim + (Place(0),), [index], [batched], input.shape[1:], size)
    return values_put(input, place.values(value), *place.indices, at=place.at, accumulate=False)


def _index_vector(function: str, index: Any, input: Tensor) -> Tensor:
    at = index_tensor(function, index, input)
    if at.ndim > 1:
        raise IndexError(f"{function}(): Index is supposed to be a vector, but got shape {list(at.shape)}")
    return at


def _row_operands(
    function: str, input: Any, dim: int, index: Any, source: Any, error: type[Exception]
) -> tuple[Tensor, Tensor, Tensor, int]:
    """The operands, checked; ``error`` is what PyTorch raises for a number of indices that does not fit."""
    input = as_tensor(input, function)
    source = as_tensor(source, function, "source", 4)
    index = _index_vector(function, index, input)
    dim = normalize_dim(dim, input.ndim)
    if function == "index_copy_":
        if not source.ndim and index.numel() != 1:
            raise IndexError(
                f"{function}(): When source is scalar, index should have one element (got {index.numel()})"
            )
        if source.ndim != input.ndim and source.ndim and input.ndim:
            raise IndexError(
                f"{function}(): When source and destination are not scalars, their dimensionality must match. Source "
                f"dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
            )
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{function}(): self ({dtypes.scalar_type_name(input.dtype)}) and source "
            f"({dtypes.scalar_type_name(source.dtype)}) expected to have the same dtype"
        )
    if not source.ndim and index.numel() != 1:
        raise IndexError(f"{function}(): Dimension specified as {dim} but source has no dimensions")
    rest = [[n for d, n in enumerate(x.shape) if d != dim] for x in (input, source)]
    if rest[0] != rest[1] or bool(input.ndim) != bool(source.ndim):
        raise RuntimeError(
            f"{function}(): source tensor shape must match self tensor shape (the same slice shapes), excluding the "
            f"specified dimension. Got self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )
    count = source.shape[dim] if source.ndim > dim else 1
    if count != index.numel():
        raise error(
            f"{function}(): Number of indices ({index.numel()}) should be equal to source.size(dim): ({count}), for dim: "
            f"{dim}"
        )
    return input, index, source, dim


def _index_fill_operands(input: Any, dim: int, index: Any, value: Any) -> tuple[Any, tuple[Any, ...]]:
    input = as_tensor(input, "index_fill")
    if is_tensor(index) and index.dtype not in (dtypes.int64, dtypes.int32):
        raise IndexError(f"index_fill_(): Expected dtype int64 for index, but got {dtypes.dtype_name(index.dtype)}")
    index = _index_vector("index_fill_", index, input)
    dim = normalize_dim(dim, input.ndim)
    if is_tensor(value):
        if value.ndim:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
            )
        if dtypes.category(value.dtype) == 3 and dtypes.category(input.dtype) < 3:
            raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
        return rows_filled_with, (input, index, value, dim)
    return rows_filled, (input, index, dim, fill_value(as_number("index_fill", value), input.dtype))
