"""The logarithm of the gamma function, its derivatives, and its multivariate form."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._dims import as_integer
from gradcore.ops._extra import generic
from gradcore.ops._numeric import require_kind
from gradcore.ops.special._precision import polynomial, special, widened
from gradcore.ops.special.zeta import hurwitz_zeta
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["digamma", "lgamma", "mvlgamma", "polygamma", "stirling_correction"]


def _between_poles(make: Make) -> Iterator[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        yield Sample(make(*shape, low=0.3, high=3.0))
    yield Sample(make.of([-0.4, -1.7, -2.6, 12.3], requires_grad=True))


@op(
    node="LgammaBackward0",
    promote="float",
    d=lambda xp, input: special(xp, "digamma", input),
    standard="lgamma",
    samples=_between_poles,
)
def lgamma(xp: Any, input: Any, /) -> Any:
    """The logarithm of the magnitude of the gamma function; infinite at its poles 0, -1, -2 ..."""
    require_kind(xp, input, "f", "lgamma")
    return widened(xp, lambda x: _lgamma_anywhere(xp, x), input)


@op(
    node="DigammaBackward0",
    promote="float",
    d=lambda xp, input: special(xp, "polygamma", input, 1),
    standard="digamma",
    samples=_between_poles,
)
def digamma(xp: Any, input: Any, /) -> Any:
    """The derivative of :func:`lgamma`. At its poles it is NaN, but at 0 infinite, with the sign opposite to that of 0."""
    require_kind(xp, input, "f", "digamma")
    return special(xp, "digamma", input)


def _orders(make: Make) -> Iterator[Sample]:
    for n in (0, 1, 2, 4):
        yield Sample(make(2, 3, low=0.6, high=3.0), n=n)
    yield Sample(make(low=0.6, high=3.0), n=3)
    yield Sample(make(0, 2), n=2)
    yield Sample(make.of([-0.4, -1.6], requires_grad=True), n=1)


def _polygamma_slope(xp: Any, input: Any, n: int) -> Any:
    return special(xp, "polygamma", input, n + 1)


@op(node="PolygammaBackward0", promote="float", d=_polygamma_slope, standard="polygamma", samples=_orders)
def polygamma_of(xp: Any, input: Any, /, n: int) -> Any:
    """:func:`polygamma`, with the operand first."""
    return _polygamma_of(xp, input, n)


@op(node="PolygammaBackward1", promote="float", d=_polygamma_slope, samples=_orders)
def polygamma_in_place(xp: Any, input: Any, /, *, n: int) -> Any:
    """What :func:`polygamma_` records."""
    return _polygamma_of(xp, input, n)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The ``n``-th derivative of :func:`digamma`, element by element.

    Raises:
        TypeError: ``n`` is no integer.
        RuntimeError: it is negative.
    """
    return polygamma_of(input, n=_order(n))  # type: ignore[no-any-return]


def polygamma_method(self: Tensor, n: int) -> Tensor:
    """:func:`polygamma`, with the operand first."""
    return polygamma(n, self)


