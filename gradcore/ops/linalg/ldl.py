"""The LDL decomposition of symmetric or Hermitian matrices. As in PyTorch, it has no derivative."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, return_types
from gradcore.op import conj, op
from gradcore.ops._batching import aligned
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_square, common_batch
from gradcore.ops.linalg._decompositions import hermitian as hermitian_of
from gradcore.ops.linalg._decompositions import refuse_half
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_ldl_factor", "linalg_ldl_factor_ex", "linalg_ldl_solve"]


def _matrices(make: Make) -> Iterator[Sample]:
    for hermitian in (False, True):
        for shape in ((3, 3), (2, 4, 4), (0, 0), (0, 2, 2)):
            yield Sample(make(*shape), hermitian=hermitian)
        yield Sample(make(3, 3, dtype=dtypes.complex128), hermitian=hermitian)


@op(node="NotImplemented", outputs=("LD", "pivots", "info"), nondifferentiable=("pivots", "info"), samples=_matrices)
def ldl_factors(xp: Any, input: Any, /, hermitian: bool = False, caller: str | None = None) -> Any:
    """Both factors in one matrix, the exchanged rows, and 0 or the number of the first pivot that is zero."""
    name = "linalg.ldl_factor_ex"
    check_square(name, input)
    check_decomposable(name, xp.np_dtype(input.dtype), low_precision=True)
    refuse_half(xp, "ldl_factor_kernel_cpu", input)
    if 0 in input.shape:
        pivots = xp.zeros(tuple(input.shape[:-1]), dtype=dtypes.int32)
        return xp.copy(input), pivots, xp.zeros(tuple(input.shape[:-2]), dtype=dtypes.int32)
    factors, pivots, info = extra(xp, "ldl_factor", input, hermitian and kind_of(xp, input) == "c")
    if caller is not None and bool(xp.any(xp.not_equal(info, 0))):
        raise RuntimeError(
            f"{caller}: a pivot is zero, so that the matrix is singular; linalg.ldl_factor_ex says which one"
        )
    return factors, pivots, info


@ldl_factors.vjp("input")
def ldl_factors_vjp(xp: Any, g: Any) -> Any:
    raise RuntimeError("derivative for aten::linalg_ldl_factor_ex is not implemented: use cholesky, or solve")


@ldl_factors.vmap
def ldl_factors_vmap(input: Any, hermitian: bool, caller: str | None) -> Any:
    return ldl_factors(input, hermitian, caller)


def _equations(make: Make) -> Iterator[Sample]:
    factors = make.of([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.2, 0.4, 3.0]], requires_grad=make.requires_grad)
    yield Sample(factors, make.of([2, 2, 3], np.dtype(np.int32)), make(3, 2))
    yield Sample(factors, make.of([-2, -2, 3], np.dtype(np.int32)), make(2, 3, 1))
    yield Sample(factors, make.of([3, -3, -3], np.dtype(np.int32)), make(3, 1))


@op(node="NotImplemented", samples=_equations)
def ldl_solved(xp: Any, LD: Any, pivots: Any, B: Any, /, hermitian: bool = False) -> Any:
    """The solutions of equations with the matrices of which ``LD`` and ``pivots`` are the decomposition."""
    _check_equation(xp, LD, pivots, B)
    n, k = B.shape[-2:]
    batch = common_batch("linalg.ldl_solve", LD.shape, B.shape)
    if n == 0 or k == 0 or 0 in batch:
        return xp.zeros((*batch, n, k), dtype=xp.np_dtype(B.dtype))
    count = math.prod(batch)
    factors = xp.reshape(xp.broadcast_to(LD, (*batch, n, n)), (count, n, n))
    rows = xp.reshape(xp.broadcast_to(pivots, (*batch, n)), (count, n))
    right = xp.copy(xp.reshape(xp.broadcast_to(B, (*batch, n, k)), (count, n, k)))
    conjugated = hermitian and kind_of(xp, LD) == "c"
    found = [
        _solved(
            xp, xp.getitem(factors, i), [int(xp.getitem(rows, (i, j))) for j in range(n)], right[i, ...], conjugated
        )
        for i in range(count)
    ]
    return xp.reshape(xp.stack(found), (*batch, n, k))


@ldl_solved.vjp("LD", "B")
def ldl_solved_vjp(xp: Any, g: Any) -> Any:
    raise RuntimeError("derivative for aten::linalg_ldl_solve is not implemented: use linalg.solve")


@ldl_solved.vmap
def ldl_solved_vmap(LD: Any, pivots: Any, B: Any, hermitian: bool) -> Any:
    ndim = max(LD.ndim, B.ndim) - 1
    return ldl_solved(aligned(LD, ndim), aligned(pivots, ndim - 1), aligned(B, ndim), hermitian)


for _refusing in (ldl_factors, ldl_solved):
    _refusing.op.node_class.name = lambda self: "torch::autograd::NotImplemented"  # type: ignore[method-assign]


def linalg_ldl_factor(A: Tensor, *, hermitian: bool = False) -> return_types.linalg_ldl_factor:
    """The LDL decomposition of symmetric matrices in the form of LAPACK, ``(LD, pivots)``, for :func:`linalg_ldl_solve`.

    ``LD`` has the block-diagonal factor, with blocks of size 1 and 2, on its diagonal, and the unit lower one below.
    ``pivots`` (int32) says with which row each was exchanged, counted from 1; both rows of a block of size 2 have the same
    negative number.

    Args:
        A: matrices ``(*, n, n)`` of floating-point or complex numbers, of which the lower triangle is read.
        hermitian: the complex matrices are Hermitian, not symmetric.

    Raises:
        RuntimeError: a matrix is singular, or the matrices are not square, or of integers.
    """
    x = as_tensor(A, "linalg_ldl_factor", "A")
    return return_types.linalg_ldl_factor(*ldl_factors(x, hermitian, "linalg.ldl_factor")[:2])


def linalg_ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False
) -> return_types.linalg_ldl_factor_ex:
    """As :func:`linalg_ldl_factor`, with ``info`` instead of an error: 0, or the number of the first pivot that is zero.

    Raises:
        As :func:`linalg_ldl_factor`; for singular matrices if ``check_errors``.
    """
    caller = "linalg.ldl_factor_ex" if check_errors else None
    found = ldl_factors(as_tensor(A, "linalg_ldl_factor_ex", "A"), hermitian, caller)
    return return_types.linalg_ldl_factor_ex(*found)


def linalg_ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """The solutions ``X`` of ``A @ X = B`` for matrices ``A`` whose decomposition :func:`linalg_ldl_factor` has found.

    Args:
        LD: both factors in one matrix ``(*, n, n)``.
        pivots: the exchanged rows ``(*, n)``.
        B: right sides ``(*, n, k)``; batches broadcast.
        hermitian: as it was for the decomposition.

    Raises:
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    return ldl_solved(  # type: ignore[no-any-return]
        as_tensor(LD, "linalg_ldl_solve", "LD"),
        as_tensor(pivots, "linalg_ldl_solve", "pivots", 2),
        as_tensor(B, "linalg_ldl_solve", "B", 3),
        hermitian,
    )


