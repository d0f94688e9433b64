"""Indexing as NumPy does it, in one step: what derivative rules call as ``xp.getitem`` and ``xp.scatter_add``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore.op import is_tensor, op, standard
from gradcore.ops._batching import aligned
from gradcore.ops._indices import Place
from gradcore.ops.index_tensors import index, index_adjoint
from gradcore.ops.shape import ALL
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__: list[str] = []


def _basic_indices(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 2), at=(1, ...))
    yield Sample(make(4), at=(slice(None, None, -1), ...))
    yield Sample(make(2, 3), at=(..., slice(0, 2), None))
    yield Sample(make(2), at=(0, ...))


@op(node="SliceBackward0", view=True, linear=True, samples=_basic_indices)
def getitem_basic(xp: Any, input: Any, /, at: tuple[Any, ...]) -> Any:
    """``input[at]``, where ``at`` holds integers, slices (also backwards), ``None`` and ``...``."""
    return xp.getitem(input, at)


@getitem_basic.vjp("input")
def getitem_basic_vjp(xp: Any, g: Any, input_shape: Any, at: tuple[Any, ...]) -> Any:
    return xp.scatter_add(g, at, tuple(input_shape))


@getitem_basic.vmap
def getitem_basic_vmap(input: Any, at: tuple[Any, ...]) -> Any:
    return getitem_basic(input, (ALL, *at))


def _basic_regions(make: Make) -> Iterator[Sample]:
    yield Sample(make(2), at=(1, ...), shape=(3, 2))
    yield Sample(make(2), at=(slice(0, 4, 2), ...), shape=(4,))
    yield Sample(make(), at=(0, ...), shape=(2,))


@op(node="SliceBackwardBackward0", linear=True, samples=_basic_regions)
def getitem_basic_adjoint(xp: Any, values: Any, /, at: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of ``shape`` with ``values`` at ``[at]``."""
    return xp.scatter_add(values, at, shape)


@getitem_basic_adjoint.vjp("values")
def getitem_basic_adjoint_vjp(xp: Any, g: Any, at: tuple[Any, ...]) -> Any:
    return xp.getitem(g, at)


@getitem_basic_adjoint.vmap
def getitem_basic_adjoint_vmap(values: Any, at: tuple[Any, ...], shape: tuple[int, ...], size: int) -> Any:
    whole = (size, *shape)
    ndim = np.broadcast_to(0, whole)[(ALL, *at)].ndim - 1
    return getitem_basic_adjoint(aligned(values, ndim), (ALL, *at), whole)


@standard("getitem")
def getitem_as_numpy(x: Tensor, at: Any, /) -> Tensor:
    """``x[at]`` by NumPy's rules, for derivative rules."""
    template, indices = _taken_apart(at)
    if indices:
        return index(x, *indices, at=template)  # type: ignore[no-any-return]
    return getitem_basic(x, template if Ellipsis in template else (*template, ...))  # type: ignore[no-any-return]


@standard("scatter_add")
def scatter_add_as_numpy(values: Tensor, at: Any, shape: Sequence[int], /) -> Tensor:
    """The adjoint of ``x[at]`` for ``x`` of a shape, for derivative rules."""
    template, indices = _taken_apart(at)
    if indices:
        return index_adjoint(values, *indices, at=template, shape=tuple(shape))  # type: ignore[no-any-return]
    return getitem_basic_adjoint(values, template, tuple(shape))  # type: ignore[no-any-return]


def _taken_apart(at: Any) -> tuple[tuple[Any, ...], list[Tensor]]:
    template: list[Any] = []
    indices: list[Tensor] = []
    for i in at if isinstance(at, tuple) else (at,):
        if is_tensor(i):
            template.append(Place(len(indices)))
            indices.append(i)
        else:
            template.append(i)
    return tuple(template), indices
