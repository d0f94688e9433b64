"""The Cholesky decomposition, and what is computed with its factor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.errors import LinAlgError
from gradcore.op import conj, op
from gradcore.ops._batching import aligned
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_matrices, check_square, common_batch
from gradcore.ops.linalg._decompositions import (
    adjoint,
    hermitian,
    refuse_half,
    solve,
    solve_right,
    with_diagonal_halved,
)
from gradcore.ops.linalg._elimination import library_failed
from gradcore.ops.linalg._samples import as_hermitian, positive_definite
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["cholesky", "cholesky_inverse", "cholesky_solve"]


def _positive_definite(make: Make) -> Iterator[Sample]:
    for upper in (False, True):
        for shape in ((3, 3), (2, 2, 2), (0, 0), (0, 2, 2)):
            yield Sample(positive_definite(make, *shape), upper=upper).checked(before=as_hermitian)
        yield Sample(positive_definite(make, 2, 2, dtype=dtypes.complex128), upper=upper).checked(before=as_hermitian)


@op(
    node="LinalgCholeskyExBackward0",
    outputs=("L", "info"),
    nondifferentiable=("info",),
    samples=_positive_definite,
)
def factor_with_info(xp: Any, input: Any, /, upper: bool = False, caller: str | None = None) -> Any:
    """The Cholesky factors, and 0 for each matrix that has one; an error in the name of ``caller`` if one has none."""
    check_square("linalg.cholesky", input)
    check_decomposable("linalg.cholesky", xp.np_dtype(input.dtype), low_precision=True)
    factors, info = _factored(xp, input, upper)
    if caller is not None:
        _raise_for(xp, caller, info)
    return factors, info


@factor_with_info.vjp("input")
def factor_with_info_vjp(xp: Any, g: Any, L: Any, upper: bool) -> Any:
    return _factor_vjp(xp, g, L, upper)


@factor_with_info.jvp
def factor_with_info_jvp(xp: Any, input_t: Any, L: Any, upper: bool) -> Any:
    return _factor_jvp(xp, input_t, L, upper), None


@factor_with_info.vmap
def factor_with_info_vmap(input: Any, upper: bool, caller: str | None) -> Any:
    return factor_with_info(input, upper, caller)


def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The Cholesky factors ``L`` of Hermitian positive-definite matrices: ``A = L @ L.mH``.

    Args:
        A: matrices ``(*, n, n)`` of floating-point or complex numbers, of which one triangle is read.
        upper: read the upper triangle, and return the upper factor ``L.mH``.

    The gradient is that of a function of Hermitian matrices (I. Murray, Differentiation of the Cholesky decomposition,
    arXiv:1602.07527, 2016).

    Raises:
        LinAlgError: a matrix is not positive-definite.
        RuntimeError: the matrices are not square, or of integers.
    """
    return factor_with_info(as_tensor(A, "linalg_cholesky", "A"), upper, "linalg.cholesky")[0]  # type: ignore[no-any-return]


def linalg_cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False
) -> return_types.linalg_cholesky_ex:
    """As :func:`linalg_cholesky`, with ``info`` instead of an error: 0, or the order of the first minor that is not positive.

    Args:
        A: matrices ``(*, n, n)``.
        upper: read the upper triangle, and return the upper factor.
        check_errors: raise all the same.

    Raises:
        As :func:`linalg_cholesky`.
    """
    caller = "linalg.cholesky_ex" if check_errors else None
    return return_types.linalg_cholesky_ex(*factor_with_info(as_tensor(A, "linalg_cholesky_ex", "A"), upper, caller))


@op(node="CholeskyBackward0", samples=_positive_definite)
def cholesky(xp: Any, input: Any, /, upper: bool = False) -> Any:
    """The Cholesky factors of Hermitian positive-definite matrices; the older form of :func:`gradcore.linalg.cholesky`.

    Raises:
        LinAlgError: a matrix is not positive-definite.
        NotImplementedError: the matrices are of integers.
        RuntimeError: they are not square.
    """
    check_square("cholesky", input)
    refuse_half(xp, "cholesky_cpu", input, integers=True)
    factors, info = _factored(xp, input, upper)
    _raise_for(xp, "cholesky", info)
    return factors


