"""Activation functions of neural networks, element by element.

Masks choose with ``where``, never by multiplying: what is masked may be infinite. Those built on exponentials
are in ``smooth_activation.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._batching import shifted
from gradcore.ops._dims import normalize_dim
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, require_kind
from gradcore.ops._operands import as_tensor
from gradcore.ops.assignment import fill_value
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["hardshrink", "prelu", "relu", "threshold"]


# Rectifiers


@op(node="ReluBackward0", elementwise=True, samples=unary(away_from=0.0))
def relu(xp: Any, input: Any, /) -> Any:
    """``max(input, 0)``; the gradient at 0 is 0.

    Raises:
        RuntimeError: ``input`` holds truth values.
    """
    kind = kind_of(xp, input)
    if kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu: cast the tensor first, with .to(dtype)")
    if kind == "c":
        require_kind(xp, input, "iuf", "relu")
    return xp.maximum(input, 0)


@relu.vjp("input")
def relu_vjp_input(xp: Any, g: Any, out: Any) -> Any:
    # Not out > 0: at NaN the gradient passes, as in PyTorch.
    return xp.where(xp.less_equal(out, 0), 0.0, g)


def _with_slopes(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, away_from=0.0))
        yield Sample(make(*shape, away_from=0.0), negative_slope=1.5)


@op(node="LeakyReluBackward0", elementwise=True, samples=_with_slopes)
def leaky_relu(xp: Any, input: Any, /, negative_slope: float = 0.01) -> Any:
    """``input`` where that is positive, else ``negative_slope * input``."""
    require_kind(xp, input, "f", "leaky_relu")
    # The larger of the two lines, if that is steeper than the other. Choosing by mask takes several times as long.
    if 0 < negative_slope <= 1:
        return xp.maximum(input, xp.multiply(input, negative_slope))
    return xp.where(xp.greater(input, 0.0), input, xp.multiply(input, negative_slope))


@leaky_relu.vjp("input")
def leaky_relu_vjp_input(xp: Any, g: Any, input: Any, negative_slope: float) -> Any:
    return xp.where(xp.greater(input, 0.0), g, xp.multiply(g, negative_slope))


@op(node="LeakyReluBackward1", elementwise=True, samples=unary(away_from=0.0, negative_slope=0.5))
def leaky_relu_in_place(xp: Any, input: Any, /, negative_slope: float) -> Any:
    """:func:`leaky_relu` as it is recorded in place: the result, which tells the sign of the input, is all that is left."""
    return leaky_relu.op.forward(xp, input, negative_slope)


@leaky_relu_in_place.vjp("input")
def leaky_relu_in_place_vjp_input(xp: Any, g: Any, out: Any, negative_slope: float) -> Any:
    return xp.where(xp.greater(out, 0.0), g, xp.multiply(g, negative_slope))


def leaky_relu_(self: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place :func:`leaky_relu`."""
    # A negative slope turns the sign, so then a copy of the input must stay.
    chosen = leaky_relu_in_place if negative_slope >= 0 else leaky_relu
    return chosen.inplace(self, negative_slope)


def _channels(make: Make) -> Iterator[Sample]:
    for shape, weights in (((2, 3), (1, 3)), ((2, 3), (1, 1)), ((), ()), ((0, 2), (1, 2)), ((4,), (1,))):
        yield Sample(make(*shape, away_from=0.0), make(*weights))


@op(node="PreluKernelBackward0", promote="same", elementwise=True, samples=_channels)
def prelu_kernel(xp: Any, input: Any, weight: Any, /) -> Any:
    """:func:`prelu` with the weights in a shape that broadcasts against ``input``."""
    require_kind(xp, input, "f", "prelu")
    return xp.where(xp.greater(input, 0.0), input, xp.multiply(weight, input))


@prelu_kernel.vjp("input")
def prelu_kernel_vjp_input(xp: Any, g: Any, input: Any, weight: Any) -> Any:
    return xp.where(xp.greater(input, 0.0), g, xp.multiply(weight, g))


