"""Counts of integers, and histograms. They have no derivative."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import is_tensor, op
from gradcore.ops._batched_indices import refuse_dynamic_shape
from gradcore.ops._dims import as_integer
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.creation import arange, full, ones, zeros
from gradcore.ops.extremum import aminmax
from gradcore.ops.joining import cat
from gradcore.ops.masking import where
from gradcore.ops.sorting import searchsorted
from gradcore.ops.statistics._values import are_known
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["bincount", "histc", "histogram", "histogramdd"]


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each integer from 0 on occurs in a vector, or the sums of the weights of its occurrences.

    Args:
        input: a vector of integers, none of them negative.
        weights: a vector of the same length.
        minlength: the result has at least this many elements.

    Raises:
        NotImplementedError: ``input`` is not of integers.
        RuntimeError: more dimensions, negative numbers, weights of another length.
    """
    x, minlength = as_tensor(input, "bincount"), as_integer(minlength, "minlength")
    if x.dtype.kind not in "iu":
        refuse_dtype("bincount_cpu", x.dtype)
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, but got {minlength}")
    if x.ndim != 1:
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs., but got one of {x.ndim} dimensions"
        )
    if weights is None:
        return counted(x, minlength)  # type: ignore[no-any-return]
    weights = as_tensor(weights, "bincount", "weights", 2)
    if weights.shape != x.shape:
        raise RuntimeError(
            f"weights should be 1-d and have the same length as input, but have the shapes {list(weights.shape)} and "
            f"{list(x.shape)}"
        )
    return weighed(x, weights, minlength)  # type: ignore[no-any-return]


def _integers(make: Make) -> Iterator[Sample]:
    yield Sample(make.ints(6), minlength=3)
    yield Sample(make.ints(3), minlength=9)
    yield Sample(make.ints(0), minlength=2)


def _weighed_integers(make: Make) -> Iterator[Sample]:
    # The gradient is an error, so it is not checked: no float64.
    yield Sample(make.ints(6), make(6, dtype="float32"), minlength=3)
    yield Sample(make.ints(0), make(0, dtype="float32"), minlength=2)


@op(node="BincountBackward0", differentiable=False, samples=_integers)
def counted(xp: Any, input: Any, /, minlength: int = 0) -> Any:
    """How often each integer occurs."""
    return xp.scatter_add(xp.ones(input.shape, dtype=dtypes.int64), *_bins(xp, input, minlength))


@op(node="NotImplemented", samples=_weighed_integers)
def weighed(xp: Any, input: Any, weights: Any, /, minlength: int = 0) -> Any:
    """The sum of the weights of each integer. It has no gradient."""
    if xp.np_dtype(weights.dtype) != dtypes.float32:
        weights = xp.astype(xp.real(weights) if xp.np_dtype(weights.dtype).kind == "c" else weights, dtypes.float64)
    return xp.scatter_add(weights, *_bins(xp, input, minlength))


@weighed.vjp("weights")
def weighed_vjp_weights(xp: Any, g: Any) -> Any:
    raise RuntimeError(
        "derivative for aten::bincount is not implemented: use zeros(n).index_add(0, input, weights), or detach() the weights"
    )


weighed.op.node_class.name = lambda self: "torch::autograd::NotImplemented"  # type: ignore[method-assign]


@counted.vmap
def counted_vmap(input: Any) -> Any:
    refuse_dynamic_shape("bincount")


@weighed.vmap
def weighed_vmap(input: Any) -> Any:
    refuse_dynamic_shape("bincount")


