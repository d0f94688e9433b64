"""The error function, and what remains of it to 1, plain and scaled."""

from __future__ import annotations

import math
from typing import Any

from gradcore.op import op
from gradcore.ops._extra import generic
from gradcore.ops._numeric import require_kind
from gradcore.ops.special._precision import ratio, special, widened
from gradcore.testing.samples import reals

__all__ = ["erf", "erfc"]

_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)


@op(
    node="ErfBackward0",
    promote="float",
    d=lambda xp, input: xp.multiply(xp.exp(xp.negative(xp.square(input))), _TWO_BY_ROOT_PI),
    standard="erf",
    samples=reals,
)
def erf(xp: Any, input: Any, /) -> Any:
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``input``."""
    require_kind(xp, input, "f", "erf")
    return special(xp, "erf", input)


@op(
    node="ErfcBackward0",
    promote="float",
    d=lambda xp, input: xp.multiply(xp.exp(xp.negative(xp.square(input))), -_TWO_BY_ROOT_PI),
    standard="erfc",
    samples=reals,
)
def erfc(xp: Any, input: Any, /) -> Any:
    """``1 - erf(input)``, exact where that is small."""
    require_kind(xp, input, "f", "erfc")
    return special(xp, "erfc", input)


@op(
    node="SpecialErfcxBackward0",
    promote="float",
    d=lambda xp, input, out: xp.subtract(xp.multiply(xp.multiply(input, out), 2.0), _TWO_BY_ROOT_PI),
    standard="erfcx",
    samples=reals,
)
def erfcx(xp: Any, input: Any, /) -> Any:
    """``exp(input**2) * erfc(input)``, finite where ``erfc`` vanishes."""
    require_kind(xp, input, "f", "erfcx")
    return special(xp, "erfcx", input)


# Coefficients of W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969) 631-637,
# highest power first: erf on |x| <= 0.46875, erfc on [0.46875, 4], and erfc beyond.
_ERF_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFC_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_ERFC_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip


@generic("erf", special=True)
def _erf(xp: Any, x: Any) -> Any:
    return widened(xp, lambda x: _erf_of_wide(xp, x), x)


@generic("erfc", special=True)
def _erfc(xp: Any, x: Any) -> Any:
    return widened(xp, lambda x: _erfc_of_wide(xp, x), x)


def _erf_of_wide(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    tail = xp.copysign(xp.subtract(1.0, _erfc_of_magnitude(xp, size)), x)
    return xp.where(xp.less_equal(size, 0.46875), _erf_near_zero(xp, x), tail)


def _erfc_of_wide(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    tail = _erfc_of_magnitude(xp, size)
    tail = xp.where(xp.less(x, 0.0), xp.subtract(2.0, tail), tail)
    return xp.where(xp.less_equal(size, 0.46875), xp.subtract(1.0, _erf_near_zero(xp, x)), tail)


@generic("erfcx", special=True)
def _erfcx(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    growth = xp.reciprocal(_bell(xp, xp.minimum(size, 30.0)))
    tail = _erfcx_of_magnitude(xp, size)
    tail = xp.where(xp.less(x, 0.0), xp.subtract(xp.multiply(growth, 2.0), tail), tail)
    near = xp.multiply(growth, xp.subtract(1.0, _erf_near_zero(xp, x)))
    return xp.where(xp.less_equal(size, 0.46875), near, tail)


def _erf_near_zero(xp: Any, x: Any) -> Any:
    return xp.multiply(x, ratio(xp, xp.square(xp.clip(x, -0.46875, 0.46875)), _ERF_SMALL))


def _erfc_of_magnitude(xp: Any, size: Any) -> Any:
    """erfc(x) for x >= 0.46875."""
    return xp.multiply(_bell(xp, xp.minimum(size, 30.0)), _erfcx_of_magnitude(xp, size))


def _erfcx_of_magnitude(xp: Any, size: Any) -> Any:
    """erfcx(x) for x >= 0.46875."""
    middle = ratio(xp, xp.clip(size, 0.46875, 4.0), _ERFC_MIDDLE)
    inverse = xp.reciprocal(xp.square(xp.maximum(size, 4.0)))
    correction = xp.multiply(inverse, ratio(xp, inverse, _ERFC_LARGE))
    large = xp.divide(xp.subtract(1.0 / math.sqrt(math.pi), correction), xp.maximum(size, 4.0))
    return xp.where(xp.less_equal(size, 4.0), middle, large)


def _bell(xp: Any, size: Any) -> Any:
    """exp(-x*x), which loses digits where x*x rounds: square a multiple of 1/16 exactly, and the small rest apart."""
    coarse = xp.divide(xp.floor(xp.multiply(size, 16.0)), 16.0)
    rest = xp.multiply(xp.subtract(size, coarse), xp.add(size, coarse))
    return xp.multiply(xp.exp(xp.negative(xp.square(coarse))), xp.exp(xp.negative(rest)))
