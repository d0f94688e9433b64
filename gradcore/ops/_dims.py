"""Dimensions as users write them (negative, several, none), made into what array libraries take."""

from __future__ import annotations

import operator
from collections.abc import Sequence

__all__ = ["as_integer", "check_not_empty", "kept_shape", "normalize_dim", "normalize_dims", "reduced_dims"]


def as_integer(value: int, argument: str) -> int:
    """An argument that must be an integer.

    Raises:
        TypeError: it is none; a truth value counts as none, too.
    """
    if value.__class__ is int:
        return value
    if value.__class__ is not bool:
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"argument {argument!r} must be int, not {type(value).__name__}")


def normalize_dim(dim: int, ndim: int) -> int:
    """``dim`` counted from the front. A 0-d tensor counts as having one dimension, as in PyTorch.

    Raises:
        IndexError: there is no such dimension.
        TypeError: it is no integer.
    """
    index = as_integer(dim, "dim")
    size = ndim or 1
    if -size <= index < size:
        return index + size if index < 0 else index
    raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {index})")


def normalize_dims(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Several dimensions counted from the front, in the order given; ``None`` for all of them.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: one is named twice.
        TypeError: one is no integer.
    """
    if dim is None:
        return tuple(range(ndim))
    several = dim if isinstance(dim, (tuple, list)) else (dim,)
    dims = tuple([normalize_dim(d, ndim) for d in several])
    for i, d in enumerate(dims):
        if d in dims[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return dims


def reduced_dims(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The dimensions that a reduction over ``dim`` removes: all for ``None`` and ``()``; a 0-d tensor has none.

    Raises:
        As :func:`normalize_dims`.
    """
    dims = normalize_dims(dim, ndim)
    return (dims or tuple(range(ndim))) if ndim else ()


def kept_shape(shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    """The shape of a reduction of ``shape`` over ``dims`` that keeps them, with size 1."""
    return tuple([1 if i in dims else n for i, n in enumerate(shape)])


def check_not_empty(name: str, shape: Sequence[int], dims: Sequence[int]) -> None:
    """Raise if a reduction that has no value for nothing (a maximum) would have to reduce nothing.

    Raises:
        IndexError: one of ``dims`` has size 0.
    """
    for d in dims:
        if shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
