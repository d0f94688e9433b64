"""Elements of planes by their number: what max pooling has chosen, and where it belongs.

A plane is what the last ``ndim`` dimensions of a tensor hold (a volume, where there are three). Its elements are counted in
row-major order, each plane on its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from gradcore.op import op
from gradcore.ops._extra import extra, generic
from gradcore.ops._indices import int_samples
from gradcore.testing.samples import Make, Sample

__all__ = ["added_in_planes", "chosen_in_planes", "flat_planes", "numbered_through"]


def _choices(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 2, 3), int_samples(make, [[[5, 0]], [[1, 1]]]), ndim=2)
    yield Sample(make(2, 4), int_samples(make, [[3, 0, 0], [2, 1, 3]]), ndim=1)


def _chosen_elements(make: Make) -> Iterator[Sample]:
    yield Sample(make(2, 1, 2), int_samples(make, [[[5, 0]], [[1, 1]]]), sizes=(2, 3))
    yield Sample(make(2, 3), int_samples(make, [[3, 0, 0], [2, 1, 3]]), sizes=(4,))
    yield Sample(make(2, 2), int_samples(make, [[3, 0], [2, 1]]), sizes=(4,), distinct=True)


@op(node="GatherBackward0", linear=True, standard="chosen_in_planes", samples=_choices)
def chosen_in_planes(xp: Any, input: Any, indices: Any, /, ndim: int) -> Any:
    """The elements of each plane at the places of ``indices``."""
    return _chosen(xp, input, indices, ndim)


@chosen_in_planes.vjp("input")
def chosen_in_planes_vjp(xp: Any, g: Any, indices: Any, input_shape: Any, ndim: int) -> Any:
    return extra(xp, "added_in_planes", g, indices, tuple(input_shape[len(input_shape) - ndim :]))


@chosen_in_planes.vmap
def chosen_in_planes_vmap(input: Any, indices: Any, ndim: int) -> Any:
    return chosen_in_planes(input, indices, ndim)


@op(node="MaxPool2DWithIndicesBackwardBackward0", linear=True, standard="added_in_planes", samples=_chosen_elements)
def added_in_planes(xp: Any, values: Any, indices: Any, /, sizes: tuple[int, ...], distinct: bool = False) -> Any:
    """Planes of zeros with ``values`` added at the places of ``indices``, of which none comes twice if they are ``distinct``."""
    return _added(xp, values, indices, sizes, distinct)


@added_in_planes.vjp("values")
def added_in_planes_vjp(xp: Any, g: Any, indices: Any, sizes: tuple[int, ...]) -> Any:
    return extra(xp, "chosen_in_planes", g, indices, len(sizes))


@added_in_planes.vmap
def added_in_planes_vmap(values: Any, indices: Any, sizes: tuple[int, ...], distinct: bool) -> Any:
    return added_in_planes(values, indices, sizes, distinct)


@generic("chosen_in_planes")
def _chosen(xp: Any, x: Any, indices: Any, ndim: int) -> Any:
    planes = flat_planes(xp, x, ndim)
    at = xp.reshape(indices, (planes.shape[0], math.prod(indices.shape[len(indices.shape) - ndim :])))
    return xp.reshape(xp.take_along_axis(planes, at, axis=1), indices.shape)


@generic("added_in_planes")
def _added(xp: Any, values: Any, indices: Any, sizes: Sequence[int], distinct: bool = False) -> Any:
    lead = values.shape[: len(values.shape) - len(sizes)]
    at = (numbered_through(xp, indices, sizes),)
    size = math.prod(lead) * math.prod(sizes)
    if distinct:
        # Written instead of added, which takes a fraction of the time.
        flat = xp.zeros((size,), dtype=values.dtype)
        xp.setitem(flat, at, xp.reshape(values, (-1,)))
    else:
        flat = xp.scatter_add(xp.reshape(values, (-1,)), at, (size,))
    return xp.reshape(flat, (*lead, *sizes))


def numbered_through(xp: Any, indices: Any, sizes: Sequence[int]) -> Any:
    """Numbers of elements of planes as numbers that count through all planes."""
    rows = flat_planes(xp, indices, len(sizes))
    planes, size = rows.shape[0], math.prod(sizes)
    if planes > 1 and size:
        rows = xp.add(rows, xp.reshape(xp.arange(0, planes * size, size), (planes, 1)))
    return xp.reshape(rows, (-1,))


def flat_planes(xp: Any, x: Any, ndim: int) -> Any:
    """One row for each plane."""
    lead = len(x.shape) - ndim
    return xp.reshape(x, (math.prod(x.shape[:lead]), math.prod(x.shape[lead:])))
