"""Norms of vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._batching import shifted
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
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
    nonzeros; ``"nuc"``, of matrices, the sum of the singular values.

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: integers; an unknown name of a norm; the norm of nothing, where that is undefined.
    """
    if isinstance(p, str):
        if p == "nuc":
            from gradcore.ops.linalg.norms import matrix_norm  # seldom used, and slow to import

            x = as_tensor(input, "norm")
            return matrix_norm(x, "nuc", tuple(range(x.ndim)) if dim is None else dim, keepdim, dtype=dtype)
        if p != "fro":
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported: p is a number or 'fro'")
    return norm_of_order(input, 2.0 if p is None or p == "fro" else float(p), dim, keepdim, dtype)


def norm_of_order(input: Tensor, order: float, dim: Dims, keepdim: bool, dtype: Any) -> Tensor:
    """The norm of vectors, with the checks of what a user gives.

    Raises:
        As :func:`norm`.
    """
    x, dims = operand("linalg.vector_norm", input, dim, keepdim)
    x = in_dtype_of_norm("linalg.vector_norm", x, dtype)
    if order < 0:
        _refuse_empty(order, x.shape, dims)
    return vector_norm(x, order, dims, keepdim)  # type: ignore[no-any-return]


def in_dtype_of_norm(function: str, x: Tensor, dtype: Any) -> Tensor:
    """``x`` in the dtype in which a norm is to be computed, if one is given.

    Raises:
        RuntimeError: ``x`` has integers, or ``dtype`` cannot hold its numbers.
    """
    if dtypes.category(x.dtype) < 2:
        raise RuntimeError(
            f"{function}: Expected a floating point or complex tensor as input. Got {dtypes.scalar_type_name(x.dtype)}"
        )
    if dtype is None:
        return x
    given = dtypes.normalize(dtype)
    name, complex_numbers = dtypes.scalar_type_name(given), x.dtype.kind == "c"
    if dtypes.category(given) < 2:
        raise RuntimeError(f"{function}: dtype should be floating point or complex, but got {name}")
    if complex_numbers != (given.kind == "c"):
        kind = "complex for complex inputs" if complex_numbers else "real for real inputs"
        raise RuntimeError(f"{function}: dtype should be {kind}, but got {name}")
    if dtypes.promote_types(x.dtype, given) != given:
        raise RuntimeError(
            f"{function}: the dtype of the input ({dtypes.scalar_type_name(x.dtype)}) should be convertible without "
            f"narrowing to the specified dtype ({name})"
        )
    return x.to(given)


def _norms(make: Make) -> Iterator[Sample]:
    for ord in (2.0, 1.0, 3.0, 0.5, 1.5, -1.0, math.inf, -math.inf, 0.0):
        yield Sample(make(2, 3, away_from=0.0), ord=ord, dim=(0, 1))
        yield Sample(make(2, 3, away_from=0.0), ord=ord, dim=(1,), keepdim=True)
        yield Sample(make(away_from=0.0), ord=ord, dim=())
    yield Sample(make(0, 2), ord=2.0, dim=(0,))


@op(node="LinalgVectorNormBackward0", samples=_norms)
def vector_norm(xp: Any, input: Any, /, ord: float, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """The norm of order ``ord`` over some dimensions."""
    if ord in (math.inf, -math.inf):
        _refuse_empty(ord, input.shape, dim)
    x = widened(xp, input)
    if ord == 2 and kind_of(xp, x) == "f":
        return narrowed(xp, xp.sqrt(_sum_of_squares(xp, x, dim, keepdim)), input)
    x = xp.abs(x)
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


@op(node="NormBackward1", samples=_norms)
def norm_dim(xp: Any, input: Any, /, ord: float, dim: tuple[int, ...], keepdim: bool = False) -> Any:
    """:func:`vector_norm`, as PyTorch records it within other functions."""
    return vector_norm.op.forward(xp, input, ord, dim, keepdim)


@norm_dim.vjp("input")
def norm_dim_vjp(xp: Any, g: Any, input: Any, out: Any, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    return vector_norm_vjp(xp, g, input, out, ord, dim, keepdim)


@norm_dim.vmap
def norm_dim_vmap(input: Any, ord: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    return norm_dim(input, ord, shifted(dim), keepdim)


def _refuse_empty(order: float, shape: tuple[int, ...], dim: tuple[int, ...]) -> None:
    if count(shape, dim) == 0:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the operation "
            "does not have an identity"
        )


def _sum_of_squares(xp: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Of real numbers; over all of them in one pass."""
    if keepdim or len(dim) != len(x.shape):
        return xp.sum(xp.multiply(x, x), axis=dim, keepdims=keepdim)
    flat = xp.reshape(x, (-1,))
    return xp.matmul(flat, flat)


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
