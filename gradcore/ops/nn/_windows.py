"""What convolutions and pooling share: windows that slide along dimensions, and how they are written down.

A window along a dimension has ``kernel`` elements, ``dilation`` apart; from one window to the next it is ``stride``
elements; the first begins ``padding`` elements before the dimension.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gradcore import dtypes

__all__ = [
    "Tap",
    "Window",
    "framed",
    "in_single_precision",
    "integers",
    "pooling_windows",
    "positions",
    "taps",
    "window_count",
    "windows_of",
]

_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}


class Window(NamedTuple):
    """A window that slides along a dimension of ``size`` elements and stops at so many places."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    stops: int

    @property
    def trivial(self) -> bool:
        """Whether each element is a window of its own."""
        return self.kernel == self.stride == 1 and self.padding == 0 and self.stops == self.size


class Tap(NamedTuple):
    """One element of every window: of the windows from ``low`` up to ``high`` it stands in the dimension at ``at``."""

    number: int
    low: int
    high: int
    at: slice


@functools.lru_cache(maxsize=4096)
def taps(window: Window) -> tuple[Tap, ...]:
    """The elements of a window that are in the dimension for some of its places."""
    found = []
    for number in range(window.kernel):
        offset = number * window.dilation - window.padding
        low = max(0, -(offset // window.stride))
        high = min(window.stops, (window.size - 1 - offset) // window.stride + 1)
        if low < high:
            first, last = low * window.stride + offset, (high - 1) * window.stride + offset
            found.append(Tap(number, low, high, slice(first, last + 1, window.stride)))
    return tuple(found)


def positions(windows: Sequence[Window]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    """The elements of windows over several dimensions: their numbers, of which windows they are, and where they stand."""
    for each in itertools.product(*map(taps, windows)):
        numbers = tuple([t.number for t in each])
        yield numbers, tuple([slice(t.low, t.high) for t in each]), tuple([t.at for t in each])


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows there are; ``ceil_mode`` lets the last one reach beyond the end, if it begins before it."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (reach + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def windows_of(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool = False,
) -> tuple[Window, ...]:
    """The windows along several dimensions."""
    return tuple(
        [
            Window(*each, window_count(*each, ceil_mode))
            for each in zip(sizes, kernel, stride, padding, dilation, strict=True)
        ]
    )


def integers(value: Any, ndim: int, function: str, argument: str) -> tuple[int, ...]:
    """A parameter that is an integer, or one for each of ``ndim`` dimensions.

    Raises:
        RuntimeError: there are not as many.
        TypeError: it is something else.
    """
    if value.__class__ is int:
        return (value,) * ndim
    many = list(value) if isinstance(value, (tuple, list)) else [value]
    try:
        if any(v.__class__ is bool for v in many):
            raise TypeError
        several = tuple([operator.index(v) for v in many])
    except TypeError:
        raise TypeError(
            f"{function}(): argument '{argument}' must be an int or {_WORDS[ndim]}, not {type(value).__name__} {value!r}"
        ) from None
    if len(several) == 1:
        several *= ndim
    if len(several) != ndim:
        raise RuntimeError(
            f"{function}: {argument} must either be a single int, or a tuple of {_WORDS[ndim]}, but got {value!r}"
        )
    return several


def pooling_windows(
    function: str,
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> tuple[Window, ...]:
    """The windows of a pooling over the last dimensions of a tensor of some shape.

    Raises:
        RuntimeError: a size is not possible, or nothing would be left.
    """
    ndim = len(kernel)
    if min(kernel) <= 0:
        raise RuntimeError(f"{function}: kernel size should be greater than zero, but got kernel_size={tuple(kernel)}")
    if min(stride) <= 0:
        raise RuntimeError(f"{function}: stride should be greater than zero, but got stride={tuple(stride)}")
    if min(dilation) <= 0:
        raise RuntimeError(f"{function}: dilation should be greater than zero, but got dilation={tuple(dilation)}")
    for p, k, d in zip(padding, kernel, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"{function}: pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"{function}: pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    if len(shape) not in (ndim + 1, ndim + 2) or 0 in shape[len(shape) - ndim - 1 :]:
        raise RuntimeError(
            f"{function}: Expected {ndim + 1}D or {ndim + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got: {list(shape)}"
        )
    windows = windows_of(shape[len(shape) - ndim :], kernel, stride, padding, dilation, ceil_mode)
    if min(w.stops for w in windows) < 1:
        raise RuntimeError(
            f"{function}: Given input size: {tuple(shape)}. Calculated output size: "
            f"{(*shape[: len(shape) - ndim], *(w.stops for w in windows))}. Output size is too small"
        )
    return windows


def in_single_precision(xp: Any, x: Any) -> Any:
    """An array of numbers of 16 bits in float32, in which PyTorch adds them up; another array as it is."""
    dtype = xp.np_dtype(x.dtype)
    return xp.astype(x, dtypes.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else x


def framed(xp: Any, x: Any, low: Sequence[int], high: Sequence[int]) -> Any:
    """``x`` with so many zeros before and after its last dimensions; negative numbers cut elements off."""
    if not any(low) and not any(high):
        return x
    lead = len(x.shape) - len(low)
    sizes = x.shape[lead:]
    kept = [slice(max(0, -a), n - max(0, -b)) for n, a, b in zip(sizes, low, high, strict=True)]
    x = xp.getitem(x, (..., *kept))
    if max(low) <= 0 and max(high) <= 0:
        return x
    shape = [n + a + b for n, a, b in zip(sizes, low, high, strict=True)]
    out = xp.zeros((*x.shape[:lead], *shape), dtype=x.dtype)
    within = [slice(max(0, a), n - max(0, b)) for n, a, b in zip(shape, low, high, strict=True)]
    xp.setitem(out, (..., *within), x)
    return out
