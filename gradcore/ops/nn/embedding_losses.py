"""Losses of distances between embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore.ops._losses import check_reduction, finish, reduction_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import mul, sub
from gradcore.ops.bounds import clamp_min, minimum
from gradcore.ops.comparison import eq
from gradcore.ops.elementwise import sqrt
from gradcore.ops.masking import where
from gradcore.ops.reduction import sum as sum_of
from gradcore.ops.statistics.distance import pairwise_distance

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"]

_TINY = float(np.float32(1e-12))
"""Added to squared lengths, so that the angle of a vector of length zero has a gradient; of single precision, as in PyTorch."""


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos`` where ``target`` is 1, and ``max(0, cos - margin)`` where it is -1, of the angle between two vectors.

    Args:
        input1: of shape (D) or (N, D).
        input2: as ``input1``.
        target: 1 or -1, of shape () or (N).
        margin: below which unlike vectors are unlike enough.
        size_average: the older name of ``reduction``, with ``reduce``.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all pairs.

    Raises:
        RuntimeError: shapes that do not fit.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input1, "cosine_embedding_loss", "input1")
    y = as_tensor(input2, "cosine_embedding_loss", "input2", 2)
    labels = as_tensor(target, "cosine_embedding_loss", "target", 3)
    dim = labels.ndim
    if dim > 1:
        raise RuntimeError(
            f"0D or 1D target tensor expected, multi-target not supported: got shape {list(labels.shape)}"
        )
    if x.ndim != dim + 1 or y.ndim != dim + 1:
        raise RuntimeError(
            f"{dim}D target tensor expects {dim + 1}D input tensors, but found inputs with sizes {list(x.shape)} and "
            f"{list(y.shape)}."
        )
    product = sum_of(mul(x, y), dim)
    lengths = mul(sum_of(mul(x, x), dim) + _TINY, sum_of(mul(y, y), dim) + _TINY)
    cosine = product / sqrt(lengths)
    alike = where(eq(labels, 1), 1 - cosine, 0)
    return finish(alike + where(eq(labels, -1), clamp_min(cosine - margin, 0), 0), reduction)  # type: ignore[no-any-return]


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-06,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, where ``d`` is the ``p``-norm of the difference.

    Args:
        anchor: of shape (..., D).
        positive: as ``anchor``, what is to be near.
        negative: as ``anchor``, what is to be further away.
        margin: by how much.
        p: of the norm.
        eps: added to the differences.
        swap: take the distance of ``positive`` from ``negative``, where that is smaller.
        size_average: the older name of ``reduction``, with ``reduce``.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all triplets.

    Raises:
        RuntimeError: unlike numbers of dimensions, or shapes that do not broadcast.
        ValueError: ``margin`` is not positive; there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet("triplet_margin_loss", (anchor, positive, negative), distance, margin, swap, reduction)  # type: ignore[no-any-return]


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with a distance of the user's, :func:`pairwise_distance` by default.

    Raises:
        As :func:`triplet_margin_loss`.
    """
    check_reduction(reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    tensors = (anchor, positive, negative)
    return _triplet("triplet_margin_with_distance_loss", tensors, distance, margin, swap, reduction)  # type: ignore[no-any-return]


def _triplet(
    name: str,
    given: tuple[Any, Any, Any],
    distance: Callable[..., Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Any:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    names = ("anchor", "positive", "negative")
    x, near, far = (as_tensor(t, name, names[i], i + 1) for i, t in enumerate(given))
    if not x.ndim == near.ndim == far.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {x.ndim}D, positive {near.ndim}D, and negative {far.ndim}D inputs"
        )
    to_near, to_far = distance(x, near), distance(x, far)
    if swap:
        to_far = minimum(to_far, distance(near, far))
    return finish(clamp_min(sub(margin + to_near, to_far), 0), reduction)
