"""The normal distribution: its function, the logarithm and the inverse of it; the inverse of the error function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._by_number import times
from gradcore.ops._extra import generic
from gradcore.ops._numeric import require_kind
from gradcore.ops._operands import as_tensor
from gradcore.ops.special._precision import ratio, special
from gradcore.ops.special.error_functions import erf
from gradcore.testing.samples import reals, unary

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["erfinv", "log_ndtr", "ndtr", "ndtri"]

_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def ndtr(input: Tensor) -> Tensor:
    """The standard normal distribution function: the share of it that lies below ``input``."""
    return times(1.0 + erf(times(as_tensor(input, "special_ndtr"), _ROOT_HALF)), 0.5)


def _log_ndtr_slope(xp: Any, input: Any, out: Any) -> Any:
    # The density, divided by the share that lies below: both vanish far below zero, their logarithms do not.
    return xp.divide(xp.exp(xp.negative(xp.add(out, xp.multiply(xp.square(input), 0.5)))), _ROOT_TWO_PI)


@op(node="SpecialLogNdtrBackward0", promote="float", d=_log_ndtr_slope, standard="log_ndtr", samples=reals)
def log_ndtr(xp: Any, input: Any, /) -> Any:
    """The logarithm of the standard normal distribution function, also where that vanishes."""
    require_kind(xp, input, "f", "log_ndtr")
    return special(xp, "log_ndtr", input)


@op(
    node="SpecialNdtriBackward0",
    promote="float",
    d=lambda xp, out: xp.multiply(xp.exp(xp.multiply(xp.square(out), 0.5)), _ROOT_TWO_PI),
    standard="ndtri",
    samples=unary(low=0.02, high=0.98),
)
def ndtri(xp: Any, input: Any, /) -> Any:
    """The quantile of the standard normal distribution: below it lies the share ``input``, from 0 to 1."""
    require_kind(xp, input, "f", "ndtri")
    return special(xp, "ndtri", input)


def _erfinv_slope(xp: Any, input: Any) -> Any:
    return xp.multiply(xp.exp(xp.square(special(xp, "erfinv", input))), 0.5 * math.sqrt(math.pi))


@op(
    node="ErfinvBackward0",
    promote="float",
    d=_erfinv_slope,
    standard="erfinv",
    samples=unary(low=-0.95, high=0.95),
)
def erfinv(xp: Any, input: Any, /) -> Any:
    """The inverse of the error function, on [-1, 1]; NaN elsewhere."""
    require_kind(xp, input, "f", "erfinv")
    return special(xp, "erfinv", input)


@generic("log_ndtr", special=True)
def _log_ndtr(xp: Any, x: Any) -> Any:
    t = xp.multiply(x, _ROOT_HALF)
    below = xp.minimum(t, -_ROOT_HALF)
    scaled = special(xp, "erfcx", xp.negative(below))
    tail = xp.subtract(xp.log(xp.multiply(scaled, 0.5)), xp.square(below))
    near = xp.log1p(xp.multiply(special(xp, "erfc", xp.maximum(t, -_ROOT_HALF)), -0.5))
    return xp.where(xp.less(x, -1.0), tail, near)


# Coefficients of M. J. Wichura, Algorithm AS 241: The percentage points of the normal distribution, Applied Statistics
# 37 (1988) 477-484, highest power first: for |p - 1/2| <= 0.425, then for the tails with r = sqrt(-log p), r <= 5 and beyond.
_CENTRE = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
        1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
_TAIL = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_FAR_TAIL = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip


@generic("ndtri", special=True)
def _ndtri(xp: Any, p: Any) -> Any:
    return _quantile(xp, xp.subtract(p, 0.5), xp.minimum(p, xp.subtract(1.0, p)))


@generic("erfinv", special=True)
def _erfinv(xp: Any, x: Any) -> Any:
    # p - 1/2 and the share of the tail are exact halves of what is given.
    tail = xp.multiply(xp.subtract(1.0, xp.abs(x)), 0.5)
    return xp.multiply(_quantile(xp, xp.multiply(x, 0.5), tail), _ROOT_HALF)


def _quantile(xp: Any, q: Any, tail: Any) -> Any:
    """The quantile for the share ``q + 1/2``, with ``tail`` the share that is cut off on its side."""
    inside = xp.clip(q, -0.425, 0.425)
    centre = xp.multiply(q, ratio(xp, xp.subtract(0.180625, xp.square(inside)), _CENTRE))
    r = xp.sqrt(xp.negative(xp.log(tail)))
    near = ratio(xp, xp.subtract(xp.clip(r, 1.6, 5.0), 1.6), _TAIL)
    far = ratio(xp, xp.subtract(xp.clip(r, 5.0, 40.0), 5.0), _FAR_TAIL)
    size = xp.where(xp.equal(tail, 0.0), math.inf, xp.where(xp.less_equal(r, 5.0), near, far))
    outside = xp.where(xp.less(tail, 0.0), math.nan, xp.copysign(size, q))
    return xp.where(xp.less_equal(xp.abs(q), 0.425), centre, outside)
