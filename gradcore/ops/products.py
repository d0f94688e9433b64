"""Products that are not those of matrices: outer, inner, Kronecker, cross, sums over chosen dimensions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import conj, op, standard
from gradcore.ops._batching import shifted
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.broadcasting import broadcast_shapes
from gradcore.ops.matmul import dot, mm, unsafe_view
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cross", "ger", "inner", "kron", "outer", "tensordot"]


def _vectors_of_three(make: Make) -> Iterator[Sample]:
    yield Sample(make(3), make(3), dim=0)
    yield Sample(make(2, 3), make(2, 3), dim=1)
    yield Sample(make(3, 2), make(3, 1), dim=0)
    yield Sample(make(1, 3), make(2, 3), dim=1)
    yield Sample(make(0, 3), make(0, 3), dim=1)


@op(node="LinalgCrossBackward0", promote="same", multilinear=True, samples=_vectors_of_three)
def linalg_cross(xp: Any, input: Any, other: Any, /, *, dim: int) -> Any:
    """The cross product of vectors of three numbers along ``dim``."""
    return _cross(xp, input, other, dim)


@linalg_cross.vjp("input")
def linalg_cross_vjp_input(xp: Any, g: Any, other: Any, dim: int) -> Any:
    return _cross(xp, conj(xp, other), g, dim)


@linalg_cross.vjp("other")
def linalg_cross_vjp_other(xp: Any, g: Any, input: Any, dim: int) -> Any:
    return _cross(xp, g, conj(xp, input), dim)


@linalg_cross.vmap
def linalg_cross_vmap(input: Any, other: Any, dim: int) -> Any:
    return linalg_cross(input, other, dim=shifted(dim))


@numpy_names
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three numbers along ``dim``; the other dimensions broadcast.

    Where no ``dim`` is given, it is the first dimension of size 3.

    Raises:
        RuntimeError: no dimension has size 3, that of ``dim`` has another, or the numbers of dimensions
            differ.
    """
    input, other = as_tensor(input, "cross"), as_tensor(other, "cross", "other", 2)
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, but they have {input.ndim} and {other.ndim}"
        )
    if dim is None:
        dim = next((i for i, (n, m) in enumerate(zip(input.shape, other.shape, strict=True)) if n == m == 3), None)
        if dim is None:
            raise RuntimeError(
                f"no dimension of size 3 in input (shapes {list(input.shape)} and {list(other.shape)}): a "
                "cross product is one of vectors of three numbers"
            )
    axis = normalize_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and {other.shape[axis]}"
        )
    broadcast_shapes(input.shape, other.shape)  # raises where they do not broadcast
    return linalg_cross(input, other, dim=axis)  # type: ignore[no-any-return]


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of all pairs of two vectors' elements: ``input[i] * vec2[j]``."""
    input, vec2 = as_tensor(input, "outer"), as_tensor(vec2, "outer", "vec2", 2)
    for name, x in (("input", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D of shape {list(x.shape)}")
    return input.view((input.shape[0], 1)) * vec2  # type: ignore[no-any-return]


ger = outer


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products over the last dimensions of both; the product, if one of them is 0-d.

    Raises:
        RuntimeError: the last sizes differ, or the dtypes.
    """
    input, other = as_tensor(input, "inner"), as_tensor(other, "inner", "other", 2)
    if not input.ndim or not other.ndim:
        return input * other  # type: ignore[no-any-return]
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over some dimensions of two tensors.

    The result has the other dimensions of ``a``, then those of ``b``.

    Args:
        a: the left factor.
        b: the right factor.
        dims: how many: the last ones of ``a`` and the first ones of ``b``, in order; or two lists, which of
            each.

    Raises:
        RuntimeError: sizes that are to be summed over differ (a size of 1 is broadcast), or the dtypes do.
    """
    a, b = as_tensor(a, "tensordot", "a"), as_tensor(b, "tensordot", "b", 2)
    left, right = _contracted(a, b, dims)
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"both inputs should have same dtype, but tensordot got {dtypes.dtype_name(a.dtype)} and "
            f"{dtypes.dtype_name(b.dtype)}; bring them to one with .to(dtype)"
        )
    for i, j in zip(left, right, strict=True):
        n, m = a.shape[i], b.shape[j]
        # What one side has once stands beside the sum over the other's.
        if m == 1 != n:
            a = a.sum(i, keepdim=True, dtype=a.dtype)
        elif n == 1 != m:
            b = b.sum(j, keepdim=True, dtype=b.dtype)
        elif n != m:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {i} and second has size "
                f"{m} in dim {j}"
            )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [j for j in range(b.ndim) if j not in right]
    size = [a.shape[i] for i in rows] + [b.shape[j] for j in columns]
    count = math.prod(a.shape[i] for i in left)
    a, b = a.permute((*rows, *left)), b.permute((*right, *columns))
    if not size:
        return dot(_as_shape(a, (count,)), _as_shape(b, (count,))).view(())  # type: ignore[no-any-return]
    cut = len(rows)
    product = mm(
        _as_shape(a, (math.prod(size[:cut]), count)),
        _as_shape(b, (count, math.prod(size[cut:]))),
    )
    return product.view(tuple(size))  # type: ignore[no-any-return]


