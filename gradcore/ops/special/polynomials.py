"""Orthogonal polynomials, which PyTorch offers without derivatives: the argument first, then the degree."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

from gradcore import dtypes
from gradcore.op import OpFunction, op
from gradcore.ops._numeric import array_like
from gradcore.ops.special.cylinder import require_wide
from gradcore.testing.samples import Make, Sample

__all__ = [
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
]


def _arguments_and_degrees(make: Make) -> Iterator[Sample]:
    x = make.of([[-2.5, -1.0, -0.4], [0.0, 0.7, 1.0]])
    yield Sample(x, make.of([0.0, 3.0, 9.0]))
    yield Sample(x, 5)
    yield Sample(0.3, make.ints(4, high=9))
    yield Sample(make.of(1.7), make.of([-1.0, 1.0, 2.0]))
    yield Sample(make(0, 2), make.of([1.0, 2.0]))


def _polynomial(node: str) -> Callable[[Callable[..., Any]], OpFunction]:
    """What defines a family of polynomials as an operation."""
    return op(node=node, promote="float", differentiable=False, elementwise=True, samples=_arguments_and_degrees)


@_polynomial("SpecialChebyshevPolynomialTBackward0")
def chebyshev_polynomial_t(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the first kind, of degree ``n``; 0 for negative degrees."""
    return _values(xp, input, n, _first_kind, "chebyshev_polynomial_t_cpu")


