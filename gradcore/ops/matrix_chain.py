"""Products of many matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcore import dtypes
from gradcore.ops.creation import eye
from gradcore.ops.matmul import matmul, mm

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["chain_matmul", "matrix_power"]


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order of least work; the first and the last may be vectors.

    Raises:
        RuntimeError: fewer than two, neighbours that do not fit, or dtypes that differ.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    matrices, size = _as_chain(tensors)
    last = len(matrices) - 1
    splits = _best_splits([m.shape[0] for m in matrices] + [matrices[-1].shape[1]])
    # Products from small ranges to large ones, instead of a recursion from the whole to its parts.
    parts: dict[tuple[int, int], Tensor] = {(i, i): m for i, m in enumerate(matrices)}
    order: list[tuple[int, int]] = []
    stack = [(0, last)]
    while stack:
        i, j = stack.pop()
        if i != j:
            order.append((i, j))
            stack += [(i, splits[i, j]), (splits[i, j] + 1, j)]
    for i, j in reversed(order):
        parts[i, j] = mm(parts[i, splits[i, j]], parts[splits[i, j] + 1, j])
    return parts[0, last].view(tuple(size))


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of one or more matrices, in the order of least work; see :func:`multi_dot`."""
    for i, m in enumerate(matrices):
        if m.ndim != 2:
            raise RuntimeError(f"chain_matmul(): tensor {i} has dimension {m.ndim}, expected 2 instead")
    return matrices[0].clone() if len(matrices) == 1 else multi_dot(matrices)


def matrix_power(input: Tensor, n: int) -> Tensor:
    """``input @ input @ ...``, ``n`` times, of a square matrix or a batch of them, by repeated squaring.

    The power of a negative ``n`` is that of the inverse.

    Raises:
        LinAlgError: ``n`` is negative, and a matrix is singular.
        RuntimeError: the matrices are not square.
    """
    if input.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    rows, columns = input.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {rows} by {columns} matrices"
        )
    if n < 0:
        from gradcore.ops.linalg.inverse import inv

        return inv(input) if n == -1 else matrix_power(inv(input), -n)
    if n == 0:
        out: Tensor = input.clone()
        return out.copy_(eye(rows, dtype=input.dtype, device=input.device))
    if n == 1:
        return input.clone()  # type: ignore[no-any-return]
    result: Tensor | None = None
    square = input
    while True:
        if n & 1:
            result = square if result is None else matmul(square, result)
        n >>= 1
        if not n:
            assert result is not None
            return result
        square = matmul(square, square)


def _as_chain(tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """The factors of a chain as matrices, and the size of its product."""
    matrices = list(tensors)
    for i, t in enumerate(tensors):
        if t.ndim != 2 and not (t.ndim == 1 and i in (0, len(tensors) - 1)):
            expected = "1D or 2D" if i in (0, len(tensors) - 1) else "2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {expected} but got {t.ndim}D")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must be of the same dtype, but tensor 0 is "
                f"{dtypes.dtype_name(tensors[0].dtype)} and tensor {i} {dtypes.dtype_name(t.dtype)}"
            )
    size = [*tensors[0].shape[:-1], *tensors[-1].shape[1:]]
    if tensors[0].ndim == 1:
        matrices[0] = tensors[0].unsqueeze(0)
    if tensors[-1].ndim == 1:
        matrices[-1] = tensors[-1].unsqueeze(1)
    for i in range(len(matrices) - 1):
        if matrices[i].shape[1] != matrices[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(matrices[i].shape)} and "
                f"{list(matrices[i + 1].shape)} cannot be multiplied"
            )
    return matrices, size


def _best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each range of a chain of matrices, for the fewest multiplications."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], splits[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return splits
