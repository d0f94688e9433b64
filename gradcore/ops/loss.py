"""Losses. ``reduction`` says what becomes of the loss of each element: ``"none"``, ``"sum"`` or ``"mean"``.

Public as ``gradcore.nn.functional``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.namespace import TensorNamespace
from gradcore.op import OpFunction, op
from gradcore.ops import arithmetic, cast, elementwise, special
from gradcore.ops._numeric import extra
from gradcore.ops._operands import as_tensor, require_real
from gradcore.ops.masking import where
from gradcore.ops.reduction import averaged, mean, sum
from gradcore.ops.shape import broadcast_shapes
from gradcore.ops.softmax import log_softmax_dim
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []  # public in gradcore.nn.functional

_REDUCTIONS = ("mean", "sum", "none")


# Distances


def _reduced_pairs(make: Make) -> Iterator[Sample]:
    for reduction in _REDUCTIONS:
        yield Sample(make(2, 3, low=0.0, high=2.0), make(2, 3, low=-2.0, high=-0.2), reduction=reduction)
        yield Sample(make(2, 1, low=0.0), make(3, low=-3.0, high=-0.2), reduction=reduction)
        yield Sample(make(low=0.0), make(low=-3.0, high=-0.2), reduction=reduction)
    yield Sample(make(0, 2), make(0, 2), reduction="sum")


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target)**2``. With ``weight``, the mean is the weighted one.

    Raises:
        NotImplementedError: integers.
        RuntimeError: the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if weight is not None:
        return _weighted(squared_error(*_pair("mse", input, target), "none"), weight, reduction)
    return squared_error(*_pair("mse", input, target), reduction)  # type: ignore[no-any-return]


@op(node="MseLossBackward0", promote="arithmetic", samples=_reduced_pairs)
def squared_error(xp: Any, input: Any, target: Any, /, reduction: str = "mean") -> Any:
    """``(input - target)**2``, reduced."""
    difference = xp.subtract(input, target)
    return _reduced(xp, xp.multiply(difference, difference), reduction)


@squared_error.vjp("input", "target")
def squared_error_vjp(xp: Any, g: Any, input: Any, target: Any, reduction: str, needs: tuple[bool, bool]) -> Any:
    difference = xp.subtract(input, target)
    slope = xp.multiply(difference, 2 * _per_element(g, difference.shape, reduction))
    return _antisymmetric(xp, slope, needs)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``abs(input - target)``. With ``weight``, the mean is the weighted one.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
    x, y = _pair("l1", input, target)
    distance = elementwise.abs(arithmetic.sub(x, y))
    return _finish(distance, reduction) if weight is None else _weighted(distance, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``0.5 * d**2 / beta`` where ``d = abs(input - target)`` is below ``beta``, else ``d - 0.5 * beta``.

    Raises:
        NotImplementedError: integers.
        RuntimeError: ``beta`` is negative; the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta. Got: {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return smooth_distance(*_pair("smooth_l1", input, target), reduction, beta)  # type: ignore[no-any-return]


def _smooth_pairs(make: Make) -> Iterator[Sample]:
    yield from _reduced_pairs(make)
    # On both sides of the knee.
    yield Sample(make(8, low=0.0, high=2.2), make(8, low=-0.3, high=-0.1), reduction="none")


@op(node="SmoothL1LossBackward0", promote="arithmetic", samples=_smooth_pairs)
def smooth_distance(xp: Any, input: Any, target: Any, /, reduction: str = "mean", beta: float = 1.0) -> Any:
    """The distance, squared where it is small, reduced."""
    size = xp.abs(xp.subtract(input, target))
    near = xp.multiply(xp.multiply(size, size), 0.5 / beta)
    return _reduced(xp, xp.where(xp.less(size, beta), near, xp.subtract(size, 0.5 * beta)), reduction)


@smooth_distance.vjp("input", "target")
def smooth_distance_vjp(
    xp: Any, g: Any, input: Any, target: Any, reduction: str, beta: float, needs: tuple[bool, bool]
) -> Any:
    return _knee_gradient(xp, g, xp.subtract(input, target), beta, 1 / beta, reduction, needs)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """``0.5 * d**2`` where ``d = abs(input - target)`` is at most ``delta``, else ``delta * (d - 0.5 * delta)``.

    With ``weight`` each element is multiplied by its own; the mean is over all elements, as in PyTorch.

    Raises:
        NotImplementedError: integers.
        RuntimeError: ``delta`` is not positive; the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    _check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta. Got: {delta}")
    if weight is not None:
        distance = huber_distance(*_pair("huber", input, target), "none", delta)
        return _finish(_weighted(distance, weight, "none"), reduction)
    return huber_distance(*_pair("huber", input, target), reduction, delta)  # type: ignore[no-any-return]


