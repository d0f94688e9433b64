"""Rows of a table looked up by number, alone or in bags, and numbers as vectors of zeros and a one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.grad_mode import is_grad_enabled, no_grad
from gradcore.op import op
from gradcore.ops import creation
from gradcore.ops._batched_indices import in_front, number_of_element
from gradcore.ops._batching import folded
from gradcore.ops._dims import as_integer
from gradcore.ops._indices import int_samples, refuse_negative, run_with_index_errors
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import cast
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


# Single rows.


def _lookups(make: Make) -> Iterator[Sample]:
    # None of the row without gradient, and no row twice where that divides the gradient: neither is the derivative.
    for indices, padding_idx, by_freq in (([[0, 3], [3, 1]], -1, False), ([0, 0, 1], 2, False), ([0, 3], -1, True)):
        yield Sample(
            make(4, 3), int_samples(make, indices), padding_idx=padding_idx, scale_grad_by_freq=by_freq, rows=4
        )
    yield Sample(make(4, 3), int_samples(make, 1), padding_idx=-1, scale_grad_by_freq=False, rows=4)
    yield Sample(make(2, 3), make.ints(0, 2, high=2), padding_idx=-1, scale_grad_by_freq=False, rows=2)


@op(node="EmbeddingBackward0", linear=True, samples=_lookups)
def looked_up(xp: Any, weight: Any, indices: Any, /, padding_idx: int, scale_grad_by_freq: bool, rows: int) -> Any:
    """``weight[indices]``; ``rows``: how many a table has, of which there may be several, one after the other.

    Args:
        padding_idx: the row of each table that gets no gradient; -1 for none.
        scale_grad_by_freq: divide the gradient of each row by how often it is looked up.
    """
    refuse_negative(xp, indices, weight.shape, 0)
    flat = xp.take(weight, xp.reshape(indices, (-1,)), axis=0)
    return xp.reshape(flat, (*indices.shape, weight.shape[1]))


@looked_up.vjp("weight")
def looked_up_vjp(
    xp: Any, g: Any, indices: Any, weight_shape: Any, padding_idx: int, scale_grad_by_freq: bool, rows: int
) -> Any:
    return _added_to_rows(xp, g, indices, tuple(weight_shape), padding_idx, scale_grad_by_freq, rows)


@looked_up.vmap
def looked_up_vmap(
    weight: Any, indices: Any, padding_idx: int, scale_grad_by_freq: bool, rows: int, batched: Any, size: int
) -> Any:
    if not batched[0] and not scale_grad_by_freq:
        return looked_up(weight, indices, padding_idx, scale_grad_by_freq, rows)
    weight, indices = in_front(weight, batched[0], size), in_front(indices, batched[1], size)
    at = indices + number_of_element(size, indices.ndim - 1, indices) * weight.shape[1]
    return looked_up(folded(weight), at, padding_idx, scale_grad_by_freq, rows)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` at the numbers in ``input``: of the shape of ``input``, with the columns as last dimension.

    Args:
        input: int64 or int32.
        weight: a matrix.
        padding_idx: a row that gets no gradient.
        max_norm: rows that are looked up and have a larger norm are made as short as this first, in ``weight`` itself.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often it is looked up.

    Raises:
        IndexError: there is no such row.
        RuntimeError: ``input`` holds no integers, or ``weight`` is no matrix.
        AssertionError: ``padding_idx`` is no row.
        NotImplementedError: ``sparse=True`` for a ``weight`` that requires grad: there are no sparse gradients.
    """
    indices, weight = as_tensor(input, "embedding"), as_tensor(weight, "embedding", "weight", 2)
    at = -1 if padding_idx is None else _padding_row(weight, padding_idx)
    _check_table("embedding", indices, weight, sparse)
    if max_norm is not None:
        _shorten_rows(weight, indices, max_norm, norm_type)
    return run_with_index_errors(looked_up, IndexError, weight, indices, at, bool(scale_grad_by_freq), weight.shape[0])


# Bags of rows.