@cholesky.vjp("input")
def cholesky_vjp(xp: Any, g: Any, out: Any, upper: bool) -> Any:
    return _factor_vjp(xp, g, out, upper)


@cholesky.jvp
def cholesky_jvp(xp: Any, input_t: Any, out: Any, upper: bool) -> Any:
    return _factor_jvp(xp, input_t, out, upper)


@cholesky.vmap
def cholesky_vmap(input: Any, upper: bool) -> Any:
    return cholesky(input, upper)


def _factors(make: Make) -> Iterator[Sample]:
    for upper in (False, True):
        for shape in ((3, 3), (2, 2, 2), (0, 0)):
            triangle = positive_definite(make, *shape)
            yield Sample(triangle, upper=upper).checked(before=_triangle_of(upper))
        complex_triangle = positive_definite(make, 2, 2, dtype=dtypes.complex128)
        yield Sample(complex_triangle, upper=upper).checked(before=_triangle_of(upper))


@op(node="CholeskyInverseBackward0", samples=_factors)
def cholesky_inverse(xp: Any, input: Any, /, upper: bool = False) -> Any:
    """The inverses of the matrices with given Cholesky factors.

    Args:
        input: factors ``(*, n, n)``, of which one triangle is read.
        upper: whether they are the upper ones.

    Raises:
        LinAlgError: a factor has a zero on its diagonal.
        NotImplementedError: the factors are of integers.
        RuntimeError: they are not square.
    """
    check_square("cholesky_inverse", input)
    refuse_half(xp, "cholesky_inverse_out_cpu", input, integers=True)
    _refuse_singular(xp, input)
    inverse = solve(xp, input, xp.eye(input.shape[-1], dtype=xp.np_dtype(input.dtype)), upper)
    return xp.matmul(inverse, adjoint(xp, inverse)) if upper else xp.matmul(adjoint(xp, inverse), inverse)


@cholesky_inverse.vjp("input")
def cholesky_inverse_vjp(xp: Any, g: Any, input: Any, out: Any, upper: bool) -> Any:
    change = xp.matmul(xp.matmul(out, xp.add(g, adjoint(xp, g))), out)
    return xp.negative(xp.matmul(input, change) if upper else xp.matmul(change, input))


@cholesky_inverse.jvp
def cholesky_inverse_jvp(xp: Any, input: Any, input_t: Any, out: Any, upper: bool) -> Any:
    product = xp.matmul(adjoint(xp, input_t), input) if upper else xp.matmul(input_t, adjoint(xp, input))
    return xp.negative(xp.matmul(xp.matmul(out, xp.add(product, adjoint(xp, product))), out))


@cholesky_inverse.vmap
def cholesky_inverse_vmap(input: Any, upper: bool) -> Any:
    return cholesky_inverse(input, upper)


def _right_sides(make: Make) -> Iterator[Sample]:
    for upper in (False, True):
        before = _triangle_of(upper, 1)
        yield Sample(make(3, 2), positive_definite(make, 3, 3), upper=upper).checked(before=before)
        yield Sample(make(2, 2, 1), positive_definite(make, 1, 2, 2), upper=upper).checked(before=before)
        yield Sample(make(2, 1), positive_definite(make, 2, 2, 2), upper=upper).checked(before=before)
        yield Sample(make(0, 2), positive_definite(make, 0, 0), upper=upper)
    matrix = positive_definite(make, 2, 2, dtype=dtypes.complex128)
    yield Sample(make(2, 2, dtype=dtypes.complex128), matrix).checked(before=_triangle_of(False, 1))


@op(node="CholeskySolveBackward0", standard="cholesky_solve", samples=_right_sides)
def cholesky_solve(xp: Any, input: Any, input2: Any, /, upper: bool = False) -> Any:
    """The solutions ``X`` of ``A @ X = input`` for matrices ``A`` with given Cholesky factors.

    Args:
        input: right sides ``(*, n, k)``; batches broadcast.
        input2: the factors ``(*, n, n)``, of which one triangle is read.
        upper: whether they are the upper ones.

    Raises:
        NotImplementedError: the numbers are integers.
        RuntimeError: the sizes do not fit, or the dtypes differ.
    """
    _check_equation(xp, input, input2)
    batch = common_batch("cholesky_solve", input2.shape, input.shape)
    found = _solved(xp, input, input2, upper)
    return found if tuple(found.shape[:-2]) == batch else xp.broadcast_to(found, batch + tuple(found.shape[-2:]))


