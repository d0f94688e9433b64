"""Order: sorting, the largest k, distinct elements, places in a sorted sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import is_tensor, op, standard
from gradcore.ops._batched_indices import refuse_dynamic_shape
from gradcore.ops._batching import along, expanded, rows
from gradcore.ops._dims import as_integer, check_not_empty, normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import widened
from gradcore.ops.cumulative import along_dim
from gradcore.ops.extremum import put_back, require_order, selected
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["argsort", "bucketize", "kthvalue", "msort", "searchsorted", "sort", "topk", "unique"]


@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None) -> return_types.sort:
    """The elements along ``dim`` in order and where each stood, ``(values, indices)``. NaN counts as largest.

    Equal elements keep their order, whether ``stable`` or not.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: complex numbers have no order.
    """
    operation = sort_dim if stable is None else sort_stable
    return return_types.sort(*operation(*_along("sort", input, dim), descending))


@op(node="SortBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=along_dim)
def sort_dim(xp: Any, input: Any, /, dim: int, descending: bool = False) -> Any:
    """The elements along a dimension in order."""
    return selected(xp, input, _order(xp, input, dim, descending), dim, True)


@op(node="SortBackward1", outputs=("values", "indices"), nondifferentiable=("indices",), samples=along_dim)
def sort_stable(xp: Any, input: Any, /, dim: int, descending: bool = False) -> Any:
    """The elements along a dimension in order, by the overload of PyTorch's that takes ``stable``."""
    return selected(xp, input, _order(xp, input, dim, descending), dim, True)


@sort_dim.vjp("input")
def sort_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int) -> Any:
    return put_back(xp, g, input_shape, indices, dim, True)


@sort_dim.vmap
def sort_dim_vmap(input: Any, dim: int, descending: bool) -> Any:
    return along(sort_dim, input, dim, descending)


@sort_stable.vjp("input")
def sort_stable_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int) -> Any:
    return put_back(xp, g, input_shape, indices, dim, True)