@op(node="HuberLossBackward0", promote="arithmetic", samples=_smooth_pairs)
def huber_distance(xp: Any, input: Any, target: Any, /, reduction: str = "mean", delta: float = 1.0) -> Any:
    """The distance, squared where it is small, with slope ``delta`` elsewhere, reduced."""
    size = xp.abs(xp.subtract(input, target))
    near = xp.multiply(xp.multiply(size, size), 0.5)
    far = xp.multiply(xp.subtract(size, 0.5 * delta), delta)
    return _reduced(xp, xp.where(xp.less_equal(size, delta), near, far), reduction)


@huber_distance.vjp("input", "target")
def huber_distance_vjp(
    xp: Any, g: Any, input: Any, target: Any, reduction: str, delta: float, needs: tuple[bool, bool]
) -> Any:
    return _knee_gradient(xp, g, xp.subtract(input, target), delta, 1.0, reduction, needs)


def _knee_gradient(
    xp: Any, g: Any, difference: Any, knee: float, slope: float, reduction: str, needs: tuple[bool, bool]
) -> Any:
    """The gradient of a loss with derivative ``slope * difference``, constant where that is beyond ``knee``."""
    g = _per_element(g, difference.shape, reduction)
    linear = xp.where(
        xp.less(xp.abs(difference), knee),
        xp.multiply(difference, slope),
        xp.multiply(xp.sign(difference), knee * slope),
    )
    return _antisymmetric(xp, xp.multiply(linear, g), needs)


