"""The named tuples that functions with several results return, as ``torch.return_types``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "aminmax",
    "cummax",
    "cummin",
    "frexp",
    "geqrf",
    "histogram",
    "histogramdd",
    "kthvalue",
    "linalg_cholesky_ex",
    "linalg_eig",
    "linalg_eigh",
    "linalg_inv_ex",
    "linalg_ldl_factor",
    "linalg_ldl_factor_ex",
    "linalg_lstsq",
    "linalg_lu",
    "linalg_lu_factor",
    "linalg_lu_factor_ex",
    "linalg_qr",
    "linalg_slogdet",
    "linalg_solve_ex",
    "linalg_svd",
    "lu_unpack",
    "max",
    "median",
    "min",
    "mode",
    "nanmedian",
    "qr",
    "slogdet",
    "sort",
    "svd",
    "topk",
    "triangular_solve",
]


def _describe(self: Any) -> str:
    """The name, and each field on a line of its own."""
    fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"gradcore.return_types.{type(self).__name__}(\n{fields})"


class aminmax(NamedTuple):  # noqa: N801 - the classes are called as the functions
    """The smallest and the largest elements."""

    min: Tensor
    max: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class kthvalue(NamedTuple):  # noqa: N801
    """The k-th smallest elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class max(NamedTuple):  # noqa: N801
    """The largest elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class median(NamedTuple):  # noqa: N801
    """The middle elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class min(NamedTuple):  # noqa: N801
    """The smallest elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class sort(NamedTuple):  # noqa: N801
    """The elements in order, and where each was found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class topk(NamedTuple):  # noqa: N801
    """The largest (or smallest) elements in order, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_inv_ex(NamedTuple):  # noqa: N801
    """Inverses, and 0 for each; for a singular matrix the number of the pivot that is zero."""

    inverse: Tensor
    info: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_lstsq(NamedTuple):  # noqa: N801
    """A solution of least squares, the sums of squares that remain, the rank, the singular values."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_slogdet(NamedTuple):  # noqa: N801
    """The sign of a determinant, and the logarithm of its magnitude."""

    sign: Tensor
    logabsdet: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_solve_ex(NamedTuple):  # noqa: N801
    """Solutions, and 0 for each; for a singular matrix the number of the pivot that is zero."""

    result: Tensor
    info: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class slogdet(NamedTuple):  # noqa: N801
    """The sign of a determinant, and the logarithm of its magnitude."""

    sign: Tensor
    logabsdet: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class triangular_solve(NamedTuple):  # noqa: N801
    """The solution, and a copy of the matrix."""

    solution: Tensor
    cloned_coefficient: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class cummax(NamedTuple):  # noqa: N801
    """The largest elements so far, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class cummin(NamedTuple):  # noqa: N801
    """The smallest elements so far, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class mode(NamedTuple):  # noqa: N801
    """The most frequent elements, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class nanmedian(NamedTuple):  # noqa: N801
    """The middle elements that are not NaN, and where they were found."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class histogram(NamedTuple):  # noqa: N801
    """How much fell into each bin, and the edges of the bins."""

    hist: Tensor
    bin_edges: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class histogramdd(NamedTuple):  # noqa: N801
    """How much fell into each bin, and the edges of the bins along each dimension."""

    hist: Tensor
    bin_edges: tuple[Tensor, ...]

    def __repr__(self) -> str:
        return _describe(self)


class geqrf(NamedTuple):  # noqa: N801
    """R and the reflectors below its diagonal, and their factors."""

    a: Tensor
    tau: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_cholesky_ex(NamedTuple):  # noqa: N801
    """Cholesky factors, and 0 for each; or the order of the first leading minor that is not positive."""

    L: Tensor
    info: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_eig(NamedTuple):  # noqa: N801
    """Eigenvalues, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_eigh(NamedTuple):  # noqa: N801
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_ldl_factor(NamedTuple):  # noqa: N801
    """The two factors in one matrix, and the pivots."""

    LD: Tensor
    pivots: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_ldl_factor_ex(NamedTuple):  # noqa: N801
    """The two factors in one matrix, the pivots, and 0 for each; or the number of the first pivot that is zero."""

    LD: Tensor
    pivots: Tensor
    info: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_lu(NamedTuple):  # noqa: N801
    """A permutation, a unit lower and an upper triangle."""

    P: Tensor
    L: Tensor
    U: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_lu_factor(NamedTuple):  # noqa: N801
    """Both triangles in one matrix, and the pivots."""

    LU: Tensor
    pivots: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_lu_factor_ex(NamedTuple):  # noqa: N801
    """Both triangles in one matrix, the pivots, and 0 for each; or the number of the first pivot that is zero."""

    LU: Tensor
    pivots: Tensor
    info: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_qr(NamedTuple):  # noqa: N801
    """Orthonormal columns, and an upper triangle."""

    Q: Tensor
    R: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class linalg_svd(NamedTuple):  # noqa: N801
    """Left singular vectors, singular values in descending order, adjoint right singular vectors."""

    U: Tensor
    S: Tensor
    Vh: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class lu_unpack(NamedTuple):  # noqa: N801
    """A permutation, a unit lower and an upper triangle."""

    P: Tensor
    L: Tensor
    U: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class qr(NamedTuple):  # noqa: N801
    """Orthonormal columns, and an upper triangle."""

    Q: Tensor
    R: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class svd(NamedTuple):  # noqa: N801
    """Left singular vectors, singular values in descending order, right singular vectors."""

    U: Tensor
    S: Tensor
    V: Tensor

    def __repr__(self) -> str:
        return _describe(self)


class frexp(NamedTuple):  # noqa: N801
    """The mantissas, and the exponents."""

    mantissa: Tensor
    exponent: Tensor

    def __repr__(self) -> str:
        return _describe(self)