@prelu_kernel.vjp("weight")
def prelu_kernel_vjp_weight(xp: Any, g: Any, input: Any) -> Any:
    return xp.where(xp.greater(input, 0.0), 0.0, xp.multiply(input, g))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``input`` where that is positive, else ``weight * input``; one weight for all, or one for each channel (dim 1).

    Raises:
        RuntimeError: the weights are neither one nor as many as there are channels.
    """
    input, weight = as_tensor(input, "prelu"), as_tensor(weight, "prelu", "weight", 2)
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor with several weights: give prelu one weight")
        if weight.numel() != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and "
                f"channel size = {channels}."
            )
    shape = [1] * input.ndim
    if input.ndim > 1:
        shape[1] = weight.numel()
    if list(weight.shape) != shape:
        weight = weight.reshape(shape)
    return prelu_kernel(input, weight)  # type: ignore[no-any-return]


def _thresholds(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), threshold=0.1, value=-3.0)


@op(node="ThresholdBackward0", elementwise=True, samples=_thresholds)
def threshold(xp: Any, input: Any, /, threshold: float, value: float) -> Any:
    """``input`` where that is above ``threshold``, else ``value``."""
    return _thresholded(xp, input, threshold, value)


def _thresholded(xp: Any, input: Any, threshold: float, value: float) -> Any:
    require_kind(xp, input, "iuf", "threshold")
    dtype = xp.np_dtype(input.dtype)
    return xp.where(xp.less_equal(input, fill_value(threshold, dtype)), fill_value(value, dtype), input)


@threshold.vjp("input")
def threshold_vjp_input(xp: Any, g: Any, input: Any, threshold: float) -> Any:
    return xp.where(xp.less_equal(input, threshold), 0.0, g)


# Between two bounds


@op(node="ThresholdBackward1", elementwise=True, samples=_thresholds)
def threshold_in_place(xp: Any, input: Any, /, threshold: float, value: float) -> Any:
    """:func:`threshold` as it is recorded in place."""
    return _thresholded(xp, input, threshold, value)


@threshold_in_place.vjp("input")
def threshold_in_place_vjp_input(xp: Any, g: Any, input: Any, threshold: float) -> Any:
    return xp.where(xp.less_equal(input, threshold), 0.0, g)


def threshold_(self: Tensor, threshold: float, value: float) -> Tensor:
    """In-place :func:`threshold`."""
    return threshold_in_place.inplace(self, threshold, value)


@op(node="HardtanhBackward0", elementwise=True, samples=unary(low=-2.0, high=1.95))
def hardtanh(xp: Any, input: Any, /, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """``input`` kept between ``min_val`` and ``max_val``; the gradient at the bounds is 0.

    Raises:
        ValueError: ``min_val`` is above ``max_val``.
    """
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    kind = kind_of(xp, input)
    if kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh: cast the tensor first, with .to(dtype)")
    require_kind(xp, input, "iuf", "hardtanh")
    low, high = (min_val, max_val) if kind == "f" else (int(min_val), int(max_val))
    if kind == "u" and low < 0:
        raise RuntimeError(f"cannot do hardtanh on an unsigned type with negative limits, but min_val is {min_val}")
    return xp.minimum(xp.maximum(input, low), high)


@hardtanh.vjp("input")
def hardtanh_vjp_input(xp: Any, g: Any, input: Any, min_val: float, max_val: float) -> Any:
    outside = xp.logical_or(xp.less_equal(input, min_val), xp.greater_equal(input, max_val))
    return xp.where(outside, 0.0, g)


def relu6(input: Tensor) -> Tensor:
    """``input`` kept between 0 and 6."""
    return hardtanh(input, 0.0, 6.0)  # type: ignore[no-any-return]


def relu6_(self: Tensor) -> Tensor:
    """In-place :func:`relu6`."""
    return hardtanh.inplace(self, 0.0, 6.0)


@op(node="HardsigmoidBackward0", elementwise=True, samples=unary(low=-5.0, high=4.9))
def hardsigmoid(xp: Any, input: Any, /) -> Any:
    """``input / 6 + 1/2`` kept between 0 and 1."""
    require_kind(xp, input, "f", "hardsigmoid")
    return xp.divide(xp.minimum(xp.maximum(xp.add(input, 3.0), 0.0), 6.0), 6.0)


@hardsigmoid.vjp("input")
def hardsigmoid_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    inside = xp.logical_and(xp.greater(input, -3.0), xp.less(input, 3.0))
    return xp.where(inside, xp.divide(g, 6.0), 0.0)


@op(node="HardswishBackward0", elementwise=True, samples=unary(low=-5.0, high=4.9))
def hardswish(xp: Any, input: Any, /) -> Any:
    """``input * hardsigmoid(input)``."""
    require_kind(xp, input, "f", "hardswish")
    return xp.divide(xp.multiply(input, xp.minimum(xp.maximum(xp.add(input, 3.0), 0.0), 6.0)), 6.0)


@hardswish.vjp("input")
def hardswish_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    rising = xp.multiply(g, xp.add(xp.divide(input, 3.0), 0.5))
    return xp.where(xp.less_equal(input, -3.0), 0.0, xp.where(xp.less(input, 3.0), rising, g))


def _shrunk(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape))
        yield Sample(make(*shape), lambd=0.7)


@op(node="HardshrinkBackward0", elementwise=True, samples=_shrunk)
def hardshrink(xp: Any, input: Any, /, lambd: float = 0.5) -> Any:
    """``input``, and 0 within ``lambd`` of 0."""
    require_kind(xp, input, "f", "hardshrink")
    return xp.where(xp.less_equal(xp.abs(input), lambd), 0.0, input)


@hardshrink.vjp("input")
def hardshrink_vjp_input(xp: Any, g: Any, input: Any, lambd: float) -> Any:
    return xp.where(xp.less_equal(xp.abs(input), lambd), 0.0, g)


@op(node="SoftshrinkBackward0", elementwise=True, samples=_shrunk)
def softshrink(xp: Any, input: Any, /, lambd: float = 0.5) -> Any:
    """``input`` moved by ``lambd`` towards 0, and 0 within ``lambd`` of it.

    Raises:
        RuntimeError: ``lambd`` is negative.
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}")
    require_kind(xp, input, "f", "softshrink")
    # x minus the nearest point of the interval; NaN stays.
    return xp.subtract(input, xp.minimum(xp.maximum(input, -lambd), lambd))