def _bags_of_rows(make: Make) -> Iterator[Sample]:
    bags = int_samples(make, [0, 0, 2, 2, 2])
    options = {"count": 3, "rows": 4, "scale_grad_by_freq": False}
    for mode, padding_idx in (("sum", -1), ("mean", -1), ("mean", 3)):
        indices = int_samples(make, [0, 3, 3, 1, 0])
        yield Sample(make(4, 2), indices, bags, None, mode=mode, padding_idx=padding_idx, **options)
    indices = int_samples(make, [2, 2, 1, 0, 0])
    yield Sample(make(4, 2), indices, bags, make(5), mode="sum", padding_idx=1, **options)


@op(node="EmbeddingBagBackward0", samples=_bags_of_rows)
def bagged(
    xp: Any,
    weight: Any,
    indices: Any,
    bags: Any,
    per_sample_weights: Any = None,
    /,
    *,
    count: int,
    mode: str,
    padding_idx: int,
    scale_grad_by_freq: bool,
    rows: int,
) -> Any:
    """The sums or means of the rows of each bag: row ``indices[i]``, times its weight, is in bag ``bags[i]``."""
    refuse_negative(xp, indices, weight.shape, 0)
    found = xp.take(weight, indices, axis=0)
    if per_sample_weights is not None:
        found = xp.multiply(found, xp.reshape(per_sample_weights, (-1, 1)))
    if padding_idx >= 0:
        found = xp.where(_is_padding(xp, indices, padding_idx, rows, weight.shape[0]), xp.zeros_like(found), found)
    out = xp.scatter_add(found, (bags,), (count, weight.shape[1]))
    if mode == "mean":
        out = xp.divide(out, _sizes(xp, indices, bags, count, padding_idx, rows, weight.shape[0], out.dtype))
    return out


@bagged.vjp("weight")
def bagged_vjp_weight(
    xp: Any,
    g: Any,
    indices: Any,
    bags: Any,
    per_sample_weights: Any,
    weight_shape: Any,
    count: int,
    mode: str,
    padding_idx: int,
    scale_grad_by_freq: bool,
    rows: int,
) -> Any:
    if mode == "mean":
        g = xp.divide(g, _sizes(xp, indices, bags, count, padding_idx, rows, weight_shape[0], g.dtype))
    each = xp.getitem(g, (bags,))
    if per_sample_weights is not None:
        each = xp.multiply(each, xp.reshape(per_sample_weights, (-1, 1)))
    return _added_to_rows(xp, each, indices, tuple(weight_shape), padding_idx, scale_grad_by_freq, rows)


@bagged.vjp("per_sample_weights")
def bagged_vjp_per_sample_weights(
    xp: Any, g: Any, weight: Any, indices: Any, bags: Any, padding_idx: int, rows: int
) -> Any:
    found = xp.multiply(xp.getitem(g, (bags,)), xp.getitem(weight, (indices,)))
    each = xp.sum(found, axis=-1)
    if padding_idx < 0:
        return each
    return xp.where(xp.reshape(_is_padding(xp, indices, padding_idx, rows, weight.shape[0]), (-1,)), 0.0, each)


@bagged.vmap
def bagged_vmap(
    weight: Any,
    indices: Any,
    bags: Any,
    per_sample_weights: Any,
    count: int,
    mode: str,
    padding_idx: int,
    scale_grad_by_freq: bool,
    rows: int,
    size: int,
) -> Any:
    at, into = _side_by_side(weight, indices, bags, count, size)
    weights = None if per_sample_weights is None else per_sample_weights.reshape((-1,))
    out = bagged(
        folded(weight),
        at,
        into,
        weights,
        count=size * count,
        mode=mode,
        padding_idx=padding_idx,
        scale_grad_by_freq=scale_grad_by_freq,
        rows=rows,
    )
    return out.reshape((size, count, weight.shape[2]))


