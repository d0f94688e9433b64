"""Equations with triangular matrices, and the protocol's ``solve_triangular``, which other rules solve them by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import return_types
from gradcore.op import conj, op, standard
from gradcore.ops._batching import aligned
from gradcore.ops._extra import extra, generic
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_matrices, check_same_dtype, check_square, common_batch
from gradcore.ops.linalg._samples import invertible
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["solve_triangular", "triangular_solve"]


def _triangles(make: Make) -> Iterator[Sample]:
    for upper in (True, False):
        yield Sample(invertible(make, 3, 3), make(3, 2), upper=upper)
        yield Sample(invertible(make, 2, 2), make(3, 2), upper=upper, left=False)
        yield Sample(invertible(make, 2, 2, 2), make(1, 2, 3), upper=upper, unitriangular=True)
    yield Sample(invertible(make, 2, 2), make(2, 1, 2), upper=True, left=False, unitriangular=True)
    yield Sample(invertible(make, 2, 2), make(0, 2, 1), upper=True)
    yield Sample(make(0, 0), make(0, 2), upper=False)
    yield Sample(invertible(make, 2, 2), make(2, 0), upper=False)


@op(node="LinalgSolveTriangularBackward0", samples=_triangles)
def solve_triangular(xp: Any, A: Any, B: Any, /, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """The solution ``X`` of ``A @ X = B``, or of ``X @ A = B`` if not ``left``, for triangular matrices ``A``.

    Args:
        A: square matrices ``(*, n, n)``, of which only one triangle is read.
        B: right sides ``(*, n, k)``, or ``(*, k, n)`` if not ``left``; batches broadcast.
        upper: whether the triangle is the upper one.
        left: on which side ``A`` stands.
        unitriangular: take the diagonal as ones; it is not read.

    A zero on the diagonal gives infinities and NaN.

    Raises:
        RuntimeError: the matrices are not square, the sizes do not fit, the dtypes differ, or are not floating.
    """
    name = "linalg.solve_triangular"
    _check(name, xp, A, B, left)
    common_batch(name, A.shape, B.shape)
    return _solved(xp, A, B, upper, left, unitriangular)


@solve_triangular.vjp("A", "B")
def solve_triangular_vjp(
    xp: Any, g: Any, A: Any, out: Any, upper: bool, left: bool, unitriangular: bool, needs: tuple[bool, bool]
) -> Any:
    # With A X = B: dX = A^-1 (dB - dA X).
    g_b = _solved(xp, conj(xp, A).mT, g, not upper, left, unitriangular)
    if not needs[0]:
        return None, g_b
    x = conj(xp, out).mT
    product = xp.matmul(g_b, x) if left else xp.matmul(x, g_b)
    return xp.negative(_triangle(xp, product, upper, unitriangular)), g_b


@solve_triangular.jvp
def solve_triangular_jvp(
    xp: Any, A: Any, A_t: Any, B_t: Any, out: Any, upper: bool, left: bool, unitriangular: bool
) -> Any:
    right = B_t
    if A_t is not None:
        change = _triangle(xp, A_t, upper, unitriangular)
        product = xp.matmul(change, out) if left else xp.matmul(out, change)
        right = xp.negative(product) if B_t is None else xp.subtract(B_t, product)
    return _solved(xp, A, right, upper, left, unitriangular)


@solve_triangular.vmap
def solve_triangular_vmap(
    A: Any, B: Any, upper: bool, left: bool, unitriangular: bool, batched: tuple[bool, bool]
) -> Any:
    ndim = max(x.ndim - flag for x, flag in zip((A, B), batched, strict=True))
    A, B = (aligned(x, ndim) if flag else x for x, flag in zip((A, B), batched, strict=True))
    return solve_triangular(A, B, upper=upper, left=left, unitriangular=unitriangular)


@standard("solve_triangular")
def solve_triangle(a: Tensor, b: Tensor, upper: bool, unitriangular: bool) -> Tensor:
    """The protocol's function, on tensors."""
    return solve_triangular(a, b, upper=upper, unitriangular=unitriangular)  # type: ignore[no-any-return]


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> return_types.triangular_solve:
    """The solution of ``A @ X = input``, and a copy of ``A``; the older form of :func:`solve_triangular`.

    Args:
        input: right sides ``(*, n, k)``; batches broadcast.
        A: triangular matrices ``(*, n, n)``.
        upper: which triangle of ``A`` is read.
        transpose: solve for the transpose of ``A`` instead.
        unitriangular: take the diagonal as ones.

    Raises:
        RuntimeError: the matrices are not square, or the sizes do not fit.
    """
    b, A = as_tensor(input, "triangular_solve"), as_tensor(A, "triangular_solve", "A", 2)
    solved = solve_with_coefficients(b, A, upper=upper, transpose=transpose, unitriangular=unitriangular)
    return return_types.triangular_solve(*solved)


