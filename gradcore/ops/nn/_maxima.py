"""The largest element of every window, and where it stands, one dimension after the other.

Of equal elements the first counts, in row-major order; NaN counts as largest, and of several the last.

On the way an element is known by its number in its window, along each dimension, in as few bits as these numbers need: that is a
good part of the memory that is moved. Later elements have larger numbers, so that a maximum keeps the later one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gradcore import dtypes
from gradcore.ops.nn._windows import Window, taps

__all__ = ["Along", "Part", "largest", "sliding_along"]


class Part(NamedTuple):
    """The element of some number in each of some windows: those from ``low`` up to ``high``."""

    number: int
    low: int
    high: int
    at: Any
    """Where the elements stand: a slice, or a list of places that may repeat."""


class Along(NamedTuple):
    """The windows along one dimension."""

    first: Sequence[int]
    """Where they begin; that may be before the dimension."""
    step: int
    """From one element to the next."""
    last: Sequence[int] | None
    """Where their last elements stand, if those are repeated in windows that are shorter than others."""
    parts: list[Part]


def sliding_along(window: Window) -> Along:
    """Windows that slide."""
    first = range(-window.padding, window.stops * window.stride - window.padding, window.stride)
    return Along(first, window.dilation, None, [Part(*t) for t in taps(window)])


def largest(xp: Any, x: Any, windows: Sequence[Along]) -> tuple[Any, Any]:
    """The largest elements of windows over the last dimensions, and their numbers in their plane.

    Args:
        xp: the namespace.
        x: the array; it holds no complex numbers.
        windows: along each of those dimensions.
    """
    ndim = len(windows)
    lead, sizes = x.shape[: len(x.shape) - ndim], x.shape[len(x.shape) - ndim :]
    if 0 in lead:
        shape = (*lead, *(len(w.first) for w in windows))
        return xp.zeros(shape, dtype=x.dtype), xp.zeros(shape, dtype=dtypes.int64)
    # On a GPU the answer would have to be waited for.
    with_nan = xp.np_dtype(x.dtype).kind in "fV" and (xp.device.type == "cuda" or bool(xp.any(xp.isnan(x))))
    narrow = dtypes.uint8 if max(p.number for w in windows for p in w.parts) < 256 else dtypes.int32
    numbers: list[Any] = []
    for i in reversed(range(ndim)):
        x, numbers = _largest_along(xp, x, numbers, len(lead) + i, windows[i], narrow, with_nan)
    return x, _counted(xp, numbers, windows, sizes)


def _counted(xp: Any, numbers: list[Any], windows: Sequence[Along], sizes: Sequence[int]) -> Any:
    """Numbers in windows along each dimension, as numbers in the plane."""
    found: Any = None
    for i, (number, w) in enumerate(zip(numbers, windows, strict=True)):
        step = math.prod(sizes[i + 1 :])
        shape = (len(w.first),) + (1,) * (len(windows) - i - 1)
        first = xp.reshape(xp.asarray([a * step for a in w.first], dtype=dtypes.int64), shape)
        at = xp.astype(number, dtypes.int64)
        if w.step * step != 1:
            at = xp.multiply(at, w.step * step)
        at = xp.add(at, first)
        if w.last is not None:
            at = xp.minimum(at, xp.reshape(xp.asarray([b * step for b in w.last], dtype=dtypes.int64), shape))
        found = at if found is None else xp.add(found, at)
    return found


def _largest_along(
    xp: Any, x: Any, numbers: list[Any], axis: int, windows: Along, dtype: Any, with_nan: bool
) -> tuple[Any, list[Any]]:
    """The largest elements of windows along one axis, with their numbers along this one and the later ones."""
    count = len(windows.first)
    every = (slice(None),) * axis
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])

    def elements(of: Any, part: Part) -> Any:
        if part.at.__class__ is slice:
            return xp.getitem(of, (*every, part.at, ...))
        return xp.take(of, xp.asarray(part.at), axis=axis)

    first, *others = windows.parts
    own = xp.full(shape, first.number, dtype=dtype)
    if first.high - first.low == count:
        best, rest = elements(x, first), [elements(n, first) for n in numbers]
        if not others or any(p.high - p.low < count for p in others):
            # What is returned, or written to, is no part of an operand.
            best, rest = xp.copy(best), [xp.copy(n) for n in rest]
    else:
        # Windows that begin before the dimension: their first element is another part of them.
        best, rest = xp.empty(shape, dtype=x.dtype), [xp.empty(shape, dtype=dtype) for _ in numbers]
        for part in reversed(windows.parts):
            window = (*every, slice(part.low, part.high), ...)
            xp.setitem(best, window, elements(x, part))
            xp.setitem(own, window, part.number)
            for n, m in zip(rest, numbers, strict=True):
                xp.setitem(n, window, elements(m, part))
        others = windows.parts
    for part in others:
        whole = part.high - part.low == count
        window = (*every, slice(part.low, part.high), ...)
        here = [best, own, *rest]
        mine, number, *before = here if whole else [xp.getitem(a, window) for a in here]
        new = elements(x, part)
        larger = xp.greater(new, mine)
        if with_nan:
            larger = xp.logical_or(larger, xp.isnan(new))
            better = xp.where(larger, new, mine)
        else:
            better = xp.maximum(mine, new)
        chosen = xp.astype(larger, dtype)
        after = [xp.maximum(number, xp.multiply(chosen, part.number))]
        for n, m in zip(before, numbers, strict=True):
            # Without a decision for each element: bits that differ, where the new number is chosen.
            after.append(xp.bitwise_xor(n, xp.multiply(xp.bitwise_xor(n, elements(m, part)), chosen)))
        if whole:
            best, (own, *rest) = better, after
        else:
            for a, b in zip(here, [better, *after], strict=True):
                xp.setitem(a, window, b)
    return best, [own, *rest]