@cholesky_solve.vjp("input", "input2")
def cholesky_solve_vjp(xp: Any, g: Any, input2: Any, out: Any, upper: bool, needs: tuple[bool, bool]) -> Any:
    g_input = extra(xp, "cholesky_solve", g, input2, upper)
    if not needs[1]:
        return g_input, None
    product = xp.matmul(g_input, adjoint(xp, out))
    change = xp.add(product, adjoint(xp, product))
    g_factor = xp.negative(xp.matmul(input2, change) if upper else xp.matmul(change, input2))
    return g_input, g_factor


@cholesky_solve.jvp
def cholesky_solve_jvp(xp: Any, input2: Any, input_t: Any, input2_t: Any, out: Any, upper: bool) -> Any:
    right = input_t
    if input2_t is not None:
        product = xp.matmul(adjoint(xp, input2_t), input2) if upper else xp.matmul(input2_t, adjoint(xp, input2))
        change = xp.matmul(xp.add(product, adjoint(xp, product)), out)
        right = xp.negative(change) if input_t is None else xp.subtract(input_t, change)
    return cholesky_solve(right, input2, upper)


@cholesky_solve.vmap
def cholesky_solve_vmap(input: Any, input2: Any, upper: bool, batched: tuple[bool, bool]) -> Any:
    ndim = max(x.ndim - flag for x, flag in zip((input, input2), batched, strict=True))
    input, input2 = (aligned(x, ndim) if flag else x for x, flag in zip((input, input2), batched, strict=True))
    return cholesky_solve(input, input2, upper)


def _factored(xp: Any, x: Any, upper: bool) -> tuple[Any, Any]:
    refuse_half(xp, "cholesky_cpu", x)
    matrices = hermitian(xp, x, upper)
    try:
        factors = xp.linalg.cholesky(matrices)
        # NaN does not always count as a failure.
        pivots = xp.linalg.diagonal(factors)
        found = bool(xp.all(xp.greater(xp.real(pivots) if kind_of(xp, x) == "c" else pivots, 0.0)))
    except Exception as e:
        if not library_failed(e):
            raise
        found = False
    if found:
        info = xp.zeros(tuple(x.shape[:-2]), dtype=dtypes.int32)
    else:
        factors, info = _by_columns(xp, matrices)
    return adjoint(xp, factors) if upper else factors, info


def _by_columns(xp: Any, matrices: Any) -> tuple[Any, Any]:
    """The factors of matrices of which some have none, column by column up to the first minor that is not positive.

    G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed. (2013), algorithm 4.2.1.
    """
    x = xp.copy(xp.tril(matrices))
    info = xp.zeros(tuple(x.shape[:-2]), dtype=dtypes.int32)
    for j in range(x.shape[-1]):
        row = xp.getitem(x, (..., j, slice(0, j)))
        before = xp.getitem(x, (..., j, j))
        pivot = xp.subtract(xp.real(before) if kind_of(xp, x) == "c" else before, _squares(xp, row))
        fails = xp.logical_and(xp.logical_not(xp.greater(pivot, 0.0)), xp.equal(info, 0))
        info = xp.where(fails, xp.asarray(j + 1, dtype=dtypes.int32), info)
        goes_on = xp.equal(info, 0)
        root = xp.astype(xp.sqrt(xp.where(goes_on, pivot, 1.0)), x.dtype)
        kept = xp.where(fails, xp.astype(pivot, x.dtype), before)
        xp.setitem(x, (..., j, j), xp.where(goes_on, root, kept))
        below = (..., slice(j + 1, None), j)
        known = xp.matmul(xp.getitem(x, (..., slice(j + 1, None), slice(0, j))), xp.expand_dims(conj(xp, row), axis=-1))
        column = xp.getitem(x, below)
        found = xp.divide(xp.subtract(column, xp.squeeze(known, axis=-1)), xp.expand_dims(root, axis=-1))
        xp.setitem(x, below, xp.where(xp.expand_dims(goes_on, axis=-1), found, column))
    return x, info