@generic("ldl_factor")
def _factored(xp: Any, matrices: Any, hermitian: bool) -> tuple[Any, Any, Any]:
    """The decomposition of each matrix, with numbers on the host to decide by."""
    *batch, n, _ = matrices.shape
    count = math.prod(batch)
    full = hermitian_of(xp, matrices, False) if hermitian else _symmetric(xp, matrices)
    full = xp.copy(xp.reshape(full, (count, n, n)))
    found = [_eliminated(xp, xp.getitem(full, i), hermitian) for i in range(count)]
    pivots = xp.asarray([row for rows, _ in found for row in rows], dtype=dtypes.int32)
    info = xp.asarray([first for _, first in found], dtype=dtypes.int32)
    factors = xp.reshape(xp.tril(full), (*batch, n, n))
    return factors, xp.reshape(pivots, (*batch, n)), xp.reshape(info, tuple(batch))


_ALPHA = (1 + math.sqrt(17)) / 8


def _eliminated(xp: Any, x: Any, hermitian: bool) -> tuple[list[int], int]:
    """Decompose one full matrix in its place, with diagonal pivoting by blocks of size 1 and 2.

    J. R. Bunch, L. Kaufman, Some stable methods for calculating inertia and solving symmetric linear systems, Math. Comp. 31
    (1977) 163-179, algorithm A.
    """
    n = x.shape[0]
    pivots = list(range(1, n + 1))
    info = k = 0
    while k < n:
        step, row = _pivot(xp, x, k)
        if step == 0:
            info = info or k + 1
            k += 1
            continue
        last = k + step - 1
        if row != last:
            rest = xp.copy(xp.getitem(x, (slice(k, None), slice(k, None))))
            order = list(range(n - k))
            order[last - k], order[row - k] = row - k, last - k
            index = xp.asarray(order, dtype=dtypes.int64)
            rest = xp.take(xp.take(rest, index, axis=0), index, axis=1)
            xp.setitem(x, (slice(k, None), slice(k, None)), rest)
        pivots[k : k + step] = [row + 1] if step == 1 else [-row - 1, -row - 1]
        k += step
        if k < n:
            block = xp.getitem(x, (slice(k - step, k), slice(k - step, k)))
            below = xp.copy(xp.getitem(x, (slice(k, None), slice(k - step, k))))
            left = xp.divide(below, block) if step == 1 else xp.linalg.solve(block.mT, below.mT).mT
            rest = xp.getitem(x, (slice(k, None), slice(k, None)))
            change = xp.matmul(left, (conj(xp, below) if hermitian else below).mT)
            xp.setitem(x, (slice(k, None), slice(k, None)), xp.subtract(rest, change))
            xp.setitem(x, (slice(k, None), slice(k - step, k)), left)
    return pivots, info


