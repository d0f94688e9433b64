"""What the operations at index tensors share: checks of the indices, and the parts of their rules.

A 0-d array counts as a vector of one element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.ops._operands import as_tensor
from gradcore.ops.cast import to_device
from gradcore.ops.shape import ALL
from gradcore.testing.samples import Make

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = [
    "Place",
    "added_at",
    "as_number",
    "cleared_at",
    "index_tensor",
    "int_samples",
    "is_written_at",
    "refuse_negative",
    "rows_at",
    "run_with_index_errors",
    "vector",
]


class Place(int):
    """Stands in an index for the index tensor of that number."""

    __slots__ = ()


def vector(xp: Any, x: Any) -> Any:
    return x if x.shape else xp.reshape(x, (1,))


def added_at(xp: Any, rows: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    """Zeros of a shape with rows added at positions of a dimension."""
    if not shape:
        return xp.reshape(xp.scatter_add(vector(xp, rows), (vector(xp, index),), (1,)), ())
    return xp.scatter_add(rows, (ALL,) * dim + (vector(xp, index),), shape)


def rows_at(xp: Any, g: Any, index: Any, dim: int) -> Any:
    return xp.getitem(vector(xp, g), (ALL,) * dim + (vector(xp, index),))


def cleared_at(xp: Any, g: Any, index: Any, dim: int) -> Any:
    """``g`` with zeros at positions of a dimension."""
    return xp.where(is_written_at(xp, g, index, dim), 0.0, g)


def is_written_at(xp: Any, g: Any, index: Any, dim: int) -> Any:
    """Which positions of a dimension of ``g`` an index names, as something that broadcasts against ``g``."""
    index = vector(xp, index)
    size = vector(xp, g).shape[dim]
    times = xp.scatter_add(xp.ones(index.shape, dtype=xp.float64), (index,), (size,))
    return xp.reshape(times, (size,) + (1,) * (len(g.shape) - dim - 1) if g.shape else ()) > 0


def refuse_negative(xp: Any, index: Any, shape: Any, dim: int) -> None:
    """Raise for an index that would wrap around. Not on a GPU: one would have to wait for it."""
    if xp.device.type != "cuda" and index.size and xp.min(index) < 0:
        raise IndexError(
            f"index {int(xp.min(index))} is out of bounds for dimension {dim} with size {(shape or (1,))[dim]}"
        )


def run_with_index_errors(function: Any, error: type[Exception], *arguments: Any) -> Tensor:
    """Call an operation; the array library finds indices that are too large, and raises IndexError."""
    try:
        return function(*arguments)  # type: ignore[no-any-return]
    except IndexError as e:
        raise error(str(e).replace("axis", "dimension")) from None


def index_tensor(
    function: str, index: Any, input: Tensor, expected: str = "dtype int32/int64", any_if_empty: bool = False
) -> Tensor:
    at: Tensor = as_tensor(index, function, "index", 3)
    if any_if_empty and not at.numel():
        at = at.to(dtypes.int64)
    if at.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            f"{function}(): Expected {expected} for index, but got {dtypes.dtype_name(at.dtype)}; cast it with .long()"
        )
    return to_device(at, input._device) if at._device is not input._device and at._device.type == "cpu" else at


def as_number(function: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"{function}(): argument 'value' must be a number or a Tensor, not {type(value).__name__}")
    return value


def int_samples(make: Make, values: Any) -> Any:
    return make.of(values, np.dtype(np.int64))
