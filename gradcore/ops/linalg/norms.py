"""Norms of vectors and matrices, and what is measured by them: condition and rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.grad_mode import no_grad
from gradcore.op import is_tensor, standard
from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import Dims
from gradcore.ops.creation import zeros
from gradcore.ops.elementwise import nan_to_num
from gradcore.ops.extremum import amax, amin
from gradcore.ops.linalg._checks import check_decomposable, check_matrices, check_square
from gradcore.ops.linalg._elimination import rank_tolerance
from gradcore.ops.linalg.eigen import linalg_eigvalsh
from gradcore.ops.linalg.inverse import inv_ex
from gradcore.ops.linalg.svd import linalg_svdvals
from gradcore.ops.norms import in_dtype_of_norm, norm_of_order
from gradcore.spelling import numpy_names

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]


@numpy_names
def norm(
    A: Tensor, ord: float | str | None = None, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of vectors over one dimension, of matrices over two.

    Without ``ord``, the 2-norm of all elements; with it, and without ``dim``, ``A`` must be a vector or a matrix.
    See :func:`vector_norm` and :func:`matrix_norm` for the meaning of ``ord``.

    Raises:
        RuntimeError: another number of dimensions, an order that does not exist, or a ``dtype`` that is too narrow.
    """
    x = as_tensor(A, "linalg.norm", "A")
    dims = None if dim is None else _listed(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if ord is not None and dims is None and x.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {x.ndim}D."
        )
    if isinstance(ord, str) or (ord is not None and (x.ndim if dims is None else len(dims)) == 2):
        return matrix_norm(x, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype)
    return vector_norm(x, 2.0 if ord is None else ord, dims, keepdim, dtype=dtype)


@numpy_names
def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """``sum(abs(x)**ord)**(1/ord)`` over the dimensions ``dim``, or over all.

    ``inf`` and ``-inf`` mean the largest and the smallest magnitude, 0 the number of nonzeros. The gradient at zero is 0.

    Raises:
        RuntimeError: integers; a ``dtype`` that is too narrow; the norm of nothing, where that is undefined.
        TypeError: ``ord`` is no number.
    """
    if isinstance(ord, complex):
        raise RuntimeError(  # noqa: TRY004 - torch's class
            f"linalg.vector_norm: Expected a non-complex scalar as the order of norm, but got {ord}"
        )
    if isinstance(ord, str) or ord is None:
        raise TypeError(f"linalg_vector_norm(): argument 'ord' (position 2) must be Number, not {type(ord).__name__}")
    return norm_of_order(x, float(ord), dim, keepdim, dtype)


