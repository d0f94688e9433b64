"""Reading and writing at index tensors and masks in several dimensions: the primitives of ``x[...]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradcore.op import STANDARD, op
from gradcore.ops._batched_indices import BatchedIndex, in_front, is_mask
from gradcore.ops._batching import aligned
from gradcore.ops._indices import Place
from gradcore.ops.shape import ALL, reshape
from gradcore.testing.samples import Make, Sample

__all__: list[str] = []  # what users call is in indexing.py


def _index_tensors(make: Make) -> Iterator[Sample]:
    def mask(*shape: int) -> Any:
        return make.of(np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0, np.dtype(np.bool_))

    first, second = Place(0), Place(1)
    yield Sample(make(3), make.of([0, 2, 2], np.dtype(np.int64)), at=(first,))
    yield Sample(make(3, 2), make.of([[0, -1], [1, 1]], np.dtype(np.int64)), at=(first,))
    yield Sample(make(2, 3), make.of([1, 0], np.dtype(np.int64)), at=(ALL, first))
    yield Sample(make(2, 3, 2), make.ints(3, high=2), make.ints(2, 1, high=2), at=(first, ALL, second))
    yield Sample(make(2, 3), mask(2, 3), at=(first,))
    yield Sample(make(2, 3), mask(3), at=(ALL, first))
    yield Sample(make(3, 2), make.ints(0, high=1), at=(first,))


@op(node="IndexBackward0", linear=True, samples=_index_tensors)
def index(xp: Any, input: Any, /, *indices: Any, at: tuple[Any, ...]) -> Any:
    """``input[at]``, with index tensors at the places that ``at`` keeps for them."""
    return xp.getitem(input, _with_indices(at, indices))


@index.vjp("input")
def index_vjp(xp: Any, g: Any, input_shape: Any, indices: Any, at: tuple[Any, ...]) -> Any:
    return xp.scatter_add(g, _with_indices(at, indices), tuple(input_shape))


@index.vmap
def index_vmap(input: Any, indices: Any, at: tuple[Any, ...], batched: Any, size: int) -> Any:
    joined, *flags = batched
    place = BatchedIndex(at, indices, flags, input.shape[1:] if joined else input.shape, size, joined)
    if place.basic:
        input = STANDARD["getitem"](input, place.basic)
    return place.result(index(input, *place.indices, at=place.at))


def _sums_at_indices(make: Make) -> Iterator[Sample]:
    place = (Place(0),)
    yield Sample(make(3), make.of([0, 2, 2], np.dtype(np.int64)), at=place, shape=(4,))
    yield Sample(make(2, 2), make.of([1, 0], np.dtype(np.int64)), at=place, shape=(3, 2))
    yield Sample(make(2), make.of([True, False, True], np.dtype(np.bool_)), at=place, shape=(3,))


@op(node="IndexPutBackward0", linear=True, samples=_sums_at_indices)
def index_adjoint(xp: Any, values: Any, /, *indices: Any, at: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros to which ``values`` are added at ``at``: the adjoint of :func:`index`."""
    return xp.scatter_add(values, _with_indices(at, indices), shape)


@index_adjoint.vjp("values")
def index_adjoint_vjp(xp: Any, g: Any, indices: Any, at: tuple[Any, ...]) -> Any:
    return xp.getitem(g, _with_indices(at, indices))


@index_adjoint.vmap
def index_adjoint_vmap(
    values: Any, indices: Any, at: tuple[Any, ...], shape: tuple[int, ...], batched: Any, size: int
) -> Any:
    place = BatchedIndex(at, indices, batched[1:], shape, size)
    whole = part = (size, *shape)
    if place.basic:
        part = np.broadcast_to(0, whole)[place.basic].shape
    added = place.values(in_front(values, batched[0], size))
    found = index_adjoint(added, *place.indices, at=place.at, shape=part)
    return STANDARD["scatter_add"](found, place.basic, whole) if place.basic else found


def _values_at_indices(make: Make) -> Iterator[Sample]:
    at = (Place(0),)
    indices = make.of([2, 0], np.dtype(np.int64))
    yield Sample(make(3, 2), make(2, 2), indices, at=at, accumulate=False)
    yield Sample(make(3, 2), make(2), indices, at=at, accumulate=False)
    yield Sample(make(3, 2), make(1, 2), make.of([1, 1], np.dtype(np.int64)), at=at, accumulate=True)
    yield Sample(make(2, 3), make(2), indices, at=(ALL, *at), accumulate=False)
    yield Sample(make(3, 2), make(), make.of([True, False, True], np.dtype(np.bool_)), at=at, accumulate=False)


@op(node="IndexPutBackward0", linear=True, samples=_values_at_indices)
def values_put(xp: Any, input: Any, values: Any, /, *indices: Any, at: tuple[Any, ...], accumulate: bool) -> Any:
    """``input`` with ``values`` written, or added, at ``at``."""
    where = _with_indices(at, indices)
    if accumulate:
        return xp.add(input, xp.scatter_add(values, where, input.shape))
    out = xp.copy(input)
    xp.setitem(out, where, values)
    return out


values_put.op.shares = "none"


@values_put.into
def values_put_into(xp: Any, input: Any, values: Any, *indices: Any, at: tuple[Any, ...], accumulate: bool) -> None:
    where = _with_indices(at, indices)
    if accumulate:
        xp.setitem(input, ..., xp.add(input, xp.scatter_add(values, where, input.shape)))
    else:
        xp.setitem(input, where, values)


@values_put.vjp("input")
def values_put_vjp_input(xp: Any, g: Any, indices: Any, at: tuple[Any, ...], accumulate: bool) -> Any:
    if accumulate:
        return g
    if len(at) == 1 and xp.np_dtype(indices[0].dtype).kind == "b":
        mask = indices[0]
        return xp.where(xp.reshape(mask, mask.shape + (1,) * (len(g.shape) - len(mask.shape))), 0.0, g)
    where = _with_indices(at, indices)
    written = xp.scatter_add(xp.ones(xp.getitem(g, where).shape, dtype=xp.float64), where, tuple(g.shape))
    return xp.where(written > 0, 0.0, g)


@values_put.vjp("values")
def values_put_vjp_values(xp: Any, g: Any, indices: Any, values_shape: Any, at: tuple[Any, ...]) -> Any:
    if len(at) == 1 and not values_shape and xp.np_dtype(indices[0].dtype).kind == "b":
        mask = indices[0]
        return xp.sum(xp.where(xp.reshape(mask, mask.shape + (1,) * (len(g.shape) - len(mask.shape))), g, 0.0))
    return xp.getitem(g, _with_indices(at, indices))


@values_put.vmap
def values_put_vmap(
    input: Any, values: Any, indices: Any, at: tuple[Any, ...], accumulate: bool, batched: Any, size: int
) -> Any:
    input, values = in_front(input, batched[0], size), in_front(values, batched[1], size)
    if len(at) == 1 and batched[2] and is_mask(indices[0]) and values.ndim == 1:
        # One value at places that differ among the elements: their number does not matter.
        put = aligned(values, input.ndim - 1)
        mask = reshape(indices[0], (*indices[0].shape, *[1] * (input.ndim - indices[0].ndim)))
        return STANDARD["where"](mask, input + put if accumulate else put, input)
    place = BatchedIndex(at, indices, batched[2:], input.shape[1:], size)
    return values_put(input, place.values(values), *place.indices, at=place.at, accumulate=accumulate)


def _with_indices(at: tuple[Any, ...], indices: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([indices[i] if i.__class__ is Place else i for i in at])
