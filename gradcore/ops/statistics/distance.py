"""Distances: between the rows of two matrices, of one matrix, between two tensors, along a dimension."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.grad_mode import no_grad
from gradcore.op import op
from gradcore.ops._batching import aligned, element_dims
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import sub
from gradcore.ops.bounds import clamp_min_
from gradcore.ops.broadcasting import broadcast_shapes, expand
from gradcore.ops.norms import norm_dim, vector_norm, vector_norm_vjp
from gradcore.ops.shape import reshape
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cdist", "cosine_similarity", "dist", "pairwise_distance", "pdist"]

_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)
_METRICS: dict[float, tuple[str, dict[str, float]]] = {1.0: ("cityblock", {}), 2.0: ("euclidean", {})}
_ORDERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf)

DIFFERENCES = 1 << 15
"""So many differences of coordinates are held at a time: as many as fit into a cache."""

PRODUCTS_FROM = 1 << 14
"""From so many differences on Euclidean distances are differentiated by products of matrices."""

LARGE = 1 << 20
"""From so many differences on it pays to import a library of distances."""


# Between the rows of two matrices


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """The distance of each row of ``x1`` from each row of ``x2``: (..., P, M) and (..., R, M) give (..., P, R).

    Args:
        x1, x2: matrices, or batches of such that broadcast.
        p: the order of the norm, from 0 (how many coordinates differ) to infinity.
        compute_mode: whether the Euclidean distance comes from a product of matrices, which is faster and less exact:
            ``"use_mm_for_euclid_dist_if_necessary"`` (with more than 25 rows), ``"use_mm_for_euclid_dist"``, or
            ``"donot_use_mm_for_euclid_dist"``.

    Raises:
        RuntimeError: integers or complex numbers, vectors, rows of different length, a negative ``p``.
        ValueError: another ``compute_mode``.
    """
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode; it is one of {', '.join(_MODES)}")
    x1, x2 = as_tensor(x1, "cdist", "x1"), as_tensor(x2, "cdist", "x2", 2)
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dtype.kind in "biuc":
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {dtypes.scalar_type_name(x.dtype)}; cast it"
            )
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, but got {p}")
    batch = broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    rows = (x1.shape[-2], x2.shape[-2])
    many = compute_mode == _MODES[1] or (compute_mode == _MODES[0] and max(rows) > 25)
    if p != 2 or not many or not x1.numel() or not x2.numel():
        return cdist_direct(x1, x2, float(p))  # type: ignore[no-any-return]
    if math.prod(batch) != 1:
        x1, x2 = (reshape(expand(x, (*batch, *x.shape[-2:])), (-1, *x.shape[-2:])) for x in (x1, x2))
    return euclidean_dist(x1, x2).view((*batch, *rows))  # type: ignore[no-any-return]


def _points(make: Make) -> Iterator[Sample]:
    for p in _ORDERS:
        yield Sample(make(3, 2), make(2, 2, low=2.5, high=4.0), p=p)
    yield Sample(make(2, 1, 2, 2), make(3, 2, 2, low=2.5, high=4.0), p=2.0)
    yield Sample(make(0, 2), make(2, 2), p=2.0)
    yield Sample(make(2, 0), make(3, 0), p=1.0)


@op(node="CdistBackward0", promote="same", samples=_points)
def cdist_direct(xp: Any, x1: Any, x2: Any, /, p: float) -> Any:
    """The distances of the rows of two matrices, from the differences of their coordinates."""
    return _distances(xp, x1, x2, p)


@cdist_direct.vjp("x1", "x2")
def cdist_direct_vjp(xp: Any, g: Any, x1: Any, x2: Any, out: Any, p: float, needs: Any) -> Any:
    return _gradients(xp, g, x1, x2, out, p, needs)


@cdist_direct.vmap
def cdist_direct_vmap(x1: Any, x2: Any, p: float) -> Any:
    ndim = max(x1.ndim, x2.ndim) - 1
    return cdist_direct(aligned(x1, ndim), aligned(x2, ndim), p)


def _distances(xp: Any, x1: Any, x2: Any, p: float) -> Any:
    """The distances of rows; by a library of such, where the backend has one."""
    library = getattr(xp, "spatial", None)
    if library is not None and len(x1.shape) == len(x2.shape) == 2 and 0 < p < math.inf:
        large = x1.shape[0] * x2.shape[0] * x1.shape[1] >= LARGE
        module = library() if large else None
        if module is not None:
            metric, options = _METRICS.get(p, ("minkowski", {"p": p}))
            return xp.astype(module.cdist(x1, x2, metric, **options), x1.dtype)
    total = None
    for difference in _differences(xp, x1, x2):
        if p == 2:
            found = xp.sum(xp.multiply(difference, difference), axis=0)
        elif p == 0:
            found = xp.sum(xp.astype(xp.not_equal(difference, 0), difference.dtype), axis=0)
        elif p == 1:
            found = xp.sum(xp.abs(difference), axis=0)
        elif p == math.inf:
            found = xp.max(xp.abs(difference), axis=0)
        else:
            found = xp.sum(xp.pow(xp.abs(difference), p), axis=0)
        total = found if total is None else (xp.maximum if p == math.inf else xp.add)(total, found)
    if total is None:
        shape = broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
        return xp.zeros((*shape, x1.shape[-2], x2.shape[-2]), dtype=x1.dtype)
    if p == 2:
        return xp.sqrt(total)
    return total if p in (0, 1, math.inf) else xp.pow(total, 1 / p)


def _differences(xp: Any, x1: Any, x2: Any) -> Iterator[Any]:
    """The differences of some coordinates at a time, as the first dimension: (c, ..., P, R)."""
    x1, x2 = xp.expand_dims(xp.moveaxis(x1, -1, 0), axis=-1), xp.expand_dims(xp.moveaxis(x2, -1, 0), axis=-2)
    size = max(math.prod(broadcast_shapes(x1.shape[1:], x2.shape[1:])), 1)
    step = max(DIFFERENCES // size, 1)
    ndim = max(len(x1.shape), len(x2.shape))
    x1, x2 = (_with_dims(xp, x, ndim) for x in (x1, x2))
    for start in range(0, x1.shape[0], step):
        at = (slice(start, start + step),)
        yield xp.subtract(xp.getitem(x1, at), xp.getitem(x2, at))


def _with_dims(xp: Any, x: Any, ndim: int) -> Any:
    """``x`` with dimensions of size 1 behind its first."""
    shape = tuple(x.shape)
    return xp.reshape(x, (shape[0],) + (1,) * (ndim - len(shape)) + shape[1:])


def _gradients(xp: Any, g: Any, x1: Any, x2: Any, out: Any, p: float, needs: Sequence[bool]) -> tuple[Any, Any]:
    """The gradients of two matrices whose rows have the distances ``out``."""
    shape = tuple(out.shape)
    if p == 0 or 0 in x1.shape or 0 in x2.shape:
        whole = [(*shape[:-2], *x.shape[-2:]) for x in (x1, x2)]
        return xp.zeros(whole[0], dtype=g.dtype), xp.zeros(whole[1], dtype=g.dtype)
    scale = g
    if p not in (1, math.inf):
        # Where two points are one, the distance has no gradient; PyTorch takes 0.
        same = xp.equal(out, 0)
        scale = xp.where(same, 0, xp.divide(g, xp.pow(xp.where(same, 1, out), p - 1)))
        if p == 2 and xp.device.level is None and math.prod(shape) * x1.shape[-1] >= PRODUCTS_FROM:
            # Products of matrices are faster, but cancel where points lie close together, far from the others.
            center = xp.mean(x1, axis=-2, keepdims=True)
            a, b = xp.subtract(x1, center), xp.subtract(x2, center)
            spread = xp.maximum(xp.max(xp.abs(a)), xp.max(xp.abs(b)))
            if bool(xp.min(xp.where(same, math.inf, out)) > spread * 1e-4):
                ratio, a, b = (xp.astype(x, dtypes.float64) for x in (scale, a, b))
                return _gradients_by_products(xp, ratio, a, b, needs)
    first: list[Any] = []
    second: list[Any] = []
    for difference in _differences(xp, x1, x2):
        share = xp.multiply(_slope(xp, difference, out, p), scale)
        if needs[0]:
            first.append(xp.sum(share, axis=-1))
        if needs[1]:
            second.append(xp.negative(xp.sum(share, axis=-2)))
    return tuple(  # type: ignore[return-value]
        xp.moveaxis(xp.concat(parts, axis=0) if len(parts) > 1 else parts[0], 0, -1) if parts else None
        for parts in (first, second)
    )


def _gradients_by_products(xp: Any, ratio: Any, x1: Any, x2: Any, needs: Sequence[bool]) -> tuple[Any, Any]:
    """The sums of ``ratio * (x1 - x2)`` over the rows of either matrix, of which the other has the negative ones."""
    first = second = None
    if needs[0]:
        first = xp.subtract(xp.multiply(x1, xp.sum(ratio, axis=-1, keepdims=True)), xp.matmul(ratio, x2))
    if needs[1]:
        ratio = xp.matrix_transpose(ratio)
        second = xp.subtract(xp.multiply(x2, xp.sum(ratio, axis=-1, keepdims=True)), xp.matmul(ratio, x1))
    return first, second


def _slope(xp: Any, difference: Any, out: Any, p: float) -> Any:
    """The derivative of ``abs(difference)**p / p``; for an infinite ``p``, of the largest difference."""
    if p == 2:
        return difference
    if p == 1:
        return xp.sign(difference)
    size = xp.abs(difference)
    if p == math.inf:
        return xp.where(xp.equal(size, out), xp.sign(difference), 0)
    if p < 2:
        none = xp.equal(size, 0)
        return xp.multiply(xp.sign(difference), xp.where(none, 0, xp.pow(xp.where(none, 1, size), p - 1)))
    return xp.multiply(difference, xp.pow(size, p - 2))


def _near_points(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), make(2, 2, low=2.5, high=4.0))
    yield Sample(make(2, 3, 2), make(2, 2, 2, low=2.5, high=4.0))


@op(node="EuclideanDistBackward0", promote="same", samples=_near_points)
def euclidean_dist(xp: Any, x1: Any, x2: Any, /) -> Any:
    """The Euclidean distances of the rows of two matrices, ``sqrt(|a|**2 - 2 a.b + |b|**2)`` by one product."""
    a = xp.sum(xp.multiply(x1, x1), axis=-1, keepdims=True)
    b = xp.sum(xp.multiply(x2, x2), axis=-1, keepdims=True)
    left = xp.concat([xp.multiply(x1, -2.0), a, xp.ones_like(a)], axis=-1)
    right = xp.concat([x2, xp.ones_like(b), b], axis=-1)
    return xp.sqrt(xp.maximum(xp.matmul(left, xp.matrix_transpose(right)), xp.asarray(0.0, dtype=x1.dtype)))


@euclidean_dist.vjp("x1", "x2")
def euclidean_dist_vjp(xp: Any, g: Any, x1: Any, x2: Any, out: Any, needs: Any) -> Any:
    same = xp.equal(out, 0)
    ratio = xp.where(same, 0, xp.divide(g, xp.where(same, 1, out)))
    return _gradients_by_products(xp, ratio, x1, x2, needs)


@euclidean_dist.vmap
def euclidean_dist_vmap(x1: Any, x2: Any) -> Any:
    ndim = max(x1.ndim, x2.ndim) - 1
    return euclidean_dist(aligned(x1, ndim), aligned(x2, ndim))


# Between the rows of one matrix


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances of the rows of a matrix from the rows below: n rows give ``n * (n - 1) / 2`` of them, row by row.

    Raises:
        RuntimeError: no matrix, integers or complex numbers, a negative ``p``.
    """
    x = as_tensor(input, "pdist")
    if x.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {x.ndim}D")
    if x.dtype.kind in "biuc":
        raise RuntimeError(
            f"pdist only supports floating-point dtypes, got: {dtypes.scalar_type_name(x.dtype)}; cast it"
        )
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, but got {p}")
    return pdist_pairs(x, float(p))  # type: ignore[no-any-return]


