"""Products of vectors and matrices as :mod:`gradcore.linalg` has them, and diagonals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcore import dtypes
from gradcore.op import standard
from gradcore.ops import diagonals, matrix_chain, products
from gradcore.ops._operands import as_tensor
from gradcore.ops.matmul import matmul, vdot
from gradcore.ops.matrix_chain import multi_dot
from gradcore.spelling import numpy_names

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cross", "diagonal", "matmul", "matrix_power", "multi_dot", "vecdot"]

standard("linalg.matmul")(matmul)


@numpy_names
def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of three numbers along ``dim``; the other dimensions broadcast.

    Raises:
        RuntimeError: the size of ``dim`` is another, or the numbers of dimensions differ.
    """
    return products.cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, a view; see :func:`gradcore.diagonal`."""
    return diagonals.diagonal(as_tensor(A, "linalg.diagonal", "A"), offset, dim1, dim2)  # type: ignore[no-any-return]


@standard("linalg.diagonal")
def standard_diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """:func:`diagonal` in the standard's spelling."""
    return diagonal(x, offset=offset)


@numpy_names
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """``sum(conj(x) * y)`` along ``dim``; the dimensions broadcast.

    Raises:
        RuntimeError: the dtypes differ, or are not of floating-point or complex numbers.
    """
    x, y = as_tensor(x, "linalg.vecdot", "x"), as_tensor(y, "linalg.vecdot", "y", 2)
    if dtypes.category(x.dtype) < 2:
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {dtypes.scalar_type_name(x.dtype)}"
        )
    if x.ndim == y.ndim == 1 and x.dtype == y.dtype:
        return vdot(x, y)  # type: ignore[no-any-return]
    return products.vecdot(x, y, dim=dim)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """``A @ A @ ...``, ``n`` times; see :func:`gradcore.matrix_power`."""
    return matrix_chain.matrix_power(A, n)
