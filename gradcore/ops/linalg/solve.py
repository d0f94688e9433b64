"""Systems of linear equations with square matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.errors import LinAlgError
from gradcore.op import conj, op, standard
from gradcore.ops._batching import aligned
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_matrices, check_same_dtype, check_square, common_batch
from gradcore.ops.linalg._elimination import first_failure, solved, solved_quietly
from gradcore.ops.linalg._samples import invertible
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["solve", "solve_ex"]


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The solution ``X`` of ``A @ X = B``, or of ``X @ A = B`` if not ``left``.

    Args:
        A: invertible matrices ``(*, n, n)``.
        B: right sides ``(*, n, k)``, or ``(*, k, n)`` if not ``left``; or vectors, ``(n,)`` or ``(*, n)`` with the batch
            of ``A``. Batches broadcast.
        left: on which side ``A`` stands.

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: the matrices are not square, the sizes do not fit, the dtypes differ, or are not floating.
    """
    return _solve("linalg.solve", A, B, left, False)  # type: ignore[no-any-return]


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> return_types.linalg_solve_ex:
    """The solution as :func:`solve` gives it, and ``info``: 0 for each matrix, or the number of the pivot that is zero.

    Nothing is raised for a singular matrix, unless ``check_errors``; its solution then has infinities and NaN.

    Raises:
        As :func:`solve`.
    """
    if check_errors:
        # What raises for singular matrices needs no look at the result, which a batch would not allow.
        solution: Any = _solve("linalg.solve_ex", A, B, left, False)
        info = solution.new_zeros(tuple(A.shape[:-2]), dtype=dtypes.int32)
        return return_types.linalg_solve_ex(solution, info)
    return return_types.linalg_solve_ex(*_solve("linalg.solve_ex", A, B, left, True))


@standard("linalg.solve")
def standard_solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """:func:`solve` in the standard's spelling, in which only what is 1-d is a vector."""
    if x2.ndim == 1:
        return solve(x1, x2)
    return solved_equation(x1, x2)  # type: ignore[no-any-return]


def _equations(make: Make) -> Iterator[Sample]:
    for left in (True, False):
        yield Sample(invertible(make, 3, 3), make(3, 3), left=left)
        yield Sample(invertible(make, 2, 2, 2), make(2, 2, 2), left=left)
    yield Sample(invertible(make, 2, 2), make(3, 2, 1))
    yield Sample(invertible(make, 3, 1, 2, 2), make(2, 2, 1))
    yield Sample(invertible(make, 2, 2), make(2), vector=True)
    yield Sample(invertible(make, 3, 2, 2), make(3, 2), vector=True)
    yield Sample(invertible(make, 3, 2, 2), make(2), vector=True)
    yield Sample(make(0, 2, 2), make(0, 2, 1))
    yield Sample(make(0, 0), make(0, 2))


@op(node="LinalgSolveExBackward0", samples=_equations)
def solved_equation(
    xp: Any, A: Any, B: Any, /, left: bool = True, vector: bool = False, function: str = "linalg.solve"
) -> Any:
    """The solution of an equation; ``vector`` says that ``B`` has no dimension of columns."""
    x, info = _solution(xp, A, B, left, vector)
    if info is not None:
        place, _ = first_failure(xp, info)
        raise LinAlgError(f"{function}: {place}The solver failed because the input matrix is singular.")
    return x


@solved_equation.vjp("A", "B")
def solved_equation_vjp(xp: Any, g: Any, A: Any, out: Any, left: bool, vector: bool, needs: tuple[bool, bool]) -> Any:
    return _gradients(xp, g, A, out, left, vector, needs)


@solved_equation.jvp
def solved_equation_jvp(xp: Any, A: Any, A_t: Any, B_t: Any, out: Any, left: bool, vector: bool) -> Any:
    return _tangent(xp, A, A_t, B_t, out, left, vector)


@solved_equation.vmap
def solved_equation_vmap(A: Any, B: Any, left: bool, vector: bool, function: str, batched: tuple[bool, bool]) -> Any:
    A, B, _ = _aligned(A, B, vector, batched)
    return solved_equation(A, B, left, vector, function)


@op(
    node="LinalgSolveExBackward0",
    outputs=("result", "info"),
    nondifferentiable=("info",),
    samples=_equations,
)
def solved_with_info(xp: Any, A: Any, B: Any, /, left: bool = True, vector: bool = False) -> Any:
    """The solution of an equation, and the state of each matrix."""
    x, info = _solution(xp, A, B, left, vector)
    return x, xp.zeros(A.shape[:-2], dtype=dtypes.int32) if info is None else info


