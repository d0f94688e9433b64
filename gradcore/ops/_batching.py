"""What the batching rules of operations share; how rules are written says :mod:`gradcore.transforms.batching`.

In a rule the batch is the first dimension of every operand, so a dimension of an element is one further back there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gradcore.ops._dims import normalize_dim

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "aligned",
    "along",
    "dims_of_batch",
    "element_dims",
    "expanded",
    "folded",
    "over",
    "rows",
    "shifted",
    "unfolded",
    "varies",
]

Dims = TypeVar("Dims", int, tuple[int, ...])


def shifted(dim: Dims) -> Dims:
    """A dimension of an element, or several, as one of the batch. Negative ones stay, as they are counted from the end."""
    if isinstance(dim, tuple):
        return tuple([d + 1 if d >= 0 else d for d in dim])
    return dim + 1 if dim >= 0 else dim


def dims_of_batch(x: Tensor, dims: Sequence[int]) -> tuple[int, ...]:
    """:func:`shifted` dimensions of an element, counted from the front; an element without dimensions has none.

    Raises:
        IndexError: there is no such dimension.
    """
    ndim = x.ndim - 1
    return tuple([normalize_dim(d, ndim) + 1 for d in dims if ndim or normalize_dim(d, ndim)])


def element_dims(x: Tensor) -> tuple[int, ...]:
    """All dimensions but that of the batch."""
    return tuple(range(1, x.ndim))


def rows(x: Tensor) -> Tensor:
    """A matrix with one row per element."""
    shape = x.shape
    return x if len(shape) == 2 else x.reshape((shape[0], math.prod(shape[1:])))


def along(function: Callable[..., Any], x: Tensor, dim: int, *params: Any, **named: Any) -> Any:
    """``function(x, dim, ...)`` of each element, along one dimension. An element without dimensions counts as having one."""
    if x.ndim > 1:
        return function(x, shifted(dim), *params, **named)
    out = function(x.reshape((x.shape[0], 1)), 1, *params, **named)
    return tuple([o.reshape(x.shape) for o in out]) if isinstance(out, tuple) else out.reshape(x.shape)


def over(function: Callable[..., Any], x: Tensor, dim: tuple[int, ...], *params: Any, **named: Any) -> Any:
    """``function(x, dim, ...)`` of each element, over some dimensions; over none for ``()``."""
    return function(x, shifted(dim), *params, **named)


def expanded(x: Tensor, size: int) -> Tensor:
    """An operand that all elements share, repeated along a new first dimension, in the same memory."""
    return x.unsqueeze(0).expand((size, *x.shape))


def aligned(x: Any, ndim: int) -> Any:
    """A batch of elements that are to broadcast as ones of ``ndim`` dimensions: with dimensions of size 1 after the batch."""
    sizes = tuple(x.shape)
    return x if len(sizes) > ndim else x.reshape(sizes[:1] + (1,) * (ndim + 1 - len(sizes)) + sizes[1:])


def folded(x: Tensor, dim: int = 0) -> Tensor:
    """The batch as a part of dimension ``dim`` of the elements: (B, n, ...) as (B * n, ...)."""
    if dim:
        x = x.movedim(0, dim)
    sizes: Sequence[int] = x.shape
    return x.reshape((*sizes[:dim], sizes[dim] * sizes[dim + 1], *sizes[dim + 2 :]))


def unfolded(x: Tensor, sizes: tuple[int, int], dim: int = 0) -> Tensor:
    """What :func:`folded` made of dimensions of these sizes, with the batch in front again."""
    given: Sequence[int] = x.shape
    x = x.reshape((*given[:dim], *sizes, *given[dim + 1 :]))
    return x.movedim(dim, 0) if dim else x


def varies(x: Tensor) -> bool:
    """Whether a tensor, as a user holds it, differs among the elements of a batch, so that its values cannot be looked at."""
    level = x._device.level
    return level is not None and bool(level.varies(x))