def _bags_to_compare(make: Make) -> Iterator[Sample]:
    for padding_idx in (-1, 3):
        indices, bags = int_samples(make, [0, 3, 3, 1, 0]), int_samples(make, [0, 0, 2, 2, 2])
        yield Sample(make(4, 2), indices, bags, count=3, padding_idx=padding_idx, rows=4)


@op(node="EmbeddingBagBackward0", outputs=("out", "chosen"), nondifferentiable=("chosen",), samples=_bags_to_compare)
def bag_maxima(xp: Any, weight: Any, indices: Any, bags: Any, /, *, count: int, padding_idx: int, rows: int) -> Any:
    """The maxima of the rows of each bag, column by column, and the rows that have them; 0 and -1 for an empty bag."""
    refuse_negative(xp, indices, weight.shape, 0)
    columns = weight.shape[1]
    if padding_idx >= 0:
        kept = xp.nonzero(
            xp.logical_not(xp.reshape(_is_padding(xp, indices, padding_idx, rows, weight.shape[0]), (-1,)))
        )[0]
        indices, bags = xp.take(indices, kept, axis=0), xp.take(bags, kept, axis=0)
    if not indices.shape[0]:
        return xp.zeros((count, columns), dtype=weight.dtype), xp.full((count, columns), -1, dtype=xp.int64)
    # One line per bag, with the numbers of its rows; -1 where it has fewer than the largest.
    one = xp.ones(bags.shape, dtype=xp.float64)
    sizes = xp.astype(xp.scatter_add(one, (bags,), (count,)), xp.int64)
    starts = xp.subtract(xp.cumulative_sum(sizes), sizes)
    rank = xp.subtract(xp.arange(bags.shape[0], dtype=xp.int64), xp.take(starts, bags, axis=0))
    lines = xp.full((count, int(xp.max(sizes))), -1, dtype=xp.int64)
    xp.setitem(lines, (bags, rank), xp.astype(indices, xp.int64))
    absent = xp.reshape(xp.less(lines, 0), (*lines.shape, 1))
    found = xp.getitem(weight, (xp.where(xp.less(lines, 0), xp.zeros_like(lines), lines),))
    found = xp.where(absent, xp.asarray(-math.inf, dtype=weight.dtype), found)
    best = xp.argmax(found, axis=1)
    chosen = xp.gather(lines, best, 1)
    out = xp.reshape(xp.gather(found, xp.reshape(best, (count, 1, columns)), 1), (count, columns))
    return xp.where(xp.less(chosen, 0), xp.zeros_like(out), out), chosen


@bag_maxima.vjp("weight")
def bag_maxima_vjp(xp: Any, g: Any, weight_shape: Any, chosen: Any) -> Any:
    absent = xp.less(chosen, 0)
    index = xp.where(absent, xp.zeros_like(chosen), chosen)
    return xp.scatter_add_along(xp.where(absent, 0.0, g), index, 0, tuple(weight_shape))


