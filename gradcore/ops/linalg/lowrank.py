"""Singular values and vectors of matrices of low rank, found with random vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcore import dtypes
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg.qr import linalg_qr
from gradcore.ops.linalg.svd import linalg_svd
from gradcore.ops.matmul import matmul
from gradcore.random import randn

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The singular value decomposition ``(U, S, V)`` of matrices of low rank, ``A = U @ diag(S) @ V.mH`` nearly.

    The columns of ``A`` are sought in a space of ``q`` random combinations of them (N. Halko, P.-G. Martinsson, J. A.
    Tropp, Finding structure with randomness, SIAM Rev. 53 (2011) 217-288, algorithms 4.4 and 5.1).

    Args:
        A: matrices ``(*, m, n)``.
        q: a little more than their rank.
        niter: how often the space is improved.
        M: decompose ``A - M`` instead; broadcasts to the shape of ``A``.
    """
    x = as_tensor(A, "svd_lowrank", "A")
    mean = None if M is None else as_tensor(M, "svd_lowrank", "M").broadcast_to(x.shape)
    return _decomposed(x, 6 if q is None else q, 2 if niter is None else niter, mean)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of data of low rank: the singular value decomposition ``(U, S, V)`` of the centred matrix.

    Args:
        A: data ``(*, m, n)``, a sample per row.
        q: a little more than their rank; the smallest of 6, ``m`` and ``n`` when not given.
        center: subtract the mean of the samples first.
        niter: how often the space of the components is improved.

    Raises:
        ValueError: ``q`` or ``niter`` is negative, or ``q`` too large.
    """
    x = as_tensor(A, "pca_lowrank", "A")
    m, n = x.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return _decomposed(x - x.mean(-2, True) if center else x, q, niter, None)


def _decomposed(x: Tensor, q: int, niter: int, mean: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    m, n = x.shape[-2:]
    wide = m < n
    if wide:
        x = x.mH
        mean = None if mean is None else mean.mH
    dtype = x.dtype if dtypes.category(x.dtype) >= 2 else dtypes.get_default_dtype()
    basis = linalg_qr(_times(x, mean, randn(min(m, n), q, dtype=dtype, device=x.device))).Q
    for _ in range(niter):
        basis = linalg_qr(_times(x.mH, None if mean is None else mean.mH, basis)).Q
        basis = linalg_qr(_times(x, mean, basis)).Q
    inner = matmul(basis.mH, x)
    if mean is not None:
        inner = inner - matmul(basis.mH, mean)
    u, s, vh = linalg_svd(inner, False)
    u, v = matmul(basis, u), vh.mH
    return (v, s, u) if wide else (u, s, v)


def _times(x: Tensor, mean: Tensor | None, other: Tensor) -> Tensor:
    product = matmul(x, other)
    return product if mean is None else product - matmul(mean, other)