# Classes


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
        ignore_index: a class whose elements do not count.
        label_smoothing: how much of the probability is spread evenly over all classes.

    Raises:
        IndexError: there is no such class.
        RuntimeError: dtypes or shapes do not fit; ``label_smoothing`` is not in [0, 1].
        ValueError: the batches differ in size; there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
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
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        logs = logs * _per_class(weight, logs)
    product = logs * target
    if reduction == "none":
        return -sum(product, axis)
    total = -sum(product)
    return total if reduction == "sum" else total / (logs.numel() // classes if classes else 0)


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
    return (1 - label_smoothing) * sharp + spread * (label_smoothing / classes)


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
        ignore_index: a class whose elements count neither in sums nor in means.
        size_average, reduce, reduction: ``"mean"``, ``"sum"`` or ``"none"``; the first two are older names.

    Raises:
        IndexError: there is no such class.
        RuntimeError: dtypes or shapes do not fit; ``weight`` requires grad.
        ValueError: the batches differ in size; there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
    x = as_tensor(input, "nll_loss")
    y = as_tensor(target, "nll_loss", "target", 2)
    return _nll_loss(x, y, weight, ignore_index, reduction)


def _nll_loss(x: Any, y: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    places = len(x._data.shape) > 2
    y = _fitting_target(x, y)
    if y.dtype is not dtypes.int64:
        if y.dtype not in (dtypes.uint8, dtypes.int64):
            raise RuntimeError(f"expected target dtype to be Long or Byte, but got {dtypes.scalar_type_name(y.dtype)}")
        y = cast.cast(y, dtypes.int64)
    if weight is None:
        require_real("nll_loss_out_frame", x.dtype)
        return (nll_nd if places else nll)(x, y, reduction, ignore_index)
    _check_class_weight(x, weight)
    return (weighted_nll_nd if places else weighted_nll)(x, y, weight, reduction, ignore_index)


def _classified(make: Make) -> Iterator[Sample]:
    for reduction in _REDUCTIONS:
        yield Sample(make(3, 4), make.ints(3, high=4), reduction=reduction)
        yield Sample(make(3, 4), make.of([1, 3, 1], dtypes.int64), reduction=reduction, ignore_index=3)
        yield Sample(make(4), make.of(2, dtypes.int64), reduction=reduction)
    yield Sample(make(0, 4), make.ints(0), reduction="sum")


def _classified_places(make: Make) -> Iterator[Sample]:
    for reduction in _REDUCTIONS:
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


@nll_nd.vjp("input")
def nll_nd_vjp(xp: Any, g: Any, input_shape: Any, target: Any, reduction: str, ignore_index: int) -> Any:
    return _within_rule(xp, nll_nd_gradient, g, target, None, input_shape, reduction, ignore_index)


@weighted_nll.vjp("input")
def weighted_nll_vjp(
    xp: Any, g: Any, input_shape: Any, target: Any, weight: Any, reduction: str, ignore_index: int
) -> Any:
    return _within_rule(xp, nll_gradient, g, target, weight, input_shape, reduction, ignore_index)


@weighted_nll_nd.vjp("input")
def weighted_nll_nd_vjp(
    xp: Any, g: Any, input_shape: Any, target: Any, weight: Any, reduction: str, ignore_index: int
) -> Any:
    return _within_rule(xp, nll_nd_gradient, g, target, weight, input_shape, reduction, ignore_index)


# The gradient is an operation, too: written into zeros it takes a third of the time of anything that rules can express.


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


@nll_nd_gradient.vjp("g")
def nll_nd_gradient_vjp(xp: Any, g: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    if weight is None:
        return _within_rule(xp, nll_nd, g, target, reduction, ignore_index)
    return _within_rule(xp, weighted_nll_nd, g, target, weight, reduction, ignore_index)


def _within_rule(xp: Any, operation: OpFunction, *arguments: Any) -> Any:
    """An operation in a rule: on tensors it records itself, on arrays it only computes."""
    return operation(*arguments) if xp.__class__ is TensorNamespace else operation.op.forward(xp, *arguments)


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
    if weight.requires_grad:
        raise RuntimeError(
            "nll_loss is not differentiable with respect to argument 'weight'. This input cannot have "
            "requires_grad True"
        )
    if weight.dtype != x.dtype:
        raise RuntimeError(
            f"expected scalar type {dtypes.scalar_type_name(x.dtype)} but found "
            f"{dtypes.scalar_type_name(weight.dtype)}: the weight must have the dtype of the input"
        )


# Probabilities


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(target * log(input) + (1 - target) * log(1 - input))``; the logarithms are cut off at -100.

    Raises:
        RuntimeError: an input is not in [0, 1]; dtypes differ.
        ValueError: the shapes differ; there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
    x = as_tensor(input, "binary_cross_entropy")
    y = as_tensor(target, "binary_cross_entropy", "target", 2)
    if x._data.shape != y._data.shape:
        raise ValueError(
            f"Using a target size ({y.shape}) that is different to the input size ({x.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    require_real("binary_cross_entropy", x.dtype)
    return bernoulli_entropy(x, y, weight, reduction)  # type: ignore[no-any-return]


def _probabilities(make: Make) -> Iterator[Sample]:
    for reduction in _REDUCTIONS:
        yield Sample(make(2, 3, low=0.1, high=0.9), make(2, 3, low=0.0, high=1.0), reduction=reduction)
        weight = make.of([1.0, 2.0, 0.5])
        yield Sample(make(2, 3, low=0.1, high=0.9), make(2, 3, low=0.0, high=1.0), weight, reduction=reduction)
    yield Sample(make(low=0.1, high=0.9), make(low=0.0, high=1.0))


@op(node="BinaryCrossEntropyBackward0", promote="same", samples=_probabilities)
def bernoulli_entropy(xp: Any, input: Any, target: Any, weight: Any = None, /, reduction: str = "mean") -> Any:
    """The cross entropy between probabilities of two outcomes, reduced."""
    if not bool(xp.all(xp.logical_and(xp.greater_equal(input, 0), xp.less_equal(input, 1)))):
        raise RuntimeError(
            "all elements of input should be between 0 and 1: apply sigmoid, or use the loss with logits"
        )
    log_true = xp.maximum(xp.log(input), -100.0)
    log_false = xp.maximum(xp.log1p(xp.negative(input)), -100.0)
    loss = xp.subtract(xp.multiply(xp.subtract(target, 1), log_false), xp.multiply(target, log_true))
    return _reduced(xp, loss if weight is None else xp.multiply(loss, weight), reduction)


@bernoulli_entropy.vjp("input")
def bernoulli_entropy_vjp_input(xp: Any, g: Any, input: Any, target: Any, weight: Any, reduction: str) -> Any:
    g = _weighted_gradient(xp, g, input.shape, weight, reduction)
    variance = xp.maximum(xp.multiply(xp.subtract(1, input), input), 1e-12)
    return xp.divide(xp.multiply(g, xp.subtract(input, target)), variance)


@bernoulli_entropy.vjp("target")
def bernoulli_entropy_vjp_target(xp: Any, g: Any, input: Any, weight: Any, reduction: str) -> Any:
    g = _weighted_gradient(xp, g, input.shape, weight, reduction)
    return xp.multiply(g, xp.subtract(xp.log1p(xp.negative(input)), xp.log(input)))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy(sigmoid(input), target)`` without overflow; ``pos_weight`` weighs the positive outcomes.

    Raises:
        ValueError: the shapes differ; there is no such reduction.
    """
    reduction = _reduction(reduction, size_average, reduce)
    x = as_tensor(input, "binary_cross_entropy_with_logits")
    y = as_tensor(target, "binary_cross_entropy_with_logits", "target", 2)
    if x._data.shape != y._data.shape:
        raise ValueError(f"Target size ({y.shape}) must be the same as input size ({x.shape})")
    if weight is None and pos_weight is None:
        return logistic_entropy(x, y, reduction)  # type: ignore[no-any-return]
    return weighted_logistic_entropy(x, y, weight, pos_weight, reduction)  # type: ignore[no-any-return]


def _logits(make: Make) -> Iterator[Sample]:
    for reduction in _REDUCTIONS:
        yield Sample(make(2, 3), make(2, 3, low=0.0, high=1.0), reduction=reduction)
    yield Sample(make(), make(low=0.0, high=1.0))


def _weighted_logits(make: Make) -> Iterator[Sample]:
    weights = make.of([1.0, 2.0, 0.5]), make.of([[3.0], [0.25]])
    for reduction in _REDUCTIONS:
        for weight, pos_weight in ((weights[0], None), (None, weights[0]), weights):
            yield Sample(make(2, 3), make(2, 3, low=0.0, high=1.0), weight, pos_weight, reduction=reduction)


@op(node="BinaryCrossEntropyWithLogitsBackward0", promote="arithmetic", samples=_logits)
def logistic_entropy(xp: Any, input: Any, target: Any, /, reduction: str = "mean") -> Any:
    """The cross entropy between the sigmoid of scores and probabilities, reduced."""
    loss = xp.add(xp.subtract(xp.maximum(input, 0), xp.multiply(input, target)), _log_one_plus_exp(xp, input))
    return _reduced(xp, loss, reduction)


@logistic_entropy.vjp("input")
def logistic_entropy_vjp_input(xp: Any, g: Any, input: Any, target: Any, reduction: str) -> Any:
    return xp.multiply(xp.subtract(extra(xp, "sigmoid", input), target), _per_element(g, input.shape, reduction))


@logistic_entropy.vjp("target")
def logistic_entropy_vjp_target(xp: Any, g: Any, input: Any, reduction: str) -> Any:
    return xp.negative(xp.multiply(input, _per_element(g, input.shape, reduction)))


@op(
    node="BinaryCrossEntropyWithLogitsBackward0",
    promote="arithmetic",
    samples=_weighted_logits,
)
def weighted_logistic_entropy(
    xp: Any, input: Any, target: Any, weight: Any = None, pos_weight: Any = None, /, reduction: str = "mean"
) -> Any:
    """The weighted cross entropy between the sigmoid of scores and probabilities, reduced."""
    # log(1 + exp(-x)), without overflow
    softplus = xp.add(xp.maximum(xp.negative(input), 0), _log_one_plus_exp(xp, input))
    scale = 1 if pos_weight is None else xp.add(xp.multiply(xp.subtract(pos_weight, 1), target), 1)
    loss = xp.add(xp.multiply(xp.subtract(1, target), input), xp.multiply(softplus, scale))
    return _reduced(xp, loss if weight is None else xp.multiply(loss, weight), reduction)


@weighted_logistic_entropy.vjp("input")
def weighted_logistic_entropy_vjp_input(
    xp: Any, g: Any, input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str
) -> Any:
    g = _weighted_gradient(xp, g, input.shape, weight, reduction)
    positive = target if pos_weight is None else xp.multiply(pos_weight, target)
    mass = xp.subtract(xp.add(positive, 1), target)
    return xp.multiply(g, xp.subtract(xp.multiply(extra(xp, "sigmoid", input), mass), positive))


@weighted_logistic_entropy.vjp("target")
def weighted_logistic_entropy_vjp_target(
    xp: Any, g: Any, input: Any, weight: Any, pos_weight: Any, reduction: str
) -> Any:
    g = _weighted_gradient(xp, g, input.shape, weight, reduction)
    if pos_weight is None:
        return xp.negative(xp.multiply(g, input))
    softplus = xp.add(xp.maximum(xp.negative(input), 0), _log_one_plus_exp(xp, input))
    return xp.multiply(g, xp.subtract(xp.multiply(xp.subtract(pos_weight, 1), softplus), input))


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """The Kullback-Leibler divergence ``target * (log(target) - input)``, where ``input`` is a log-probability.

    Args:
        reduction: also ``"batchmean"``: the sum divided by the size of the first dimension, which is the
            divergence of the definition.
        log_target: ``target`` is a log-probability, too.

    Raises:
        RuntimeError: the shapes do not broadcast.
        ValueError: there is no such reduction.
    """
    x = as_tensor(input, "kl_div")
    y = as_tensor(target, "kl_div", "target", 2)
    batch = reduction == "batchmean"
    reduction = _reduction("sum" if batch else reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support "
            "size.'batchmean' divides only by the batch size, and aligns with the KL math definition.",
            UserWarning,
            stacklevel=2,
        )
    if log_target:
        divergence = arithmetic.mul(elementwise.exp(y), arithmetic.sub(y, x))
    else:
        divergence = arithmetic.sub(special.xlogy(y, y), arithmetic.mul(y, x))
    loss = _finish(divergence, reduction)
    return loss / x.shape[0] if batch and x.ndim else loss


# What the losses share


def _reduction(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """The reduction meant, also by PyTorch's older two parameters.

    Raises:
        ValueError: there is none of that name.
    """
    if size_average is not None or reduce is not None:
        kept = reduce is False
        reduction = "none" if kept else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=3,
        )
    _check_reduction(reduction)
    return reduction


def _check_reduction(reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction: it is one of {', '.join(_REDUCTIONS)}")


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both operands of a loss, as tensors; with a warning, if they have different shapes."""
    x = as_tensor(input, f"{name}_loss")
    y = as_tensor(target, f"{name}_loss", "target", 2)
    if x._data.shape != y._data.shape:
        warnings.warn(
            f"Using a target size ({y.shape}) that is different to the input size ({x.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )
        broadcast_shapes(x._data.shape, y._data.shape)
    if name != "l1" and x.dtype.kind in "biu" and y.dtype.kind in "biu":
        require_real(f"{name}_cpu", x.dtype)
    return x, y


def _reduced(xp: Any, loss: Any, reduction: str) -> Any:
    if reduction == "mean":
        return averaged(xp, loss)
    return xp.sum(loss) if reduction == "sum" else loss


def _finish(loss: Any, reduction: str) -> Any:
    """:func:`_reduced` for tensors."""
    if reduction == "mean":
        return mean(loss)
    return sum(loss) if reduction == "sum" else loss


def _weighted(loss: Any, weight: Tensor, reduction: str) -> Any:
    """The loss of each element weighted, then reduced; the mean is divided by the sum of the weights."""
    if weight.ndim > loss.ndim or tuple(weight.shape) != tuple(loss.shape):
        raise ValueError(f"Weights and input must have the same size: got {list(weight.shape)} and {list(loss.shape)}.")
    loss = loss * weight
    return sum(loss) / sum(weight) if reduction == "mean" else _finish(loss, reduction)


def _per_element(g: Any, shape: Any, reduction: str) -> Any:
    """The gradient of the loss of each element, as it broadcasts against ``shape``."""
    return g / math.prod(shape) if reduction == "mean" else g


def _weighted_gradient(xp: Any, g: Any, shape: Any, weight: Any, reduction: str) -> Any:
    g = _per_element(g, shape, reduction)
    return g if weight is None else xp.multiply(g, weight)


def _antisymmetric(xp: Any, slope: Any, needs: tuple[bool, bool]) -> tuple[Any, Any]:
    """The gradients of the two operands of a function of their difference."""
    return slope if needs[0] else None, xp.negative(slope) if needs[1] else None


def _class_axis(x: Any) -> int:
    return 1 if len(x.shape) > 1 else 0


def _per_class(weight: Tensor, x: Tensor) -> Tensor:
    """``weight`` of each class, as it broadcasts against ``x``."""
    return weight.reshape((-1,) + (1,) * (x.ndim - 1 - _class_axis(x)))


def _log_one_plus_exp(xp: Any, x: Any) -> Any:
    """``log(1 + exp(-abs(x)))``."""
    return xp.log1p(xp.exp(xp.negative(xp.abs(x))))
