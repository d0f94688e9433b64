"""Losses that ask for a margin: between classes, between the elements of a pair, around zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._batching import aligned
from gradcore.ops._extra import extra
from gradcore.ops._losses import (
    REDUCTIONS,
    aligned_operands,
    check_reduction,
    finish,
    finish_each,
    per_element,
    reduced,
    reduction_of,
)
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor, refuse_gradients, require_real
from gradcore.ops.arithmetic import mul, neg, sub
from gradcore.ops.bounds import clamp_min
from gradcore.ops.comparison import ne
from gradcore.ops.masking import where
from gradcore.ops.reduction import sum_dim
from gradcore.ops.smooth_activation import logsigmoid
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
]


# Two classes, 1 and -1.


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-target * input))``, where ``target`` is 1 or -1.

    Where ``exp`` overflows the loss is ``-target * input``, not infinity.

    Raises:
        NotImplementedError: complex numbers.
        RuntimeError: the shapes do not broadcast; ``target`` requires grad.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "soft_margin_loss")
    y = as_tensor(target, "soft_margin_loss", "target", 2)
    refuse_gradients("soft_margin_loss", target=y)
    if x.is_complex() or y.is_complex():
        refuse_dtype("soft_margin_loss", x.dtype if x.is_complex() else y.dtype)
    return soft_margin(x, y, reduction)  # type: ignore[no-any-return]


def _signed(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield Sample(make(2, 3), make.of([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]]), reduction=reduction)
        yield Sample(make(2, 1), make.of([1.0, -1.0, 1.0]), reduction=reduction)
        yield Sample(make(), make.of(-1.0), reduction=reduction)
    yield Sample(make(0, 2), make.of([1.0, -1.0]), reduction="sum")


@op(node="SoftMarginLossBackward0", promote="arithmetic", samples=_signed)
def soft_margin(xp: Any, input: Any, target: Any, /, reduction: str = "mean") -> Any:
    """The logarithm of one plus the exponential, reduced."""
    distance = xp.negative(xp.multiply(input, target))
    return reduced(xp, xp.logaddexp(distance, xp.zeros_like(distance)), reduction)


@soft_margin.vjp("input")
def soft_margin_vjp(xp: Any, g: Any, input: Any, target: Any, reduction: str) -> Any:
    distance = xp.negative(xp.multiply(input, target))
    slope = xp.multiply(xp.negative(target), extra(xp, "sigmoid", distance))
    return xp.multiply(slope, per_element(g, distance.shape, reduction))


@soft_margin.vmap
def soft_margin_vmap(input: Any, target: Any, reduction: str) -> Any:
    return finish_each(soft_margin(*aligned_operands(input, target), "none"), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``input``, a distance, where ``target`` is 1, and ``max(0, margin - input)`` where it is -1.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "hinge_embedding_loss")
    y = as_tensor(target, "hinge_embedding_loss", "target", 2)
    far = where(ne(y, 1), clamp_min(margin - x, 0), 0)
    return finish(far + where(ne(y, -1), x, 0), reduction)  # type: ignore[no-any-return]


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -target * (input1 - input2) + margin)``: ``input1`` is to be the larger one where ``target`` is 1.

    Raises:
        RuntimeError: the tensors have unlike numbers of dimensions, or shapes that do not broadcast.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    first = as_tensor(input1, "margin_ranking_loss", "input1")
    second = as_tensor(input2, "margin_ranking_loss", "input2", 2)
    y = as_tensor(target, "margin_ranking_loss", "target", 3)
    if not first.ndim == second.ndim == y.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {list(first.shape)}, input2: {list(second.shape)}, target: {list(y.shape)}"
        )
    return finish(clamp_min(mul(neg(y), sub(first, second)) + margin, 0), reduction)  # type: ignore[no-any-return]


# Several classes.


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The binary cross entropy of each class with scores ``input``, averaged over the classes, the last dimension.

    Args:
        input: scores, of shape (..., C).
        target: 0 or 1, of the same shape.
        weight: of the classes, or of whatever broadcasts.
        size_average: the older name of ``reduction``, with ``reduce``.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all samples.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "multilabel_soft_margin_loss")
    y = as_tensor(target, "multilabel_soft_margin_loss", "target", 2)
    loss = neg(y * logsigmoid(x) + (1 - y) * logsigmoid(neg(x)))
    if weight is not None:
        loss = loss * weight
    dim = x.ndim - 1
    loss = sum_dim(loss, (dim,)) / x.size(dim)
    check_reduction(reduction)
    return finish(loss, reduction)  # type: ignore[no-any-return]


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, margin - input[target] + input[j])**p``, averaged over all classes, of which ``target`` does not count.

    Args:
        input: scores, of shape (C) or (N, C).
        target: int64 classes, of shape () or (N).
        p: 1 or 2.
        margin: by how much the score of the target is to be above the others.
        weight: of each target class.
        size_average: the older name of ``reduction``, with ``reduce``.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all samples.

    Raises:
        NotImplementedError: dtypes other than float32 and float64; ``weight`` requires grad.
        RuntimeError: shapes or dtypes that do not fit; there is no such class.
        ValueError: another ``p``; a ``weight`` that is not one-dimensional; there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "multi_margin_loss")
    y = as_tensor(target, "multi_margin_loss", "target", 2)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, but got p={p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, but got shape {list(weight.shape)}")
    _check_scores(x)
    single = x.ndim < 2
    if y.numel() != (1 if single else x.shape[0]) or y.ndim > 1:
        raise RuntimeError(
            f"multi_margin_loss: Expected target size [{1 if single else x.shape[0]}] for an input of shape {list(x.shape)}, but "
            f"got {list(y.shape)}"
        )
    _check_labels("multi_margin_loss_cpu_kernel", x, y)
    if single:
        # A target of one dimension has losses of one.
        x = x.reshape((1,) * y.ndim + (max(x.numel(), 1),))
    if weight is not None:
        weight = as_tensor(weight, "multi_margin_loss", "weight", 5)
        refuse_gradients("multi_margin_loss", weight=weight)
        if tuple(weight.shape) != (x.shape[-1],):
            raise RuntimeError(f"inconsistent weight size, expected {x.shape[-1]} but got {list(weight.shape)}")
        if weight.dtype != x.dtype:
            raise RuntimeError(
                f"expected scalar type {dtypes.scalar_type_name(x.dtype)} but found {dtypes.scalar_type_name(weight.dtype)}"
            )
    return multi_margin(x, y, weight, reduction, p, margin)  # type: ignore[no-any-return]


def _classified(make: Make) -> Iterator[Sample]:
    for p in (1, 2):
        for reduction in REDUCTIONS:
            yield Sample(make(3, 4), make.ints(3, high=4), None, reduction=reduction, p=p, margin=0.7)
            yield Sample(make(4), make.of(2, dtypes.int64), make.of([0.5, 1.0, 2.0, 1.5]), reduction=reduction, p=p)
    yield Sample(make(0, 3), make.ints(0), None, reduction="sum")


@op(node="MultiMarginLossBackward0", samples=_classified)
def multi_margin(
    xp: Any, input: Any, target: Any, weight: Any = None, /, reduction: str = "mean", p: int = 1, margin: float = 1.0
) -> Any:
    """The violations of the margin, reduced; ``input`` may have any number of dimensions before the classes.

    Raises:
        RuntimeError: there is no such class.
    """
    classes = input.shape[-1]
    if 0 not in target.shape and (int(xp.min(target)) < 0 or int(xp.max(target)) >= classes):
        raise RuntimeError(f"multi_margin_loss: target out of range: the classes are 0 to {classes - 1}")
    excess, right = _excess(xp, input, target, margin)
    loss = xp.sum(excess if p == 1 else xp.square(excess), axis=-1)
    return reduced(xp, xp.multiply(loss, _share(xp, weight, right, input)), reduction)


@multi_margin.vjp("input")
def multi_margin_vjp(
    xp: Any, g: Any, input: Any, target: Any, weight: Any, reduction: str, p: int, margin: float
) -> Any:
    excess, right = _excess(xp, input, target, margin)
    slope = xp.astype(xp.greater(excess, 0.0), input.dtype) if p == 1 else xp.multiply(excess, 2.0)
    scale = xp.multiply(_share(xp, weight, right, input), per_element(g, target.shape, reduction))
    slope = xp.multiply(slope, xp.expand_dims(scale, axis=-1))
    return xp.subtract(slope, xp.where(right, xp.sum(slope, axis=-1, keepdims=True), 0.0))


@multi_margin.vmap
def multi_margin_vmap(input: Any, target: Any, weight: Any, reduction: str, p: int, margin: float) -> Any:
    weight = None if weight is None else aligned(weight, input.ndim - 1)
    return finish_each(multi_margin(input, target, weight, "none", p, margin), reduction)


def _excess(xp: Any, x: Any, target: Any, margin: float) -> tuple[Any, Any]:
    """By how much the margin is missed, zero for the target; and where the target is."""
    right = xp.equal(xp.expand_dims(target, axis=-1), xp.arange(x.shape[-1], dtype=dtypes.int64))
    score = xp.sum(xp.where(right, x, 0.0), axis=-1, keepdims=True)
    missing = xp.add(xp.subtract(x, score), margin)
    return xp.where(xp.logical_or(right, xp.less_equal(missing, 0.0)), 0.0, missing), right


def _share(xp: Any, weight: Any, right: Any, x: Any) -> Any:
    """What the sum over the classes of each sample is multiplied by."""
    if weight is None:
        return xp.asarray(1.0 / x.shape[-1], dtype=x.dtype)
    return xp.multiply(xp.sum(xp.where(right, weight, 0.0), axis=-1), 1.0 / x.shape[-1])


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum of ``max(0, 1 - input[i] + input[j])`` over all targets ``i`` and other classes ``j``, by the number of classes.

    Args:
        input: scores, of shape (C) or (N, C).
        target: int64 classes of the same shape; those before the first -1 count.
        size_average: the older name of ``reduction``, with ``reduce``.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all samples.

    Raises:
        NotImplementedError: dtypes other than float32 and float64.
        RuntimeError: shapes or dtypes that do not fit; there is no such class.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "multilabel_margin_loss")
    y = as_tensor(target, "multilabel_margin_loss", "target", 2)
    _check_scores(x)
    if tuple(y.shape) != tuple(x.shape):
        raise RuntimeError(f"inconsistent target size: {list(y.shape)} for input of size: {list(x.shape)}")
    _check_labels("multilabel_margin_loss_forward_out_frame", x, y)
    if x.ndim == 0:
        x, y = x.reshape(1), y.reshape(1)
    return multilabel_margin(x, y, reduction)  # type: ignore[no-any-return]


def _labelled(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        labels = make.of([[0, 2, -1], [1, -1, 0], [-1, 0, 0], [2, 2, 0]], dtypes.int64)
        yield Sample(make(4, 3), labels, reduction=reduction)
        yield Sample(make(3), make.of([1, 2, -1], dtypes.int64), reduction=reduction)
    yield Sample(make(0, 3), make.ints(0, 3), reduction="sum")


@op(node="MultilabelMarginLossBackward0", samples=_labelled)
def multilabel_margin(xp: Any, input: Any, target: Any, /, reduction: str = "mean") -> Any:
    """The violations of all margins, reduced; ``input`` may have any number of dimensions before the classes.

    Raises:
        RuntimeError: there is no such class.
    """
    classes = input.shape[-1]
    if 0 not in target.shape and (int(xp.min(target)) < -1 or int(xp.max(target)) >= classes):
        raise RuntimeError(
            f"multilabel_margin_loss: argument #2 'target' is out of range: the classes are 0 to {classes - 1}"
        )
    excess, _ = _excesses(xp, input, target)
    return reduced(xp, xp.multiply(xp.sum(excess, axis=(-2, -1)), 1.0 / classes), reduction)


@multilabel_margin.vjp("input")
def multilabel_margin_vjp(xp: Any, g: Any, input: Any, target: Any, reduction: str) -> Any:
    excess, places = _excesses(xp, input, target)
    missed = xp.astype(xp.greater(excess, 0.0), input.dtype)
    # Each miss raises the score of the other class and lowers that of the target.
    lowered = xp.sum(xp.where(places, xp.sum(missed, axis=-1, keepdims=True), 0.0), axis=-2)
    slope = xp.multiply(xp.subtract(xp.sum(missed, axis=-2), lowered), 1.0 / input.shape[-1])
    scale = per_element(g, input.shape[:-1], reduction)
    return xp.multiply(slope, xp.expand_dims(scale, axis=-1))


@multilabel_margin.vmap
def multilabel_margin_vmap(input: Any, target: Any, reduction: str) -> Any:
    return finish_each(multilabel_margin(input, target, "none"), reduction)


def _excesses(xp: Any, x: Any, target: Any) -> tuple[Any, Any]:
    """By how much each target (dimension -2) misses its margin to each class (-1), and at which class each target is."""
    ends = xp.astype(xp.less(target, 0), dtypes.int64)
    counts = xp.equal(xp.cumulative_sum(ends, axis=-1), 0)
    most = x.shape[-1]
    if not hasattr(target, "_data") and 0 not in target.shape:
        # On arrays no more of them than the longest list has; none at all would leave nothing to reduce.
        most = max(int(xp.max(xp.sum(xp.astype(counts, dtypes.int64), axis=-1))), 1)
    listed = (..., slice(0, most))
    counts, labels = xp.getitem(counts, listed), xp.getitem(target, listed)
    places = xp.equal(xp.expand_dims(labels, axis=-1), xp.arange(x.shape[-1], dtype=dtypes.int64))
    places = xp.logical_and(places, xp.expand_dims(counts, axis=-1))
    is_target = xp.any(places, axis=-2, keepdims=True)
    scores = xp.expand_dims(x, axis=-2)
    own = xp.sum(xp.where(places, scores, 0.0), axis=-1, keepdims=True)
    missing = xp.add(xp.subtract(scores, own), 1.0)
    counted = xp.logical_and(xp.expand_dims(counts, axis=-1), xp.logical_not(is_target))
    return xp.where(xp.logical_and(counted, xp.greater(missing, 0.0)), missing, 0.0), places


# What they check.


def _check_scores(x: Any) -> None:
    if x.ndim > 2 or 0 in tuple(x.shape)[1:] or (x.ndim == 1 and x.shape[0] == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(x.shape)}"
        )


def _check_labels(kernel: str, x: Any, y: Any) -> None:
    require_real(kernel, x.dtype)
    if x.dtype not in (dtypes.float32, dtypes.float64):
        refuse_dtype(kernel, x.dtype)
    if y.dtype != dtypes.int64:
        raise RuntimeError(f"expected scalar type Long but found {dtypes.scalar_type_name(y.dtype)}")
