"""Systems of linear equations that have no solution, or many: the least squares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.errors import LinAlgError
from gradcore.op import conj, op
from gradcore.ops._batching import aligned
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, common_batch
from gradcore.ops.linalg._elimination import rank_tolerance
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["lstsq"]

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> return_types.linalg_lstsq:
    """The ``X`` of least norm among those for which ``A @ X - B`` has the least norm.

    Gives ``(solution, residuals, rank, singular_values)``. As in PyTorch, ``driver``, a name of LAPACK's, says what is
    computed beside the solution: ``"gels"``, for matrices of full rank, the residuals; ``"gelsy"``, the default, the rank;
    ``"gelsd"`` and ``"gelss"`` all of it. What is not computed is empty, and so are the residuals unless there are more rows
    than columns and all ranks are full. (gradcore computes all of them from singular values.)

    Args:
        A: matrices ``(*, m, n)``.
        B: right sides ``(*, m, k)``, or vectors ``(*, m)``; batches broadcast.
        rcond: singular values less than this part of the largest count as zero; by default the precision of the dtype
            times the larger of ``m`` and ``n``.
        driver: ``"gels"``, ``"gelsy"``, ``"gelsd"`` or ``"gelss"``.

    Raises:
        LinAlgError: ``"gels"`` of a matrix that does not have full rank.
        RuntimeError: the sizes do not fit, the dtypes differ or are not floating, or there is no such driver.
    """
    name = "linalg.lstsq"
    A, B = as_tensor(A, name, "input"), as_tensor(B, name, "b", 2)
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions, but it has shape {list(A.shape)}")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension, but it is 0-d")
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1, but they "
            f"are {A.ndim} and {B.ndim}"
        )
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{dtypes.scalar_type_name(A.dtype)} and other's dtype {dtypes.scalar_type_name(B.dtype)}"
        )
    check_decomposable(name, A.dtype)
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), not {driver!r}")
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if (B.shape[-1] if vector else B.shape[-2]) != A.shape[-2]:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size({-1 if vector else -2}), but they have shapes "
            f"{list(A.shape)} and {list(B.shape)}"
        )
    common_batch(name, A.shape, (*B.shape, 1) if vector else B.shape)
    found = least_squares(A, B, vector, None if rcond is None else float(rcond), driver or "gelsy")
    return return_types.linalg_lstsq(*found)


def _overdetermined_and_others(make: Make) -> Iterator[Sample]:
    for shape, right in (
        ((4, 2), (4, 3)),
        ((2, 4), (2, 1)),
        ((2, 2), (2, 2)),
        ((2, 3, 2), (2, 3, 1)),
        ((3, 2), (2, 3, 1)),
    ):
        yield Sample(_of_full_rank(make, *shape), make(*right), driver="gels").checked(after=_differentiable)
    yield Sample(_of_full_rank(make, 3, 2), make(3), vector=True, driver="gelsd").checked(after=_differentiable)
    yield Sample(_of_full_rank(make, 2, 2, 3), make(2, 2), vector=True).checked(after=_differentiable)
    yield Sample(make(0, 3, 2), make(0, 3, 1)).checked(after=_differentiable)


def _differentiable(solution: Any, residuals: Any, rank: Any, values: Any) -> Any:
    return (solution, residuals) if residuals.numel() else solution


@op(
    node="LinalgLstsqBackward0",
    outputs=("solution", "residuals", "rank", "singular_values"),
    nondifferentiable=("rank", "singular_values"),
    takes_undefined=True,
    samples=_overdetermined_and_others,
)
def least_squares(
    xp: Any, A: Any, B: Any, /, vector: bool = False, rcond: float | None = None, driver: str = "gelsy"
) -> Any:
    """The solution of least squares; ``vector`` says that ``B`` has no dimension of columns."""
    b = xp.expand_dims(B, axis=-1) if vector else B
    (m, n), k = A.shape[-2:], b.shape[-1]
    u, s, vh = xp.linalg.svd(A, full_matrices=False)
    nothing = xp.zeros((0,), dtype=s.dtype)
    counts = xp.greater(s, xp.multiply(s[..., :1], _cutoff(xp, A, rcond, driver)))
    full = xp.all(counts, axis=-1)
    if driver == "gels" and not bool(xp.all(full)):
        raise LinAlgError(
            "linalg.lstsq: The least squares solution could not be computed because the input matrix does not have "
            "full rank. The drivers gelsy, gelsd and gelss take such matrices"
        )
    factors = xp.where(counts, xp.divide(1.0, xp.where(counts, s, 1.0)), 0.0)
    x = xp.multiply(xp.astype(xp.expand_dims(factors, axis=-1), A.dtype), xp.matmul(conj(xp, u).mT, b))
    x = xp.matmul(conj(xp, vh).mT, x)
    residuals = nothing
    if driver != "gelsy" and m > n and bool(xp.all(full)):
        error = xp.abs(xp.subtract(xp.matmul(A, x), b))
        residuals = xp.reshape(xp.sum(xp.multiply(error, error), axis=-2), (*x.shape[:-2], k))
    rank = xp.zeros((0,), dtype=dtypes.int64) if driver == "gels" else xp.sum(xp.astype(counts, dtypes.int64), axis=-1)
    values = s if driver in ("gelsd", "gelss") else nothing
    return xp.squeeze(x, axis=-1) if vector else x, residuals, rank, values


@least_squares.vjp("A", "B")
def least_squares_vjp(
    xp: Any,
    g: Any,
    A: Any,
    B: Any,
    solution: Any,
    vector: bool,
    rcond: float | None,
    driver: str,
    needs: tuple[bool, bool],
) -> Any:
    # With P for the pseudoinverse, X = P B. Its derivative is that of G. H. Golub, V. Pereyra, The differentiation of
    # pseudo-inverses and nonlinear least squares problems whose variables separate, SIAM J. Numer. Anal. 10 (1973) 413-432.
    g_x, g_residuals = g[:2]
    x, b = (xp.expand_dims(v, axis=-1) if vector else v for v in (solution, B))
    error = xp.subtract(b, xp.matmul(A, x))
    g_a = g_b = None
    if g_x is not None:
        g_x = xp.expand_dims(g_x, axis=-1) if vector else g_x
        inverse = xp.linalg.pinv(A, rtol=_cutoff(xp, A, rcond, driver))
        adjoint = conj(xp, inverse).mT
        g_b = xp.matmul(adjoint, g_x)
        if needs[0]:
            rest = xp.subtract(g_x, xp.matmul(inverse, xp.matmul(A, g_x)))
            g_a = xp.subtract(
                xp.add(
                    xp.matmul(error, conj(xp, xp.matmul(inverse, g_b)).mT),
                    xp.matmul(xp.matmul(adjoint, x), conj(xp, rest).mT),
                ),
                xp.matmul(g_b, conj(xp, x).mT),
            )
    if g_residuals is not None and g_residuals.shape != (0,):
        factor = xp.multiply(xp.astype(xp.expand_dims(g_residuals, axis=-2), A.dtype), 2.0)
        slope = xp.multiply(error, factor)
        g_b = slope if g_b is None else xp.add(g_b, slope)
        if needs[0]:
            change = xp.matmul(slope, conj(xp, x).mT)
            g_a = xp.negative(change) if g_a is None else xp.subtract(g_a, change)
    if g_b is not None and vector:
        g_b = xp.squeeze(g_b, axis=-1)
    return g_a, g_b


@least_squares.vmap
def least_squares_vmap(A: Any, B: Any, vector: bool, rcond: float | None, driver: str, size: int) -> Any:
    ndim = max(A.ndim, B.ndim + vector) - 1
    x, residuals, rank, values = least_squares(aligned(A, ndim), aligned(B, ndim - vector), vector, rcond, driver)
    own = tuple(A.shape[:-2])
    if tuple(residuals.shape) == (0,):
        residuals = residuals.new_zeros((size, 0))
    rank = rank.new_zeros((size, 0)) if driver == "gels" else rank.reshape(own)
    values = values.reshape((*own, values.shape[-1])) if driver in ("gelsd", "gelss") else values.new_zeros((size, 0))
    return x, residuals, rank, values


def _cutoff(xp: Any, A: Any, rcond: float | None, driver: str) -> float:
    """Singular values up to this part of the largest count as zero."""
    dtype = xp.np_dtype(A.dtype)
    if driver == "gels":
        return rank_tolerance(dtype, (1, 1))  # for matrices of full rank: all count that are more than rounding
    return rank_tolerance(dtype, A.shape) if rcond is None else max(rcond, 0.0)


def _of_full_rank(make: Make, *shape: int) -> Any:
    """Matrices whose singular values are far from zero and from each other."""
    x = make(*shape)
    values = x.detach().numpy(force=True) * 0.3
    values[..., range(min(shape[-2:])), range(min(shape[-2:]))] += 2.0
    return make.of(values, make.dtype, requires_grad=make.requires_grad)
