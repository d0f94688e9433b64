"""Group normalisation: over groups of channels of each element of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._batching import expanded, folded, unfolded
from gradcore.ops._dims import as_integer
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops.cast import cast
from gradcore.ops.nn._normalizing import (
    affine,
    centered_by,
    check_dtypes,
    input_gradient,
    like_statistics,
    moments,
    per_channel,
)
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["group_norm", "native_group_norm"]


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, with mean and variance over groups of channels.

    Wu and He, Group Normalization, 2018.

    Args:
        input: of shape (N, C, *), in a real floating-point dtype.
        num_groups: how many groups the channels make.
        weight: of each channel, in the dtype of ``input``, or in float32 where that is half precision.
        bias: likewise.
        eps: added to the variance.
        cudnn_enabled: without meaning here.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: shapes or dtypes do not fit, or the channels do not make so many groups.
    """
    x = as_tensor(input, "group_norm")
    if x.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {x.ndim}")
    return _normalized(x, weight, bias, num_groups, eps)[0]


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`group_norm`, with the mean and ``1 / sqrt(variance + eps)`` of each group, of shape (N, group).

    Args:
        N, C, HxW: the sizes of ``input``: of the batch, of the channels, and of all other dimensions together.

    Raises:
        As :func:`group_norm`.
    """
    x = as_tensor(input, "native_group_norm")
    if x.ndim < 2 or tuple(x.shape[:2]) != (N, C) or math.prod(x.shape[2:]) != HxW:
        raise RuntimeError(f"native_group_norm: expected an input of N={N}, C={C}, HxW={HxW}, but got {list(x.shape)}")
    return _normalized(x, weight, bias, group, eps)


def _normalized(x: Tensor, weight: Any, bias: Any, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    groups = as_integer(groups, "num_groups")
    channels = x.shape[1]
    if groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {groups}")
    if channels % groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(x.shape)} and num_groups={groups}"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and tuple(p.shape) != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(p.shape)} and input of shape {list(x.shape)}"
            )
    check_dtypes("GroupNormKernelImpl", x, weight, bias)
    return normalized_groups(x, weight, bias, group=groups, eps=float(eps))  # type: ignore[no-any-return]


def _grouped_channels(make: Make) -> Iterator[Sample]:
    for shape, groups in (((2, 4, 2), 2), ((2, 3), 1), ((1, 4, 1, 3), 4), ((0, 4, 2), 2)):
        yield Sample(make(*shape), make(shape[1]), make(shape[1]), group=groups, eps=0.1)
    yield Sample(make(2, 4, 2), None, None, group=2, eps=0.1)
    yield Sample(make(2, 4, 2), make(4), None, group=2, eps=0.1)
    yield Sample(make(2, 4, 2), None, make(4), group=2, eps=0.1)


@op(node="NativeGroupNormBackward0", outputs=("result0", "result1", "result2"), samples=_grouped_channels)
def normalized_groups(xp: Any, input: Any, weight: Any = None, bias: Any = None, /, *, group: int, eps: float) -> Any:
    """The groups, normalised, with their mean and the inverse of their standard deviation."""
    x = widened(xp, input)
    mean, centered, _, rstd = moments(xp, _groups(xp, x, group), (2,), eps)
    out = xp.reshape(xp.multiply(centered, rstd), tuple(x.shape))
    out = affine(xp, out, *(per_channel(xp, p, x) for p in (weight, bias)))
    statistics = [xp.reshape(s, tuple(s.shape[:2])) for s in (mean, rstd)]
    return narrowed(xp, out, input), *(like_statistics(xp, s, input, weight, bias) for s in statistics)


@normalized_groups.vjp("input", "weight", "bias")
def normalized_groups_vjp(
    xp: Any, g: Any, input: Any, weight: Any, result1: Any, result2: Any, needs: Any, group: int, eps: float
) -> Any:
    g, g_mean, g_rstd = (widened(xp, part) for part in g)
    x = widened(xp, input)
    shape = tuple(x.shape)
    g_input = g_weight = g_bias = None
    if needs[0] or needs[1]:
        mean, rstd, g_mean, g_rstd = (xp.expand_dims(s, axis=2) for s in (result1, result2, g_mean, g_rstd))
        centered, rstd = centered_by(xp, _groups(xp, x, group), (2,), eps, mean, rstd)
        if needs[0]:
            scaled = _groups(xp, affine(xp, g, per_channel(xp, weight, x), None), group)
            g_input = xp.reshape(input_gradient(xp, scaled, centered, rstd, (2,), g_mean, g_rstd), shape)
        if needs[1]:
            g_weight = _over_channels(xp, xp.multiply(xp.reshape(xp.multiply(centered, rstd), shape), g))
    if needs[2]:
        g_bias = _over_channels(xp, g)
    return g_input, g_weight, g_bias


@normalized_groups.vmap
def normalized_groups_vmap(input: Any, weight: Any, bias: Any, batched: Any, size: int, group: int, eps: float) -> Any:
    x = input if batched[0] else expanded(input, size)
    sizes = tuple(x.shape[:2])
    inside = not batched[1] and not batched[2]
    given = (weight, bias) if inside else (None, None)
    out, mean, rstd = (unfolded(r, sizes) for r in normalized_groups(folded(x), *given, group=group, eps=eps))
    if not inside:
        tail = (1,) * (x.ndim - 3)
        weight, bias = (
            None if p is None else p.reshape((size, 1, p.shape[1], *tail) if b else (1, 1, p.shape[0], *tail))
            for p, b in zip((weight, bias), batched[1:], strict=True)
        )
        out = out if weight is None else out * weight
        out = out if bias is None else out + bias
    return cast(out, x.dtype), mean, rstd


def _groups(xp: Any, x: Any, group: int) -> Any:
    """``x`` as (N, group, elements of a group)."""
    n, channels, *rest = x.shape
    return xp.reshape(x, (n, group, channels // group * math.prod(rest)))


def _over_channels(xp: Any, g: Any) -> Any:
    """The sum for each channel."""
    return xp.sum(g, axis=tuple([a for a in range(len(g.shape)) if a != 1]))
