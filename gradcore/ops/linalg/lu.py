"""The LU decomposition with row exchanges, in its several forms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes, return_types
from gradcore.op import op
from gradcore.ops._extra import extra, generic
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._decompositions import adjoint, refuse_half, solve, solve_right
from gradcore.ops.linalg._permutations import orders, permutation_matrices, rows_in_order, rows_put_back
from gradcore.ops.linalg._samples import distinct_singular_values
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_lu", "linalg_lu_factor", "linalg_lu_factor_ex", "lu", "lu_unpack"]


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (4, 2), (2, 3), (2, 2, 2), (0, 2), (2, 0), (0, 2, 2)):
        yield Sample(_exchanged(make, distinct_singular_values(make, *shape)))
    for shape in ((2, 2), (3, 2), (2, 3)):
        yield Sample(_exchanged(make, distinct_singular_values(make, *shape, dtype=dtypes.complex128)))


def _exchanged(make: Make, x: Any) -> Any:
    """The rows in reverse order, so that pivots are not where they would be sought first."""
    values = x.detach().numpy(force=True)[..., ::-1, :]
    return make.of(values, values.dtype, requires_grad=make.requires_grad)


@op(
    node="LinalgLuFactorExBackward0",
    outputs=("LU", "pivots", "info"),
    nondifferentiable=("pivots", "info"),
    samples=_matrices,
)
def lu_factors(xp: Any, input: Any, /, pivot: bool = True, caller: str | None = None) -> Any:
    """Both factors in one matrix, the exchanged rows counted from 1, and 0 or the number of the first pivot that is zero."""
    factors, pivots, info = _decomposed(xp, "lu_factor", input, pivot)
    if caller is not None:
        _raise_for(xp, caller, info)
    return factors, pivots, info


@lu_factors.vjp("input")
def lu_factors_vjp(xp: Any, g: Any, LU: Any, pivots: Any, pivot: bool) -> Any:
    k = min(LU.shape[-2:])
    lower, upper = _unpacked(xp, LU)
    inner = _factors_vjp(xp, xp.tril(g[..., :k], k=-1), xp.triu(g[..., :k, :]), lower, upper)
    return rows_put_back(xp, inner, orders(xp, pivots, LU.shape[-2])) if pivot else inner


@lu_factors.jvp
def lu_factors_jvp(xp: Any, input_t: Any, LU: Any, pivots: Any, pivot: bool) -> Any:
    if pivot:
        input_t = rows_in_order(xp, input_t, orders(xp, pivots, LU.shape[-2]))
    lower, upper = _factors_jvp(xp, input_t, *_unpacked(xp, LU))
    return _packed(xp, lower, upper, LU.shape), None, None


@lu_factors.vmap
def lu_factors_vmap(input: Any, pivot: bool, caller: str | None) -> Any:
    return lu_factors(input, pivot, caller)


def linalg_lu_factor(A: Tensor, *, pivot: bool = True) -> return_types.linalg_lu_factor:
    """The LU decomposition in the form of LAPACK, ``(LU, pivots)``, for :func:`gradcore.linalg.lu_solve`.

    ``LU`` has the upper factor in its upper triangle and the lower one, whose diagonal is 1, below. ``pivots`` (int32) says
    with which row each row was exchanged, counted from 1.

    Args:
        A: matrices ``(*, m, n)`` of floating-point or complex numbers.
        pivot: exchange rows. Without, which the cpu does not offer, a pivot may be small or zero for any matrix.

    Raises:
        NotImplementedError: the matrices are of integers.
        RuntimeError: a pivot is zero; ``A`` has fewer than two dimensions.
    """
    x = as_tensor(A, "linalg_lu_factor", "A")
    return return_types.linalg_lu_factor(*lu_factors(x, pivot, "linalg.lu_factor")[:2])


def linalg_lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False
) -> return_types.linalg_lu_factor_ex:
    """As :func:`linalg_lu_factor`, with ``info`` instead of an error: 0, or the number of the first pivot that is zero.

    Raises:
        As :func:`linalg_lu_factor`; for a zero pivot if ``check_errors``.
    """
    caller = "linalg.lu_factor_ex" if check_errors else None
    return return_types.linalg_lu_factor_ex(*lu_factors(as_tensor(A, "linalg_lu_factor_ex", "A"), pivot, caller))


def lu(
    A: Tensor, pivot: bool = True, get_infos: bool = False
) -> tuple[Tensor, Tensor] | return_types.linalg_lu_factor_ex:
    """``(LU, pivots)`` as :func:`linalg_lu_factor` gives them, without an error for zero pivots; an older form of it.

    Args:
        A: matrices ``(*, m, n)``.
        pivot: exchange rows.
        get_infos: give the numbers of zero pivots, too.
    """
    found = lu_factors(as_tensor(A, "lu", "A"), pivot)
    return return_types.linalg_lu_factor_ex(*found) if get_infos else (found[0], found[1])


def _matrices_for_factors(make: Make) -> Iterator[Sample]:
    for sample in _matrices(make):
        yield sample.checked(after=_without_permutation)


def _without_permutation(_: Any, lower: Any, upper: Any) -> tuple[Any, Any]:
    return lower, upper


@op(
    node="LinalgLuBackward0",
    outputs=("P", "L", "U"),
    nondifferentiable=("P",),
    takes_undefined=True,
    samples=_matrices_for_factors,
)
def separate_factors(xp: Any, input: Any, /, pivot: bool = True) -> Any:
    """The permutation, the lower and the upper factor of matrices."""
    factors, pivots, _ = _decomposed(xp, "linalg.lu", input, pivot)
    lower, upper = _unpacked(xp, factors)
    dtype = xp.np_dtype(input.dtype)
    if not pivot:
        return xp.zeros((0,), dtype=dtype), lower, upper
    return permutation_matrices(xp, pivots, input.shape[-2], dtype), lower, upper


@separate_factors.vjp("input")
def separate_factors_vjp(xp: Any, g: Any, P: Any, L: Any, U: Any, pivot: bool) -> Any:
    _, g_lower, g_upper = g
    if g_lower is None and g_upper is None:
        return None
    inner = _factors_vjp(xp, g_lower, g_upper, L, U)
    return xp.matmul(P, inner) if pivot else inner


@separate_factors.jvp
def separate_factors_jvp(xp: Any, input_t: Any, P: Any, L: Any, U: Any, pivot: bool) -> Any:
    return None, *_factors_jvp(xp, xp.matmul(P.mT, input_t) if pivot else input_t, L, U)


@separate_factors.vmap
def separate_factors_vmap(input: Any, pivot: bool, size: int) -> Any:
    permutation, lower, upper = separate_factors(input, pivot)
    return permutation if pivot else permutation.expand((size, 0)), lower, upper


def linalg_lu(A: Tensor, *, pivot: bool = True) -> return_types.linalg_lu:
    """The LU decomposition of matrices, ``(P, L, U)``: ``A = P @ L @ U``.

    ``P`` is a permutation, ``L`` a lower triangle with ones on the diagonal, ``U`` an upper triangle. For wide or tall
    matrices the gradient is that of matrices whose first rows and columns, as exchanged, are independent.

    Args:
        A: matrices ``(*, m, n)`` of floating-point or complex numbers.
        pivot: exchange rows; without, which the cpu does not offer, ``P`` is empty.

    Raises:
        NotImplementedError: the matrices are of integers.
        RuntimeError: ``A`` has fewer than two dimensions.
    """
    return return_types.linalg_lu(*separate_factors(as_tensor(A, "linalg_lu", "A"), pivot))


def _packed_factors(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (3, 2), (2, 3)):
        pivots = make.of([2, 2, 3][: min(shape)], np.dtype(np.int32))
        yield Sample(make(*shape), pivots).checked(after=_without_permutation)
    yield Sample(make(2, 2, 2), make.of([[2, 2], [1, 2]], np.dtype(np.int32))).checked(after=_without_permutation)
    pivots = make.of([2, 2], np.dtype(np.int32))
    yield Sample(make(2, 2), pivots, unpack_pivots=False).checked(after=_without_permutation)


@op(
    node="LuUnpackBackward0",
    outputs=("P", "L", "U"),
    nondifferentiable=("P",),
    takes_undefined=True,
    samples=_packed_factors,
)
def unpacked(xp: Any, LU_data: Any, LU_pivots: Any, /, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """The permutation, the lower and the upper factor that a packed decomposition holds."""
    name = "lu_unpack"
    _check_dimensions(name, LU_data)
    if unpack_pivots and xp.np_dtype(LU_pivots.dtype) != dtypes.int32:
        raise RuntimeError(
            f"{name}: LU_pivots is expected to be a contiguous tensor of int32 dtype, as lu_factor gives it, but got "
            f"{dtypes.dtype_name(xp.np_dtype(LU_pivots.dtype))}"
        )
    dtype = xp.np_dtype(LU_data.dtype)
    permutation = lower = upper = xp.zeros((0,), dtype=dtype)
    if unpack_data:
        lower, upper = _unpacked(xp, LU_data)
    if unpack_pivots:
        check_pivots(xp, "lu_unpack", LU_pivots, LU_data.shape[-2])
        permutation = permutation_matrices(xp, LU_pivots, LU_data.shape[-2], dtype)
    return permutation, lower, upper


@unpacked.vjp("LU_data")
def unpacked_vjp(xp: Any, g: Any, LU_data_shape: Any, unpack_data: bool) -> Any:
    _, g_lower, g_upper = g
    if not unpack_data or (g_lower is None and g_upper is None):
        return None
    return _packed(xp, g_lower, g_upper, LU_data_shape)


@unpacked.jvp
def unpacked_jvp(xp: Any, LU_data_t: Any, unpack_data: bool) -> Any:
    if not unpack_data:
        return None, None, None
    k = min(LU_data_t.shape[-2:])
    return None, xp.tril(LU_data_t[..., :k], k=-1), xp.triu(LU_data_t[..., :k, :])


@unpacked.vmap
def unpacked_vmap(LU_data: Any, LU_pivots: Any, unpack_data: bool, unpack_pivots: bool, size: int) -> Any:
    permutation, lower, upper = unpacked(LU_data, LU_pivots, unpack_data, unpack_pivots)
    if not unpack_pivots:
        permutation = permutation.expand((size, 0))
    if not unpack_data:
        lower, upper = lower.expand((size, 0)), upper.expand((size, 0))
    return permutation, lower, upper


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> return_types.lu_unpack:
    """The permutation and the factors ``(P, L, U)`` from ``LU`` and ``pivots`` of :func:`gradcore.linalg.lu_factor`.

    Args:
        LU_data: both factors in one matrix ``(*, m, n)``.
        LU_pivots: the exchanged rows ``(*, min(m, n))``, int32, counted from 1.
        unpack_data: ``False`` for empty ``L`` and ``U``.
        unpack_pivots: ``False`` for an empty ``P``.

    Raises:
        RuntimeError: the pivots are not int32, or name rows that there are not.
    """
    data, pivots = as_tensor(LU_data, "lu_unpack", "LU_data"), as_tensor(LU_pivots, "lu_unpack", "LU_pivots", 2)
    return return_types.lu_unpack(*unpacked(data, pivots, unpack_data, unpack_pivots))


def check_pivots(xp: Any, function: str, pivots: Any, rows: int) -> None:
    """Raise for pivots that name no rows.

    Raises:
        RuntimeError: there are such.
    """
    if not bool(xp.all(xp.logical_and(xp.greater_equal(pivots, 1), xp.less_equal(pivots, rows)))):
        raise RuntimeError(
            f"Pivots given to {function} must all be greater or equal to 1 and smaller or equal to LU.size(-2), which is "
            f"{rows}. Did you properly pass the result of lu_factor?"
        )


def _decomposed(xp: Any, name: str, x: Any, pivot: bool) -> Any:
    _check_dimensions(name, x)
    refuse_half(xp, "lu_cpu", x, integers=True)
    if not pivot and xp.device.type == "cpu":
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU; use pivot=True")
    k, count = min(x.shape[-2:]), math.prod(x.shape[:-2])
    if k == 0 or count == 0:
        pivots = xp.zeros((*x.shape[:-2], k), dtype=dtypes.int32)
        return xp.copy(x), pivots, xp.zeros(tuple(x.shape[:-2]), dtype=dtypes.int32)
    if pivot and count <= MATRICES_PER_COLUMN * k:
        return extra(xp, "lu_factor", x)
    return _by_columns(xp, x, pivot)


MATRICES_PER_COLUMN = 6
"""Column by column for all matrices of a batch, or matrix by matrix with LAPACK: with NumPy, a column takes as long as so many
small matrices."""


@generic("lu_factor")
def _by_columns(xp: Any, matrices: Any, pivot: bool = True) -> tuple[Any, Any, Any]:
    """The decomposition column by column (G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed. (2013), 3.4.1)."""
    *batch, m, n = matrices.shape
    count, k = math.prod(batch), min(m, n)
    x = xp.copy(xp.reshape(matrices, (count, m, n)))
    pivots = xp.copy(xp.broadcast_to(xp.arange(1, k + 1, dtype=dtypes.int32), (count, k)))
    info = xp.zeros((count,), dtype=dtypes.int32)
    every, whole = xp.arange(count, dtype=dtypes.int64), slice(None)
    for j in range(k):
        if pivot:
            row = xp.add(xp.argmax(_size(xp, xp.getitem(x, (whole, slice(j, None), j))), axis=1), j)
            xp.setitem(pivots, (whole, j), xp.astype(xp.add(row, 1), dtypes.int32))
            here = xp.copy(xp.getitem(x, (whole, j, whole)))
            xp.setitem(x, (whole, j, whole), xp.getitem(x, (every, row)))
            xp.setitem(x, (every, row), here)
        divisor = xp.getitem(x, (whole, j, j))
        is_zero = xp.equal(divisor, 0)
        found = xp.logical_and(is_zero, xp.equal(info, 0))
        info = xp.where(found, xp.asarray(j + 1, dtype=dtypes.int32), info)
        below = (whole, slice(j + 1, None), j)
        column = xp.divide(xp.getitem(x, below), xp.expand_dims(xp.where(is_zero, 1.0, divisor), axis=1))
        xp.setitem(x, below, column)
        rest = (whole, slice(j + 1, None), slice(j + 1, None))
        right = xp.getitem(x, (whole, slice(j, j + 1), slice(j + 1, None)))
        xp.setitem(x, rest, xp.subtract(xp.getitem(x, rest), xp.multiply(xp.expand_dims(column, axis=2), right)))
    return xp.reshape(x, (*batch, m, n)), xp.reshape(pivots, (*batch, k)), xp.reshape(info, tuple(batch))


def _size(xp: Any, x: Any) -> Any:
    """How large numbers are for LAPACK, where it chooses among them."""
    return xp.add(xp.abs(xp.real(x)), xp.abs(xp.imag(x))) if kind_of(xp, x) == "c" else xp.abs(x)


def _unpacked(xp: Any, factors: Any) -> tuple[Any, Any]:
    """The lower and the upper factor."""
    m, n = factors.shape[-2:]
    k = min(m, n)
    identity = xp.eye(m, k, dtype=xp.np_dtype(factors.dtype))
    below = xp.tril(factors[..., :k], k=-1)
    if xp.np_dtype(factors.dtype).kind == "b":
        return xp.logical_or(below, identity), xp.triu(factors[..., :k, :])
    return xp.add(below, identity), xp.triu(factors[..., :k, :])


def _packed(xp: Any, lower: Any, upper: Any, shape: Any) -> Any:
    """What both factors have in their triangles, in one matrix; either may be ``None``."""
    m, n = shape[-2:]
    found: Any = None
    if lower is not None:
        found = xp.tril(lower, k=-1)
        if n > m:
            found = xp.concat([found, xp.zeros((*found.shape[:-1], n - m), dtype=found.dtype)], axis=-1)
    if upper is None:
        return found
    above = xp.triu(upper)
    if m > n:
        above = xp.concat([above, xp.zeros((*above.shape[:-2], m - n, n), dtype=above.dtype)], axis=-2)
    return above if found is None else xp.add(found, above)


def _factors_vjp(xp: Any, g_lower: Any, g_upper: Any, lower: Any, upper: Any) -> Any:
    """The gradient of the exchanged matrix from those of its factors, of which one may be ``None``."""
    m, n = lower.shape[-2], upper.shape[-1]
    k = min(m, n)
    rest: Any = None
    # What is wider or taller than a square is the solution of an equation with one of the factors of the square.
    if m < n and g_upper is not None:
        rest = solve(xp, adjoint(xp, lower), g_upper[..., k:], True, True)
        term = xp.matmul(rest, adjoint(xp, upper[..., k:]))
        g_lower = xp.negative(term) if g_lower is None else xp.subtract(g_lower, term)
        g_upper = g_upper[..., :k]
    elif m > n and g_lower is not None:
        rest = solve_right(xp, g_lower[..., k:, :], adjoint(xp, upper), False)
        term = xp.matmul(adjoint(xp, lower[..., k:, :]), rest)
        g_upper = xp.negative(term) if g_upper is None else xp.subtract(g_upper, term)
        g_lower = g_lower[..., :k, :]
    first, second = lower[..., :k, :], upper[..., :k]
    inner: Any = None
    if g_lower is not None:
        inner = xp.tril(xp.matmul(adjoint(xp, first), g_lower), k=-1)
    if g_upper is not None:
        term = xp.triu(xp.matmul(g_upper, adjoint(xp, second)))
        inner = term if inner is None else xp.add(inner, term)
    inner = solve_right(xp, solve(xp, adjoint(xp, first), inner, True, True), adjoint(xp, second), False)
    if m == n:
        return inner
    if rest is None:
        shape = (*inner.shape[:-1], n - k) if m < n else (*inner.shape[:-2], m - k, n)
        rest = xp.zeros(shape, dtype=inner.dtype)
    return xp.concat([inner, rest], axis=-1 if m < n else -2)


def _factors_jvp(xp: Any, tangent: Any, lower: Any, upper: Any) -> tuple[Any, Any]:
    """The tangents of the factors from that of the exchanged matrix."""
    m, n = tangent.shape[-2:]
    k = min(m, n)
    first, second = lower[..., :k, :], upper[..., :k]
    inner = solve_right(xp, solve(xp, first, tangent[..., :k, :k], False, True), second, True)
    lower_t, upper_t = xp.matmul(first, xp.tril(inner, k=-1)), xp.matmul(xp.triu(inner), second)
    if m < n:
        right = xp.subtract(tangent[..., k:], xp.matmul(lower_t, upper[..., k:]))
        upper_t = xp.concat([upper_t, solve(xp, first, right, False, True)], axis=-1)
    elif m > n:
        below = xp.subtract(tangent[..., k:, :], xp.matmul(lower[..., k:, :], upper_t))
        lower_t = xp.concat([lower_t, solve_right(xp, below, second, True)], axis=-2)
    return lower_t, upper_t


def _check_dimensions(name: str, x: Any) -> None:
    if len(x.shape) < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(x.shape)} instead")


def _raise_for(xp: Any, function: str, info: Any) -> None:
    """Raise if a matrix has a pivot that is zero."""
    failed = xp.not_equal(info, 0)
    if not bool(xp.any(failed)):
        return
    which = ""
    if failed.shape:
        at = int(xp.argmax(xp.astype(xp.reshape(failed, (-1,)), dtypes.int8)))
        which, info = f"(Batch element {at}): ", xp.reshape(info, (-1,))[at]
    number = int(info)
    raise RuntimeError(
        f"{function}: {which}U[{number},{number}] is zero, by which lu_solve would divide. For factors that need not solve "
        "equations, call linalg.lu or linalg.lu_factor_ex"
    )
