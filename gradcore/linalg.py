"""Linear algebra, as ``torch.linalg``."""

from __future__ import annotations

from gradcore.errors import LinAlgError
from gradcore.ops.linalg.cholesky import linalg_cholesky as cholesky
from gradcore.ops.linalg.cholesky import linalg_cholesky_ex as cholesky_ex
from gradcore.ops.linalg.determinant import linalg_det as det
from gradcore.ops.linalg.determinant import linalg_slogdet as slogdet
from gradcore.ops.linalg.eigen import linalg_eig as eig
from gradcore.ops.linalg.eigen import linalg_eigh as eigh
from gradcore.ops.linalg.eigen import linalg_eigvals as eigvals
from gradcore.ops.linalg.eigen import linalg_eigvalsh as eigvalsh
from gradcore.ops.linalg.exponential import linalg_matrix_exp as matrix_exp
from gradcore.ops.linalg.householder import householder_product
from gradcore.ops.linalg.inverse import inv, inv_ex
from gradcore.ops.linalg.ldl import linalg_ldl_factor as ldl_factor
from gradcore.ops.linalg.ldl import linalg_ldl_factor_ex as ldl_factor_ex
from gradcore.ops.linalg.ldl import linalg_ldl_solve as ldl_solve
from gradcore.ops.linalg.least_squares import lstsq
from gradcore.ops.linalg.lu import linalg_lu as lu
from gradcore.ops.linalg.lu import linalg_lu_factor as lu_factor
from gradcore.ops.linalg.lu import linalg_lu_factor_ex as lu_factor_ex
from gradcore.ops.linalg.lu_equations import linalg_lu_solve as lu_solve
from gradcore.ops.linalg.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from gradcore.ops.linalg.products import cross, diagonal, matmul, matrix_power, multi_dot, vecdot
from gradcore.ops.linalg.pseudoinverse import linalg_pinv as pinv
from gradcore.ops.linalg.qr import linalg_qr as qr
from gradcore.ops.linalg.solve import solve, solve_ex
from gradcore.ops.linalg.svd import linalg_svd as svd
from gradcore.ops.linalg.svd import linalg_svdvals as svdvals
from gradcore.ops.linalg.tensors import tensorinv, tensorsolve
from gradcore.ops.linalg.triangular import solve_triangular
from gradcore.ops.linalg.vandermonde import linalg_vander as vander

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "ldl_factor",
    "ldl_factor_ex",
    "ldl_solve",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]
