"""Matrices of powers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcore import dtypes
from gradcore.ops._dims import as_integer
from gradcore.ops._operands import as_tensor
from gradcore.ops.cumulative import cumprod
from gradcore.ops.joining import cat

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["linalg_vander", "vander"]


def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0 to ``N - 1`` of each element of ``x``, along a new last dimension.

    ``N`` is by default the last size of ``x``; a 0-d ``x`` counts as a vector of one element.

    Raises:
        RuntimeError: ``x`` is of truth values or half precision, or ``N`` is 1 or less.
    """
    x = as_tensor(x, "linalg.vander", "x")
    if x.dtype.kind == "b" or (x.dtype.itemsize == 2 and dtypes.category(x.dtype) > 1):
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got "
            f"{dtypes.scalar_type_name(x.dtype)}; cast it first, with .to(dtype)"
        )
    if not x.ndim:
        x = x.unsqueeze(-1)
    n = x.shape[-1] if N is None else as_integer(N, "N")
    if n <= 1:
        raise RuntimeError(f"N must be greater than 1, but linalg.vander got {n}")
    powers: Any = cumprod(x.unsqueeze(-1).expand((*x.shape, n - 1)), -1)
    return cat([powers.new_ones((*x.shape, 1)), powers], -1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each element of a vector, in rows: from ``N - 1`` down to 0, or upwards if ``increasing``.

    Raises:
        RuntimeError: ``x`` is no vector, or ``N`` is negative.
    """
    x = as_tensor(x, "vander", "x")
    if x.ndim != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, but vander got one of shape {list(x.shape)}")
    n = x.shape[0] if N is None else as_integer(N, "N")
    if n < 0:
        raise RuntimeError(f"N must be non-negative, but vander got {n}")
    dtype = dtypes.int64 if dtypes.category(x.dtype) < 2 else x.dtype
    ones: Any = x.new_ones((x.shape[0], min(n, 1)), dtype=dtype)
    out = cat([ones, cumprod(x.unsqueeze(1).expand((x.shape[0], n - 1)), 1)], 1) if n > 1 else ones
    return out if increasing else out.flip((1,))
