"""What the functions of linear algebra ask of their operands, and what they say of those that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradcore import dtypes
from gradcore.ops._matrices import by
from gradcore.ops.broadcasting import broadcast_shapes

__all__ = ["check_decomposable", "check_matrices", "check_same_dtype", "check_square", "common_batch"]


def check_matrices(function: str, x: Any, argument: str = "A") -> None:
    """Raise if ``x`` has fewer than two dimensions.

    Raises:
        RuntimeError: it has.
    """
    if len(x.shape) < 2:
        raise RuntimeError(
            f"{function}: The input tensor {argument} must have at least 2 dimensions, but it has shape {list(x.shape)}"
        )


def check_square(function: str, x: Any, argument: str = "A") -> None:
    """Raise if ``x`` is no square matrix, and no batch of such.

    Raises:
        RuntimeError: it is none.
    """
    check_matrices(function, x, argument)
    rows, columns = x.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{function}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def check_decomposable(function: str, dtype: dtypes.DType, low_precision: bool = False) -> None:
    """Raise for matrices of numbers that are not decomposed: integers, half precision unless ``low_precision``.

    Raises:
        RuntimeError: ``dtype`` is such a one.
    """
    if dtypes.category(dtype) < 2:
        raise RuntimeError(
            f"{function}: Expected a floating point or complex tensor as input. Got {dtypes.scalar_type_name(dtype)}; "
            "cast it first, with .to(dtype)"
        )
    if dtype.itemsize == 2 and not low_precision:
        raise RuntimeError(
            f"{function}: Low precision dtypes not supported. Got {dtypes.scalar_type_name(dtype)}; "
            "cast the tensor to float32 first"
        )


def check_same_dtype(function: str, a: dtypes.DType, b: dtypes.DType) -> None:
    """Raise if the two operands of an equation have different dtypes.

    Raises:
        RuntimeError: they have.
    """
    if a != b:
        raise RuntimeError(
            f"{function}: Expected A and B to have the same dtype, but found A of type {dtypes.dtype_name(a)} and B of "
            f"type {dtypes.dtype_name(b)} instead; bring them to one with .to(dtype)"
        )


def common_batch(function: str, a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    """The shape to which the batches of two operands of shapes ``a`` and ``b`` broadcast.

    Raises:
        RuntimeError: they do not.
    """
    try:
        return tuple(broadcast_shapes(a[:-2], b[:-2]))
    except RuntimeError as e:
        raise RuntimeError(
            f"{function}: the batches of A, {by(a[:-2])}, and of B, {by(b[:-2])}, do not broadcast: {e}"
        ) from None
