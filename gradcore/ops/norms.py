"""Norms of vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._batching import shifted
from gradcore.ops._reducing import Dims, count, narrowed, operand, restored, widened
from gradcore.spelling import numpy_names
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["norm"]


@numpy_names
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The ``p``-norm of all elements, or over the dimensions ``dim``: ``sum(abs(x)**p)**(1/p)``.

    ``"fro"`` and ``None`` mean 2; ``inf`` and ``-inf`` the largest and smallest magnitude; 0 the number of
    nonzeros.

    Raises:
        IndexError: there is no such dimension.
        NotImplementedError: the nuclear norm.
        RuntimeError: integers; an unknown name of a norm; the norm of nothing, where that is undefined.
    """
    if isinstance(p, str):
        if p == "nuc":
            raise NotImplementedError(
                "norm: the nuclear norm is not implemented; sum the singular values of the matrix"
            )
        if p != "fro":
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported: p is a number or 'fro'")
    order = 2.0 if p is None or p == "fro" else float(p)
    x, dims = operand("norm", input, dim, keepdim)
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_type_name(x.dtype)}"
        )
    if dtype is not None:
        given = dtypes.normalize(dtype)
        if given.kind in "biu" or x.dtype.kind == "c" != given.kind:
            needed = "complex for complex inputs" if x.dtype.kind == "c" else "floating point or complex"
            raise RuntimeError(
                f"linalg.vector_norm: dtype should be {needed}, but got {dtypes.scalar_type_name(given)}"
            )
        x = x.to(given)
    if count(x.shape, dims) == 0 and (order < 0 or order == math.inf):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the operation "
            "does not have an identity"
        )
    return vector_norm(x, order, dims, keepdim)  # type: ignore[no-any-return]


def _norms(make: Make) -> Iterator[Sample]:
    for ord in (2.0, 1.0, 3.0, 0.5, 1.5, -1.0, math.inf, -math.inf, 0.0):
        yield Sample(make(2, 3, away_from=0.0), ord=ord, dim=(0, 1))
        yield Sample(make(2, 3, away_from=0.0), ord=ord, dim=(1,), keepdim=True)
        yield Sample(make(away_from=0.0), ord=ord, dim=())
    yield Sample(make(0, 2), ord=2.0, dim=(0,))


@op(node="LinalgVectorNormBackward0", samples=_norms)
def vector_norm(xp: Any, input: Any, /, ord: float, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The norm of order ``ord`` over some dimensions."""
    x = xp.abs(widened(xp, input))
    if ord == math.inf:
        result = xp.max(x, axis=dim, keepdims=keepdim) if dim else x
    elif ord == -math.inf:
        result = xp.min(x, axis=dim, keepdims=keepdim) if dim else x
    elif ord == 0:
        result = xp.sum(xp.astype(xp.not_equal(x, 0), x.dtype), axis=dim, keepdims=keepdim)
    elif ord == 1:
        result = xp.sum(x, axis=dim, keepdims=keepdim)
    elif ord == 2:
        result = xp.sqrt(xp.sum(xp.multiply(x, x), axis=dim, keepdims=keepdim))
    else:
        result = xp.pow(xp.sum(xp.pow(x, ord), axis=dim, keepdims=keepdim), 1 / ord)
    return narrowed(xp, result, input)


@vector_norm.vjp("input")
def vector_norm_vjp(xp: Any, g: Any, input: Any, out: Any, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    if ord == 0:
        return None
    g = restored(xp, g, input.shape, dim, keepdim)
    norm = restored(xp, out, input.shape, dim, keepdim)
    if ord == 2:
        return xp.multiply(input, _where_positive(xp, norm, xp.divide(g, _not_zero(xp, norm))))
    if ord == 1:
        return xp.multiply(_sign(xp, input), g)
    size = xp.abs(input)
    if math.isinf(ord):
        found = xp.astype(xp.logical_or(xp.equal(size, norm), xp.not_equal(size, size)), g.dtype)
        share = xp.divide(g, xp.sum(found, axis=dim, keepdims=True))
        return xp.multiply(xp.multiply(_sign(xp, input), found), share)
    if ord < 2:
        # sign(x) * |x|**(ord-1) would be 0 * inf at 0
        scaled = xp.multiply(xp.sign(input), _where_positive(xp, size, xp.pow(size, ord - 1)))
    else:
        scaled = xp.multiply(input, xp.pow(size, ord - 2))
    return xp.multiply(scaled, _where_positive(xp, norm, xp.multiply(g, xp.pow(_not_zero(xp, norm), 1 - ord))))


@vector_norm.vmap
def vector_norm_vmap(input: Any, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    return vector_norm(input, ord, shifted(dim), keepdim)


def _sign(xp: Any, x: Any) -> Any:
    """The sign; 0 for NaN, as in PyTorch."""
    sign = xp.sign(x)
    return xp.where(xp.equal(sign, sign), sign, 0)


def _not_zero(xp: Any, size: Any) -> Any:
    """``size``, but 1 where it is 0: what is divided by it there is not used, but its derivative would be NaN."""
    return xp.where(xp.equal(size, 0), 1, size)


def _where_positive(xp: Any, size: Any, value: Any) -> Any:
    """``value``, but 0 where ``size`` is 0: PyTorch's subgradient of a norm at zero."""
    return xp.where(xp.equal(size, 0), 0, value)