@_polynomial("SpecialChebyshevPolynomialUBackward0")
def chebyshev_polynomial_u(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the second kind."""
    return _values(xp, input, n, _second_kind, "chebyshev_polynomial_u_cpu")


@_polynomial("SpecialChebyshevPolynomialVBackward0")
def chebyshev_polynomial_v(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the third kind."""
    return _values(xp, input, n, _third_kind, "chebyshev_polynomial_v_cpu")


@_polynomial("SpecialChebyshevPolynomialWBackward0")
def chebyshev_polynomial_w(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the fourth kind."""
    return _values(xp, input, n, _fourth_kind, "chebyshev_polynomial_w_cpu")


@_polynomial("SpecialShiftedChebyshevPolynomialTBackward0")
def shifted_chebyshev_polynomial_t(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the first kind on [0, 1]: that of ``2 * input - 1``."""
    return _values(xp, input, n, _first_kind, "shifted_chebyshev_polynomial_t_cpu", shifted=True)


@_polynomial("SpecialShiftedChebyshevPolynomialUBackward0")
def shifted_chebyshev_polynomial_u(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the second kind on [0, 1]."""
    return _values(xp, input, n, _second_kind, "shifted_chebyshev_polynomial_u_cpu", shifted=True)


@_polynomial("SpecialShiftedChebyshevPolynomialVBackward0")
def shifted_chebyshev_polynomial_v(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the third kind on [0, 1]."""
    return _values(xp, input, n, _third_kind, "shifted_chebyshev_polynomial_v_cpu", shifted=True)


@_polynomial("SpecialShiftedChebyshevPolynomialWBackward0")
def shifted_chebyshev_polynomial_w(xp: Any, input: Any, n: Any, /) -> Any:
    """Chebyshev's polynomial of the fourth kind on [0, 1]."""
    return _values(xp, input, n, _fourth_kind, "shifted_chebyshev_polynomial_w_cpu", shifted=True)


@_polynomial("SpecialHermitePolynomialHBackward0")
def hermite_polynomial_h(xp: Any, input: Any, n: Any, /) -> Any:
    """Hermite's polynomial, as physicists have it; NaN for degrees that PyTorch does not go to."""
    return _values(xp, input, n, functools.partial(_hermite, scale=2.0), "hermite_polynomial_h_cpu")


@_polynomial("SpecialHermitePolynomialHeBackward0")
def hermite_polynomial_he(xp: Any, input: Any, n: Any, /) -> Any:
    """Hermite's polynomial, as probability theory has it; NaN for degrees that PyTorch does not go to."""
    return _values(xp, input, n, functools.partial(_hermite, scale=1.0), "hermite_polynomial_he_cpu")


@_polynomial("SpecialLaguerrePolynomialLBackward0")
def laguerre_polynomial_l(xp: Any, input: Any, n: Any, /) -> Any:
    """Laguerre's polynomial."""
    return _values(xp, input, n, _laguerre, "laguerre_polynomial_l_cpu")


@_polynomial("SpecialLegendrePolynomialPBackward0")
def legendre_polynomial_p(xp: Any, input: Any, n: Any, /) -> Any:
    """Legendre's polynomial."""
    return _values(xp, input, n, _legendre, "legendre_polynomial_p_cpu")


# The families, for degrees of 1 and more. Formulas: DLMF 18.5 (i), 18.9 (i) and table 18.6.1.


def _values(
    xp: Any, x: Any, n: Any, family: Callable[[Any, Any, Any], Any], kernel: str, *, shifted: bool = False
) -> Any:
    like = x if hasattr(x, "dtype") else n
    require_wide(xp, like, kernel)
    x, n = xp.broadcast_arrays(array_like(xp, x, like), xp.trunc(array_like(xp, n, like)))
    if shifted:
        x = xp.subtract(xp.multiply(x, 2.0), 1.0)
    found = xp.where(xp.equal(n, 0.0), 1.0, family(xp, x, n))
    return xp.where(xp.less(n, 0.0), 0.0, found)


def _recurrence(xp: Any, n: Any, first: Any, step: Callable[[int, Any, Any], Any], last: int) -> Any:
    """The polynomials up to a degree, each made of the two before it."""
    before, current = xp.ones_like(first), first
    found = first
    for k in range(2, last + 1):
        before, current = current, step(k, before, current)
        found = xp.where(xp.equal(n, float(k)), current, found)
    return found


_FEW = 6
"""The degree up to which Chebyshev's polynomials are computed by their recurrence, and not as functions of an angle."""


def _chebyshev(xp: Any, x: Any, n: Any, first: Any, inside: Any, outside: Any, at_end: Any) -> Any:
    few = _recurrence(xp, n, first, lambda k, p, q: xp.subtract(xp.multiply(xp.multiply(x, 2.0), q), p), _FEW)
    size = xp.abs(x)
    many = xp.where(xp.less(size, 1.0), inside, xp.where(xp.equal(size, 1.0), at_end, outside))
    return xp.where(xp.less_equal(n, float(_FEW)), few, xp.where(xp.isnan(x), x, many))


def _first_kind(xp: Any, x: Any, n: Any) -> Any:
    angle, growth, sign = _angles(xp, x, n)
    outside = xp.multiply(sign, xp.cosh(xp.multiply(n, growth)))
    return _chebyshev(xp, x, n, x, xp.cos(xp.multiply(n, angle)), outside, sign)


def _second_kind(xp: Any, x: Any, n: Any) -> Any:
    angle, growth, sign = _angles(xp, x, n)
    m = xp.add(n, 1.0)
    inside = xp.divide(xp.sin(xp.multiply(m, angle)), xp.sin(angle))
    outside = xp.multiply(sign, xp.divide(xp.sinh(xp.multiply(m, growth)), xp.sinh(growth)))
    return _chebyshev(xp, x, n, xp.multiply(x, 2.0), inside, outside, xp.multiply(sign, m))


def _third_kind(xp: Any, x: Any, n: Any) -> Any:
    angle, growth, sign = _angles(xp, x, n)
    m = xp.add(n, 0.5)
    inside = xp.divide(xp.cos(xp.multiply(m, angle)), xp.cos(xp.multiply(angle, 0.5)))
    right = xp.divide(xp.cosh(xp.multiply(m, growth)), xp.cosh(xp.multiply(growth, 0.5)))
    left = xp.divide(xp.sinh(xp.multiply(m, growth)), xp.sinh(xp.multiply(growth, 0.5)))
    negative = xp.less(x, 0.0)
    outside = xp.where(negative, xp.multiply(sign, left), right)
    at_end = xp.where(negative, xp.multiply(sign, xp.multiply(m, 2.0)), xp.ones_like(x))
    return _chebyshev(xp, x, n, xp.subtract(xp.multiply(x, 2.0), 1.0), inside, outside, at_end)


def _fourth_kind(xp: Any, x: Any, n: Any) -> Any:
    mirrored = _third_kind(xp, xp.negative(x), n)
    return xp.where(_odd(xp, n), xp.negative(mirrored), mirrored)


def _angles(xp: Any, x: Any, n: Any) -> tuple[Any, Any, Any]:
    """The angle whose cosine ``x`` is, that of the hyperbolic cosine of its size, and the sign of ``x**n``."""
    negative = xp.logical_and(xp.less(x, 0.0), _odd(xp, n))
    sign = xp.where(negative, -1.0, xp.ones_like(x))
    return xp.acos(xp.clip(x, -1.0, 1.0)), xp.acosh(xp.maximum(xp.abs(x), 1.0)), sign


def _odd(xp: Any, n: Any) -> Any:
    return xp.not_equal(xp.remainder(n, 2.0), 0.0)


def _highest(xp: Any, n: Any, limit: float = math.inf) -> int:
    """The highest degree up to a limit."""
    below = xp.where(xp.less_equal(n, limit), n, 0.0)
    return int(xp.max(below)) if n.size else 0


def _hermite(xp: Any, x: Any, n: Any, scale: float) -> Any:
    limit = 128.0 if xp.np_dtype(x.dtype) == dtypes.float32 else 512.0
    x = xp.multiply(x, scale)

    def step(k: int, before: Any, current: Any) -> Any:
        return xp.subtract(xp.multiply(x, current), xp.multiply(before, scale * (k - 1)))

    found = _recurrence(xp, n, x, step, _highest(xp, n, limit))
    return xp.where(xp.greater(n, limit), math.nan, found)


def _laguerre(xp: Any, x: Any, n: Any) -> Any:
    def step(k: int, before: Any, current: Any) -> Any:
        ahead = xp.multiply(xp.subtract(2.0 * k - 1.0, x), current)
        return xp.divide(xp.subtract(ahead, xp.multiply(before, k - 1.0)), float(k))

    return _recurrence(xp, n, xp.subtract(1.0, x), step, _highest(xp, n))


def _legendre(xp: Any, x: Any, n: Any) -> Any:
    def step(k: int, before: Any, current: Any) -> Any:
        ahead = xp.multiply(xp.multiply(x, 2.0 * k - 1.0), current)
        return xp.divide(xp.subtract(ahead, xp.multiply(before, k - 1.0)), float(k))

    return _recurrence(xp, n, x, step, _highest(xp, n))
