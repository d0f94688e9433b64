"""Windows: weights by which a stretch of a signal is multiplied before its spectrum is taken.

They are constants: made on the host in float64, by the formulas of F. J. Harris, On the use of windows for harmonic
analysis with the discrete Fourier transform, Proc. IEEE 66 (1978) 51-83, then rounded to their dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.ops._dims import as_integer
from gradcore.ops.creation import tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "bartlett",
    "bartlett_window",
    "blackman",
    "blackman_window",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hamming_window",
    "hann",
    "hann_window",
    "kaiser",
    "kaiser_window",
    "nuttall",
]

Numbers = np.ndarray[Any, Any]

BLACKMAN = (0.42, 0.5, 0.08)
NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


# In gradcore.signal.windows: symmetric, unless ``sym`` is false. Then they are periodic, one element of a longer window less.


def bartlett(M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A triangle, zero at its ends.

    Args:
        M: the number of elements.
        sym: symmetric, for filters; ``False`` for a periodic one, for spectra.
        dtype: float32 or float64; the default dtype if not given.
        device: where; the default device if not given.
        requires_grad: whether the window requires grad.

    Raises:
        ValueError: ``M`` is negative; another dtype.
    """
    kind = _checked("bartlett", M, dtype)
    return tensor(_bartlett(M, sym), dtype=kind, device=device, requires_grad=requires_grad)


