"""Losses of distance and of distributions; of classes: ``cross_entropy.py`` and ``binary_cross_entropy.py``.

``reduction`` says what becomes of the loss of each element: ``"none"``, ``"sum"`` or ``"mean"``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops import arithmetic, elementwise
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
from gradcore.ops._operands import as_tensor, require_real
from gradcore.ops.broadcasting import broadcast_shapes
from gradcore.ops.reduction import sum
from gradcore.ops.special import entropy
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []  # public in gradcore.nn.functional


def _reduced_pairs(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
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
    reduction = reduction_of(reduction, size_average, reduce)
    if weight is not None:
        return _weighted(squared_error(*_pair("mse", input, target), "none"), weight, reduction)  # type: ignore[no-any-return]
    return squared_error(*_pair("mse", input, target), reduction)  # type: ignore[no-any-return]


@op(node="MseLossBackward0", promote="arithmetic", samples=_reduced_pairs)
def squared_error(xp: Any, input: Any, target: Any, /, reduction: str = "mean") -> Any:
    """``(input - target)**2``, reduced."""
    difference = xp.subtract(input, target)
    return reduced(xp, xp.multiply(difference, difference), reduction)


@squared_error.vjp("input", "target")
def squared_error_vjp(xp: Any, g: Any, input: Any, target: Any, reduction: str, needs: tuple[bool, bool]) -> Any:
    difference = xp.subtract(input, target)
    slope = xp.multiply(difference, 2 * per_element(g, difference.shape, reduction))
    return _antisymmetric(xp, slope, needs)


@squared_error.vmap
def squared_error_vmap(input: Any, target: Any, reduction: str) -> Any:
    return finish_each(squared_error(*aligned_operands(input, target), "none"), reduction)


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
    reduction = reduction_of(reduction, size_average, reduce)
    x, y = _pair("l1", input, target)
    distance = elementwise.abs(arithmetic.sub(x, y))
    return finish(distance, reduction) if weight is None else _weighted(distance, weight, reduction)  # type: ignore[no-any-return]


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
    reduction = reduction_of(reduction, size_average, reduce)
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
    return reduced(xp, xp.where(xp.less(size, beta), near, xp.subtract(size, 0.5 * beta)), reduction)


@smooth_distance.vjp("input", "target")
def smooth_distance_vjp(
    xp: Any, g: Any, input: Any, target: Any, reduction: str, beta: float, needs: tuple[bool, bool]
) -> Any:
    return _knee_gradient(xp, g, xp.subtract(input, target), beta, 1 / beta, reduction, needs)


@smooth_distance.vmap
def smooth_distance_vmap(input: Any, target: Any, reduction: str, beta: float) -> Any:
    return finish_each(smooth_distance(*aligned_operands(input, target), "none", beta), reduction)


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
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta. Got: {delta}")
    if weight is not None:
        distance = huber_distance(*_pair("huber", input, target), "none", delta)
        return finish(_weighted(distance, weight, "none"), reduction)  # type: ignore[no-any-return]
    return huber_distance(*_pair("huber", input, target), reduction, delta)  # type: ignore[no-any-return]


@op(node="HuberLossBackward0", promote="arithmetic", samples=_smooth_pairs)
def huber_distance(xp: Any, input: Any, target: Any, /, reduction: str = "mean", delta: float = 1.0) -> Any:
    """The distance, squared where it is small, with slope ``delta`` elsewhere, reduced."""
    size = xp.abs(xp.subtract(input, target))
    near = xp.multiply(xp.multiply(size, size), 0.5)
    far = xp.multiply(xp.subtract(size, 0.5 * delta), delta)
    return reduced(xp, xp.where(xp.less_equal(size, delta), near, far), reduction)


@huber_distance.vjp("input", "target")
def huber_distance_vjp(
    xp: Any, g: Any, input: Any, target: Any, reduction: str, delta: float, needs: tuple[bool, bool]
) -> Any:
    return _knee_gradient(xp, g, xp.subtract(input, target), delta, 1.0, reduction, needs)


@huber_distance.vmap
def huber_distance_vmap(input: Any, target: Any, reduction: str, delta: float) -> Any:
    return finish_each(huber_distance(*aligned_operands(input, target), "none", delta), reduction)


def _knee_gradient(
    xp: Any, g: Any, difference: Any, knee: float, slope: float, reduction: str, needs: tuple[bool, bool]
) -> Any:
    """The gradient of a loss with derivative ``slope * difference``, constant where that is beyond ``knee``."""
    g = per_element(g, difference.shape, reduction)
    linear = xp.where(
        xp.less(xp.abs(difference), knee),
        xp.multiply(difference, slope),
        xp.multiply(xp.sign(difference), knee * slope),
    )
    return _antisymmetric(xp, xp.multiply(linear, g), needs)


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
        input: logarithms of probabilities.
        target: probabilities.
        size_average: the older name of ``reduction``, with ``reduce``.
        reduce: ``False`` for ``reduction="none"``.
        reduction: also ``"batchmean"``: the sum divided by the size of the first dimension, which is the
            divergence of the definition.
        log_target: ``target`` is a log-probability, too.

    Raises:
        RuntimeError: the shapes do not broadcast; complex numbers.
        ValueError: there is no such reduction.
    """
    x = as_tensor(input, "kl_div")
    y = as_tensor(target, "kl_div", "target", 2)
    if x.is_complex() or y.is_complex():
        raise RuntimeError("kl_div: Complex inputs not supported. Take .real, .imag or .abs() first")
    batch = reduction == "batchmean"
    reduction = reduction_of("sum" if batch else reduction, size_average, reduce)
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
        divergence = arithmetic.sub(entropy.xlogy(y, y), arithmetic.mul(y, x))
    loss = finish(divergence, reduction)
    return loss / x.shape[0] if batch and x.ndim else loss  # type: ignore[no-any-return]


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
    if name != "l1":
        for z in (x, y):
            if z.is_complex() or (x.dtype.kind in "biu" and y.dtype.kind in "biu"):
                require_real(f"{name}_cpu", z.dtype)
    return x, y


def _weighted(loss: Any, weight: Tensor, reduction: str) -> Any:
    """The loss of each element weighted, then reduced; the mean is divided by the sum of the weights."""
    if weight.ndim > loss.ndim or tuple(weight.shape) != tuple(loss.shape):
        raise ValueError(f"Weights and input must have the same size: got {list(weight.shape)} and {list(loss.shape)}.")
    loss = loss * weight
    return sum(loss) / sum(weight) if reduction == "mean" else finish(loss, reduction)


def _antisymmetric(xp: Any, slope: Any, needs: tuple[bool, bool]) -> tuple[Any, Any]:
    """The gradients of the two operands of a function of their difference."""
    return slope if needs[0] else None, xp.negative(slope) if needs[1] else None
