"""What elementwise operations ask about numbers and dtypes, and elementwise functions that the Array API standard lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcore import dtypes
from gradcore.ops._extra import generic

__all__ = ["array_like", "kind_of", "number_or_none", "of_truth_values", "refuse_dtype", "refuse_zero", "require_kind"]


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


def array_like(xp: Any, x: Any, like: Any) -> Any:
    """``x`` as an array, of the dtype of ``like`` if it is a number."""
    return x if hasattr(x, "dtype") else xp.asarray(x, dtype=like.dtype)


@generic("exp2")
def _exp2(xp: Any, x: Any) -> Any:
    if kind_of(xp, x) == "c":
        return xp.exp(xp.multiply(x, math.log(2.0)))
    return xp.pow(2.0, x)


@generic("fmod")
def _fmod(xp: Any, x: Any, y: Any) -> Any:
    if kind_of(xp, x if hasattr(x, "dtype") else y) == "f":
        # The remainder of magnitudes is exact, and of the sign of the divisor, which is then that of neither.
        return xp.copysign(xp.remainder(xp.abs(array_like(xp, x, y)), xp.abs(array_like(xp, y, x))), x)
    r = xp.remainder(x, y)
    opposite = xp.not_equal(xp.less(x, 0), xp.less(y, 0))
    return xp.where(xp.logical_and(xp.not_equal(r, 0), opposite), xp.subtract(r, y), r)


@generic("fmax")
def _fmax(xp: Any, x: Any, y: Any) -> Any:
    x, y = array_like(xp, x, y), array_like(xp, y, x)
    return xp.where(xp.isnan(x), y, xp.where(xp.isnan(y), x, xp.maximum(x, y)))


@generic("fmin")
def _fmin(xp: Any, x: Any, y: Any) -> Any:
    x, y = array_like(xp, x, y), array_like(xp, y, x)
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
