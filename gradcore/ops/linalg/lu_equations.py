"""Equations with matrices whose LU decomposition is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.op import op
from gradcore.ops._batching import aligned
from gradcore.ops._extra import extra, generic
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_matrices, check_square
from gradcore.ops.linalg._decompositions import adjoint as _adjoint
from gradcore.ops.linalg._decompositions import refuse_half, solve
from gradcore.ops.linalg._permutations import orders, rows_in_order, rows_put_back
from gradcore.ops.linalg._samples import invertible
from gradcore.ops.linalg.lu import check_pivots
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_lu_solve", "lu_solve"]


def _equations(make: Make) -> Iterator[Sample]:
    pivots = make.of([2, 3, 3], np.dtype(np.int32))
    for left, adjoint_of in ((True, False), (True, True), (False, False), (False, True)):
        yield Sample(invertible(make, 3, 3), pivots, make(*((3, 2) if left else (2, 3))), left=left, adjoint=adjoint_of)
    yield Sample(invertible(make, 2, 3, 3), make.of([[2, 3, 3], [1, 3, 3]], np.dtype(np.int32)), make(3, 1))
    yield Sample(invertible(make, 3, 3), pivots, make(2, 3, 1))
    yield Sample(make(0, 0), make.of(np.zeros(0), np.dtype(np.int32)), make(0, 2))


@op(node="LinalgLuSolveBackward0", standard="lu_solve", samples=_equations)
def solved(xp: Any, LU: Any, pivots: Any, B: Any, /, left: bool = True, adjoint: bool = False) -> Any:
    """The solutions of equations with the matrices of which ``LU`` and ``pivots`` are the decomposition."""
    _check(xp, LU, pivots, B, left)
    check_pivots(xp, "lu_solve", pivots, LU.shape[-2])
    return _solved(xp, LU, pivots, B, left, adjoint)


@solved.vjp("LU", "B")
def solved_vjp(
    xp: Any,
    g: Any,
    LU: Any,
    pivots: Any,
    out: Any,
    left: bool,
    adjoint: bool,
    needs: tuple[bool, bool],
) -> Any:
    g_b = extra(xp, "lu_solve", LU, pivots, g, left, not adjoint) if needs[1] else None
    if not needs[0]:
        return None, g_b
    if not left:
        # X @ A = B is A.mH @ X.mH = B.mH.
        g, out, adjoint = _adjoint(xp, g), _adjoint(xp, out), not adjoint
    order = orders(xp, pivots, LU.shape[-2])
    upper_h, lower_h = _adjoint(xp, xp.triu(LU)), _adjoint(xp, xp.tril(LU))
    if not adjoint:
        # The result is U^-1 @ L^-1 @ P^T @ B.
        right = solve(xp, upper_h, g, False)
        g_upper = xp.matmul(right, _adjoint(xp, out))
        between = xp.matmul(xp.triu(LU), out)
        g_lower = xp.matmul(solve(xp, lower_h, right, True, True), _adjoint(xp, between))
    else:
        # The result is P @ L^-H @ U^-H @ B.
        y, right = rows_in_order(xp, out, order), rows_in_order(xp, g, order)
        right = solve(xp, LU, right, False, True)
        g_lower = xp.matmul(y, _adjoint(xp, right))
        between = xp.add(xp.matmul(_adjoint(xp, xp.tril(LU, k=-1)), y), y)
        g_upper = xp.matmul(between, _adjoint(xp, solve(xp, LU, right, True)))
    return xp.negative(xp.add(xp.tril(g_lower, k=-1), xp.triu(g_upper))), g_b


@solved.vmap
def solved_vmap(
    LU: Any, pivots: Any, B: Any, left: bool, adjoint: bool, batched: tuple[bool, bool, bool], size: int
) -> Any:
    if batched[0] != batched[1]:
        # One has the batch, the other must have the same.
        LU = LU if batched[0] else LU.expand((size, *LU.shape))
        pivots = pivots if batched[1] else pivots.expand((size, *pivots.shape))
    together = batched[0] or batched[1]
    ndim = max(LU.ndim - together, B.ndim - batched[2])
    if together:
        LU, pivots = aligned(LU, ndim), aligned(pivots, ndim - 1)
    return solved(LU, pivots, aligned(B, ndim) if batched[2] else B, left, adjoint)


def linalg_lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """The solutions ``X`` of ``A @ X = B`` for matrices ``A`` whose decomposition :func:`linalg_lu_factor` has found.

    Args:
        LU: both factors in one matrix ``(*, n, n)``.
        pivots: the exchanged rows ``(*, n)``, int32, counted from 1.
        B: right sides ``(*, n, k)``, or ``(*, k, n)`` if not ``left``; batches broadcast.
        left: on which side ``A`` stands; ``X @ A = B`` if not.
        adjoint: ``A.mH`` in the place of ``A``.

    A pivot that is zero gives infinities and NaN.

    Raises:
        RuntimeError: the sizes do not fit, the dtypes differ, or the pivots are not int32.
    """
    return solved(  # type: ignore[no-any-return]
        as_tensor(LU, "linalg_lu_solve", "LU"),
        as_tensor(pivots, "linalg_lu_solve", "pivots", 2),
        as_tensor(B, "linalg_lu_solve", "B", 3),
        left,
        adjoint,
    )


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """The solutions of equations; the older form of :func:`linalg_lu_solve`, with the right sides first.

    Raises:
        As :func:`linalg_lu_solve`.
    """
    return linalg_lu_solve(LU_data, LU_pivots, b)


@generic("lu_solve")
def _solved(xp: Any, factors: Any, pivots: Any, right: Any, left: bool, adjoint: bool) -> Any:
    if not left:
        return _adjoint(xp, _solved(xp, factors, pivots, _adjoint(xp, right), True, not adjoint))
    order = orders(xp, pivots, factors.shape[-2])
    if not adjoint:
        return solve(xp, factors, solve(xp, factors, rows_in_order(xp, right, order), False, True), True)
    factors = _adjoint(xp, factors)
    # The unit triangle is now the upper one.
    return rows_put_back(xp, solve(xp, factors, solve(xp, factors, right, False), True, True), order)


def _check(xp: Any, factors: Any, pivots: Any, right: Any, left: bool) -> None:
    name = "linalg.lu_solve"
    dtype = xp.np_dtype(factors.dtype)
    check_decomposable(f"{name}", dtype, low_precision=True)
    if dtype != xp.np_dtype(right.dtype):
        raise RuntimeError(
            f"{name}: Expected LU and B to have the same dtype, but found LU of type {dtypes.scalar_type_name(dtype)} and B of "
            f"type {dtypes.scalar_type_name(xp.np_dtype(right.dtype))} instead"
        )
    if xp.np_dtype(pivots.dtype) != dtypes.int32:
        raise RuntimeError(
            f"{name}: pivots should be a Tensor of scalar type int32, but they are of type "
            f"{dtypes.scalar_type_name(xp.np_dtype(pivots.dtype))}"
        )
    check_square(f"{name}", factors)
    check_matrices(name, right, "B")
    n = factors.shape[-1]
    if right.shape[-2 if left else -1] != n:
        equation = "AX = B" if left else "XA = B"
        rows, columns = right.shape[-2:]
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} ({n}x{n} and {rows}x{columns})"
        )
    if tuple(pivots.shape[-1:]) != (n,):
        raise RuntimeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix")
    if tuple(pivots.shape) != tuple(factors.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    refuse_half(xp, "linalg.lu_solve_cpu", factors)