def _pivot(xp: Any, x: Any, k: int) -> tuple[int, int]:
    """The size of the next block, 0 where all is zero, and the row that is exchanged with its last one."""
    size = xp.add(xp.abs(xp.real(x)), xp.abs(xp.imag(x))) if kind_of(xp, x) == "c" else xp.abs(x)
    n = x.shape[0]
    here = float(xp.getitem(size, (k, k)))
    column = xp.getitem(size, (slice(k + 1, None), k))
    largest = float(xp.max(column)) if k + 1 < n else 0.0
    if max(here, largest) == 0.0 or math.isnan(here):
        return 0, k
    if here >= _ALPHA * largest:
        return 1, k
    row = k + 1 + int(xp.argmax(column))
    beside = [xp.getitem(size, (row, slice(k, row)))]
    if row + 1 < n:
        beside.append(xp.getitem(size, (slice(row + 1, None), row)))
    other = float(xp.max(xp.concat(beside)))
    if here >= _ALPHA * largest * (largest / other):
        return 1, k
    return (1 if float(xp.getitem(size, (row, row))) >= _ALPHA * other else 2), row


def _solved(xp: Any, factors: Any, pivots: list[int], x: Any, hermitian: bool) -> Any:
    """Solve one equation: down through the exchanges and the lower factor, then up again."""
    n = len(pivots)
    blocks: list[tuple[int, int]] = []
    k = 0
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        blocks.append((k, step))
        _exchange(xp, x, k + step - 1, abs(pivots[k]) - 1)
        rows = xp.copy(xp.getitem(x, slice(k, k + step)))
        k += step
        if k < n:
            left = xp.getitem(factors, (slice(k, None), slice(k - step, k)))
            xp.setitem(x, slice(k, None), xp.subtract(xp.getitem(x, slice(k, None)), xp.matmul(left, rows)))
        block = xp.getitem(factors, (slice(k - step, k), slice(k - step, k)))
        if step == 1:
            rows = xp.divide(rows, block)
        else:
            rows = xp.linalg.solve(hermitian_of(xp, block, False) if hermitian else _symmetric(xp, block), rows)
        xp.setitem(x, slice(k - step, k), rows)
    for k, step in reversed(blocks):
        if k + step < n:
            left = xp.getitem(factors, (slice(k + step, None), slice(k, k + step)))
            left = (conj(xp, left) if hermitian else left).mT
            known = xp.matmul(left, xp.getitem(x, slice(k + step, None)))
            xp.setitem(x, slice(k, k + step), xp.subtract(xp.getitem(x, slice(k, k + step)), known))
        _exchange(xp, x, k + step - 1, abs(pivots[k]) - 1)
    return x


def _symmetric(xp: Any, x: Any) -> Any:
    return xp.add(xp.tril(x), xp.tril(x, k=-1).mT)


def _exchange(xp: Any, x: Any, first: int, second: int) -> None:
    if first != second:
        row = xp.copy(xp.getitem(x, first))
        xp.setitem(x, first, xp.getitem(x, second))
        xp.setitem(x, second, row)


def _check_equation(xp: Any, factors: Any, pivots: Any, right: Any) -> None:
    name = "linalg.ldl_solve"
    if len(right.shape) < 2:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [-1, 0], but got -2): B has shape "
            f"{list(right.shape)}, but right sides are matrices"
        )
    check_square(name, factors)
    a, b = xp.np_dtype(factors.dtype), xp.np_dtype(right.dtype)
    check_decomposable(name, a, low_precision=True)
    n = factors.shape[-1]
    if right.shape[-2] != n:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {right.shape[-2]} by "
            f"{right.shape[-1]}"
        )
    if tuple(pivots.shape) != tuple(factors.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    integers = xp.np_dtype(pivots.dtype)
    if integers.kind not in "iu":
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {dtypes.scalar_type_name(integers)}")
    if a != b:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {dtypes.scalar_type_name(b)} and A of type "
            f"{dtypes.scalar_type_name(a)} instead ({name})"
        )
    size = xp.abs(pivots)
    if not bool(xp.all(xp.logical_and(xp.greater_equal(size, 1), xp.less_equal(size, n)))):
        raise RuntimeError(
            f"{name}: Pivots must name rows from 1 to {n}. Did you properly pass the result of ldl_factor?"
        )
    refuse_half(xp, "ldl_solve_kernel_cpu", factors)
