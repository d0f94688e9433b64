"""The named tuples that functions with several results return, as ``torch.return_types``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "aminmax",
    "cummax",
    "cummin",
    "histogram",
    "histogramdd",
    "kthvalue",
    "linalg_inv_ex",
    "linalg_lstsq",
    "linalg_slogdet",
    "linalg_solve_ex",
    "max",
    "median",
    "min",
    "mode",
    "nanmedian",
    "slogdet",
    "sort",
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
