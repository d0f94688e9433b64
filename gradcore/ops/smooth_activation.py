"""Activation functions built on exponentials and on the normal distribution, element by element."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import is_tensor, op
from gradcore.ops import arithmetic, division, elementwise, trigonometry
from gradcore.ops._extra import extra, offered
from gradcore.ops._numeric import require_kind
from gradcore.testing.samples import Make, Sample, reals, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["celu", "selu", "sigmoid"]


# The constants of Klambauer et al., Self-Normalizing Neural Networks, 2017.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@op(
    node="SigmoidBackward0",
    promote="float",
    d=lambda xp, out: xp.multiply(out, xp.subtract(1.0, out)),
    standard="sigmoid",
    samples=reals,
)
def sigmoid(xp: Any, input: Any, /) -> Any:
    """``1 / (1 + exp(-input))``."""
    return extra(xp, "sigmoid", input)


@op(node="LogSigmoidBackward0", elementwise=True, samples=reals)
def logsigmoid(xp: Any, input: Any, /) -> Any:
    """``log(sigmoid(input))``, without underflow on the way."""
    require_kind(xp, input, "f", "logsigmoid")
    return xp.subtract(xp.minimum(input, 0.0), xp.log1p(xp.exp(xp.negative(xp.abs(input)))))


@logsigmoid.vjp("input")
def logsigmoid_vjp_input(xp: Any, g: Any, input: Any) -> Any:
    return xp.multiply(g, extra(xp, "sigmoid", xp.negative(input)))


def _silu_slope(xp: Any, input: Any) -> Any:
    share = extra(xp, "sigmoid", input)
    return xp.multiply(share, xp.add(xp.multiply(input, xp.subtract(1.0, share)), 1.0))


@op(
    node="SiluBackward0",
    d=_silu_slope,
    samples=reals,
)
def silu(xp: Any, input: Any, /) -> Any:
    """``input * sigmoid(input)``."""
    require_kind(xp, input, "fc", "silu")
    return xp.divide(input, xp.add(xp.exp(xp.negative(input)), 1.0))


def _mish_slope(xp: Any, input: Any) -> Any:
    # The derivative of log1p(exp(input)) would be inf / inf for large input.
    gate = xp.tanh(xp.logaddexp(input, 0.0))
    rise = xp.multiply(extra(xp, "sigmoid", input), xp.subtract(1.0, xp.square(gate)))
    return xp.add(gate, xp.multiply(input, rise))


@op(
    node="MishBackward0",
    d=_mish_slope,
    samples=reals,
)
def mish(xp: Any, input: Any, /) -> Any:
    """``input * tanh(softplus(input))``."""
    require_kind(xp, input, "f", "mish")
    return xp.multiply(input, xp.tanh(xp.log1p(xp.exp(input))))


def _approximations(make: Make) -> Iterator[Sample]:
    for approximate in ("none", "tanh"):
        for shape in ((2, 3), (), (0, 2)):
            yield Sample(make(*shape), approximate=approximate)


def _gelu_slope(xp: Any, input: Any, approximate: str) -> Any:
    if approximate == "none":
        density = xp.multiply(xp.exp(xp.multiply(xp.square(input), -0.5)), 1.0 / math.sqrt(2.0 * math.pi))
        return xp.add(_normal_share(xp, input), xp.multiply(input, density))
    bend = xp.tanh(_gelu_argument(xp, input))
    rise = xp.multiply(xp.add(xp.multiply(xp.square(input), 3 * 0.044715), 1.0), math.sqrt(2.0 / math.pi))
    rise = xp.multiply(xp.multiply(rise, xp.subtract(1.0, xp.square(bend))), input)
    return xp.multiply(xp.add(xp.add(bend, 1.0), rise), 0.5)


@op(
    node="GeluBackward0",
    elementwise=True,
    samples=_approximations,
)
def gelu(xp: Any, input: Any, /, *, approximate: str = "none") -> Any:
    """``input`` times the share of a normal distribution that lies below it.

    ``approximate="tanh"`` takes a cheaper formula, which is off by up to 0.0005.

    Raises:
        RuntimeError: another ``approximate``.
    """
    require_kind(xp, input, "f", "gelu")
    if approximate == "none":
        found = offered(xp, "gelu", input)
        return xp.multiply(input, _normal_share(xp, input)) if found is None else found
    if approximate != "tanh":
        raise RuntimeError(f"approximate argument must be either none or tanh, but got {approximate!r}")
    return xp.multiply(xp.multiply(input, 0.5), xp.add(xp.tanh(_gelu_argument(xp, input)), 1.0))


@gelu.vjp("input")
def gelu_vjp_input(xp: Any, g: Any, input: Any, approximate: str) -> Any:
    found = offered(xp, "gelu_gradient", g, input) if approximate == "none" else None
    return xp.multiply(g, _gelu_slope(xp, input, approximate)) if found is None else found


def _softplus_samples(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape))
    yield Sample(make(2, 3), beta=2.0)
    yield Sample(make(2, 3, low=-2.0, high=1.0), beta=1.0, threshold=0.1)


@op(node="SoftplusBackward0", elementwise=True, samples=_softplus_samples)
def softplus(xp: Any, input: Any, /, beta: float = 1, threshold: float = 20) -> Any:
    """``log(1 + exp(beta * input)) / beta``, and ``input`` itself where ``beta * input`` is above ``threshold``."""
    require_kind(xp, input, "f", "softplus")
    scaled = input if beta == 1 else xp.multiply(input, beta)
    smooth = xp.log1p(xp.exp(scaled))
    return xp.where(xp.greater(scaled, threshold), input, smooth if beta == 1 else xp.divide(smooth, beta))


@softplus.vjp("input")
def softplus_vjp_input(xp: Any, g: Any, input: Any, beta: float, threshold: float) -> Any:
    scaled = input if beta == 1 else xp.multiply(input, beta)
    return xp.where(xp.greater(scaled, threshold), g, xp.multiply(g, extra(xp, "sigmoid", scaled)))


def _exponential_units(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, away_from=0.0))
        yield Sample(make(*shape, away_from=0.0), alpha=0.5, scale=1.5, input_scale=2.0)


@op(node="EluBackward0", elementwise=True, samples=_exponential_units)
def elu_unit(xp: Any, input: Any, /, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """``scale`` times ``input`` where that is positive, else times ``alpha * (exp(input_scale * input) - 1)``."""
    require_kind(xp, input, "f", "elu")
    return _elu(xp, input, alpha, scale, input_scale)


@elu_unit.vjp("input")
def elu_unit_vjp_input(xp: Any, g: Any, input: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return _elu_vjp(xp, g, input, alpha, scale, input_scale)


@op(node="EluBackward1", elementwise=True, samples=_exponential_units)
def elu_unit_in_place(
    xp: Any, input: Any, /, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Any:
    """:func:`elu_unit` as it is recorded in place: the result, which has the sign of the input, is all that is left."""
    require_kind(xp, input, "f", "elu")
    return _elu(xp, input, alpha, scale, input_scale)


@elu_unit_in_place.vjp("input")
def elu_unit_in_place_vjp_input(xp: Any, g: Any, out: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return _elu_vjp_of_result(xp, g, out, alpha, scale, input_scale)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``input`` where that is positive, else ``alpha * (exp(input) - 1)``."""
    return elu_unit(input, alpha=alpha)  # type: ignore[no-any-return]


