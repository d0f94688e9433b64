"""Distinct slices, and runs of equal elements or slices. They have no derivative."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._batched_indices import refuse_dynamic_shape
from gradcore.ops._dims import normalize_dim
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["unique_along", "unique_consecutive"]


def unique_along(input: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """The distinct slices along a dimension in order, where each slice is among them, and how often each occurs.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: complex numbers have no order.
        RuntimeError: the slices have no elements.
    """
    return unique_slices(*_along("unique_dim", input, dim))  # type: ignore[no-any-return]


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements without those that equal the one before them, or the slices along ``dim``.

    On request also in which run of equal ones each is, and how long the runs are.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: complex numbers.
        RuntimeError: the slices have no elements.
    """
    x = as_tensor(input, "unique_consecutive")
    if dim is None:
        if x.dtype.kind == "c":
            refuse_dtype("unique", x.dtype)
        values, inverse, counts = runs(x.reshape(-1), 0)
        inverse = inverse.reshape(x.shape)
    else:
        values, inverse, counts = runs(*_along("unique", x, dim))
    chosen = [values, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    return tuple(chosen) if len(chosen) > 1 else values


def _along(kernel: str, input: Any, dim: int) -> tuple[Any, int]:
    x = as_tensor(input, "unique")
    if x.dtype.kind == "c":
        refuse_dtype(kernel, x.dtype)
    if not x.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = normalize_dim(dim, x.ndim)
    empty = [i for i, n in enumerate(x.shape) if n == 0]
    if len(empty) > 1:
        raise RuntimeError("Number of zero sized dimensions is more than one, so unique cannot be applied")
    if empty and empty != [dim]:
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return x, dim


def _repeated_slices(make: Make) -> Iterator[Sample]:
    values = [[3, 1, 3], [2, 1, 1], [3, 1, 3]]
    for dim in (0, 1):
        yield Sample(make.of(values, requires_grad=make.requires_grad), dim=dim)
    yield Sample(make.ints(0, 3), dim=0)


@op(
    node="UniqueDimBackward0",
    outputs=("values", "inverse", "counts"),
    nondifferentiable=("inverse", "counts"),
    samples=_repeated_slices,
)
def unique_slices(xp: Any, input: Any, /, dim: int) -> Any:
    """The distinct slices along a dimension in order, where each slice is among them, how often each occurs."""
    slices = _rows(xp, input, dim)
    order = extra(xp, "lexsort", xp.matrix_transpose(slices))
    begins, number, counts = _runs(xp, xp.take(slices, order, axis=0))
    inverse = xp.scatter_add(number, (order,), tuple(number.shape))
    return xp.take(input, xp.getitem(order, (begins,)), axis=dim), inverse, counts


@unique_slices.vmap
def unique_slices_vmap(input: Any) -> Any:
    refuse_dynamic_shape("unique_dim")


@op(
    node="UniqueConsecutiveBackward0",
    outputs=("values", "inverse", "counts"),
    nondifferentiable=("inverse", "counts"),
    samples=_repeated_slices,
)
def runs(xp: Any, input: Any, /, dim: int) -> Any:
    """The first slice of each run of equal ones along a dimension, in which run each slice is, how long the runs are."""
    begins, number, counts = _runs(xp, _rows(xp, input, dim))
    return xp.take(input, begins, axis=dim), number, counts


@runs.vmap
def runs_vmap(input: Any) -> Any:
    refuse_dynamic_shape("unique_consecutive")


def _rows(xp: Any, x: Any, dim: int) -> Any:
    """The slices along a dimension, as the rows of a matrix."""
    x = xp.astype(x, dtypes.uint8) if kind_of(xp, x) == "b" else x
    size = x.shape[dim]
    return xp.reshape(xp.moveaxis(x, dim, 0), (size, -1) if size else (0, 1))


def _runs(xp: Any, slices: Any) -> tuple[Any, Any, Any]:
    """Of rows, of which equal ones stand together: where each run begins, in which run each row is, how long the runs are."""
    size = slices.shape[0]
    differs = xp.any(xp.not_equal(xp.getitem(slices, (slice(1, None),)), xp.getitem(slices, (slice(0, -1),))), axis=1)
    first = xp.ones((min(size, 1),), dtype=dtypes.bool_)
    begins = xp.concat([first, differs], axis=0)
    number = xp.subtract(xp.cumulative_sum(xp.astype(begins, dtypes.int64)), 1)
    starts = xp.astype(xp.nonzero(begins)[0], dtypes.int64)
    ends = xp.concat([starts, xp.full((1,), size, dtype=dtypes.int64)], axis=0)
    return starts, number, xp.subtract(xp.getitem(ends, (slice(1, None),)), xp.getitem(ends, (slice(0, -1),)))


@generic("lexsort")
def _lexsort(xp: Any, keys: Any) -> Any:
    """The order of the columns of ``keys`` by their first element, then their second, ..."""
    order = xp.arange(keys.shape[1], dtype=dtypes.int64)
    for row in range(keys.shape[0] - 1, -1, -1):
        ranked = xp.argsort(xp.take(xp.getitem(keys, (row,)), order), stable=True)
        order = xp.take(order, ranked)
    return order