@bag_maxima.vmap
def bag_maxima_vmap(weight: Any, indices: Any, bags: Any, count: int, padding_idx: int, rows: int, size: int) -> Any:
    at, into = _side_by_side(weight, indices, bags, count, size)
    out, chosen = bag_maxima(folded(weight), at, into, count=size * count, padding_idx=padding_idx, rows=rows)
    shape = (size, count, weight.shape[2])
    within = chosen.reshape(shape) - number_of_element(size, 2, chosen) * weight.shape[1]
    return out.reshape(shape), within.clamp(min=-1)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of ``weight`` in each bag: a matrix with one row for each bag.

    Args:
        input: the numbers of rows, int64 or int32: a matrix with a bag in each row; or a vector with the bags one after
            the other.
        weight: a matrix.
        offsets: for a vector, where in it each bag begins; the first at 0.
        max_norm, norm_type, scale_grad_by_freq: as for :func:`embedding`.
        mode: ``"sum"``, ``"mean"`` or ``"max"``. An empty bag gives zeros.
        per_sample_weights: for sums, a factor for each number in ``input``.
        include_last_offset: ``offsets`` ends with the end of the last bag.
        padding_idx: a row that is left out of every bag.

    Raises:
        ValueError: another number of dimensions of ``input``, ``weight`` or ``offsets``, another ``mode``, weights of another
            shape.
        RuntimeError: there is no such row, a tensor of another dtype, or offsets that do not begin with 0.
        NotImplementedError: weights for another mode than sums; ``sparse=True`` for a ``weight`` that requires grad.
    """
    indices, weight = as_tensor(input, "embedding_bag"), as_tensor(weight, "embedding_bag", "weight", 2)
    if per_sample_weights is not None and tuple(per_sample_weights.shape) != tuple(indices.shape):
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(per_sample_weights.shape)}) is not None, then it must have the "
            f"same shape as the input ({list(indices.shape)})"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, but got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode != "sum" and per_sample_weights is not None:
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}')"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    bags, count = _bag_numbers(indices, offsets, include_last_offset)
    at = -1 if padding_idx is None else _padding_row(weight, padding_idx)
    _check_table("embedding_bag", indices, weight, sparse)
    if per_sample_weights is not None and per_sample_weights.dtype != weight.dtype:
        raise RuntimeError(
            f"embedding_bag: expected per_sample_weights to have the same type as weight, but got "
            f"{dtypes.dtype_name(per_sample_weights.dtype)} and {dtypes.dtype_name(weight.dtype)}"
        )
    if max_norm is not None:
        _shorten_rows(weight, indices, max_norm, norm_type)
    flat = indices.reshape(-1)
    rows = weight.shape[0]
    try:
        if mode == "max":
            return bag_maxima(weight, flat, bags, count=count, padding_idx=at, rows=rows)[0]  # type: ignore[no-any-return]
        weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        options = {"mode": mode, "padding_idx": at, "scale_grad_by_freq": bool(scale_grad_by_freq)}
        return bagged(weight, flat, bags, weights, count=count, rows=rows, **options)  # type: ignore[no-any-return]
    except IndexError as e:
        raise RuntimeError(f"embedding_bag: Expected idx >= 0 && idx < num_embeddings, but {e}") from None


# Numbers as vectors.


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """For each number a vector of ``num_classes`` zeros, with a one at the place that it names; int64.

    Args:
        tensor: int64, not negative.
        num_classes: -1: one more than the largest number.

    Raises:
        RuntimeError: a number out of range, another dtype, or no numbers to infer ``num_classes`` from.
    """
    tensor = as_tensor(tensor, "one_hot")
    if tensor.dtype != dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor: cast it with .long()")
    count = as_integer(num_classes, "num_classes")
    if not tensor.numel():
        if count <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return tensor.new_zeros((*tensor.shape, count))
    if count != -1 and count < 1:
        raise RuntimeError("num_classes should be positive: Class values must be smaller than num_classes.")
    if tensor._device.level is None and tensor._device.type != "cuda":
        if int(tensor.min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        if count != -1 and int(tensor.max()) >= count:
            raise RuntimeError("Class values must be smaller than num_classes.")
    if count == -1:
        count = int(tensor.max()) + 1
    return cast(tensor.unsqueeze(-1) == creation.arange(count, device=tensor.device), dtypes.int64)


def _added_to_rows(
    xp: Any, g: Any, indices: Any, shape: tuple[int, int], padding_idx: int, scale_grad_by_freq: bool, rows: int
) -> Any:
    """The gradient of a table for that of the rows looked up."""
    if scale_grad_by_freq:
        often = xp.scatter_add(xp.ones(tuple(indices.shape), dtype=g.dtype), (indices,), (shape[0],))
        g = xp.divide(g, xp.reshape(xp.getitem(often, (indices,)), (*indices.shape, 1)))
    if padding_idx >= 0:
        g = xp.where(_is_padding(xp, indices, padding_idx, rows, shape[0]), 0.0, g)
    return xp.scatter_add(g, (indices,), shape)


def _is_padding(xp: Any, indices: Any, padding_idx: int, rows: int, all_rows: int) -> Any:
    """Which numbers name the padding row of their table, with a dimension for the columns."""
    within = indices if rows == all_rows else xp.remainder(indices, rows)
    return xp.reshape(xp.equal(within, padding_idx), (*indices.shape, 1))


def _sizes(xp: Any, indices: Any, bags: Any, count: int, padding_idx: int, rows: int, all_rows: int, dtype: Any) -> Any:
    """How many rows each bag has, padding left out, and at least 1; as a column."""
    one = xp.ones(tuple(bags.shape), dtype=dtype)
    if padding_idx >= 0:
        one = xp.where(
            xp.reshape(_is_padding(xp, indices, padding_idx, rows, all_rows), (-1,)), xp.zeros_like(one), one
        )
    return xp.reshape(xp.maximum(xp.scatter_add(one, (bags,), (count,)), xp.asarray(1, dtype=dtype)), (-1, 1))


def _side_by_side(weight: Any, indices: Any, bags: Any, count: int, size: int) -> tuple[Any, Any]:
    """The numbers of rows and bags of a batch, where its tables and its bags stand one after the other."""
    element = number_of_element(size, 1, indices)
    return (indices + element * weight.shape[1]).reshape((-1,)), (bags + element * count).reshape((-1,))


def _padding_row(weight: Tensor, padding_idx: int) -> int:
    rows = weight.shape[0] if weight.ndim else 0
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"Padding_idx must be within num_embeddings: {padding_idx} is no row of {rows}")
    return padding_idx + rows if padding_idx < 0 else padding_idx


def _check_table(function: str, indices: Tensor, weight: Tensor, sparse: bool) -> None:
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{dtypes.scalar_type_name(indices.dtype)} instead (while checking arguments for {function}); cast it with .long()"
        )
    if weight.ndim != 2:
        raise RuntimeError(f"{function}: 'weight' must be 2-D, but got {weight.ndim}-D")
    if sparse and weight.requires_grad and is_grad_enabled():
        raise NotImplementedError(
            f"{function}(sparse=True): there are no sparse tensors, so the gradient of weight cannot be one; leave sparse away"
        )


def _shorten_rows(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows named, in place, to a norm of at most ``max_norm``."""
    with no_grad():
        at = indices.reshape(-1).long().unique()
        # Of the numbers alone: the derivatives are those of the table, not of how it was scaled.
        table = weight.detach()
        rows = table[at]
        norms = rows.norm(norm_type, 1, keepdim=True)
        scale = (max_norm / (norms + 1e-7)).where(norms > max_norm, 1.0)
        table.index_put_((at,), rows * scale)


