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
    return inverted(_checked("linalg.inv", A))  # type: ignore[no-any-return]


def inv_ex(A: Tensor, *, check_errors: bool = False) -> return_types.linalg_inv_ex:
    """The inverses as :func:`inv` gives them, and ``info``: 0 for each matrix, or the number of the pivot that is zero.

    Nothing is raised for a singular matrix, unless ``check_errors``; its inverse then has infinities and NaN.

    Raises:
        As :func:`inv`.
    """
    x: Any = _checked("linalg.inv_ex", A)
    if check_errors:
        info = x.new_zeros(tuple(x.shape[:-2]), dtype=dtypes.int32)
        return return_types.linalg_inv_ex(inverted(x, "linalg.inv_ex"), info)
    return return_types.linalg_inv_ex(*inverted_with_info(x))


def inverse(input: Tensor) -> Tensor:
    """The inverses of square matrices; another name of :func:`inv`."""
    return inv(input)


@standard("linalg.inv")
def standard_inv(x: Tensor, /) -> Tensor:
    """:func:`inv` in the standard's spelling."""
    return inv(x)


def _invertible_matrices(make: Make) -> Iterator[Sample]:
    yield Sample(invertible(make, 3, 3))
    yield Sample(invertible(make, 2, 2, 2))
    yield Sample(invertible(make, 1, 1))
    yield Sample(make(0, 2, 2))
    yield Sample(make(0, 0))


@op(node="LinalgInvExBackward0", samples=_invertible_matrices)
def inverted(xp: Any, A: Any, /, function: str = "linalg.inv") -> Any:
    """The inverses of matrices; in memory, one column after the other."""
    found, info = _inverses(xp, A)
    if info is not None:
        place, pivot = first_failure(xp, info)
        raise LinAlgError(
            f"{function}: {place}The diagonal element {pivot} is zero, the inversion could not be completed because the "
            "input matrix is singular."
        )
    return found


@inverted.vjp("A")
def inverted_vjp(xp: Any, g: Any, out: Any) -> Any:
    adjoint = conj(xp, out).mT
    return xp.negative(xp.matmul(adjoint, xp.matmul(g, adjoint)))


@inverted.jvp
def inverted_jvp(xp: Any, A_t: Any, out: Any) -> Any:
    return xp.negative(xp.matmul(out, xp.matmul(A_t, out)))


@inverted.vmap
def inverted_vmap(A: Any, function: str) -> Any:
    return inverted(A, function)


@op(
    node="LinalgInvExBackward0",
    outputs=("inverse", "info"),
    nondifferentiable=("info",),
    samples=_invertible_matrices,
)
def inverted_with_info(xp: Any, A: Any, /) -> Any:
    """The inverses of matrices and the state of each."""
    found, info = _inverses(xp, A)
    return found, xp.zeros(A.shape[:-2], dtype=dtypes.int32) if info is None else info


@inverted_with_info.vjp("A")
def inverted_with_info_vjp(xp: Any, g: Any, inverse: Any) -> Any:
    return inverted_vjp(xp, g, inverse)


@inverted_with_info.jvp
def inverted_with_info_jvp(xp: Any, A_t: Any, inverse: Any) -> Any:
    return inverted_jvp(xp, A_t, inverse), None


@inverted_with_info.vmap
def inverted_with_info_vmap(A: Any) -> Any:
    return inverted_with_info(A)


def _inverses(xp: Any, A: Any) -> tuple[Any, Any]:
    """The inverses, and ``None``; or, where a matrix is singular, the state of each."""
    found = attempted(xp.linalg.inv, A.mT)
    if found is not None:
        return found.mT, None
    return solved(xp, A, xp.broadcast_to(xp.eye(A.shape[-1], dtype=A.dtype), A.shape))


def _checked(function: str, given: Any) -> Tensor:
    """``given``, if it is a tensor of square matrices."""
    A = as_tensor(given, function, "A")
    check_decomposable(function, A.dtype)
    check_square(function, A)
    return A
