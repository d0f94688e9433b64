"""Running extrema and other scans, in the standard's terms; a backend may have faster ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcore import dtypes
from gradcore.ops._extra import extra, generic

__all__ = [
    "part",
    "places_along",
    "running_logaddexp",
    "running_max",
    "running_min",
    "scan",
    "scan_all",
]


def running_max(xp: Any, x: Any, dim: int) -> Any:
    """The largest element so far along ``dim``; NaN from the first on."""
    return extra(xp, "cumulative_max", x, dim)


def running_min(xp: Any, x: Any, dim: int) -> Any:
    """The smallest element so far along ``dim``; NaN from the first on."""
    return extra(xp, "cumulative_min", x, dim)


def running_logaddexp(xp: Any, x: Any, dim: int) -> Any:
    """``log(cumsum(exp(x)))`` along ``dim``, without overflow."""
    return extra(xp, "cumulative_logaddexp", x, dim)


def scan(xp: Any, combine: Callable[[Any, Any, Any], Any], x: Any, dim: int) -> Any:
    """``out[i] = combine(xp, out[i - 1], x[i])`` along ``dim``, for an associative ``combine``, in log2(n) steps.

    W. D. Hillis, G. L. Steele, Data parallel algorithms, Comm. ACM 29 (1986) 1170-1183.
    """
    return scan_all(xp, lambda early, late: (combine(xp, early[0], late[0]),), (x,), dim)[0]


def scan_all(xp: Any, combine: Callable[[Any, Any], tuple[Any, ...]], xs: tuple[Any, ...], dim: int) -> tuple[Any, ...]:
    """:func:`scan` of tuples: ``combine`` takes and gives one element of each of the arrays ``xs``."""
    size, reach = xs[0].shape[dim], 1
    while reach < size:
        early = tuple([part(xp, x, dim, 0, size - reach) for x in xs])
        late = tuple([part(xp, x, dim, reach, None) for x in xs])
        both = combine(early, late)
        xs = tuple([xp.concat([part(xp, x, dim, 0, reach), b], axis=dim) for x, b in zip(xs, both, strict=True)])
        reach *= 2
    return xs


def part(xp: Any, x: Any, dim: int, start: int | None, stop: int | None) -> Any:
    """``x[start:stop]`` along a dimension."""
    return xp.getitem(x, (slice(None),) * dim + (slice(start, stop),))


def places_along(xp: Any, x: Any, dim: int) -> Any:
    """The numbers of the elements along a dimension, as something that broadcasts against ``x``."""
    size = x.shape[dim]
    return xp.reshape(xp.arange(size, dtype=dtypes.int64), (size,) + (1,) * (len(x.shape) - dim - 1))


@generic("cumulative_max")
def _cumulative_max(xp: Any, x: Any, dim: int) -> Any:
    return scan(xp, lambda xp, early, late: xp.maximum(early, late), x, dim)


@generic("cumulative_min")
def _cumulative_min(xp: Any, x: Any, dim: int) -> Any:
    return scan(xp, lambda xp, early, late: xp.minimum(early, late), x, dim)


@generic("cumulative_logaddexp")
def _cumulative_logaddexp(xp: Any, x: Any, dim: int) -> Any:
    return scan(xp, lambda xp, early, late: xp.logaddexp(early, late), x, dim)