def _squares(xp: Any, x: Any) -> Any:
    """The sums of the squared magnitudes of vectors."""
    size = xp.abs(x)
    return xp.sum(xp.multiply(size, size), axis=-1)


def _factor_vjp(xp: Any, g: Any, factor: Any, upper: bool) -> Any:
    if upper:
        g, factor = adjoint(xp, g), adjoint(xp, factor)
    product = xp.matmul(adjoint(xp, factor), g)
    symmetric = xp.multiply(xp.add(xp.tril(product), adjoint(xp, xp.tril(product, k=-1))), 0.5)
    # L^-H @ symmetric @ L^-1
    return solve_right(xp, solve(xp, adjoint(xp, factor), symmetric, True), factor, False)


def _factor_jvp(xp: Any, tangent: Any, factor: Any, upper: bool) -> Any:
    factor = adjoint(xp, factor) if upper else factor  # the tangent is taken as Hermitian
    # L^-1 @ tangent @ L^-H
    inner = solve_right(xp, solve(xp, factor, tangent, False), adjoint(xp, factor), True)
    change = xp.matmul(factor, with_diagonal_halved(xp, xp.tril(inner)))
    return adjoint(xp, change) if upper else change


@generic("cholesky_solve")
def _solved(xp: Any, right: Any, factor: Any, upper: bool) -> Any:
    first, second = (adjoint(xp, factor), factor) if upper else (factor, adjoint(xp, factor))
    return solve(xp, second, solve(xp, first, right, False), True)


def _check_equation(xp: Any, right: Any, factor: Any) -> None:
    name = "cholesky_solve"
    check_matrices(name, right, "b")
    check_matrices(name, factor)
    b, a = xp.np_dtype(right.dtype), xp.np_dtype(factor.dtype)
    if a != b:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {dtypes.scalar_type_name(b)} and A of type "
            f"{dtypes.scalar_type_name(a)} instead ({name}); bring them to one with .to(dtype)"
        )
    check_square(name, factor)
    if factor.shape[-1] != right.shape[-2]:
        rows, number = right.shape[-2:]
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {factor.shape[-1]} by {factor.shape[-1]} but each b "
            f"matrix is {rows} by {number}"
        )
    refuse_half(xp, "cholesky_solve_cpu", right, integers=True)


def _refuse_singular(xp: Any, factor: Any) -> None:
    zeros = xp.equal(xp.linalg.diagonal(factor), 0)
    if bool(xp.any(zeros)):
        which, at = _first(xp, xp.argmax(xp.astype(zeros, dtypes.int8), axis=-1), xp.any(zeros, axis=-1))
        raise LinAlgError(
            f"cholesky_inverse: {which}The diagonal element {at + 1} is zero, the inversion could not be completed because "
            "the input matrix is singular."
        )


def _raise_for(xp: Any, function: str, info: Any) -> None:
    failed = xp.not_equal(info, 0)
    if bool(xp.any(failed)):
        which, order = _first(xp, info, failed)
        raise LinAlgError(
            f"{function}: {which}The factorization could not be completed because the input is not positive-definite (the "
            f"leading minor of order {order} is not positive-definite)."
        )


def _first(xp: Any, values: Any, marked: Any) -> tuple[str, int]:
    """Which matrix of a batch is the first that is marked, for a message, and its value."""
    if not marked.shape:
        return "", int(values)
    flat = xp.reshape(marked, (-1,))
    at = int(xp.argmax(xp.astype(flat, dtypes.int8)))
    return f"(Batch element {at}): ", int(xp.reshape(values, (-1,))[at])


def _triangle_of(upper: bool, place: int = 0) -> Any:
    """What makes a triangle of the operand at ``place``: of the other one, finite differences see nothing."""

    def before(*operands: Any) -> tuple[Any, ...]:
        return tuple([(x.triu() if upper else x.tril()) if i == place else x for i, x in enumerate(operands)])

    return before
