"""Tensors as matrices: linear maps from tensors to tensors, their inverses and equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcore.ops._dims import normalize_dim
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg.inverse import inv
from gradcore.ops.linalg.solve import solve

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["tensorinv", "tensorsolve"]


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of ``tensordot(A, ., A.ndim - ind)``: the first ``ind`` dimensions are the rows of a matrix.

    The dimensions that were columns come first in the result.

    Raises:
        LinAlgError: the matrix is singular.
        RuntimeError: it is not square, or ``ind`` is not positive.
    """
    x = as_tensor(A, "linalg.tensorinv", "A")
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = tuple(x.shape[:ind]), tuple(x.shape[ind:])
    size = math.prod(rows)
    if size != math.prod(columns):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{math.prod(columns)} != {size} (linalg.tensorinv of shape {list(x.shape)}, ind={ind})"
        )
    return inv(x.reshape((size, size))).reshape(columns + rows)


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """The ``X`` for which ``tensordot(A, X, X.ndim)`` is ``B``.

    Args:
        A: a tensor whose first dimensions are those of ``B``, the others those of ``X``.
        B: the right side.
        dims: dimensions of ``A`` to be moved to its end first.

    Raises:
        IndexError: there is no such dimension.
        LinAlgError: the equation has no single solution.
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    x, b = as_tensor(A, "linalg.tensorsolve", "A"), as_tensor(B, "linalg.tensorsolve", "B", 2)
    if dims is not None:
        last = [normalize_dim(d, x.ndim) for d in dims]
        x = x.movedim(last, list(range(x.ndim - len(last), x.ndim)))
    shape = tuple(x.shape[b.ndim :])
    if math.prod(shape) != b.numel() or math.prod(shape) ** 2 != x.numel():
        raise RuntimeError(
            f"linalg.tensorsolve: A of shape {list(x.shape)} is no square matrix beside B of shape {list(b.shape)}: the first "
            f"dimensions of A, as many as B has, must have {b.numel()} elements, and the others as many"
        )
    size = b.numel()
    return solve(x.reshape((size, size)), b.flatten()).reshape(shape)