def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place :func:`polygamma`."""
    return polygamma_in_place.inplace(self, n=_order(n))


def _dimensions(make: Make) -> Iterator[Sample]:
    for p in (1, 2, 5):
        yield Sample(make(2, 3, low=0.6 + 0.5 * p, high=6.0), p=p)
    yield Sample(make(low=2.0, high=3.0), p=3)
    yield Sample(make(0, 2), p=2)


@op(node="MvlgammaBackward0", promote="float", elementwise=True, samples=_dimensions)
def mvlgamma(xp: Any, input: Any, /, p: int) -> Any:
    """The logarithm of the multivariate gamma function of dimension ``p``, for elements above ``(p - 1) / 2``.

    Raises:
        RuntimeError: ``p`` is not positive.
    """
    p = as_integer(p, "p")
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, but got {p}")
    require_kind(xp, input, "f", "mvlgamma")
    constant = 0.25 * p * (p - 1) * math.log(math.pi)
    return widened(xp, lambda x: xp.add(_over_halves(xp, _lgamma_anywhere, x, p), constant), input)


@mvlgamma.vjp("input")
def mvlgamma_vjp_input(xp: Any, g: Any, input: Any, p: int) -> Any:
    return xp.multiply(g, _over_halves(xp, lambda xp, x: special(xp, "digamma", x), input, p))


def _lgamma_anywhere(xp: Any, x: Any) -> Any:
    # SciPy's has another sign at negative infinity than at the poles.
    return xp.where(xp.equal(x, -math.inf), math.inf, special(xp, "lgamma", x))


def _polygamma_of(xp: Any, x: Any, n: int) -> Any:
    require_kind(xp, x, "f", "polygamma")
    return special(xp, "polygamma", x, n)


@generic("lgamma", special="gammaln")
def _lgamma(xp: Any, x: Any) -> Any:
    # From 1 - x in the left half.
    left = xp.less(x, 0.0)
    y = xp.where(left, xp.subtract(1.0, x), x)
    found = xp.where(xp.less_equal(y, 2.5), _lgamma_near(xp, y), _lgamma_far(xp, y))
    sine = xp.abs(_sine_of_turns(xp, x))
    reflected = xp.subtract(xp.subtract(math.log(math.pi), xp.log(sine)), found)
    reflected = xp.where(xp.equal(sine, 0.0), math.inf, reflected)
    return xp.where(xp.isinf(x), math.inf, xp.where(left, reflected, found))


@generic("digamma", special=True)
def _digamma(xp: Any, x: Any) -> Any:
    left = xp.less(x, 0.0)
    y = xp.where(left, xp.subtract(1.0, x), x)
    y, shift = _shifted(xp, y, 10.0, xp.reciprocal)
    inverse = xp.reciprocal(y)
    series = xp.multiply(xp.square(inverse), polynomial(xp, xp.square(inverse), _DIGAMMA))
    found = xp.subtract(xp.subtract(xp.subtract(xp.log(y), xp.multiply(inverse, 0.5)), series), shift)
    turned = xp.subtract(found, xp.divide(math.pi, xp.tan(_half_turns(xp, x))))
    turned = xp.where(xp.equal(x, xp.floor(x)), math.nan, turned)
    at_zero = xp.copysign(xp.where(xp.equal(x, 0.0), math.inf, x), xp.negative(x))
    return xp.where(xp.equal(x, 0.0), at_zero, xp.where(left, turned, xp.where(xp.isinf(x), x, found)))


@generic("polygamma")
def _polygamma(xp: Any, x: Any, n: int) -> Any:
    if n == 0:
        return special(xp, "digamma", x)
    # DLMF 25.11.12.
    size = xp.multiply(hurwitz_zeta(xp, n + 1.0, x), float(math.factorial(n)))
    return size if n % 2 else xp.negative(size)


def _lgamma_near(xp: Any, y: Any) -> Any:
    """The logarithm of the gamma function in (0, 2.5], by the Taylor series of A&S 6.1.33 around 1 or 2."""
    from_two = xp.greater(y, 1.5)
    below = xp.less(y, 0.5)
    z = xp.subtract(y, xp.where(from_two, 2.0, xp.where(below, 0.0, xp.ones_like(y))))
    z = xp.clip(z, -0.5, 0.5)
    series = xp.multiply(z, polynomial(xp, z, _zeta_series()))
    log = xp.where(from_two, 0.0, xp.log1p(z))
    return xp.subtract(xp.subtract(series, log), xp.where(below, xp.log(y), 0.0))


def _lgamma_far(xp: Any, y: Any) -> Any:
    """The same for at least 2.5, by Stirling's series (DLMF 5.11.1) after shifting to at least 8."""
    y = xp.maximum(y, 2.5)
    product = xp.ones_like(y)
    for _ in range(6):
        small = xp.less(y, 8.0)
        product = xp.where(small, xp.multiply(product, y), product)
        y = xp.where(small, xp.add(y, 1.0), y)
    series = stirling_correction(xp, y)
    main = xp.subtract(xp.multiply(xp.subtract(y, 0.5), xp.subtract(xp.log(y), 1.0)), 0.5)
    main = xp.where(xp.isinf(y), y, main)
    return xp.subtract(xp.add(xp.add(main, 0.5 * math.log(2.0 * math.pi)), series), xp.log(product))


def stirling_correction(xp: Any, y: Any) -> Any:
    """What Stirling's formula for the logarithm of the gamma function lacks, for at least 8."""
    inverse = xp.reciprocal(y)
    return xp.multiply(inverse, polynomial(xp, xp.square(inverse), _STIRLING))


def _shifted(xp: Any, y: Any, least: float, term: Any) -> tuple[Any, Any]:
    """``y`` increased by 1 until it is ``least``, and the sum of the terms of what was passed."""
    total = xp.zeros_like(y)
    for _ in range(math.ceil(least)):
        small = xp.less(y, least)
        total = xp.where(small, xp.add(total, term(y)), total)
        y = xp.where(small, xp.add(y, 1.0), y)
    return y, total


def _half_turns(xp: Any, x: Any) -> Any:
    """``pi * x`` less the multiple of pi that is next to it, which is exact at integers."""
    return xp.multiply(xp.subtract(x, xp.round(x)), math.pi)


def _sine_of_turns(xp: Any, x: Any) -> Any:
    """The sine of ``pi * x``, up to its sign."""
    return xp.sin(_half_turns(xp, x))


def _over_halves(xp: Any, function: Callable[..., Any], x: Any, p: int) -> Any:
    """The sum of a function over ``x``, ``x - 1/2`` ... ``x - (p - 1) / 2``."""
    total = function(xp, x)
    for j in range(1, p):
        total = xp.add(total, function(xp, xp.subtract(x, 0.5 * j)))
    return total


def _order(n: Any) -> int:
    order: int = as_integer(n, "n")
    if order < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, but got {order}")
    return order


@functools.cache
def _zeta_series() -> tuple[float, ...]:
    """The coefficients of (lgamma(1 + z) + log(1 + z)) / z in A&S 6.1.33, the highest power first."""
    return (*((-1) ** k * _zeta_less_one(k) / k for k in range(28, 1, -1)), 1.0 - _EULER)


def _zeta_less_one(k: int) -> float:
    """zeta(k) - 1: 14 terms, and the rest of them by the formula of Euler and Maclaurin."""
    m = 15.0
    rest = m ** (1 - k) / (k - 1) + m**-k / 2 + k * m ** (-k - 1) / 12 - k * (k + 1) * (k + 2) * m ** (-k - 3) / 720
    rest += math.prod(range(k, k + 5)) * m ** (-k - 5) / 30240 - math.prod(range(k, k + 7)) * m ** (-k - 7) / 1209600
    return math.fsum([*(j**-k for j in range(2, 15)), rest])


_EULER = 0.57721566490153286061
# B(2k) / (2k (2k - 1)) and B(2k) / (2k), the highest power first, with Bernoulli's numbers B.
_STIRLING = (
    -3617 / 122400, 1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12,
)  # fmt: skip
_DIGAMMA = (-3617 / 8160, 1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)
