"""The modified Bessel functions of the first kind, of orders 0 and 1, plain and scaled by ``exp(-|x|)``."""

from __future__ import annotations

import functools
import math
from typing import Any

from gradcore.op import op
from gradcore.ops._extra import generic
from gradcore.ops._numeric import require_kind
from gradcore.ops.special._precision import epsilon_of, polynomial, special
from gradcore.testing.samples import reals

__all__ = ["hankel_coefficients", "i0", "i0e", "i1", "i1e"]


@op(
    node="I0Backward0",
    promote="float",
    d=lambda xp, input: special(xp, "i1", input),
    standard="i0",
    samples=reals,
)
def i0(xp: Any, input: Any, /) -> Any:
    """The modified Bessel function of the first kind, of order 0."""
    require_kind(xp, input, "f", "i0")
    return special(xp, "i0", input)


@op(
    node="SpecialI0EBackward0",
    promote="float",
    d=lambda xp, input, out: xp.subtract(special(xp, "i1e", input), xp.multiply(xp.sign(input), out)),
    standard="i0e",
    samples=reals,
)
def i0e(xp: Any, input: Any, /) -> Any:
    """``exp(-|input|) * i0(input)``."""
    require_kind(xp, input, "f", "i0e")
    return special(xp, "i0e", input)


def _i1_slope(xp: Any, input: Any, out: Any) -> Any:
    x, tiny = _away_from_zero(xp, input)
    return xp.where(tiny, 0.5, xp.subtract(special(xp, "i0", x), xp.divide(out, x)))


@op(node="SpecialI1Backward0", promote="float", d=_i1_slope, standard="i1", samples=reals)
def i1(xp: Any, input: Any, /) -> Any:
    """The modified Bessel function of the first kind, of order 1."""
    require_kind(xp, input, "f", "i1")
    return special(xp, "i1", input)


def _i1e_slope(xp: Any, input: Any, out: Any) -> Any:
    x, tiny = _away_from_zero(xp, input)
    shrinking = xp.multiply(out, xp.add(xp.sign(x), xp.reciprocal(x)))
    return xp.where(tiny, 0.5, xp.subtract(special(xp, "i0e", x), shrinking))


@op(node="SpecialI1EBackward0", promote="float", d=_i1e_slope, standard="i1e", samples=reals)
def i1e(xp: Any, input: Any, /) -> Any:
    """``exp(-|input|) * i1(input)``."""
    require_kind(xp, input, "f", "i1e")
    return special(xp, "i1e", input)


def _away_from_zero(xp: Any, x: Any) -> tuple[Any, Any]:
    """``x``, but not so near to zero that a quotient by it says nothing; and where it was."""
    epsilon = epsilon_of(xp, x)
    tiny = xp.logical_not(xp.greater(xp.abs(x), epsilon))
    return xp.where(tiny, epsilon, x), tiny


# Without help of a backend: the power series (DLMF 10.25.2) up to here, Hankel's expansion (DLMF 10.40.1) beyond.
_SWITCH = 20.0


@generic("i0", special=True)
def _i0(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    return xp.where(xp.less_equal(size, _SWITCH), _series(xp, size, 0), _grown(xp, size, 0))


@generic("i0e", special=True)
def _i0e(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    near = xp.multiply(_series(xp, size, 0), xp.exp(xp.negative(xp.minimum(size, _SWITCH))))
    return xp.where(xp.less_equal(size, _SWITCH), near, _expansion(xp, size, 0))


@generic("i1", special=True)
def _i1(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    near = xp.multiply(xp.multiply(x, 0.5), _series(xp, size, 1))
    return xp.where(xp.less_equal(size, _SWITCH), near, xp.copysign(_grown(xp, size, 1), x))


@generic("i1e", special=True)
def _i1e(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    near = xp.multiply(xp.multiply(x, 0.5), _series(xp, size, 1))
    near = xp.multiply(near, xp.exp(xp.negative(xp.minimum(size, _SWITCH))))
    return xp.where(xp.less_equal(size, _SWITCH), near, xp.copysign(_expansion(xp, size, 1), x))


def _series(xp: Any, size: Any, order: int) -> Any:
    quarter = xp.multiply(xp.square(xp.minimum(size, _SWITCH)), 0.25)
    return polynomial(xp, quarter, _series_coefficients(order))


def _expansion(xp: Any, size: Any, order: int) -> Any:
    size = xp.maximum(size, _SWITCH)
    signed = [(-1) ** k * c for k, c in enumerate(hankel_coefficients(order, 26))]
    decay = polynomial(xp, xp.reciprocal(size), signed[::-1])
    return xp.divide(decay, xp.sqrt(xp.multiply(size, 2.0 * math.pi)))


def _grown(xp: Any, size: Any, order: int) -> Any:
    # In two steps, since the exponential overflows before the function does.
    half = xp.exp(xp.multiply(xp.maximum(size, _SWITCH), 0.5))
    return xp.multiply(xp.multiply(half, _expansion(xp, size, order)), half)


@functools.cache
def _series_coefficients(order: int) -> tuple[float, ...]:
    return tuple(1.0 / (math.factorial(k) * math.factorial(k + order)) for k in range(36, -1, -1))


@functools.cache
def hankel_coefficients(order: int, count: int) -> tuple[float, ...]:
    """The numbers a(k) of DLMF 10.17.1, of which Hankel's expansions for large arguments are made."""
    found = [1.0]
    for k in range(1, count):
        found.append(found[-1] * (4.0 * order * order - (2.0 * k - 1.0) ** 2) / (8.0 * k))
    return tuple(found)
