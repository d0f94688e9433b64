"""What elementwise operations ask about numbers and dtypes, and elementwise functions that the Array API standard lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcore import dtypes
from gradcore.ops._extra import generic

__all__ = ["kind_of", "number_or_none", "of_truth_values", "refuse_dtype", "refuse_zero", "require_kind"]


def number_or_none(x: Any) -> Any:
    """``x`` as a plain Python number, if it is a number (of Python or NumPy); else ``None``."""
    cls = x.__class__
    if cls is float or cls is int or cls is bool or cls is complex:
        return x
    if isinstance(x, np.generic):
        return x.item()
    for plain in (bool, int, float, complex):
        if isinstance(x, plain):
            return plain(x)  # type: ignore[arg-type]  # mypy mixes the classes of the loop
    return None


def kind_of(xp: Any, x: Any) -> str:
    """``b``, ``i``, ``u``, ``f`` or ``c``: the kind of an array's dtype."""
    kind: str = xp.np_dtype(x.dtype).kind
    return "f" if kind == "V" else kind  # bfloat16


def require_kind(xp: Any, x: Any, kinds: str, function: str) -> str:
    """The kind of an array's dtype, if it is one of ``kinds``.

    Raises:
        NotImplementedError: it is another.
    """
    kind = kind_of(xp, x)
    if kind not in kinds:
        refuse_dtype(function, xp.np_dtype(x.dtype))
    return kind


def refuse_dtype(function: str, dtype: dtypes.DType) -> None:
    """Raise for a function that does not exist for numbers of ``dtype``."""
    hint = {
        "b": "cast the tensor first, with .to(dtype)",
        "i": "cast the tensor to a floating point dtype first, with .to(dtype)",
        "u": "cast the tensor to a floating point dtype first, with .to(dtype)",
        "c": "take .real, .imag or .abs() first",
    }.get(dtype.kind, "cast the tensor first, with .to(dtype)")
    raise NotImplementedError(f"\"{function}\" not implemented for '{dtypes.scalar_type_name(dtype)}': {hint}")


def refuse_zero(xp: Any, divisor: Any, function: str) -> None:
    """Raise if an integer divisor has a zero: there is no integer that the quotient could be.

    Raises:
        RuntimeError: it has.
    """
    if not bool(xp.all(xp.not_equal(divisor, 0))):
        raise RuntimeError(f"ZeroDivisionError: {function} of integers by zero; cast to a floating point dtype first")


def of_truth_values(xp: Any, function: Any, x: Any, y: Any) -> Any:
    """``function`` of two operands that are truth values, of which one may be a number."""
    return function(xp.asarray(x, dtype=dtypes.bool_), xp.asarray(y, dtype=dtypes.bool_))


@generic("exp2")
def _exp2(xp: Any, x: Any) -> Any:
    if kind_of(xp, x) == "c":
        return xp.exp(xp.multiply(x, math.log(2.0)))
    return xp.pow(2.0, x)


@generic("fmod")
def _fmod(xp: Any, x: Any, y: Any) -> Any:
    if kind_of(xp, x if hasattr(x, "dtype") else y) == "f":
        # The remainder of magnitudes is exact, and of the sign of the divisor, which is then that of neither.
        return xp.copysign(xp.remainder(xp.abs(_array(xp, x, y)), xp.abs(_array(xp, y, x))), x)
    r = xp.remainder(x, y)
    opposite = xp.not_equal(xp.less(x, 0), xp.less(y, 0))
    return xp.where(xp.logical_and(xp.not_equal(r, 0), opposite), xp.subtract(r, y), r)


def _array(xp: Any, x: Any, like: Any) -> Any:
    return x if hasattr(x, "dtype") else xp.asarray(x, dtype=like.dtype)


@generic("fmax")
def _fmax(xp: Any, x: Any, y: Any) -> Any:
    x, y = _array(xp, x, y), _array(xp, y, x)
    return xp.where(xp.isnan(x), y, xp.where(xp.isnan(y), x, xp.maximum(x, y)))


