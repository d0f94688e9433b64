"""The largest element of every window, and where it stands, one dimension after the other.

Of equal elements the first counts, in row-major order; NaN counts as largest, and of several the last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gradcore import dtypes
from gradcore.ops.nn._windows import Window, taps

__all__ = ["Part", "largest", "parts_of"]


class Part(NamedTuple):
    """One element of each of some windows: those from ``low`` up to ``high``."""

    low: int
    high: int
    at: Any
    """Where the elements stand: a slice, or a list of places that may repeat."""
    places: Sequence[int]


def parts_of(window: Window) -> list[Part]:
    """The parts of windows that slide."""
    return [Part(t.low, t.high, t.at, range(t.at.start, t.at.stop, t.at.step)) for t in taps(window)]


def largest(xp: Any, x: Any, axes: Sequence[tuple[int, list[Part]]]) -> tuple[Any, Any]:
    """The largest elements of windows over the last dimensions, and their numbers in their plane.

    Args:
        xp: the namespace.
        x: the array; it holds no complex numbers.
        axes: for each of those dimensions how many windows there are, and their parts.
    """
    ndim = len(axes)
    lead, sizes = x.shape[: len(x.shape) - ndim], x.shape[len(x.shape) - ndim :]
    if 0 in lead:
        shape = (*lead, *(count for count, _ in axes))
        return xp.zeros(shape, dtype=x.dtype), xp.zeros(shape, dtype=dtypes.int64)
    narrow = dtypes.int32 if math.prod(sizes) < 2**31 else dtypes.int64
    numbers = None
    for i in reversed(range(ndim)):
        count, parts = axes[i]
        x, numbers = _largest_along(xp, x, numbers, len(lead) + i, count, parts, math.prod(sizes[i + 1 :]), narrow)
    return x, xp.astype(numbers, dtypes.int64)


def _largest_along(
    xp: Any, x: Any, numbers: Any, axis: int, count: int, parts: list[Part], step: int, dtype: Any
) -> tuple[Any, Any]:
    """The largest elements of windows along one axis, with their numbers; ``step`` lies between its elements."""
    dim = len(x.shape) - axis
    every = (slice(None),) * axis
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])

    def values(of: Any, part: Part) -> Any:
        if part.at.__class__ is slice:
            return xp.getitem(of, (*every, part.at, ...))
        return xp.take(of, xp.asarray(part.at), axis=axis)

    def place(part: Part) -> Any:
        along = xp.asarray([p * step for p in part.places], dtype=dtype)
        along = xp.reshape(along, (part.high - part.low,) + (1,) * (dim - 1))
        return along if numbers is None else xp.add(values(numbers, part), along)

    first, *others = parts
    if first.high - first.low == count:
        best, found = values(x, first), place(first)
        if not others or any(p.high - p.low < count for p in others):
            # What is returned, or written to, is no part of an operand.
            best, found = xp.copy(best), xp.copy(xp.broadcast_to(found, shape))
    else:
        # Windows that begin before the dimension: their first element is another part of them.
        best, found, others = *_start(xp, x, shape, every, parts, values, place, dtype), parts
    with_nan = xp.np_dtype(x.dtype).kind in "fV" and bool(xp.any(xp.isnan(x)))
    for part in others:
        whole = part.high - part.low == count
        window = (*every, slice(part.low, part.high), ...)
        mine, here = (best, found) if whole else (xp.getitem(best, window), xp.getitem(found, window))
        new = values(x, part)
        larger = xp.greater(new, mine)
        if with_nan:
            larger = xp.logical_or(larger, xp.isnan(new))
            better = xp.where(larger, new, mine)
        else:
            better = xp.maximum(mine, new)
        at = xp.where(larger, place(part), here)
        if whole:
            best, found = better, at
        else:
            xp.setitem(best, window, better)
            xp.setitem(found, window, at)
    return best, found


def _start(
    xp: Any, x: Any, shape: Any, every: Any, parts: list[Part], values: Any, place: Any, dtype: Any
) -> tuple[Any, Any]:
    """The first element of each window that is in the dimension, and its number."""
    best, found = xp.empty(shape, dtype=x.dtype), xp.empty(shape, dtype=dtype)
    for part in reversed(parts):
        window = (*every, slice(part.low, part.high), ...)
        xp.setitem(best, window, values(x, part))
        xp.setitem(found, window, place(part))
    return best, found
