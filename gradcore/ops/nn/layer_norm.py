"""Layer normalisation: over the last dimensions of each element of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gradcore.op import op
from gradcore.ops._batching import expanded
from gradcore.ops._extra import offered
from gradcore.ops._operands import as_tensor
from gradcore.ops._reducing import narrowed, widened
from gradcore.ops.cast import cast
from gradcore.ops.nn._normalizing import (
    affine,
    as_shape,
    centered_by,
    check_dtypes,
    check_trailing,
    in_batch,
    input_gradient,
    like_statistics,
    moments,
    without_statistics,
)
from gradcore.testing.samples import Make, Sample

if TYPE_CHECKING:
    from gradcore.tensor import Tensor

__all__ = ["layer_norm", "native_layer_norm"]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, with mean and variance over the last dimensions.

    Ba, Kiros and Hinton, Layer Normalization, 2016.

    Args:
        input: of shape (*, *normalized_shape), in a real floating-point dtype.
        normalized_shape: the sizes of the dimensions that are normalised together.
        weight: of shape ``normalized_shape``, in the dtype of ``input``, or in float32 where that is half precision.
        bias: likewise.
        eps: added to the variance.
        cudnn_enable: without meaning here.

    Raises:
        NotImplementedError: integers or complex numbers.
        RuntimeError: shapes or dtypes do not fit.
        TypeError: ``normalized_shape`` is no sequence.
    """
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`layer_norm`, with the mean and ``1 / sqrt(variance + eps)``, which have no gradient.

    Raises:
        As :func:`layer_norm`.
    """
    shape = as_shape("layer_norm", normalized_shape)
    x = as_tensor(input, "layer_norm")
    check_trailing(x, shape, weight=weight, bias=bias)
    check_dtypes("LayerNormKernelImpl", x, weight, bias)
    return normalized_layer(x, weight, bias, normalized_shape=shape, eps=float(eps))  # type: ignore[no-any-return]


def _layers(make: Make) -> Iterator[Sample]:
    for shape, inner in (((2, 3), (3,)), ((2, 2, 3), (2, 3)), ((4,), (4,)), ((0, 3), (3,)), ((2, 3, 2), (2,))):
        yield Sample(make(*shape), make(*inner), make(*inner), normalized_shape=inner, eps=1e-5).checked(
            after=without_statistics
        )
    yield Sample(make(2, 3), None, None, normalized_shape=(3,), eps=0.1).checked(after=without_statistics)
    yield Sample(make(2, 3), make(3), None, normalized_shape=(3,), eps=0.1).checked(after=without_statistics)
    yield Sample(make(2, 3), None, make(3), normalized_shape=(3,), eps=0.1).checked(after=without_statistics)


@op(
    node="NativeLayerNormBackward0",
    outputs=("result0", "result1", "result2"),
    nondifferentiable=("result1", "result2"),
    samples=_layers,
)
def normalized_layer(
    xp: Any,
    input: Any,
    weight: Any = None,
    bias: Any = None,
    /,
    *,
    normalized_shape: tuple[int, ...],
    eps: float,
) -> Any:
    """The layer, normalised, with its mean and the inverse of its standard deviation."""
    found = offered(xp, "layer_norm", input, weight, bias, math.prod(normalized_shape), eps)
    if found is not None:
        return found[0], *(xp.reshape(s, _kept(input.shape, normalized_shape)) for s in found[1:])
    x = widened(xp, input)
    mean, centered, _, rstd = moments(xp, x, _axes(normalized_shape), eps)
    out = affine(xp, xp.multiply(centered, rstd), weight, bias)
    return narrowed(xp, out, input), *(like_statistics(xp, s, input, weight, bias) for s in (mean, rstd))


@normalized_layer.vjp("input", "weight", "bias")
def normalized_layer_vjp(
    xp: Any,
    g: Any,
    input: Any,
    weight: Any,
    result1: Any,
    result2: Any,
    needs: Any,
    normalized_shape: tuple[int, ...],
    eps: float,
) -> Any:
    size = math.prod(normalized_shape)
    found = offered(xp, "layer_norm_gradient", g, input, weight, result1, result2, size, tuple(needs))
    if found is not None:
        return found
    g, x = widened(xp, g), widened(xp, input)
    axes = _axes(normalized_shape)
    g_input = g_weight = None
    if needs[0] or needs[1]:
        centered, rstd = centered_by(xp, x, axes, eps, result1, result2)
        if needs[0]:
            g_input = input_gradient(xp, affine(xp, g, weight, None), centered, rstd, axes)
        if needs[1]:
            g_weight = xp.multiply(xp.multiply(centered, rstd), g)
    return g_input, g_weight, g


@normalized_layer.vmap
def normalized_layer_vmap(
    input: Any, weight: Any, bias: Any, batched: Any, size: int, normalized_shape: tuple[int, ...], eps: float
) -> Any:
    x = input if batched[0] else expanded(input, size)
    if not batched[1] and not batched[2]:
        return normalized_layer(x, weight, bias, normalized_shape=normalized_shape, eps=eps)
    out, mean, rstd = normalized_layer(x, normalized_shape=normalized_shape, eps=eps)
    if weight is not None:
        out = out * in_batch(weight, x.ndim, batched[1])
    if bias is not None:
        out = out + in_batch(bias, x.ndim, batched[2])
    return cast(out, x.dtype), mean, rstd


def _axes(normalized_shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(normalized_shape), 0))


def _kept(shape: Any, normalized_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the statistics."""
    return (*shape[: len(shape) - len(normalized_shape)], *([1] * len(normalized_shape)))