def _bins(xp: Any, x: Any, minlength: int) -> tuple[Any, tuple[int]]:
    if not x.shape[0]:
        return xp.astype(x, dtypes.int64), (minlength,)
    if bool(xp.min(x) < 0):
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs., but the smallest is {int(xp.min(x))}"
        )
    return xp.astype(x, dtypes.int64), (max(int(xp.max(x)) + 1, minlength),)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of ``bins`` intervals of equal width between ``min`` and ``max``.

    Those outside are not counted. Where ``min`` equals ``max``, the smallest and the largest element are meant.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: no bins, or bounds that are infinite or not in order.
    """
    x, bins = as_tensor(input, "histc").detach(), as_integer(bins, "bins")
    if x.dtype.kind in "biuc":
        refuse_dtype("aminmax_cpu" if x.dtype.kind == "c" else "histogram_cpu", x.dtype)
    if bins <= 0:
        raise RuntimeError(f"histogram(): bins must be > 0, but got {bins} for dimension 0")
    if min > max:
        raise RuntimeError(f"histc: max must be larger than min, but got {max} and {min}")
    if min == max and x.numel():
        low, high = aminmax(x)
    else:
        low, high = (full((), float(v), dtype=x.dtype, device=x.device) for v in (min, max))
    if are_known(x) and not bool((low.isfinite() & high.isfinite()).all()):
        raise RuntimeError(f"histc: range of [{low.item():g}, {high.item():g}] is not finite")
    alone = low == high
    low, high = low - alone.to(x.dtype), high + alone.to(x.dtype)
    x = x.reshape(-1)
    place = ((x - low) * bins / (high - low)).floor().clamp(max=bins - 1)
    return _sums(place, (x >= low) & (x <= high), (bins,), ones(x.shape, dtype=x.dtype, device=x.device))


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> return_types.histogram:
    """How many elements lie in each bin, and the edges of the bins: ``(hist, bin_edges)``.

    Args:
        input: the elements; the last bin has both its edges, the others the left one.
        bins: how many bins of equal width, or a vector of edges in order.
        range: the first and the last edge, for a number of bins; by default the smallest and the largest element.
        weight: what each element counts, by default 1; of the shape of ``input``.
        density: divide by the sum and the widths of the bins, so that the integral is 1.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: edges or weights of another dtype or shape, no bins, or a range that is infinite or not in order.
    """
    x = as_tensor(input, "histogram")
    if is_tensor(bins) and range is not None:
        raise TypeError("histogram(): range is for a number of bins; it cannot be given with their edges")
    points = x.reshape(-1, 1)
    weight = None if weight is None else _fitting_weight(points.shape, weight, x, tuple(x.shape))
    hist, edges = histogramdd(points, [bins], range=range, weight=weight, density=density)
    return return_types.histogram(hist, edges[0])


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> return_types.histogramdd:
    """The histogram of points, which are the rows of ``input``: a tensor with one dimension per coordinate.

    Args:
        input: (..., N) points of N coordinates.
        bins: for each coordinate how many bins, or a vector of edges in order; or one number for all.
        range: the first and the last edge of each coordinate, one after the other.
        weight, density: as in :func:`histogram`.

    Returns:
        The histogram, and the edges along each dimension.

    Raises:
        As :func:`histogram`.
    """
    x = as_tensor(input, "histogramdd").detach()
    if x.dtype.kind in "biuc":
        refuse_dtype("histogramdd", x.dtype)
    if x.ndim < 2:
        raise RuntimeError("histogramdd: input tensor should have at least 2 dimensions")
    dims = x.shape[-1]
    edges_or_counts: list[Any] = [bins] * dims if isinstance(bins, int) else list(bins)
    if len(edges_or_counts) != dims:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input, but got "
            f"{len(edges_or_counts)} for {dims}"
        )
    if range is not None and len(range) != 2 * dims:
        raise RuntimeError(
            f"histogramdd: for a {dims}-dimensional histogram range should have {2 * dims} elements, but got "
            f"{len(range)}"
        )
    shape = tuple(x.shape)
    weight = None if weight is None else _fitting_weight(shape, weight, x, shape[:-1]).detach()
    points = x.reshape(-1, dims)
    edges = []
    for i, given in enumerate(edges_or_counts):
        bounds = None if range is None else (float(range[2 * i]), float(range[2 * i + 1]))
        edges.append(_given_edges(x, given, i) if is_tensor(given) else _even_edges(points[:, i], given, bounds, i))
    counts = tuple([e.shape[0] - 1 for e in edges])
    place, inside = full((), 0, dtype=dtypes.int64, device=x.device), None
    for i, (edge, count) in enumerate(zip(edges, counts, strict=True)):
        value = points[:, i].contiguous()
        place = place * count + (searchsorted(edge, value, right=True) - 1).clamp(max=count - 1)
        within = (value >= edge[0]) & (value <= edge[-1])
        inside = within if inside is None else inside & within
    if weight is None:
        weight = ones((points.shape[0],), dtype=x.dtype, device=x.device)
    hist = _sums(place, inside, counts, weight.reshape(-1))
    if density:
        hist = hist / hist.sum()
        for i, edge in enumerate(edges):
            hist = hist / (edge[1:] - edge[:-1]).reshape((-1,) + (1,) * (dims - i - 1))
    return return_types.histogramdd(hist, tuple(edges))


def _sums(place: Tensor, inside: Any, shape: tuple[int, ...], weight: Tensor) -> Tensor:
    """The sums of the weights at each place; those not ``inside`` are left out."""
    size = math.prod(shape)
    at = where(inside, place, float(size) if place.dtype.kind == "f" else size).to(dtypes.int64)
    return zeros((size + 1,), dtype=weight.dtype, device=weight.device).scatter_add(0, at, weight)[:size].reshape(shape)


def _given_edges(x: Tensor, edges: Tensor, dim: int) -> Tensor:
    if edges.ndim != 1:
        raise RuntimeError(
            f"histogramdd: bins tensor should have one dimension, but that for dimension {dim} has {edges.ndim}"
        )
    if not edges.shape[0]:
        raise RuntimeError(
            f"histogramdd: bins tensor should have at least 1 element, but that for dimension {dim} has none"
        )
    if edges.dtype != x.dtype:
        raise RuntimeError(
            f"histogramdd: input tensor and bins tensors should have the same dtype, but got {dtypes.dtype_name(x.dtype)} "
            f"and, for dimension {dim}, {dtypes.dtype_name(edges.dtype)}"
        )
    _require_bins(edges.shape[0] - 1, dim)
    return edges.detach()


def _even_edges(x: Tensor, bins: Any, bounds: tuple[float, float] | None, dim: int) -> Tensor:
    bins = as_integer(bins, "bins")
    _require_bins(bins, dim)
    if bounds is not None and bounds[0] > bounds[1]:
        raise RuntimeError(
            f"histogramdd: min should not exceed max, but got min {bounds[0]:g} max {bounds[1]:g} for dimension {dim}"
        )
    if bounds is None and x.numel():
        low, high = aminmax(x)
    else:
        low, high = (full((), v, dtype=x.dtype, device=x.device) for v in bounds or (0.0, 1.0))
    if are_known(x) and not bool((low.isfinite() & high.isfinite()).all()):
        raise RuntimeError(f"histogramdd: dimension {dim}'s range [{low.item():g}, {high.item():g}] is not finite")
    half = (low == high).to(x.dtype) * 0.5
    low, high = low - half, high + half
    steps = arange(bins, dtype=x.dtype, device=x.device)
    # The last edge is exact, so that the largest element is inside.
    return cat([low + steps * ((high - low) / bins), high.reshape(1)])


def _require_bins(bins: int, dim: int) -> None:
    if bins <= 0:
        raise RuntimeError(f"histogram(): bins must be > 0, but got {bins} for dimension {dim}")


def _fitting_weight(shape: Sequence[int], weight: Any, x: Tensor, expected: tuple[int, ...]) -> Tensor:
    weight = as_tensor(weight, "histogramdd", "weight")
    if tuple(weight.shape) != expected:
        raise RuntimeError(
            "histogramdd: weight should have the same shape as the input tensor without its last dimension, but got "
            f"{list(weight.shape)} for an input of shape {list(shape)}"
        )
    if weight.dtype != x.dtype:
        raise RuntimeError(
            f"histogramdd: input tensor and weight tensor should have the same dtype, but got {dtypes.dtype_name(x.dtype)} "
            f"and {dtypes.dtype_name(weight.dtype)}"
        )
    return weight.reshape(-1)  # type: ignore[no-any-return]
