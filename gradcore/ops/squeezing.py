"""Dimensions of size 1, put in and left out. All are views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op, standard
from gradcore.ops._batching import dims_of_batch
from gradcore.ops._dims import normalize_dim, normalize_dims
from gradcore.ops._operands import as_tensor
from gradcore.ops.shape import ALL
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["squeeze", "unsqueeze"]


def _unsqueezed(make: Make) -> Iterator[Sample]:
    for shape, dim in (((2, 3), 0), ((2, 3), -1), ((), 0), ((0, 2), 1)):
        yield Sample(make(*shape), dim=dim)


@op(node="UnsqueezeBackward0", view=True, linear=True, samples=_unsqueezed)
def insert_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """A dimension of size 1 put in at position ``dim``."""
    return xp.getitem(input, (ALL,) * normalize_dim(dim, len(input.shape) + 1) + (None, ...))


@insert_dim.vjp("input")
def insert_dim_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.reshape(g, input_shape)


@insert_dim.vmap
def insert_dim_vmap(input: Any, dim: int) -> Any:
    return insert_dim(input, normalize_dim(dim, input.ndim) + 1)


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of size 1 put in at position ``dim``."""
    return insert_dim(input, dim)  # type: ignore[no-any-return]


def _with_ones(make: Make) -> Iterator[Sample]:
    for shape in ((1, 2, 1, 3), (2, 3), (1, 1), (), (1, 0)):
        yield Sample(make(*shape))


@op(node="SqueezeBackward0", view=True, linear=True, samples=_with_ones)
def squeeze_all(xp: Any, input: Any, /) -> Any:
    """``input`` without its dimensions of size 1."""
    return _without(xp, input, range(len(input.shape)))


def _with_ones_at_a_dim(make: Make) -> Iterator[Sample]:
    for shape, dim in (((1, 2, 1), 0), ((2, 3), 1), ((2, 1), 1), ((), 0)):
        yield Sample(make(*shape), dim=dim)


@op(node="SqueezeBackward1", view=True, linear=True, samples=_with_ones_at_a_dim)
def squeeze_dim(xp: Any, input: Any, /, dim: int) -> Any:
    """``input`` without one dimension, if that has size 1."""
    return _without(xp, input, (dim,))


def _with_ones_at_dims(make: Make) -> Iterator[Sample]:
    for shape, dims in (((1, 2, 1), (0, 2)), ((1, 3), (0, 1)), ((1, 1), (1,)), ((2, 1), ())):
        yield Sample(make(*shape), dims=dims)


@op(node="SqueezeBackward2", view=True, linear=True, samples=_with_ones_at_dims)
def squeeze_dims(xp: Any, input: Any, /, dims: tuple[int, ...]) -> Any:
    """``input`` without those of some dimensions that have size 1."""
    return _without(xp, input, dims)


@squeeze_all.vjp("input")
@squeeze_dim.vjp("input")
@squeeze_dims.vjp("input")
def squeeze_vjp(xp: Any, g: Any, input_shape: Any) -> Any:
    return xp.reshape(g, input_shape)


@squeeze_all.vmap
def squeeze_all_vmap(input: Any) -> Any:
    return squeeze_dims(input, tuple(range(1, input.ndim)))


@squeeze_dim.vmap
def squeeze_dim_vmap(input: Any, dim: int) -> Any:
    return squeeze_dims(input, dims_of_batch(input, (dim,)))


@squeeze_dims.vmap
def squeeze_dims_vmap(input: Any, dims: tuple[int, ...]) -> Any:
    return squeeze_dims(input, dims_of_batch(input, dims))


@standard("squeeze")
@numpy_names
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """``input`` without dimensions of size 1: all, or those of ``dim`` that have it."""
    input = as_tensor(input, "squeeze")
    if dim is None:
        return squeeze_all(input)  # type: ignore[no-any-return]
    ndim = len(input._data.shape)
    if isinstance(dim, (tuple, list)):
        return squeeze_dims(input, normalize_dims(dim, ndim))  # type: ignore[no-any-return]
    return squeeze_dim(input, normalize_dim(dim, ndim))  # type: ignore[no-any-return, arg-type]


@standard("expand_dims")
def expand_dims(x: Tensor, /, *, axis: int = 0) -> Tensor:
    """The standard's spelling of :func:`unsqueeze`."""
    return insert_dim(x, axis)  # type: ignore[no-any-return]


def _without(xp: Any, x: Any, dims: Sequence[int]) -> Any:
    """``x`` without those of ``dims`` that have size 1."""
    return xp.getitem(x, (*[0 if n == 1 and d in dims else ALL for d, n in enumerate(x.shape)], ...))