@sort_stable.vmap
def sort_stable_vmap(input: Any, dim: int, descending: bool) -> Any:
    return along(sort_stable, input, dim, descending)


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Where the elements along ``dim`` stand, in their order.

    Raises:
        As :func:`sort`.
    """
    return argsort_dim(*_along("argsort", input, dim), descending)  # type: ignore[no-any-return]


@op(node="ArgsortBackward0", differentiable=False, samples=along_dim)
def argsort_dim(xp: Any, input: Any, /, dim: int, descending: bool = False) -> Any:
    """The positions of the elements along a dimension, in the order of the elements."""
    order = _order(xp, input, dim, descending)
    return xp.zeros((), dtype=dtypes.int64) if order is None else order


@argsort_dim.vmap
def argsort_dim_vmap(input: Any, dim: int, descending: bool) -> Any:
    return along(argsort_dim, input, dim, descending)


def msort(input: Tensor) -> Tensor:
    """The elements sorted along the first dimension.

    Raises:
        RuntimeError: complex numbers have no order.
    """
    return sort(input, 0).values


def _order(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    """The positions of the sorted elements; ``None`` for a 0-d array."""
    if not x.shape:
        return None
    if xp.np_dtype(x.dtype).kind == "b":
        x = xp.astype(x, dtypes.uint8)
    # NumPy knows nothing of a NaN of bfloat16.
    return xp.argsort(widened(xp, x), axis=dim, descending=descending, stable=True)


@numpy_names
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> return_types.topk:
    """The ``k`` largest (or smallest) elements along ``dim`` in order, and where they are: ``(values, indices)``.

    Of equal elements the first are taken; PyTorch leaves open which.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: there are fewer than ``k`` elements.
    """
    x, dim = _along("topk", input, dim)
    if x.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes: cast the tensor first, with .to(dtype)")
    k = as_integer(k, "k")
    if not 0 <= k <= _length(x, dim):
        raise RuntimeError(f"selected index k out of range: k={k}, but dimension {dim} has {_length(x, dim)} elements")
    return return_types.topk(*topk_dim(x, k, dim, largest))


def _tops(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 4), k=2, dim=1)
    yield Sample(make(3, 2), k=3, dim=0, largest=False)
    yield Sample(make(4), k=0, dim=0)
    yield Sample(make(), k=1, dim=0)


@op(node="TopkBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_tops)
def topk_dim(xp: Any, input: Any, /, k: int, dim: int, largest: bool = True) -> Any:
    """The first ``k`` of the sorted elements along a dimension."""
    order = _order(xp, input, dim, largest)
    if order is not None:
        order = xp.getitem(order, (slice(None),) * dim + (slice(0, k),))
    return selected(xp, input, order, dim, True)


@topk_dim.vjp("input")
def topk_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int) -> Any:
    return put_back(xp, g, input_shape, indices, dim, True)


@topk_dim.vmap
def topk_dim_vmap(input: Any, k: int, dim: int, largest: bool) -> Any:
    return along(lambda x, at: topk_dim(x, k, at, largest), input, dim)


@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> return_types.kthvalue:
    """The ``k``-th smallest element along ``dim``, counted from 1, and where it is: ``(values, indices)``.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: there is no ``k``-th element.
    """
    require_order("kthvalue", input)
    x, dim = _along("kthvalue", input, dim)
    check_not_empty("kthvalue", x.shape, (dim,) if x.ndim else ())
    if not 1 <= k <= _length(x, dim):
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {dim}: k={k}, but there are "
            f"{_length(x, dim)} elements"
        )
    return return_types.kthvalue(*kthvalue_dim(x, k, dim, keepdim))


def _kths(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 4), k=2, dim=1)
    yield Sample(make(3, 2), k=3, dim=0, keepdim=True)
    yield Sample(make(), k=1, dim=0)


@op(node="KthvalueBackward0", outputs=("values", "indices"), nondifferentiable=("indices",), samples=_kths)
def kthvalue_dim(xp: Any, input: Any, /, k: int, dim: int, keepdim: bool = False) -> Any:
    """The ``k``-th of the sorted elements along a dimension."""
    order = _order(xp, input, dim, False)
    if order is not None:
        order = xp.getitem(order, (slice(None),) * dim + (slice(k - 1, k),))
    return selected(xp, input, order, dim, keepdim)


@kthvalue_dim.vjp("input")
def kthvalue_dim_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    return put_back(xp, g, input_shape, indices, dim, keepdim)


@kthvalue_dim.vmap
def kthvalue_dim_vmap(input: Any, k: int, dim: int, keepdim: bool) -> Any:
    return along(lambda x, at: kthvalue_dim(x, k, at, keepdim), input, dim)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in order; on request also where each element is among them, and how often.

    With ``dim``, the same for the slices along it. It has no derivative.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: complex numbers have no order.
    """
    if dim is not None:
        from gradcore.ops.statistics.distinct import unique_along  # seldom used

        values, inverse, counts = unique_along(input, dim)
    elif as_tensor(input, "unique").dtype.kind == "c":
        raise NotImplementedError('"unique" not implemented for complex numbers: they have no order')
    else:
        values, inverse, counts = unique_elements(input)
    chosen = [values]
    if return_inverse:
        chosen.append(inverse)
    if return_counts:
        chosen.append(counts)
    return tuple(chosen) if len(chosen) > 1 else values


def _repeated(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([[3, 1, 3], [2, 1, 1]], requires_grad=make.requires_grad))
    yield Sample(make.ints(0))


@op(
    node="Unique2Backward0",
    outputs=("values", "inverse", "counts"),
    nondifferentiable=("inverse", "counts"),
    samples=_repeated,
)
def unique_elements(xp: Any, input: Any, /) -> Any:
    """The distinct elements, where each element is among them, how often each occurs."""
    found = xp.unique_all(input)
    return found.values, xp.astype(found.inverse_indices, dtypes.int64), xp.astype(found.counts, dtypes.int64)


