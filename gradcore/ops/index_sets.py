"""Sets of indices: of triangles of matrices, and of elements counted through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcore import dtypes
from gradcore.device import get_default_device, resolve
from gradcore.op import wrap
from gradcore.ops._dims import as_integer
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["tril_indices", "triu_indices", "unravel_index"]


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, device: Any = None) -> Tensor:
    """The indices of the elements on and below a diagonal of a ``row`` x ``col`` matrix: rows, and columns below them.

    Raises:
        RuntimeError: a negative number of rows or columns.
        NotImplementedError: ``dtype`` is neither int64 nor int32.
    """
    return _triangle("tril_indices", np.tril_indices, row, col, offset, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, device: Any = None) -> Tensor:
    """The indices of the elements on and above a diagonal of a ``row`` x ``col`` matrix: rows, and columns below them.

    Raises:
        RuntimeError: a negative number of rows or columns.
        NotImplementedError: ``dtype`` is neither int64 nor int32.
    """
    return _triangle("triu_indices", np.triu_indices, row, col, offset, dtype, device)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Positions counted in row-major order as one index for each dimension of ``shape``.

    Raises:
        TypeError: ``indices`` holds no integers, or ``shape`` is no shape.
        ValueError: a negative size.
    """
    indices = as_tensor(indices, "unravel_index", "indices")
    if dtypes.category(indices.dtype) != 1:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {dtypes.dtype_name(indices.dtype)}")
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    sizes = tuple([as_integer(n, "shape") for n in sizes])
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    found: list[Tensor] = []
    rest = indices
    for n in reversed(sizes):
        found.append(rest % n)
        rest = rest // n
    return tuple(reversed(found))


def _triangle(function: str, triangle: Any, row: int, col: int, offset: int, dtype: Any, device: Any) -> Tensor:
    row, col, offset = as_integer(row, "row"), as_integer(col, "col"), as_integer(offset, "offset")
    for name, n in (("row", row), ("col", col)):
        if n < 0:
            raise RuntimeError(f"{name} must be non-negative, got {n}")
    kind = dtypes.normalize(dtype)
    if kind not in (dtypes.int64, dtypes.int32):
        refuse_dtype(function, kind)
    where = get_default_device() if device is None else resolve(device)
    return wrap(where.xp.asarray(np.stack(triangle(row, offset, col)).astype(kind)), where)