@standard("tensordot")
def standard_tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    """:func:`tensordot` in the standard's spelling."""
    return tensordot(x1, x2, axes)


@numpy_names
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """``sum(conj(x) * y)`` along ``dim``; the dimensions broadcast.

    Raises:
        RuntimeError: the dtypes differ.
    """
    x, y = as_tensor(x, "vecdot", "x"), as_tensor(y, "vecdot", "y", 2)
    if x.dtype != y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{dtypes.dtype_name(x.dtype)} and y of type {dtypes.dtype_name(y.dtype)} instead"
        )
    return ((x.conj() if x.is_complex() else x) * y).sum(dim)  # type: ignore[no-any-return]


@standard("vecdot")
def standard_vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """:func:`vecdot` in the standard's spelling."""
    return vecdot(x1, x2, dim=axis)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: each element of ``input`` times all of ``other``, in blocks."""
    input, other = as_tensor(input, "kron"), as_tensor(other, "kron", "other", 2)
    ndim = max(input.ndim, other.ndim)
    a = (1,) * (ndim - input.ndim) + tuple(input.shape)
    b = (1,) * (ndim - other.ndim) + tuple(other.shape)
    spread = input.reshape(tuple(s for n in a for s in (n, 1)))
    repeated = other.reshape(tuple(s for n in b for s in (1, n)))
    return unsafe_view(spread * repeated, tuple(n * m for n, m in zip(a, b, strict=True)))


def _cross(xp: Any, a: Any, b: Any, dim: int) -> Any:
    """``c[i] = a[i+1] * b[i+2] - a[i+2] * b[i+1]``, with the indices taken in a circle, along ``dim``."""
    shifted = xp.subtract(xp.multiply(a, xp.roll(b, -1, axis=dim)), xp.multiply(xp.roll(a, -1, axis=dim), b))
    return xp.roll(shifted, -1, axis=dim)


def _contracted(a: Tensor, b: Tensor, dims: Any) -> tuple[list[int], list[int]]:
    """The dimensions to sum over, of both factors."""
    if isinstance(dims, int) or (hasattr(dims, "ndim") and not dims.ndim):
        count = int(dims)
        if count < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={count}")
        if count > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims <= ndim_a and ndim_b ({a.ndim} and {b.ndim}), but got dims={count}"
            )
        return list(range(a.ndim - count, a.ndim)), list(range(count))
    if not isinstance(dims, (tuple, list)) or len(dims) != 2:
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing "
            f"two lists, but got dims={dims!r}"
        )
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError(f"both dimension lists should have same length, but tensordot got {left} and {right}")
    return _distinct(left, a.ndim), _distinct(right, b.ndim)


def _distinct(dims: Sequence[int], ndim: int) -> list[int]:
    found = [normalize_dim(d, ndim) for d in dims]
    if len(set(found)) != len(found):
        raise RuntimeError(f"a dim appears multiple times in the list of dims {list(dims)}")
    return found


def _as_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if tuple(x.shape) == shape else x.reshape(shape)