@solved_with_info.vjp("A", "B")
def solved_with_info_vjp(
    xp: Any, g: Any, A: Any, result: Any, left: bool, vector: bool, needs: tuple[bool, bool]
) -> Any:
    return _gradients(xp, g, A, result, left, vector, needs)


@solved_with_info.jvp
def solved_with_info_jvp(xp: Any, A: Any, A_t: Any, B_t: Any, result: Any, left: bool, vector: bool) -> Any:
    return _tangent(xp, A, A_t, B_t, result, left, vector), None


@solved_with_info.vmap
def solved_with_info_vmap(A: Any, B: Any, left: bool, vector: bool, batched: tuple[bool, bool], size: int) -> Any:
    A, B, batch = _aligned(A, B, vector, batched)
    x, info = solved_with_info(A, B, left, vector)
    return x, info.reshape((size, *batch)) if batched[0] else info.expand((size, *batch))


def _solve(function: str, A: Tensor, B: Tensor, left: bool, with_info: bool) -> Any:
    """The solution of what a user gives, or the solution and the state of each matrix."""
    A, B = as_tensor(A, function, "A"), as_tensor(B, function, "B", 2)
    a, b = tuple(A.shape), tuple(B.shape)
    check_square(function, A)
    check_same_dtype(function, A.dtype, B.dtype)
    check_decomposable(function, A.dtype, low_precision=True)
    if A.dtype.itemsize == 2:
        refuse_dtype("lu_cpu", A.dtype)
    vector = len(b) == 1 or b == a[:-1]
    shape = (*b, 1) if vector else b
    if not vector:
        check_matrices(function, B, "B")
    if shape[-2 if left else -1] != a[-1]:
        raise RuntimeError(
            f"{function}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({a[-2]}x{a[-1]} and {shape[-2]}x{shape[-1]})"
        )
    if a[:-2] != shape[:-2]:
        common_batch(function, a, shape)
    if vector and not left:
        raise RuntimeError(
            f"{function}: Vector broadcasting of the left hand side is not supported for left=False; the solution is then "
            "B / A.squeeze(-1)"
        )
    return solved_with_info(A, B, left, vector) if with_info else solved_equation(A, B, left, vector, function)


def _solution(xp: Any, A: Any, B: Any, left: bool, vector: bool) -> tuple[Any, Any]:
    b = xp.expand_dims(B, axis=-1) if vector else B
    x, info = solved(xp, A, b) if left else solved(xp, A.mT, b.mT)
    x = x if left else x.mT
    return xp.squeeze(x, axis=-1) if vector else x, info


def _gradients(
    xp: Any, g: Any, A: Any, solution: Any, left: bool, vector: bool, needs: tuple[bool, bool]
) -> tuple[Any, Any]:
    adjoint = conj(xp, A).mT
    x = conj(xp, solution)
    if vector:
        g_b = solved_quietly(xp, adjoint, xp.expand_dims(g, axis=-1))
        g_a = xp.negative(xp.multiply(g_b, xp.expand_dims(x, axis=-2))) if needs[0] else None
        return g_a, xp.squeeze(g_b, axis=-1)
    if left:
        g_b = solved_quietly(xp, adjoint, g)
        return xp.negative(xp.matmul(g_b, x.mT)) if needs[0] else None, g_b
    g_b = solved_quietly(xp, adjoint.mT, g.mT).mT
    return xp.negative(xp.matmul(x.mT, g_b)) if needs[0] else None, g_b


def _tangent(xp: Any, A: Any, A_t: Any, B_t: Any, solution: Any, left: bool, vector: bool) -> Any:
    right: Any = None if B_t is None else xp.expand_dims(B_t, axis=-1) if vector else B_t
    if A_t is not None:
        x = xp.expand_dims(solution, axis=-1) if vector else solution
        change = xp.matmul(A_t, x) if left else xp.matmul(x, A_t)
        right = xp.negative(change) if right is None else xp.subtract(right, change)
    x = solved_quietly(xp, A, right) if left else solved_quietly(xp, A.mT, right.mT).mT
    return xp.squeeze(x, axis=-1) if vector else x


def _aligned(A: Any, B: Any, vector: bool, batched: tuple[bool, bool]) -> tuple[Any, Any, tuple[int, ...]]:
    """Operands whose batches broadcast behind that of ``vmap``, and the batch of ``A`` in one element."""
    batch = tuple(A.shape[1 if batched[0] else 0 : -2])
    ndim = max(A.ndim - batched[0], B.ndim - batched[1] + vector)
    return aligned(A, ndim) if batched[0] else A, aligned(B, ndim - vector) if batched[1] else B, batch
