"""Bessel functions that PyTorch offers without derivatives: of both kinds, plain and modified, of orders 0 and 1."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from gradcore import dtypes
from gradcore.op import OpFunction, op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import refuse_dtype, require_kind
from gradcore.ops.special._precision import polynomial
from gradcore.testing.samples import reals, unary

__all__ = [
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "require_wide",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "scaled_second_kind",
    "spherical_bessel_j0",
]

_positive = unary(low=0.1, high=9.0)


def _bessel(node: str, samples: Callable[..., Any]) -> Callable[[Callable[..., Any]], OpFunction]:
    """What defines one of the functions as an operation."""
    return op(node=node, promote="float", differentiable=False, elementwise=True, samples=samples)


@_bessel("SpecialBesselJ0Backward0", reals)
def bessel_j0(xp: Any, input: Any, /) -> Any:
    """The Bessel function of the first kind, of order 0."""
    return _of_real(xp, "j0", input, "bessel_j0_cpu")


@_bessel("SpecialBesselJ1Backward0", reals)
def bessel_j1(xp: Any, input: Any, /) -> Any:
    """The Bessel function of the first kind, of order 1."""
    return _of_real(xp, "j1", input, "bessel_j1_cpu")


@_bessel("SpecialBesselY0Backward0", _positive)
def bessel_y0(xp: Any, input: Any, /) -> Any:
    """The Bessel function of the second kind, of order 0; NaN below 0."""
    return _of_real(xp, "y0", input, "bessel_y0_cpu")


@_bessel("SpecialBesselY1Backward0", _positive)
def bessel_y1(xp: Any, input: Any, /) -> Any:
    """The Bessel function of the second kind, of order 1; NaN below 0."""
    return _of_real(xp, "y1", input, "bessel_y1_cpu")


@_bessel("SpecialModifiedBesselI0Backward0", reals)
def modified_bessel_i0(xp: Any, input: Any, /) -> Any:
    """The modified Bessel function of the first kind, of order 0; ``i0`` is the same with a derivative."""
    return _of_real(xp, "i0", input, "modified_bessel_i0_cpu")


@_bessel("SpecialModifiedBesselI1Backward0", reals)
def modified_bessel_i1(xp: Any, input: Any, /) -> Any:
    """The modified Bessel function of the first kind, of order 1; ``i1`` is the same with a derivative."""
    return _of_real(xp, "i1", input, "modified_bessel_i1_cpu")


@_bessel("SpecialModifiedBesselK0Backward0", _positive)
def modified_bessel_k0(xp: Any, input: Any, /) -> Any:
    """The modified Bessel function of the second kind, of order 0; NaN below 0."""
    return _of_real(xp, "k0", input, "modified_bessel_k0_cpu")


@_bessel("SpecialModifiedBesselK1Backward0", _positive)
def modified_bessel_k1(xp: Any, input: Any, /) -> Any:
    """The modified Bessel function of the second kind, of order 1; NaN below 0."""
    return _of_real(xp, "k1", input, "modified_bessel_k1_cpu")


@_bessel("SpecialScaledModifiedBesselK0Backward0", _positive)
def scaled_modified_bessel_k0(xp: Any, input: Any, /) -> Any:
    """``exp(input) * modified_bessel_k0(input)``."""
    return _of_real(xp, "k0e", input, "scaled_modified_bessel_k0_cpu")


@_bessel("SpecialScaledModifiedBesselK1Backward0", _positive)
def scaled_modified_bessel_k1(xp: Any, input: Any, /) -> Any:
    """``exp(input) * modified_bessel_k1(input)``."""
    return _of_real(xp, "k1e", input, "scaled_modified_bessel_k1_cpu")


@_bessel("SpecialSphericalBesselJ0Backward0", reals)
def spherical_bessel_j0(xp: Any, input: Any, /) -> Any:
    """The spherical Bessel function of the first kind, of order 0: ``sin(input) / input``, and 1 at 0."""
    require_wide(xp, input, "spherical_bessel_j0_cpu")
    found = xp.where(xp.equal(input, 0.0), 1.0, xp.divide(xp.sin(input), input))
    return xp.where(xp.isinf(input), 0.0, found)


def require_wide(xp: Any, x: Any, kernel: str) -> None:
    """Raise unless ``x`` holds real numbers of at least 32 bits.

    Raises:
        NotImplementedError: it does not.
    """
    require_kind(xp, x, "f", kernel)
    if xp.np_dtype(x.dtype).itemsize < 4:
        refuse_dtype(kernel, xp.np_dtype(x.dtype))


def _of_real(xp: Any, name: str, x: Any, kernel: str) -> Any:
    require_wide(xp, x, kernel)
    return extra(xp, name, x)


# Without help of a backend: series in powers (DLMF 10.2.2, 10.8.1, 10.8.2, 10.31.1, 10.31.2) for small arguments, and for
# larger ones one integral, on the imaginary axis for the plain functions (DLMF 10.27.8).
_SMALL, _SMALL_MODIFIED = 4.0, 2.0
_EULER = 0.57721566490153286061


@generic("j0", special=True)
def _j0(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    return xp.where(xp.less(size, _SMALL), _first(xp, size, 0, -1, _SMALL), _hankel(xp, size, 0)[0])


@generic("j1", special=True)
def _j1(xp: Any, x: Any) -> Any:
    size = xp.abs(x)
    found = xp.where(xp.less(size, _SMALL), _first(xp, size, 1, -1, _SMALL), _hankel(xp, size, 1)[0])
    return xp.where(xp.less(x, 0.0), xp.negative(found), found)


@generic("y0", special=True)
def _y0(xp: Any, x: Any) -> Any:
    near = xp.multiply(_second(xp, x, 0, -1, _SMALL), 2.0 / math.pi)
    return _right_half(xp, x, xp.where(xp.less(x, _SMALL), near, _hankel(xp, x, 0)[1]), -math.inf)


@generic("y1", special=True)
def _y1(xp: Any, x: Any) -> Any:
    near = xp.multiply(_second(xp, x, 1, -1, _SMALL), 2.0 / math.pi)
    return _right_half(xp, x, xp.where(xp.less(x, _SMALL), near, _hankel(xp, x, 1)[1]), -math.inf)


@generic("k0", special=True)
def _k0(xp: Any, x: Any) -> Any:
    return _modified(xp, x, 0, False)


@generic("k1", special=True)
def _k1(xp: Any, x: Any) -> Any:
    return _modified(xp, x, 1, False)


@generic("k0e", special=True)
def _k0e(xp: Any, x: Any) -> Any:
    return _modified(xp, x, 0, True)


@generic("k1e", special=True)
def _k1e(xp: Any, x: Any) -> Any:
    return _modified(xp, x, 1, True)


def _modified(xp: Any, x: Any, order: int, scaled: bool) -> Any:
    small = _second(xp, x, order, 1, _SMALL_MODIFIED)
    near = small if order else xp.negative(small)
    z = xp.maximum(x, _SMALL_MODIFIED)
    far = scaled_second_kind(xp, z, lambda u: 1.0 if order == 0 else xp.add(xp.divide(u * u, z), 1.0))
    if scaled:
        near = xp.multiply(near, xp.exp(xp.minimum(x, _SMALL_MODIFIED)))
    else:
        far = xp.multiply(far, xp.exp(xp.negative(z)))
    return _right_half(xp, x, xp.where(xp.less(x, _SMALL_MODIFIED), near, far), math.inf)


def _right_half(xp: Any, x: Any, found: Any, pole: float) -> Any:
    """A function with a pole at 0 that does not exist to the left of it."""
    return xp.where(xp.equal(x, 0.0), pole, xp.where(xp.less(x, 0.0), math.nan, found))


def _hankel(xp: Any, x: Any, order: int) -> tuple[Any, Any]:
    """The plain functions of both kinds, for arguments that are not small."""
    dtype = dtypes.complex_of(xp.np_dtype(x.dtype))
    x = xp.maximum(x, _SMALL)
    z = xp.multiply(xp.astype(x, dtype), 1j)
    scaled = scaled_second_kind(xp, z, lambda u: 1.0 if order == 0 else xp.add(xp.divide(u * u, z), 1.0))
    turned = xp.multiply(xp.multiply(scaled, xp.exp(xp.negative(z))), 2j / math.pi * (1j if order else 1.0))
    return xp.real(turned), xp.negative(xp.imag(turned))


def scaled_second_kind(xp: Any, z: Any, hyperbolic_cosine: Callable[[float], Any]) -> Any:
    """``exp(z)`` times the modified function of the second kind, for ``z`` of size 2 at least in the right half-plane.

    With ``z * (cosh(t) - 1) = u**2`` the integral of DLMF 10.32.9 becomes that of ``exp(-u**2) * cosh(order * t) /
    sqrt(2 * z + u**2)`` over all ``u``, for which the trapezoidal rule converges exponentially.

    Args:
        xp: the namespace.
        z: the arguments, real or complex.
        hyperbolic_cosine: gives ``cosh(order * t)`` for ``u``.
    """
    doubled = xp.multiply(z, 2.0)
    total = xp.zeros_like(doubled)
    for k in range(_POINTS):
        u = k * _STEP
        term = xp.multiply(xp.reciprocal(xp.sqrt(xp.add(doubled, u * u))), hyperbolic_cosine(u))
        # The integrand is even, so that the first point counts half.
        total = xp.add(total, xp.multiply(term, math.exp(-u * u) if k else 0.5))
    return xp.multiply(total, 2.0 * _STEP)


_STEP, _POINTS = 0.25, 26


def _first(xp: Any, x: Any, order: int, sign: int, limit: float) -> Any:
    """The function of the first kind, plain for ``sign`` -1 and modified for 1, up to a limit."""
    half = xp.multiply(xp.minimum(x, limit), 0.5)
    found = polynomial(xp, xp.square(half), _powers(order, sign))
    return xp.multiply(half, found) if order else found


def _second(xp: Any, x: Any, order: int, sign: int, limit: float) -> Any:
    """The plain function of the second kind times pi / 2, or the modified one, up to its sign for order 0."""
    x = xp.minimum(x, limit)
    half = xp.multiply(x, 0.5)
    series = polynomial(xp, xp.square(half), _harmonic_powers(order, sign))
    product = xp.multiply(xp.log(half), _first(xp, x, order, sign, limit))
    if order == 0:
        return xp.subtract(product, series)
    pole = xp.multiply(xp.reciprocal(x), float(sign))
    return xp.add(xp.subtract(product, xp.multiply(half, series)), pole)


@functools.cache
def _powers(order: int, sign: int) -> tuple[float, ...]:
    return tuple(sign**k / (math.factorial(k) * math.factorial(k + order)) for k in range(24, -1, -1))


@functools.cache
def _harmonic_powers(order: int, sign: int) -> tuple[float, ...]:
    """The series' coefficients, times the mean of the logarithmic derivatives of the two factorials in each."""

    def psi(n: int) -> float:
        return math.fsum(1.0 / j for j in range(1, n)) - _EULER

    weights = ((psi(k + 1) + psi(k + 1 + order)) / 2.0 for k in range(24, -1, -1))
    return tuple(w * c for w, c in zip(weights, _powers(order, sign), strict=True))
