"""The cross entropy of two outcomes, of probabilities or of scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._extra import extra
from gradcore.ops._losses import REDUCTIONS, aligned_operands, finish_each, per_element, reduced, reduction_of
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor, refuse_gradients, require_real
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []  # public in gradcore.nn.functional


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
        RuntimeError: an input is not in [0, 1]; dtypes differ; ``weight`` requires grad.
        ValueError: the shapes differ; there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "binary_cross_entropy")
    y = as_tensor(target, "binary_cross_entropy", "target", 2)
    if x._data.shape != y._data.shape:
        raise ValueError(
            f"Using a target size ({y.shape}) that is different to the input size ({x.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    require_real("binary_cross_entropy", x.dtype)
    refuse_gradients("binary_cross_entropy", weight=weight)
    return bernoulli_entropy(x, y, weight, reduction)  # type: ignore[no-any-return]


def _probabilities(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield Sample(make(2, 3, low=0.1, high=0.9), make(2, 3, low=0.0, high=1.0), None, reduction=reduction)
        weight = make.of([1.0, 2.0, 0.5])
        yield Sample(make(2, 3, low=0.1, high=0.9), make(2, 3, low=0.0, high=1.0), weight, reduction=reduction)
    yield Sample(make(low=0.1, high=0.9), make(low=0.0, high=1.0), None)


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
    return reduced(xp, loss if weight is None else xp.multiply(loss, weight), reduction)


@bernoulli_entropy.vjp("input")
def bernoulli_entropy_vjp_input(xp: Any, g: Any, input: Any, target: Any, weight: Any, reduction: str) -> Any:
    g = _weighted_gradient(xp, g, input.shape, weight, reduction)
    variance = xp.maximum(xp.multiply(xp.subtract(1, input), input), 1e-12)
    return xp.divide(xp.multiply(g, xp.subtract(input, target)), variance)


@bernoulli_entropy.vjp("target")
def bernoulli_entropy_vjp_target(xp: Any, g: Any, input: Any, weight: Any, reduction: str) -> Any:
    g = _weighted_gradient(xp, g, input.shape, weight, reduction)
    return xp.multiply(g, xp.subtract(xp.log1p(xp.negative(input)), xp.log(input)))


@bernoulli_entropy.vmap
def bernoulli_entropy_vmap(input: Any, target: Any, weight: Any, reduction: str) -> Any:
    return finish_each(bernoulli_entropy(*aligned_operands(input, target, weight), "none"), reduction)


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
        RuntimeError: ``weight`` or ``pos_weight`` requires grad.
        ValueError: the shapes differ; there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x = as_tensor(input, "binary_cross_entropy_with_logits")
    y = as_tensor(target, "binary_cross_entropy_with_logits", "target", 2)
    for z in (x, y):
        if z.is_complex():
            refuse_dtype("log_sigmoid_cpu", z.dtype)
    if x._data.shape != y._data.shape:
        raise ValueError(f"Target size ({y.shape}) must be the same as input size ({x.shape})")
    refuse_gradients("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    if weight is None and pos_weight is None:
        return logistic_entropy(x, y, reduction)  # type: ignore[no-any-return]
    return weighted_logistic_entropy(x, y, weight, pos_weight, reduction)  # type: ignore[no-any-return]


def _logits(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield Sample(make(2, 3), make(2, 3, low=0.0, high=1.0), reduction=reduction)
    yield Sample(make(), make(low=0.0, high=1.0))


def _weighted_logits(make: Make) -> Iterator[Sample]:
    weights = make.of([1.0, 2.0, 0.5]), make.of([[3.0], [0.25]])
    for reduction in REDUCTIONS:
        for weight, pos_weight in ((weights[0], None), (None, weights[0]), weights):
            yield Sample(make(2, 3), make(2, 3, low=0.0, high=1.0), weight, pos_weight, reduction=reduction)


@op(node="BinaryCrossEntropyWithLogitsBackward0", promote="arithmetic", samples=_logits)
def logistic_entropy(xp: Any, input: Any, target: Any, /, reduction: str = "mean") -> Any:
    """The cross entropy between the sigmoid of scores and probabilities, reduced."""
    loss = xp.add(xp.subtract(xp.maximum(input, 0), xp.multiply(input, target)), _log_one_plus_exp(xp, input))
    return reduced(xp, loss, reduction)


@logistic_entropy.vjp("input")
def logistic_entropy_vjp_input(xp: Any, g: Any, input: Any, target: Any, reduction: str) -> Any:
    return xp.multiply(xp.subtract(extra(xp, "sigmoid", input), target), per_element(g, input.shape, reduction))


@logistic_entropy.vjp("target")
def logistic_entropy_vjp_target(xp: Any, g: Any, input: Any, reduction: str) -> Any:
    return xp.negative(xp.multiply(input, per_element(g, input.shape, reduction)))


@logistic_entropy.vmap
def logistic_entropy_vmap(input: Any, target: Any, reduction: str) -> Any:
    return finish_each(logistic_entropy(*aligned_operands(input, target), "none"), reduction)


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
    return reduced(xp, loss if weight is None else xp.multiply(loss, weight), reduction)


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


@weighted_logistic_entropy.vmap
def weighted_logistic_entropy_vmap(input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    loss = weighted_logistic_entropy(*aligned_operands(input, target, weight, pos_weight), "none")
    return finish_each(loss, reduction)


def _weighted_gradient(xp: Any, g: Any, shape: Any, weight: Any, reduction: str) -> Any:
    g = per_element(g, shape, reduction)
    return g if weight is None else xp.multiply(g, weight)


def _log_one_plus_exp(xp: Any, x: Any) -> Any:
    """``log(1 + exp(-abs(x)))``."""
    return xp.log1p(xp.exp(xp.negative(xp.abs(x))))
