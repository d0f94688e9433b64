"""Normalisation by the root of the mean square, over the last dimensions of each element of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcore import dtypes
from gradcore.ops._numeric import refuse_dtype
from gradcore.ops._operands import as_tensor
from gradcore.ops.arithmetic import mul
from gradcore.ops.cast import cast
from gradcore.ops.elementwise import rsqrt
from gradcore.ops.nn._normalizing import as_shape, check_trailing
from gradcore.ops.powers import square
from gradcore.ops.reduction import mean

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["rms_norm"]


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """``x / sqrt(mean(x ** 2) + eps) * weight``, with the mean over the last dimensions.

    Zhang and Sennrich, Root Mean Square Layer Normalization, 2019. Of complex numbers, the squares are complex, too.

    Args:
        input: of shape (*, *normalized_shape), in a floating-point or complex dtype.
        normalized_shape: the sizes of the dimensions that are normalised together.
        weight: of shape ``normalized_shape``.
        eps: added to the mean; when not given, the distance from 1 to the next larger number of the dtype computed in.

    Raises:
        NotImplementedError: integers.
        RuntimeError: shapes do not fit.
        TypeError: ``normalized_shape`` is no sequence.
    """
    shape = as_shape("rms_norm", normalized_shape)
    x = as_tensor(input, "rms_norm")
    check_trailing(x, shape, weight=weight)
    if x.dtype.kind in "biu":
        refuse_dtype("rms_norm", x.dtype)
    wide = cast(x, dtypes.float32) if x.dtype.itemsize == 2 else x
    if eps is None:
        eps = 2.0**-52 if dtypes.real_of(wide.dtype) == dtypes.float64 else 2.0**-23
    out = mul(wide, rsqrt(mean(square(wide), tuple(range(-len(shape), 0)), True) + eps))
    out = out if weight is None else mul(out, weight)
    return out if out.dtype == x.dtype else cast(out, x.dtype)