def elu_(self: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place :func:`elu`."""
    chosen = elu_unit_in_place if alpha >= 0 else elu_unit
    return chosen.inplace(self, alpha=alpha)


def selu(input: Tensor) -> Tensor:
    """:func:`elu` with the scales that keep mean and variance of a deep network."""
    return elu_unit(input, alpha=_SELU_ALPHA, scale=_SELU_SCALE)  # type: ignore[no-any-return]


def selu_(self: Tensor) -> Tensor:
    """In-place :func:`selu`."""
    return elu_unit_in_place.inplace(self, alpha=_SELU_ALPHA, scale=_SELU_SCALE)


@op(node="CeluBackward0", elementwise=True, samples=unary(away_from=0.0))
def celu(xp: Any, input: Any, /, alpha: float = 1.0) -> Any:
    """``input`` where that is positive, else ``alpha * (exp(input / alpha) - 1)``.

    Raises:
        RuntimeError: ``alpha`` is 0.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    require_kind(xp, input, "f", "celu")
    return _elu(xp, input, alpha, 1.0, 1.0 / alpha)


@celu.vjp("input")
def celu_vjp_input(xp: Any, g: Any, input: Any, alpha: float) -> Any:
    return _elu_vjp(xp, g, input, alpha, 1.0, 1.0 / alpha)


@op(node="CeluBackward1", elementwise=True, samples=unary(away_from=0.0, alpha=0.7))
def celu_in_place(xp: Any, input: Any, /, alpha: float) -> Any:
    """:func:`celu` as it is recorded in place."""
    return celu.op.forward(xp, input, alpha)


@celu_in_place.vjp("input")
def celu_in_place_vjp_input(xp: Any, g: Any, out: Any, alpha: float) -> Any:
    return _elu_vjp_of_result(xp, g, out, alpha, 1.0, 1.0 / alpha)


def celu_(self: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place :func:`celu`."""
    chosen = celu_in_place if alpha > 0 else celu
    return chosen.inplace(self, alpha)


def _elu_vjp_of_result(xp: Any, g: Any, out: Any, alpha: float, scale: float, input_scale: float) -> Any:
    bent = xp.multiply(xp.add(_below_zero(xp, out) if is_tensor(out) else out, alpha * scale), input_scale)
    return xp.multiply(g, xp.where(xp.less_equal(out, 0.0), bent, scale))


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``."""
    return division.true_divide(input, arithmetic.add(elementwise.abs(input), 1))  # type: ignore[no-any-return]


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``."""
    return arithmetic.sub(input, trigonometry.tanh(input))  # type: ignore[no-any-return]


def _normal_share(xp: Any, x: Any) -> Any:
    """The normal distribution function."""
    return xp.multiply(xp.add(extra(xp, "erf", xp.multiply(x, math.sqrt(0.5))), 1.0), 0.5)


def _gelu_argument(xp: Any, x: Any) -> Any:
    cubic = xp.multiply(xp.add(xp.multiply(xp.square(x), 0.044715), 1.0), x)
    return xp.multiply(cubic, math.sqrt(2.0 / math.pi))


def _elu(xp: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    # Of the two parts one is zero.
    low = xp.multiply(xp.expm1(_scaled(xp, xp.minimum(x, 0.0), input_scale)), alpha * scale)
    return xp.add(low, _scaled(xp, xp.maximum(x, 0.0), scale))


def _elu_vjp(xp: Any, g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    # The exponential of large x is infinite: it must not be computed, not even to be masked.
    slope = xp.multiply(xp.exp(_scaled(xp, _below_zero(xp, x), input_scale)), alpha * scale * input_scale)
    return xp.where(xp.less_equal(x, 0.0), xp.multiply(g, slope), _scaled(xp, g, scale))


def _scaled(xp: Any, x: Any, factor: float) -> Any:
    return x if factor == 1.0 else xp.multiply(x, factor)


def _below_zero(xp: Any, x: Any) -> Any:
    """``minimum(x, 0)``; on tensors, whose derivative that is, without one where ``x`` is 0."""
    return xp.where(xp.less(x, 0.0), x, 0.0) if is_tensor(x) else xp.minimum(x, 0.0)
