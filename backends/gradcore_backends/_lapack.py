"""Linear algebra that NumPy lacks, by the LAPACK and BLAS of SciPy. Importing this module imports SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import blas, get_lapack_funcs

__all__ = ["ldl_factor", "lu_factor", "solve_triangular"]

Array = Any

TRSM: dict[str, Any] = {"f": blas.strsm, "d": blas.dtrsm, "F": blas.ctrsm, "D": blas.ztrsm}
"""By the character of the dtype; ``get_blas_funcs`` would take as long as a small triangle."""

MANY, TINY = 8, 16
"""From so many matrices on, if they are no larger than that, a loop in C by NumPy's general solver is faster than calls of
BLAS from Python, which take some microseconds each."""


def solve_triangular(a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
    """The solution of ``a @ x = b`` for one triangle of ``a``; batches broadcast. A zero on the diagonal gives infinities."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    n = a.shape[-1]
    if math.prod(batch) >= MANY and n <= TINY and (unitriangular or a.diagonal(0, -2, -1).all()):
        k = int(unitriangular)
        triangle = np.triu(a, k) if upper else np.tril(a, -k)
        return np.linalg.solve(triangle + np.eye(n, dtype=a.dtype) if unitriangular else triangle, b)
    out = np.empty(batch + b.shape[-2:], b.dtype)
    out[...] = b
    if out.size == 0:
        return out
    trsm = TRSM[b.dtype.char]
    a = np.broadcast_to(a, batch + a.shape[-2:])
    for i in np.ndindex(batch):
        # BLAS counts columns first: to it, row-major matrices are their transposes, and so the equation is x.T @ a.T = b.T.
        matrix = a[i]
        if matrix.flags.c_contiguous:
            trsm(1.0, matrix.T, out[i].T, side=1, lower=upper, diag=unitriangular, overwrite_b=1)
        else:
            trsm(1.0, matrix, out[i].T, side=1, lower=not upper, trans_a=1, diag=unitriangular, overwrite_b=1)
    return out


def lu_factor(x: Array) -> tuple[Array, Array, Array]:
    """Both factors of matrices in one, the exchanged rows counted from 1, and 0 or the number of the first zero pivot."""
    *batch, m, n = x.shape
    factors = np.empty(x.shape, x.dtype)
    pivots = np.empty((*batch, min(m, n)), np.int32)
    info = np.zeros(batch, np.int32)
    getrf: Any = get_lapack_funcs("getrf", (x,))
    for i in np.ndindex(*batch):
        factors[i], rows, info[i] = getrf(x[i])
        pivots[i] = rows + 1
    return factors, pivots, info


def ldl_factor(x: Array, hermitian: bool) -> tuple[Array, Array, Array]:
    """Both factors of symmetric or Hermitian matrices in one, the exchanged rows, and 0 or the number of the first zero pivot."""
    *batch, n, _ = x.shape
    factors = np.empty(x.shape, x.dtype)
    pivots = np.empty((*batch, n), np.int32)
    info = np.zeros(batch, np.int32)
    name = "hetrf" if hermitian else "sytrf"
    trf: Any = get_lapack_funcs(name, (x,))
    size: Any = get_lapack_funcs(f"{name}_lwork", (x,))
    work = int(size(n, lower=1)[0].real)
    for i in np.ndindex(*batch):
        found, pivots[i], info[i] = trf(x[i], lwork=max(work, 1), lower=1)
        factors[i] = np.tril(found)
    return factors, pivots, info
