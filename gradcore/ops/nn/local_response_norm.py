"""Normalisation by what happens in neighbouring channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcore.ops._dims import as_integer
from gradcore.ops._operands import as_tensor
from gradcore.ops.creation import zeros
from gradcore.ops.joining import cat

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["local_response_norm"]


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """``x / (k + alpha * mean(x ** 2)) ** beta``, with the mean over ``size`` neighbouring channels.

    Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012. Channels
    beyond the first and the last count as 0.

    Args:
        input: of shape (N, C, *).
        size: how many channels, of which ``size // 2`` stand before.
        alpha, beta, k: as in the formula.

    Raises:
        RuntimeError: ``size`` is not positive.
        ValueError: ``input`` has fewer than three dimensions.
    """
    x = as_tensor(input, "local_response_norm")
    size = as_integer(size, "size")
    if x.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {x.ndim} dimensions)")
    if not x.numel():
        return x
    if size <= 0:
        raise RuntimeError(f"kernel size should be greater than zero, but got size={size}")
    squares = x.mul(x)
    batch, channels, *rest = x.shape
    before, after = (zeros(batch, n, *rest, dtype=x.dtype, device=x.device) for n in (size // 2, (size - 1) // 2))
    squares = cat([before, squares, after], 1)
    total = squares.narrow(1, 0, channels)
    for i in range(1, size):
        total = total + squares.narrow(1, i, channels)
    # Of integers, the mean is one, too: it is rounded down.
    mean = total / size if x.dtype.kind not in "iu" else total.div(size, rounding_mode="trunc")
    return x / mean.mul(alpha).add(k).pow(beta)  # type: ignore[no-any-return]