def _rows(make: Make) -> Iterator[Sample]:
    for p in _ORDERS:
        yield Sample(make(4, 3), p=p)
    yield Sample(make(1, 3), p=2.0)
    yield Sample(make(2, 3, 2), p=2.0)


@op(node="PdistBackward0", samples=_rows)
def pdist_pairs(xp: Any, input: Any, /, p: float) -> Any:
    """The distances of the pairs of rows of a matrix, or of each of a batch."""
    return xp.getitem(_distances(xp, input, input, p), (..., *_pairs(xp, input.shape[-2])))


@pdist_pairs.vjp("input")
def pdist_pairs_vjp(xp: Any, g: Any, input: Any, out: Any, p: float) -> Any:
    size = input.shape[-2]
    first, second = _pairs(xp, size)
    # For each row the distances from all others, in a square.
    numbers = xp.arange(math.prod(first.shape), dtype=dtypes.int64) + 1
    place = xp.scatter_add(numbers, (first, second), (size, size))
    place = xp.add(place, xp.matrix_transpose(place))
    nothing = xp.zeros((*out.shape[:-1], 1), dtype=out.dtype)
    squares = [xp.getitem(xp.concat([nothing, x], axis=-1), (..., place)) for x in (g, out)]
    return _gradients(xp, squares[0], input, input, squares[1], p, (True, False))[0]


