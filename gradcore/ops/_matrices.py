"""What matrix products share: the form of their gradients, and what they say of operands that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from gradcore import dtypes
from gradcore.op import conj

__all__ = [
    "adjoint_times",
    "by",
    "check_batches",
    "column",
    "refuse_matrices",
    "refuse_vector",
    "refuse_vectors",
    "times_adjoint",
]

# A gradient is computed in the memory layout of the operand that it is for: a leaf then takes it as it is, also where the
# operand is the transpose of a leaf (the weight of a linear layer).


def times_adjoint(xp: Any, g: Any, other: Any, strides: Any) -> Any:
    """``g @ other.mH``, for an operand with the given strides."""
    if _column_major(strides):
        return xp.matmul(conj(xp, other), g.mT).mT
    return xp.matmul(g, conj(xp, other).mT)


def adjoint_times(xp: Any, other: Any, g: Any, strides: Any) -> Any:
    """``other.mH @ g``, for an operand with the given strides."""
    if _column_major(strides):
        return xp.matmul(g.mT, conj(xp, other)).mT
    return xp.matmul(conj(xp, other).mT, g)


def _column_major(strides: Any) -> bool:
    return bool(strides[0] == 1 != strides[1])


def column(xp: Any, x: Any) -> Any:
    """A vector as a matrix of one column."""
    return xp.reshape(x, (x.shape[0], 1))


def check_batches(name: str, first: Any, second: Any) -> None:
    """Raise if two operands are no batches of matrices that fit, pair by pair."""
    a, b = first.shape, second.shape
    for which, shape in (("batch1", a), ("batch2", b)):
        if len(shape) != 3:
            raise RuntimeError(f"{which} must be a 3D tensor, but {name} got {len(shape)}-D {list(shape)}")
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] but got: "
            f"[{b[0]}, {b[1]}]. ({name} of {list(a)} and {list(b)})"
        )
    if first.dtype is dtypes.bool_:
        _refuse_bool(name)


def refuse_matrices(name: str, first: Any, second: Any) -> NoReturn:
    """Raise for operands of which one is no matrix, or whose sizes differ."""
    for which, x in (("mat1", first), ("mat2", second)):
        if len(x.shape) != 2:
            raise RuntimeError(
                f"{which} must be a matrix, got {len(x.shape)}-D tensor of shape {list(x.shape)} ({name}; "
                "matmul takes any number of dimensions)"
            )
    if first.shape[1] == second.shape[0]:
        _refuse_bool(name)
    raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({by(first.shape)} and {by(second.shape)})")


def refuse_vector(name: str, matrix: Any, vector: Any) -> NoReturn:
    """Raise for operands that are no matrix and vector that fit."""
    if len(matrix.shape) != 2 or len(vector.shape) != 1:
        raise RuntimeError(
            f"{name}: vector + matrix @ vector expected, got a matrix of shape {list(matrix.shape)} and a "
            f"vector of shape {list(vector.shape)}"
        )
    if matrix.shape[1] == vector.shape[0]:
        _refuse_bool(name)
    raise RuntimeError(f"size mismatch, got mat ({by(matrix.shape)}), vec ({vector.shape[0]}) ({name})")


def refuse_vectors(name: str, first: Any, second: Any) -> NoReturn:
    """Raise for operands that are no two vectors of one length."""
    a, b = first.shape, second.shape
    if len(a) != 1 or len(b) != 1:
        raise RuntimeError(f"1D tensors expected, but got {len(a)}D and {len(b)}D tensors ({name})")
    if a == b:
        _refuse_bool(name)
    raise RuntimeError(
        f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same number of "
        f"elements, but got {a[0]} and {b[0]} elements respectively ({name})"
    )


def _refuse_bool(name: str) -> NoReturn:
    raise NotImplementedError(
        f"\"{name}\" not implemented for 'Bool'; convert to a number dtype first, with .to(dtype)"
    )


def by(shape: Sequence[int]) -> str:
    """Sizes as messages give them: ``2x3``."""
    return "x".join(map(str, shape))
