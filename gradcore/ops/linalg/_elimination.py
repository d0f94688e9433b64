"""Equations whose matrix may be singular: what a solver gives then, and which pivot is zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcore import dtypes
from gradcore.op import is_tensor

__all__ = ["attempted", "first_failure", "library_failed", "rank_tolerance", "solved", "solved_quietly"]


def attempted(function: Callable[..., Any], *args: Any) -> Any:
    """What ``function`` of an array library gives, or ``None`` where that raises its LinAlgError."""
    try:
        return function(*args)
    except Exception as e:
        if not library_failed(e):
            raise
        return None


def library_failed(error: Exception) -> bool:
    """Whether a library says that it found no result. Its LinAlgError is NumPy's, or one of its own of that name."""
    return type(error).__name__ == "LinAlgError"


def solved(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The solution ``x`` of ``a @ x = b``, and ``None``; or, where a matrix is singular, the state of each matrix.

    That is 0, or the number of the first pivot that is zero; the solution has infinities and NaN then.
    """
    x = attempted(xp.linalg.solve, a, b)
    return _eliminated(xp, a, b) if x is None else (x, None)


def solved_quietly(xp: Any, a: Any, b: Any) -> Any:
    """The solution alone, for rules. On tensors, a singular matrix raises as it does in the operation."""
    return xp.linalg.solve(a, b) if is_tensor(a) else solved(xp, a, b)[0]


def rank_tolerance(dtype: dtypes.DType, shape: Sequence[int]) -> float:
    """Singular values of matrices that are less than this part of the largest are zero up to rounding."""
    return float(max(shape[-2:]) * np.finfo(dtype).eps)


def first_failure(xp: Any, info: Any) -> tuple[str, int]:
    """Which matrix of a batch failed, as a part of a message, and its state."""
    flat = xp.reshape(info, (-1,))
    at = int(xp.argmax(xp.astype(xp.not_equal(flat, 0), dtypes.int32)))
    return f"(Batch element {at}): " if info.shape else "", int(flat[at])


def _eliminated(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """:func:`solved` by Gaussian elimination with partial pivoting, of all matrices of a batch at a time."""
    n = a.shape[-1]
    batch = xp.broadcast_to(a[..., :1, :1], (*_batch(xp, a, b), 1, 1)).shape[:-2]
    left = xp.broadcast_to(a, (*batch, n, n))
    right = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    rows = xp.concat([left, right], axis=-1)
    numbers = xp.arange(n)
    info = xp.zeros(batch, dtype=dtypes.int32)
    for k in range(n):
        below = xp.where(numbers < k, -1.0, xp.abs(rows[..., k]))
        pivot = xp.argmax(below, axis=-1, keepdims=True)
        # Rows k and pivot change places.
        order = xp.where(numbers == k, pivot, xp.where(numbers == pivot, k, numbers))
        rows = xp.take_along_axis(rows, xp.expand_dims(order, axis=-1), axis=-2)
        head = rows[..., k : k + 1, k : k + 1]
        zero = head[..., 0, 0] == 0
        info = xp.where(xp.logical_and(zero, info == 0), k + 1, info)
        factor = xp.divide(rows[..., :, k : k + 1], xp.where(head == 0, 1.0, head))
        factor = xp.where(xp.expand_dims(numbers, axis=-1) > k, factor, 0.0)
        rows = xp.subtract(rows, xp.multiply(factor, rows[..., k : k + 1, :]))
    found: list[Any] = []
    for k in reversed(range(n)):
        row = rows[..., k : k + 1, n:]
        if found:
            row = xp.subtract(row, xp.matmul(rows[..., k : k + 1, k + 1 : n], xp.concat(found, axis=-2)))
        found.insert(0, xp.divide(row, rows[..., k : k + 1, k : k + 1]))
    return xp.concat(found, axis=-2), _of_matrices(info, a)


def _batch(xp: Any, a: Any, b: Any) -> tuple[int, ...]:
    return tuple(xp.broadcast_arrays(a[..., 0, 0], b[..., 0, 0])[0].shape)


def _of_matrices(info: Any, a: Any) -> Any:
    """One number for each matrix of ``a``, whose batch was broadcast against that of the right sides."""
    extra = len(info.shape) - (len(a.shape) - 2)
    info = info[(0,) * extra + (...,)]
    return info[(*[slice(0, 1) if n == 1 else slice(None) for n in a.shape[:-2]], ...)]
