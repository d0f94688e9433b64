"""What the decompositions of matrices share: parts of matrices, equations with triangles, failures of the library."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from gradcore.errors import LinAlgError
from gradcore.grad_mode import current_mode
from gradcore.op import OpFunction, conj, is_tensor
from gradcore.ops._batching import varies
from gradcore.ops._extra import extra
from gradcore.ops._numeric import kind_of, refuse_dtype
from gradcore.ops.linalg import triangular  # noqa: F401 - has what "solve_triangular" is on tensors
from gradcore.ops.linalg._elimination import library_failed

__all__ = [
    "adjoint",
    "check_gauge",
    "diagonal",
    "differentiated",
    "embedded",
    "general_solve",
    "hermitian",
    "in_dtype_of",
    "real_dtype",
    "refuse_half",
    "refuse_infinite",
    "scaled_columns",
    "scaled_rows",
    "solve",
    "solve_right",
    "with_diagonal_halved",
    "without_diagonal",
]

F = TypeVar("F", bound=OpFunction)


def adjoint(xp: Any, x: Any) -> Any:
    """The conjugate transposes of matrices."""
    return conj(xp, x).mT


def diagonal(xp: Any, x: Any) -> Any:
    """The main diagonals of matrices, as vectors."""
    return x.diagonal(0, -2, -1) if is_tensor(x) else xp.linalg.diagonal(x)


def embedded(xp: Any, d: Any) -> Any:
    """Square matrices with the vectors ``d`` on their diagonals, and zeros elsewhere."""
    return xp.where(_on_diagonal(xp, d.shape[-1]), xp.expand_dims(d, axis=-1), 0.0)


def without_diagonal(xp: Any, x: Any, value: float = 0.0) -> Any:
    """Square matrices with ``value`` on their diagonals."""
    return xp.where(_on_diagonal(xp, x.shape[-1]), value, x)


def with_diagonal_halved(xp: Any, x: Any) -> Any:
    """Square matrices with the half of their diagonals."""
    return xp.where(_on_diagonal(xp, x.shape[-1]), xp.multiply(x, 0.5), x)


def _on_diagonal(xp: Any, n: int) -> Any:
    return xp.eye(n, dtype=np.dtype(np.bool_))


def hermitian(xp: Any, x: Any, upper: bool) -> Any:
    """The Hermitian matrices of which ``x`` has one triangle; the imaginary part of the diagonal does not count."""
    above = xp.triu(x, k=1) if upper else adjoint(xp, xp.tril(x, k=-1))
    below = adjoint(xp, above)
    middle = x if kind_of(xp, x) != "c" else xp.astype(xp.real(x), x.dtype)
    return xp.where(_on_diagonal(xp, x.shape[-1]), middle, xp.add(above, below))


def scaled_columns(xp: Any, x: Any, d: Any) -> Any:
    """``x @ diag(d)``; ``d`` may be real where ``x`` is complex."""
    return xp.multiply(x, xp.expand_dims(in_dtype_of(xp, d, x), axis=-2))


def scaled_rows(xp: Any, d: Any, x: Any) -> Any:
    """``diag(d) @ x``; ``d`` may be real where ``x`` is complex."""
    return xp.multiply(xp.expand_dims(in_dtype_of(xp, d, x), axis=-1), x)


def in_dtype_of(xp: Any, x: Any, like: Any) -> Any:
    """``x`` in the dtype of ``like``: the standard leaves the product of real and complex numbers to the library."""
    return x if x.dtype == like.dtype else xp.astype(x, like.dtype)


def solve(xp: Any, a: Any, b: Any, upper: bool, unitriangular: bool = False) -> Any:
    """The solution of ``a @ x = b`` for one triangle of ``a``."""
    return extra(xp, "solve_triangular", a, b, upper, unitriangular)


def solve_right(xp: Any, b: Any, a: Any, upper: bool, unitriangular: bool = False) -> Any:
    """The solution of ``x @ a = b`` for one triangle of ``a``."""
    return extra(xp, "solve_triangular", a.mT, b.mT, not upper, unitriangular).mT


def general_solve(xp: Any, a: Any, b: Any) -> Any:
    """The solution of ``a @ x = b`` for any square matrices.

    Raises:
        LinAlgError: a matrix is singular.
    """
    try:
        return xp.linalg.solve(a, b)
    except Exception as e:
        if not library_failed(e) or isinstance(e, LinAlgError):
            raise
        raise LinAlgError("linalg.solve: The solver failed because the input matrix is singular.") from None


def real_dtype(xp: Any, x: Any) -> np.dtype[Any]:
    """The dtype of the real parts of ``x``."""
    dtype: np.dtype[Any] = xp.np_dtype(x.dtype)
    if dtype.kind != "c":
        return dtype
    return np.dtype(np.float32) if dtype.itemsize == 8 else np.dtype(np.float64)


def refuse_half(xp: Any, kernel: str, x: Any, integers: bool = False) -> None:
    """Raise for matrices of half precision, which are not decomposed; where ``integers``, for those, too.

    Raises:
        NotImplementedError: ``x`` is of such a dtype.
    """
    dtype = xp.np_dtype(x.dtype)
    if (dtype.itemsize == 2 and dtype.kind in "fV") or (integers and dtype.kind in "biu"):
        refuse_dtype(kernel, dtype)


def refuse_infinite(xp: Any, function: str, x: Any, values: Any) -> None:
    """Raise if singular values or eigenvalues are no numbers, since ``x`` has some that are not finite, or else.

    Raises:
        LinAlgError: there are.
    """
    if values is not None and bool(xp.all(xp.isfinite(values))):
        return
    if not bool(xp.all(xp.isfinite(x))):
        raise LinAlgError(
            f"{function}: The algorithm failed to converge because the input matrix contained non-finite values."
        )
    raise LinAlgError(
        f"{function}: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
        "repeated values."
    )


def differentiated(x: Any) -> bool:
    """Whether a result of ``x`` may be asked for a derivative: then all is computed that the rule for it needs."""
    mode = current_mode()
    return (mode.grad and x.requires_grad) or x._device.level is not None or mode.dual is not None


def check_gauge(xp: Any, phase: Any, other: Any, message: str) -> None:
    """Raise if a loss depends on the phases of complex vectors, which are arbitrary; not on a batch of ``vmap``.

    Args:
        phase: the derivatives of the loss by the phases of the vectors.
        other: what they must be, up to a tolerance; ``None`` for zero.

    Raises:
        RuntimeError: they are not.
    """
    if _in_batch(phase) or (other is not None and _in_batch(other)):
        return  # no element can be looked at
    expected = xp.zeros_like(phase) if other is None else other
    near = xp.less_equal(xp.abs(xp.subtract(phase, expected)), xp.add(xp.multiply(xp.abs(expected), 1e-2), 1e-2))
    if not bool(xp.all(near)):
        raise RuntimeError(message)


def _in_batch(x: Any) -> bool:
    """Whether a tensor differs among the elements of a batch of ``vmap``."""
    return is_tensor(x) and varies(x)
