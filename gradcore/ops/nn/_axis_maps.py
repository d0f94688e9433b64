"""Linear maps along single axes, such as interpolation and padding are made of.

A map gives each position of an axis a sum of a few positions of that axis, with weights: so few passes over whole arrays
do it, and a map of several axes is one map after the other. The adjoint is a map of the same kind.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcore import dtypes
from gradcore.ops.shape import ALL

__all__ = ["AxisMap", "adjoint_of", "mapped"]

Host = np.ndarray[Any, Any]


class AxisMap:
    """``out[i] = sum(weights[k, i] * x[index[k, i]] for k)`` along one axis.

    Args:
        axis: the axis, counted from the end, so that a batch in front changes nothing.
        size: the size of the axis before the map. An index of this size stands for a zero.
        index: integers, of shape (terms, size after the map).
        weights: of the same shape; ``None``: all are 1.
    """

    def __init__(self, axis: int, size: int, index: Host, weights: Host | None = None) -> None:
        self.axis, self.size, self.index, self.weights = axis, size, index, weights

    @functools.cached_property
    def is_identity(self) -> bool:
        """Whether nothing changes."""
        return self.weights is None and np.array_equal(self.index, np.arange(self.size)[None])

    @functools.cached_property
    def has_gaps(self) -> bool:
        """Whether an index stands for a zero."""
        return bool((self.index == self.size).any())

    @functools.cached_property
    def gathered_adjoint(self) -> AxisMap | None:
        """The adjoint as a map; ``None`` where one position would have many more terms than most."""
        terms, count = self.index.shape
        inside = self.index.reshape(-1) < self.size
        targets = self.index.reshape(-1)[inside]
        sources = np.tile(np.arange(count), terms)[inside]
        each = np.bincount(targets, minlength=self.size)
        most = max(int(each.max(initial=0)), 1)
        if most * self.size > 4 * max(self.index.size, 8):
            return None
        order = np.argsort(targets, kind="stable")
        rank = np.arange(len(targets)) - np.repeat(np.cumsum(each) - each, each)
        index = np.full((most, self.size), count)
        index[rank, targets[order]] = sources[order]
        if self.weights is None:
            return AxisMap(self.axis, count, index)
        weights = np.zeros((most, self.size), dtype=self.weights.dtype)
        weights[rank, targets[order]] = self.weights.reshape(-1)[inside][order]
        return AxisMap(self.axis, count, index, weights)


def mapped(xp: Any, x: Any, maps: Sequence[AxisMap]) -> Any:
    """An array with maps applied to its axes, in new memory. Numbers of 16 bits are computed with in 32."""
    return _each(xp, x, maps, _along)


def adjoint_of(xp: Any, g: Any, maps: Sequence[AxisMap]) -> Any:
    """The adjoint of :func:`mapped`: from arrays of its result's shape to those of its operand's."""
    return _each(xp, g, maps[::-1], _adjoint_along)


def _each(xp: Any, x: Any, maps: Sequence[AxisMap], apply: Any) -> Any:
    dtype = xp.np_dtype(x.dtype)
    narrow = dtype.itemsize == 2 and dtypes.category(dtype) == 2 and any(m.weights is not None for m in maps)
    out = xp.astype(x, dtypes.float32) if narrow else x
    for m in maps:
        out = out if m.is_identity else apply(xp, out, m)
    return xp.astype(out, x.dtype) if narrow else xp.copy(out) if out is x else out


def _along(xp: Any, x: Any, m: AxisMap) -> Any:
    if m.has_gaps:
        shape = list(x.shape)
        shape[m.axis] = 1
        x = xp.concat([x, xp.zeros(tuple(shape), dtype=x.dtype)], axis=m.axis)
    total = None
    for k, at in enumerate(m.index):
        part = xp.take(x, xp.asarray(at), axis=m.axis)
        if m.weights is not None:
            part = xp.multiply(part, _weights(xp, m, k, x.dtype))
        total = part if total is None else xp.add(total, part)
    return total


def _adjoint_along(xp: Any, g: Any, m: AxisMap) -> Any:
    if m.gathered_adjoint is not None:
        return _along(xp, g, m.gathered_adjoint)
    before = len(g.shape) + m.axis
    shape = (*g.shape[:before], m.size + m.has_gaps, *g.shape[before + 1 :])
    total = None
    for k, at in enumerate(m.index):
        part = g if m.weights is None else xp.multiply(g, _weights(xp, m, k, g.dtype))
        part = xp.scatter_add(part, ((ALL,) * before + (xp.asarray(at),)), shape)
        total = part if total is None else xp.add(total, part)
    return xp.getitem(total, (ALL,) * before + (slice(m.size),)) if m.has_gaps else total


def _weights(xp: Any, m: AxisMap, k: int, dtype: Any) -> Any:
    assert m.weights is not None
    weights = np.ascontiguousarray(m.weights[k]).reshape((-1,) + (1,) * (-1 - m.axis))
    return xp.asarray(weights, dtype=dtype)
