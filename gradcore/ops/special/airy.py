"""Airy's function."""

from __future__ import annotations

import functools
import math
from typing import Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops.special._precision import polynomial
from gradcore.ops.special.cylinder import require_wide, scaled_second_kind
from gradcore.testing.samples import unary

__all__ = ["airy_ai"]


@op(
    node="SpecialAiryAiBackward0",
    promote="float",
    differentiable=False,
    elementwise=True,
    samples=unary(low=-9.0, high=9.0),
)
def airy_ai(xp: Any, input: Any, /) -> Any:
    """Airy's function Ai: by its series (DLMF 9.4.1) near 0, by Bessel functions of order 1/3 (DLMF 9.6.2, 9.2.14) elsewhere."""
    require_wide(xp, input, "airy_ai_cpu")
    right = _decaying(xp, xp.maximum(input, 2.0))
    left = _oscillating(xp, xp.maximum(xp.negative(input), 3.5))
    far = xp.where(xp.greater(input, 2.0), right, left)
    near = xp.logical_and(xp.less_equal(input, 2.0), xp.greater_equal(input, -3.5))
    return xp.where(near, _series(xp, xp.clip(input, -3.5, 2.0)), xp.where(xp.isnan(input), input, far))


def _series(xp: Any, x: Any) -> Any:
    cube = xp.multiply(xp.square(x), x)
    even, odd = (polynomial(xp, cube, c) for c in _coefficients())
    return xp.add(even, xp.multiply(x, odd))


def _decaying(xp: Any, x: Any) -> Any:
    root = xp.sqrt(x)
    z = xp.multiply(xp.multiply(x, root), 2.0 / 3.0)
    scaled = scaled_second_kind(xp, z, functools.partial(_cosine_of_third, xp, z))
    return xp.multiply(xp.multiply(root, scaled), xp.multiply(xp.exp(xp.negative(z)), 1.0 / (math.pi * math.sqrt(3.0))))


def _oscillating(xp: Any, x: Any) -> Any:
    """Ai(-x): the sum of the function at two conjugate points."""
    root = xp.sqrt(x)
    z = xp.multiply(
        xp.astype(xp.multiply(xp.multiply(x, root), 2.0 / 3.0), dtypes.complex_of(xp.np_dtype(x.dtype))), 1j
    )
    scaled = scaled_second_kind(xp, z, functools.partial(_cosine_of_third, xp, z))
    # The square root of the point is turned by pi / 6, and the point itself by pi / 3.
    wave = xp.real(xp.multiply(xp.multiply(scaled, xp.exp(xp.negative(z))), 1j))
    return xp.multiply(xp.multiply(root, wave), 2.0 / (math.pi * math.sqrt(3.0)))


def _cosine_of_third(xp: Any, z: Any, u: float) -> Any:
    """cosh(t / 3), where z * (cosh(t) - 1) = u**2, and so sinh(t / 2) = u / sqrt(2 z)."""
    half = xp.divide(u, xp.sqrt(xp.multiply(z, 2.0)))
    growth = xp.pow(xp.add(half, xp.sqrt(xp.add(xp.square(half), 1.0))), 2.0 / 3.0)
    return xp.multiply(xp.add(growth, xp.reciprocal(growth)), 0.5)


@functools.cache
def _coefficients() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Those of the cubes of x in the even and the odd series, the highest power first."""
    even = [1.0 / (3.0 ** (2.0 / 3.0) * math.gamma(2.0 / 3.0))]
    odd = [-1.0 / (3.0 ** (1.0 / 3.0) * math.gamma(1.0 / 3.0))]
    for k in range(1, 26):
        even.append(even[-1] / ((3 * k - 1) * (3 * k)))
        odd.append(odd[-1] / ((3 * k) * (3 * k + 1)))
    return tuple(reversed(even)), tuple(reversed(odd))
