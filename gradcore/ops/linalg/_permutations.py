"""The permutations of rows that pivots stand for: row ``i`` was exchanged with row ``pivots[i] - 1``, one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._extra import extra
from gradcore.testing.samples import Make, Sample

__all__ = ["permutation_matrices", "row_order", "rows_in_order", "rows_put_back"]


def _pivots(make: Make) -> Iterator[Sample]:
    yield Sample(make.of([2, 3, 3], np.dtype(np.int32)), size=3)
    yield Sample(make.of([[2, 2], [1, 3]], np.dtype(np.int32)), size=3)
    yield Sample(make.of(np.zeros((0,)), np.dtype(np.int32)), size=2)


@op(node="LuUnpackBackward0", differentiable=False, standard="row_order", samples=_pivots)
def row_order(xp: Any, pivots: Any, /, size: int) -> Any:
    """The order of ``size`` rows after the exchanges: which one stands at each place."""
    *batch, k = pivots.shape
    count = math.prod(batch)
    exchanged = xp.subtract(xp.astype(xp.reshape(pivots, (count, k)), dtypes.int64), 1)
    order = xp.copy(xp.broadcast_to(xp.arange(size, dtype=dtypes.int64), (count, size)))
    every = xp.arange(count, dtype=dtypes.int64)
    for i in range(k):
        with_row = xp.getitem(exchanged, (slice(None), i))
        here = xp.copy(xp.getitem(order, (slice(None), i)))
        xp.setitem(order, (slice(None), i), xp.getitem(order, (every, with_row)))
        xp.setitem(order, (every, with_row), here)
    return xp.reshape(order, (*batch, size))


@row_order.vmap
def row_order_vmap(pivots: Any, size: int) -> Any:
    return row_order(pivots, size)


def orders(xp: Any, pivots: Any, size: int) -> Any:
    """:func:`row_order` of arrays or tensors."""
    return extra(xp, "row_order", pivots, size) if hasattr(pivots, "_data") else row_order.op.forward(xp, pivots, size)


def rows_in_order(xp: Any, x: Any, order: Any) -> Any:
    """The rows of matrices in an order; batches broadcast."""
    if len(order.shape) == 1:
        return xp.take(x, order, axis=-2)
    index, x = xp.broadcast_arrays(xp.expand_dims(order, axis=-1), x)
    return xp.take_along_axis(x, index, axis=-2)


def rows_put_back(xp: Any, x: Any, order: Any) -> Any:
    """What undoes :func:`rows_in_order`."""
    return rows_in_order(xp, x, xp.argsort(order, axis=-1))


def permutation_matrices(xp: Any, pivots: Any, size: int, dtype: Any) -> Any:
    """Matrices ``P`` with ``P @ x`` as :func:`rows_put_back` gives it."""
    order = orders(xp, pivots, size)
    rows = xp.expand_dims(xp.arange(size, dtype=dtypes.int64), axis=-1)
    return xp.astype(xp.equal(xp.expand_dims(order, axis=-2), rows), dtype)
