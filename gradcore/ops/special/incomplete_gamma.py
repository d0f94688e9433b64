"""The regularized incomplete gamma functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._extra import generic
from gradcore.ops._numeric import require_kind
from gradcore.ops._operands import refuse_numbers
from gradcore.ops.special._precision import any_true, epsilon_of, special
from gradcore.ops.special.gamma import stirling_correction
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["igamma", "igammac"]


def _positive_pairs(make: Make) -> Iterator[Sample]:
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((), ()), ((0, 2), (2,))):
        yield Sample(make(*a, low=0.4, high=4.0).detach(), make(*b, low=0.3, high=5.0))


@op(node="IgammaBackward0", promote="arithmetic", elementwise=True, samples=_positive_pairs)
def lower_share(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`igamma` of two tensors."""
    require_kind(xp, input, "f", "igamma_cpu")
    return special(xp, "gammainc", input, other)


@lower_share.vjp("input")
def lower_share_vjp_input(xp: Any, g: Any) -> Any:
    raise _no_derivative("igamma")


@lower_share.vjp("other")
def lower_share_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(g, _density(xp, input, other))


@op(node="IgammacBackward0", promote="arithmetic", elementwise=True, samples=_positive_pairs)
def upper_share(xp: Any, input: Any, other: Any, /) -> Any:
    """:func:`igammac` of two tensors."""
    require_kind(xp, input, "f", "igammac_cpu")
    return special(xp, "gammaincc", input, other)


@upper_share.vjp("input")
def upper_share_vjp_input(xp: Any, g: Any) -> Any:
    raise _no_derivative("igammac")


@upper_share.vjp("other")
def upper_share_vjp_other(xp: Any, g: Any, input: Any, other: Any) -> Any:
    return xp.multiply(xp.negative(g), _density(xp, input, other))


def igamma(input: Tensor, other: Tensor) -> Tensor:
    """The lower one: the share of the gamma function of ``input`` that the integral from 0 to ``other`` has.

    It has a derivative by ``other``, and none by ``input``.

    Raises:
        TypeError: an operand is no tensor.
        NotImplementedError: none is of a floating-point dtype.
    """
    refuse_numbers("igamma", input=input, other=other)
    return lower_share(input, other)  # type: ignore[no-any-return]


def igamma_(self: Tensor, other: Tensor) -> Tensor:
    """In-place :func:`igamma`."""
    refuse_numbers("igamma_", input=self, other=other)
    return lower_share.inplace(self, other)


def igammac(input: Tensor, other: Tensor) -> Tensor:
    """The upper one: the share of the gamma function of ``input`` that the integral from ``other`` on has.

    It has a derivative by ``other``, and none by ``input``.

    Raises:
        As :func:`igamma`.
    """
    refuse_numbers("igammac", input=input, other=other)
    return upper_share(input, other)  # type: ignore[no-any-return]


def igammac_(self: Tensor, other: Tensor) -> Tensor:
    """In-place :func:`igammac`."""
    refuse_numbers("igammac_", input=self, other=other)
    return upper_share.inplace(self, other)


def _density(xp: Any, a: Any, x: Any) -> Any:
    """The integrand, over the gamma function."""
    log = xp.subtract(xp.multiply(xp.subtract(a, 1.0), xp.log(x)), xp.add(x, special(xp, "lgamma", a)))
    return xp.exp(log)


def _no_derivative(name: str) -> NotImplementedError:
    return NotImplementedError(f"the derivative for '{name}: input' is not implemented: detach() that operand first")


# Without help of a backend: the series of DLMF 8.11.4 where it converges fast, the continued fraction 8.9.2 elsewhere.


@generic("gammainc", special=True)
def _lower(xp: Any, a: Any, x: Any) -> Any:
    return _shares(xp, a, x)[0]


@generic("gammaincc", special=True)
def _upper(xp: Any, a: Any, x: Any) -> Any:
    return _shares(xp, a, x)[1]


