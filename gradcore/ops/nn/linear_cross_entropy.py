"""The cross entropy of a linear layer, also without holding the scores of all samples at once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._batching import folded
from gradcore.ops._losses import REDUCTIONS, check_reduction
from gradcore.ops._operands import as_tensor
from gradcore.ops.addmm import linear
from gradcore.ops.creation import zeros
from gradcore.ops.cross_entropy import cross_entropy
from gradcore.ops.joining import stack
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["LinearCrossEntropyOptions", "linear_cross_entropy"]


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How :func:`linear_cross_entropy` goes through the samples in parts.

    Args:
        allow_retain_graph: accepted; a second backward is always possible here.
        batch_chunk_size: how many samples are computed with at once. By default so many that their scores take as much
            memory as the weights.
        chunking_method: accepted; sizes are chosen as said above.
        acc_policy: accepted; gradients are summed in their own dtype.
        acc_dtype: accepted.

    Raises:
        ValueError: a size that is not positive.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        size = self.batch_chunk_size
        if size is not None and (not isinstance(size, int) or size <= 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size}")


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``.

    Args:
        input: of shape (in) or (N, in).
        linear_weight: of shape (C, in), or (C, d1, ..., in) for a loss at several places.
        target: classes, or probabilities of the shape of the scores, (N, C, d1, ...).
        linear_bias: of shape (C, d1, ...).
        weight: of each class.
        reduction: what becomes of the losses of all elements.
        ignore_index: a class that does not count; -100 by default.
        label_smoothing: how much of the target is spread over all classes.
        options: go through the samples in parts, so that the scores of all of them are never in memory together; for
            targets that are classes, without smoothing or several places.

    Raises:
        RuntimeError: there is no such class.
        RuntimeError: shapes or dtypes that do not fit; ``ignore_index`` beside probabilities.
        ValueError: there is no such reduction.
    """
    x = as_tensor(input, "linear_cross_entropy")
    matrix = as_tensor(linear_weight, "linear_cross_entropy", "linear_weight", 2)
    y = as_tensor(target, "linear_cross_entropy", "target", 3)
    if x.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {x.ndim}")
    if matrix.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {matrix.ndim}")
    classes, *places, features = matrix.shape
    if x.shape[-1] != features:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{x.shape[-1]} and {features}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *places):
        raise RuntimeError(f"expected linear_bias shape {(classes, *places)}, got {tuple(linear_bias.shape)}")
    if places and x.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(matrix.shape)} requires batched input, "
            f"(N, {features}), got unbatched input with shape {tuple(x.shape)}"
        )
    shape = (*x.shape[:-1], classes, *places)
    if tuple(y.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        if reduction in REDUCTIONS and label_smoothing == 0 and y.dtype == dtypes.int64 and not places:
            size = options.batch_chunk_size
            return _in_parts(x, matrix, y, linear_bias, weight, reduction, ignored, size)  # type: ignore[no-any-return]
        warnings.warn(
            "linear_cross_entropy: options ignored; going through the samples in parts needs targets that are int64 classes, "
            f"no label_smoothing and a linear_weight of two dimensions. Got label_smoothing={label_smoothing}, "
            f"target.dtype={dtypes.dtype_name(y.dtype)}, linear_weight of shape {list(matrix.shape)}",
            UserWarning,
            stacklevel=2,
        )
    check_reduction(reduction)
    if places:
        matrix = matrix.reshape(classes * math.prod(places), features)
        linear_bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = linear(x, matrix, linear_bias).reshape(shape)
    return cross_entropy(scores, y, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing)


def _in_parts(
    x: Any, matrix: Any, y: Any, bias: Any, weight: Any, reduction: str, ignored: int, size: int | None
) -> Any:
    alone = x.ndim == 1
    if alone:
        x, y = x.unsqueeze(0), y.unsqueeze(0)
    if tuple(y.shape) != tuple(x.shape[:1]):
        raise RuntimeError(f"Expected target size {[x.shape[0]]}, got {list(y.shape)}")
    classes, features = matrix.shape
    if weight is not None and tuple(weight.shape) != (classes,):
        raise IndexError(
            f"weight must have one element for each of {classes} classes, but has shape {list(weight.shape)}"
        )
    if size is None:
        size = max(features, 1)
    out = linear_cross_entropy_in_parts(x, matrix, y, bias, weight, reduction, ignored, size)
    return out.squeeze(0) if alone else out


def _classified(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield Sample(make(5, 2), make(3, 2), make.ints(5, high=3), None, None, reduction=reduction, size=2)
        yield Sample(
            make(3, 2),
            make(4, 2),
            make.of([1, 3, 0], dtypes.int64),
            make(4),
            make.of([0.5, 1.0, 2.0, 1.5]),
            reduction=reduction,
            ignore_index=3,
            size=4,
        )


@op(
    node="LinearCrossEntropyBatchChunkedBackward0",
    promote="same",
    promotes=("input", "matrix", "bias", "weight"),
    samples=_classified,
)
def linear_cross_entropy_in_parts(
    xp: Any,
    input: Any,
    matrix: Any,
    target: Any,
    bias: Any = None,
    weight: Any = None,
    /,
    reduction: str = "mean",
    ignore_index: int = -100,
    size: int = 1,
) -> Any:
    """The loss of classes ``target``, with ``size`` samples at once.

    Raises:
        RuntimeError: there is no such class.
    """
    share, right = _counted(xp, target, weight, matrix.shape[0], ignore_index, input.dtype)
    found = []
    for part in _parts(input.shape[0], size):
        scores = _scores(xp, xp.getitem(input, part), matrix, bias)
        most = xp.max(scores, axis=1, keepdims=True)
        total = xp.add(xp.log(xp.sum(xp.exp(xp.subtract(scores, most)), axis=1, keepdims=True)), most)
        own = xp.take_along_axis(scores, xp.expand_dims(xp.getitem(right, part), axis=1), axis=1)
        found.append(xp.getitem(xp.subtract(total, own), (slice(None), 0)))
    losses = xp.concat(found) if found else xp.zeros((0,), dtype=input.dtype)
    # What does not count is zero, whatever its scores are.
    losses = xp.where(xp.equal(share, 0.0), 0.0, xp.multiply(losses, share))
    if reduction == "none":
        return losses
    return xp.sum(losses) if reduction == "sum" else xp.divide(xp.sum(losses), xp.sum(share))


@linear_cross_entropy_in_parts.vjp("input", "matrix", "bias")
def linear_cross_entropy_in_parts_vjp(
    xp: Any,
    g: Any,
    input: Any,
    matrix: Any,
    target: Any,
    bias: Any,
    weight: Any,
    reduction: str,
    ignore_index: int,
    size: int,
    needs: tuple[bool, bool, bool],
) -> Any:
    classes = matrix.shape[0]
    share, right = _counted(xp, target, weight, classes, ignore_index, input.dtype)
    scale = xp.multiply(share, xp.divide(g, xp.sum(share)) if reduction == "mean" else g)
    uncounted = xp.equal(share, 0.0)
    of_input = []
    of_matrix, of_bias = xp.zeros(tuple(matrix.shape), dtype=matrix.dtype), xp.zeros((classes,), dtype=matrix.dtype)
    for part in _parts(input.shape[0], size):
        x = xp.getitem(input, part)
        scores = _scores(xp, x, matrix, bias)
        powers = xp.exp(xp.subtract(scores, xp.max(scores, axis=1, keepdims=True)))
        likely = xp.divide(powers, xp.sum(powers, axis=1, keepdims=True))
        chosen = xp.equal(xp.expand_dims(xp.getitem(right, part), axis=1), xp.arange(classes, dtype=dtypes.int64))
        factor = xp.expand_dims(xp.getitem(scale, part), axis=1)
        slope = xp.multiply(xp.subtract(likely, xp.astype(chosen, likely.dtype)), factor)
        # What does not count has no gradient, whatever its scores are.
        slope = xp.where(xp.expand_dims(xp.getitem(uncounted, part), axis=1), 0.0, slope)
        if needs[0]:
            of_input.append(xp.matmul(slope, matrix))
        if needs[1]:
            of_matrix = xp.add(of_matrix, xp.matmul(xp.matrix_transpose(slope), x))
        if needs[2]:
            of_bias = xp.add(of_bias, xp.sum(slope, axis=0))
    if needs[0] and not of_input:
        of_input.append(xp.zeros(tuple(input.shape), dtype=input.dtype))
    return xp.concat(of_input) if needs[0] else None, of_matrix if needs[1] else None, of_bias if needs[2] else None


@linear_cross_entropy_in_parts.vmap
def linear_cross_entropy_in_parts_vmap(
    input: Any,
    matrix: Any,
    target: Any,
    bias: Any,
    weight: Any,
    reduction: str,
    ignore_index: int,
    size: int,
    batched: tuple[bool, ...],
) -> Any:
    rest = (reduction, ignore_index, size)
    count = next(x.shape[0] for x, b in zip((input, matrix, target, bias, weight), batched, strict=True) if b)
    if reduction == "none" and batched[0] and not (batched[1] or batched[3] or batched[4]):
        y = target if batched[2] else target.unsqueeze(0).expand(count, *target.shape)
        losses = linear_cross_entropy_in_parts(folded(input), matrix, folded(y), bias, weight, *rest)
        return losses.reshape(count, -1)
    if count == 0:
        return zeros((0, *target.shape[-1:]) if reduction == "none" else (0,), dtype=input.dtype, device=input.device)
    # Little memory is what the operation is for: each element on its own.
    operands = (input, matrix, target, bias, weight)
    each = [[x[i] if b else x for x, b in zip(operands, batched, strict=True)] for i in range(count)]
    return stack([linear_cross_entropy_in_parts(*one, *rest) for one in each])


def _parts(count: int, size: int) -> list[tuple[slice, ...]]:
    return [(slice(start, min(start + size, count)),) for start in range(0, count, size)]


def _scores(xp: Any, x: Any, matrix: Any, bias: Any) -> Any:
    scores = xp.matmul(x, xp.matrix_transpose(matrix))
    return scores if bias is None else xp.add(scores, bias)


def _counted(xp: Any, target: Any, weight: Any, classes: int, ignore_index: int, dtype: Any) -> tuple[Any, Any]:
    """How much each sample counts, and its class, 0 if it does not."""
    counted = xp.not_equal(target, ignore_index)
    right = xp.where(counted, target, 0)
    # On tensors, in a rule, they have been looked at.
    if (
        not hasattr(target, "_data")
        and 0 not in target.shape
        and (int(xp.min(right)) < 0 or int(xp.max(right)) >= classes)
    ):
        raise RuntimeError(f"linear_cross_entropy: a target is out of bounds: there are {classes} classes")
    if weight is None:
        return xp.astype(counted, dtype), right
    return xp.where(counted, xp.take_along_axis(weight, right, axis=0), 0.0), right
