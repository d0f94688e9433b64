"""The negative log likelihood of classes, and the cross entropy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.namespace import TensorNamespace
from gradcore.op import OpFunction, op
from gradcore.ops import cast
from gradcore.ops._batching import aligned, element_dims, folded, rows, unfolded
from gradcore.ops._by_number import divided_by_number
from gradcore.ops._losses import REDUCTIONS, finish_each, reduction_of
from gradcore.ops._operands import as_tensor, refuse_gradients, require_real
from gradcore.ops.gathering import gather
from gradcore.ops.masking import where
from gradcore.ops.reduction import sum, sum_dim
from gradcore.ops.softmax import log_softmax_dim
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []  # public in gradcore.nn.functional


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross entropy between classes and unnormalised scores: ``nll_loss(log_softmax(input, 1), target)``.

    Args:
        input: scores, of shape (C), (N, C) or (N, C, d1, ...).
        target: the number of the class of each element, or, in the shape of ``input``, the probability of
            each class.
        weight: of each class.
        size_average: the older name of ``reduction``, with ``reduce``.
        ignore_index: a class whose elements do not count.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all elements.
        label_smoothing: how much of the probability is spread evenly over all classes.

    Raises:
        IndexError: there is no such class.
        RuntimeError: dtypes or shapes do not fit; ``label_smoothing`` is not in [0, 1].
        ValueError: the batches differ in size; there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "cross_entropy")
    y = as_tensor(target, "cross_entropy", "target", 2)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    require_real("log_softmax_kernel_impl", x.dtype)
    logs = log_softmax_dim(x, _class_axis(x._data))
    if y._data.shape == x._data.shape:
        if y.dtype.kind in "biu" and x.ndim:
            raise RuntimeError(
                "Expected floating point type for target with class probabilities, got "
                f"{dtypes.scalar_type_name(y.dtype)}"
            )
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _cross_entropy_of_probabilities(logs, y, weight, reduction, label_smoothing)
    if label_smoothing == 0.0:
        return _nll_loss(logs, y, weight, ignore_index, reduction)  # type: ignore[no-any-return]
    return _smoothed_cross_entropy(logs, y, weight, ignore_index, reduction, label_smoothing)


def _cross_entropy_of_probabilities(
    logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    axis = _class_axis(logs)
    classes = logs.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / max(classes, 1)
    if weight is not None:
        logs = logs * _per_class(weight, logs)
    product = logs * target
    if reduction == "none":
        return -sum(product, axis)  # type: ignore[no-any-return]
    total = -sum(product)
    count = logs.numel() // classes if classes else 0
    return total if reduction == "sum" else divided_by_number(total, float(count))  # type: ignore[no-any-return]


def _smoothed_cross_entropy(
    logs: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    sharp = _nll_loss(logs, target, weight, ignore_index, reduction)
    axis = _class_axis(logs)
    classes = logs.shape[axis]
    spread = -sum(logs if weight is None else logs * _per_class(weight, logs), axis)
    target = target.to(dtypes.int64)
    ignored = target == ignore_index
    spread = where(ignored, 0.0, spread)
    if reduction == "mean":
        if weight is None:
            spread = sum(spread) / sum(~ignored)
        else:
            spread = sum(spread) / sum(where(ignored, 0.0, weight[where(ignored, 0, target)]))
    elif reduction == "sum":
        spread = sum(spread)
    return (1 - label_smoothing) * sharp + spread * (label_smoothing / classes)  # type: ignore[no-any-return]


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood: ``-input[i, target[i]]``, times ``weight[target[i]]``.

    Args:
        input: log-probabilities, of shape (C), (N, C) or (N, C, d1, ...).
        target: int64 (or uint8) classes in the shape of ``input`` without C.
        weight: of each class; the mean is divided by the sum of the weights used.
        size_average: the older name of ``reduction``, with ``reduce``.
        ignore_index: a class whose elements count neither in sums nor in means.
        reduce: ``False`` for ``reduction="none"``.
        reduction: what becomes of the losses of all elements.

    Raises:
        IndexError: there is no such class.
        RuntimeError: dtypes or shapes do not fit; ``weight`` requires grad.
        ValueError: the batches differ in size; there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "nll_loss")
    y = as_tensor(target, "nll_loss", "target", 2)
    if weight is None and x.ndim:
        require_real("nll_loss_out_frame", x.dtype)
    return _nll_loss(x, y, weight, ignore_index, reduction)  # type: ignore[no-any-return]


def _nll_loss(x: Any, y: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    places = len(x._data.shape) > 2
    y = _fitting_target(x, y)
    if y.dtype is not dtypes.int64:
        if y.dtype not in (dtypes.uint8, dtypes.int64):
            raise RuntimeError(f"expected target dtype to be Long or Byte, but got {dtypes.scalar_type_name(y.dtype)}")
        y = cast.cast(y, dtypes.int64)
    if weight is None:
        out = (nll_nd if places else nll)(x, y, reduction, ignore_index)
    else:
        _check_class_weight(x, weight)
        out = (weighted_nll_nd if places else weighted_nll)(x, y, weight, reduction, ignore_index)
    # PyTorch has but the case of images, of which others are views.
    return out.view(out.shape) if reduction == "none" and places and x.ndim != 4 else out


def _classified(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield Sample(make(3, 4), make.ints(3, high=4), reduction=reduction)
        yield Sample(make(3, 4), make.of([1, 3, 1], dtypes.int64), reduction=reduction, ignore_index=3)
        yield Sample(make(4), make.of(2, dtypes.int64), reduction=reduction)
    yield Sample(make(0, 4), make.ints(0), reduction="sum")


def _classified_places(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield Sample(make(2, 4, 3), make.ints(2, 3, high=4), reduction=reduction)
        yield Sample(make(2, 3, 2, 2), make.ints(2, 2, 2, high=3), reduction=reduction, ignore_index=1)


def _with_weights(samples: Any) -> Any:
    def weighted(make: Make) -> Iterator[Sample]:
        for s in samples(make):
            classes = s.operands[0].shape[_class_axis(s.operands[0])]
            yield Sample(*s.operands, make.of(np.arange(1.0, classes + 1)), **s.params)

    return weighted


def _gradients_of(samples: Any) -> Any:
    def gradients(make: Make) -> Iterator[Sample]:
        for s in (*samples(make), *_with_weights(samples)(make)):
            x, target, weight = (*s.operands, None)[:3]
            g = make(*(target.shape if s.params["reduction"] == "none" else ()))
            yield Sample(g, target, weight, shape=tuple(x.shape), **s.params)

    return gradients


@op(node="NllLossBackward0", samples=_classified)
def nll(xp: Any, input: Any, target: Any, /, reduction: str = "mean", ignore_index: int = -100) -> Any:
    """The negative log likelihood of classes, reduced."""
    return _nll(xp, input, target, None, reduction, ignore_index)


@op(node="NllLoss2DBackward0", samples=_classified_places)
def nll_nd(xp: Any, input: Any, target: Any, /, reduction: str = "mean", ignore_index: int = -100) -> Any:
    """The negative log likelihood of classes at every place of an image, reduced."""
    return _nll(xp, input, target, None, reduction, ignore_index)


@op(node="NllLossBackward0", samples=_with_weights(_classified))
def weighted_nll(
    xp: Any, input: Any, target: Any, weight: Any, /, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    """The weighted negative log likelihood of classes, reduced."""
    return _nll(xp, input, target, weight, reduction, ignore_index)


@op(node="NllLoss2DBackward0", samples=_with_weights(_classified_places))
def weighted_nll_nd(
    xp: Any, input: Any, target: Any, weight: Any, /, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    """The weighted negative log likelihood of classes at every place of an image, reduced."""
    return _nll(xp, input, target, weight, reduction, ignore_index)


@nll.vjp("input")
def nll_vjp(xp: Any, g: Any, input_shape: Any, target: Any, reduction: str, ignore_index: int) -> Any:
    return _within_rule(xp, nll_gradient, g, target, None, input_shape, reduction, ignore_index)


@nll.vmap
def nll_vmap(input: Any, target: Any, reduction: str, ignore_index: int) -> Any:
    return _nll_of_batch(nll, input, target, None, reduction, ignore_index)


@nll_nd.vjp("input")
def nll_nd_vjp(xp: Any, g: Any, input_shape: Any, target: Any, reduction: str, ignore_index: int) -> Any:
    return _within_rule(xp, nll_nd_gradient, g, target, None, input_shape, reduction, ignore_index)


@nll_nd.vmap
def nll_nd_vmap(input: Any, target: Any, reduction: str, ignore_index: int) -> Any:
    return _nll_of_batch(nll_nd, input, target, None, reduction, ignore_index)


@weighted_nll.vjp("input")
def weighted_nll_vjp(
    xp: Any, g: Any, input_shape: Any, target: Any, weight: Any, reduction: str, ignore_index: int
) -> Any:
    return _within_rule(xp, nll_gradient, g, target, weight, input_shape, reduction, ignore_index)


@weighted_nll.vmap
def weighted_nll_vmap(input: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    return _nll_of_batch(nll, input, target, weight, reduction, ignore_index)


@weighted_nll_nd.vjp("input")
def weighted_nll_nd_vjp(
    xp: Any, g: Any, input_shape: Any, target: Any, weight: Any, reduction: str, ignore_index: int
) -> Any:
    return _within_rule(xp, nll_nd_gradient, g, target, weight, input_shape, reduction, ignore_index)


@weighted_nll_nd.vmap
def weighted_nll_nd_vmap(input: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    return _nll_of_batch(nll_nd, input, target, weight, reduction, ignore_index)


# The gradient is an operation, too: written into zeros it takes a third of the time of anything that rules
# can express.


@op(node="NllLossBackwardBackward0", samples=_gradients_of(_classified))
def nll_gradient(
    xp: Any,
    g: Any,
    target: Any,
    weight: Any = None,
    /,
    shape: tuple[int, ...] = (),
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Any:
    """The gradient of :func:`nll` for an input of some shape."""
    return _nll_gradient(xp, g, target, weight, shape, reduction, ignore_index)


@op(node="NllLoss2DBackwardBackward0", samples=_gradients_of(_classified_places))
def nll_nd_gradient(
    xp: Any,
    g: Any,
    target: Any,
    weight: Any = None,
    /,
    shape: tuple[int, ...] = (),
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Any:
    """The gradient of :func:`nll_nd` for an input of some shape."""
    return _nll_gradient(xp, g, target, weight, shape, reduction, ignore_index)


@nll_gradient.vjp("g")
def nll_gradient_vjp(xp: Any, g: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    # The loss is linear in its input, so the adjoint of its gradient is the loss.
    if weight is None:
        return _within_rule(xp, nll, g, target, reduction, ignore_index)
    return _within_rule(xp, weighted_nll, g, target, weight, reduction, ignore_index)


@nll_gradient.vmap
def nll_gradient_vmap(
    g: Any, target: Any, weight: Any, shape: tuple[int, ...], reduction: str, ignore_index: int
) -> Any:
    return _nll_gradient_of_batch(nll_gradient, g, target, weight, shape, reduction, ignore_index)


@nll_nd_gradient.vjp("g")
def nll_nd_gradient_vjp(xp: Any, g: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    if weight is None:
        return _within_rule(xp, nll_nd, g, target, reduction, ignore_index)
    return _within_rule(xp, weighted_nll_nd, g, target, weight, reduction, ignore_index)


@nll_nd_gradient.vmap
def nll_nd_gradient_vmap(
    g: Any, target: Any, weight: Any, shape: tuple[int, ...], reduction: str, ignore_index: int
) -> Any:
    return _nll_gradient_of_batch(nll_nd_gradient, g, target, weight, shape, reduction, ignore_index)


def _within_rule(xp: Any, operation: OpFunction, *arguments: Any) -> Any:
    """An operation in a rule: on tensors it records itself, on arrays it only computes."""
    return operation(*arguments) if isinstance(xp, TensorNamespace) else operation.op.forward(xp, *arguments)


def _nll(xp: Any, x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    index, counted = _checked_classes(xp, target, x.shape[_class_axis(x)], ignore_index)
    picked = xp.getitem(x, _at_classes(xp, index))
    share = None
    if weight is not None:
        share = xp.getitem(weight, (index,))
        picked = xp.multiply(picked, share)
    if counted is not None:
        picked = xp.where(counted, picked, 0)
        share = xp.astype(counted, x.dtype) if share is None else xp.where(counted, share, 0)
    if reduction == "none":
        return xp.negative(picked)
    total = xp.sum(picked)
    if reduction == "sum":
        return xp.negative(total)
    return xp.divide(total, -math.prod(index.shape) if share is None else xp.negative(xp.sum(share)))


def _checked_classes(xp: Any, target: Any, classes: int, ignore_index: int) -> tuple[Any, Any]:
    """The classes, with 0 for those that do not count, and which do; ``None``: all.

    Raises:
        IndexError: there is no such class.
    """
    if math.prod(target.shape) == 0:
        return target, None
    if xp.device.type == "cuda":
        # To look for a class that does not exist is to wait for the device.
        counted = xp.not_equal(target, ignore_index)
        return xp.where(counted, target, 0), counted
    # As unsigned numbers the negative ones are large: one search finds both ends, and -100.
    if not 0 <= ignore_index < classes and int(xp.max(xp.astype(target, dtypes.uint64))) < classes:
        return target, None
    counted = xp.not_equal(target, ignore_index)
    index = xp.where(counted, target, 0)
    lowest, highest = int(xp.min(index)), int(xp.max(index))
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise IndexError(f"Target {wrong} is out of bounds: there are {classes} classes")
    return index, counted


def _nll_gradient(xp: Any, g: Any, target: Any, weight: Any, shape: Any, reduction: str, ignore_index: int) -> Any:
    """``-g``, weighted and shared out, where the class of an element is; 0 elsewhere."""
    index, counted = _checked_classes(xp, target, shape[1 if len(shape) > 1 else 0], ignore_index)
    total: Any = 1
    if weight is not None:
        share = xp.getitem(weight, (index,))
        share = share if counted is None else xp.where(counted, share, 0)
        g, total = xp.multiply(g, share), xp.sum(share)
    elif reduction == "mean":
        total = math.prod(index.shape) if counted is None else xp.sum(xp.astype(counted, g.dtype))
    g = xp.divide(g, -total) if reduction == "mean" else xp.negative(g)
    out = xp.zeros(tuple(shape), dtype=g.dtype)
    xp.setitem(out, _at_classes(xp, index), g if counted is None else xp.where(counted, g, 0))
    return out


def _nll_of_batch(operation: OpFunction, x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    """The loss of each element of a batch: all their places as those of one large one, then reduced for each."""
    if target.ndim == 1:
        loss = operation(x, target, "none", ignore_index)
    else:
        loss = unfolded(operation(folded(x), folded(target), "none", ignore_index), target.shape[:2])
    share = _shares(target, weight, ignore_index, x.dtype)
    if weight is not None:
        loss = loss * share
    if reduction == "mean":
        return sum_dim(loss, element_dims(loss)) / sum_dim(share, element_dims(share))
    return finish_each(loss, reduction)


def _nll_gradient_of_batch(
    operation: OpFunction, g: Any, target: Any, weight: Any, shape: Any, reduction: str, ignore_index: int
) -> Any:
    share = _shares(target, weight, ignore_index, g.dtype)
    g = aligned(g, target.ndim - 1)
    if weight is not None:
        g = g * share
    if reduction == "mean":
        g = g / sum_dim(share, element_dims(share), True)
    g = g.expand(target.shape)
    if target.ndim == 1:
        return operation(g, target, None, (target.shape[0], *shape), "none", ignore_index)
    size, n = target.shape[:2]
    out = operation(folded(g), folded(target), None, (size * n, *shape[1:]), "none", ignore_index)
    return unfolded(out, (size, n))


def _shares(target: Any, weight: Any, ignore_index: int, dtype: dtypes.DType) -> Any:
    """How much every place counts: the weight of its class, or 1; 0 for a class that does not count."""
    counted = target != ignore_index
    if weight is None:
        return counted.to(dtype)
    classes = where(counted, target, 0)
    return where(counted, gather(weight, 1, rows(classes)).reshape(target.shape), 0)


def _at_classes(xp: Any, index: Any) -> tuple[Any, ...]:
    """The index arrays that read, for every element, its class ``index`` among scores."""
    ndim = len(index.shape)
    if ndim == 1:
        return xp.arange(index.shape[0]), index
    places = [xp.reshape(xp.arange(n), (n,) + (1,) * (ndim - i - 1)) for i, n in enumerate(index.shape)]
    return (*places[:1], index, *places[1:])


def _fitting_target(x: Any, target: Any) -> Any:
    """The target in the shape of ``x`` without its classes.

    Raises:
        RuntimeError, ValueError: it has another shape.
    """
    have, want = x._data.shape, target._data.shape
    if len(have) > 1 and want == have[:1] + have[2:]:
        return target
    if x.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if x.ndim == 1:
        if math.prod(target.shape) != 1:
            raise ValueError(f"Expected one class for an input of shape {list(x.shape)}, but got {list(target.shape)}")
        return target.reshape(())
    if target.ndim == 0 or x.shape[0] != target.shape[0]:
        given = target.shape[0] if target.ndim else 0
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({given}).")
    raise RuntimeError(f"Expected target size {[x.shape[0], *x.shape[2:]]}, got {list(target.shape)}")


def _check_class_weight(x: Any, weight: Any) -> None:
    classes = x.shape[_class_axis(x)]
    if tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight "
            f"tensor of shape: {list(weight.shape)}"
        )
    refuse_gradients("nll_loss", weight=weight)
    if weight.dtype != x.dtype:
        raise RuntimeError(
            f"expected scalar type {dtypes.scalar_type_name(x.dtype)} but found "
            f"{dtypes.scalar_type_name(weight.dtype)}: the weight must have the dtype of the input"
        )


def _class_axis(x: Any) -> int:
    return 1 if len(x.shape) > 1 else 0


def _per_class(weight: Tensor, x: Tensor) -> Tensor:
    """``weight`` of each class, as it broadcasts against ``x``."""
    return weight.reshape((-1,) + (1,) * (x.ndim - 1 - _class_axis(x)))
