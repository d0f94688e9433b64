"""Inverses of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore import dtypes, return_types
from gradcore.errors import LinAlgError
from gradcore.op import conj, op, standard
from gradcore.ops._operands import as_tensor
from gradcore.ops.linalg._checks import check_decomposable, check_square
from gradcore.ops.linalg._elimination import attempted, first_failure, solved
from gradcore.ops.linalg._samples import invertible
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["inv", "inv_ex", "inverse"]


def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices ``(*, n, n)``.

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: the matrices are not square, or not of floating-point or complex numbers.
    """
    return _inverse("linalg.inv", A, True)[0]  # type: ignore[no-any-return]


def inv_ex(A: Tensor, *, check_errors: bool = False) -> return_types.linalg_inv_ex:
    """The inverses as :func:`inv` gives them, and ``info``: 0 for each matrix, or the number of the pivot that is zero.

    Nothing is raised for a singular matrix, unless ``check_errors``; its inverse then has infinities and NaN.

    Raises:
        As :func:`inv`.
    """
    return return_types.linalg_inv_ex(*_inverse("linalg.inv_ex", A, check_errors))


def inverse(input: Tensor) -> Tensor:
    """The inverses of square matrices; another name of :func:`inv`."""
    return inv(input)


@standard("linalg.inv")
def standard_inv(x: Tensor, /) -> Tensor:
    """:func:`inv` in the standard's spelling."""
    return inv(x)


def _invertible_matrices(make: Make) -> Iterator[Sample]:
    yield Sample(invertible(make, 3, 3))
    yield Sample(invertible(make, 2, 2, 2), check_errors=True)
    yield Sample(invertible(make, 1, 1))
    yield Sample(make(0, 2, 2))
    yield Sample(make(0, 0))


@op(
    node="LinalgInvExBackward0",
    outputs=("inverse", "info"),
    nondifferentiable=("info",),
    samples=_invertible_matrices,
)
def inverted(xp: Any, A: Any, /, check_errors: bool = False, function: str = "linalg.inv") -> Any:
    """The inverses of matrices and the state of each; in memory, one column after the other."""
    found = attempted(xp.linalg.inv, A.mT)
    if found is not None:
        return found.mT, xp.zeros(A.shape[:-2], dtype=dtypes.int32)
    found, info = solved(xp, A, xp.broadcast_to(xp.eye(A.shape[-1], dtype=A.dtype), A.shape))
    if check_errors and (failure := first_failure(xp, info)) is not None:
        raise LinAlgError(
            f"{function}: {failure[0]}The diagonal element {failure[1]} is zero, the inversion could not be completed "
            "because the input matrix is singular."
        )
    return found, info


@inverted.vjp("A")
def inverted_vjp(xp: Any, g: Any, inverse: Any) -> Any:
    adjoint = conj(xp, inverse).mT
    return xp.negative(xp.matmul(adjoint, xp.matmul(g, adjoint)))


@inverted.jvp
def inverted_jvp(xp: Any, A_t: Any, inverse: Any) -> Any:
    return xp.negative(xp.matmul(inverse, xp.matmul(A_t, inverse))), None


@inverted.vmap
def inverted_vmap(A: Any, check_errors: bool, function: str) -> Any:
    return inverted(A, check_errors, function)


def _inverse(function: str, A: Tensor, check_errors: bool) -> Any:
    A = as_tensor(A, function, "A")
    check_decomposable(function, A.dtype)
    check_square(function, A)
    return inverted(A, check_errors, function)