@unique_elements.vmap
def unique_elements_vmap(input: Any) -> Any:
    refuse_dynamic_shape("unique")


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where to insert the elements of ``input`` into a sorted sequence, or into each row of a batch of them.

    Args:
        sorted_sequence: the last dimension is sorted.
        input: a number, or a tensor; for a batch its first dimensions are those of ``sorted_sequence``.
        out_int32: give int32, not int64.
        right: behind equal elements, not before them.
        side: ``"right"`` or ``"left"``, the same as ``right``.
        sorter: the order that sorts ``sorted_sequence``, where it is not sorted.

    Raises:
        RuntimeError: ``right`` and ``side`` disagree; the dimensions do not fit.
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    sequence = as_tensor(sorted_sequence, "searchsorted", "sorted_sequence")
    if sorter is not None:
        sequence = sequence.gather(-1, sorter)
    values = input if is_tensor(input) else sequence._like(sequence._device.xp.asarray(input, dtype=None))
    if not sequence.ndim:
        raise RuntimeError("searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension")
    if sequence.ndim != 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "searchsorted(): boundaries tensor should be 1 dimension, or match the input value tensor in all dimensions but "
            f"the last, but got {list(sequence.shape)} and {list(values.shape)}"
        )
    found = insertion_points(sequence, values, "right" if right or side == "right" else "left")
    return found.to(dtypes.int32) if out_int32 else found  # type: ignore[no-any-return]


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the bucket between sorted ``boundaries`` in which each element of ``input`` lies.

    Raises:
        RuntimeError: ``boundaries`` has not one dimension.
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _insertions(make: Make) -> Iterator[Sample]:
    for side in ("left", "right"):
        yield Sample(make.of([1.0, 3.0, 3.0, 5.0]), make.of([[0.0, 3.0], [4.0, 9.0]]), side=side)
        yield Sample(make.of([[1.0, 3.0], [2.0, 4.0]]), make.of([[3.0, 0.0, 9.0], [2.0, 4.0, 5.0]]), side=side)


@op(node="SearchsortedBackward0", promote="arithmetic", differentiable=False, samples=_insertions)
def insertion_points(xp: Any, sequence: Any, values: Any, /, side: str = "left") -> Any:
    """The places of ``values`` in sorted sequences."""
    if len(sequence.shape) == 1:
        return xp.astype(xp.searchsorted(sequence, values, side=side), dtypes.int64)
    # A batch: the place is the number of elements before it.
    before = xp.less_equal if side == "right" else xp.less
    found = before(xp.expand_dims(sequence, axis=-2), xp.expand_dims(values, axis=-1))
    return xp.sum(xp.astype(found, dtypes.int64), axis=-1)


@insertion_points.vmap
def insertion_points_vmap(sequence: Any, values: Any, side: str, size: int, batched: tuple[bool, bool]) -> Any:
    if not batched[0] and sequence.ndim == 1:
        return insertion_points(sequence, values, side)
    sequence = sequence if batched[0] else expanded(sequence, size)
    values = values if batched[1] else expanded(values, size)
    if sequence.ndim > 2:
        return insertion_points(sequence, values, side)
    return insertion_points(sequence, rows(values), side).reshape(values.shape)


# As the Array API spells them.


@standard("sort")
def _standard_sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    return sort(x, axis, descending, stable)[0]


@standard("argsort")
def _standard_argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    return argsort(x, axis, descending, stable)


@standard("searchsorted")
def _standard_searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    return searchsorted(x1, x2, side=side, sorter=sorter)


# What they share


def _along(name: str, input: Any, dim: int) -> tuple[Any, int]:
    x = as_tensor(input, name)
    if x.dtype.kind == "c":
        raise RuntimeError(f"{name}(): Sort does not support complex dtypes: complex numbers have no order; sort abs()")
    return x, normalize_dim(dim, x.ndim)


def _length(x: Any, dim: int) -> int:
    return x.shape[dim] if x.ndim else 1