@pdist_pairs.vmap
def pdist_pairs_vmap(input: Any, p: float) -> Any:
    return pdist_pairs(input, p)


def _pairs(xp: Any, size: int) -> tuple[Any, Any]:
    """The numbers of the rows of each pair."""
    first, second = xp.nonzero(xp.triu(xp.ones((size, size), dtype=dtypes.int64), k=1))
    return first, second


# Between two tensors


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The ``p``-norm of ``input - other``; both broadcast.

    Raises:
        RuntimeError: integers.
    """
    x, y = as_tensor(input, "dist"), as_tensor(other, "dist", "other", 2)
    if x.dtype.kind in "biu" and y.dtype.kind in "biu":
        raise RuntimeError(
            "norm(): input dtype should be either floating point or complex. Got "
            f"{dtypes.scalar_type_name(x.dtype)} instead; cast it"
        )
    return dist_tensors(x, y, p)  # type: ignore[no-any-return]


def _pairs_of_tensors(make: Make) -> Iterator[Sample]:
    for p in (2.0, 1.0, 3.0, 0.5, math.inf, 0.0):
        yield Sample(make(2, 3), make(2, 3, low=2.5, high=4.0), p=p)
    yield Sample(make(2, 1), make(3, low=2.5, high=4.0), p=2.0)
    yield Sample(make(), make(low=2.5, high=4.0), p=2.0)


@op(node="DistBackward0", promote="arithmetic", samples=_pairs_of_tensors)
def dist_tensors(xp: Any, input: Any, other: Any, /, p: float = 2) -> Any:
    """The norm of the difference of two tensors."""
    difference = xp.subtract(input, other)
    return vector_norm.op.forward(xp, difference, float(p), tuple(range(len(difference.shape))))


@dist_tensors.vjp("input", "other")
def dist_tensors_vjp(xp: Any, g: Any, input: Any, other: Any, out: Any, p: float, needs: Any) -> Any:
    difference = xp.subtract(input, other)
    dims = tuple(range(len(difference.shape)))
    if p == 0:
        found = xp.zeros(tuple(difference.shape), dtype=difference.dtype)
    else:
        found = vector_norm_vjp(xp, g, difference, out, float(p), dims, False)
    return found if needs[0] else None, xp.negative(found) if needs[1] else None


@dist_tensors.vmap
def dist_tensors_vmap(input: Any, other: Any, p: float) -> Any:
    ndim = max(input.ndim, other.ndim) - 1
    difference = sub(aligned(input, ndim), aligned(other, ndim))
    return vector_norm(difference, float(p), element_dims(difference))


# Along a dimension


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The ``p``-norm of ``x1 - x2 + eps`` over the last dimension, which ``keepdim`` keeps with size 1.

    Raises:
        RuntimeError: the shapes do not broadcast.
    """
    x1, x2 = as_tensor(x1, "pairwise_distance", "x1"), as_tensor(x2, "pairwise_distance", "x2", 2)
    difference = sub(x1, x2) + eps
    return norm_dim(difference, float(p), (max(difference.ndim - 1, 0),) if difference.ndim else (), keepdim)  # type: ignore[no-any-return]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between ``x1`` and ``x2`` along ``dim``: their product, divided by both norms.

    A norm below ``eps`` counts as ``eps``. Both broadcast, and their dtypes are promoted.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: integers.
    """
    x1, x2 = as_tensor(x1, "cosine_similarity", "x1"), as_tensor(x2, "cosine_similarity", "x2", 2)
    dtype = dtypes.promote([x.dtype for x in (x1, x2) if x.ndim], [x.dtype for x in (x1, x2) if not x.ndim], [])
    if dtype.kind in "biu":
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {dtypes.scalar_type_name(dtype)}; cast one"
        )
    shape = broadcast_shapes(x1.shape, x2.shape)
    units = [_unit(x if x.shape == shape else expand(x, shape), dim, eps) for x in (x1.to(dtype), x2.to(dtype))]
    return (units[0] * units[1]).sum(dim)  # type: ignore[no-any-return]


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    size = x.norm(2, dim, keepdim=True).clone()
    # The bound counts as a constant, and the norm above as it is: so its gradient is not cut off.
    with no_grad():
        clamp_min_(size, eps)
    return x / size  # type: ignore[no-any-return]
