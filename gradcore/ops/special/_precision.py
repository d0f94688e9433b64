"""Special functions of arrays of any precision, and what their approximations are written with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcore import dtypes
from gradcore.ops._extra import extra

__all__ = ["any_true", "epsilon_of", "polynomial", "ratio", "special", "widened"]


def special(xp: Any, name: str, x: Any, *others: Any) -> Any:
    """The special function ``name`` as :func:`extra` finds it; numbers of 16 bits are computed in float32.

    ``x`` is an array or a tensor, the other arguments may be numbers.
    """
    if xp.np_dtype(x.dtype).itemsize > 2:
        return extra(xp, name, x, *others)
    return widened(xp, lambda *args: extra(xp, name, *args), x, *others)


def widened(xp: Any, function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """``function(x, *others)``, for numbers of 16 bits computed in float32: their range is too small for coefficients."""
    dtype = xp.np_dtype(x.dtype)
    if dtype.itemsize > 2:
        return function(x, *others)
    wide = (xp.astype(v, dtypes.float32) if hasattr(v, "dtype") else v for v in (x, *others))
    return xp.astype(function(*wide), dtype)


def any_true(xp: Any, condition: Any) -> bool:
    """Whether any element is true, as the host needs it for deciding on another step of an iteration."""
    return bool(xp.any(condition))


def epsilon_of(xp: Any, x: Any) -> float:
    """The step from 1 to the next number of the dtype of ``x``."""
    dtype = xp.np_dtype(x.dtype)
    return 2.0**-7 if dtype.name == "bfloat16" else float(np.finfo(dtype).eps)


def polynomial(xp: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """A polynomial of degree 1 at least, by Horner's scheme; the coefficient of the highest power comes first."""
    first, second, *others = coefficients
    value = xp.add(xp.multiply(x, first), second)
    for c in others:
        value = xp.add(xp.multiply(value, x), c)
    return value


def ratio(xp: Any, x: Any, coefficients: tuple[Sequence[float], Sequence[float]]) -> Any:
    """The quotient of two polynomials."""
    return xp.divide(polynomial(xp, x, coefficients[0]), polynomial(xp, x, coefficients[1]))