def _bag_numbers(indices: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, int]:
    """For each number looked up, that of its bag; and how many bags there are."""
    if indices.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. "
                f"However, found offsets of type {type(offsets)}"
            )
        count, length = indices.shape
        return creation.arange(count, device=indices.device).unsqueeze(1).expand((count, length)).reshape(-1), count
    if indices.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {indices.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError(f"offsets has to be a 1D Tensor but got {offsets if offsets is None else offsets.ndim}")
    if offsets.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'offsets' to have one of the following scalar types: Long, Int; but got "
            f"{dtypes.scalar_type_name(offsets.dtype)} instead (while checking arguments for embedding_bag)"
        )
    n, count = indices.shape[0], offsets.shape[0] - bool(include_last_offset)
    if count < 0:
        raise RuntimeError("include_last_offset: number of offsets should be at least 1")
    if offsets._device.level is None and offsets._device.type != "cuda" and offsets.shape[0]:
        first, last = int(offsets[0]), int(offsets[-1])
        if first:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
                f"got {first}"
            )
        if last > n:
            raise RuntimeError(f"offsets[-1] can not be greater than input's length {n} but got offsets[-1] of {last}")
    starts = offsets[:count].long()
    begun = starts.new_zeros((n + 1,)).index_add(0, starts, starts.new_ones((count,)))
    return begun[:n].cumsum(0) - 1, count
