"""The QR decomposition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.op import op, standard
from gradcore.ops._numeric import kind_of
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_matrices
from gradcore.ops.linalg._decompositions import (
    adjoint,
    diagonal,
    embedded,
    hermitian,
    refuse_half,
    solve_right,
    with_diagonal_halved,
)
from gradcore.ops.linalg._samples import distinct_singular_values
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_qr", "qr"]


def _matrices(make: Make) -> Iterator[Sample]:
    for shape in ((3, 3), (4, 2), (2, 3), (2, 2, 2), (2, 0), (0, 2), (0, 2, 2)):
        yield Sample(distinct_singular_values(make, *shape))
    for shape in ((2, 2), (2, 3)):
        yield Sample(distinct_singular_values(make, *shape), mode="complete")
    for shape in ((3, 2), (2, 3)):
        yield Sample(distinct_singular_values(make, *shape, dtype=dtypes.complex128))


@op(node="LinalgQrBackward0", outputs=("Q", "R"), takes_undefined=True, samples=_matrices)
def factors(xp: Any, input: Any, /, mode: str = "reduced") -> Any:
    """The QR decomposition of matrices."""
    check_matrices("linalg.qr", input)
    check_decomposable("linalg.qr", xp.np_dtype(input.dtype), low_precision=True)
    refuse_half(xp, "geqrf_cpu", input)
    q, r = xp.linalg.qr(input, mode="complete" if mode == "complete" else "reduced")
    return xp.zeros((0,), dtype=xp.np_dtype(input.dtype)) if mode == "r" else q, r


@factors.vjp("input")
def factors_vjp(xp: Any, g: Any, Q: Any, R: Any, mode: str) -> Any:
    g_q, g_r = g
    if g_q is None and g_r is None:
        return None
    m, n = _check_differentiable(mode, Q, R)
    # The change of R seen from both sides, as one matrix.
    inner: Any = None
    if g_r is not None:
        inner = xp.matmul(g_r, adjoint(xp, R))
    if g_q is not None:
        turned = xp.matmul(adjoint(xp, Q), g_q)
        inner = xp.negative(turned) if inner is None else xp.subtract(inner, turned)
    if m >= n:
        inner = xp.matmul(Q, hermitian(xp, inner, True))
        if g_q is not None:
            inner = xp.add(inner, g_q)
        return solve_right(xp, inner, adjoint(xp, R), False)
    inner = with_diagonal_halved(xp, xp.tril(xp.subtract(adjoint(xp, inner), inner)))
    g_input = solve_right(xp, xp.matmul(Q, inner), adjoint(xp, R[..., :m]), False)
    g_input = xp.concat([g_input, xp.zeros((*g_input.shape[:-1], n - m), dtype=g_input.dtype)], axis=-1)
    return g_input if g_r is None else xp.add(g_input, xp.matmul(Q, g_r))


@factors.jvp
def factors_jvp(xp: Any, input_t: Any, Q: Any, R: Any, mode: str) -> Any:
    m, n = _check_differentiable(mode, Q, R)
    if m >= n:
        scaled = solve_right(xp, input_t, R, True)
        inner = xp.matmul(adjoint(xp, Q), scaled)
        inner = with_diagonal_halved(xp, xp.triu(xp.add(inner, adjoint(xp, inner))))
        return xp.subtract(scaled, xp.matmul(Q, inner)), xp.matmul(inner, R)
    turned = xp.matmul(adjoint(xp, Q), input_t)
    inner = solve_right(xp, turned[..., :m], R[..., :m], True)
    below = xp.tril(inner, k=-1)
    skew = xp.subtract(below, adjoint(xp, below))
    if kind_of(xp, inner) == "c":
        d = diagonal(xp, inner)
        skew = xp.add(skew, embedded(xp, xp.multiply(xp.subtract(d, xp.conj(d)), 0.5)))
    return xp.matmul(Q, skew), xp.subtract(turned, xp.matmul(skew, R))


@factors.vmap
def factors_vmap(input: Any, mode: str, size: int) -> Any:
    q, r = factors(input, mode)
    return q.expand((size, 0)) if mode == "r" else q, r


def linalg_qr(A: Tensor, mode: str = "reduced") -> return_types.linalg_qr:
    """Orthonormal columns and an upper triangle, ``(Q, R)``, whose product is the matrix.

    The gradient is that of matrices whose first columns are independent (S. F. Walter, L. Lehmann, Algorithmic
    differentiation of linear algebra functions, arXiv:1001.1654, 2010; complex and wide matrices likewise).

    Args:
        A: matrices ``(*, m, n)`` of floating-point or complex numbers.
        mode: ``"reduced"``: ``k = min(m, n)`` columns of ``Q`` and rows of ``R``; ``"complete"``: ``m`` of each; ``"r"``:
            ``R`` alone, and an empty ``Q``.

    Raises:
        RuntimeError: there is no such mode, or the matrices are of integers; in backward: for ``mode="r"``, and for
            ``mode="complete"`` of matrices with more rows than columns.
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return return_types.linalg_qr(*factors(as_tensor(A, "linalg_qr", "A"), mode))


def qr(input: Tensor, some: bool = True) -> return_types.qr:
    """The QR decomposition; the older form of :func:`linalg_qr`, with ``some=False`` for ``mode="complete"``.

    Raises:
        As :func:`linalg_qr`.
    """
    return return_types.qr(*factors(as_tensor(input, "qr"), "reduced" if some else "complete"))


@standard("linalg.qr")
def _standard_qr(x: Tensor, /, *, mode: str = "reduced") -> return_types.linalg_qr:
    return linalg_qr(x, mode)


def _check_differentiable(mode: str, q: Any, r: Any) -> tuple[int, int]:
    """The sizes of a matrix whose decomposition has a derivative.

    Raises:
        RuntimeError: it has none.
    """
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. To differentiate, use "
            "mode='reduced'"
        )
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols. Use mode='reduced'."
        )
    return m, n