@softshrink.vjp("input")
def softshrink_vjp_input(xp: Any, g: Any, input: Any, lambd: float) -> Any:
    return xp.where(xp.less_equal(xp.abs(input), lambd), 0.0, g)


# Gates


def _halves(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 6), dim=1)
    yield Sample(make(4, 3), dim=0)
    yield Sample(make(2), dim=0)
    yield Sample(make(0, 2), dim=1)


@op(node="GluBackward0", samples=_halves)
def gated_half(xp: Any, input: Any, /, *, dim: int) -> Any:
    """:func:`glu` along a dimension counted from the front."""
    require_kind(xp, input, "f", "glu")
    value, gate = _two_halves(xp, input, dim)
    return xp.multiply(value, extra(xp, "sigmoid", gate))


@gated_half.vjp("input")
def gated_half_vjp_input(xp: Any, g: Any, input: Any, dim: int) -> Any:
    value, gate = _two_halves(xp, input, dim)
    opening = extra(xp, "sigmoid", gate)
    slope = xp.multiply(xp.multiply(value, opening), xp.subtract(1.0, opening))
    return xp.concat((xp.multiply(g, opening), xp.multiply(g, slope)), axis=dim)


@gated_half.vmap
def gated_half_vmap(input: Any, dim: int) -> Any:
    return gated_half(input, dim=shifted(dim))


@numpy_names
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of ``input`` along ``dim``, times the sigmoid of the second half.

    Raises:
        RuntimeError: ``input`` has no dimension, or an odd number of elements along ``dim``.
    """
    input = as_tensor(input, "glu")
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    at = normalize_dim(dim, input.ndim)
    if input.shape[at] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {at} is size {input.shape[at]}")
    return gated_half(input, dim=at)  # type: ignore[no-any-return]


# Helpers


def _two_halves(xp: Any, x: Any, dim: int) -> tuple[Any, Any]:
    half = x.shape[dim] // 2
    before = (slice(None),) * dim
    return xp.getitem(x, (*before, slice(None, half))), xp.getitem(x, (*before, slice(half, None)))