@standard("linalg.vector_norm")
def standard_vector_norm(x: Tensor, /, *, axis: Dims = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """:func:`vector_norm` in the standard's spelling."""
    return vector_norm(x, ord, axis, keepdims)


@numpy_names
def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: int | Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The norm of matrices.

    ``ord`` is ``"fro"``, the 2-norm of all elements; ``"nuc"``, the sum of the singular values; 2 or -2, the largest or
    smallest of them; 1 or -1, the largest or smallest sum of magnitudes of a column; ``inf`` or ``-inf``, of a row.

    Raises:
        RuntimeError: another order, not two different dimensions, integers, or a ``dtype`` that is too narrow.
    """
    name = "linalg.matrix_norm"
    x = as_tensor(A, name, "A")
    order: Any = ord if isinstance(ord, str) else float(ord)
    if not _is_order(order):
        raise RuntimeError(f"{name}: Order {ord} not supported. It is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    check_matrices(name, x)
    dims = _listed(dim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    rows, columns = (normalize_dim(d, x.ndim) for d in dims)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    check_decomposable(name, x.dtype, low_precision=order not in ("nuc", 2.0, -2.0))
    x = in_dtype_of_norm(name, x, dtype)
    if order == "fro":
        return norm_of_order(x, 2.0, (rows, columns), keepdim, None)
    if isinstance(order, float) and abs(order) != 2:
        if math.isinf(order):
            rows, columns = columns, rows
        sums = norm_of_order(x, 1.0, (rows,), keepdim, None)
        return _extreme(sums, order, columns if keepdim or columns < rows else columns - 1, keepdim)
    others = [d for d in range(x.ndim) if d not in (rows, columns)]
    values = linalg_svdvals(x.permute((*others, rows, columns)))
    result = values.sum(-1, keepdim=keepdim) if order == "nuc" else _extreme(values, order, -1, keepdim)
    if not keepdim:
        return result
    places = {d: i for i, d in enumerate((*others, rows, columns))}
    return result.unsqueeze(-1).permute([places[d] for d in range(x.ndim)])


@standard("linalg.matrix_norm")
def standard_matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    """:func:`matrix_norm` in the standard's spelling."""
    return matrix_norm(x, ord, (-2, -1), keepdims)


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """The condition numbers of matrices: the norm times that of the inverse, infinity for a singular one.

    ``p`` is the order of the norm, as in :func:`matrix_norm`. ``None`` means 2, the quotient of the largest and the
    smallest singular value; only for that and -2 the matrices may be rectangular.

    Raises:
        RuntimeError: another order, or matrices that are not square.
    """
    name = "linalg.cond"
    x = as_tensor(A, name, "A")
    if x.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor must have at least 2 dimensions, but it has shape {list(x.shape)}"
        )
    order: Any = 2.0 if p is None else p if isinstance(p, str) else float(p)
    if not _is_order(order):
        if isinstance(order, str):
            check_square(f"{name}(ord={p})", x)
        raise RuntimeError(f"{name} got an invalid norm type: {p}; it is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    if x.numel() == 0:
        return zeros(tuple(x.shape[:-2]), dtype=dtypes.real_of(x.dtype), device=x.device)
    if isinstance(order, float) and abs(order) == 2:
        values = linalg_svdvals(x)
        largest, smallest = values.narrow(-1, 0, 1), values.narrow(-1, values.shape[-1] - 1, 1)
        return (largest / smallest if order > 0 else smallest / largest).squeeze(-1)  # type: ignore[no-any-return]
    check_square(f"{name}(ord={p})", x)
    inverse, info = inv_ex(x)
    singular = info > 0
    # There are no singular values of infinities.
    inverse = inverse.masked_fill(singular.unsqueeze(-1).unsqueeze(-1), 0.0)
    result: Tensor = matrix_norm(x, order) * matrix_norm(inverse, order).masked_fill(singular, math.inf)
    if order == "nuc":
        return result
    return nan_to_num(result, math.inf, math.inf, -math.inf)  # type: ignore[no-any-return]


def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """The ranks of matrices: how many singular values are greater than ``max(atol, rtol * largest)``. No gradient.

    Args:
        A: matrices ``(*, n, m)``.
        tol: another name of ``atol``.
        hermitian: the matrices are Hermitian; only the lower triangle is read then.
        atol: a number, or a tensor of one for each matrix; by default 0.
        rtol: the same; by default the larger size times the precision of the dtype, or 0 where ``atol`` is given.

    Raises:
        RuntimeError: ``A`` has fewer than two dimensions, or a tolerance is complex.
    """
    name = "linalg.matrix_rank"
    x = as_tensor(A, name, "A")
    check_matrices(name, x, "input")
    atol = tol if tol is not None else atol
    for which, given in (("atol", atol), ("rtol", rtol)):
        if is_tensor(given) and given.is_complex():
            raise RuntimeError(
                f"{name}: {which} tensor of complex type is not supported. Got {dtypes.scalar_type_name(given.dtype)}"
            )
    with no_grad():
        values = linalg_eigvalsh(x).abs() if hermitian else linalg_svdvals(x)
        if values.shape[-1] == 0:
            return zeros(tuple(values.shape[:-1]), dtype=dtypes.int64, device=x.device)
        largest = amax(values, -1)
        least: Any = 0.0 if atol is None else atol
        if rtol is None:
            default = rank_tolerance(x.dtype, x.shape)
            # Given with atol = 0, the relative one still holds.
            rtol = (least <= 0) * default if is_tensor(least) else 0.0 if least > 0 else default
        limit = largest * rtol
        limit = limit.maximum(least) if is_tensor(least) else limit.clamp(min=float(least))
        return (values > limit.unsqueeze(-1)).sum(-1)  # type: ignore[no-any-return]


def _is_order(order: str | float) -> bool:
    """Whether there is a norm of matrices of this order."""
    return order in {"fro", "nuc"} if isinstance(order, str) else abs(order) in {1.0, 2.0, math.inf}


def _extreme(x: Tensor, order: float, dim: int, keepdim: bool) -> Tensor:
    """The largest value along ``dim``, or the smallest for a negative order; of nothing, the largest is 0."""
    if order > 0 and x.shape[dim] == 0:
        return x.detach().sum(dim, keepdim=keepdim)
    return amax(x, dim, keepdim) if order > 0 else amin(x, dim, keepdim)


def _listed(dim: Any) -> tuple[int, ...]:
    return tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