def _right_sides_first(make: Make) -> Iterator[Sample]:
    for upper in (True, False):
        for transpose in (True, False):
            yield Sample(make(3, 2), invertible(make, 3, 3), upper=upper, transpose=transpose)
    yield Sample(make(1, 2, 3), invertible(make, 2, 2, 2), unitriangular=True)


@op(node="TriangularSolveBackward0", outputs=("solution", "cloned_coefficient"), samples=_right_sides_first)
def solve_with_coefficients(
    xp: Any, b: Any, A: Any, /, *, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """The solution of ``A @ X = b``, and a copy of ``A``, both expanded to the common batch."""
    name = "triangular_solve"
    _check(name, xp, A, b, left=True)
    batch = common_batch(name, A.shape, b.shape)
    coefficients = xp.copy(xp.broadcast_to(A, batch + tuple(A.shape[-2:])))
    return _solved_or_transposed(xp, A, b, upper, transpose, unitriangular), coefficients


@solve_with_coefficients.vjp("b", "A")
def solve_with_coefficients_vjp(
    xp: Any, g: Any, A: Any, solution: Any, upper: bool, transpose: bool, unitriangular: bool, needs: tuple[bool, bool]
) -> Any:
    g_solution, g_copy = g
    g_b = _solved_or_transposed(xp, conj(xp, A), g_solution, upper, not transpose, unitriangular)
    if not needs[1]:
        return g_b, None
    x = solution if transpose else conj(xp, solution)
    product = xp.matmul(x, conj(xp, g_b).mT) if transpose else xp.matmul(g_b, x.mT)
    if transpose:
        product = conj(xp, product)
    return g_b, xp.subtract(g_copy, _triangle(xp, product, upper, unitriangular))


@solve_with_coefficients.vmap
def solve_with_coefficients_vmap(b: Any, A: Any, upper: bool, transpose: bool, unitriangular: bool, size: int) -> Any:
    ndim = max(A.ndim, b.ndim) - 1
    return solve_with_coefficients(
        aligned(b, ndim), aligned(A, ndim), upper=upper, transpose=transpose, unitriangular=unitriangular
    )


@generic("solve_triangular")
def _solve_triangle(xp: Any, a: Any, b: Any, upper: bool, unitriangular: bool) -> Any:
    """Solve for one triangle of ``a``; the standard's solver knows nothing of triangles."""
    n = a.shape[-1]
    identity = xp.eye(n, dtype=a.dtype)
    diagonal = xp.linalg.diagonal(a)
    if not unitriangular and bool(xp.any(xp.equal(diagonal, 0))):
        return _substituted(xp, a, b, upper)
    triangle = xp.triu(a, k=int(unitriangular)) if upper else xp.tril(a, k=-int(unitriangular))
    return xp.linalg.solve(xp.add(triangle, identity) if unitriangular else triangle, b)


def _substituted(xp: Any, a: Any, b: Any, upper: bool) -> Any:
    """Solve by substitution, row by row, where a zero on the diagonal is to give infinities instead of an error."""
    n = a.shape[-1]
    found: list[Any] = []
    for i in range(n):
        k = n - 1 - i if upper else i
        row = xp.expand_dims(b[..., k, :], axis=-2)
        if found:
            known = a[..., k : k + 1, k + 1 :] if upper else a[..., k : k + 1, :k]
            row = xp.subtract(row, xp.matmul(known, xp.concat(found, axis=-2)))
        row = xp.divide(row, a[..., k : k + 1, k : k + 1])
        found = [row, *found] if upper else [*found, row]
    return xp.concat(found, axis=-2)


def _solved(xp: Any, a: Any, b: Any, upper: bool, left: bool, unitriangular: bool) -> Any:
    if left:
        return extra(xp, "solve_triangular", a, b, upper, unitriangular)
    return extra(xp, "solve_triangular", a.mT, b.mT, not upper, unitriangular).mT


def _solved_or_transposed(xp: Any, a: Any, b: Any, upper: bool, transpose: bool, unitriangular: bool) -> Any:
    if transpose:
        return extra(xp, "solve_triangular", a.mT, b, not upper, unitriangular)
    return extra(xp, "solve_triangular", a, b, upper, unitriangular)


def _triangle(xp: Any, x: Any, upper: bool, unitriangular: bool) -> Any:
    """The part of ``x`` that a solution with that triangle depends on."""
    return xp.triu(x, k=int(unitriangular)) if upper else xp.tril(x, k=-int(unitriangular))


def _check(name: str, xp: Any, a: Any, b: Any, left: bool) -> None:
    """Raise for an equation whose parts do not fit."""
    first, second = xp.np_dtype(a.dtype), xp.np_dtype(b.dtype)
    check_same_dtype(name, first, second)
    check_square(name, a)
    check_matrices(name, b, "B")
    if b.shape[-2 if left else -1] != a.shape[-1]:
        equation, which = ("AX = B", "rows") if left else ("XA = B", "columns")
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation}: A has shape {list(a.shape)}, so B needs "
            f"{a.shape[-1]} {which}, but it has shape {list(b.shape)}"
        )
    check_decomposable(name, first)