def blackman(M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``0.42 - 0.5 * cos(k) + 0.08 * cos(2 * k)`` over one period; parameters as of :func:`bartlett`."""
    return general_cosine(M, a=BLACKMAN, sym=sym, dtype=dtype, device=device, requires_grad=requires_grad)


def cosine(M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Half a period of a sine, which is not zero at its ends; parameters as of :func:`bartlett`."""
    kind = _checked("cosine", M, dtype)
    values = np.sin((np.arange(M) + 0.5) * math.pi / (M + 1 if not sym and M > 1 else max(M, 1)))
    return tensor(values, dtype=kind, device=device, requires_grad=requires_grad)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``exp(-abs(k - center) / tau)``; the other parameters as of :func:`bartlett`.

    Raises:
        ValueError: ``tau`` is not positive; a ``center`` given for a symmetric window.
    """
    kind = _checked("exponential", M, dtype)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows; give sym=False")
    middle = _middle(M, sym) if center is None else center
    values = np.exp(-np.abs(np.arange(M) - middle) / tau)
    return tensor(values, dtype=kind, device=device, requires_grad=requires_grad)


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``exp(-0.5 * ((k - middle) / std)**2)``; the other parameters as of :func:`bartlett`.

    Raises:
        ValueError: ``std`` is not positive.
    """
    kind = _checked("gaussian", M, dtype)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    values = np.exp(-0.5 * np.square((np.arange(M) - _middle(M, sym)) / std))
    return tensor(values, dtype=kind, device=device, requires_grad=requires_grad)


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``a[0] - a[1] * cos(k) + a[2] * cos(2 * k) ...`` over one period; the other parameters as of :func:`bartlett`.

    Raises:
        TypeError: the coefficients are not several.
        ValueError: there is none.
    """
    kind = _checked("general_cosine", M, dtype)
    if M > 1 and not isinstance(a, Iterable):
        raise TypeError(f"Coefficients must be a list/tuple, not {type(a).__name__}")
    coefficients = list(a) if isinstance(a, Iterable) else []
    if M > 1 and not coefficients:
        raise ValueError("Coefficients cannot be empty")
    return tensor(_cosines(M, coefficients, sym), dtype=kind, device=device, requires_grad=requires_grad)


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``alpha - (1 - alpha) * cos(k)`` over one period; the other parameters as of :func:`bartlett`."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, dtype=dtype, device=device, requires_grad=requires_grad)


def hamming(M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``0.54 - 0.46 * cos(k)`` over one period; parameters as of :func:`bartlett`."""
    return general_hamming(M, sym=sym, dtype=dtype, device=device, requires_grad=requires_grad)


def hann(M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``0.5 - 0.5 * cos(k)`` over one period; parameters as of :func:`bartlett`."""
    return general_hamming(M, alpha=0.5, sym=sym, dtype=dtype, device=device, requires_grad=requires_grad)


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``i0(beta * sqrt(1 - x**2)) / i0(beta)`` for ``x`` from -1 to 1; the other parameters as of :func:`bartlett`.

    Raises:
        ValueError: ``beta`` is negative.
    """
    kind = _checked("kaiser", M, dtype)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return tensor(_kaiser(M, beta, sym), dtype=kind, device=device, requires_grad=requires_grad)


def nuttall(M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The sum of four cosines with the smallest side lobes; parameters as of :func:`bartlett`."""
    return general_cosine(M, a=NUTTALL, sym=sym, dtype=dtype, device=device, requires_grad=requires_grad)


# In gradcore: periodic, unless said otherwise, and of any floating-point dtype.


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle of ``window_length`` elements, zero at its ends.

    Args:
        window_length: the number of elements.
        periodic: without the last element of a window that is one longer, for spectra; ``False`` for a symmetric one.
        dtype: a floating-point dtype; the default dtype if not given.
        device: where; the default device if not given.
        requires_grad: whether the window requires grad.

    Raises:
        RuntimeError: ``window_length`` is negative; a dtype that is not floating-point.
    """
    kind = _checked_window("bartlett_window", window_length, dtype)
    return tensor(_bartlett(window_length, not periodic), dtype=kind, device=device, requires_grad=requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``0.42 - 0.5 * cos(k) + 0.08 * cos(2 * k)`` over one period; parameters as of :func:`bartlett_window`."""
    kind = _checked_window("blackman_window", window_length, dtype)
    values = _cosines(window_length, BLACKMAN, not periodic)
    return tensor(values, dtype=kind, device=device, requires_grad=requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``alpha - beta * cos(k)`` over one period; the other parameters as of :func:`bartlett_window`."""
    kind = _checked_window("hamming_window", window_length, dtype)
    values = _cosines(window_length, (alpha, beta), not periodic)
    return tensor(values, dtype=kind, device=device, requires_grad=requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``0.5 - 0.5 * cos(k)`` over one period; parameters as of :func:`bartlett_window`."""
    kind = _checked_window("hann_window", window_length, dtype)
    values = _cosines(window_length, (0.5, 0.5), not periodic)
    return tensor(values, dtype=kind, device=device, requires_grad=requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``i0(beta * sqrt(1 - x**2)) / i0(beta)`` for ``x`` from -1 to 1; the other parameters as of :func:`bartlett_window`."""
    kind = _checked_window("kaiser_window", window_length, dtype)
    return tensor(_kaiser(window_length, beta, not periodic), dtype=kind, device=device, requires_grad=requires_grad)


# What they share.


def _checked(name: str, count: int, dtype: Any) -> dtypes.DType:
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    if as_integer(count, "M") < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={count}")
    if kind not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtypes.dtype_name(kind)}")
    return kind


def _checked_window(name: str, count: int, dtype: Any) -> dtypes.DType:
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.normalize(dtype)
    if dtypes.category(kind) < 2:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtypes.dtype_name(kind)}")
    if dtypes.category(kind) > 2:
        raise NotImplementedError(f"{name} is not implemented for '{dtypes.scalar_type_name(kind)}'")
    if as_integer(count, "window_length") < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={count}")
    return kind


def _middle(count: int, symmetric: bool) -> float:
    return (count if not symmetric and count > 1 else count - 1) / 2.0


def _period(count: int, symmetric: bool) -> Numbers:
    """Where the elements lie in the window, from 0 to 1."""
    return np.arange(count) / (count - 1 if symmetric else count)


def _bartlett(count: int, symmetric: bool) -> Numbers:
    if count < 2:
        return np.ones(count)
    return 1.0 - np.abs(2.0 * _period(count, symmetric) - 1.0)


def _cosines(count: int, coefficients: Sequence[float], symmetric: bool) -> Numbers:
    if count < 2:
        return np.ones(count)
    angle = 2.0 * math.pi * _period(count, symmetric)
    terms = [(-1) ** i * a * np.cos(i * angle) for i, a in enumerate(coefficients)]
    return np.sum(terms, axis=0)  # type: ignore[no-any-return]


def _kaiser(count: int, beta: float, symmetric: bool) -> Numbers:
    if count < 2:
        return np.ones(count)
    x = 2.0 * _period(count, symmetric) - 1.0
    return np.i0(beta * np.sqrt(np.maximum(1.0 - x * x, 0.0))) / np.i0(beta)
