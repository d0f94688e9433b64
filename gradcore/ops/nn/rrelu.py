"""Rectifiers whose slope is drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.grad_mode import no_grad
from gradcore.op import op
from gradcore.ops._operands import as_tensor, require_real
from gradcore.ops.activation import leaky_relu
from gradcore.ops.masking import where
from gradcore.random import Generator, rand
from gradcore.testing.samples import Make, Sample, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["rrelu", "rrelu_"]


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """``input`` where that is positive, else times a slope: uniform on [lower, upper) in training, else the middle of it.

    Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: ``lower`` is above ``upper``.
    """
    x = as_tensor(input, "rrelu")
    _check(x, lower, upper)
    if training:
        return scaled_by_noise(x, _slopes(x, lower, upper, generator))  # type: ignore[no-any-return]
    return mean_slope(x, negative_slope=(lower + upper) / 2)  # type: ignore[no-any-return]


def rrelu_(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """The in-place twin of :func:`rrelu`."""
    x = as_tensor(input, "rrelu_")
    _check(x, lower, upper)
    if training:
        return scaled_by_noise_in_place.inplace(x, _slopes(x, lower, upper, generator))
    slope = (lower + upper) / 2
    # A negative slope turns the sign, so then the result does not tell that of the input.
    return (mean_slope_in_place if slope >= 0 else mean_slope).inplace(x, negative_slope=slope)


def _check(x: Tensor, lower: float, upper: float) -> None:
    if lower > upper:
        raise RuntimeError(f"Lower bound should be less than or equal to the upper bound, but got {lower} and {upper}")
    require_real("rrelu_with_noise", x.dtype)


def _slopes(x: Tensor, lower: float, upper: float, generator: Generator | None) -> Tensor:
    with no_grad():
        draws = rand(x.shape, dtype=x.dtype, device=x.device, generator=generator)
        return where(x.detach() <= 0, draws * (upper - lower) + lower, 1.0).to(x.dtype)  # type: ignore[no-any-return]


def _with_noise(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape), make(*shape).detach())


@op(node="RreluWithNoiseBackward0", elementwise=True, samples=_with_noise)
def scaled_by_noise(xp: Any, input: Any, noise: Any, /) -> Any:
    """``input`` times slopes that were drawn for it."""
    return xp.multiply(input, noise)


@scaled_by_noise.vjp("input")
def scaled_by_noise_vjp(xp: Any, g: Any, noise: Any) -> Any:
    return xp.multiply(g, noise)


@op(node="RreluWithNoiseBackward1", elementwise=True, samples=_with_noise)
def scaled_by_noise_in_place(xp: Any, input: Any, noise: Any, /) -> Any:
    """:func:`scaled_by_noise` as it is recorded in place."""
    return xp.multiply(input, noise)


@scaled_by_noise_in_place.vjp("input")
def scaled_by_noise_in_place_vjp(xp: Any, g: Any, noise: Any) -> Any:
    return xp.multiply(g, noise)


@op(node="RreluWithNoiseBackward0", elementwise=True, samples=unary(away_from=0.0, negative_slope=0.3))
def mean_slope(xp: Any, input: Any, /, *, negative_slope: float) -> Any:
    """``input`` where that is positive, else times the mean slope."""
    return leaky_relu.op.forward(xp, input, negative_slope)


@mean_slope.vjp("input")
def mean_slope_vjp(xp: Any, g: Any, input: Any, negative_slope: float) -> Any:
    return xp.where(xp.greater(input, 0.0), g, xp.multiply(g, negative_slope))


@op(node="RreluWithNoiseBackward1", elementwise=True, samples=unary(away_from=0.0, negative_slope=0.3))
def mean_slope_in_place(xp: Any, input: Any, /, *, negative_slope: float) -> Any:
    """:func:`mean_slope` as it is recorded in place."""
    return leaky_relu.op.forward(xp, input, negative_slope)


@mean_slope_in_place.vjp("input")
def mean_slope_in_place_vjp(xp: Any, g: Any, out: Any, negative_slope: float) -> Any:
    return xp.where(xp.greater(out, 0.0), g, xp.multiply(g, negative_slope))