def _shares(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    """The lower and the upper function."""
    a, x = xp.broadcast_arrays(a, x)
    usual = xp.logical_and(
        xp.logical_and(xp.greater(a, 0.0), xp.isfinite(a)), xp.logical_and(xp.greater(x, 0.0), xp.isfinite(x))
    )
    b, y = xp.where(usual, a, 1.0), xp.where(usual, x, 1.0)
    low = xp.less(y, xp.add(b, 1.0))
    scale = xp.exp(_log_of_term(xp, b, y))
    lower = xp.multiply(scale, _power_series(xp, b, xp.where(low, y, 1e-3)))
    upper = xp.multiply(xp.multiply(scale, b), _fraction(xp, xp.where(low, 1.0, b), xp.where(low, 4.0, y)))
    shares = xp.where(low, lower, xp.subtract(1.0, upper)), xp.where(low, xp.subtract(1.0, lower), upper)
    # At the ends one of them has all, unless both ends meet.
    nothing = xp.logical_or(xp.equal(x, 0.0), xp.equal(a, math.inf))
    everything = xp.logical_or(xp.equal(a, 0.0), xp.equal(x, math.inf))
    valid = xp.logical_and(xp.greater_equal(a, 0.0), xp.greater_equal(x, 0.0))
    one_end = xp.logical_and(valid, xp.not_equal(nothing, everything))
    ends = xp.where(one_end, xp.astype(everything, a.dtype), math.nan)
    return xp.where(usual, shares[0], ends), xp.where(usual, shares[1], xp.subtract(1.0, ends))


def _log_of_term(xp: Any, a: Any, x: Any) -> Any:
    """The logarithm of ``x**a * exp(-x) / gamma(a + 1)``; for large ``a`` by the difference of the two, which is exact."""
    small = xp.minimum(a, 10.0)
    direct = xp.subtract(xp.subtract(xp.multiply(small, xp.log(x)), x), special(xp, "lgamma", xp.add(small, 1.0)))
    large = xp.maximum(a, 10.0)
    excess = xp.divide(xp.subtract(x, large), large)
    stirling = xp.add(xp.multiply(xp.log(xp.multiply(large, 2.0 * math.pi)), 0.5), stirling_correction(xp, large))
    # The logarithm of the quotient of the two, exact where it is small and where it is not.
    log = xp.where(xp.less(excess, -0.5), xp.log(xp.divide(x, large)), xp.log1p(xp.maximum(excess, -0.5)))
    relative = xp.subtract(xp.multiply(large, xp.subtract(log, excess)), stirling)
    return xp.where(xp.less(a, 10.0), direct, relative)


def _power_series(xp: Any, a: Any, x: Any) -> Any:
    """1 + x / (a + 1) + x**2 / ((a + 1) (a + 2)) ..."""
    term = total = xp.ones_like(a)
    epsilon = epsilon_of(xp, a)
    while any_true(xp, xp.greater(term, xp.multiply(total, 0.1 * epsilon))):
        a = xp.add(a, 1.0)
        term = xp.divide(xp.multiply(term, x), a)
        total = xp.add(total, term)
    return total


def _fraction(xp: Any, a: Any, x: Any) -> Any:
    """1 / (x + 1 - a - (1 - a) / (x + 3 - a - 2 (2 - a) / ...)), from the front, by Lentz's method."""
    tiny, epsilon = 1e-30, epsilon_of(xp, a)
    b = xp.subtract(xp.add(x, 1.0), a)
    c = xp.full(b.shape, 1.0 / tiny, dtype=b.dtype)
    d = xp.reciprocal(b)
    found, k = d, 0
    while True:
        k += 1
        numerator = xp.multiply(xp.subtract(a, float(k)), float(k))
        b = xp.add(b, 2.0)
        d = xp.add(xp.multiply(numerator, d), b)
        d = xp.reciprocal(xp.where(xp.less(xp.abs(d), tiny), tiny, d))
        c = xp.add(b, xp.divide(numerator, c))
        c = xp.where(xp.less(xp.abs(c), tiny), tiny, c)
        step = xp.multiply(c, d)
        found = xp.multiply(found, step)
        if not any_true(xp, xp.greater(xp.abs(xp.subtract(step, 1.0)), epsilon)):
            return found