@generic("fmin")
def _fmin(xp: Any, x: Any, y: Any) -> Any:
    x, y = _array(xp, x, y), _array(xp, y, x)
    return xp.where(xp.isnan(x), y, xp.where(xp.isnan(y), x, xp.minimum(x, y)))


@generic("logaddexp2")
def _logaddexp2(xp: Any, x: Any, y: Any) -> Any:
    largest = xp.maximum(x, y)
    # Equal infinities have no difference.
    difference = xp.where(xp.equal(x, y), 0.0, xp.negative(xp.abs(xp.subtract(x, y))))
    return xp.add(largest, xp.divide(xp.log1p(xp.pow(2.0, difference)), math.log(2.0)))


@generic("rsqrt")
def _rsqrt(xp: Any, x: Any) -> Any:
    return xp.reciprocal(xp.sqrt(x))


@generic("sigmoid")
def _sigmoid(xp: Any, x: Any) -> Any:
    # exp overflows to infinity where the result rounds to zero: nothing is lost.
    return xp.reciprocal(xp.add(xp.exp(xp.negative(x)), 1.0))


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
    if xp.np_dtype(x.dtype) == dtypes.float16:  # too narrow for the coefficients
        return xp.astype(_erf(xp, xp.astype(x, dtypes.float32)), dtypes.float16)
    size = xp.abs(x)
    tail = xp.copysign(xp.subtract(1.0, _erfc_of_magnitude(xp, size)), x)
    return xp.where(xp.less_equal(size, 0.46875), _erf_near_zero(xp, x), tail)


@generic("erfc", special=True)
def _erfc(xp: Any, x: Any) -> Any:
    if xp.np_dtype(x.dtype) == dtypes.float16:
        return xp.astype(_erfc(xp, xp.astype(x, dtypes.float32)), dtypes.float16)
    size = xp.abs(x)
    tail = _erfc_of_magnitude(xp, size)
    tail = xp.where(xp.less(x, 0.0), xp.subtract(2.0, tail), tail)
    return xp.where(xp.less_equal(size, 0.46875), xp.subtract(1.0, _erf_near_zero(xp, x)), tail)


def _erf_near_zero(xp: Any, x: Any) -> Any:
    return xp.multiply(x, _ratio(xp, xp.square(xp.clip(x, -0.46875, 0.46875)), _ERF_SMALL))


def _erfc_of_magnitude(xp: Any, size: Any) -> Any:
    """erfc(x) for x >= 0.46875."""
    middle = _ratio(xp, xp.clip(size, 0.46875, 4.0), _ERFC_MIDDLE)
    inverse = xp.reciprocal(xp.square(xp.maximum(size, 4.0)))
    correction = xp.multiply(inverse, _ratio(xp, inverse, _ERFC_LARGE))
    large = xp.divide(xp.subtract(1.0 / math.sqrt(math.pi), correction), xp.maximum(size, 4.0))
    # exp(-x*x) loses digits where x*x rounds: square a multiple of 1/16 exactly, and the small rest apart.
    coarse = xp.divide(xp.floor(xp.multiply(xp.minimum(size, 30.0), 16.0)), 16.0)
    rest = xp.multiply(xp.subtract(size, coarse), xp.add(size, coarse))
    scale = xp.multiply(xp.exp(xp.negative(xp.square(coarse))), xp.exp(xp.negative(rest)))
    return xp.multiply(scale, xp.where(xp.less_equal(size, 4.0), middle, large))


def _ratio(xp: Any, x: Any, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    """The quotient of two polynomials."""
    values = []
    for first, second, *others in coefficients:
        value = xp.add(xp.multiply(x, first), second)
        for c in others:
            value = xp.add(xp.multiply(value, x), c)
        values.append(value)
    return xp.divide(*values)
