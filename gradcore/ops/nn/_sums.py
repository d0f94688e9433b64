"""Sums over windows along one axis, and their adjoint, on arrays."""

from __future__ import annotations

from typing import Any

from gradcore.ops.nn._windows import Window, taps

__all__ = ["spread_along", "sums_along"]


def sums_along(xp: Any, x: Any, axis: int, window: Window) -> Any:
    """The sums of the elements in each window along one axis."""
    if window.trivial:
        return x
    every = (slice(None),) * axis
    whole = [t for t in taps(window) if t.high - t.low == window.stops]
    parts = [xp.getitem(x, (*every, t.at, ...)) for t in whole]
    if len(parts) > 1:
        total = xp.add(parts[0], parts[1])
    elif parts:
        total = xp.copy(parts[0])
    else:
        total = xp.zeros((*x.shape[:axis], window.stops, *x.shape[axis + 1 :]), dtype=x.dtype)
    for part in parts[2:]:
        total += part
    for t in taps(window):
        if t.high - t.low < window.stops:
            some = xp.getitem(total, (*every, slice(t.low, t.high), ...))
            some += xp.getitem(x, (*every, t.at, ...))
    return total


def spread_along(xp: Any, g: Any, axis: int, window: Window) -> Any:
    """The adjoint of :func:`sums_along`."""
    if window.trivial:
        return g
    every = (slice(None),) * axis
    shape = (*g.shape[:axis], window.size, *g.shape[axis + 1 :])
    apart = window.stride >= window.kernel
    filled = apart and sum([t.high - t.low for t in taps(window)]) == window.size
    out = (xp.empty if filled else xp.zeros)(shape, dtype=g.dtype)
    for t in taps(window):
        part = xp.getitem(g, (*every, slice(t.low, t.high), ...))
        if apart:
            xp.setitem(out, (*every, t.at, ...), part)
        else:
            some = xp.getitem(out, (*every, t.at, ...))
            some += part
    return out
